package canon

import "encoding/binary"

// The digests of jobs (docs/formats/job.md). Each begins with a text of its own, and
// the name of the network after its length where it is bound to one.

func onNetwork(domain, network string) []byte {
	b := append(make([]byte, 0, len(domain)+1+len(network)), domain...)
	return append(append(b, byte(len(network))), network...)
}

// InputRoot is the digest of what goes into a job, in its order: inputs are the fixed
// layouts of records with their versions and commitments.
func InputRoot(inputs ...[]byte) [32]byte {
	return Sum(append([][]byte{[]byte("killick.input.v1")}, inputs...)...)
}

// GrantsRoot is the digest of the grants under which a job runs, in its order: grants are
// the fixed layouts of grants with owners and prices.
func GrantsRoot(grants ...[]byte) [32]byte {
	return Sum(append([][]byte{[]byte("killick.grants.v1")}, grants...)...)
}

// Evidence is what a quote is bound to.
type Evidence struct {
	Network  string
	Job      [32]byte // op id
	Operator [20]byte
	Input    [32]byte // InputRoot
	Output   [32]byte // SHA-256 of the output's ciphertext
	Grants   [32]byte // GrantsRoot
	Nonce    [32]byte
}

// ReportData is the first half of the report data of the evidence's quote; the other half
// is zeros.
func (e Evidence) ReportData() [32]byte {
	return Sum(onNetwork("killick.evidence.v1", e.Network), e.Job[:], e.Operator[:], e.Input[:], e.Output[:], e.Grants[:], e.Nonce[:])
}

// BallotDigest is the commitment of a verifier to a ballot.
func BallotDigest(network string, job [32]byte, verifier [20]byte, ballot byte, salt [32]byte) [32]byte {
	return Sum(onNetwork("killick.ballot.v1", network), job[:], verifier[:], []byte{ballot}, salt[:])
}

// SeatDigest decides in which order the verifiers of an organisation are drawn for a job.
func SeatDigest(network string, seed, job [32]byte, verifier [20]byte) [32]byte {
	return Sum(onNetwork("killick.seat.v1", network), seed[:], job[:], verifier[:])
}

// CandidatesDigest is that of all verifiers who could be drawn, ascending.
func CandidatesDigest(verifiers ...[20]byte) [32]byte {
	b := binary.BigEndian.AppendUint32([]byte("killick.candidates.v1"), uint32(len(verifiers)))
	for _, v := range verifiers {
		b = append(b, v[:]...)
	}
	return Sum(b)
}
