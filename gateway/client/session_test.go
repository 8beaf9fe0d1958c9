package client_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/login"
	"github.com/killick-ledger/killick/gateway/vc"
)

// known is one DID's document.
type known struct {
	signer client.Signer
	doc    *did.Document
	gone   atomic.Bool
}

func (k *known) Method(_ context.Context, id string) (*vc.Method, error) {
	if id != k.signer.KeyID() || k.gone.Load() {
		return nil, fault.New(fault.DIDUnknown, "no such DID")
	}
	return vc.DocumentMethod(k.signer.DID(), k.doc, "key-1")
}

// gateway is a server that can be started again, and has one page.
type gateway struct {
	handler atomic.Value
	logins  atomic.Int32
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.handler.Load().(http.Handler).ServeHTTP(w, r)
}

func (g *gateway) start(url string, k *known) {
	s := login.New(login.Config{URL: url, Method: (&vc.Verifier{Resolver: k}).Method, Log: slog.New(slog.DiscardHandler)})
	mux := http.NewServeMux()
	s.Register(mux, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == login.TokenPath {
				g.logins.Add(1)
			}
			h.ServeHTTP(w, r)
		})
	})
	page := s.Protect(func(w http.ResponseWriter, _ *http.Request, c *login.Caller) {
		login.Answer(w, http.StatusOK, c.DID)
	})
	mux.Handle("/page", page)
	mux.Handle("/v1/me", page)
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	mux.HandleFunc("/problem", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(`{"code":"overloaded","detail":"x","instance":"i"}`))
	})
	g.handler.Store(http.Handler(mux))
}

func startSession(t *testing.T) (*gateway, *known, *client.Session, string) {
	t.Helper()
	identity, _, err := client.Generate("ES256", false)
	if err != nil {
		t.Fatal(err)
	}
	doc, _, err := did.DecodeDocument(identity.Document())
	if err != nil {
		t.Fatal(err)
	}
	k := &known{signer: identity.On("main-0011223344556677"), doc: doc}
	g := new(gateway)
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	g.start(server.URL, k)
	s, err := k.signer.Session(server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	return g, k, s, server.URL
}

func TestSession(t *testing.T) {
	g, k, s, url := startSession(t)
	call := func(path string) error { _, err := s.Call(t.Context(), "GET", path, nil); return err }
	for range 3 {
		if err := call("/page?x=y"); err != nil {
			t.Fatal(err)
		}
	}
	if n := g.logins.Load(); n != 1 {
		t.Errorf("%d logins for three calls", n)
	}
	// The gateway is started again: its tokens and nonces have ended.
	g.start(url, k)
	if err := call("/page"); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	if err := call("/problem"); fault.Of(err) != fault.Overloaded {
		t.Errorf("a problem: %v", err)
	}
	if err := call("/broken"); err == nil {
		t.Error("a bad gateway is no answer")
	}
	k.gone.Store(true)
	var refused *client.LoginError
	if err := call("/page"); !errors.As(err, &refused) || refused.Code != "invalid_grant" {
		t.Errorf("a DID that is gone: %v", err)
	}
}

func TestSessionsTogether(t *testing.T) {
	_, k, s, _ := startSession(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if body, err := s.Call(t.Context(), "GET", "/page", nil); err != nil || string(body) != `"`+k.signer.DID()+`"` {
				t.Errorf("%s %v", body, err)
			}
		})
	}
	group.Wait()
}

// whoAmI logs in and asks a gateway for whom it takes us. url is the gateway's own name,
// https://host[:port]. The session logs in again by itself.
func whoAmI(ctx context.Context, signer client.Signer, url string) (string, error) {
	session, err := signer.Session(url, nil)
	if err != nil {
		return "", err
	}
	answer, err := session.Call(ctx, "GET", "/v1/me", nil)
	return string(answer), err
}

// docs/partners.md shows whoAmI as it stands here.
func TestSessionSnippet(t *testing.T) {
	source, err := os.ReadFile("session_test.go")
	if err != nil {
		t.Fatal(err)
	}
	guide, err := os.ReadFile("../../docs/partners.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(guide), "```go\n// whoAmI")
	snippet, _, ok := strings.Cut(after, "```")
	if !ok || !strings.Contains(string(source), "// whoAmI"+snippet) {
		t.Error("the snippet in docs/partners.md differs from whoAmI in this file")
	}
	_, k, _, url := startSession(t)
	if answer, err := whoAmI(t.Context(), k.signer, url); err != nil || answer != `"`+k.signer.DID()+`"` {
		t.Errorf("%s %v", answer, err)
	}
}

// TestSessionSignsForItsGatewayOnly: a gateway that passes on another one's challenge gets
// nothing signed.
func TestSessionSignsForItsGatewayOnly(t *testing.T) {
	g, k, _, _ := startSession(t)
	relay := httptest.NewServer(g)
	t.Cleanup(relay.Close)
	s, err := k.signer.Session(relay.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Call(t.Context(), "GET", "/page", nil); err == nil || g.logins.Load() != 0 {
		t.Errorf("%v, %d logins", err, g.logins.Load())
	}
	for _, url := range []string{"gateway.example", "ftp://gateway.example", "https://gateway.example/", "https://gateway.example?x", ""} {
		if _, err := k.signer.Session(url, nil); err == nil {
			t.Errorf("%q is taken", url)
		}
	}
}
