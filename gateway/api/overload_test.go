package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/gateway/submit"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
)

// A gateway without room says when to come back, over both forms, and takes the
// same bytes then.
func TestOverload(t *testing.T) {
	t.Parallel()
	h := startWith(t, func(c *submit.Config) { c.Queue = 4 })
	h.ledger.SetDown(true)
	for _, text := range []string{"a", "b"} {
		jws, _ := h.alice.Record(text)
		if status, data, _ := h.post("/v1/operations", strings.NewReader(`{"operation":"`+jws+`","wait":false}`)); status != 202 {
			t.Fatalf("%d %s", status, data)
		}
	}
	jws, _ := h.alice.Record("c")
	response, err := http.Post(h.url+"/v1/operations", "application/json", strings.NewReader(`{"operation":"`+jws+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, got := h.read(response); got.Code != "overloaded" || got.Status != 429 || response.Header.Get("Retry-After") != "1" {
		t.Errorf("REST: %+v, Retry-After %q", got, response.Header.Get("Retry-After"))
	}
	response, err = http.Post(h.url+"/v1/operations:batch", "application/json", strings.NewReader(`{"operations":["`+jws+`"]}`))
	if err != nil {
		t.Fatal(err)
	}
	if status, data, _ := h.read(response); status != 200 || !strings.Contains(string(data), `"overloaded"`) || response.Header.Get("Retry-After") != "1" {
		t.Errorf("in a batch: %d %s, Retry-After %q", status, data, response.Header.Get("Retry-After"))
	}
	conn, err := grpc.NewClient(h.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = killickv1.NewKillickClient(conn).Submit(t.Context(), &killickv1.SubmitRequest{Operation: jws})
	retry := false
	for _, d := range status.Convert(err).Details() {
		if r, ok := d.(*errdetails.RetryInfo); ok && r.GetRetryDelay().GetSeconds() == 1 {
			retry = true
		}
	}
	if !retry || status.Code(err) != codes.ResourceExhausted {
		t.Errorf("gRPC: %v", err)
	}
	h.ledger.SetDown(false)
	receipts, err := h.client.SubmitAll(t.Context(), jws)
	if err != nil || receipts[0].GetState() != "done" {
		t.Errorf("later: %v %v", receipts, err)
	}
}
