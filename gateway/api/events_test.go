package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/api"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/client"
)

// sse is one server-sent event.
type sse struct{ id, kind, data string }

// readSSE reads the next event, over comments.
func readSSE(r *bufio.Scanner) (e sse, ok bool) {
	for r.Scan() {
		name, value, _ := strings.Cut(r.Text(), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.kind = value
		case "data":
			e.data = value
		case "":
			if e.data != "" {
				return e, true
			}
		}
	}
	return e, false
}

func (h *harness) stream(url string, headers ...string) *http.Response {
	h.t.Helper()
	request, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { response.Body.Close() })
	return response
}

// EV-2: server-sent events, JSON lines and gRPC say the same, and each goes on
// after any cursor of another.
func TestEvents(t *testing.T) {
	h := start(t)
	var jws []string
	for i := range 5 {
		text, _ := h.alice.Record(fmt.Sprint(i))
		jws = append(jws, text)
	}
	if _, err := h.client.SubmitAll(t.Context(), append(jws, h.alice.Pay(7, h.bob))...); err != nil {
		t.Fatal(err)
	}
	const n = 2 + 5 + 1
	var rpc []*killickv1.Event
	for e, err := range h.client.Events(t.Context(), &client.EventsRequest{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.GetId() != "" {
			rpc = append(rpc, e)
		}
		if len(rpc) == n {
			break
		}
	}
	pay := rpc[n-1]
	if l := pay.GetPayment().GetLines(); pay.GetOperation() != "reward.pay" || len(l) != 1 || l[0].GetTo() != h.bob.DID || l[0].GetAmount() != "7" || pay.GetActor() != h.alice.DID {
		t.Errorf("payment %v", pay)
	}
	receipt, err := h.client.Operation(t.Context(), pay.GetId())
	if err != nil || receipt.GetTransaction() != pay.GetTransaction() || receipt.GetBlock() != pay.GetBlock() || receipt.GetReference() != pay.GetReference() {
		t.Errorf("receipt %v %v of event %v", receipt, err, pay)
	}
	for i := range n {
		response := h.stream(h.url+"/v1/events?now=true", "Last-Event-ID", rpc[i].GetCursor())
		if got := response.Header.Get("Content-Type"); response.StatusCode != 200 || got != "text/event-stream" {
			t.Fatalf("%d %s", response.StatusCode, got)
		}
		lines := bufio.NewScanner(response.Body)
		lines.Buffer(nil, 1<<20)
		for _, want := range rpc[i+1:] {
			got, ok := readSSE(lines)
			var e struct{ Cursor, Id, Operation string }
			if err := json.Unmarshal([]byte(got.data), &e); !ok || err != nil || got.kind != "" || got.id != want.GetCursor() || e.Cursor != got.id || e.Id != want.GetId() || e.Operation != want.GetOperation() {
				t.Fatalf("after %d: %+v, want %v", i, got, want)
			}
		}
		_ = response.Body.Close()
	}
	response := h.stream(h.url+"/v1/events?operation=did.create&operation=reward.pay&actor="+h.alice.DID, "Accept", "application/x-ndjson")
	lines := bufio.NewScanner(response.Body)
	var got []string
	for len(got) < 2 && lines.Scan() {
		var e struct{ Id, Operation string }
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if e.Id != "" {
			got = append(got, e.Operation)
		}
	}
	if diff := cmp.Diff([]string{"did.create", "reward.pay"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestEventsRefuses(t *testing.T) {
	h := start(t)
	tests := []struct {
		query, accept, code string
	}{
		{"cursor=x", "", "invalid_value"},
		{"cursor=00000000-1-0-0", "", "wrong_network"},
		{"cursor=a&cursor=b", "", "duplicate_key"},
		{"from=1", "", "unknown_field"},
		{"block=-1", "", "invalid_value"},
		{"now=1", "", "invalid_value"},
		{"now=true&block=1", "", "invalid_value"},
		{"operation=x", "", "unknown_operation"},
		{"actor=x", "", "invalid_value"},
		{"actor=%ff", "", "malformed"},
		{"", "text/html", "not_acceptable"},
	}
	for _, tt := range tests {
		headers := []string{}
		if tt.accept != "" {
			headers = append(headers, "Accept", tt.accept)
		}
		if _, _, got := h.read(h.stream(h.url+"/v1/events?"+tt.query, headers...)); got.Code != tt.code {
			t.Errorf("%s: %+v, want %s", tt.query, got, tt.code)
		}
	}
	if status, _, got := h.post("/v1/events", strings.NewReader("")); status != 404 || got.Code != "unknown_function" {
		t.Errorf("POST: %d %+v", status, got)
	}
	for _, err := range h.client.Events(t.Context(), &client.EventsRequest{Cursor: "x"}) {
		if fault.Of(err) != fault.InvalidValue {
			t.Errorf("gRPC: %v", err)
		}
	}
}

// The server's limits on the time of a request do not end a stream, and a gateway
// that stops says so.
func TestEventsOutliveLimits(t *testing.T) {
	h := start(t)
	server := api.New(api.Config{Submitter: h.s, Ledger: h.ledger, Events: h.events, Network: "main-0011223344556677"})
	rest, err := server.REST()
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(rest)
	web.Config.ReadTimeout, web.Config.WriteTimeout = 200*time.Millisecond, 200*time.Millisecond
	web.Start()
	defer web.Close()
	listener := bufconn.Listen(1 << 16)
	rpc := server.GRPC()
	go func() { _ = rpc.Serve(listener) }() // ends with Stop
	defer rpc.Stop()
	conn, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := killickv1.NewKillickClient(conn).Events(t.Context(), &killickv1.EventsRequest{Now: true})
	if err != nil {
		t.Fatal(err)
	}
	if e, err := stream.Recv(); err != nil || e.GetId() != "" || e.GetCursor() == "" {
		t.Fatalf("first %v %v", e, err)
	}
	response := h.stream(web.URL + "/v1/events?now=true")
	lines := bufio.NewScanner(response.Body)
	if got, ok := readSSE(lines); !ok || got.kind != "progress" || got.id == "" {
		t.Fatalf("first: %+v", got)
	}
	<-time.After(500 * time.Millisecond)
	jws, _ := h.alice.Record("later")
	if _, err := h.client.Submit(t.Context(), jws); err != nil {
		t.Fatal(err)
	}
	if got, ok := readSSE(lines); !ok || got.kind != "" || !strings.Contains(got.data, "record.submit") {
		t.Errorf("later: %+v %v", got, ok)
	}
	if e, err := stream.Recv(); err != nil || e.GetOperation() != "record.submit" {
		t.Errorf("later: %v %v", e, err)
	}
	h.events.Close()
	if got, ok := readSSE(lines); !ok || got.kind != "problem" || !strings.Contains(got.data, `"unavailable"`) {
		t.Errorf("at the end: %+v %v", got, ok)
	}
	if _, err := stream.Recv(); err == nil || !strings.Contains(err.Error(), "unavailable") {
		t.Errorf("at the end: %v", err)
	}
}
