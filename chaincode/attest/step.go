package attest

import (
	"fmt"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Step is the body of attest.step and the request of attest:Step: it takes a job to its
// next phase when that is due. Anyone may ask for it; state alone decides.
type Step struct {
	Job string `json:"job"`
	// Checkpoint is the number of an accepted checkpoint past the end of the phase; the
	// newest one where the next phase is a window that begins with it.
	Checkpoint uint64 `json:"checkpoint"`

	job ledger.Reference // set by Check
}

// Stepped is the answer of attest:Step.
type Stepped struct {
	Phase string `json:"phase"` // in which the job is now
}

// Check looks at what the body says by itself. Errors: fault.InvalidValue,
// fault.NumberRange.
func (s *Step) Check(ledger.Call) (err error) {
	if s.job, err = checkJob(s.Job); err != nil {
		return err
	}
	return checkNumber(s.Checkpoint)
}

// Keys returns the state keys that Apply reads and its body names. It also reads the draw,
// licences and standings when it draws, and evidence and what that is judged by when it
// ends the commitments.
func (s *Step) Keys(ledger.Call) []string {
	return []string{JobKey(s.Job), RoundKey(s.Job), checkpoint.NumberKey(s.Checkpoint)}
}

// Answer is Apply for who has no DID.
func (s *Step) Answer(tx *ledger.Tx, n *govern.Network) (*Stepped, error) {
	if err := s.Check(ledger.Call{}); err != nil {
		return nil, err
	}
	r, err := s.take(tx, n)
	if err != nil {
		return nil, err
	}
	return &Stepped{r.Phase.String()}, nil
}

// Apply takes the step. Errors: fault.NotFound, fault.NotDue, fault.WrongPhase when the
// job is to be closed or is.
func (s *Step) Apply(tx *ledger.Tx, n *govern.Network) error {
	_, err := s.take(tx, n)
	return err
}

func (s *Step) take(tx *ledger.Tx, n *govern.Network) (*Round, error) {
	j, err := ReadJob(tx, s.Job)
	if err != nil {
		return nil, err
	}
	r, err := readRound(tx, s.Job)
	if err != nil {
		return nil, err
	}
	at, err := checkpoint.At(tx, s.Checkpoint)
	if err != nil {
		return nil, err
	}
	switch r.Phase {
	case Opened:
		err = s.lapse(j, r, at)
	case Accepted:
		err = pass(r, at, Overdue)
	case Drawing:
		err = s.draw(tx, n, j, r, at)
	case Committing:
		err = s.open(tx, j, r, at)
	case Revealing:
		err = pass(r, at, Counting)
	default:
		err = r.in(Opened, Accepted, Drawing, Committing, Revealing)
	}
	if err != nil {
		return nil, err
	}
	r.put(tx, s.Job)
	return r, nil
}

// lapse ends the time in which a job can be accepted. It counts time, not the clock: who
// accepts states by its own exp that it is in time.
func (s *Step) lapse(j *Job, r *Round, at *checkpoint.Checkpoint) error {
	if at.Time <= uint64(j.Expires) {
		return fault.New(fault.NotDue, "the job can be accepted until %d", j.Expires)
	}
	r.Phase = Lapsed
	return nil
}

// pass ends a window.
func pass(r *Round, at *checkpoint.Checkpoint, next Phase) error {
	if at.Elapsed < r.Ends {
		return fault.New(fault.NotDue, "the phase %s ends at %d of the checkpoints' clock; checkpoint %d is at %d", r.Phase, r.Ends, at.Number, at.Elapsed)
	}
	r.Phase = next
	return nil
}

// begins refuses a checkpoint that is not the newest: a window that began with an older
// one would be over before anyone knew of it.
func begins(tx *ledger.Tx, at *checkpoint.Checkpoint) error {
	head, err := checkpoint.Head(tx)
	if err != nil {
		return err
	}
	if head == nil || head.Number != at.Number {
		return fault.New(fault.NotDue, "this step names the newest checkpoint")
	}
	return nil
}

// draw makes the committee and begins the window for commitments.
func (s *Step) draw(tx *ledger.Tx, n *govern.Network, j *Job, r *Round, at *checkpoint.Checkpoint) error {
	if err := begins(tx, at); err != nil {
		return err
	}
	drawn, err := checkpoint.DrawOf(tx, r.Draw)
	if err != nil {
		return err
	}
	if drawn == nil {
		return fault.New(fault.NotDue, "draw %d is not made yet", r.Draw)
	}
	d, err := drawing(tx, n, j, s.job, r, drawn, at.Elapsed)
	if err != nil {
		return err
	}
	committee, err := committeeOf(d, at.Number, n.K)
	if err != nil {
		return err
	}
	tx.Put(CommitteeKey(s.Job), committee.Encode())
	r.Phase, r.Ends = Committing, at.Elapsed+uint64(j.Terms.CommitSeconds)
	return nil
}

// open judges the evidence, at the time of the checkpoint and with the collateral that is
// on the ledger now, and begins the window for ballots to be revealed. What chaincode
// finds is so fixed before the first ballot is opened: nobody who holds newer collateral
// back chooses the outcome with ballots in view.
func (s *Step) open(tx *ledger.Tx, j *Job, r *Round, at *checkpoint.Checkpoint) error {
	if err := pass(r, at, Revealing); err != nil {
		return err
	}
	if err := begins(tx, at); err != nil {
		return err
	}
	if err := tx.Prefetch([]string{EvidenceKey(s.Job), RivalKey(s.Job)}); err != nil {
		return err
	}
	if r.Finding.Verdict == Undecided {
		evidence, err := readShown(tx, EvidenceKey(s.Job))
		if err != nil {
			return err
		}
		if r.Finding, err = judge(tx, j, evidence, at.Time); err != nil {
			return err
		}
	}
	r.Judged, r.Elapsed, r.Ends = at.Number, at.Elapsed, at.Elapsed+uint64(j.Terms.RevealSeconds)
	return nil
}

// drawing gathers what the committee of a job depends on, when the checkpoints' clock has
// counted elapsed.
func drawing(tx *ledger.Tx, n *govern.Network, j *Job, job ledger.Reference, r *Round, drawn *checkpoint.Drawn, elapsed uint64) (*Draw, error) {
	licences, err := govern.Licences(tx)
	if err != nil {
		return nil, err
	}
	d := &Draw{Network: n.Name, Seed: drawn.Seed, Job: job, Operator: r.Operator, Size: int(j.Terms.Committee)}
	for _, m := range n.Members {
		d.Organisations = append(d.Organisations, Organisation{m.MSP, drawn.Withheld(m.MSP)})
	}
	for i := range licences {
		if licences[i].Epoch >= r.Epoch {
			continue // given when the evidence could be known
		}
		c, err := candidateOf(&licences[i])
		if err != nil {
			return nil, fmt.Errorf("stored licence: %v", err) // no refusal: state is damaged
		}
		d.Candidates = append(d.Candidates, *c)
	}
	d.Candidates, err = onDuty(tx, d.Candidates, elapsed)
	return d, err
}

func candidateOf(l *govern.Licence) (*Candidate, error) {
	verifier, err := l.Holder()
	if err != nil {
		return nil, err
	}
	payee, err := l.Payee()
	return &Candidate{Verifier: verifier, Payee: payee, Organisation: l.Organisation}, err
}

// onDuty leaves out who is off duty.
func onDuty(tx *ledger.Tx, all []Candidate, elapsed uint64) ([]Candidate, error) {
	keys := make([]string, len(all))
	for i := range all {
		keys[i] = StandingKey(all[i].Verifier)
	}
	if err := tx.Prefetch(keys); err != nil {
		return nil, err
	}
	on := all[:0]
	for _, c := range all {
		standing, err := readStanding(tx, c.Verifier)
		if err != nil {
			return nil, fmt.Errorf("stored standing: %v", err)
		}
		if standing.OnDuty(elapsed) {
			on = append(on, c)
		}
	}
	return on, nil
}

// committeeOf draws and returns what is stored of it.
func committeeOf(d *Draw, number uint64, k int) (*Drawn, error) {
	c := &Drawn{
		Seed: d.Seed, Checkpoint: number, PerMember: uint16(SeatsOf(d.Size, len(d.Organisations))), K: uint16(k), Organisations: d.Organisations,
	}
	verifiers := make([][20]byte, len(d.Candidates))
	for i := range d.Candidates {
		verifiers[i] = d.Candidates[i].Verifier
	}
	c.Candidates = canon.CandidatesDigest(verifiers...)
	for i, bench := range Committee(d) {
		for _, s := range bench.Sitting() {
			c.Seats = append(c.Seats, Seat{s.Verifier, s.Payee, i})
		}
	}
	if len(c.Seats) > MaxSeats {
		return nil, fault.New(fault.Internal, "a committee of %d", len(c.Seats))
	}
	return c, nil
}
