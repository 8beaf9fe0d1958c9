package attest

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
)

const roundType = 0x52

// Phase is where a job stands.
type Phase uint8

// The phases, in the order in which a job passes them. Each but the first and the last
// is entered by an operation that docs/formats/job.md names.
const (
	Opened     Phase = iota // may be accepted or cancelled
	Lapsed                  // was not accepted in time
	Accepted                // the operator owes evidence
	Overdue                 // there was no evidence in time
	Drawing                 // evidence is there, the committee is to be drawn
	Committing              // verifiers commit to ballots
	Revealing               // verifiers reveal them
	Counting                // the window for that is over
	Closed                  // settled
)

var phaseNames = [...]string{"open", "lapsed", "accepted", "overdue", "drawing", "commit", "reveal", "counting", "closed"}

// String returns the word for a phase.
func (p Phase) String() string {
	if int(p) < len(phaseNames) {
		return phaseNames[p]
	}
	return "unknown"
}

// Round is what becomes of a job after it was opened. Before anything has, none is
// stored. Numbers of seconds are points of the checkpoints' clock.
type Round struct {
	Phase    Phase
	Operator ledger.ID        // who accepted
	Accepted ledger.Reference // the operation that did it, and the hold of the deposit
	Deposit  reward.Amount
	Ends     uint64 // when the window of this phase ends, where it has one
	Epoch    uint64 // in which the evidence came
	Draw     uint64 // number of the draw of the committee
	// Judged is the number of the checkpoint that ended the commitments: evidence is
	// judged by its time. Elapsed is what its clock had counted.
	Judged, Elapsed uint64
	Finding         Finding
	// Due is when what the deposit has left is given back; 0 without evidence: at once.
	Due uint64
}

// RoundKey returns the state key of a job's round.
func RoundKey(job string) string { return "round/" + job }

// Encode returns the layout of docs/formats/job.md.
func (r *Round) Encode() []byte {
	b := canon.NewRecord(roundType).U8(uint8(r.Phase)).Fixed(r.Operator[:])
	appendReference(b, r.Accepted)
	b.U64(uint64(r.Deposit)).U64(r.Ends).U64(r.Epoch).U64(r.Draw).U64(r.Judged).U64(r.Elapsed)
	return b.U8(uint8(r.Finding.Verdict)).U8(uint8(r.Finding.Reason)).U64(r.Due).Bytes()
}

// DecodeRound reads a stored round. Errors: fault.Malformed, fault.TrailingData.
func DecodeRound(data []byte) (*Round, error) {
	b := canon.OpenRecord(data, roundType)
	r := &Round{Phase: Phase(b.U8()), Operator: readID(b), Accepted: readReference(b), Deposit: reward.Amount(b.U64())}
	r.Ends, r.Epoch, r.Draw, r.Judged, r.Elapsed = b.U64(), b.U64(), b.U64(), b.U64(), b.U64()
	r.Finding, r.Due = Finding{Verdict(b.U8()), Reason(b.U8())}, b.U64()
	if err := b.Done(); err != nil {
		return nil, err
	}
	if r.Phase < Lapsed || r.Phase > Closed || r.Deposit < 0 || !r.Finding.known() {
		return nil, fault.New(fault.Malformed, "a round in phase %d", r.Phase)
	}
	return r, nil
}

// readRound returns a job's round; of a job of which nothing has become yet it is in the
// phase Opened.
func readRound(tx *ledger.Tx, job string) (*Round, error) {
	stored, err := tx.Get(RoundKey(job))
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return new(Round), nil
	}
	return DecodeRound(stored)
}

func (r *Round) put(tx *ledger.Tx, job string) { tx.Put(RoundKey(job), r.Encode()) }

// in refuses what is not done in this phase. Errors: fault.WrongPhase.
func (r *Round) in(phases ...Phase) error {
	for _, p := range phases {
		if r.Phase == p {
			return nil
		}
	}
	return fault.New(fault.WrongPhase, "the job is in the phase %s", r.Phase)
}
