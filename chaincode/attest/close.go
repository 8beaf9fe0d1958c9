package attest

import (
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// Close is the body of attest.close and the request of attest:Close: it ends a job that
// has come to its end, and moves the money in the same transaction. Anyone may ask for
// it; state alone decides.
type Close struct {
	Job string `json:"job"`

	job ledger.Reference // set by Check
}

// Ended is the answer of attest:Close.
type Ended struct {
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"`
}

// Check looks at what the body says by itself. Errors: fault.InvalidValue.
func (c *Close) Check(ledger.Call) (err error) {
	c.job, err = checkJob(c.Job)
	return err
}

// Keys returns the state keys that Apply reads and its body names. It also reads the
// deposit, and commitment, ballot and standing of each seat.
func (c *Close) Keys(ledger.Call) []string {
	return []string{JobKey(c.Job), RoundKey(c.Job), CommitteeKey(c.Job), RivalKey(c.Job), reward.HoldKey(c.Job)}
}

// Answer is Apply for who has no DID.
func (c *Close) Answer(tx *ledger.Tx, n *govern.Network) (*Ended, error) {
	if err := c.Check(ledger.Call{}); err != nil {
		return nil, err
	}
	o, err := c.end(tx, n)
	if err != nil {
		return nil, err
	}
	return &Ended{o.Verdict.String(), o.Reason.String()}, nil
}

// Apply closes the job. Errors: fault.NotFound, fault.NotDue, fault.AlreadyDone.
func (c *Close) Apply(tx *ledger.Tx, n *govern.Network) error {
	_, err := c.end(tx, n)
	return err
}

func (c *Close) end(tx *ledger.Tx, n *govern.Network) (*Outcome, error) {
	j, err := ReadJob(tx, c.Job)
	if err != nil {
		return nil, err
	}
	r, err := readRound(tx, c.Job)
	if err != nil {
		return nil, err
	}
	s := &settling{job: j, round: r}
	switch r.Phase {
	case Lapsed:
		s.outcome = Outcome{Verdict: Cancelled, Reason: NotAccepted}
	case Overdue:
		s.outcome = Outcome{Verdict: Expired, Reason: NoEvidence}
	case Drawing:
		err = c.hopeless(tx, n, s)
	case Revealing, Counting:
		err = c.count(tx, s)
	case Closed:
		err = fault.New(fault.AlreadyDone, "the job is closed")
	default:
		err = fault.New(fault.NotDue, "the job is in the phase %s", r.Phase)
	}
	if err != nil {
		return nil, err
	}
	return &s.outcome, settle(tx, n, c.job, s)
}

// hopeless ends a job whose committee can never be drawn.
func (c *Close) hopeless(tx *ledger.Tx, n *govern.Network, s *settling) error {
	never, err := checkpoint.Hopeless(tx, n, s.round.Draw)
	if err != nil {
		return err
	}
	if !never {
		return fault.New(fault.NotDue, "draw %d can still be made", s.round.Draw)
	}
	checkpoint.Forget(tx, s.round.Draw)
	if f := s.round.Finding; f.Verdict == Malicious {
		s.outcome = Outcome{Verdict: f.Verdict, Reason: f.Reason} // known without a committee
		return nil
	}
	s.outcome = Outcome{Verdict: Expired, Reason: NoDraw}
	return nil
}

// count reads the ballots, decides, and brings standings up to date.
func (c *Close) count(tx *ledger.Tx, s *settling) (err error) {
	if s.committee, err = readCommittee(tx, c.Job); err != nil {
		return err
	}
	if s.committee == nil {
		return fault.New(fault.Internal, "a round without a committee")
	}
	if s.votes, err = readVotes(tx, c.Job, s.committee); err != nil {
		return err
	}
	if s.round.Phase == Revealing {
		for _, v := range s.votes {
			if v.Committed && v.Ballot == Undecided {
				return fault.New(fault.NotDue, "not all ballots are revealed, and the window for it ends at %d", s.round.Ends)
			}
		}
	}
	tally := Count{Finding: s.round.Finding, Seats: s.committee.All(), K: int(s.committee.K), Votes: s.votes}
	rival, err := tx.Has(RivalKey(c.Job))
	if err != nil {
		return err
	}
	s.outcome = tally.Decide()
	if rival {
		s.outcome = s.outcome.twoOutputs()
	}
	s.fates = make([]Fate, len(s.votes))
	for i := range s.votes {
		s.fates[i] = s.outcome.fate(&s.votes[i])
	}
	return s.standings(tx)
}

// twoOutputs is the outcome of a round once there is a second genuine quote. Verifiers
// may not have known of it, so whoever was right about the first one still is.
func (o *Outcome) twoOutputs() Outcome {
	next := *o
	next.Verdict, next.Reason = Malicious, TwoOutputs
	return next.rightly(Malicious)
}

func (o *Outcome) fate(v *Vote) Fate {
	switch {
	case !v.Committed:
		return Missed
	case v.Ballot == Undecided:
		return Unrevealed
	case !o.Judged:
		return VotedOnly
	case o.Right(v.Ballot):
		return VotedRight
	}
	return VotedWrong
}

// readVotes returns what came of the seats, in their order.
func readVotes(tx *ledger.Tx, job string, d *Drawn) ([]Vote, error) {
	keys := make([]string, 0, 2*len(d.Seats))
	for i := range d.Seats {
		keys = append(keys, BallotKey(job, d.Seats[i].Verifier), RevealKey(job, d.Seats[i].Verifier))
	}
	if err := tx.Prefetch(keys); err != nil {
		return nil, err
	}
	votes := make([]Vote, len(d.Seats))
	for i := range d.Seats {
		committed, err := tx.Has(keys[2*i])
		if err != nil {
			return nil, err
		}
		votes[i] = Vote{Organisation: d.Seats[i].Organisation, Committed: committed}
		stored, err := tx.Get(keys[2*i+1])
		if err != nil {
			return nil, err
		}
		if stored == nil {
			continue
		}
		revealed, err := DecodeRevealed(stored)
		if err != nil {
			return nil, err
		}
		votes[i].Ballot = revealed.Ballot
	}
	return votes, nil
}

// standings writes how those who had seats stand now, and counts who was right.
func (s *settling) standings(tx *ledger.Tx) error {
	keys := make([]string, len(s.committee.Seats))
	for i := range s.committee.Seats {
		keys[i] = StandingKey(s.committee.Seats[i].Verifier)
	}
	if err := tx.Prefetch(append(keys, reward.EmissionKey)); err != nil {
		return err
	}
	var right []reward.Merit
	for i := range s.committee.Seats {
		if seat := &s.committee.Seats[i]; s.fates[i] == VotedRight {
			right = append(right, reward.Merit{Verifier: seat.Verifier, Payee: seat.Payee})
		}
		before, err := readStanding(tx, s.committee.Seats[i].Verifier)
		if err != nil {
			return err
		}
		after, err := before.after(&s.job.Terms.Standing, s.fates[i], s.round.Elapsed)
		if err != nil {
			return err
		}
		tx.Put(keys[i], after.Encode())
	}
	return reward.Judged(tx, right)
}
