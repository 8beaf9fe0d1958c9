package attest

import (
	"math"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

const standingType = 0x58

// Rules are what votes do to the standing of verifiers. A vote that is missed, or not
// revealed, costs at least as much as a wrong one.
type Rules struct {
	Start        uint32 // which is also the most
	Right        uint32 // is added
	Wrong        uint32 // is taken
	Missed       uint32 // is taken
	OffBelow     uint32 // who has less is off duty
	MissedOff    uint32 // who misses so many in a row is off duty
	LeaveSeconds uint32 // for how long, by the checkpoints' clock
}

func (r *Rules) append(b *canon.Record) {
	b.U32(r.Start).U32(r.Right).U32(r.Wrong).U32(r.Missed).U32(r.OffBelow).U32(r.MissedOff).U32(r.LeaveSeconds)
}

func (r *Rules) read(b *canon.Reader) {
	r.Start, r.Right, r.Wrong, r.Missed = b.U32(), b.U32(), b.U32(), b.U32()
	r.OffBelow, r.MissedOff, r.LeaveSeconds = b.U32(), b.U32(), b.U32()
}

// Fate is what became of a verifier's seat in a round.
type Fate uint8

// The fates.
const (
	VotedRight Fate = 1 + iota
	VotedWrong
	VotedOnly  // there was no right or wrong
	Unrevealed // committed to a ballot, and did not reveal it
	Missed     // did not commit to any
)

// Standing is how a verifier has done so far.
type Standing struct {
	Score      uint32
	Right      uint32
	Wrong      uint32
	Unrevealed uint32
	Missed     uint32
	Row        uint32 // seats in a row without a ballot
	OffUntil   uint64 // by the checkpoints' clock; 0 when it was never off duty
}

// StandingKey returns the state key of a verifier's standing. Nothing is stored before
// the first round of a verifier is closed.
func StandingKey(id ledger.ID) string { return "standing/" + id.String() }

// Encode returns the layout of docs/formats/job.md.
func (s *Standing) Encode() []byte {
	b := canon.NewRecord(standingType).U32(s.Score).U32(s.Right).U32(s.Wrong).U32(s.Unrevealed).U32(s.Missed)
	return b.U32(s.Row).U64(s.OffUntil).Bytes()
}

// DecodeStanding reads a stored standing. Errors: fault.Malformed, fault.TrailingData.
func DecodeStanding(data []byte) (*Standing, error) {
	b := canon.OpenRecord(data, standingType)
	s := &Standing{Score: b.U32(), Right: b.U32(), Wrong: b.U32(), Unrevealed: b.U32(), Missed: b.U32(), Row: b.U32(), OffUntil: b.U64()}
	return s, b.Done()
}

// readStanding returns a verifier's standing, nil before its first round.
func readStanding(tx *ledger.Tx, id ledger.ID) (*Standing, error) {
	stored, err := tx.Get(StandingKey(id))
	if stored == nil || err != nil {
		return nil, err
	}
	return DecodeStanding(stored)
}

// OnDuty says whether a verifier can be drawn when the checkpoints' clock has counted so
// much.
func (s *Standing) OnDuty(elapsed uint64) bool { return s == nil || s.OffUntil <= elapsed }

// after returns the standing after a round that ended when the clock had counted elapsed.
// Who comes back on duty begins anew. Errors: fault.Overflow.
func (s *Standing) after(r *Rules, fate Fate, elapsed uint64) (*Standing, error) {
	next := Standing{Score: r.Start}
	if s != nil {
		next = *s
		if s.OffUntil > 0 && s.OffUntil <= elapsed {
			next.Score, next.Row, next.OffUntil = r.Start, 0, 0
		}
	}
	down := func(by uint32) { next.Score -= min(next.Score, by) }
	switch fate {
	case VotedRight:
		next.Right, next.Row = next.Right+1, 0
		next.Score = uint32(min(uint64(next.Score)+uint64(r.Right), uint64(r.Start)))
	case VotedWrong:
		next.Wrong, next.Row = next.Wrong+1, 0
		down(r.Wrong)
	case VotedOnly:
		next.Row = 0
	case Unrevealed:
		next.Unrevealed, next.Row = next.Unrevealed+1, next.Row+1
		down(max(r.Missed, r.Wrong))
	case Missed:
		next.Missed, next.Row = next.Missed+1, next.Row+1
		down(max(r.Missed, r.Wrong))
	}
	if elapsed > math.MaxUint64-uint64(r.LeaveSeconds) {
		return nil, fault.New(fault.Overflow, "a clock of %d", elapsed)
	}
	if next.Score < r.OffBelow || r.MissedOff > 0 && next.Row >= r.MissedOff {
		next.OffUntil = max(next.OffUntil, elapsed+uint64(r.LeaveSeconds))
	}
	return &next, nil
}
