package main

import (
	"errors"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// RO-17: no payout is stranded by a change of members: what the set before signed and no
// vault took before the hand-over is given up, and activated under the next set.
func TestPayoutsAcrossAHandOver(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]bool{"dropped from the pool": false, "in the pool until it is too late": true} {
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
			w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
			ch.holds = true
			w.until("signed by the set before", 2*time.Minute, signed(1))
			w.until("on its way", time.Minute, func() bool { return len(ch.pool) > 0 })
			w.members[2].coming("second")
			w.decide("members", w.membership(3, w.members...))
			w.until("signed by the next set", time.Minute, signed(2))
			// Somebody brings the next set: members with a transaction in the pool wait for it.
			sets := w.members[0].members().sets
			next, _ := onContracts(sets[1])
			ch.pool = append(ch.pool, chainTx{By: "anybody", To: ch.anchorLog.Address, Raw: contracts.PackRotate(
				next, sets[1].From, sets[1].ListHash(), contracts.Signatures{Set: contracts.Set{Version: 1}})})
			handedOver := func(at send.Head) func() bool { return func() bool { return ch.block(at).newest().Version == 2 } }
			w.until("handed over", time.Minute, handedOver(send.Latest))
			waiting := len(ch.pool)
			if !late {
				w.until("handed over for good", time.Minute, handedOver(send.Final))
				ch.pool, waiting = nil, 0
			}
			ch.holds = false
			w.until("active", 5*time.Minute, func() bool { return ch.block(send.Final).epoch > 0 })
			w.tickFor(40 * time.Second) // senders want to be sure
			w.members[1].claims(alice.Account("eip155:1337"), 700)
			// Only what was on its way when the hand-over came is paid for in vain.
			if got := ch.block(send.Final).newest().Version; got != 2 || ch.reverted != waiting {
				t.Errorf("set %d, %d transactions failed, want %d", got, ch.reverted, waiting)
			}
			givenUp := 0
			for _, m := range w.members {
				st, err := m.sender.Status(t.Context(), payoutIntent(ch.vault.String(), ch.block(send.Final).epoch, 1, 1))
				if errors.Is(err, send.ErrUnknown) {
					continue // it was not this member's turn yet
				}
				// Before a sender is sure that it came too late, the next set may have made the change.
				if err != nil || st.Phase != send.PhaseOvertaken && !st.Phase.Done() {
					t.Errorf("%s: what the set before signed is %s after %d transactions, %v", m.keys.msp, st.Phase, len(st.Tries), err)
				}
				givenUp++
			}
			if givenUp == 0 {
				t.Error("nobody had planned what the set before signed")
			}
			w.quiet()
		})
	}
}
