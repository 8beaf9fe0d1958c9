package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// BenchmarkResolve resolves a DID of two keys: with the ledger's query alone, with the
// resolver of the gRPC form, and with the handler that DID Resolution's HTTP binding
// has, all before a ledger in memory and without a socket.
func BenchmarkResolve(b *testing.B) {
	scene := opstest.NewScene(b, uint64(time.Now().Unix()))
	ledger := submittest.NewOn(scene.Store)
	server := serve(b, ledger)
	rest, err := server.REST()
	if err != nil {
		b.Fatal(err)
	}
	ctx, alice := context.Background(), scene.Alice.DID
	handle := func(identifier, accept string) func() bool {
		return func() bool {
			w := httptest.NewRecorder()
			request := httptest.NewRequest(http.MethodGet, "/1.0/identifiers/"+identifier, nil)
			request.Header.Set("Accept", accept)
			rest.ServeHTTP(w, request)
			return w.Code == http.StatusOK
		}
	}
	key := "did:key:" + opstest.NewKey("key", did.EdDSA).Multikey
	for _, way := range []struct {
		name string
		run  func() bool
	}{
		{"query", func() bool { _, err := ledger.Evaluate(ctx, "did:Resolve", []byte(alice)); return err == nil }},
		{"grpc", func() bool {
			r, err := server.ResolveDid(ctx, &killickv1.ResolveDidRequest{Did: alice})
			return err == nil && r.GetVersion().GetHash() != ""
		}},
		{"http-document", handle(alice, "application/did")},
		{"http-result", handle(alice, "application/did-resolution")},
		{"http-key", handle(alice+"%23k", "application/did")},
		{"http-did-key", handle(key, "application/did-resolution")},
	} {
		b.Run(way.name, func(b *testing.B) {
			b.ReportAllocs()
			defer opstest.MeasureCPU(b)()
			for b.Loop() {
				if !way.run() {
					b.Fatal("not resolved")
				}
			}
		})
	}
}
