package reward

import (
	"fmt"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// HoldStatus says how far a hold is.
type HoldStatus uint8

// The statuses, in their order; there is no way back.
const (
	HoldOpen     HoldStatus = 1 // nothing of it was given away
	HoldReleased HoldStatus = 2 // what was to be paid is paid, the rest is owed to the owner
	HoldReturned HoldStatus = 3 // the owner has the rest
)

// String returns the name that queries answer.
func (s HoldStatus) String() string {
	switch s {
	case HoldOpen:
		return "open"
	case HoldReleased:
		return "released"
	case HoldReturned:
		return "returned"
	}
	return "unknown"
}

// Hold is money that an operation has set aside from its actor's balance, until it is
// known who gets it. It stays in state for good: an audit finds what became of it.
type Hold struct {
	Owner    ledger.ID // whose balance it came from, and to whom the rest is owed
	Asset    string
	Amount   Amount // that was set aside, at least 1
	Paid     Amount
	Returned Amount
	Status   HoldStatus
	// Due is what the checkpoints' clock has to have counted before the owner has the rest
	// of a released hold; 0: at once.
	Due uint64
}

// HoldKey returns the state key of a hold, given the reference of the operation that set
// it aside.
func HoldKey(ref string) string { return "hold/" + ref }

// Left returns what is still in the hold.
func (h *Hold) Left() Amount { return h.Amount - h.Paid - h.Returned }

// Encode returns the layout of docs/formats/state.md.
func (h *Hold) Encode() []byte {
	r := canon.NewRecord(holdType).Fixed(h.Owner[:]).Var8([]byte(h.Asset))
	return r.U64(uint64(h.Amount)).U64(uint64(h.Paid)).U64(uint64(h.Returned)).U8(uint8(h.Status)).U64(h.Due).Bytes()
}

// DecodeHold reads the layout of a stored hold. Errors: fault.Malformed,
// fault.TrailingData.
func DecodeHold(value []byte) (*Hold, error) {
	r := canon.OpenRecord(value, holdType)
	h := new(Hold)
	copy(h.Owner[:], r.Fixed(len(h.Owner)))
	h.Asset = string(r.Var8())
	h.Amount, h.Paid, h.Returned = Amount(r.U64()), Amount(r.U64()), Amount(r.U64())
	h.Status, h.Due = HoldStatus(r.U8()), r.U64()
	return h, r.Done()
}

// check reports a hold that gives more than was set aside, or gave too early.
func (h *Hold) check() error {
	given, err := h.Paid.Add(h.Returned)
	switch {
	case err != nil || h.Amount < 1 || given > h.Amount:
		return fmt.Errorf("of %d, %d are paid and %d returned", h.Amount, h.Paid, h.Returned)
	case h.Status == HoldOpen && given == 0 && h.Due == 0, h.Status == HoldReleased && h.Returned == 0, h.Status == HoldReturned && given == h.Amount:
		return nil
	}
	return fmt.Errorf("%s, %d of %d are paid and %d returned", h.Status, h.Paid, h.Amount, h.Returned)
}

// ReadHold returns a hold. Errors: fault.NotFound.
func ReadHold(tx *ledger.Tx, ref ledger.Reference) (*Hold, error) {
	key := HoldKey(ref.String())
	value, err := tx.Get(key)
	if err != nil {
		return nil, err
	}
	if value == nil {
		return nil, fault.New(fault.NotFound, "nothing was set aside by %s", ref)
	}
	h, err := DecodeHold(value)
	if err == nil {
		err = h.check()
	}
	if err != nil {
		return nil, fmt.Errorf("stored %s: %v", key, err) // no refusal: state is damaged
	}
	return h, nil
}

// Spend sets an amount of at least 1 aside: it goes from the actor's balance into the
// hold of the operation, of which there is one for each operation, so nothing has to be
// read of it. Errors: fault.InvalidValue, fault.AssetUnknown, fault.InsufficientFunds.
func Spend(tx *ledger.Tx, call ledger.Call, n *govern.Network, asset string, amount Amount) error {
	if amount < 1 {
		return fault.New(fault.InvalidValue, "an amount of at least 1 is set aside")
	}
	if err := n.CheckAsset(asset); err != nil {
		return err
	}
	if _, err := Current(tx); err != nil { // what moves money outlives no epoch
		return err
	}
	if err := debit(tx, call.Actor, asset, amount); err != nil {
		return err
	}
	h := &Hold{Owner: call.Actor, Asset: asset, Amount: amount, Status: HoldOpen}
	tx.Put(HoldKey(call.Ref.String()), h.Encode())
	return nil
}

// Release pays lines out of an open hold, as credits of the current epoch, which it
// returns; what they leave is owed to the owner of the hold, once the checkpoints' clock
// has counted due. With no lines all of it is.
// It reads no balance: nobody who keeps moving money can hold it up. It is all or
// nothing: who settles looks first whom the consortium lets earn (Network.CheckPayee),
// and leaves what may not be credited in the hold.
// Errors: fault.NotFound, fault.AlreadyDone when the hold is not open, fault.NotBound.
// Lines below 1, or beyond the hold, are a fault of the program and no refusal.
func Release(tx *ledger.Tx, call ledger.Call, n *govern.Network, hold ledger.Reference, lines []Credit, due uint64) (epoch uint64, err error) {
	h, err := ReadHold(tx, hold)
	if err != nil {
		return 0, err
	}
	if h.Status != HoldOpen {
		return 0, fault.New(fault.AlreadyDone, "what %s has set aside is %s", hold, h.Status)
	}
	for _, l := range lines {
		if h.Paid, err = h.Paid.Add(l.Amount); err != nil || l.Amount < 1 || h.Paid > h.Amount {
			return 0, fmt.Errorf("release %s: a line of %d, and %d in all, out of %d", hold, l.Amount, h.Paid, h.Amount)
		}
	}
	current, err := Current(tx)
	if err != nil {
		return 0, err
	}
	for _, l := range lines {
		if err := credit(tx, n, call, current.Number, l.Payee, h.Asset, l.Amount); err != nil {
			return 0, err
		}
	}
	h.Status, h.Due = HoldReleased, due
	tx.Put(HoldKey(hold.String()), h.Encode())
	return current.Number, nil
}

// Return moves what a released hold has left to its owner's balance, once. Anyone may
// ask for it; it is apart from the release, since it reads a balance. What is due at once
// asks for no clock, and no new checkpoint voids it.
// Errors: fault.NotFound, fault.NotDue while the hold is open or its owner has to wait,
// fault.AlreadyDone, fault.Overflow while the balance cannot hold it.
func Return(tx *ledger.Tx, hold ledger.Reference, elapsed func() (uint64, error)) error {
	h, err := ReadHold(tx, hold)
	if err != nil {
		return err
	}
	switch h.Status {
	case HoldOpen:
		return fault.New(fault.NotDue, "it is not decided what becomes of what %s has set aside", hold)
	case HoldReturned:
		return fault.New(fault.AlreadyDone, "%s has it back", hold)
	}
	if h.Due > 0 {
		now, err := elapsed()
		if err != nil {
			return err
		}
		if now < h.Due {
			return fault.New(fault.NotDue, "what %s has left is given back at %d of the checkpoints' clock, which is at %d", hold, h.Due, now)
		}
	}
	if left := h.Left(); left > 0 {
		key := BalanceKey(h.Owner, h.Asset)
		balance, err := readAmount(tx, key, balanceType)
		if err != nil {
			return err
		}
		if balance, err = balance.Add(left); err != nil {
			return err
		}
		tx.Put(key, encodeAmount(balanceType, balance))
	}
	h.Returned, h.Status = h.Left(), HoldReturned
	tx.Put(HoldKey(hold.String()), h.Encode())
	return nil
}

// Forfeit pays all that a released hold has left to a payee, as a credit of the current
// epoch, before its owner has it. It returns how much that is. Whoever forfeits looks first
// whether the consortium lets the payee earn. Errors: fault.NotFound, fault.NotDue while
// the hold is open, fault.AlreadyDone when nothing is left, fault.NotBound.
func Forfeit(tx *ledger.Tx, call ledger.Call, n *govern.Network, hold ledger.Reference, payee ledger.ID) (taken Amount, epoch uint64, err error) {
	h, err := ReadHold(tx, hold)
	if err != nil {
		return 0, 0, err
	}
	taken = h.Left()
	switch {
	case h.Status == HoldOpen:
		return 0, 0, fault.New(fault.NotDue, "it is not decided what becomes of what %s has set aside", hold)
	case taken == 0:
		return 0, 0, fault.New(fault.AlreadyDone, "of what %s has set aside nothing is left", hold)
	}
	current, err := Current(tx)
	if err != nil {
		return 0, 0, err
	}
	if err := credit(tx, n, call, current.Number, payee, h.Asset, taken); err != nil {
		return 0, 0, err
	}
	h.Paid += taken
	tx.Put(HoldKey(hold.String()), h.Encode())
	return taken, current.Number, nil
}
