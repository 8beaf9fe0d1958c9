package opstest

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// NewMember returns the organisation Org<i>MSP with keys of its own. Those of 1 to 4
// found a World.
func NewMember(i int) Member { return newMember(i) }

// Rekeyed returns the organisation with other keys, made from the name.
func (m Member) Rekeyed(name string) Member {
	return Member{m.MSP, ed25519.NewKeyFromSeed(Seed(m.MSP + name)), secp256k1.PrivKeyFromBytes(Seed(m.MSP + name + " chain")), m.network}
}

// Public is the member as the ledger lists it.
func (m Member) Public() govern.Member {
	a := m.Address()
	return govern.Member{MSP: m.MSP, Cosign: m.vkey(), Address: "0x" + canon.Hex(a[:])}
}

// Known is the member in a proposed set, without a proof.
func (m Member) Known() govern.Joiner {
	p := m.Public()
	return govern.Joiner{MSP: p.MSP, Cosign: p.Cosign, Address: p.Address}
}

// Joining is the member in a proposed set, with the proof that its keys are there.
func (m Member) Joining() govern.Joiner {
	j := m.Known()
	text := canon.PossessionText(LogID, m.Public().Line())
	signature := canon.SignDigest(m.Chain, canon.Keccak(text))
	j.Proof = &govern.Possession{
		Ed25519:   base64.StdEncoding.EncodeToString(ed25519.Sign(m.ed25519, text)),
		Secp256k1: base64.StdEncoding.EncodeToString(signature[:]),
	}
	return j
}

// Membership is the value of the subject members by which the given ones are the next
// set; those that are not in the set in force as they are have proofs.
func (w *World) Membership(k int, members ...Member) govern.Membership {
	w.t.Helper()
	now := map[govern.Member]bool{}
	for _, m := range w.network().Members {
		now[m] = true
	}
	v := govern.Membership{K: k}
	for _, m := range members {
		if j := m.Known(); now[m.Public()] {
			v.Members = append(v.Members, j)
		} else {
			v.Members = append(v.Members, m.Joining())
		}
	}
	return v
}

// JSON returns a value as requests have it.
func (w *World) JSON(v any) string {
	w.t.Helper()
	text, err := canon.Marshal(v)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// Next returns the set that waits.
func (w *World) Next() *govern.Set {
	w.t.Helper()
	next, err := govern.NextSet(ledger.Begin(w.Store, w.Now, ledger.Caller{}))
	if err != nil || next == nil {
		w.t.Fatalf("no set waits (%v)", err)
	}
	return next
}

// SignRotation returns the member's signature over the rotation that waits.
func (w *World) SignRotation(m Member) checkpoint.SignRotation {
	w.t.Helper()
	next := w.Next()
	digest, err := w.network().RotationDigest(next)
	if err != nil {
		w.t.Fatal(err)
	}
	signature := canon.SignDigest(m.Chain, digest)
	return checkpoint.SignRotation{Version: next.Version, Secp256k1: base64.StdEncoding.EncodeToString(signature[:])}
}

// HandOver has members of the set in force sign the rotation that waits and put it in
// force. From then on the World's members are the given ones.
func (w *World) HandOver(signers, next []Member) govern.Rotation {
	w.t.Helper()
	r := checkpoint.Rotate{Version: w.Next().Version}
	for _, m := range signers {
		w.Must(m.Caller(), "checkpoint:SignRotation", w.SignRotation(m))
		r.Signers = append(r.Signers, m.MSP)
	}
	var done govern.Rotation
	if err := json.Unmarshal(w.Must(signers[0].Caller(), "checkpoint:Rotate", r), &done); err != nil {
		w.t.Fatal(fmt.Errorf("answer of checkpoint:Rotate: %w", err))
	}
	w.Members = next
	return done
}

// Rotate has the World's members decide on the next set and hand over to it.
func (w *World) Rotate(k int, next ...Member) govern.Rotation {
	w.t.Helper()
	w.Decide("members", w.JSON(w.Membership(k, next...)))
	return w.HandOver(w.quorum(), next)
}
