package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/anchor/signer/signertest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/govern"
)

// coming gives a member's key files the keys of a coming set, made from a name.
func (m *fakeMember) coming(name string) {
	seed := sha256.Sum256([]byte(m.keys.msp + name))
	k := *m.keys
	k.nextCosign, k.nextAttest = ed25519.NewKeyFromSeed(seed[:]), signer.Software(secp256k1.PrivKeyFromBytes(seed[:]))
	m.keys = &k
}

// joiner is what a member's operator gives the others: its keys, the coming ones where
// there are some, with the proof that they are there.
func (w *world) joiner(m *fakeMember) govern.Joiner {
	k := m.keys.coming()
	j := govern.Joiner{MSP: k.msp, Cosign: k.vkey(network), Address: address(k.attest)}
	text := canon.PossessionText(w.blocks[0].HeaderHash, canon.MemberLine(j.MSP, j.Cosign, j.Address))
	signature := signertest.Sign(k.attest, canon.Keccak(text))
	j.Proof = &govern.Possession{
		Ed25519:   base64.StdEncoding.EncodeToString(ed25519.Sign(k.cosign, text)),
		Secp256k1: base64.StdEncoding.EncodeToString(signature[:]),
	}
	return j
}

// membership is the value of the subject members by which the given ones are the next set.
func (w *world) membership(k int, members ...*fakeMember) string {
	w.t.Helper()
	v := govern.Membership{K: k}
	for _, m := range members {
		j := w.joiner(m)
		for _, had := range w.inForce().Members {
			if had == (govern.Member{MSP: j.MSP, Cosign: j.Cosign, Address: j.Address}) {
				j.Proof = nil
			}
		}
		v.Members = append(v.Members, j)
	}
	text, err := canon.Marshal(v)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

func (w *world) inForce() (n govern.Network) {
	value, err := w.store.Get("network")
	if err != nil {
		w.t.Fatal(err)
	}
	decodeJSON(w.t, value, &n)
	return n
}

// rotated waits until a set is in force and the chains have it, after all sizes of the
// set before: what its keys could sign afterwards is good for nothing there.
func (w *world) rotated(version uint64) {
	w.t.Helper()
	w.until("in force", time.Minute, func() bool { return w.inForce().SetVersion == version })
	w.until("on all chains", 2*time.Minute, func() bool {
		for _, ch := range w.chains {
			if ch.block(send.Final).newest().Version < version {
				return false
			}
		}
		return true
	})
	for _, ch := range w.chains {
		at := slices.IndexFunc(ch.blocks, func(b chainBlock) bool { return b.newest().Version == version })
		if at < 0 {
			continue // a later set came with it
		}
		if b := ch.blocks[at]; b.head.Size < b.newest().From-1 {
			w.t.Errorf("%s: set %d from size %d came while the head was %d", ch.id, version, b.newest().From, b.head.Size)
		}
	}
}

// recorded makes a record in a block of its own; it waits until that is anchored, and returns
// the block's number.
func (w *world) recorded() uint64 {
	w.t.Helper()
	w.cutRecord()
	of := uint64(len(w.blocks))
	w.until("anchored", 4*time.Minute, func() bool { return w.anchored(of) })
	w.until("with receipts", time.Minute, func() bool {
		for _, m := range w.members {
			if _, _, err := m.anchorsOf(context.Background(), of-1, false); err != nil && !m.asleep {
				return false
			}
		}
		return true
	})
	return of - 1
}

// verdicts of a bundle of a block's transaction, as a member's anchor serves it, under a
// policy: the checks that do not pass.
func (w *world) verdicts(m *fakeMember, number uint64, p *log.Policy) (not []string) {
	w.t.Helper()
	data, err := m.bundle(context.Background(), place{block: number, n: log.NoWrite}, false, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := log.ParseBundle(data)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range b.Verify(p) {
		if c.Status != log.Passed {
			not = append(not, c.Name+": "+c.Text)
		}
	}
	return not
}

// policy is what an auditor pins.
func (w *world) policy() *log.Policy {
	m := w.members[0]
	p := membersPolicy(network, m.cfg.LogID, m.cfg.K, m.cfg.Members)
	for _, ch := range w.chains {
		p.Chains = append(p.Chains, log.Chain{ID: ch.id, AnchorLog: ch.anchorLog.String(), Vaults: []log.Vault{
			{ID: ch.vault.String(), Token: ch.token.String(), Asset: "usd"}}})
	}
	if err := p.Check(); err != nil {
		w.t.Fatal(err)
	}
	return p
}

// policyOf pins a set of the ledger.
func (w *world) policyOf(version uint64) *log.Policy {
	w.t.Helper()
	p := *w.policy()
	s := w.members[0].members().sets[version-1]
	p.SetVersion, p.K, p.Members = version, s.K, s.Members
	if err := p.Check(); err != nil {
		w.t.Fatal(err)
	}
	return &p
}

// quiet wants no alarms.
func (w *world) quiet(but ...*fakeMember) {
	w.t.Helper()
	for _, m := range w.members {
		if a := m.alarms.list(); len(a) > 0 && !slices.Contains(but, m) {
			w.t.Errorf("%s: alarms %q", m.keys.msp, a)
		}
	}
}

// errKilled is what a border panics with: a kill as other programs see it, since what is
// on disk by then is there. The anchor starts again.
var errKilled = errors.New("killed")

// at is called at a border.
func (w *world) at(msp, border string) {
	if w.border != nil {
		w.border(msp, border)
	}
}

// survive, deferred, starts an anchor again that was killed.
func (m *fakeMember) survive() {
	switch r := recover(); r {
	case nil:
	case errKilled:
		m.stop()
		m.start()
	default:
		panic(r)
	}
}
