package resolver_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/gateway/resolver"
)

// What is fetched beside DID documents is fetched under the same rules: HTTPS, named
// hosts, so much and no more.
func TestFetch(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/list":
			if r.Header.Get("Accept") != "application/vc" || r.URL.RawQuery != "n=3" {
				w.WriteHeader(http.StatusBadRequest)
			}
			_, _ = w.Write([]byte("a list"))
		case "/long":
			_, _ = w.Write([]byte(strings.Repeat("x", 101)))
		case "/away":
			http.Redirect(w, r, "https://other.example/list", http.StatusFound)
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	w, err := resolver.NewWeb(resolver.WebConfig{Hosts: []string{"example.com"}, Roots: roots, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}})
	if err != nil {
		t.Fatal(err)
	}
	for url, reason := range map[string]resolver.Reason{
		"https://example.com/list?n=3":      "",
		"https://EXAMPLE.com:443/list?n=3":  "",
		"https://example.com/list?n=3#list": "",
		"https://example.com/none":          resolver.NotFound,
		"https://example.com/long":          resolver.InvalidDIDDocument,
		"https://example.com/away":          resolver.InternalError,
		"https://example.com/list?n=4":      resolver.InternalError,
		"http://example.com/list?n=3":       resolver.InvalidDIDURL,
		"https://user@example.com/list":     resolver.InvalidDIDURL,
		"https://127.0.0.1/list":            resolver.InvalidDIDURL,
		"https://example.com:8443/list":     resolver.MethodNotSupported,
		"https://other.example/list":        resolver.MethodNotSupported,
		"data:application/vc,x":             resolver.InvalidDIDURL,
		"https://%zz/":                      resolver.InvalidDIDURL,
	} {
		t.Run(url, func(t *testing.T) {
			got, err := w.Fetch(t.Context(), url, "application/vc", 100)
			var refused *resolver.Error
			errors.As(err, &refused)
			if reason == "" && (err != nil || string(got) != "a list") || reason != "" && (refused == nil || refused.Reason != reason) {
				t.Errorf("%q, %v; want %s", got, err, reason)
			}
		})
	}
}
