package ops_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// The whole story with keys of each algorithm: create, submit, amend, pay.
func TestEachAlgorithm(t *testing.T) {
	w := opstest.New(t)
	payee := opstest.NewUser("payee")
	w.Create(payee)
	for _, alg := range did.Algorithms {
		u := opstest.NewUserOf("alice "+string(alg), alg)
		w.Create(u, "eip155:1337")
		w.Fund(u, 100)
		ref := w.Do(u, opstest.Submit("content"), "")
		value, err := w.Store.Get("record/" + ref.String())
		if err != nil {
			t.Fatal(err)
		}
		w.Do(u, &ops.RecordAmend{Record: ref.String(), Schema: "plain", Commitment: opstest.Submit("other").Commitment, Size: 1}, ledger.Version(value))
		w.Do(u, opstest.Pay("usd", payee, 30), "")
		var r did.Resolution
		w.Read("did:Resolve", u.DID, &r)
		if k, err := did.ParseKey(r.Document.VerificationMethod[0].PublicKeyMultibase); err != nil || k.Algorithm() != alg {
			t.Errorf("%s resolves to %+v, %v", alg, r.Document.VerificationMethod[0], err)
		}
		header, err := ops.Header(alg, u.KeyID())
		if err != nil || string(header) != head(u, string(alg), "k") {
			t.Errorf("header %s, %v", header, err)
		}
	}
	w.Audit()
}

// OP-4: in one batch of all algorithms, exactly the bad signatures are found,
// whichever way they are bad, and the same alone.
func TestBadSignaturesOfEachAlgorithm(t *testing.T) {
	w := opstest.New(t)
	users := map[did.Algorithm]*opstest.User{}
	for _, alg := range did.Algorithms {
		users[alg] = opstest.NewUserOf("alice "+string(alg), alg)
		w.Create(users[alg])
	}
	var items []ops.Item
	var want []fault.Code
	add := func(item ops.Item, code fault.Code) { items, want = append(items, item), append(want, code) }
	for i := range 5 {
		for _, alg := range did.Algorithms {
			u := users[alg]
			sign := func(name string) ops.Item {
				item, _ := w.Sign(u, opstest.Submit(fmt.Sprint(name, i)), "")
				return item
			}
			add(sign("good"), fault.OK)
			changed := sign("changed")
			changed.Signature[40] ^= 1
			add(changed, fault.BadSignature)
			short := sign("short")
			short.Signature = short.Signature[:63]
			add(short, fault.BadSignature)
			long := sign("long")
			long.Signature = append(bytes.Clone(long.Signature), 0)
			add(long, fault.BadSignature)
			for _, other := range did.Algorithms {
				if other != alg {
					item := raw(u, head(u, string(other), "k"), load("record.submit", goodBody))
					add(item, fault.AlgMismatch)
					theirs := raw(users[other], head(u, string(alg), "k"), load("record.submit", goodBody))
					add(theirs, fault.BadSignature)
				}
			}
			if alg == did.EdDSA {
				continue
			}
			malleated := sign("malleated")
			malleated.Signature = opstest.Malleate(alg, malleated.Signature)
			add(malleated, fault.OK)
			zero, n := make([]byte, 32), opstest.Order(alg)
			for _, r := range [][]byte{zero, n} {
				item := sign("r")
				item.Signature = append(bytes.Clone(r), item.Signature[32:]...)
				add(item, fault.BadSignature)
				item = sign("s")
				item.Signature = append(bytes.Clone(item.Signature[:32]), r...)
				add(item, fault.BadSignature)
			}
		}
	}
	for i, item := range items {
		var check ops.CheckView
		w.Read("ops:Check", item.Compact(), &check)
		if fault.Code(check.Code) != want[i] {
			t.Errorf("alone, item %d: %s: %s, want %v", i, check.Name, check.Text, want[i])
		}
	}
	for i, answer := range w.Batch(items...) {
		if fault.Code(answer) != want[i] {
			t.Errorf("in a batch, item %d: %v, want %v", i, fault.Code(answer), want[i])
		}
	}
}

// OP-3: another signature over the same bytes is the same operation: whoever
// negates s of somebody's ECDSA signature repeats what was done, and no more.
func TestMalleatedSignatureIsAReplay(t *testing.T) {
	for _, alg := range []did.Algorithm{did.ES256, did.ES256K} {
		w := opstest.New(t)
		alice, bob := opstest.NewUserOf("alice", alg), opstest.NewUser("bob")
		w.Create(alice)
		w.Create(bob)
		w.Fund(alice, 100)
		item, _ := w.Sign(alice, opstest.Pay("usd", bob, 30), "")
		other := item
		other.Signature = opstest.Malleate(alg, item.Signature)
		if got := w.Batch(other, item, other); got[0] != 0 || got[1] != ops.Replayed || got[2] != ops.Replayed {
			t.Errorf("%s: %#x", alg, got)
		}
		after := w.Store.Clone()
		if got := w.Batch(other); got[0] != ops.Replayed || len(changed(after, w.Store)) != 0 {
			t.Errorf("%s: later %#x", alg, got)
		}
		w.Audit()
	}
}

// offCurve is the Multikey of P-256 with x = 1, where the curve has no point.
const offCurve = "zDnaeQRy3dcKsKa1zmKtVKsTy3m2HYoQnFnfKuxD6HfSTQgYg"

// A document's keys are checked when the DID is created.
func TestDocumentWithAPointOffTheCurve(t *testing.T) {
	w := opstest.New(t)
	alice := opstest.NewUserOf("alice", did.ES256)
	bad := bytes.Replace(alice.Doc, []byte(opstest.NewKey("alice", did.ES256).Multikey), []byte(offCurve), 1)
	item := raw(alice, head(alice, "ES256", "k"), load("did.create", `{"document":`+string(bad)+`}`))
	if got := w.Batch(item); fault.Code(got[0]) != fault.InvalidValue {
		t.Errorf("%v", fault.Code(got[0]))
	}
}
