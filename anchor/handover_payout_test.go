package main

import (
	"slices"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// RO-17: no payout is stranded by a change of members: what the set before signed and no
// vault took is activated under the next one, whether the chain was down or the transaction came too late.
func TestPayoutsAcrossAHandOver(t *testing.T) {
	for name, late := range map[string]bool{"not sent in time": false, "too late": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			partner, alice := opstest.NewUser("partner"), opstest.NewUser("alice")
			w.do(partner, &ops.DIDCreate{Document: partner.Doc})
			w.do(alice, &ops.DIDCreate{Document: alice.Doc, Links: []did.Link{alice.Link("eip155:1337")}, Payout: alice.Account("eip155:1337").String()})
			id := canon.Sum([]byte("fund"))
			if err := w.execute("Org1MSP", "reward:Fund", reward.Fund{ID: canon.Hex(id[:]), Asset: "usd", To: partner.DID, Amount: 5000}); err != nil {
				t.Fatal(err)
			}
			w.until("reserves reported", 10*time.Second, func() bool {
				value, _ := w.store.Get("reserve/" + w.chains[0].vault.String() + "/Org4MSP")
				return value != nil
			})
			ch := w.chains[0]
			w.do(partner, opstest.Pay("usd", alice, 700))
			signed := func(set uint64) func() bool {
				return func() bool {
					for _, m := range w.members {
						r, ok, err := m.index.newestRoot(t.Context(), ch.vault.String(), 1<<62)
						if err != nil || !ok || m.members().set().Version < set {
							return false
						}
						sigs, err := m.index.states(t.Context(), payoutSignaturePrefix(ch.vault.String(), r, m.members().sets[set-1]))
						if err != nil || len(sigs) < 4 {
							return false
						}
					}
					return true
				}
			}
			if late {
				w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
				ch.full = true
			} else {
				ch.down = true
			}
			w.until("signed by the set before", 2*time.Minute, signed(1))
			w.tickFor(20 * time.Second) // in the pool, where that has no room in blocks
			w.members[2].coming("second")
			w.decide("members", w.membership(3, w.members...))
			w.until("signed by the next set", time.Minute, signed(2))
			w.tickFor(40 * time.Second)
			if late {
				slices.Reverse(ch.pool) // the hand-over is first
			}
			ch.down, ch.full = false, false
			w.until("active", 5*time.Minute, func() bool { return ch.block(send.Final).epoch > 0 })
			w.tickFor(20 * time.Second)
			w.members[1].claims(alice.Account("eip155:1337"), 700)
			// At most one transaction of each member was on its way when the hand-over came.
			if got := ch.block(send.Final).newest().Version; got != 2 || ch.reverted > len(w.members) {
				t.Errorf("set %d, %d transactions failed", got, ch.reverted)
			}
			w.quiet()
		})
	}
}
