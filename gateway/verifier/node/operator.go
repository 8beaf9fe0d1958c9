package node

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// enclaveService is the type of the service in an operator's DID document whose endpoint
	// delivers what its enclaves made.
	enclaveService = "KillickEnclave"
	// fetchLimit is how long one fetch may take, maxEvidence how large a quote may be, and
	// maxFetches how many fetches are under way at a time.
	fetchLimit  = 2 * time.Minute
	maxEvidence = 64 << 10
	maxFetches  = 8
)

// missing is what an operator says that it does not have, or says nothing of where it would
// have it. Other failures may be those of this node or of the way.
type missing struct{ what string }

func (m *missing) Error() string { return "the operator does not deliver: " + m.what }

// operators fetches from operators. An operator writes its own endpoint into its document,
// so it is asked at public addresses with TLS only, without redirects or a proxy: it cannot
// have a node reach what is behind the node's own wall. Endpoints that the configuration
// names are asked as they are.
type operators struct {
	named   map[string]string // endpoints of the configuration, by DID
	open    *http.Client      // for these
	guarded *http.Client
	max     int64 // of an output
	turns   chan struct{}
}

func newOperators(c *Config) *operators {
	plain := &net.Dialer{Timeout: 10 * time.Second}
	public := &net.Dialer{Timeout: 10 * time.Second, Control: publicOnly}
	with := func(d *net.Dialer) *http.Client {
		return &http.Client{
			Timeout: fetchLimit,
			Transport: &http.Transport{
				DialContext: d.DialContext, TLSClientConfig: &tls.Config{RootCAs: c.OperatorCA, MinVersion: tls.VersionTLS12},
				DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 16 << 10,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	o := &operators{named: c.Operators, open: with(plain), guarded: with(public), max: c.MaxOutput, turns: make(chan struct{}, maxFetches)}
	if c.Private {
		o.guarded = o.open
	}
	return o
}

// place is where an operator delivers.
type place struct {
	url   string // empty: its document does not say
	named bool   // by the configuration
}

// notPublic are addresses beside those of private networks that lead nowhere public, or
// have an IPv4 address in them at which a gateway of the node's network would arrive.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
}

// publicOnly refuses to connect to an address that is not public, whatever name led there.
func publicOnly(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := at.Addr().Unmap().WithZone("")
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return fmt.Errorf("%s is no public address", ip)
	}
	return nil
}

// where is the URL of what an operator has of a job.
func (p place) of(job, what string) (string, error) {
	if p.url == "" {
		return "", &missing{"its DID document names no service of type " + enclaveService}
	}
	if !isEndpoint(p.url, p.named) {
		return "", &missing{fmt.Sprintf("%.100q is no URL that is asked", p.url)}
	}
	return strings.TrimSuffix(p.url, "/") + "/v1/jobs/" + job + "/" + what, nil
}

// isEndpoint says whether a text is the URL of an endpoint, which may be without TLS where
// the configuration names it.
func isEndpoint(text string, plain bool) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" && (u.Scheme == "https" || plain && u.Scheme == "http")
}

// begin begins to fetch. A *missing says that the operator does not have it.
func (o *operators) begin(ctx context.Context, from place, job, what string) (io.ReadCloser, error) {
	at, err := from.of(job, what)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/octet-stream")
	asking := o.guarded
	if from.named {
		asking = o.open
	}
	answer, err := asking.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	err = fmt.Errorf("%s: %s", at, answer.Status)
	if answer.StatusCode == http.StatusNotFound || answer.StatusCode == http.StatusGone {
		err = &missing{err.Error()}
	}
	return nil, errors.Join(err, answer.Body.Close())
}

// fetch has read take what an operator has of a job.
func (o *operators) fetch(ctx context.Context, from place, job, what string, read func(io.Reader) error) error {
	select {
	case o.turns <- struct{}{}:
		defer func() { <-o.turns }()
	case <-ctx.Done():
		return ctx.Err()
	}
	body, err := o.begin(ctx, from, job, what)
	if err != nil {
		return err
	}
	return errors.Join(read(body), body.Close())
}

// output returns the SHA-256 of a job's output.
func (o *operators) output(ctx context.Context, from place, job string) (sum [32]byte, err error) {
	err = o.fetch(ctx, from, job, "output", func(r io.Reader) error {
		h := sha256.New()
		size, err := io.Copy(h, io.LimitReader(r, o.max+1))
		if err == nil && size > o.max {
			err = fmt.Errorf("the output has more than the %d bytes that this node fetches", o.max)
		}
		h.Sum(sum[:0])
		return err
	})
	return sum, err
}

// evidence returns a job's quote.
func (o *operators) evidence(ctx context.Context, from place, job string) (quote []byte, err error) {
	err = o.fetch(ctx, from, job, "evidence", func(r io.Reader) (err error) {
		quote, err = io.ReadAll(io.LimitReader(r, maxEvidence+1))
		return err // one that is too large has another digest
	})
	return quote, err
}
