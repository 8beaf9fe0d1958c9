package attest

// Case is all that a settlement follows from.
type Case struct {
	Job       *Job
	Round     *Round
	Committee *Drawn // nil where there was none
	Votes     []Vote // of the committee's seats, in their order
	Rival     bool   // there is a second genuine quote
	// Ended is the outcome of a job that came to no count of ballots; state decided it.
	Ended Outcome
}

// Settle returns the settlement that follows, as anyone computes it again: the ledger's
// own may name other payees where the consortium let somebody not earn the asset, and
// Epoch is for the ledger to say. Errors: fault.Internal when a deposit is too small.
func (c *Case) Settle() (*Settlement, error) {
	s := &settling{job: c.Job, round: c.Round, committee: c.Committee, votes: c.Votes, outcome: c.Ended}
	if c.Committee != nil {
		tally := Count{Finding: c.Round.Finding, Seats: c.Committee.All(), K: int(c.Committee.K), Votes: c.Votes}
		s.outcome = tally.Decide()
		if c.Rival {
			s.outcome = s.outcome.twoOutputs()
		}
		for i := range c.Votes {
			s.fates = append(s.fates, s.outcome.fate(&c.Votes[i]))
		}
	}
	lines, err := s.shares()
	if err != nil {
		return nil, err
	}
	out := s.record(lines)
	if out.Refund, err = c.Job.total(); err != nil {
		return nil, err
	}
	out.Returned = c.Round.Deposit
	for i := range lines {
		from := &out.Refund
		if lines[i].From == FromDeposit {
			from = &out.Returned
		}
		if *from, err = (*from).Sub(lines[i].Amount); err != nil {
			return nil, err
		}
	}
	return out, nil
}
