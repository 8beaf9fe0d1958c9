package attest_test

import (
	"bytes"
	"testing"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// again fails when what was read is written in another way.
func again(t *testing.T, data []byte, err error, encode func() []byte) {
	t.Helper()
	if err == nil && !bytes.Equal(encode(), data) {
		t.Errorf("%x encodes as %x", data, encode())
	}
}

func FuzzDecodeJob(f *testing.F) {
	j := attest.Job{Operation: "job.mean", Asset: "usd", TEEFee: 1, Lines: []attest.Line{{Version: 1, Price: 5}, {}}}
	f.Add(j.Encode())
	f.Add([]byte{1, 0x51})
	f.Fuzz(func(t *testing.T, data []byte) {
		j, err := attest.DecodeJob(data)
		again(t, data, err, func() []byte { return j.Encode() })
	})
}

func FuzzDecodeRound(f *testing.F) {
	f.Add((&attest.Round{Phase: attest.Revealing, Deposit: 5, Finding: attest.Finding{Verdict: attest.Malicious, Reason: attest.Unlisted}}).Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := attest.DecodeRound(data)
		again(t, data, err, func() []byte { return r.Encode() })
	})
}

func FuzzDecodeEvidence(f *testing.F) {
	f.Add((&attest.Shown{Platform: attest.SGX, Digest: canon.Sum([]byte("quote")), Quote: []byte("quote")}).Encode())
	f.Add((&attest.Shown{Platform: attest.TPM}).Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := attest.DecodeShown(data)
		again(t, data, err, func() []byte { return s.Encode() })
	})
}

func FuzzDecodeLate(f *testing.F) {
	shown := attest.Shown{Platform: attest.SGX, Digest: canon.Sum([]byte("quote")), Quote: []byte("quote")}
	f.Add((&attest.Late{Payee: ledger.ID{1}, Amount: 5, Epoch: 2, Shown: &shown}).Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := attest.DecodeLate(data)
		again(t, data, err, func() []byte { return l.Encode() })
	})
}

func FuzzDecodeCommittee(f *testing.F) {
	d := attest.Drawn{
		PerMember: 2, K: 2, Organisations: []attest.Organisation{{MSP: "A"}, {MSP: "B", Withheld: true}},
		Seats: []attest.Seat{{Verifier: ledger.ID{1}}, {Verifier: ledger.ID{2}}},
	}
	f.Add(d.Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := attest.DecodeCommittee(data)
		again(t, data, err, func() []byte { return d.Encode() })
	})
}

func FuzzDecodeBallots(f *testing.F) {
	f.Add(attest.Revealed{Ballot: attest.Invalid, Salt: [32]byte{1}}.Encode())
	f.Add(append([]byte{1, 0x55}, make([]byte, 32)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := attest.DecodeRevealed(data)
		again(t, data, err, r.Encode)
		if c, err := attest.DecodeBallot(data); err == nil && !bytes.Equal(data, append([]byte{1, 0x55}, c[:]...)) {
			t.Errorf("%x is read as %x", data, c)
		}
	})
}

func FuzzDecodeSettlement(f *testing.F) {
	s := attest.Settlement{Verdict: attest.Valid, Reason: attest.BySeats, Lines: []attest.Paid{{Role: attest.ForVerifier, Fate: attest.VotedRight, From: attest.FromHold, Amount: 5}}}
	f.Add(s.Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := attest.DecodeSettlement(data)
		again(t, data, err, func() []byte { return s.Encode() })
		if err == nil {
			s.View("main-0", "x")
		}
	})
}

func FuzzDecodeStanding(f *testing.F) {
	f.Add((&attest.Standing{Score: 5, OffUntil: 7}).Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := attest.DecodeStanding(data)
		again(t, data, err, func() []byte { return s.Encode() })
	})
}
