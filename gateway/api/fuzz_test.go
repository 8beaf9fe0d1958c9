package api_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
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

// Whatever a body holds, the answer is a problem with a known code of ours, or a
// receipt; never an internal error.
func FuzzBody(f *testing.F) {
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
