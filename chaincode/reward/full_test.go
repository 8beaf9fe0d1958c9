package reward_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// fullSubtree is how many leaves one subtree takes.
const fullSubtree = 50_000

// A subtree that is full takes no further payee, and the fold goes on: what is
// due to that payee stays due. (RW-9)
func TestFullSubtreeHoldsNobodyElseUp(t *testing.T) {
	const full = fullSubtree
	w := opstest.New(t)
	alice, bob, carol := opstest.NewUser("alice"), opstest.NewUser("bob"), opstest.NewUser("carol")
	w.Create(alice)
	w.Create(bob, "eip155:1337")
	w.Create(carol, "eip155:1337")
	w.Fund(alice, 100)
	w.Do(alice, opstest.Pay("usd", bob, 5, carol, 7), "")
	for i := range 3 {
		w.Must(w.Members[i].Caller(), "reward:Reserve", reward.Reserve{Vault: opstest.EVMVault, Funded: 1000})
	}
	s := reward.SubtreeOf(bob.Account("eip155:1337").Address)
	if s == reward.SubtreeOf(carol.Account("eip155:1337").Address) {
		t.Fatal("take other names")
	}
	prefix := "total/" + opstest.EVMVault + "/" + canon.Hex([]byte{s}) + "/"
	for i := range full {
		if err := w.Store.Put(prefix+fmt.Sprintf("%040x", i), canon.NewRecord(0x41).U64(0).Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	trees := canon.NewRecord(0x42).U64(0)
	for i := range reward.Subtrees {
		trees.Fixed(make([]byte, 48))
		if i == int(s) {
			trees.U32(full)
		} else {
			trees.U32(0)
		}
	}
	if err := w.Store.Put("subtrees/"+opstest.EVMVault, trees.Bytes()); err != nil {
		t.Fatal(err)
	}
	w.Checkpoint(1, opstest.Start)
	w.Checkpoint(2, opstest.Start+60)
	w.Must(ledger.Caller{}, "reward:Cut", nil)
	var folded reward.Folded
	if err := json.Unmarshal(w.Must(ledger.Caller{}, "reward:Fold", nil), &folded); err != nil {
		t.Fatal(err)
	}
	if !folded.Done || len(folded.Roots) != 1 || folded.Roots[0].Total != (reward.Sum{Lo: 7}) || folded.Roots[0].Leaves != full+1 {
		t.Errorf("%+v", folded)
	}
	var balance reward.BalanceView
	w.Read("reward:Balance", reward.BalanceQuery{DID: bob.DID, Asset: "usd"}, &balance)
	if balance.Due != (reward.Sum{Lo: 5}) || balance.Assigned != 0 {
		t.Errorf("%+v", balance)
	}
}
