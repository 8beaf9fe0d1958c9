package did

import (
	"fmt"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

const settledType = 0x18

// Payout is a payout preference: from an epoch on the account is paid, nobody where it
// is empty. What did.create states counts from epoch 0.
type Payout struct {
	Epoch   uint64
	Account string
}

// PreferenceKey returns the state key of a DID's payout preferences as they stood when
// the epoch of the last change began.
func PreferenceKey(id ledger.ID) string { return "preference/" + id.String() }

// Settled is what is stored under preference/<id>: all preferences that were stated
// before Epoch. It decides about the epochs before that one, and is written by the first
// change of links or preferences in an epoch, and by no other one in it.
type Settled struct {
	Epoch   uint64
	Payouts []Payout
}

// Encode returns the layout of docs/formats/did-method.md.
func (s *Settled) Encode() []byte {
	r := canon.NewRecord(settledType).U64(s.Epoch)
	appendPayouts(r, s.Payouts)
	return r.Bytes()
}

// DecodeSettled reads a stored value. Errors: fault.Malformed, fault.TrailingData,
// fault.InvalidValue.
func DecodeSettled(value []byte) (*Settled, error) {
	r := canon.OpenRecord(value, settledType)
	s := &Settled{Epoch: r.U64()}
	var err error
	if s.Payouts, err = readPayouts(r); err != nil {
		return nil, err
	}
	return s, r.Done()
}

// readSettled returns what is stored, which decides about no epoch where nothing is.
func readSettled(tx *ledger.Tx, id ledger.ID) (*Settled, error) {
	value, err := tx.Get(PreferenceKey(id))
	if value == nil || err != nil {
		return new(Settled), err
	}
	s, err := DecodeSettled(value)
	if err != nil {
		return nil, fmt.Errorf("stored preferences of %s: %v", id, err) // no refusal: state is damaged
	}
	return s, nil
}

// PaidIn returns the account that is paid what an epoch brought that was cut, and whether
// there is one. Of a DID that has changed something since then it reads nothing that the
// DID can change again in the current epoch.
func PaidIn(tx *ledger.Tx, id ledger.ID, epoch uint64) (canon.Account, bool, error) {
	s, err := readSettled(tx, id)
	if err != nil {
		return canon.Account{}, false, err
	}
	payouts := s.Payouts
	if epoch >= s.Epoch {
		a, err := ReadAccounts(tx, id)
		if err != nil {
			return canon.Account{}, false, err
		}
		payouts = a.Payouts
	}
	account, ok := paid(payouts, epoch)
	return account, ok, nil
}

// PrefetchPaid reads in two calls to the store what PaidIn reads of many DIDs.
func PrefetchPaid(tx *ledger.Tx, ids []ledger.ID, epoch uint64) error {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = PreferenceKey(id)
	}
	if err := tx.Prefetch(keys); err != nil {
		return err
	}
	keys = keys[:0]
	for _, id := range ids {
		s, err := readSettled(tx, id)
		if err != nil {
			return err
		}
		if epoch >= s.Epoch {
			keys = append(keys, AccountsKey(id))
		}
	}
	return tx.Prefetch(keys)
}

// paid returns the account that preferences have paid what an epoch brings.
func paid(payouts []Payout, epoch uint64) (canon.Account, bool) {
	text := ""
	for _, p := range payouts {
		if p.Epoch <= epoch {
			text = p.Account
		}
	}
	if text == "" {
		return canon.Account{}, false
	}
	account, err := canon.ParseAccount(text)
	return account, err == nil
}

// appendPayouts appends preferences as both records have them.
func appendPayouts(r *canon.Record, payouts []Payout) {
	r.U8(uint8(len(payouts)))
	for _, p := range payouts {
		r.U64(p.Epoch).Var8([]byte(p.Account))
	}
}

// readPayouts reads what appendPayouts wrote. Errors: fault.Malformed,
// fault.InvalidValue.
func readPayouts(r *canon.Reader) ([]Payout, error) {
	var payouts []Payout
	for i := range r.U8() {
		p := Payout{Epoch: r.U64(), Account: string(r.Var8())}
		if err := checkPayout(p.Account); err != nil {
			return nil, err
		}
		if i > 0 && payouts[i-1].Epoch >= p.Epoch {
			return nil, fault.New(fault.Malformed, "payout preferences out of order")
		}
		payouts = append(payouts, p)
	}
	return payouts, nil
}
