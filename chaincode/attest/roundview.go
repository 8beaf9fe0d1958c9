package attest

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// RoundQuery is the request of attest:Round. Explain asks for the digests by which the
// committee was drawn, and for what evidence of an accepted job would be judged by now.
type RoundQuery struct {
	Job     string `json:"job"`
	Explain bool   `json:"explain,omitzero"`
}

// RoundView is how far a job is.
type RoundView struct {
	Job       string         `json:"job"`
	Phase     string         `json:"phase"`
	Ends      uint64         `json:"ends,omitzero"` // of the phase, by the checkpoints' clock
	Operator  string         `json:"operator,omitempty"`
	Accepted  string         `json:"accepted,omitempty"` // the operation that did it; its hold is the deposit
	Deposit   reward.Amount  `json:"deposit"`
	Epoch     uint64         `json:"epoch,omitzero"`
	Draw      uint64         `json:"draw,omitzero"`
	Judged    uint64         `json:"judged,omitzero"`
	Finding   *FindingView   `json:"finding,omitempty"`
	Evidence  *EvidenceView  `json:"evidence,omitempty"`
	Rival     *EvidenceView  `json:"rival,omitempty"`
	Due       uint64         `json:"due,omitzero"`   // when what the deposit has left is given back, by the checkpoints' clock
	Late      *LateView      `json:"late,omitempty"` // a second quote that came after the settlement
	Committee *CommitteeView `json:"committee,omitempty"`
	Basis     *BasisView     `json:"basis,omitempty"` // asked for: what the evidence would be judged by now
}

// EvidenceView is evidence as queries answer it.
type EvidenceView struct {
	Platform string `json:"platform"`
	Output   string `json:"output"`
	Digest   string `json:"digest"`
	By       string `json:"by"`
	Quote    string `json:"quote,omitempty"` // base64url
}

// LateView is what a second quote cost after the settlement.
type LateView struct {
	Payee    string        `json:"payee"`
	Amount   reward.Amount `json:"amount"`
	Epoch    uint64        `json:"epoch"`
	Evidence EvidenceView  `json:"evidence"`
}

// CommitteeView is a committee with what has come of its seats.
type CommitteeView struct {
	Seed       string      `json:"seed"`
	Checkpoint uint64      `json:"checkpoint"`
	Candidates string      `json:"candidates"` // digest of all who could be drawn
	Seats      int         `json:"seats"`      // all of them, taken or empty
	K          uint16      `json:"k"`
	Benches    []BenchView `json:"benches"`
}

// BenchView are the seats of an organisation.
type BenchView struct {
	Organisation string     `json:"organisation"`
	Withheld     bool       `json:"withheld,omitzero"` // its element of the draw: it has nobody on its seats
	Seats        uint16     `json:"seats"`
	Taken        []SeatView `json:"taken"`
	// Order is asked for: all who hold a licence of the organisation now, in the order in
	// which they would be drawn. Who has got or lost one since, or was off duty then,
	// makes it differ from what was drawn.
	Order []RankedView `json:"order,omitempty"`
}

// SeatView is a seat with what its verifier has done.
type SeatView struct {
	Verifier   string `json:"verifier"`
	Payee      string `json:"payee"`
	Digest     string `json:"digest,omitempty"` // by which it was drawn
	Commitment string `json:"commitment,omitempty"`
	Ballot     string `json:"ballot,omitempty"`
	Salt       string `json:"salt,omitempty"`
}

// RankedView is a verifier with the digest that decides about its place.
type RankedView struct {
	Verifier string `json:"verifier"`
	Digest   string `json:"digest"`
	Drawn    bool   `json:"drawn,omitzero"`
	Why      string `json:"why,omitempty"` // it could not be drawn: new, off_duty or operator
}

// Answer returns the round. Errors: fault.InvalidValue, fault.NotFound.
func (q *RoundQuery) Answer(tx *ledger.Tx, n *govern.Network) (*RoundView, error) {
	job, err := checkJob(q.Job)
	if err != nil {
		return nil, err
	}
	j, err := ReadJob(tx, q.Job)
	if err != nil {
		return nil, err
	}
	r, err := readRound(tx, q.Job)
	if err != nil {
		return nil, err
	}
	v := &RoundView{
		Job: q.Job, Phase: r.Phase.String(), Ends: r.Ends, Deposit: r.Deposit, Epoch: r.Epoch, Draw: r.Draw, Judged: r.Judged,
		Due: r.Due,
	}
	if r.Deposit > 0 {
		v.Operator, v.Accepted = did.String(n.Name, r.Operator), r.Accepted.String()
	}
	if r.Judged > 0 || r.Finding.Verdict != Undecided {
		f := r.Finding.view()
		v.Finding = &f
	}
	if v.Evidence, err = viewShown(tx, EvidenceKey(q.Job)); err != nil {
		return nil, err
	}
	if v.Rival, err = viewShown(tx, RivalKey(q.Job)); err != nil {
		return nil, err
	}
	late, err := readLate(tx, q.Job)
	if err != nil {
		return nil, err
	}
	if late != nil {
		v.Late = &LateView{did.String(n.Name, late.Payee), late.Amount, late.Epoch, *late.Shown.view()}
	}
	if q.Explain && v.Operator != "" {
		if v.Basis, err = basis(tx, j, v.Evidence); err != nil {
			return nil, err
		}
	}
	d, err := readCommittee(tx, q.Job)
	if d == nil || err != nil {
		return v, err
	}
	v.Committee, err = q.committee(tx, n, job, r, d)
	return v, err
}

func viewShown(tx *ledger.Tx, key string) (*EvidenceView, error) {
	stored, err := tx.Get(key)
	if stored == nil || err != nil {
		return nil, err
	}
	s, err := DecodeShown(stored)
	if err != nil {
		return nil, err
	}
	return s.view(), nil
}

func (s *Shown) view() *EvidenceView {
	return &EvidenceView{s.Platform.String(), canon.Hex(s.Output[:]), canon.Hex(s.Digest[:]), s.By.String(), canon.B64(s.Quote)}
}

func (q *RoundQuery) committee(tx *ledger.Tx, n *govern.Network, job ledger.Reference, r *Round, d *Drawn) (*CommitteeView, error) {
	v := &CommitteeView{
		Seed: canon.Hex(d.Seed[:]), Checkpoint: d.Checkpoint, Candidates: canon.Hex(d.Candidates[:]), Seats: d.All(), K: d.K,
	}
	for _, o := range d.Organisations {
		v.Benches = append(v.Benches, BenchView{Organisation: o.MSP, Withheld: o.Withheld, Seats: d.PerMember, Taken: []SeatView{}})
	}
	for i := range d.Seats {
		s := &d.Seats[i]
		view, err := q.seat(tx, n.Name, s)
		if err != nil {
			return nil, err
		}
		if q.Explain {
			digest := canon.SeatDigest(n.Name, d.Seed, job.ID, s.Verifier)
			view.Digest = canon.Hex(digest[:])
		}
		b := &v.Benches[s.Organisation]
		b.Taken = append(b.Taken, *view)
	}
	if !q.Explain {
		return v, nil
	}
	return v, explain(tx, n, job, r, d, v)
}

func (q *RoundQuery) seat(tx *ledger.Tx, network string, s *Seat) (*SeatView, error) {
	v := &SeatView{Verifier: did.String(network, s.Verifier), Payee: did.String(network, s.Payee)}
	stored, err := tx.Get(BallotKey(q.Job, s.Verifier))
	if stored == nil || err != nil {
		return v, err
	}
	commitment, err := DecodeBallot(stored)
	if err != nil {
		return nil, err
	}
	v.Commitment = canon.Hex(commitment[:])
	if stored, err = tx.Get(RevealKey(q.Job, s.Verifier)); stored == nil || err != nil {
		return v, err
	}
	revealed, err := DecodeRevealed(stored)
	if err != nil {
		return nil, err
	}
	v.Ballot, v.Salt = revealed.Ballot.String(), canon.Hex(revealed.Salt[:])
	return v, nil
}

// explain adds who holds a licence now, in the order in which they would be drawn.
func explain(tx *ledger.Tx, n *govern.Network, job ledger.Reference, r *Round, d *Drawn, v *CommitteeView) error {
	licences, err := govern.Licences(tx)
	if err != nil {
		return err
	}
	at, err := checkpoint.At(tx, d.Checkpoint)
	if err != nil {
		return err
	}
	all := &Draw{Network: n.Name, Seed: d.Seed, Job: job, Organisations: d.Organisations}
	why := map[ledger.ID]string{}
	for i := range licences {
		c, err := candidateOf(&licences[i])
		if err != nil {
			return err
		}
		all.Candidates = append(all.Candidates, *c)
		standing, err := readStanding(tx, c.Verifier)
		switch {
		case err != nil:
			return err
		case licences[i].Epoch >= r.Epoch:
			why[c.Verifier] = "new"
		case c.Verifier == r.Operator:
			why[c.Verifier] = "operator"
		case !standing.OnDuty(at.Elapsed):
			why[c.Verifier] = "off_duty"
		}
	}
	for i, bench := range Committee(all) {
		for _, o := range bench.Order {
			v.Benches[i].Order = append(v.Benches[i].Order, RankedView{
				did.String(n.Name, o.Verifier), canon.Hex(o.Digest[:]), d.seat(o.Verifier) >= 0, why[o.Verifier],
			})
		}
	}
	return nil
}

// StandingQuery is the request of attest:Standing.
type StandingQuery struct {
	DID string `json:"did"`
}

// StandingView is how a verifier has done. Of one that was never drawn all is zero.
type StandingView struct {
	DID        string `json:"did"`
	Score      uint32 `json:"score"`
	Right      uint32 `json:"right"`
	Wrong      uint32 `json:"wrong"`
	Unrevealed uint32 `json:"unrevealed"`
	Missed     uint32 `json:"missed"`
	Row        uint32 `json:"row"`
	OffUntil   uint64 `json:"offUntil,omitzero"` // by the checkpoints' clock
}

// Answer returns the standing. Errors: fault.InvalidValue, fault.WrongNetwork.
func (q *StandingQuery) Answer(tx *ledger.Tx, n *govern.Network) (*StandingView, error) {
	id, err := did.ParseOn(n.Name, q.DID)
	if err != nil {
		return nil, err
	}
	s, err := readStanding(tx, id)
	if s == nil || err != nil {
		return &StandingView{DID: q.DID}, err
	}
	return &StandingView{q.DID, s.Score, s.Right, s.Wrong, s.Unrevealed, s.Missed, s.Row, s.OffUntil}, nil
}
