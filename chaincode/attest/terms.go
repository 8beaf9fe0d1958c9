package attest

import (
	"math"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
)

// termsOf returns what a job keeps of the policy in force: later changes of it are for
// later jobs. Errors: fault.Internal for a policy that its own check would refuse.
func termsOf(network string, p *govern.Policy, version uint64) (t Terms, err error) {
	small := func(n uint64) uint32 {
		if n > math.MaxUint32 {
			err = fault.New(fault.Internal, "a policy of jobs with %d", n)
		}
		return uint32(n)
	}
	t = Terms{
		Version: version, Committee: uint16(min(p.Committee, MaxSeats)), EvidenceSeconds: small(p.EvidenceSeconds),
		CommitSeconds: small(p.CommitSeconds), RevealSeconds: small(p.RevealSeconds),
		DepositSeconds: small(p.DepositSeconds), BasisPoints: uint16(min(p.TreasuryBasisPoints, 10_000)),
	}
	s := p.Standing
	t.Standing = Rules{
		Start: small(s.Start), Right: small(s.Right), Wrong: small(s.Wrong), Missed: small(s.Missed),
		OffBelow: small(s.OffBelow), MissedOff: small(s.MissedOff), LeaveSeconds: small(s.LeaveSeconds),
	}
	if err != nil {
		return t, err
	}
	if t.Treasury, err = did.ParseOn(network, p.Treasury); err != nil {
		return t, err
	}
	t.Residue, err = did.ParseOn(network, p.Residue)
	return t, err
}
