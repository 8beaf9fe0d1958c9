package record_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/record"
)

// RC-1: each version is kept, states its operation, and deletion leaves the
// commitment and nothing else of the content.
func TestLifeOfARecord(t *testing.T) {
	w := opstest.New(t)
	alice := opstest.NewUser("alice")
	w.Create(alice)
	body := opstest.Submit("first")
	ref := w.Do(alice, body, "")
	var v record.View
	w.Read("record:Read", ref.String(), &v)
	want := record.View{
		Reference: ref.String(), Status: "live", Version: 1, Owner: alice.DID, Schema: body.Schema, Commitment: body.Commitment,
		Size: body.Size, Location: body.Location, By: ref.String(), Hash: v.Hash,
	}
	if v != want {
		t.Errorf("%+v, want %+v", v, want)
	}
	amend := &ops.RecordAmend{Record: ref.String(), Schema: "other", Commitment: canon.Hex(opstest.Seed("2")), Size: 2, Location: "ipfs:x"}
	second := w.Do(alice, amend, v.Hash)
	w.Read("record:Read", ref.String(), &v)
	if v.Version != 2 || v.By != second.String() || v.Commitment != amend.Commitment || v.Location != "ipfs:x" || v.Status != "live" {
		t.Errorf("%+v", v)
	}
	third := w.Do(alice, &ops.RecordDelete{Record: ref.String()}, v.Hash)
	w.Read("record:Read", ref.String(), &v)
	if v.Version != 3 || v.Status != "deleted" || v.By != third.String() || v.Commitment != amend.Commitment || v.Schema+v.Location != "" || v.Size != 0 {
		t.Errorf("%+v", v)
	}
	var history []record.View
	w.Read("record:History", ref.String(), &history)
	if len(history) != 3 || history[0] != want || history[1].By != second.String() || history[2] != v {
		t.Errorf("%+v", history)
	}
	var result ops.ResultView
	w.Read("ops:Operation", third.String(), &result)
	if result.Op != "record.delete" || result.Record == nil || result.Record.Reference != ref.String() || result.Record.Version != 3 {
		t.Errorf("%+v", result)
	}
	w.Read("ops:Operation", ref.String(), &result)
	if result.Op != "record.submit" || result.Created != "record/"+ref.String() || result.Actor != alice.DID {
		t.Errorf("%+v", result)
	}
}

func TestQueriesRefuse(t *testing.T) {
	w := opstest.New(t)
	unknown := ledger.Reference{Expiry: 1}.String()
	for _, function := range []string{"record:Read", "record:History", "credential:Read", "credential:Schema", "ops:Operation"} {
		for ref, code := range map[string]fault.Code{unknown: fault.NotFound, "": fault.InvalidValue, strings.ToUpper(unknown) + "A": fault.InvalidValue} {
			if _, err := w.Invoke(ledger.Caller{}, function, ref); fault.Of(err) != code {
				t.Errorf("%s(%q): %v, want %v", function, ref, err, code)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	v := record.Value{Status: record.Live, Version: 1, Schema: "s", Location: "l:"}
	f.Add(v.Encode())
	v.Version = 2
	f.Add(v.Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := record.Decode(ledger.Reference{Expiry: 1}, data)
		if err == nil && !bytes.Equal(v.Encode(), data) {
			t.Errorf("%x encodes as %x", data, v.Encode())
		}
	})
}
