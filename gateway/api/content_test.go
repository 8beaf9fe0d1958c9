package api_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// A content goes in and comes out byte for byte, over REST as over gRPC, and is
// refused in the same words. (PV-1, PV-3)
func TestContents(t *testing.T) {
	t.Parallel()
	h := start(t)
	content := opstest.Content(30000, h.alice.DID+"#a")
	body := &ops.RecordSubmit{Schema: "note", Commitment: zeros, Size: 30000, Private: opstest.Digest(content)}
	text := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	first, ref := h.alice.Operation(body, "")
	body.Location = "urn:second"
	second, _ := h.alice.Operation(body, "")
	for _, jws := range []string{first, second} {
		if status, _, got := h.post("/v1/operations", strings.NewReader(`{"operation":"`+jws+`"}`)); got.Code != fault.ContentMissing.String() || status != 422 {
			t.Errorf("without its content: %d %+v", status, got)
		}
	}
	if status, data, _ := h.post("/v1/operations", strings.NewReader(`{"operation":"`+first+`","content":`+text(string(content))+`}`)); status != 200 {
		t.Fatalf("REST: %d %s", status, data)
	}
	if _, err := h.client.SubmitWith(t.Context(), second, content); err != nil {
		t.Fatal(err)
	}
	if _, err := h.client.SubmitWith(t.Context(), second, append(content, ' ')); fault.Of(err) != fault.OK && fault.Of(err) != fault.ContentMissing {
		t.Errorf("another content for what is done: %v", err)
	}
	read := func(p *submittest.Person, at int64) string {
		item, err := ops.SignRead(did.EdDSA, submittest.Network, ref, uint64(at), p)
		if err != nil {
			t.Fatal(err)
		}
		return item.Compact()
	}
	now := time.Now().Unix()
	status, data, _ := h.post("/v1/contents", strings.NewReader(`{"request":"`+read(h.alice, now)+`"}`))
	if got := object(t, data); status != 200 || got["content"] != string(content) || got["digest"] != body.Private || got["record"] != ref || got["version"] != 1.0 || got["commitment"] != zeros {
		t.Errorf("fetched: %d %.300s", status, data)
	}
	for name, tc := range map[string]struct {
		body string
		code fault.Code
	}{
		"no request":       {`{}`, fault.MissingField},
		"empty":            {`{"request":""}`, fault.MissingField},
		"unknown member":   {`{"request":"` + read(h.alice, now) + `","record":"x"}`, fault.UnknownField},
		"no JWS":           {`{"request":"x"}`, fault.Malformed},
		"somebody else":    {`{"request":"` + read(h.bob, now) + `"}`, fault.NotOwner},
		"expired":          {`{"request":"` + read(h.alice, now-400) + `"}`, fault.Expired},
		"another's kid":    {`{"request":"` + read(submittest.NewPerson("nobody"), now) + `"}`, fault.DIDUnknown},
		"an operation":     {`{"request":"` + first + `"}`, fault.UnknownField},
		"a changed record": {`{"request":"` + changed(t, read(h.alice, now)) + `"}`, fault.BadSignature},
	} {
		if _, _, got := h.post("/v1/contents", strings.NewReader(tc.body)); got.Code != tc.code.String() || got.Status != tc.code.HTTP() {
			t.Errorf("%s: %+v, want %s", name, got, tc.code)
		}
	}
	for _, bad := range []string{`{"operation":"` + first + `","content":5}`, `{"operation":"` + first + `","content":null}`} {
		if _, _, got := h.post("/v1/operations", strings.NewReader(bad)); got.Code != fault.WrongType.String() {
			t.Errorf("%.20s: %+v", bad, got)
		}
	}
	h.ledger.SetDown(true)
	if _, _, got := h.post("/v1/contents", strings.NewReader(`{"request":"`+read(h.alice, now)+`"}`)); got.Code != fault.Unavailable.String() {
		t.Errorf("no peer: %+v", got)
	}
}

// changed asks for the time after in a signed read.
func changed(t *testing.T, jws string) string {
	t.Helper()
	item, err := ops.ParseCompact(jws)
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Net    string `json:"net"`
		Iat    uint64 `json:"iat"`
		Exp    uint64 `json:"exp"`
		Record string `json:"record"`
	}
	if err := canon.Decode(item.Payload, &r); err != nil {
		t.Fatal(err)
	}
	r.Iat++
	if item.Payload, err = canon.Marshal(r); err != nil {
		t.Fatal(err)
	}
	return item.Compact()
}
