package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/killick-ledger/killick/chaincode/fault"
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
	t.Parallel()
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
	t.Parallel()
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
