package did

import (
	"fmt"
	"slices"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

const accountsType = 0x14

// keptEpochs is for how many epochs after its end a payout preference is kept. An epoch
// that is folded later than that leaves what is due to the DID for the next one.
const keptEpochs = 64

// AccountsKey returns the state key of a DID's accounts.
func AccountsKey(id ledger.ID) string { return "account/" + id.String() }

// LinkKey returns the state key of a linked chain account.
func LinkKey(account string) string { return "link/" + account }

// Accounts is what the ledger holds for a DID under account/<id>: what is linked to it,
// which accounts are behind it, and which of them is to be paid from which epoch on. It
// is kept apart from did/<id>, so that who is shown that learns no account.
type Accounts struct {
	Changed uint64   // the epoch in which links or preferences changed last
	Linked  []Linked // in the order of linking
	Payouts []Payout // epochs ascend

	began []Payout // Payouts as they are stored, of what was read
}

// Linked is an identity that is linked to a DID, or was. It counts where money goes from
// epoch From on, and before Until, which is 0 while it is linked; under the identity root
// it is from did.link to did.unlink.
type Linked struct {
	Leaf        Leaf
	From, Until uint64
	Account     string // CAIP-10, empty for another identity
}

// Encode returns the layout of docs/formats/did-method.md.
func (a *Accounts) Encode() []byte {
	r := canon.NewRecord(accountsType).U64(a.Changed).U8(uint8(len(a.Linked)))
	for _, l := range a.Linked {
		r.Fixed(l.Leaf[:]).U64(l.From).U64(l.Until).Var8([]byte(l.Account))
	}
	appendPayouts(r, a.Payouts)
	return r.Bytes()
}

// DecodeAccounts reads a stored value. Errors: fault.Malformed, fault.TrailingData,
// fault.InvalidValue.
func DecodeAccounts(value []byte) (*Accounts, error) {
	r := canon.OpenRecord(value, accountsType)
	a := &Accounts{Changed: r.U64()}
	for range r.U8() {
		l := Linked{Leaf: Leaf(r.Hash()), From: r.U64(), Until: r.U64(), Account: string(r.Var8())}
		if err := checkPayout(l.Account); err != nil {
			return nil, err
		}
		a.Linked = append(a.Linked, l)
	}
	var err error
	if a.Payouts, err = readPayouts(r); err != nil {
		return nil, err
	}
	return a, r.Done()
}

// ReadAccounts returns the accounts of a DID, none where nothing is stored.
func ReadAccounts(tx *ledger.Tx, id ledger.ID) (*Accounts, error) {
	value, err := tx.Get(AccountsKey(id))
	if value == nil || err != nil {
		return new(Accounts), err
	}
	a, err := DecodeAccounts(value)
	if err != nil {
		return nil, fmt.Errorf("stored accounts of %s: %v", id, err) // no refusal: state is damaged
	}
	a.began = slices.Clone(a.Payouts)
	return a, nil
}

func (a *Accounts) put(tx *ledger.Tx, id ledger.ID) { tx.Put(AccountsKey(id), a.Encode()) }

// change writes what was changed in an epoch. The first change of an epoch keeps the
// preferences as they stood before it where those who fold earlier epochs read them: a
// payee who changes something in every block is in their way once an epoch.
func (a *Accounts) change(tx *ledger.Tx, id ledger.ID, epoch uint64) {
	if a.Changed < epoch {
		settled := Settled{Epoch: epoch, Payouts: a.began}
		tx.Put(PreferenceKey(id), settled.Encode())
	}
	a.Changed = epoch
	a.put(tx, id)
}

// Paid returns the account that is paid what an epoch brings, and whether there is one.
func (a *Accounts) Paid(epoch uint64) (canon.Account, bool) { return paid(a.Payouts, epoch) }

// last returns the account that is to be paid in the end.
func (a *Accounts) last() string {
	if len(a.Payouts) == 0 {
		return ""
	}
	return a.Payouts[len(a.Payouts)-1].Account
}

// pay has an account paid from an epoch on, which is the current one or the next. There
// is one preference for each epoch at most, and those that nothing needs any more go:
// 66 remain at most.
func (a *Accounts) pay(account string, from uint64) {
	for n := len(a.Payouts); n > 0 && a.Payouts[n-1].Epoch >= from; n-- {
		a.Payouts = a.Payouts[:n-1]
	}
	if a.last() != account {
		a.Payouts = append(a.Payouts, Payout{from, account})
	}
	for len(a.Payouts) > 1 && a.Payouts[1].Epoch+keptEpochs < from {
		a.Payouts = a.Payouts[1:]
	}
}

// live returns the leaves under the identity root.
func (a *Accounts) live() []Leaf {
	var leaves []Leaf
	for _, l := range a.Linked {
		if l.Until == 0 {
			leaves = append(leaves, l.Leaf)
		}
	}
	return leaves
}

// at returns the index of a leaf that is under the root, or -1.
func (a *Accounts) at(leaf Leaf) int {
	return slices.IndexFunc(a.Linked, func(l Linked) bool { return l.Until == 0 && l.Leaf == leaf })
}

// holds says that an account is linked.
func (a *Accounts) holds(account string) bool {
	return slices.ContainsFunc(a.Linked, func(l Linked) bool { return l.Until == 0 && l.Account == account })
}

// add links an identity, which counts from the next epoch on; one that was taken away in
// this epoch is back as if it had not been.
func (a *Accounts) add(leaf Leaf, account string, epoch uint64) {
	for i, l := range a.Linked {
		if l.Leaf == leaf && l.Until > epoch {
			a.Linked[i].Until = 0
			return
		}
	}
	a.Linked = append(a.Linked, Linked{leaf, epoch + 1, 0, account})
}

// prune forgets what no epoch needs any more.
func (a *Accounts) prune(epoch uint64) {
	a.Linked = slices.DeleteFunc(a.Linked, func(l Linked) bool { return l.Until != 0 && l.Until <= epoch })
}

// holder is what is stored under link/<account>: the DID, and the epoch from which on
// another one may have the account, 0 while it is linked.
type holder struct {
	ID    string `json:"id"`
	Until uint64 `json:"until"`
}

func putHolder(tx *ledger.Tx, account string, id ledger.ID, until uint64) error {
	value, err := canon.Marshal(holder{id.String(), until})
	if err != nil {
		return err
	}
	tx.Put(LinkKey(account), value)
	return nil
}

// take gives an account to the DID. Errors: fault.LinkTaken.
func take(tx *ledger.Tx, account string, id ledger.ID, epoch uint64) error {
	value, err := tx.Get(LinkKey(account))
	if err != nil {
		return err
	}
	if value != nil {
		var h holder
		if err := canon.Decode(value, &h); err != nil {
			return fmt.Errorf("stored link of %s: %v", account, err) // no refusal: state is damaged
		}
		free := h.Until != 0 && (h.Until <= epoch || h.ID == id.String())
		if !free {
			return fault.New(fault.LinkTaken, "%s", account)
		}
	}
	return putHolder(tx, account, id, 0)
}
