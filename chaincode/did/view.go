package did

import (
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// IdentityView is the answer of did:Identity: what anyone may know of what is linked to
// a DID. No leaf tells what it is of.
type IdentityView struct {
	DID     string       `json:"did"`
	Version string       `json:"version"` // hash of the newest version: prior of did.link and did.unlink
	Root    string       `json:"root"`    // in hex, empty when nothing is linked
	Leaves  []LeafView   `json:"leaves"`  // those under the root, in their order
	Payouts []PayoutView `json:"payouts"`
	// Epoch is the current one: the preference of the next may still change.
	Epoch uint64 `json:"epoch"`
	// Bound says that a person is bound to the DID; Organisations are those whose
	// identity verifiers have vouched for it.
	Bound         bool     `json:"bound"`
	Organisations []string `json:"organisations"`
}

// LeafView is a leaf and the epoch from which on its identity counts where money goes.
type LeafView struct {
	Leaf string `json:"leaf"`
	From uint64 `json:"from"`
}

// PayoutView is a payout preference: from an epoch on the account behind the leaf is
// paid, nobody where it is empty. The leaf "unlinked" is one that is gone.
type PayoutView struct {
	Epoch uint64 `json:"epoch"`
	Leaf  string `json:"leaf"`
}

// unlinkedLeaf stands for the leaf of an account that is not linked any more.
const unlinkedLeaf = "unlinked"

// AnswerIdentity answers did:Identity. Errors: fault.InvalidValue, fault.WrongNetwork,
// fault.DIDUnknown.
func AnswerIdentity(tx *ledger.Tx, network, did string, epoch uint64) (*IdentityView, error) {
	id, err := ParseOn(network, did)
	if err != nil {
		return nil, err
	}
	state, accounts, stored, err := readAll(tx, id)
	if err != nil {
		return nil, err
	}
	person, err := ReadPerson(tx, id)
	if err != nil {
		return nil, err
	}
	v := &IdentityView{
		DID: did, Version: ledger.Version(stored), Root: state.Root, Leaves: []LeafView{}, Payouts: []PayoutView{}, Epoch: epoch,
		Bound: person.Tag != "", Organisations: []string{},
	}
	for _, l := range accounts.Linked {
		if l.Until == 0 {
			v.Leaves = append(v.Leaves, LeafView{l.Leaf.String(), l.From})
		}
	}
	for _, p := range accounts.Payouts {
		v.Payouts = append(v.Payouts, PayoutView{p.Epoch, accounts.leafFor(p.Account)})
	}
	for _, o := range person.Vouchers {
		v.Organisations = append(v.Organisations, o.Organisation)
	}
	return v, nil
}

// leafFor returns the newest leaf of an account, in hex.
func (a *Accounts) leafFor(account string) string {
	if account == "" {
		return ""
	}
	leaf := unlinkedLeaf
	for _, l := range a.Linked {
		if l.Account == account {
			leaf = l.Leaf.String()
		}
	}
	return leaf
}
