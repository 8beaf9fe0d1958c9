package vc_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/gateway/vc"
)

// FuzzParseCredential: what parses, written in canonical form, parses to the same.
func FuzzParseCredential(f *testing.F) {
	c := contexts(f)
	f.Add([]byte(alumni("did:example:a")))
	for _, x := range modelVectors(f)[:10] {
		f.Add([]byte(x.Secured))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		one, err := c.ParseCredential(data)
		if err != nil {
			return
		}
		canonical := one.Document.JCS()
		two, err := c.ParseCredential(canonical)
		if err != nil {
			t.Fatalf("%s: %v", canonical, err)
		}
		if !bytes.Equal(two.Document.JCS(), canonical) || one.Issuer != two.Issuer || !one.ValidFrom.Equal(two.ValidFrom) || !one.ValidUntil.Equal(two.ValidUntil) ||
			len(one.Subjects) != len(two.Subjects) || len(one.Status) != len(two.Status) {
			t.Fatalf("%+v became %+v", one, two)
		}
	})
}

// FuzzVerify: no bytes bring a verifier down; what it takes somebody signed, and is
// taken again in its canonical form.
func FuzzVerify(f *testing.F) {
	v := verifier(f)
	for _, x := range makeVectors(f) {
		f.Add([]byte(x.Secured))
	}
	expect := vc.Expectation{Challenge: "c-1", Domain: "verifier.example"}
	f.Fuzz(func(t *testing.T, data []byte) {
		ctx := context.Background()
		if c, err := v.Credential(ctx, data, now); err == nil {
			if len(c.Proofs) == 0 {
				t.Fatal("a credential that nobody signed")
			}
			if _, proved := c.Document.Find("proof"); proved {
				if _, err := v.Credential(ctx, c.Document.JCS(), now); err != nil {
					t.Fatalf("its canonical form is refused: %v", err)
				}
			}
		}
		if p, err := v.Presentation(ctx, data, expect, now); err == nil && len(p.Proofs) == 0 {
			t.Fatal("a presentation that nobody signed")
		}
	})
}

// FuzzKeyMethod: a did:key is read in one spelling.
func FuzzKeyMethod(f *testing.F) {
	for _, alg := range did.Algorithms {
		f.Add(keySigner("a", alg).Method)
	}
	f.Fuzz(func(t *testing.T, id string) {
		m, err := vc.KeyMethod(id)
		if err != nil {
			return
		}
		if want := "did:key:" + m.Key.String(); m.Controller != want || m.ID != id || id != want+"#"+m.Key.String() {
			t.Fatalf("%q is read as %+v", id, m)
		}
	})
}

// FuzzPinContext: a file of a context is read or refused.
func FuzzPinContext(f *testing.F) {
	f.Add(alumniFile)
	f.Add([]byte(`{"@context":[{"@vocab":"x"},"y"]}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		c, err := vc.PinContext(alumniContext, file, sha256Of(file), "AlumniCredential")
		if err == nil && c.SHA256 != sha256Of(file) {
			t.Fatal("pinned to another digest")
		}
	})
}
