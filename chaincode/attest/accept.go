package attest

import (
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// Accept is the body of attest.accept. Only once it is done are data keys released.
type Accept struct {
	Job string `json:"job"`
	// Checkpoint is the number of an accepted checkpoint: from its clock on the time for
	// the evidence runs. An older one than the newest shortens the operator's own time.
	Checkpoint uint64        `json:"checkpoint"`
	Asset      string        `json:"asset"` // of the job
	Deposit    reward.Amount `json:"deposit"`
}

// Check looks at what the body says by itself. Errors: fault.InvalidValue,
// fault.NumberRange.
func (a *Accept) Check(ledger.Call) error {
	if !ledger.IsName(a.Asset, 16) {
		return fault.New(fault.InvalidValue, "asset must be 1 to 16 of A-Z a-z 0-9 . _ -")
	}
	if a.Deposit < 1 {
		return fault.New(fault.InvalidValue, "deposit must be at least 1")
	}
	if err := checkNumber(a.Checkpoint); err != nil {
		return err
	}
	_, err := checkJob(a.Job)
	return err
}

// checkNumber takes the number of a checkpoint. Errors: fault.NumberRange.
func checkNumber(n uint64) error {
	if n < 1 || n > 1<<32-1 {
		return fault.New(fault.NumberRange, "checkpoint: %d is not between 1 and 2^32-1", n)
	}
	return nil
}

// Keys returns the state keys that Apply reads and its body names. It also reads grant,
// record and owner of each line of the job.
func (a *Accept) Keys(call ledger.Call) []string {
	return []string{
		JobKey(a.Job), RoundKey(a.Job), govern.OperatorKey(call.Actor), checkpoint.NumberKey(a.Checkpoint), reward.BalanceKey(call.Actor, a.Asset),
	}
}

// Apply has the actor run the job, and locks its deposit. Errors: fault.NotFound,
// fault.WrongPhase, fault.TooLate, fault.NotAccredited, fault.InvalidValue,
// fault.AmountTooLow, fault.NotBound, fault.GrantWithdrawn, fault.Deleted, and those of
// reward.Spend.
func (a *Accept) Apply(tx *ledger.Tx, call ledger.Call, n *govern.Network) error {
	if _, err := n.Operator(tx, call.Actor); err != nil {
		return err
	}
	j, err := ReadJob(tx, a.Job)
	if err != nil {
		return err
	}
	r, err := readRound(tx, a.Job)
	if err != nil {
		return err
	}
	if err := r.in(Opened); err != nil {
		return err
	}
	if err := a.fits(call, j); err != nil {
		return err
	}
	if err := n.CheckPayee(tx, call.Actor, j.Asset); err != nil {
		return err // its fee would pass it over
	}
	if err := stillThere(tx, j); err != nil {
		return err
	}
	from, err := checkpoint.At(tx, a.Checkpoint)
	if err != nil {
		return err
	}
	if err := reward.Spend(tx, call, n, j.Asset, a.Deposit); err != nil {
		return err
	}
	r = &Round{
		Phase: Accepted, Operator: call.Actor, Accepted: call.Ref, Deposit: a.Deposit,
		Ends: from.Elapsed + uint64(j.Terms.EvidenceSeconds),
	}
	r.put(tx, a.Job)
	return nil
}

// fits compares time, asset and deposit with what the job asks for.
func (a *Accept) fits(call ledger.Call, j *Job) error {
	least, err := j.AtStake()
	switch {
	case err != nil:
		return err
	// As with grants: an operation runs before its own expiry or never.
	case call.Ref.Expiry > j.Expires:
		return fault.New(fault.TooLate, "the job may be accepted until %d, the operation ends at %d", j.Expires, call.Ref.Expiry)
	case a.Asset != j.Asset:
		return fault.New(fault.InvalidValue, "asset: the job is paid in %s", j.Asset)
	case a.Deposit < least:
		return fault.New(fault.AmountTooLow, "deposit: at least %d", least)
	}
	return nil
}

// Cancel is the body of attest.cancel.
type Cancel struct {
	Job string `json:"job"`

	job ledger.Reference // set by Check
}

// Check looks at what the body says by itself. Errors: fault.InvalidValue.
func (c *Cancel) Check(ledger.Call) (err error) {
	c.job, err = checkJob(c.Job)
	return err
}

// Keys returns the state keys that Apply reads and its body names. It also reads the
// grants of the job, how often they were used, and the consumer's balance.
func (c *Cancel) Keys(ledger.Call) []string {
	return []string{JobKey(c.Job), RoundKey(c.Job), reward.HoldKey(c.Job)}
}

// Apply ends a job that nobody has accepted: the consumer has its money and the uses of
// its grants back. Errors: fault.NotFound, fault.NotParty, fault.WrongPhase,
// fault.Overflow.
func (c *Cancel) Apply(tx *ledger.Tx, call ledger.Call, n *govern.Network) error {
	j, err := ReadJob(tx, c.Job)
	if err != nil {
		return err
	}
	if j.Consumer != call.Actor {
		return fault.New(fault.NotParty, "another DID opened the job")
	}
	r, err := readRound(tx, c.Job)
	if err != nil {
		return err
	}
	if err := r.in(Opened); err != nil {
		return err
	}
	if err := settle(tx, n, c.job, &settling{job: j, round: r, outcome: Outcome{Verdict: Cancelled, Reason: ByConsumer}}); err != nil {
		return err
	}
	if err := tx.Prefetch([]string{reward.BalanceKey(j.Consumer, j.Asset)}); err != nil {
		return err
	}
	return reward.Return(tx, c.job, nil) // no clock: what a consumer set aside is due at once
}
