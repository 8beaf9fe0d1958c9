package resolver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of fetching one document.
const (
	webTime      = 5 * time.Second
	webSize      = 64 << 10
	webHeader    = 16 << 10
	webRedirects = 3
	// webTogether bounds the fetches under way; more wait for their turn.
	webTogether = 16
)

// WebConfig is what a Web works with.
type WebConfig struct {
	// Hosts are the hosts that may be asked: "example.com" for port 443,
	// "example.com:8443" for another, "*" for any host on port 443.
	Hosts []string
	// Roots are trusted to vouch for hosts; nil: those of the system.
	Roots *x509.CertPool
	// Dial connects; nil: to public addresses only. Tests put a server of their own
	// here.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Web is the method did:web. It speaks HTTPS to the hosts of its configuration,
// with no proxy, to no address that is not public, and follows redirects on the
// same host only: whoever names a DID cannot make it reach anything else.
type Web struct {
	hosts  []string
	client *http.Client
	turns  chan struct{}
}

// NewWeb makes a Web. It returns every mistake of the hosts.
func NewWeb(c WebConfig) (*Web, error) {
	w := &Web{turns: make(chan struct{}, webTogether)}
	var errs []error
	for _, entry := range c.Hosts {
		host, ok := hostPort(strings.ToLower(entry))
		if !ok && entry != "*" {
			errs = append(errs, fmt.Errorf("%q is no host name, host:port or *", entry))
		}
		if entry == "*" {
			host = entry
		}
		w.hosts = append(w.hosts, host)
	}
	if c.Dial == nil {
		c.Dial = newDialer().DialContext
	}
	w.client = &http.Client{
		Timeout: webTime,
		Transport: &http.Transport{
			DialContext: c.Dial, TLSClientConfig: &tls.Config{RootCAs: c.Roots, MinVersion: tls.VersionTLS12},
			DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: webHeader,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > webRedirects || r.URL.Scheme != "https" || strings.TrimSuffix(r.URL.Host, ":443") != via[0].URL.Host {
				return errRedirect
			}
			return nil
		},
	}
	return w, errors.Join(errs...)
}

var errRedirect = errors.New("redirect to another host, without TLS, or once too often")

// hostPort returns host and port of a name with or without one. It refuses IP
// addresses in every spelling that a resolver may know: the last label of a host
// name begins with a letter, and there is more than one label.
func hostPort(text string) (string, bool) {
	host, port, has := strings.Cut(text, ":")
	if !has {
		port = "443"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return "", false
	}
	labels := strings.Split(host, ".")
	if len(host) > 253 || len(labels) < 2 {
		return "", false
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return "", false
		}
	}
	last := labels[len(labels)-1]
	return host + ":" + port, last[0] >= 'a'
}

// address returns where the document of a did:web lies, and its host and port.
func address(u URL) (where *url.URL, host string, err error) {
	invalid := func(detail string) (*url.URL, string, error) {
		return nil, "", &Error{Reason: InvalidDID, Detail: detail}
	}
	segments := strings.Split(u.ID, ":")
	name, err := url.PathUnescape(segments[0])
	host, ok := hostPort(strings.ToLower(name))
	if err != nil || !ok {
		return invalid("a did:web begins with a host name, and %3A before a port")
	}
	path := "/.well-known/did.json"
	if len(segments) > 1 {
		for _, s := range segments[1:] {
			plain, err := url.PathUnescape(s)
			if err != nil || plain == "" || plain == "." || plain == ".." || strings.ContainsAny(plain, `/\`) {
				return invalid("the path of a did:web has an empty part, or one that is no name")
			}
		}
		path = "/" + strings.Join(segments[1:], "/") + "/did.json"
	}
	where, err = url.Parse("https://" + strings.TrimSuffix(host, ":443") + path)
	if err != nil {
		return invalid("the did:web makes no URL")
	}
	return where, host, nil
}

// Resolve is the Method. Errors: InvalidDID, MethodNotSupported for a host that is
// not allowed, FeatureNotSupported for versions, NotFound, InvalidDIDDocument,
// InternalError.
func (w *Web) Resolve(ctx context.Context, u URL, at Version) (*Resolution, error) {
	where, host, err := address(u)
	if err != nil {
		return nil, err
	}
	if !w.allows(host) {
		return nil, &Error{Reason: MethodNotSupported, Detail: "this resolver does not ask that host for a did:web"}
	}
	if at != (Version{}) {
		return nil, &Error{Reason: FeatureNotSupported, Detail: "did:web has no versions"}
	}
	fetched, err := w.take(ctx, where, "application/did, application/did+json, application/did+ld+json, application/json;q=0.9", webSize)
	if err != nil {
		return nil, err
	}
	document := jsontext.Value(fetched)
	if !document.IsValid() { // names occur once
		return nil, &Error{Reason: InvalidDIDDocument, Detail: "what the host serves is not JSON"}
	}
	id, _ := lookup(members(document), "id")
	if text(id) != u.DID {
		return nil, &Error{Reason: InvalidDIDDocument, Detail: "the document that the host serves has another id"}
	}
	if err := document.Compact(); err != nil {
		return nil, fmt.Errorf("document of %s: %w", host, err)
	}
	return &Resolution{Document: document}, nil
}

// allows says that a host (with its port) may be asked.
func (w *Web) allows(host string) bool {
	return slices.Contains(w.hosts, host) || slices.Contains(w.hosts, "*") && strings.HasSuffix(host, ":443")
}

// Fetch gets what an https URL of one of the hosts leads to, under the rules that hold
// for documents of did:web, at most limit bytes of it. Errors: InvalidDIDURL for a URL that
// is not taken, MethodNotSupported for a host that is not allowed, NotFound,
// InvalidDIDDocument for more than limit bytes, InternalError.
func (w *Web) Fetch(ctx context.Context, text, accept string, limit int64) ([]byte, error) {
	where, err := url.Parse(text)
	if err != nil || where.Scheme != "https" || where.User != nil {
		return nil, &Error{Reason: InvalidDIDURL, Detail: "only https URLs without a user are fetched"}
	}
	host, ok := hostPort(strings.ToLower(where.Host))
	if !ok {
		return nil, &Error{Reason: InvalidDIDURL, Detail: "the URL has no host name"}
	}
	if !w.allows(host) {
		return nil, &Error{Reason: MethodNotSupported, Detail: "this gateway does not ask that host"}
	}
	where.Host, where.Fragment = strings.TrimSuffix(host, ":443"), ""
	return w.take(ctx, where, accept, limit)
}

// take waits for its turn and fetches.
func (w *Web) take(ctx context.Context, where *url.URL, accept string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, webTime)
	defer cancel()
	select {
	case w.turns <- struct{}{}:
		defer func() { <-w.turns }()
	case <-ctx.Done():
		return nil, &Error{Reason: InternalError, Detail: "too much is being fetched", Cause: ctx.Err()}
	}
	return w.fetch(ctx, where, accept, limit)
}

func (w *Web) fetch(ctx context.Context, where *url.URL, accept string, limit int64) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", where.Host, err)
	}
	r.Header.Set("Accept", accept)
	response, err := w.client.Do(r)
	if failed := new(url.Error); errors.As(err, &failed) {
		err = failed.Err // the cause is for the log, which names no DID
	}
	var nowhere *net.DNSError
	switch {
	case errors.As(err, &nowhere) && nowhere.IsNotFound:
		return nil, &Error{Reason: NotFound, Detail: "there is no such host", Cause: err}
	case err != nil:
		return nil, &Error{Reason: InternalError, Detail: "the host cannot be asked", Cause: err}
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusGone:
		return nil, &Error{Reason: NotFound, Detail: "the host has no such document"}
	default:
		return nil, &Error{Reason: InternalError, Detail: fmt.Sprintf("the host answers %d", response.StatusCode)}
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	switch {
	case err != nil:
		return nil, &Error{Reason: InternalError, Detail: "the host does not answer to the end", Cause: err}
	case int64(len(body)) > limit:
		return nil, &Error{Reason: InvalidDIDDocument, Detail: fmt.Sprintf("the document has more than %d bytes", limit)}
	}
	return body, nil
}

// inner are blocks of global addresses that lead inwards, to other networks'
// insides, or nowhere (IANA's registries of special-purpose addresses).
var inner = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "240.0.0.0/4", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")

// outer holds every public IPv6 address: translated and mapped ones are outside.
var outer = netip.MustParsePrefix("2000::/3")

func prefixes(all ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range all {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// newDialer returns a dialler that connects to public addresses only.
func newDialer() *net.Dialer {
	return &net.Dialer{Timeout: webTime, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		return publicOnly(address)
	}}
}

// publicOnly refuses to connect to an address that is not public. It sees the
// address that is connected to, whatever a name server said before.
func publicOnly(address string) error {
	where, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	a := where.Addr().Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Is6() && !outer.Contains(a) || slices.ContainsFunc(inner, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return fmt.Errorf("%s is no public address", a)
	}
	return nil
}
