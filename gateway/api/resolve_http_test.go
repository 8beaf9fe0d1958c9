package api_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/gateway/api"
	"github.com/killick-ledger/killick/gateway/resolver"
)

// HEAD is GET without a body.
func TestHead(t *testing.T) {
	t.Parallel()
	h := startTold(t)
	for name, identifier := range map[string]string{"a DID": liveDID, "one that is gone": goneDID, "none": noDID, "an address": liveDID + "?service=files&relativeRef=x"} {
		t.Run(name, func(t *testing.T) {
			get, head := h.ask(http.MethodGet, "/"+identifier, nil), h.ask(http.MethodHead, "/"+identifier, nil)
			for _, r := range []reply{get, head} {
				r.header.Del("Date")
			}
			if len(head.body) > 0 || head.status != get.status || !cmp.Equal(head.header, get.header) {
				t.Errorf("got %d %v, want %d %v", head.status, head.header, get.status, get.header)
			}
		})
	}
}

// A page of any origin may ask, with every header that the resolver looks at.
func TestCORS(t *testing.T) {
	t.Parallel()
	h := startTold(t)
	for _, identifier := range []string{"", "/", "/" + liveDID, "/not-a-did"} {
		r := h.ask(http.MethodOptions, identifier, http.Header{
			"Origin": {"https://app.example"}, "Access-Control-Request-Method": {"GET"}, "Access-Control-Request-Headers": {"accept,if-none-match"},
		})
		if r.status != http.StatusNoContent || r.header.Get("Allow") != "GET, HEAD, OPTIONS" || r.header.Get("Access-Control-Allow-Methods") != "GET, HEAD, OPTIONS" ||
			r.header.Get("Access-Control-Allow-Headers") != "Accept, If-None-Match" || r.header.Get("Access-Control-Max-Age") == "" {
			t.Errorf("%q: %d %v", identifier, r.status, r.header)
		}
	}
	r := h.ask(http.MethodGet, "/"+liveDID, http.Header{"Origin": {"https://app.example"}})
	if r.header.Get("Access-Control-Expose-Headers") != "ETag" || r.header.Get("Access-Control-Allow-Credentials") != "" || r.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("header %v", r.header)
	}
}

func TestOtherMethods(t *testing.T) {
	t.Parallel()
	h := startTold(t)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		r := h.ask(method, "/"+liveDID, nil)
		if r.status != http.StatusMethodNotAllowed || r.header.Get("Allow") != "GET, HEAD, OPTIONS" || r.media() != "application/problem+json" || r.json["status"] != 405.0 {
			t.Errorf("%s: %d %v %s", method, r.status, r.header, r.body)
		}
	}
}

// RD-3: who kept an answer is told whether it is still the ledger's, and gets the new one
// when it is not. Each representation has a tag of its own.
func TestETag(t *testing.T) {
	t.Parallel()
	h := startTold(t)
	first := h.look(liveDID, "")
	tag := first.header.Get("ETag")
	if tag == "" || first.header.Get("Cache-Control") != "no-cache" {
		t.Fatalf("header %v", first.header)
	}
	if again := h.look(liveDID, ""); again.header.Get("ETag") != tag {
		t.Error("an answer changes by itself")
	}
	other := h.look(liveDID, "application/did").header.Get("ETag")
	json := h.look(liveDID, "application/did+json").header.Get("ETag")
	if other == tag || other == json {
		t.Error("two representations have one tag")
	}
	for header, fresh := range map[string]bool{tag: true, "W/" + tag: true, `"x", ` + tag: true, "*": true, other: false, `"x"`: false, strings.Trim(tag, `"`): false} {
		r := h.ask(http.MethodGet, "/"+liveDID, http.Header{"If-None-Match": {header}})
		want := http.StatusOK
		if fresh {
			want = http.StatusNotModified
		}
		if r.status != want || r.header.Get("ETag") != tag || r.header.Get("Vary") != "Accept" || fresh && len(r.body) > 0 {
			t.Errorf("%s: %d %v", header, r.status, r.header)
		}
	}
	if r := h.ask(http.MethodGet, "/"+noDID, http.Header{"If-None-Match": {"*"}}); r.status != 404 {
		t.Errorf("an error was not modified: %d", r.status)
	}
}

// A DID of the ledger in memory resolves to what gRPC reads, and an answer is never
// older than the last block.
func TestResolveOnTheLedger(t *testing.T) {
	t.Parallel()
	h := start(t)
	read, err := h.client.Resolve(t.Context(), h.alice.DID)
	if err != nil {
		t.Fatal(err)
	}
	r := h.look(h.alice.DID, "application/did")
	if r.status != 200 || !cmp.Equal(r.json, read.GetDidDocument().AsMap()) {
		t.Errorf("got %d %s, want %v", r.status, r.body, read)
	}
	r = h.look(h.alice.DID, "")
	if r.at("didDocumentMetadata", "versionId") != "1" || r.at("didResolutionMetadata", "contentType") != "application/did" {
		t.Errorf("got %s", r.body)
	}
	key := strings.Replace(h.alice.KeyID(), "#", "%23", 1)
	if r := h.look(key, "application/did"); r.json["id"] != h.alice.KeyID() || r.json["controller"] != h.alice.DID {
		t.Errorf("got %s", r.body)
	}
	h.ledger.SetDown(true)
	r = h.look(h.alice.DID, "")
	if _, problem, _ := r.parts(t); r.status != 500 || problem.(map[string]any)["type"] != "https://www.w3.org/ns/did#INTERNAL_ERROR" {
		t.Errorf("without a ledger: %d %s", r.status, r.body)
	}
}

// An operator who allows a host has its did:web resolved, over TLS.
func TestResolveWeb(t *testing.T) {
	t.Parallel()
	const did = "did:web:example.com:u"
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/broken/did.json" {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, `{"id":%q,"service":[{"id":"#s","type":"S","serviceEndpoint":"https://s.example/"}]}`, did)
	}))
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	web, err := resolver.NewWeb(resolver.WebConfig{Hosts: []string{"example.com"}, Roots: roots, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	h := start(t, func(c *api.Config) { c.Web, c.Log = web, slog.New(slog.NewTextHandler(&log, nil)) })
	if r := h.look(did, "application/did"); r.status != 200 || r.json["id"] != did || r.header.Get("Cache-Control") != "no-cache" {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := h.look(did+"?service=s&relativeRef=x", ""); r.header.Get("Location") != "https://s.example/x" {
		t.Errorf("%d %v", r.status, r.header)
	}
	if r := h.look(did+"%23s?expandRelativeUrls=true", ""); r.at("content", "id") != did+"#s" {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := h.look("did:web:other.example", ""); r.status != 501 {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := h.look("did:web:example.com:broken", ""); r.status != 500 || !strings.Contains(log.String(), "resolve failed") || !strings.Contains(log.String(), "answers 500") {
		t.Errorf("%d %s, log %s", r.status, r.body, log.String())
	}
}
