package ops_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

func explain(t *testing.T, w *opstest.World, items ...ops.Item) (x ops.Explanation) {
	t.Helper()
	frame, err := ops.EncodeFrame(items)
	if err != nil {
		t.Fatal(err)
	}
	before := w.Store.Clone()
	w.Read("ops:Explain", frame, &x)
	if keys := changed(before, w.Store); len(keys) != 0 {
		t.Errorf("ops:Explain changed %q", keys)
	}
	return x
}

func TestExplain(t *testing.T) {
	alice, bob := opstest.NewUser("alice"), opstest.NewUser("bob")
	w := opstest.New(t)
	w.Create(bob)
	create, _ := w.Sign(alice, &ops.DIDCreate{Document: alice.Doc}, "")
	submit, ref := w.Sign(alice, opstest.Submit("a"), "")
	poor, _ := w.Sign(alice, opstest.Pay("usd", bob, 10), "")
	formless, _ := w.Sign(bob, opstest.Submit("b"), "")
	formless.Header = []byte("{}")
	forged, _ := w.Sign(bob, opstest.Submit("c"), "")
	forged.Signature = make([]byte, 64)
	items := []ops.Item{create, submit, poor, formless, forged}

	x := explain(t, w, items...)
	if x.Items[1].ID != canon.Hex(ref.ID[:]) {
		t.Errorf("item 1 is %s, want %x", x.Items[1].ID, ref.ID)
	}
	var results []string
	for _, i := range x.Items {
		results = append(results, i.Result)
	}
	if diff := cmp.Diff([]string{"ok", "ok", "insufficient_funds", "missing_field", "bad_signature"}, results); diff != "" {
		t.Error(diff)
	}
	if x.Items[3].Writes != x.Items[4].Writes || x.Items[4].Writes == x.Items[2].Writes || x.Items[0].Writes == x.Items[1].Writes {
		t.Errorf("digests of writes: %+v", x.Items)
	}
	if diff := cmp.Diff(x, explain(t, w, items...)); diff != "" {
		t.Errorf("again on the same state: %s", diff)
	}

	before := w.Store.Clone()
	answer := w.Batch(items...)
	var record []string
	for _, key := range changed(before, w.Store) {
		if strings.HasPrefix(key, "record/") {
			record = append(record, key)
		}
	}
	if want := digestOf(w.Store, record); x.Items[1].Writes != want || x.Items[3].Writes != digestOf(w.Store, nil) {
		t.Errorf("digests of writes %+v, that of the record is %s", x.Items, want)
	}
	for i, code := range answer {
		if fault.Code(code).String() != results[i] {
			t.Errorf("item %d: ops:Batch says %s, ops:Explain said %s", i, fault.Code(code), results[i])
		}
	}
	// On another state the state has another digest. The same operations are
	// explained as if they had not been executed, so that a program that treats one
	// of them differently still shows.
	after := explain(t, w, items...)
	if after.State == x.State {
		t.Error("another state has the same digest")
	}
	if after.Items[1] != x.Items[1] || after.Items[0].Result != "did_exists" || after.Items[2].Result != "insufficient_funds" {
		t.Errorf("after the batch %+v, before %+v", after.Items, x.Items)
	}
	torn := submit
	torn.Signature = bytes.Clone(submit.Signature)
	torn.Signature[0] ^= 1
	if other := explain(t, w, create, torn, poor, formless, forged); other.State != after.State || other.Items[1] == after.Items[1] {
		t.Errorf("with another outcome of item 1: %+v, %+v", other, after)
	}
}

// What was refused and is refused again writes nothing, however far it comes.
func TestExplainOfARefusalAgain(t *testing.T) {
	alice, heir := opstest.NewUser("alice"), opstest.NewUser("heir")
	w := opstest.New(t)
	w.Create(alice, "tron:0x2b6653dc")
	heir.Chain = alice.Chain
	create, _ := w.Sign(heir, &ops.DIDCreate{Document: heir.Doc, Links: []did.Link{heir.Link("eip155:1337"), heir.Link("tron:0x2b6653dc")}}, "")
	if got := fault.Code(w.Batch(create)[0]); got != fault.LinkTaken {
		t.Fatal(got)
	}
	if x := explain(t, w, create); x.Items[0].Result != "link_taken" || x.Items[0].Writes != digestOf(w.Store, nil) {
		t.Errorf("%+v, want no writes, %s", x, digestOf(w.Store, nil))
	}
}
