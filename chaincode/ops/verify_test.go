package ops_test

import (
	"bytes"
	"testing"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// A damaged DID in state gives the transaction up: it is nobody's refusal.
func TestDamagedDID(t *testing.T) {
	for _, part := range []string{`"version":1`, `"recovery"`} {
		w := opstest.New(t)
		alice := opstest.NewUser("alice")
		w.Create(alice)
		value, err := w.Store.Get(did.Key(alice.ID))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Store.Put(did.Key(alice.ID), bytes.Replace(value, []byte(part), []byte(`"x":1,`+part), 1)); err != nil {
			t.Fatal(err)
		}
		item, _ := w.Sign(alice, opstest.Submit("content"), "")
		frame, err := ops.EncodeFrame([]ops.Item{item})
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := w.Invoke(ledger.Caller{}, "ops:Batch", frame); fault.Of(err) != fault.Internal {
			t.Errorf("%s: %v, %v", part, answer, err)
		}
	}
}

// What an engine remembers of headers and keys is by their bytes: a DID whose
// keys or status changed is another one at once, in one batch and after it.
func TestNothingOldIsRemembered(t *testing.T) {
	w := opstest.New(t)
	alice := opstest.NewUser("alice")
	w.Create(alice)
	for range 3 { // known well: header, document, prepared key
		w.Do(alice, opstest.Submit("content"), "")
	}
	value, err := w.Store.Get(did.Key(alice.ID))
	if err != nil {
		t.Fatal(err)
	}
	other := opstest.NewKey("other", did.ES256)
	for _, c := range []struct {
		old, new string
		want     fault.Code
	}{
		{`"deactivated":false`, `"deactivated":true`, fault.DIDDeactivated},
		{`"capabilityInvocation":["#k"]`, `"capabilityInvocation":["#auth"]`, fault.KeyPurpose},
		{opstest.NewKey("alice", did.EdDSA).Multikey, opstest.NewKey("alice auth", did.EdDSA).Multikey, fault.BadSignature},
		{opstest.NewKey("alice", did.EdDSA).Multikey, other.Multikey, fault.AlgMismatch},
		{"", "", fault.OK},
	} {
		if err := w.Store.Put(did.Key(alice.ID), bytes.Replace(value, []byte(c.old), []byte(c.new), 1)); err != nil {
			t.Fatal(err)
		}
		one, _ := w.Sign(alice, opstest.Submit("one"), "")
		two, _ := w.Sign(alice, opstest.Submit("two"), "")
		for i, answer := range w.Batch(one, two) {
			if fault.Code(answer) != c.want {
				t.Errorf("%s, item %d: %v, want %v", c.new, i, fault.Code(answer), c.want)
			}
		}
	}
}

// A compact form has one spelling: what parses is written as it was read.
func FuzzParseCompact(f *testing.F) {
	for _, alg := range did.Algorithms {
		u := opstest.NewUserOf("alice", alg)
		f.Add(raw(u, head(u, string(alg), "k"), load("record.submit", goodBody)).Compact())
	}
	for _, text := range []string{"", ".", "..", "...", "e30.e30.", "e31.e30.AA", "e30\n.e30.AA"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		item, err := ops.ParseCompact(text)
		if err == nil && item.Compact() != text {
			t.Errorf("%q is written as %q", text, item.Compact())
		}
		if code := fault.Of(err); err != nil && code != fault.Malformed && code != fault.TooLarge {
			t.Errorf("%q: %v", text, err)
		}
	})
}
