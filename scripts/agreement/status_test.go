//go:build agreement

package agreement_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/gateway/vc"
)

func TestStatusLists(t *testing.T) {
	p, v, ctx, now := start(t), verifier(t), t.Context(), time.Now()
	set := []int{0, 1, 7, 8, 94567, vc.MinEntries - 1}
	bits, err := vc.NewBits(vc.MinEntries)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range set {
		if err := bits.Set(i); err != nil {
			t.Fatal(err)
		}
	}
	var seen []int
	p.must(t, "bits", args{"encoded": bits.Encode()}, &seen)
	if !slices.Equal(seen, set) {
		t.Errorf("the peer reads %v, want %v", seen, set)
	}
	var encoded string
	p.must(t, "list", args{"length": vc.MinEntries, "set": set}, &encoded)
	theirs, err := vc.DecodeBits(encoded)
	if err != nil {
		t.Fatal(err)
	}
	for i := range theirs.Len() {
		if has, err := theirs.Has(i); err != nil || has != slices.Contains(set, i) {
			t.Errorf("entry %d is %v, %v", i, has, err)
		}
	}

	// A whole list of ours, looked up by the peer for a credential of ours; and the
	// peer's, looked up by us.
	ours := signer("issuer", did.EdDSA)
	list := &vc.StatusList{URL: listURL, Issuer: controller(ours.Method), Purpose: vc.Revocation, Bits: bits, ValidFrom: now.Add(-time.Minute), ValidUntil: now.Add(time.Hour)}
	served, err := v.Contexts.Issue(list.JSON(), ours, vc.ProofOptions{Created: now})
	if err != nil {
		t.Fatal(err)
	}
	p.must(t, "know", args{"url": listURL, "document": json.RawMessage(served)}, nil)
	var theirList json.RawMessage
	unsigned := edit(t, list.JSON(), controller(p.method(t, did.EdDSA)), encoded)
	p.must(t, "issue", args{"suite": "eddsa-jcs-2022", "alg": did.EdDSA, "document": unsigned}, &theirList)
	for index, revoked := range map[int]bool{94567: true, 94568: false} {
		entry := vc.ListEntry{Purpose: vc.Revocation, Index: index, List: listURL}
		issued, err := v.Contexts.Issue(membership(controller(ours.Method), `"credentialStatus":`+string(entry.JSON())+`,`), ours, vc.ProofOptions{Created: now})
		if err != nil {
			t.Fatal(err)
		}
		var status []bool
		if p.must(t, "verify", args{"document": json.RawMessage(issued)}, &status); !slices.Equal(status, []bool{revoked}) {
			t.Errorf("entry %d: the peer says %v", index, status)
		}
		if got, err := v.Status(ctx, &entry, theirList, controller(p.method(t, did.EdDSA)), now); err != nil || got != revoked {
			t.Errorf("entry %d: %v, %v", index, got, err)
		}
	}
}

// edit returns a list credential of another issuer with other bits.
func edit(t *testing.T, list []byte, issuer, encoded string) json.RawMessage {
	t.Helper()
	o := value(t, list)
	subject, _ := o.Find("credentialSubject")
	return o.With("issuer", issuer).With("credentialSubject", subject.(canon.Object).With("encodedList", encoded)).JCS()
}
