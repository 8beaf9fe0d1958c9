package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/killick-ledger/killick/gateway/certificate"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/rdf"
	"github.com/killick-ledger/killick/gateway/resolver"
	"github.com/killick-ledger/killick/gateway/vc"
)

// Context is a context that credentials may name besides the base context.
type Context struct {
	// URL is the context's name, File the path of its text, SHA256 the digest in hex
	// that the text must have. A file for the base context itself serves
	// eddsa-rdfc-2022 alone, which needs its text.
	URL    string `yaml:"url"`
	File   string `yaml:"file"`
	SHA256 string `yaml:"sha256"`
	// Types are the values of type that the context defines; "*" for one with @vocab.
	Types []string `yaml:"types"`
}

// Issuer is a DID for which the gateway issues credentials.
type Issuer struct {
	// Keys is the path of a key file (killick keys new), Passphrase that of a file whose
	// first line opens it.
	Keys       string `yaml:"keys"`
	Passphrase string `yaml:"passphrase_file"`
	// Method is killick, the DID of the key file on the ledger, or key: a did:key of the
	// same key, whose credentials the ledger does not know. Empty: killick.
	Method string `yaml:"method"`
	// Token is the path of a file whose first line clients must show to have something
	// issued (Authorization: Bearer); white space around it is no part of it. An issuer of
	// the method key may do without: it vouches for nobody.
	Token string `yaml:"token_file"`
	// Records is the reference of the schema under which the issuer certifies records; it
	// must be accredited for it. Empty: it certifies none.
	Records string `yaml:"records"`
}

// check reports the mistakes that can be seen without reading files.
func (i Issuer) check() error {
	switch {
	case i.Keys == "" || i.Passphrase == "":
		return errors.New("keys and passphrase_file are needed")
	case i.Method != "" && i.Method != "killick" && i.Method != "key":
		return fmt.Errorf("method %q; killick and key are known", i.Method)
	case i.Records != "" && i.Method == "key":
		return errors.New("records: only an issuer on the ledger certifies records")
	case i.Token == "" && i.Method != "key":
		return errors.New("token_file is needed: whoever reaches the gateway could have anything issued")
	}
	return nil
}

// open reads the keys.
func (i Issuer) open(network string) (certificate.Issuer, error) {
	var out certificate.Issuer
	passphrase, err := client.FirstLine(i.Passphrase)
	if err != nil {
		return out, err
	}
	identity, err := client.Load(i.Keys, passphrase)
	if err != nil {
		return out, err
	}
	if i.Token != "" {
		token, err := client.FirstLine(i.Token)
		if err != nil {
			return out, err
		}
		// A header has no white space around a value: a token with some could not be shown.
		token = bytes.TrimSpace(token)
		if len(token) < 16 {
			return out, fmt.Errorf("%s: a token has 16 characters or more", i.Token)
		}
		out.Token = string(token)
	}
	signer := identity.On(network)
	out.Records = i.Records
	out.DID, out.Algorithm, out.Keys = signer.DID(), signer.Algorithm(), signer
	if i.Method == "key" {
		key := identity.PublicKey()
		out.DID = "did:key:" + key
		out.Keys = renamed{signer, out.DID + "#" + key}
	}
	return out, nil
}

// renamed signs with a key under another name.
type renamed struct {
	client.Signer
	kid string
}

// KeyID returns the DID URL of the key.
func (r renamed) KeyID() string { return r.kid }

// credentials reads what the VC-API works with.
func (c Config) credentials() (certificate.Config, error) {
	var out certificate.Config
	out.URL = c.URL
	var contexts []vc.Context
	for _, entry := range c.Contexts {
		pinned, err := entry.pin()
		if err != nil {
			return out, fmt.Errorf("contexts: %w", err)
		}
		contexts = append(contexts, pinned)
	}
	var err error
	if out.Contexts, err = vc.NewContexts(contexts...); err != nil {
		return out, fmt.Errorf("contexts: %w", err)
	}
	// Nothing is canonicalised without the text of the context that all begin with.
	if texts := out.Contexts.Texts(); texts[vc.BaseContext] != nil {
		canonicalizer, err := rdf.New(texts)
		if err != nil {
			return out, fmt.Errorf("contexts: %w", err)
		}
		out.RDF = canonicalizer.Canonical
	}
	if len(c.StatusHosts) > 0 {
		web, err := resolver.NewWeb(resolver.WebConfig{Hosts: c.StatusHosts})
		if err != nil {
			return out, fmt.Errorf("status_hosts: %w", err)
		}
		out.Fetch = certificate.FetchFrom(web)
	}
	for _, entry := range c.Issuers {
		issuer, err := entry.open(c.Network)
		if err != nil {
			return out, fmt.Errorf("issuers: %w", err)
		}
		out.Issuers = append(out.Issuers, issuer)
	}
	return out, nil
}

func (c Context) pin() (vc.Context, error) {
	file, err := os.ReadFile(c.File)
	if err != nil {
		return vc.Context{}, err
	}
	digest, err := hex.DecodeString(strings.ToLower(c.SHA256))
	if err != nil || len(digest) != 32 {
		return vc.Context{}, fmt.Errorf("%s: sha256 is not 64 hex digits", c.URL)
	}
	return vc.PinContext(c.URL, file, [32]byte(digest), c.Types...)
}
