package record_test

import (
	"bytes"
	"fmt"
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
	var history record.HistoryView
	w.Read("record:History", record.HistoryQuery{Record: ref.String()}, &history)
	if h := history.Versions; len(h) != 3 || *h[0] != want || h[1].By != second.String() || *h[2] != v || history.More {
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
	for _, function := range []string{"record:Read", "credential:Read", "credential:Schema", "ops:Operation"} {
		for ref, code := range map[string]fault.Code{unknown: fault.NotFound, "": fault.InvalidValue, strings.ToUpper(unknown) + "A": fault.InvalidValue} {
			if _, err := w.Invoke(ledger.Caller{}, function, ref); fault.Of(err) != code {
				t.Errorf("%s(%q): %v, want %v", function, ref, err, code)
			}
		}
	}
}

// A history is given in pages, each after the version before it, and stays as it is
// while the record goes on.
func TestHistoryInPages(t *testing.T) {
	w := opstest.New(t)
	alice := opstest.NewUser("alice")
	w.Create(alice)
	ref := w.Do(alice, opstest.Submit("1"), "")
	amend := func(n int) {
		stored, err := w.Store.Get(record.Key(ref.String()))
		if err != nil {
			t.Fatal(err)
		}
		c := opstest.Submit(fmt.Sprint(n))
		w.Do(alice, &ops.RecordAmend{Record: ref.String(), Schema: c.Schema, Commitment: c.Commitment, Size: c.Size}, ledger.Version(stored))
	}
	const versions = 205
	page := func(after uint32) (h record.HistoryView) {
		w.Read("record:History", record.HistoryQuery{Record: ref.String(), After: after}, &h)
		return h
	}
	for n := 2; n <= versions; n++ {
		amend(n)
	}
	var all []*record.View
	for more := true; more; {
		h := page(uint32(len(all)))
		all, more = append(all, h.Versions...), h.More
		if more && len(h.Versions) != 100 {
			t.Fatalf("a page of %d", len(h.Versions))
		}
		if len(all) == 100 { // it goes on meanwhile
			amend(versions + 1)
		}
	}
	if len(all) != versions+1 {
		t.Fatalf("%d versions", len(all))
	}
	for i, v := range all {
		if v.Version != uint32(i+1) || v.Commitment != opstest.Submit(fmt.Sprint(i+1)).Commitment {
			t.Errorf("version %d is %+v", i+1, v)
		}
	}
	for _, after := range []uint32{versions + 1, versions + 2, 1<<32 - 1} {
		if h := page(after); len(h.Versions) != 0 || h.More {
			t.Errorf("after %d: %+v", after, h)
		}
	}
	if h := page(versions - 99); len(h.Versions) != 100 || h.More {
		t.Errorf("the last hundred: %d, more %t", len(h.Versions), h.More)
	}
	for name, code := range map[string]fault.Code{"": fault.InvalidValue, (ledger.Reference{Expiry: 1}).String(): fault.NotFound} {
		if _, err := w.Invoke(ledger.Caller{}, "record:History", record.HistoryQuery{Record: name}); fault.Of(err) != code {
			t.Errorf("history of %q: %v, want %v", name, err, code)
		}
	}
}

func FuzzDecodeGrant(f *testing.F) {
	g := record.Grant{Status: record.Live, Offer: true, Operation: "read", Scope: []string{"/"}, Asset: "usd", Price: 1, Expires: 1}
	f.Add(g.Encode())
	g = record.Grant{Status: record.Withdrawn, Operation: "job.mean", Scope: []string{"/a", "/b/c"}, Asset: "usd", Uses: 2}
	f.Add(g.Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := record.DecodeGrant(data)
		if err == nil && !bytes.Equal(g.Encode(), data) {
			t.Errorf("%x encodes as %x", data, g.Encode())
		}
	})
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

func FuzzDecodeDetail(f *testing.F) {
	f.Add(record.Detail{Version: 2, Record: ledger.Reference{Expiry: 1, ID: [32]byte{1}}}.Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		if d, err := record.DecodeDetail(data); err == nil && !bytes.Equal(d.Encode(), data) {
			t.Errorf("%x encodes as %x", data, d.Encode())
		}
	})
}
