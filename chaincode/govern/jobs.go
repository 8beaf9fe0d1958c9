package govern

import (
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Limits of a policy of jobs.
const (
	maxCommittee   = 200
	maxPhase       = 30 * 86400 // seconds
	maxPoints      = 1_000_000
	maxBasisPoints = 10_000
)

const jobsSubject = "jobs"

// JobPolicyKey is the state key of the policy of jobs in force.
const JobPolicyKey = headPrefix + jobsSubject

// Policy is how jobs are done and paid: the value of the subject jobs, whose versions
// are the numbers of its changes. Seconds are those that the checkpoints' clock counts,
// money is micro-units of the job's asset.
type Policy struct {
	Committee           uint64   `json:"committee"`       // seats of all organisations together
	EvidenceSeconds     uint64   `json:"evidenceSeconds"` // from acceptance to evidence
	CommitSeconds       uint64   `json:"commitSeconds"`
	RevealSeconds       uint64   `json:"revealSeconds"`
	AcceptSeconds       uint64   `json:"acceptSeconds"`  // from opening to acceptance
	DepositSeconds      uint64   `json:"depositSeconds"` // from evidence until a deposit is given back
	MinTEEFee           Price    `json:"minTEEFee"`
	MinVerificationFee  Price    `json:"minVerificationFee"`
	Treasury            string   `json:"treasury"`            // DID
	TreasuryBasisPoints uint64   `json:"treasuryBasisPoints"` // of the TEE fee
	Residue             string   `json:"residue"`             // DID that gets what is left of verification fees
	Standing            Standing `json:"standing"`
}

// Standing is how verifiers gain and lose points, all of them positive numbers.
type Standing struct {
	Start        uint64 `json:"start"`
	Right        uint64 `json:"right"`        // added for a vote as the verdict
	Wrong        uint64 `json:"wrong"`        // taken for another vote
	Missed       uint64 `json:"missed"`       // taken for a seat without a revealed vote
	OffBelow     uint64 `json:"offBelow"`     // with fewer points a licence gets no seats
	MissedOff    uint64 `json:"missedOff"`    // nor after so many missed in a row
	LeaveSeconds uint64 `json:"leaveSeconds"` // for so long
}

var policyFields = []string{
	"committee", "evidenceSeconds", "commitSeconds", "revealSeconds", "acceptSeconds", "depositSeconds", "minTEEFee", "minVerificationFee",
	"treasury", "treasuryBasisPoints", "residue", "standing",
}

// Check refuses a policy by which no job could be done, or by which a vote that is kept
// back is cheaper than one that is wrong. Errors: fault.InvalidValue,
// fault.WrongNetwork.
func (p *Policy) Check(network string) error {
	if p.Committee < 1 || p.Committee > maxCommittee {
		return fault.New(fault.InvalidValue, "committee of %d, 1 to %d seats are allowed", p.Committee, maxCommittee)
	}
	for _, phase := range []struct {
		name    string
		seconds uint64
	}{
		{"evidenceSeconds", p.EvidenceSeconds}, {"commitSeconds", p.CommitSeconds}, {"revealSeconds", p.RevealSeconds},
		{"acceptSeconds", p.AcceptSeconds}, {"depositSeconds", p.DepositSeconds}, {"leaveSeconds", p.Standing.LeaveSeconds},
	} {
		if phase.seconds < 1 || phase.seconds > maxPhase {
			return fault.New(fault.InvalidValue, "%s of %d, 1 to %d are allowed", phase.name, phase.seconds, maxPhase)
		}
	}
	if p.TreasuryBasisPoints > maxBasisPoints {
		return fault.New(fault.InvalidValue, "treasuryBasisPoints of %d, at most %d are allowed", p.TreasuryBasisPoints, maxBasisPoints)
	}
	for _, payee := range []string{p.Treasury, p.Residue} {
		if _, err := did.ParseOn(network, payee); err != nil {
			return err
		}
	}
	return p.Standing.check()
}

func (s *Standing) check() error {
	for _, points := range []uint64{s.Start, s.Right, s.Wrong, s.Missed, s.OffBelow} {
		if points > maxPoints {
			return fault.New(fault.InvalidValue, "standing: %d points, at most %d are allowed", points, maxPoints)
		}
	}
	switch {
	case s.Missed < s.Wrong:
		return fault.New(fault.InvalidValue, "standing: missed costs %d, wrong %d; who sees that it is wrong must not gain by silence", s.Missed, s.Wrong)
	case s.Start < s.OffBelow:
		return fault.New(fault.InvalidValue, "standing: who begins with %d is off below %d", s.Start, s.OffBelow)
	case s.MissedOff < 1 || s.MissedOff > maxPoints:
		return fault.New(fault.InvalidValue, "standing: missedOff of %d, 1 to %d are allowed", s.MissedOff, maxPoints)
	}
	return nil
}

// JobPolicy returns the policy of jobs in force and its version. Errors: fault.NotFound
// while the members have decided on none.
func JobPolicy(tx *ledger.Tx) (*Policy, uint64, error) {
	p, version, err := inForce(tx, jobsSubject, Policy{})
	if err == nil && version == 0 {
		err = fault.New(fault.NotFound, "the members have not decided how jobs are done")
	}
	if err != nil {
		return nil, 0, err
	}
	return &p, version, nil
}

// JobPolicyAt returns the policy with the version, from 1, whatever is in force by now.
// Errors: fault.NotFound.
func JobPolicyAt(tx *ledger.Tx, version uint64) (*Policy, error) {
	p, number, err := changed(tx, ChangeKey(jobsSubject, version), Policy{})
	if err == nil && number == 0 {
		err = fault.New(fault.NotFound, "there is no policy of jobs %d", version)
	}
	if err != nil {
		return nil, err
	}
	return &p, nil
}
