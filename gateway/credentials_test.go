package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/gateway/client"
)

// Issuers are opened from sealed files, and mistakes in what they need stop the start.
func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	identity, _, err := client.Generate("ES256", false)
	if err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(dir, "issuer.keys")
	if err := identity.Save(keys, []byte("correct horse")); err != nil {
		t.Fatal(err)
	}
	const context = `{"@context":{"Member":"https://member.example/Member"}}`
	sum := sha256.Sum256([]byte(context))
	good := func() Config {
		issuer := Issuer{Keys: keys, Passphrase: write("pass", "correct horse\n"), Token: write("token", "\tsixteen characters or more \r\n"), Records: "x"}
		test := Issuer{Keys: keys, Passphrase: issuer.Passphrase, Method: "key"}
		return Config{
			Network: "main-0011223344556677", URL: "https://gateway.example", Issuers: []Issuer{issuer, test}, StatusHosts: []string{"issuer.example"},
			Contexts: []Context{{URL: "https://contexts.example/member", File: write("member.jsonld", context), SHA256: hex.EncodeToString(sum[:]), Types: []string{"Member"}}},
		}
	}
	c, err := good().credentials()
	if err != nil {
		t.Fatal(err)
	}
	ledger, test := c.Issuers[0], c.Issuers[1]
	if ledger.DID != identity.DID("main-0011223344556677") || ledger.Algorithm != did.ES256 || ledger.Token != "sixteen characters or more" || ledger.Records != "x" ||
		ledger.Keys.KeyID() != ledger.DID+"#"+strings.TrimPrefix(ledger.Keys.KeyID(), ledger.DID+"#") {
		t.Errorf("issuer %+v", ledger)
	}
	if key := identity.PublicKey(); test.DID != "did:key:"+key || test.Keys.KeyID() != "did:key:"+key+"#"+key || test.Token != "" {
		t.Errorf("test issuer %+v", test)
	}
	if c.Fetch == nil || c.RDF != nil || c.URL != "https://gateway.example" {
		t.Errorf("config %+v", c)
	}
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"another passphrase": {func(c *Config) { c.Issuers[0].Passphrase = write("other", "wrong\n") }, "passphrase"},
		"an empty one":       {func(c *Config) { c.Issuers[0].Passphrase = write("empty", "\n") }, "empty"},
		"no key file":        {func(c *Config) { c.Issuers[0].Keys = filepath.Join(dir, "none") }, "none"},
		"a short token":      {func(c *Config) { c.Issuers[0].Token = write("short", "short\n") }, "16 characters"},
		"another digest":     {func(c *Config) { c.Contexts[0].SHA256 = strings.Repeat("0", 64) }, "pinned"},
		"no digest":          {func(c *Config) { c.Contexts[0].SHA256 = "x" }, "sha256"},
		"an unknown type":    {func(c *Config) { c.Contexts[0].Types = []string{"Other"} }, "Other"},
		"a context twice":    {func(c *Config) { c.Contexts = append(c.Contexts, c.Contexts[0]) }, "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			c := good()
			tt.change(&c)
			if _, err := c.credentials(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no token":        {func(c *Config) { c.Issuers[0].Token = "" }, "token_file"},
		"no keys":         {func(c *Config) { c.Issuers[0].Keys = "" }, "keys"},
		"another method":  {func(c *Config) { c.Issuers[0].Method = "web" }, "method"},
		"records by key":  {func(c *Config) { c.Issuers[1].Records = "x" }, "records"},
		"no url":          {func(c *Config) { c.URL = "" }, "url"},
		"a url with path": {func(c *Config) { c.URL = "https://gateway.example/" }, "url"},
		"a bad host":      {func(c *Config) { c.StatusHosts = []string{"localhost"} }, "status_hosts"},
	} {
		t.Run(name, func(t *testing.T) {
			c := good()
			c.ListenHTTP, c.ListenGRPC, c.Journal = "127.0.0.1:0", "127.0.0.1:0", "j.db"
			if err := c.Check(); err != nil {
				t.Fatal(err)
			}
			tt.change(&c)
			if err := c.Check(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

// A passphrase is the first line as it is: white space at its ends belongs to it.
func TestPassphraseWithWhiteSpace(t *testing.T) {
	identity, _, err := client.Generate("EdDSA", false)
	if err != nil {
		t.Fatal(err)
	}
	keys, pass := filepath.Join(t.TempDir(), "issuer.keys"), filepath.Join(t.TempDir(), "pass")
	if err := identity.Save(keys, []byte(" correct horse\t")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pass, []byte(" correct horse\t\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := Config{Network: "main-0011223344556677", Issuers: []Issuer{{Keys: keys, Passphrase: pass, Method: "key"}}}
	if got, err := c.credentials(); err != nil || len(got.Issuers) != 1 || got.Issuers[0].DID != "did:key:"+identity.PublicKey() {
		t.Errorf("%+v, %v", got.Issuers, err)
	}
}
