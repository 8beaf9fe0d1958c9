package api_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/client"
)

// A statement over REST is the one over gRPC, page by page; its totals are the balance's,
// and what is asked for wrongly is refused. (IX-5)
func TestStatements(t *testing.T) {
	t.Parallel()
	h := start(t)
	for i := range 3 {
		if _, err := h.client.Submit(t.Context(), h.alice.Pay(int64(10+i), h.bob)); err != nil {
			t.Fatal(err)
		}
	}
	q := &client.GetStatement{Did: h.alice.DID, Asset: "usd", PageSize: 2}
	path := "/v1/statements/" + h.alice.DID + "/usd"
	var kinds []string
	for token := ""; ; {
		q.PageToken = token
		want, err := h.client.Statement(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		status, body, _ := h.get(fmt.Sprintf("%s?pageSize=2&since=0&pageToken=%s", path, token))
		got := new(killickv1.StatementPage)
		if err := protojson.Unmarshal(body, got); status != 200 || err != nil || !proto.Equal(got, want) {
			t.Fatalf("REST: %d %s %v, want %v", status, body, err, want)
		}
		for _, l := range want.GetLines() {
			kinds = append(kinds, l.GetKind()+" "+l.GetAmount()+" "+l.GetAfter().GetBalance())
		}
		if token = want.GetNextPageToken(); token != "" {
			continue
		}
		balance, err := h.client.Balance(t.Context(), h.alice.DID, "usd")
		if err != nil || want.GetTotals().GetBalance() != balance.GetBalance() || want.GetTotals().GetPending() != balance.GetPending() {
			t.Errorf("totals %v, balance %v %v", want.GetTotals(), balance, err)
		}
		break
	}
	if got := fmt.Sprint(kinds); got != "[funded 1000 1000 paid 10 990 paid 11 979 paid 12 967]" {
		t.Errorf("%s", got)
	}
	for query, code := range map[string]string{
		path + "?pageSize=5000": "invalid_value", path + "?pageToken=x": "invalid_value", path + "?owner=x": "unknown_field",
		"/v1/statements/did:x/usd": "invalid_value", "/v1/statements/" + h.alice.DID + "/a%20b": "invalid_value",
	} {
		status, body, _ := h.get(query)
		var p struct{ Code string }
		if err := json.Unmarshal(body, &p); err != nil || status != 400 || p.Code != code {
			t.Errorf("%s: %d %s, want %s", query, status, body, code)
		}
	}
}
