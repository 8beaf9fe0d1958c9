package attest

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
)

const settlementType = 0x57

// Role is what a line of a settlement is paid for.
type Role uint8

// The roles.
const (
	ForOwner Role = 1 + iota
	ForVerifier
	ForOperator
	ForTreasury
	ForResidue
	ForForfeit // the rest of a deposit that is taken
)

var roleNames = [...]string{"", "owner", "verifier", "operator", "treasury", "residue", "forfeit"}

// String returns the word for a role.
func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return "unknown"
}

// Source is what a line is paid out of.
type Source uint8

// The sources: what the consumer has set aside, and what the operator has.
const (
	FromHold    Source = 1
	FromDeposit Source = 2
)

// Paid is one line of a settlement. Payee differs from Who where a verifier has somebody
// else paid, and where the consortium does not let Who earn; it is zero when nobody is
// paid for that reason.
type Paid struct {
	Role   Role
	Fate   Fate // of a verifier's seat, 0 of others
	From   Source
	Who    ledger.ID
	Payee  ledger.ID
	Amount reward.Amount
}

// Settlement is what became of a job, for good.
type Settlement struct {
	Verdict  Verdict
	Reason   Reason
	Finding  Finding // of chaincode
	Asset    string
	Policy   uint64 // version of the policy of jobs that it goes by
	Judged   uint64 // checkpoint by whose time evidence was judged; 0 when there was none
	Epoch    uint64 // in which the lines are credited; 0 when there are none
	Seats    uint16 // taken or empty
	K        uint16 // organisations that had to agree
	Counts   [4]uint16
	Refund   reward.Amount // of what the consumer set aside
	Returned reward.Amount // of the deposit
	Lines    []Paid
}

// The places of Counts.
const (
	countValid = iota
	countInvalid
	countMalicious
	countUnrevealed // commitments without a ballot
)

// SettlementKey returns the state key of a job's settlement.
func SettlementKey(job string) string { return "settlement/" + job }

func (s *settling) record(lines []Paid) *Settlement {
	t := &Settlement{
		Verdict: s.outcome.Verdict, Reason: s.outcome.Reason, Finding: s.round.Finding, Asset: s.job.Asset, Policy: s.job.Terms.Version,
		Judged: s.round.Judged, Lines: lines,
	}
	if s.committee != nil {
		t.Seats, t.K = uint16(s.committee.All()), s.committee.K
	}
	for _, v := range s.votes {
		switch {
		case v.Ballot != Undecided:
			t.Counts[v.Ballot-Valid]++
		case v.Committed:
			t.Counts[countUnrevealed]++
		}
	}
	return t
}

// Encode returns the layout of docs/formats/job.md.
func (s *Settlement) Encode() []byte {
	b := canon.NewRecord(settlementType).U8(uint8(s.Verdict)).U8(uint8(s.Reason)).U8(uint8(s.Finding.Verdict)).U8(uint8(s.Finding.Reason))
	b.Var8([]byte(s.Asset)).U64(s.Policy).U64(s.Judged).U64(s.Epoch).U16(s.Seats).U16(s.K)
	for _, c := range s.Counts {
		b.U16(c)
	}
	b.U64(uint64(s.Refund)).U64(uint64(s.Returned)).U16(uint16(len(s.Lines)))
	for i := range s.Lines {
		l := &s.Lines[i]
		b.U8(uint8(l.Role)).U8(uint8(l.Fate)).U8(uint8(l.From)).Fixed(l.Who[:]).Fixed(l.Payee[:]).U64(uint64(l.Amount))
	}
	return b.Bytes()
}

// DecodeSettlement reads a stored settlement. Errors: fault.Malformed,
// fault.TrailingData.
func DecodeSettlement(data []byte) (*Settlement, error) {
	b := canon.OpenRecord(data, settlementType)
	s := &Settlement{Verdict: Verdict(b.U8()), Reason: Reason(b.U8()), Finding: Finding{Verdict(b.U8()), Reason(b.U8())}}
	s.Asset = string(b.Var8())
	s.Policy, s.Judged, s.Epoch, s.Seats, s.K = b.U64(), b.U64(), b.U64(), b.U16(), b.U16()
	for i := range s.Counts {
		s.Counts[i] = b.U16()
	}
	s.Refund, s.Returned = reward.Amount(b.U64()), reward.Amount(b.U64())
	count := int(b.U16())
	bad := s.Verdict < Valid || s.Verdict > Cancelled || s.Reason >= lastReason || !s.Finding.known() || s.Refund < 0 || s.Returned < 0
	bad = bad || count > MaxLines+MaxSeats+4
	for range min(count, MaxLines+MaxSeats+4) {
		l := Paid{Role: Role(b.U8()), Fate: Fate(b.U8()), From: Source(b.U8()), Who: readID(b), Payee: readID(b), Amount: reward.Amount(b.U64())}
		bad = bad || l.Role < ForOwner || l.Role > ForForfeit || l.Fate > Missed || l.From < FromHold || l.From > FromDeposit || l.Amount < 0
		s.Lines = append(s.Lines, l)
	}
	if err := b.Done(); err != nil {
		return nil, err
	}
	if bad {
		return nil, fault.New(fault.Malformed, "a settlement of verdict %d with %d lines", s.Verdict, count)
	}
	return s, nil
}
