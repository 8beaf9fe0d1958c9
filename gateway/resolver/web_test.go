package resolver_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/gateway/resolver"
)

// host is what the TLS server of a test vouches for.
const host = "example.com"

// web starts a TLS server for host, whatever address is dialled, and returns a
// resolver that asks it, and the addresses that were dialled.
func web(t *testing.T, hosts []string, serve http.HandlerFunc) (resolver.Resolver, *[]string) {
	t.Helper()
	server := httptest.NewTLSServer(serve)
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	dialled := new([]string)
	w, err := resolver.NewWeb(resolver.WebConfig{Hosts: hosts, Roots: roots, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		*dialled = append(*dialled, address)
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}})
	if err != nil {
		t.Fatal(err)
	}
	return resolver.Resolver{"web": w.Resolve}, dialled
}

func resolveWith(t *testing.T, r resolver.Resolver, identifier string) (*resolver.Resolution, error) {
	t.Helper()
	q, err := r.Parse(identifier, "")
	if err != nil {
		return nil, err
	}
	return r.Resolve(t.Context(), q)
}

func TestWeb(t *testing.T) {
	tests := map[string]struct {
		did, path, address string
		hosts              []string
	}{
		"a host":                  {"did:web:example.com", "/.well-known/did.json", "example.com:443", []string{"example.com"}},
		"a host in capitals":      {"did:web:Example.COM", "/.well-known/did.json", "example.com:443", []string{"example.com"}},
		"a path":                  {"did:web:example.com:user:alice", "/user/alice/did.json", "example.com:443", []string{"EXAMPLE.com"}},
		"an encoded path":         {"did:web:example.com:a%20b", "/a%20b/did.json", "example.com:443", []string{"example.com:443"}},
		"a port":                  {"did:web:example.com%3A8443:u", "/u/did.json", "example.com:8443", []string{"example.com:8443"}},
		"any host":                {"did:web:example.com", "/.well-known/did.json", "example.com:443", []string{"*"}},
		"the port of any host":    {"did:web:example.com%3A443", "/.well-known/did.json", "example.com:443", []string{"*"}},
		"one of the host's names": {"did:web:www.example.com", "/.well-known/did.json", "www.example.com:443", []string{"a.example", "www.example.com"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, dialled := web(t, tt.hosts, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.EscapedPath() != tt.path || !strings.Contains(r.Header.Get("Accept"), "application/did") {
					t.Errorf("asked for %s, accepting %s", r.URL.EscapedPath(), r.Header.Get("Accept"))
				}
				fmt.Fprintf(w, `{ "@context": "https://www.w3.org/ns/did/v1", "z": 12345678901234567890, "id": %q, "a": [] }`, tt.did)
			})
			got, err := resolveWith(t, r, tt.did)
			if err != nil {
				t.Fatal(err)
			}
			want := `{"@context":"https://www.w3.org/ns/did/v1","z":12345678901234567890,"id":"` + tt.did + `","a":[]}`
			if string(got.Document) != want || got.Metadata != (resolver.Metadata{}) {
				t.Errorf("got %s", got.Document)
			}
			if len(*dialled) != 1 || (*dialled)[0] != tt.address {
				t.Errorf("dialled %v", *dialled)
			}
		})
	}
}

// RD-1: nothing is dialled for a DID that is none, or a host that is not allowed.
func TestWebAsksNobody(t *testing.T) {
	tests := map[string]struct {
		did  string
		want resolver.Reason
	}{
		"another host":        {"did:web:other.example", resolver.MethodNotSupported},
		"a host below":        {"did:web:sub.example.com", resolver.MethodNotSupported},
		"a longer name":       {"did:web:example.com.evil.example", resolver.MethodNotSupported},
		"another port":        {"did:web:example.com%3A8443", resolver.MethodNotSupported},
		"an IPv4 address":     {"did:web:127.0.0.1", resolver.InvalidDID},
		"a short address":     {"did:web:127.1", resolver.InvalidDID},
		"an address as hex":   {"did:web:0x7f.1", resolver.InvalidDID},
		"an address as one":   {"did:web:2130706433", resolver.InvalidDID},
		"an IPv6 address":     {"did:web:%5B%3A%3A1%5D", resolver.InvalidDID},
		"localhost":           {"did:web:localhost", resolver.InvalidDID},
		"a user":              {"did:web:user%40example.com", resolver.InvalidDID},
		"a path in the host":  {"did:web:example.com%2Fx", resolver.InvalidDID},
		"a query in the host": {"did:web:example.com%3Fx", resolver.InvalidDID},
		"a dot at the end":    {"did:web:example.com.", resolver.InvalidDID},
		"a blank":             {"did:web:exa%20mple.com", resolver.InvalidDID},
		"port zero":           {"did:web:example.com%3A0", resolver.InvalidDID},
		"a port too high":     {"did:web:example.com%3A65536", resolver.InvalidDID},
		"two ports":           {"did:web:example.com%3A1%3A2", resolver.InvalidDID},
		"no port":             {"did:web:example.com%3A", resolver.InvalidDID},
		"a folder above":      {"did:web:example.com:..:x", resolver.InvalidDID},
		"one encoded":         {"did:web:example.com:%2e%2E:x", resolver.InvalidDID},
		"a slash in a part":   {"did:web:example.com:a%2Fb", resolver.InvalidDID},
		"a backslash":         {"did:web:example.com:a%5Cb", resolver.InvalidDID},
		"an empty part":       {"did:web:example.com::x", resolver.InvalidDID},
		"a version":           {"did:web:example.com?versionId=1", resolver.FeatureNotSupported},
		"a time":              {"did:web:example.com?versionTime=2025-10-07T14:30:00Z", resolver.FeatureNotSupported},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, dialled := web(t, []string{host}, func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, `{"id":%q}`, tt.did)
			})
			if got, err := resolveWith(t, r, tt.did); reason(err) != tt.want {
				t.Errorf("got %+v, %v, want %s", got, err, tt.want)
			}
			if len(*dialled) > 0 {
				t.Errorf("dialled %v", *dialled)
			}
		})
	}
}

// RD-1: what hosts answer, and what becomes of it.
func TestWebAnswers(t *testing.T) {
	const did = "did:web:example.com"
	document := func(w http.ResponseWriter) { fmt.Fprintf(w, `{"id":%q}`, did) }
	redirect := func(where string, code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/moved" {
				document(w)
				return
			}
			http.Redirect(w, r, where, code)
		}
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	body := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
	}
	tests := map[string]struct {
		serve   http.HandlerFunc
		want    resolver.Reason // empty: the document
		dialled int
	}{
		"moved on the host":            {redirect("/moved", 302), "", 2},
		"moved on the host, in full":   {redirect("https://example.com/moved", 308), "", 2},
		"moved on the host's port":     {redirect("https://example.com:443/moved", 307), "", 2},
		"moved to another host":        {redirect("https://other.example/moved", 302), resolver.InternalError, 1},
		"moved to another port":        {redirect("https://example.com:8443/moved", 302), resolver.InternalError, 1},
		"moved to an inner address":    {redirect("https://127.0.0.1/moved", 302), resolver.InternalError, 1},
		"moved without TLS":            {redirect("http://example.com/moved", 302), resolver.InternalError, 1},
		"moved for ever":               {redirect("/again", 302), resolver.InternalError, 4},
		"not found":                    {status(404), resolver.NotFound, 1},
		"gone":                         {status(410), resolver.NotFound, 1},
		"forbidden":                    {status(403), resolver.InternalError, 1},
		"broken":                       {status(500), resolver.InternalError, 1},
		"nothing":                      {body(""), resolver.InvalidDIDDocument, 1},
		"no JSON":                      {body("<html>"), resolver.InvalidDIDDocument, 1},
		"no object":                    {body(`["` + did + `"]`), resolver.InvalidDIDDocument, 1},
		"no id":                        {body(`{}`), resolver.InvalidDIDDocument, 1},
		"another id":                   {body(`{"id":"did:web:other.example"}`), resolver.InvalidDIDDocument, 1},
		"an id that is no text":        {body(`{"id":["` + did + `"]}`), resolver.InvalidDIDDocument, 1},
		"a name twice":                 {body(`{"id":"` + did + `","id":"` + did + `"}`), resolver.InvalidDIDDocument, 1},
		"something after the document": {body(`{"id":"` + did + `"} x`), resolver.InvalidDIDDocument, 1},
		"as large as may be":           {body(`{"id":"` + did + `"}` + strings.Repeat(" ", 64<<10-len(did)-9)), "", 1},
		"one byte larger":              {body(`{"id":"` + did + `"}` + strings.Repeat(" ", 64<<10-len(did)-8)), resolver.InvalidDIDDocument, 1},
		"a header without end": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 64<<10))
			document(w)
		}, resolver.InternalError, 1},
		"a connection that breaks": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, resolver.InternalError, 1},
		"less than was promised": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			document(w)
		}, resolver.InternalError, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, dialled := web(t, []string{host}, tt.serve)
			got, err := resolveWith(t, r, did)
			if reason(err) != tt.want || err == nil && string(got.Document) != `{"id":"`+did+`"}` {
				t.Errorf("got %+v, %v, want %s", got, err, tt.want)
			}
			if len(*dialled) != tt.dialled {
				t.Errorf("dialled %v", *dialled)
			}
		})
	}
}

// A host that does not answer is given up when whoever asked is gone.
func TestWebHangs(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := web(t, []string{host}, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	q, err := r.Parse("did:web:example.com", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Resolve(ctx, q); reason(err) != resolver.InternalError {
		t.Errorf("got %v", err)
	}
}

// RD-1: a host with a certificate that nobody trusts, or of another name, is not believed.
func TestWebCertificates(t *testing.T) {
	r, _ := web(t, []string{"other.test"}, func(http.ResponseWriter, *http.Request) { t.Error("a request came") })
	if _, err := resolveWith(t, r, "did:web:other.test"); reason(err) != resolver.InternalError {
		t.Errorf("got %v", err)
	}
}

// RD-1: the dialler that is not a test's connects to public addresses only, whatever
// name led to them.
func TestWebAddresses(t *testing.T) {
	for address, public := range map[string]bool{
		"8.8.8.8:443": true, "[2606:4700::1111]:443": true, "1.1.1.1:8443": true,
		"127.0.0.1:443": false, "10.1.2.3:443": false, "172.16.0.1:443": false, "192.168.1.1:443": false, "169.254.169.254:443": false,
		"100.64.0.1:443": false, "0.0.0.0:443": false, "0.1.2.3:443": false, "224.0.0.1:443": false, "255.255.255.255:443": false, "240.0.0.1:443": false,
		"192.0.0.1:443": false, "192.0.2.1:443": false, "198.18.0.1:443": false, "198.51.100.1:443": false, "203.0.113.1:443": false, "192.88.99.1:443": false,
		"[::1]:443": false, "[::]:443": false, "[fe80::1]:443": false, "[fc00::1]:443": false, "[fd12::1]:443": false, "[ff02::1]:443": false, "[fec0::1]:443": false,
		"[::ffff:10.0.0.1]:443": false, "[::ffff:127.0.0.1]:443": false, "[64:ff9b::7f00:1]:443": false, "[2002:7f00:1::]:443": false, "[2001::1]:443": false,
		"[2001:db8::1]:443": false, "[100::1]:443": false, "not an address": false,
	} {
		t.Run(address, func(t *testing.T) {
			if err := resolver.PublicOnly(address); (err == nil) != public {
				t.Errorf("got %v", err)
			}
		})
	}
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	if _, err := resolver.NewWebDialer().DialContext(t.Context(), "tcp", server.Listener.Addr().String()); err == nil {
		t.Error("connected to this machine")
	}
}

func TestWebHosts(t *testing.T) {
	if _, err := resolver.NewWeb(resolver.WebConfig{Hosts: []string{"*", "example.com", "a.example:8443", "EXAMPLE.com"}}); err != nil {
		t.Error(err)
	}
	for _, entry := range []string{"", "localhost", "127.0.0.1", "[::1]", "https://example.com", "*.example.com", "example.com:", "example.com:99999", "example.com/x", "a b.example"} {
		if _, err := resolver.NewWeb(resolver.WebConfig{Hosts: []string{"example.com", entry}}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", entry)) {
			t.Errorf("%q: %v", entry, err)
		}
	}
}
