package did_test

import (
	"encoding/json"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// loot is the account that the thief wants to be paid at.
func (w *world) loot() string { return opstest.NewUser("thief").Account("eip155:1").String() }

// rob has the thief link his account and prefer it.
func (w *world) rob() {
	w.t.Helper()
	account := canon.Account{Chain: "eip155:1", Address: opstest.NewUser("thief").Account("eip155:1").Address}
	proof := canon.SignDigest(opstest.NewUser("thief").Chain, canon.LinkDigest(w.alice.DID, account, w.prior()))
	w.Do(w.alice, &ops.DIDLink{Account: w.loot(), Proof: canon.B64(proof[:]), Salt: canon.B64(opstest.Seed("salt"))}, w.prior())
	w.Do(w.alice, &ops.DIDPrefer{Payout: w.loot()}, "")
}

func (w *world) unlinkAll() {
	w.t.Helper()
	for _, l := range w.Linked(w.alice).Leaves {
		w.Do(w.alice, &ops.DIDUnlink{Leaf: l.Leaf}, w.prior())
	}
}

// safe checks that nothing of the current epoch or of a later one is paid to anyone but
// alice, and that her own accounts are still hers, or free.
func (w *world) safe() {
	w.t.Helper()
	v := w.Linked(w.alice)
	for epoch := v.Epoch; epoch < v.Epoch+5; epoch++ {
		if account, ok := w.Accounts(w.alice).Paid(epoch); ok && account != w.alice.Account(account.Chain) {
			w.t.Errorf("epoch %d of %d is paid to %s", epoch, v.Epoch, account)
		}
	}
	for _, l := range v.Leaves {
		if l.From > v.Epoch {
			w.t.Errorf("%+v is linked after the recovery in epoch %d", l, v.Epoch)
		}
	}
	for _, chain := range []string{evm, tron} {
		value, _ := w.Store.Get(did.LinkKey(w.alice.Account(chain).String()))
		var held struct {
			ID    string
			Until uint64
		}
		if err := json.Unmarshal(value, &held); err != nil || held.ID != w.alice.ID.String() || held.Until > v.Epoch {
			w.t.Errorf("%s is held as %s", chain, value)
		}
	}
}
