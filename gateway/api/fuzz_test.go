package api_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/api"
	"github.com/killick-ledger/killick/gateway/events"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// fuzzed returns the REST form of a gateway before a ledger in memory.
func fuzzed(f *testing.F) http.Handler {
	ledger := submittest.New()
	if err := ledger.Found(); err != nil {
		f.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	stream := events.New(events.Config{Ledger: ledger, Network: submittest.Network, Log: log})
	s, err := submit.Open(submit.Config{Journal: filepath.Join(f.TempDir(), "j.db"), Network: submittest.Network, Ledger: stream.Watch(ledger), Log: log, Hold: time.Millisecond})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	rest, err := api.New(api.Config{Submitter: s, Ledger: ledger, Events: stream, Network: submittest.Network, Log: log}).REST()
	if err != nil {
		f.Fatal(err)
	}
	return rest
}

// Whatever a body holds, the answer is a problem with a known code of ours, or a
// receipt; never an internal error.
func FuzzBody(f *testing.F) {
	rest := fuzzed(f)
	alice := submittest.NewPerson("alice")
	f.Add("/v1/operations", `{"operation":"`+alice.Create()+`","wait":true}`)
	f.Add("/v1/operations", `{"operation":"a.b.c","operation":1}`)
	f.Add("/v1/operations:batch", `{"operations":["a","b"],"wait":false} x`)
	f.Add("/v1/operations:batch", `{"operations":[{}],"wait":1e9}`)
	f.Fuzz(func(t *testing.T, path, body string) {
		if path != "/v1/operations" && path != "/v1/operations:batch" {
			t.Skip()
		}
		w := httptest.NewRecorder()
		rest.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)))
		if w.Code == http.StatusOK || w.Code == http.StatusAccepted && w.Header().Get("Content-Type") == "application/json" {
			return
		}
		var p api.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatalf("%d %s: %v", w.Code, w.Body, err)
		}
		if code, ok := fault.ByName(p.Code); !ok || code == fault.Internal || code.HTTP() != w.Code {
			t.Errorf("%d %+v", w.Code, p)
		}
	})
}

// Whatever is asked of the DID resolver, in whatever form, it answers in its own
// words: a status of the binding, a body of the media type it names, and never an
// internal error.
func FuzzIdentifier(f *testing.F) {
	rest := fuzzed(f)
	for _, identifier := range []string{
		keyDID, url.QueryEscape(keyID), keyDID + "?service=a&relativeRef=..%2Fx", liveDID + "%23key-1", "did:web:a.example", "%ff", "?", "did%3Akey%3Az?noCache=1",
	} {
		for _, accept := range []string{"", "*/*", "application/did;q=0.5, text/uri-list", ldResolution, "image/png"} {
			f.Add(identifier, accept)
		}
	}
	f.Fuzz(func(t *testing.T, identifier, accept string) {
		u, err := url.Parse("http://gateway/1.0/identifiers/" + identifier)
		if err != nil {
			t.Skip()
		}
		w := httptest.NewRecorder()
		rest.ServeHTTP(w, &http.Request{Method: http.MethodGet, URL: u, Header: http.Header{"Accept": {accept}}, Body: http.NoBody})
		switch w.Code {
		case 200, 400, 404, 406, 501:
		default:
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if !json.Valid(w.Body.Bytes()) || w.Header().Get("Content-Type") == "" {
			t.Fatalf("%v %s", w.Header(), w.Body)
		}
	})
}
