package attest

import (
	"math/bits"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// settling is a job that is being settled. Of one that never came to a committee there
// is none, and no fates.
type settling struct {
	job       *Job
	round     *Round
	committee *Drawn
	votes     []Vote
	fates     []Fate // of the seats that are taken, in their order
	outcome   Outcome
}

// failed says that owners and verifiers are paid out of the deposit: the job was
// accepted, so data was released, and it came to nothing by the operator's doing.
func (s *settling) failed() bool {
	return s.outcome.Verdict == Invalid || s.outcome.Verdict == Malicious || s.outcome.Verdict == Expired && s.outcome.Reason == NoEvidence
}

// fee is what each verifier is paid whose ballot was right, whatever the verdict.
func (s *settling) fee() reward.Amount {
	if s.committee == nil {
		return 0
	}
	return s.job.VerificationFee / reward.Amount(s.committee.All())
}

// shares returns who gets how much out of hold and deposit, for what. What they leave of
// either goes back to who set it aside. Errors: fault.Internal when the sums do not add
// up, which is a fault of this program.
func (s *settling) shares() ([]Paid, error) {
	var lines []Paid
	source := FromHold
	switch {
	case s.outcome.Verdict == Valid:
	case s.failed():
		source = FromDeposit
	default:
		return s.verifiers(FromHold, 0), nil
	}
	for i := range s.job.Lines {
		l := &s.job.Lines[i]
		lines = append(lines, Paid{Role: ForOwner, From: source, Who: l.Owner, Payee: l.Owner, Amount: l.Price})
	}
	lines = append(lines, s.verifiers(source, s.fee())...)
	if source == FromHold {
		return s.fees(lines), nil
	}
	if s.outcome.Reason.Ground() {
		return s.forfeit(lines)
	}
	return lines, nil
}

// verifiers returns a line for each seat that was taken; those whose ballot was not right
// stand there with nothing, so that dissent stays on record.
func (s *settling) verifiers(source Source, fee reward.Amount) []Paid {
	var lines []Paid
	for i, fate := range s.fates {
		seat := &s.committee.Seats[i]
		l := Paid{Role: ForVerifier, Fate: fate, From: source, Who: seat.Verifier, Payee: seat.Payee}
		if fate == VotedRight {
			l.Amount = fee
		}
		lines = append(lines, l)
	}
	return lines
}

// fees shares out the two fees of a job that succeeded: the treasury's part of the TEE
// fee, the rest of it to the operator, and what verifiers were not paid as residue.
func (s *settling) fees(lines []Paid) []Paid {
	residue := s.job.VerificationFee
	for i := range lines {
		if lines[i].Role == ForVerifier {
			residue -= lines[i].Amount
		}
	}
	cut := part(s.job.TEEFee, s.job.Terms.BasisPoints)
	t := &s.job.Terms
	return append(lines,
		Paid{Role: ForOperator, From: FromHold, Who: s.round.Operator, Payee: s.round.Operator, Amount: s.job.TEEFee - cut},
		Paid{Role: ForTreasury, From: FromHold, Who: t.Treasury, Payee: t.Treasury, Amount: cut},
		Paid{Role: ForResidue, From: FromHold, Who: t.Residue, Payee: t.Residue, Amount: residue})
}

// part returns basis points of an amount, rounded down.
func part(a reward.Amount, basisPoints uint16) reward.Amount {
	hi, lo := bits.Mul64(uint64(a), uint64(basisPoints))
	quotient, _ := bits.Div64(hi, lo, 10_000) // basisPoints is at most 10,000, so this fits
	return reward.Amount(quotient)
}

// forfeit takes what is left of the deposit.
func (s *settling) forfeit(lines []Paid) ([]Paid, error) {
	left := s.round.Deposit
	for i := range lines {
		var err error
		if left, err = left.Sub(lines[i].Amount); err != nil {
			return nil, fault.New(fault.Internal, "a deposit of %d is too small", s.round.Deposit)
		}
	}
	t := s.job.Terms.Treasury
	return append(lines, Paid{Role: ForForfeit, From: FromDeposit, Who: t, Payee: t, Amount: left}), nil
}

// settle moves the money of a job, leaves the settlement, and closes the round.
func settle(tx *ledger.Tx, n *govern.Network, job ledger.Reference, s *settling) error {
	if s.outcome.Verdict == Cancelled {
		if err := giveBack(tx, s.job); err != nil {
			return err
		}
	}
	lines, err := s.shares()
	if err != nil {
		return err
	}
	if err := redirect(tx, n, s.job, lines); err != nil {
		return err
	}
	total, err := s.job.total()
	if err != nil {
		return err
	}
	record := s.record(lines)
	// The postings are under the job's own id: it is settled once, and by a function that
	// has no id as well as by an operation.
	call := ledger.Call{Network: n.Name, Ref: job}
	if record.Refund, record.Epoch, err = release(tx, call, n, job, FromHold, total, lines, 0); err != nil {
		return err
	}
	if s.round.Deposit > 0 {
		var epoch uint64
		if record.Returned, epoch, err = release(tx, call, n, s.round.Accepted, FromDeposit, s.round.Deposit, lines, s.round.Due); err != nil {
			return err
		}
		record.Epoch = max(record.Epoch, epoch)
	}
	tx.Put(SettlementKey(job.String()), record.Encode())
	s.round.Phase, s.round.Ends = Closed, 0
	s.round.put(tx, job.String())
	return nil
}

// redirect looks whom the consortium lets earn the asset: whoever may not, any more, must
// not hold up a settlement. Its line goes to the account of residues, and where that may
// not earn either, it stays with who set it aside.
func redirect(tx *ledger.Tx, n *govern.Network, j *Job, lines []Paid) error {
	for i := range lines {
		l := &lines[i]
		for l.Amount > 0 {
			err := n.CheckPayee(tx, l.Payee, j.Asset)
			if err == nil {
				break
			}
			if fault.Of(err) != fault.NotBound {
				return err
			}
			if l.Payee == j.Terms.Residue {
				l.Payee, l.Amount = ledger.ID{}, 0
			} else {
				l.Payee = j.Terms.Residue
			}
		}
	}
	return nil
}

// release pays the lines of one source and returns what they leave of it, and the epoch
// in which they are credited, 0 when there are none.
func release(tx *ledger.Tx, call ledger.Call, n *govern.Network, hold ledger.Reference, from Source, left reward.Amount, lines []Paid, due uint64) (reward.Amount, uint64, error) {
	if err := tx.Prefetch([]string{reward.HoldKey(hold.String())}); err != nil {
		return 0, 0, err
	}
	var credits []reward.Credit
	place := map[ledger.ID]int{}
	for i := range lines {
		l := &lines[i]
		if l.From != from || l.Amount == 0 {
			continue
		}
		var err error
		if left, err = left.Sub(l.Amount); err != nil {
			return 0, 0, fault.New(fault.Internal, "more is to be paid than was set aside")
		}
		at, ok := place[l.Payee]
		if !ok {
			place[l.Payee] = len(credits)
			credits = append(credits, reward.Credit{Payee: l.Payee, Amount: l.Amount})
			continue
		}
		if credits[at].Amount, err = credits[at].Amount.Add(l.Amount); err != nil {
			return 0, 0, err
		}
	}
	epoch, err := reward.Release(tx, call, n, hold, credits, due)
	if len(credits) == 0 {
		epoch = 0
	}
	return left, epoch, err
}
