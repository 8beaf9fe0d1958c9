package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"

	"github.com/killick-ledger/killick/gateway/resolver"
	"github.com/killick-ledger/killick/network/fabric"
)

// Config is gateway.yaml.
type Config struct {
	// ListenHTTP is host:port of the REST service, ListenGRPC that of gRPC. Both
	// are without TLS: bind them to a loopback or inner address and let the
	// organisation's edge end TLS before them.
	ListenHTTP string `yaml:"listen_http"`
	ListenGRPC string `yaml:"listen_grpc"`
	// Journal is the path of the SQLite file that holds what was taken. Its folder
	// is made. One process uses it at a time.
	Journal string `yaml:"journal"`
	// Network is the ledger's name, "<channel>-<16 hex digits>".
	Network string `yaml:"network"`
	// Anchor is the URL of the own organisation's anchor. Empty: no proofs and
	// payouts here.
	Anchor string `yaml:"anchor"`
	// DIDWeb are the hosts that are asked for the documents of did:web: "example.com"
	// for port 443, "example.com:8443" for another, "*" for any host on port 443.
	// None: did:web is not resolved.
	DIDWeb []string `yaml:"did_web"`
	// URL is where clients and verifiers reach the REST service, as
	// https://gateway.example, without a slash at its end. Credentials of issuers on the
	// ledger name it for their status lists, for good. Needed for such issuers, for
	// logins and for openid. Who logs in signs it, so it must be what clients use.
	URL string `yaml:"url"`
	// StatusHosts are the hosts that are asked for status lists of other issuers, named as
	// in did_web. None: their credentials with a status are refused.
	StatusHosts []string `yaml:"status_hosts"`
	// Contexts are those that credentials may name, Issuers the DIDs for which
	// credentials are issued here.
	Contexts []Context `yaml:"contexts"`
	Issuers  []Issuer  `yaml:"issuers"`
	// OpenID is what wallets are offered and asked for.
	OpenID OpenID `yaml:"openid"`
	// Fabric is how the network is reached.
	Fabric fabric.Config `yaml:"fabric"`

	// Batch is how many operations travel together at most (0: 500), InFlight how
	// many batches are under way (0: 4), Queue how many operations may wait before
	// more are refused as overloaded (0: 100,000).
	Batch    int `yaml:"batch"`
	InFlight int `yaml:"in_flight"`
	Queue    int `yaml:"queue"`
}

// Check reports every mistake.
func (c Config) Check() error {
	var errs []error
	for name, address := range map[string]string{"listen_http": c.ListenHTTP, "listen_grpc": c.ListenGRPC} {
		if _, _, err := net.SplitHostPort(address); err != nil {
			errs = append(errs, fmt.Errorf("%s: %q is not host:port", name, address))
		}
	}
	if c.Journal == "" {
		errs = append(errs, errors.New("journal: a path is needed"))
	}
	if c.Network == "" {
		errs = append(errs, errors.New("network: the ledger's name is needed"))
	}
	if c.Anchor != "" {
		if u, err := url.Parse(c.Anchor); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			errs = append(errs, fmt.Errorf("anchor: %q is no http or https URL", c.Anchor))
		}
	}
	if _, err := c.web(); err != nil {
		errs = append(errs, err)
	}
	if _, err := resolver.NewWeb(resolver.WebConfig{Hosts: c.StatusHosts}); err != nil {
		errs = append(errs, fmt.Errorf("status_hosts: %w", err))
	}
	if u, err := url.Parse(c.URL); c.URL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "") {
		errs = append(errs, fmt.Errorf("url: %q is no http or https URL of a host", c.URL))
	}
	for i, issuer := range c.Issuers {
		if issuer.Method != "key" && c.URL == "" {
			errs = append(errs, fmt.Errorf("issuers, number %d: an issuer on the ledger needs url, where its status lists are found", i+1))
		}
		if err := issuer.check(); err != nil {
			errs = append(errs, fmt.Errorf("issuers, number %d: %w", i+1, err))
		}
	}
	if err := c.OpenID.check(c.URL); err != nil {
		errs = append(errs, fmt.Errorf("openid: %w", err))
	}
	if c.Batch < 0 || c.Batch > 1000 {
		errs = append(errs, fmt.Errorf("batch: %d is not between 0 and 1000", c.Batch))
	}
	if c.InFlight < 0 || c.Queue < 0 {
		errs = append(errs, errors.New("in_flight and queue cannot be negative"))
	}
	return errors.Join(errs...)
}

// web returns who resolves did:web; nil when nobody does.
func (c Config) web() (*resolver.Web, error) {
	if len(c.DIDWeb) == 0 {
		return nil, nil
	}
	w, err := resolver.NewWeb(resolver.WebConfig{Hosts: c.DIDWeb})
	if err != nil {
		return nil, fmt.Errorf("did_web: %w", err)
	}
	return w, nil
}
