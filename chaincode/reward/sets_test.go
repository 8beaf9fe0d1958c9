package reward_test

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// RO-6: what members signed stays with their set; the next set signs anew what is to be
// activated, and an organisation's own signatures are in the way of neither.
func TestSignaturesOfSets(t *testing.T) {
	w, _, folded := epoch(t)
	root, old := folded.Roots[0], slices.Clone(w.Members)
	sign := func(m opstest.Member) {
		t.Helper()
		digest, err := reward.PayoutDigest(ledger.Begin(w.Store, w.Now, ledger.Caller{}), network(t, w), root.Vault, root.Epoch, root.Attempt)
		if err != nil {
			t.Fatal(err)
		}
		s := canon.SignDigest(m.Chain, digest)
		w.Must(m.Caller(), "reward:Sign", reward.Sign{Vault: root.Vault, Epoch: root.Epoch, Attempt: root.Attempt, Signature: base64.StdEncoding.EncodeToString(s[:])})
	}
	for _, m := range old[:3] {
		sign(m)
	}
	question := reward.SignaturesQuery{Vault: root.Vault, Epoch: root.Epoch, Attempt: root.Attempt}
	var before, after []reward.SignatureView
	w.Read("reward:Signatures", question, &before)
	w.Rotate(3, old[0], old[1], opstest.NewMember(5), old[3])
	if w.Read("reward:Signatures", question, &after); len(before) != 3 || len(after) != 0 {
		t.Errorf("%d before, %d after", len(before), len(after))
	}
	for _, m := range w.Members[1:] {
		sign(m)
	}
	if w.Read("reward:Signatures", question, &after); len(after) != 3 || after[0].MSP != "Org2MSP" || after[0].Signature == before[1].Signature || after[1].MSP != "Org5MSP" {
		t.Errorf("%+v", after)
	}
	stored, err := w.Store.Get(reward.SignatureKey(root.Vault, root.Epoch, root.Attempt, 1, "Org2MSP"))
	if err != nil || string(stored) != before[1].Signature {
		t.Errorf("the signature for the set before is %s, %v", stored, err)
	}
}

// RW-4: the word of an organisation that has left does not count, and that of one that
// joins counts from its first one on.
func TestReservesOfSets(t *testing.T) {
	w, bob, _ := epoch(t)
	old := slices.Clone(w.Members)
	alice := opstest.NewUser("payer of two sets")
	w.Create(alice)
	w.Fund(alice, 100)
	// Of the four, the first three have said 1000. Two that have not take two places.
	w.Rotate(3, old[0], opstest.NewMember(5), opstest.NewMember(6), old[3])
	w.Audit()
	assigned := func() reward.Amount {
		t.Helper()
		w.Do(alice, opstest.Pay("usd", bob, 7), "")
		size := w.Clock() + 60
		w.Checkpoint(size, size)
		w.Must(ledger.Caller{}, "reward:Cut", nil)
		for done := false; !done; {
			var f reward.Folded
			if err := json.Unmarshal(w.Must(ledger.Caller{}, "reward:Fold", nil), &f); err != nil {
				t.Fatal(err)
			}
			done = f.Done
		}
		w.Audit()
		var v reward.BalanceView
		w.Read("reward:Balance", reward.BalanceQuery{DID: bob.DID, Asset: "usd"}, &v)
		return v.Assigned
	}
	if got := assigned(); got != 5 {
		t.Errorf("%d are assigned, want no more than the 5 of the set before", got)
	}
	for _, m := range w.Members[1:3] {
		w.Must(m.Caller(), "reward:Reserve", reward.Reserve{Vault: opstest.EVMVault, Funded: 1000})
	}
	if got := assigned(); got != 19 {
		t.Errorf("%d are assigned, want 19", got)
	}
}
