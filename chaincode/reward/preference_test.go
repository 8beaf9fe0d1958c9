package reward_test

import (
	"encoding/json"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// heist is a ledger on which alice is paid in epoch after epoch, and a thief who has her
// key.
type heist struct {
	*opstest.World
	t                   *testing.T
	alice, payer, thief *opstest.User
	hot                 opstest.Signer // the key that acts for alice
	epoch               uint64
}

const evm = "eip155:1337"

func beginHeist(t *testing.T) *heist {
	h := &heist{World: opstest.New(t), t: t, alice: opstest.NewUser("alice"), payer: opstest.NewUser("payer"), thief: opstest.NewUser("thief"), epoch: 1}
	h.hot = h.alice
	h.Create(h.alice, evm)
	h.Create(h.payer)
	h.Fund(h.payer, 1_000_000)
	for i := range 3 {
		h.Must(h.Members[i].Caller(), "reward:Reserve", reward.Reserve{Vault: opstest.EVMVault, Funded: 1_000_000})
	}
	h.Checkpoint(1, h.Now)
	return h
}

// pay pays alice, so that each epoch's amounts can be told apart.
func (h *heist) pay(amount int) { h.Do(h.payer, opstest.Pay("usd", h.alice, amount), "") }

// rob has the thief link his account to alice's DID and prefer it.
func (h *heist) rob() {
	account := h.thief.Account(evm)
	proof := canon.SignDigest(h.thief.Chain, canon.LinkDigest(h.alice.DID, account, h.Prior(h.alice)))
	h.Do(h.hot, &ops.DIDLink{Account: account.String(), Proof: canon.B64(proof[:]), Salt: canon.B64(opstest.Seed("x"))}, h.Prior(h.alice))
	h.Do(h.hot, &ops.DIDPrefer{Payout: account.String()}, "")
}

// recover puts alice back, with the word of her recovery key on where she is paid.
func (h *heist) recover(payout string) {
	next := opstest.NewKey("next", did.EdDSA)
	h.Do(h.alice.With(h.alice.Recovery, "recovery"),
		&ops.DIDRecover{Key: h.alice.Recovery.Multikey, Document: opstest.Recoverable(next, "k2", next), Payout: payout}, "")
	h.hot = h.alice.With(next, "k2")
}

// cut ends the epoch.
func (h *heist) cut() {
	h.Now += 61
	h.epoch++
	h.Checkpoint(h.epoch, h.Now)
	h.Must(h.Members[0].Caller(), "reward:Cut", nil)
}

// fold folds what was cut.
func (h *heist) fold() {
	for {
		answer, err := h.Invoke(h.Members[0].Caller(), "reward:Fold", nil)
		if err != nil {
			return
		}
		h.Audit()
		var folded reward.Folded
		if err := json.Unmarshal(answer, &folded); err != nil {
			h.t.Fatal(err)
		}
	}
}

// assigned is what the vault holds for alice's account and for the thief's.
func (h *heist) assigned(alice, thief reward.Amount) {
	h.t.Helper()
	got := map[string]reward.Amount{}
	var leaves []reward.LeafView
	h.Read("reward:Leaves", reward.LeavesQuery{Vault: opstest.EVMVault}, &leaves)
	for _, l := range leaves {
		got[l.Payee] = l.Cumulative
	}
	own, his := h.alice.Account(evm).Address, h.thief.Account(evm).Address
	if got[canon.Hex(own[:])] != alice || got[canon.Hex(his[:])] != thief {
		h.t.Errorf("alice has %d, the thief %d, want %d and %d", got[canon.Hex(own[:])], got[canon.Hex(his[:])], alice, thief)
	}
}

// RW-11: a preference counts for the epochs that begin after it, when they are folded
// however late; a thief gets nothing of an epoch that had begun, nor of one in which, or
// before which, the owner recovered.
func TestThiefOfMoney(t *testing.T) {
	t.Run("the epoch that had begun", func(t *testing.T) {
		h := beginHeist(t)
		h.pay(1)
		h.rob()
		h.pay(2) // also after his change
		h.cut()
		h.pay(4)
		h.cut()
		h.fold() // both epochs, later
		h.assigned(3, 4)
	})
	t.Run("recovered before the next epoch", func(t *testing.T) {
		h := beginHeist(t)
		h.rob()
		h.pay(1)
		h.recover("")
		h.cut()
		h.pay(2)
		h.cut()
		h.fold()
		h.assigned(3, 0)
	})
	t.Run("recovered within the next epoch", func(t *testing.T) {
		h := beginHeist(t)
		h.rob()
		h.pay(1)
		h.cut()
		h.pay(2)
		h.recover("") // the preference in force is a removed key's: what is due waits
		h.pay(4)
		h.cut()
		h.fold()
		h.assigned(1, 0)
		h.Do(h.hot, &ops.DIDPrefer{Payout: h.alice.Account(evm).String()}, "")
		h.cut() // alice's preference counts from the next one on
		h.fold()
		h.assigned(1, 0)
		h.pay(8)
		h.cut()
		h.fold()
		h.assigned(15, 0)
	})
	t.Run("recovered within the next epoch, with the recovery key's word", func(t *testing.T) {
		h := beginHeist(t)
		h.rob()
		h.cut()
		h.pay(2)
		h.recover(h.alice.Account(evm).String())
		h.pay(4)
		h.cut()
		h.fold()
		h.assigned(6, 0)
	})
	t.Run("recovered after an epoch of the thief's was cut and before it is folded", func(t *testing.T) {
		h := beginHeist(t)
		h.rob()
		h.cut()
		h.pay(2)
		h.cut()
		h.pay(4)
		h.recover(h.alice.Account(evm).String())
		h.fold()
		h.assigned(0, 2) // that epoch was over
		h.cut()
		h.fold()
		h.assigned(4, 2)
	})
	t.Run("unlinked by the thief", func(t *testing.T) {
		h := beginHeist(t)
		h.pay(1)
		for _, l := range h.Linked(h.alice).Leaves {
			h.Do(h.hot, &ops.DIDUnlink{Leaf: l.Leaf}, h.Prior(h.alice))
		}
		h.cut()
		h.pay(2)
		h.cut()
		h.fold()
		h.assigned(1, 0) // the rest is due and waits
		h.recover("")
		h.Do(h.hot, h.LinkNow(h.alice, evm), h.Prior(h.alice))
		h.Do(h.hot, &ops.DIDPrefer{Payout: h.alice.Account(evm).String()}, "")
		h.cut()
		h.cut()
		h.fold()
		h.assigned(3, 0)
	})
}

// RW-12: whatever a payee changes, and however often, it changes what a fold of an
// earlier epoch has read once in an epoch at most.
func TestPayeesDoNotHoldFoldsUp(t *testing.T) {
	h := beginHeist(t)
	h.Create(h.thief) // who has nothing linked and is paid nobody knows where
	h.Do(h.payer, opstest.Pay("usd", h.thief, 2), "")
	h.pay(1)
	h.cut()
	own := h.alice.Account(evm).String()
	h.Do(h.alice, &ops.DIDPrefer{}, "")
	h.Do(h.thief, h.LinkNow(h.thief, evm), h.Prior(h.thief))
	read := map[string]string{}
	for _, key := range h.Reads(h.Members[0].Caller(), "reward:Fold", nil) {
		value, err := h.Store.Get(key)
		if err != nil {
			t.Fatal(err)
		}
		read[key] = string(value)
	}
	leaf := h.Linked(h.alice).Leaves[0].Leaf
	for name, change := range map[string]func(){
		"prefer again":    func() { h.Do(h.alice, &ops.DIDPrefer{Payout: own}, "") },
		"link":            func() { h.Do(h.alice, opstest.LinkWeb(h.alice, "urn:x"), h.Prior(h.alice)) },
		"unlink":          func() { h.Do(h.alice, &ops.DIDUnlink{Leaf: leaf}, h.Prior(h.alice)) },
		"recover":         func() { h.recover("") },
		"prefer at first": func() { h.Do(h.thief, &ops.DIDPrefer{Payout: h.thief.Account(evm).String()}, "") },
	} {
		t.Run(name, func(t *testing.T) {
			before := h.World
			defer func() { h.World = before }()
			h.World = before.Clone(t)
			change()
			for key, was := range read {
				if now, err := h.Store.Get(key); err != nil || string(now) != was {
					t.Errorf("%s is another now: %v", key, err)
				}
			}
		})
	}
	h.fold()
	h.assigned(1, 0) // as alice preferred when the epoch began; the thief's link is of the next one
}
