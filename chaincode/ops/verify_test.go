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

// A damaged DID in state gives the transaction up: it is nobody's refusal.
func TestDamagedDID(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func([]byte) []byte
	}{
		{"cut", func(v []byte) []byte { return v[:len(v)-1] }},
		{"longer", func(v []byte) []byte { return append(v, 0) }},
		{"of another status", func(v []byte) []byte { v[2] = 4; return v }},
		{"of a key that is none", func(v []byte) []byte { v[len(v)-34] ^= 1; return v }},
	} {
		w := opstest.New(t)
		alice := opstest.NewUser("alice")
		w.Create(alice)
		value, err := w.Store.Get(did.SignerKeyOf(alice.ID))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Store.Put(did.SignerKeyOf(alice.ID), c.damage(bytes.Clone(value))); err != nil {
			t.Fatal(err)
		}
		item, _ := w.Sign(alice, opstest.Submit("content"), "")
		frame, err := ops.EncodeFrame([]ops.Item{item})
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := w.Invoke(ledger.Caller{}, "ops:Batch", frame); fault.Of(err) != fault.Internal {
			t.Errorf("%s: %v, %v", c.name, answer, err)
		}
	}
}

// What an engine remembers of headers and keys is by their bytes: a DID whose
// keys or status changed is another one at once, in one batch and after it.
func TestNothingOldIsRemembered(t *testing.T) {
	w := opstest.New(t)
	alice := opstest.NewUser("alice")
	w.Create(alice)
	for i := range 2 { // known well: header, document, and the key, which is prepared the second time
		one, _ := w.Sign(alice, opstest.Submit(fmt.Sprint("one ", i)), "")
		two, _ := w.Sign(alice, opstest.Submit(fmt.Sprint("two ", i)), "")
		if got := w.Batch(one, two); got[0]|got[1] != 0 {
			t.Fatal(got)
		}
	}
	value, err := w.Store.Get(did.SignerKeyOf(alice.ID))
	if err != nil {
		t.Fatal(err)
	}
	key := func(seed string, alg did.Algorithm) *did.PublicKey {
		k, err := did.ParseKey(opstest.NewKey(seed, alg).Multikey)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	for _, c := range []struct {
		name   string
		change func(*did.Signer)
		want   fault.Code
	}{
		{"deactivated", func(s *did.Signer) { s.Deactivated = true }, fault.DIDDeactivated},
		{"other purpose", func(s *did.Signer) { s.Keys[0].Signs = false }, fault.KeyPurpose},
		{"other name", func(s *did.Signer) { s.Keys[0].Fragment = "other" }, fault.KeyUnknown},
		{"other key", func(s *did.Signer) { s.Keys[0].Key = key("alice auth", did.EdDSA) }, fault.BadSignature},
		{"other algorithm", func(s *did.Signer) { s.Keys[0].Key = key("other", did.ES256) }, fault.AlgMismatch},
		{"as before", func(*did.Signer) {}, fault.OK},
	} {
		signer, err := did.DecodeSigner(value)
		if err != nil {
			t.Fatal(err)
		}
		c.change(signer)
		if err := w.Store.Put(did.SignerKeyOf(alice.ID), signer.Encode()); err != nil {
			t.Fatal(err)
		}
		one, _ := w.Sign(alice, opstest.Submit("one"), "")
		two, _ := w.Sign(alice, opstest.Submit("two"), "")
		for i, answer := range w.Batch(one, two) {
			if fault.Code(answer) != c.want {
				t.Errorf("%s, item %d: %v, want %v", c.name, i, fault.Code(answer), c.want)
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

// OP-4: the Ed25519 signatures of a batch are verified together, that of a lone
// operation and those of other algorithms are not.
func TestVerifiedTogether(t *testing.T) {
	w := opstest.New(t)
	var many, others []ops.Item
	for i := range 20 {
		u := opstest.NewUser(fmt.Sprint("user ", i))
		w.Create(u)
		item, _ := w.Sign(u, opstest.Submit("content"), "")
		many = append(many, item)
	}
	for _, alg := range []did.Algorithm{did.ES256, did.ES256K} {
		u := opstest.NewUserOf(string(alg), alg)
		w.Create(u)
		item, _ := w.Sign(u, opstest.Submit("content"), "")
		others = append(others, item)
	}
	for _, c := range []struct {
		name  string
		items []ops.Item
		want  int
	}{{"alone", many[:1], 0}, {"other algorithms", others, 0}, {"all", append(others, many...), len(many)}} {
		w.Engine = ops.New()
		w.Batch(c.items...)
		if got := w.Engine.Together(); got != c.want {
			t.Errorf("%s: %d keys verified in a batch, want %d", c.name, got, c.want)
		}
	}
}
