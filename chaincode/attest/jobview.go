package attest

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// JobQuery is the request of attest:Job and attest:Settlement.
type JobQuery struct {
	Job string `json:"job"`
}

// JobView is a job as queries answer it, with the phase in which it is.
type JobView struct {
	Job             string        `json:"job"`
	Phase           string        `json:"phase"`
	Consumer        string        `json:"consumer"`
	Operation       string        `json:"operation"`
	Asset           string        `json:"asset"`
	Lines           []LineView    `json:"lines"`
	TEEFee          reward.Amount `json:"teeFee"`
	VerificationFee reward.Amount `json:"verificationFee"`
	AtStake         reward.Amount `json:"atStake"` // the smallest deposit with which it is accepted
	Key             string        `json:"key"`
	Nonce           string        `json:"nonce"`
	Expires         uint32        `json:"expires"`
	Policy          uint64        `json:"policy"` // version of the policy of jobs
	InputRoot       string        `json:"inputRoot"`
	GrantsRoot      string        `json:"grantsRoot"`
}

// LineView is one grant of a job.
type LineView struct {
	Grant      string        `json:"grant"`
	Record     string        `json:"record"`
	Version    uint32        `json:"version"`
	Commitment string        `json:"commitment"`
	Owner      string        `json:"owner"`
	Price      reward.Amount `json:"price"`
}

// Answer answers attest:Job. Errors: fault.InvalidValue, fault.NotFound.
func (q *JobQuery) Answer(tx *ledger.Tx, n *govern.Network) (*JobView, error) {
	if _, err := checkJob(q.Job); err != nil {
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
	return j.View(n.Name, q.Job, r.Phase)
}

// View returns the form that queries answer.
func (j *Job) View(network, ref string, phase Phase) (*JobView, error) {
	least, err := j.AtStake()
	if err != nil {
		return nil, err
	}
	input, grants := j.InputRoot(), j.GrantsRoot()
	v := &JobView{
		Job: ref, Phase: phase.String(), Consumer: did.String(network, j.Consumer), Operation: j.Operation, Asset: j.Asset,
		TEEFee: j.TEEFee, VerificationFee: j.VerificationFee, AtStake: least, Key: canon.Hex(j.Key[:]), Nonce: canon.Hex(j.Nonce[:]),
		Expires: j.Expires, Policy: j.Terms.Version, InputRoot: canon.Hex(input[:]), GrantsRoot: canon.Hex(grants[:]),
	}
	for i := range j.Lines {
		l := &j.Lines[i]
		v.Lines = append(v.Lines, LineView{
			l.Grant.String(), l.Record.String(), l.Version, canon.Hex(l.Commitment[:]), did.String(network, l.Owner), l.Price,
		})
	}
	return v, nil
}

// SettlementView is what became of a job.
type SettlementView struct {
	Job      string        `json:"job"`
	Verdict  string        `json:"verdict"`
	Reason   string        `json:"reason"`
	Finding  FindingView   `json:"finding"`
	Policy   uint64        `json:"policy"`
	Judged   uint64        `json:"judged,omitzero"` // checkpoint
	Epoch    uint64        `json:"epoch,omitzero"`
	Asset    string        `json:"asset"`
	Seats    uint16        `json:"seats"`
	K        uint16        `json:"k"`
	Votes    VotesView     `json:"votes"`
	Refund   reward.Amount `json:"refund"`
	Returned reward.Amount `json:"returned"`
	Lines    []PaidView    `json:"lines"`
}

// FindingView is what chaincode says of evidence.
type FindingView struct {
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"`
}

func (f Finding) view() FindingView { return FindingView{f.Verdict.String(), f.Reason.String()} }

// VotesView counts the ballots, and the commitments that were not revealed.
type VotesView struct {
	Valid      uint16 `json:"valid"`
	Invalid    uint16 `json:"invalid"`
	Malicious  uint16 `json:"malicious"`
	Unrevealed uint16 `json:"unrevealed"`
}

// PaidView is one line of a settlement.
type PaidView struct {
	Role   string        `json:"role"`
	From   string        `json:"from"` // hold or deposit
	Fate   string        `json:"fate,omitempty"`
	Who    string        `json:"who"`
	Payee  string        `json:"payee,omitempty"` // where it is another than who; "none" when the consortium lets neither earn
	Amount reward.Amount `json:"amount"`
}

var fateNames = [...]string{"", "right", "wrong", "voted", "unrevealed", "missed"}

// String returns the word for a fate.
func (f Fate) String() string {
	if int(f) < len(fateNames) {
		return fateNames[f]
	}
	return "unknown"
}

// String returns the word for a source.
func (s Source) String() string {
	if s == FromDeposit {
		return "deposit"
	}
	return "hold"
}

// ReadSettlement returns what became of a job. Errors: fault.NotFound.
func ReadSettlement(tx *ledger.Tx, job string) (*Settlement, error) {
	stored, err := tx.Get(SettlementKey(job))
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return nil, fault.New(fault.NotFound, "the job %s is not settled", job)
	}
	return DecodeSettlement(stored)
}

// Settlement answers attest:Settlement. Errors: fault.InvalidValue, fault.NotFound.
func (q *JobQuery) Settlement(tx *ledger.Tx, n *govern.Network) (*SettlementView, error) {
	if _, err := checkJob(q.Job); err != nil {
		return nil, err
	}
	s, err := ReadSettlement(tx, q.Job)
	if err != nil {
		return nil, err
	}
	return s.View(n.Name, q.Job), nil
}

// View returns the form that queries answer.
func (s *Settlement) View(network, job string) *SettlementView {
	v := &SettlementView{
		Job: job, Verdict: s.Verdict.String(), Reason: s.Reason.String(), Finding: s.Finding.view(), Asset: s.Asset, Policy: s.Policy, Judged: s.Judged,
		Epoch: s.Epoch, Seats: s.Seats, K: s.K, Refund: s.Refund, Returned: s.Returned, Lines: []PaidView{},
		Votes: VotesView{s.Counts[countValid], s.Counts[countInvalid], s.Counts[countMalicious], s.Counts[countUnrevealed]},
	}
	for i := range s.Lines {
		l := &s.Lines[i]
		p := PaidView{Role: l.Role.String(), From: l.From.String(), Fate: l.Fate.String(), Who: did.String(network, l.Who), Amount: l.Amount}
		switch l.Payee {
		case l.Who:
		case ledger.ID{}:
			p.Payee = "none"
		default:
			p.Payee = did.String(network, l.Payee)
		}
		v.Lines = append(v.Lines, p)
	}
	return v
}
