package attest

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
)

const lateType = 0x5c

// Late is a second genuine quote that came after the settlement, and what it cost the
// operator. The settlement stays as it is: those who were paid by it had no part in it.
type Late struct {
	Payee  ledger.ID
	Amount reward.Amount // all that the deposit had left
	Epoch  uint64        // in which it is credited
	Shown  *Shown
}

// LateKey returns the state key of a second genuine quote that came after the settlement.
func LateKey(job string) string { return "late/" + job }

// Encode returns the layout of docs/formats/job.md.
func (l *Late) Encode() []byte {
	return canon.NewRecord(lateType).Fixed(l.Payee[:]).U64(uint64(l.Amount)).U64(l.Epoch).Var16(l.Shown.Encode()).Bytes()
}

// DecodeLate reads what came after a settlement. Errors: fault.Malformed,
// fault.TrailingData.
func DecodeLate(data []byte) (*Late, error) {
	b := canon.OpenRecord(data, lateType)
	l := &Late{Payee: readID(b), Amount: reward.Amount(b.U64()), Epoch: b.U64()}
	shown := b.Var16()
	if err := b.Done(); err != nil {
		return nil, err
	}
	if l.Amount < 1 {
		return nil, fault.New(fault.Malformed, "a deposit of %d that was taken", l.Amount)
	}
	var err error
	l.Shown, err = DecodeShown(shown)
	return l, err
}

// readLate returns what came after the settlement of a job, nil when nothing did.
func readLate(tx *ledger.Tx, job string) (*Late, error) {
	stored, err := tx.Get(LateKey(job))
	if stored == nil || err != nil {
		return nil, err
	}
	return DecodeLate(stored)
}

// late takes what the deposit of a settled job has left, while it is not due: until then
// the operator answers for what it has done. Errors: those of a second quote,
// fault.AlreadyDone when nothing is left of it, fault.NotBound when nobody may be credited.
func (e *Evidence) late(tx *ledger.Tx, call ledger.Call, n *govern.Network, j *Job, r *Round, now uint64) error {
	second, err := e.second(tx, call, j, LateKey(e.Job), now)
	if err != nil {
		return err
	}
	t := j.Terms.Treasury
	to := []Paid{{Role: ForForfeit, From: FromDeposit, Who: t, Payee: t, Amount: r.Deposit}}
	if err := redirect(tx, n, j, to); err != nil {
		return err
	}
	if to[0].Amount == 0 {
		return fault.New(fault.NotBound, "neither treasury nor residue account may earn %s", j.Asset)
	}
	late := &Late{Payee: to[0].Payee, Shown: second}
	if late.Amount, late.Epoch, err = reward.Forfeit(tx, call, n, r.Accepted, late.Payee); err != nil {
		return err
	}
	tx.Put(LateKey(e.Job), late.Encode())
	return nil
}
