package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/api"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// object reads a JSON answer.
func object(t *testing.T, data []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return v
}

func TestReads(t *testing.T) {
	t.Parallel()
	h := start(t)
	jws, ref := h.alice.Record("read me")
	status, data, _ := h.post("/v1/operations", strings.NewReader(`{"operation":"`+jws+`"}`))
	receipt := object(t, data)
	if status != 200 || receipt["state"] != "done" || receipt["reference"] != ref || receipt["block"] == "0" || receipt["repeated"] != false {
		t.Fatalf("submit: %d %s", status, data)
	}
	tests := []struct {
		path  string
		check func(v map[string]any) bool
	}{
		{"/v1/operations/" + ref, func(v map[string]any) bool {
			return v["state"] == "done" && v["transaction"] == receipt["transaction"]
		}},
		{"/v1/operations/" + ref[9:], func(v map[string]any) bool { return v["reference"] == ref }},
		{"/v1/transactions/" + fmt.Sprint(receipt["transaction"]), func(v map[string]any) bool {
			return v["validation"] == "VALID" && v["block"] == receipt["block"] && v["id"] == receipt["transaction"]
		}},
		{"/v1/records/" + ref, func(v map[string]any) bool {
			return v["owner"] == h.alice.DID && v["status"] == "live" && v["hash"] != ""
		}},
		{"/contexts/v1", func(v map[string]any) bool { return v["@context"] != nil }},
		{"/v1/dids/" + h.alice.DID, func(v map[string]any) bool { return v["didDocument"].(map[string]any)["id"] == h.alice.DID }},
		{"/v1/dids/" + h.alice.DID + "?versionId=1", func(v map[string]any) bool {
			m := v["didDocumentMetadata"].(map[string]any)
			created, err := time.Parse("2006-01-02T15:04:05Z", m["created"].(string))
			return err == nil && time.Since(created) < time.Hour && m["versionId"] == "1" && m["updated"] == "" && m["nextUpdate"] == ""
		}},
		{"/v1/dids/" + h.alice.DID + "/identity", func(v map[string]any) bool {
			return v["did"] == h.alice.DID && len(v["version"].(string)) == 64 && v["root"] == "" && v["epoch"] == "1" && v["bound"] == false
		}},
		{"/v1/balances/" + h.alice.DID + "/usd", func(v map[string]any) bool { return v["balance"] == "1000" && v["pending"] == "0" }},
		{"/v1/network", func(v map[string]any) bool {
			return v["network"] == submittest.Network && len(v["operations"].([]any)) == len(ops.Names()) && len(v["members"].([]any)) == 1
		}},
		{"/healthz", func(v map[string]any) bool { return v["status"] == "ok" }},
		{"/openapi.json", func(v map[string]any) bool {
			return strings.HasPrefix(v["openapi"].(string), "3.") && len(v["paths"].(map[string]any)) == 50
		}},
	}
	for _, tt := range tests {
		if status, data, _ := h.get(tt.path); status != 200 || !tt.check(object(t, data)) {
			t.Errorf("%s: %d %s", tt.path, status, data)
		}
	}
	if _, data, _ := h.get("/metrics"); !strings.Contains(string(data), "\nkillick_operations_done_total 3\n") {
		t.Errorf("metrics: %s", data)
	}
	refused := []struct {
		path string
		code fault.Code
	}{
		{"/v1/operations/" + zeros, fault.NotFound},
		{"/v1/operations/00000000-" + ref[9:], fault.NotFound},
		{"/v1/operations/x", fault.InvalidValue},
		{"/v1/transactions/" + zeros, fault.NotFound},
		{"/v1/transactions/x", fault.InvalidValue},
		{"/v1/records/" + strings.Replace(ref, ref[9:12], "000", 1), fault.NotFound},
		{"/v1/records/x", fault.InvalidValue},
		{"/v1/credentials/" + ref, fault.NotFound},
		{"/v1/dids/did:web:example.org", fault.InvalidValue},
		{"/v1/dids/" + h.alice.DID + "?versionId=2", fault.NotFound},
		{"/v1/dids/" + h.alice.DID + "?versionTime=1", fault.NotFound},
		{"/v1/dids/" + h.alice.DID + "?versionId=1&versionTime=1", fault.InvalidValue},
		{"/v1/dids/" + h.alice.DID + "?version=1", fault.UnknownField},
		{"/v1/dids/" + strings.Replace(h.alice.DID, submittest.Network, "main-ffffffffffffffff", 1), fault.WrongNetwork},
		{"/v1/dids/" + submittest.NewPerson("nobody").DID, fault.DIDUnknown},
		{"/v1/balances/" + h.alice.DID + "/eur", fault.AssetUnknown},
		{"/v1/proofs", fault.MissingField},
		{"/v1/proofs?key=a&operation=b", fault.InvalidValue},
		{"/v1/proofs?key=a&key=b", fault.DuplicateKey},
		{"/v1/proofs?Key=a", fault.UnknownField},
		{"/v1/proofs?key=a", fault.Unavailable}, // no anchor here
		{"/v1/proofs?key=link/eip155:1:0x" + zeros[:40], fault.NotOwner},
		{"/v1/proofs?key=account/" + h.alice.DID[len(h.alice.DID)-28:], fault.NotOwner},
		{"/v1/proofs?key=preference/" + h.alice.DID[len(h.alice.DID)-28:], fault.NotOwner},
		{"/v1/proofs?key=person/x", fault.NotOwner},
		{"/v1/proofs?key=tag/" + zeros, fault.NotOwner},
		{"/v1/dids/" + submittest.NewPerson("nobody").DID + "/identity", fault.DIDUnknown},
		{"/v1/dids/did:web:example.org/identity", fault.InvalidValue},
		{"/v1/payouts/x", fault.InvalidValue},
		{"/v1/network?x=1", fault.UnknownField},
	}
	for _, tt := range refused {
		if _, _, got := h.get(tt.path); got.Code != tt.code.String() || got.Status != tt.code.HTTP() {
			t.Errorf("%s: %+v, want %s", tt.path, got, tt.code)
		}
	}
}

func TestWithoutWaiting(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.ledger.SetDown(true)
	jws, ref := h.alice.Record("later")
	status, data, _ := h.post("/v1/operations", strings.NewReader(`{"operation":"`+jws+`","wait":false}`))
	if v := object(t, data); status != 202 || v["state"] != "pending" || v["reference"] != ref || v["code"] != "" {
		t.Errorf("submit: %d %s", status, data)
	}
	if status, data, _ = h.get("/v1/operations/" + ref); status != 200 || object(t, data)["state"] != "pending" {
		t.Errorf("look-up: %d %s", status, data)
	}
	if status, _, _ := h.get("/healthz"); status != 503 {
		t.Errorf("health without a ledger: %d", status)
	}
	other, _ := h.alice.Record("also later")
	if status, data, _ = h.post("/v1/operations:batch", strings.NewReader(`{"operations":["`+other+`"],"wait":false}`)); status != 202 {
		t.Errorf("batch: %d %s", status, data)
	}
	h.ledger.SetDown(false)
	status, data, _ = h.post("/v1/operations", strings.NewReader(`{"operation":"`+jws+`"}`))
	if v := object(t, data); status != 200 || v["state"] != "done" || v["repeated"] != true {
		t.Errorf("again: %d %s", status, data)
	}
}

// A result that does not come in time is outcome_unknown, with the operation's
// reference, over every door.
func TestOutcomeUnknown(t *testing.T) {
	t.Parallel()
	h := start(t, func(c *api.Config) { c.Wait = 50 * time.Millisecond })
	h.ledger.SetDown(true)
	jws, ref := h.alice.Record("unknown")
	for door, got := range h.doors(jws) {
		if got.Code != "outcome_unknown" || got.Status != 202 {
			t.Errorf("%s: %+v", door, got)
		}
	}
	_, err := h.client.Submit(t.Context(), jws)
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Receipt.GetReference() != ref || refused.Receipt.GetState() != "unknown" || refused.Instance == "" {
		t.Errorf("client: %+v", err)
	}
	receipts, err := h.client.SubmitAll(t.Context(), jws)
	if err != nil || receipts[0].GetState() != "unknown" || receipts[0].GetCode() != "outcome_unknown" {
		t.Errorf("batch: %v %v", receipts, err)
	}
}

// The receipt of an operation that still waits names its newest transaction that
// was void, and why it was, without a block.
func TestUnknownAfterVoid(t *testing.T) {
	t.Parallel()
	h := start(t, func(c *api.Config) { c.Wait = 50 * time.Millisecond })
	h.ledger.SetPaced(true)
	h.ledger.Inject(submittest.Conflict)
	jws, ref := h.alice.Record("void")
	if _, err := h.client.Submit(t.Context(), jws); fault.Of(err) != fault.Unknown {
		t.Fatal(err)
	}
	h.until("a transaction", func() bool { return h.ledger.Waiting() == 1 })
	h.ledger.SetDown(true)
	h.ledger.Cut()
	const reason = "MVCC_READ_CONFLICT"
	var o *client.Operation
	var err error
	defer func() { t.Logf("at last: %v %v", o, err) }()
	h.until("a void transaction", func() bool {
		o, err = h.client.Operation(t.Context(), ref)
		return err == nil && o.GetState() == "pending" && o.GetValidation() == reason && o.GetTransaction() != "" && o.GetBlock() == 0
	})
	_, err = h.client.Submit(t.Context(), jws)
	refused := new(client.Error)
	if !errors.As(err, &refused) || refused.Receipt.GetValidation() != reason || refused.Receipt.GetBlock() != 0 {
		t.Errorf("gRPC: %+v", err)
	}
	_, data, _ := h.post("/v1/operations", strings.NewReader(`{"operation":"`+jws+`"}`))
	if o, _ := object(t, data)["operation"].(map[string]any); o["validation"] != reason || o["transaction"] == "" || o["block"] != nil {
		t.Errorf("REST: %s", data)
	}
}

// Both forms of the service refuse alike, gRPC with a status and its details.
func TestStatusDetails(t *testing.T) {
	t.Parallel()
	h := start(t)
	conn, err := grpc.NewClient(h.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	service := killickv1.NewKillickClient(conn)
	_, err = service.Submit(t.Context(), &killickv1.SubmitRequest{Operation: h.alice.Pay(5000, h.bob)})
	st := status.Convert(err)
	if st.Code() != codes.FailedPrecondition || !strings.HasPrefix(st.Message(), "insufficient_funds: ") || len(st.Details()) != 1 {
		t.Fatalf("status %v %v", st, st.Details())
	}
	info := st.Details()[0].(*errdetails.ErrorInfo)
	m := info.GetMetadata()
	if info.GetReason() != "insufficient_funds" || info.GetDomain() != api.Domain || m["advice"] != fault.InsufficientFunds.Advice() || m["transaction"] == "" || m["block"] == "0" {
		t.Errorf("details %v", info)
	}
	// A field that the message does not have.
	in := &killickv1.SubmitRequest{Operation: "x"}
	in.ProtoReflect().SetUnknown([]byte{0x78, 1})
	if _, err = service.Submit(t.Context(), in); !strings.HasPrefix(status.Convert(err).Message(), "unknown_field: ") {
		t.Errorf("unknown field: %v", err)
	}
}

// fakeAnchor answers as an anchor does.
func fakeAnchor(t *testing.T) string {
	t.Helper()
	problem := func(w http.ResponseWriter, code fault.Code) {
		w.WriteHeader(code.HTTP())
		fmt.Fprintf(w, `{"type":"x","title":"x","status":%d,"code":%q,"detail":"so it is","advice":"x"}`, code.HTTP(), code)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/bundle", func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("key") == "early" {
			problem(w, fault.NotAnchored)
		} else {
			fmt.Fprintf(w, "bundle of %s %s", q.Get("key"), q.Get("tx"))
		}
	})
	mux.HandleFunc("/trail", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "trail of %s %s", r.URL.Query().Get("job"), r.URL.Query().Get("disclosure"))
	})
	mux.HandleFunc("/payout", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"payouts":[{"vault":"v","address":"`+r.URL.Query().Get("account")+`","epoch":3,"cumulative":"7","sides":"0","levels":"","calldata":"00"}]}`)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

func TestProofs(t *testing.T) {
	t.Parallel()
	anchor := fakeAnchor(t)
	h := start(t, func(c *api.Config) { c.Anchor = anchor })
	jws, ref := h.alice.Record("prove me")
	receipt, err := h.client.Submit(t.Context(), jws)
	if err != nil {
		t.Fatal(err)
	}
	want := "bundle of record/" + ref + " " + receipt.GetTransaction()
	if status, data, _ := h.get("/v1/proofs?operation=" + ref); status != 200 || string(data) != want {
		t.Errorf("REST: %d %s, want %s", status, data, want)
	}
	if data, err := h.client.Proof(t.Context(), client.Subject{Operation: ref[9:]}); err != nil || string(data) != want {
		t.Errorf("client: %s %v, want %s", data, err, want)
	}
	if status, data, _ := h.get("/v1/proofs?job=" + ref); status != 200 || string(data) != "trail of "+ref+" " {
		t.Errorf("a trail: %d %s", status, data)
	}
	if data, err := h.client.Proof(t.Context(), client.Subject{Job: ref, Disclosure: []byte("{}")}); err != nil || string(data) != "trail of "+ref+" e30" {
		t.Errorf("a trail from a payout: %s %v", data, err)
	}
	for _, query := range []string{"job=" + ref + "&key=x", "key=x&disclosure=e30", "disclosure=e30"} {
		if status, _, got := h.get("/v1/proofs?" + query); status != 400 {
			t.Errorf("%s: %d %+v", query, status, got)
		}
	}
	if _, _, got := h.get("/v1/proofs?key=early"); got.Code != "not_anchored" || got.Text != "so it is" {
		t.Errorf("early: %+v", got)
	}
	account := "eip155:1337:0x0101010101010101010101010101010101010101"
	payouts, err := h.client.Payouts(t.Context(), account)
	if err != nil || len(payouts) != 1 || payouts[0].GetCumulative() != "7" || payouts[0].GetAddress() != account {
		t.Errorf("payouts: %v %v", payouts, err)
	}
}

// Each receipt and event of a test ledger says what it is, whatever became of the operation.
func TestSimulatedReceipts(t *testing.T) {
	t.Parallel()
	for _, simulated := range []bool{false, true} {
		h := start(t, func(c *api.Config) {
			if simulated {
				c.Network = canon.TestPrefix + "0011223344556677"
			}
		})
		good, ref := h.alice.Record("done")
		refused := h.bob.Pay(1, h.alice)
		receipts, err := h.client.SubmitAll(t.Context(), good, refused, "not an operation")
		if err != nil {
			t.Fatal(err)
		}
		found, err := h.client.Operation(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range append(receipts, found) {
			if r.GetSimulated() != simulated {
				t.Errorf("receipt %d: %v, want simulated %t", i, r, simulated)
			}
		}
		for e, err := range h.client.Events(t.Context(), &client.EventsRequest{}) {
			if err != nil || e.GetSimulated() != simulated {
				t.Errorf("event %v, %v, want simulated %t", e, err, simulated)
			}
			if err != nil || e.GetReference() == ref {
				break
			}
		}
	}
}
