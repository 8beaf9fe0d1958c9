package vc_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/gateway/vc"
)

// FuzzCredentialJWT: what a vc+jwt that its issuer signed says, whatever that is, is
// the credential that its payload is, and that reads the same once it is written.
func FuzzCredentialJWT(f *testing.F) {
	v := verifier(f)
	s := keySigner("issuer", did.EdDSA)
	f.Add(alumni(controller(s)), "vc+jwt")
	f.Add(edited(f, alumni(controller(s)), "iss", fmt.Sprintf("%q", controller(s))), "vc+jwt")
	f.Add(`{"vc":{}}`, "JWT")
	f.Fuzz(func(t *testing.T, payload, typ string) {
		header := fmt.Sprintf(`{"alg":"EdDSA","kid":%q,"typ":%q}`, s.Method, typ)
		input := canon.B64([]byte(header)) + "." + canon.B64([]byte(payload))
		signature := must[[]byte](t)(s.Sign([]byte(input)))
		c, err := v.Credential(context.Background(), []byte(input+"."+canon.B64(signature)), now)
		if err != nil {
			return
		}
		again, err := v.Contexts.ParseCredential(c.Document.JCS())
		if err != nil || again.Issuer != c.Issuer || again.ID != c.ID || !bytes.Equal(again.Document.JCS(), c.Document.JCS()) {
			t.Fatalf("%s became %+v, %v", c.Document.JCS(), again, err)
		}
		if c.Issuer != controller(s) {
			t.Fatalf("%s is taken for a credential of %s", payload, c.Issuer)
		}
	})
}

// odd says that a time has no year of four digits in UTC.
func odd(t time.Time) bool { return !t.IsZero() && (t.UTC().Year() < 1 || t.UTC().Year() > 9999) }

// FuzzStatusList: a status list that parses is the same once it is written.
func FuzzStatusList(f *testing.F) {
	c := contexts(f)
	list := vc.StatusList{URL: listURL, Issuer: "did:example:a", Purpose: vc.Revocation, ValidFrom: now, Bits: newBits(f, 1, 2, 70000)}
	f.Add(list.JSON(), "revocation")
	list.ValidUntil = now.AddDate(1, 0, 0)
	f.Add(list.JSON(), "suspension")
	f.Fuzz(func(t *testing.T, data []byte, purpose string) {
		one, err := c.ParseCredential(data)
		if err != nil {
			return
		}
		got, err := vc.ParseStatusList(one, vc.StatusPurpose(purpose))
		if err != nil {
			return
		}
		written := got.JSON()
		two, err := c.ParseCredential(written)
		if err != nil && (got.URL == "" || len(got.URL) > 2000 || odd(got.ValidFrom) || odd(got.ValidUntil)) {
			return // without an id, or one that leaves no room for the subject's; or of no year of four digits in UTC
		}
		if err != nil {
			t.Fatalf("%s is written as %s: %v", data, written, err)
		}
		again, err := vc.ParseStatusList(two, got.Purpose)
		if err != nil || !bytes.Equal(again.JSON(), written) || again.Bits.Len() != got.Bits.Len() || again.URL != got.URL {
			t.Fatalf("%s is written as %s: %v", data, written, err)
		}
	})
}

// FuzzSelectiveParts: an SD-JWT, once it is taken apart and put together, is the one
// that it was, and the holder who keeps all of it keeps what it says.
func FuzzSelectiveParts(f *testing.F) {
	v := verifier(f)
	issuer, holder := keySigner("issuer", did.EdDSA), keySigner("holder", did.EdDSA)
	f.Add(personClaims(controller(issuer)), "given_name", "age")
	f.Add(edited(f, personClaims(controller(issuer)), "nested", `{"a":[1,{"b":null}]}`), "nested", "nested/a")
	f.Fuzz(func(t *testing.T, claims, hide, hideToo string) {
		paths := [][]string{strings.Split(hide, "/"), strings.Split(hideToo, "/")}
		issued, err := vc.IssueSelective([]byte(claims), paths, publicKey(t, "holder", did.EdDSA), issuer)
		if err != nil {
			return
		}
		received, err := v.Selective(context.Background(), []byte(issued), nil, now)
		if err != nil {
			return // its times, or the like
		}
		all := func([]string) bool { return true }
		presented, err := vc.PresentSelective(issued, all, holder, bindingOptions)
		if err != nil {
			t.Fatalf("%s: %v", claims, err)
		}
		if !strings.HasPrefix(presented, issued) {
			t.Fatalf("%s became %s", issued, presented)
		}
		got, err := v.Selective(context.Background(), []byte(presented), &selectiveRequest, now)
		if err != nil || !bytes.Equal(got.Claims.JCS(), received.Claims.JCS()) || got.Type != received.Type {
			t.Fatalf("%s became %+v, %v", received.Claims.JCS(), got, err)
		}
		for _, m := range must[canon.Object](t)(canon.ParseObject([]byte(claims))) {
			value, ok := got.Claims.Find(m.Name)
			before, after := canon.Object{}.With("x", m.Value).JCS(), canon.Object{}.With("x", value).JCS()
			if !ok || !bytes.Equal(before, after) {
				t.Fatalf("the claim %s is %s, and was %s", m.Name, after, before)
			}
		}
	})
}
