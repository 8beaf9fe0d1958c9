package attest

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
)

const (
	jobType = 0x51
	// MaxLines bounds the grants of a job: accepting and closing it reads all of them.
	MaxLines = 64
)

// Line is one grant of a job, as it was when the job was opened.
type Line struct {
	Grant      ledger.Reference
	Record     ledger.Reference
	Version    uint32   // of the record
	Commitment [32]byte // of that version
	Owner      ledger.ID
	Price      reward.Amount
}

// Job is what a consumer asked for, for good. All that later steps of it need of the
// consortium's policy is in Terms.
type Job struct {
	Consumer        ledger.ID
	Operation       string // of all its grants
	Asset           string
	TEEFee          reward.Amount
	VerificationFee reward.Amount
	Key             [32]byte // X25519; to this the output is encrypted
	Nonce           [32]byte
	Expires         uint32 // seconds since 1970; nobody accepts it later
	Terms           Terms
	Lines           []Line
}

// Terms are what the policy of jobs said when the job was opened. Seconds of windows are
// those that the checkpoints' clock counts.
type Terms struct {
	Version         uint64 // of the policy
	Committee       uint16 // seats wanted
	EvidenceSeconds uint32
	CommitSeconds   uint32
	RevealSeconds   uint32
	DepositSeconds  uint32 // from evidence until the deposit is given back
	Treasury        ledger.ID
	Residue         ledger.ID
	BasisPoints     uint16 // of the TEE fee, for the treasury
	Standing        Rules
}

// JobKey returns the state key of a job.
func JobKey(ref string) string { return "job/" + ref }

// Encode returns the layout of docs/formats/job.md.
func (j *Job) Encode() []byte {
	b := canon.NewRecord(jobType).Fixed(j.Consumer[:]).U64(uint64(j.TEEFee)).U64(uint64(j.VerificationFee))
	b.Fixed(j.Key[:]).Fixed(j.Nonce[:]).U32(j.Expires)
	j.Terms.append(b)
	b.Var8([]byte(j.Operation)).Var8([]byte(j.Asset)).U8(uint8(len(j.Lines)))
	for i := range j.Lines {
		l := &j.Lines[i]
		appendReference(b, l.Grant)
		appendReference(b, l.Record)
		b.U32(l.Version).Fixed(l.Commitment[:]).Fixed(l.Owner[:]).U64(uint64(l.Price))
	}
	return b.Bytes()
}

// DecodeJob reads a stored job. Errors: fault.Malformed, fault.TrailingData.
func DecodeJob(data []byte) (*Job, error) {
	b := canon.OpenRecord(data, jobType)
	j := &Job{Consumer: readID(b), TEEFee: reward.Amount(b.U64()), VerificationFee: reward.Amount(b.U64())}
	j.Key, j.Nonce, j.Expires = b.Hash(), b.Hash(), b.U32()
	j.Terms.read(b)
	j.Operation, j.Asset = string(b.Var8()), string(b.Var8())
	lines := int(b.U8())
	bad := j.TEEFee < 0 || j.VerificationFee < 0 || lines < 1 || lines > MaxLines
	for range min(lines, MaxLines) {
		l := Line{Grant: readReference(b), Record: readReference(b), Version: b.U32(), Commitment: b.Hash(), Owner: readID(b), Price: reward.Amount(b.U64())}
		bad = bad || l.Price < 0
		j.Lines = append(j.Lines, l)
	}
	if err := b.Done(); err != nil {
		return nil, err
	}
	if _, err := j.total(); bad || err != nil {
		return nil, fault.New(fault.Malformed, "a job of %d lines, or with sums above 2^63-1", lines)
	}
	return j, nil
}

func (t *Terms) append(b *canon.Record) {
	b.U64(t.Version).U16(t.Committee).U32(t.EvidenceSeconds).U32(t.CommitSeconds).U32(t.RevealSeconds).U32(t.DepositSeconds)
	b.Fixed(t.Treasury[:]).Fixed(t.Residue[:]).U16(t.BasisPoints)
	t.Standing.append(b)
}

func (t *Terms) read(b *canon.Reader) {
	t.Version, t.Committee = b.U64(), b.U16()
	t.EvidenceSeconds, t.CommitSeconds, t.RevealSeconds, t.DepositSeconds = b.U32(), b.U32(), b.U32(), b.U32()
	t.Treasury, t.Residue, t.BasisPoints = readID(b), readID(b), b.U16()
	t.Standing.read(b)
}

// prices returns the sum of what the owners are to be paid. Errors: fault.Overflow.
func (j *Job) prices() (sum reward.Amount, err error) {
	for i := range j.Lines {
		if sum, err = sum.Add(j.Lines[i].Price); err != nil {
			return 0, err
		}
	}
	return sum, nil
}

// AtStake is the smallest deposit with which the job can be accepted: what owners and
// verifiers are paid when it fails. Errors: fault.Overflow.
func (j *Job) AtStake() (reward.Amount, error) {
	sum, err := j.prices()
	if err != nil {
		return 0, err
	}
	return sum.Add(j.VerificationFee)
}

// total is what the consumer sets aside. Errors: fault.Overflow.
func (j *Job) total() (reward.Amount, error) {
	sum, err := j.AtStake()
	if err != nil {
		return 0, err
	}
	return sum.Add(j.TEEFee)
}

// InputRoot is the digest of the records that go into the job.
func (j *Job) InputRoot() [32]byte {
	inputs := make([][]byte, len(j.Lines))
	for i, l := range j.Lines {
		b := canon.NewRecord(jobType)
		appendReference(b, l.Record)
		inputs[i] = b.U32(l.Version).Fixed(l.Commitment[:]).Bytes()
	}
	return canon.InputRoot(inputs...)
}

// GrantsRoot is the digest of the grants under which the job runs.
func (j *Job) GrantsRoot() [32]byte {
	grants := make([][]byte, len(j.Lines))
	for i, l := range j.Lines {
		b := canon.NewRecord(jobType)
		appendReference(b, l.Grant)
		grants[i] = b.Fixed(l.Owner[:]).U64(uint64(l.Price)).Bytes()
	}
	return canon.GrantsRoot(grants...)
}

// ReportData is what a quote of the job's evidence has to say, given the reference of
// the job, who ran it and the SHA-256 of the output's ciphertext.
func (j *Job) ReportData(network string, ref ledger.Reference, operator ledger.ID, output [32]byte) [64]byte {
	e := canon.Evidence{
		Network: network, Job: ref.ID, Operator: operator, Input: j.InputRoot(), Output: output, Grants: j.GrantsRoot(), Nonce: j.Nonce,
	}
	half := e.ReportData()
	var data [64]byte
	copy(data[:], half[:])
	return data
}

func appendReference(b *canon.Record, r ledger.Reference) { b.U32(r.Expiry).Fixed(r.ID[:]) }

func readReference(b *canon.Reader) ledger.Reference {
	return ledger.Reference{Expiry: b.U32(), ID: b.Hash()}
}

func readID(b *canon.Reader) (id ledger.ID) {
	copy(id[:], b.Fixed(len(id)))
	return id
}

// ReadJob returns a job. Errors: fault.NotFound.
func ReadJob(tx *ledger.Tx, ref string) (*Job, error) {
	stored, err := tx.Get(JobKey(ref))
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return nil, fault.New(fault.NotFound, "no job %s", ref)
	}
	return DecodeJob(stored)
}

// checkJob takes the reference of a job. Errors: fault.InvalidValue.
func checkJob(ref string) (ledger.Reference, error) {
	r, err := ledger.ParseReference(ref)
	if err != nil {
		return r, fault.New(fault.InvalidValue, "job: %v", err)
	}
	return r, nil
}
