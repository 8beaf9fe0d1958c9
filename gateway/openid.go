package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/killick-ledger/killick/gateway/api"
	"github.com/killick-ledger/killick/gateway/openid"
)

// OpenID is what wallets are offered and asked for. It needs url.
type OpenID struct {
	// Credentials are the kinds of credentials that the issuers may offer to wallets.
	Credentials []Offer `yaml:"credentials"`
	// Verifiers are the DIDs of partner apps that may ask wallets for presentations in
	// this gateway's name; the issuers of credentials may anyway.
	Verifiers []string `yaml:"verifiers"`
	// Certificate is the path of a PEM file with the certificate chain, the host's of url
	// first, that signs requests for wallets that know its authority, and Key that of its
	// key, of P-256. Empty: requests are signed by a DID.
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
}

// Offer is a kind of credential that wallets may be offered.
type Offer struct {
	// ID names it in offers; 1 to 64 of A-Z a-z 0-9 . _ -
	ID string `yaml:"id"`
	// Issuer is the DID of one of the issuers, who makes the offers.
	Issuer string `yaml:"issuer"`
	// Format is dc+sd-jwt (SD-JWT VC) or vc+jwt (VC Data Model 2.0).
	Format string `yaml:"format"`
	// Type is the vct of an SD-JWT; else the type beside VerifiableCredential, which
	// Context, a URL among contexts, defines.
	Type    string `yaml:"type"`
	Context string `yaml:"context"`
	// Name is what people see in their wallets.
	Name string `yaml:"name"`
	// Schema is the reference of the schema on the ledger, Evidence what issuing rests on
	// (as credential.issue has it), Endorser the DID of who vouches (empty: the issuer).
	// All are empty for an issuer of the method key.
	Schema   string `yaml:"schema"`
	Evidence string `yaml:"evidence"`
	Endorser string `yaml:"endorser"`
	// Days is how long a credential is valid.
	Days int `yaml:"days"`
	// Claims are the names that an offer may give values for. In an SD-JWT each can be
	// disclosed by itself.
	Claims []string `yaml:"claims"`
}

// check reports the mistakes that can be seen without reading files.
func (o OpenID) check(url string) error {
	var errs []error
	if url == "" && len(o.Credentials)+len(o.Verifiers)+len(o.Certificate) > 0 {
		errs = append(errs, errors.New("url is needed"))
	}
	if (o.Certificate == "") != (o.Key == "") {
		errs = append(errs, errors.New("certificate and key belong together"))
	}
	for _, c := range o.Credentials {
		if c.Days < 1 || c.Days > 36525 {
			errs = append(errs, fmt.Errorf("%s: days must be 1 to 36525", c.ID))
		}
	}
	return errors.Join(errs...)
}

// wallets returns the configuration as the server has it. The issuers' DIDs are known
// once their key files are open.
func (o OpenID) wallets(base string, issuers []string) (api.OpenID, error) {
	out := api.OpenID{Verifiers: o.Verifiers}
	if o.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(o.Certificate, o.Key)
		if err != nil {
			return out, fmt.Errorf("openid: %w", err)
		}
		u, err := url.Parse(base)
		if err != nil {
			return out, fmt.Errorf("url: %w", err)
		}
		if out.Certificate, err = openid.NewCertificate(pair, u.Hostname()); err != nil {
			return out, fmt.Errorf("openid: %w", err)
		}
	}
	for _, c := range o.Credentials {
		known := false
		for _, did := range issuers {
			known = known || did == c.Issuer
		}
		if !known {
			return out, fmt.Errorf("openid: %s: this gateway has no issuer %s", c.ID, c.Issuer)
		}
		if c.Schema != "" && c.Endorser == "" {
			c.Endorser = c.Issuer
		}
		out.Configurations = append(out.Configurations, openid.Configuration{
			ID: c.ID, Issuer: c.Issuer, Format: c.Format, Type: c.Type, Context: c.Context, Name: c.Name, Schema: c.Schema, Evidence: c.Evidence, Endorser: c.Endorser,
			Life: time.Duration(c.Days) * 24 * time.Hour, Claims: c.Claims,
		})
	}
	return out, nil
}
