package client

import (
	"context"
	"crypto/ecdh"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/gateway/sealed"
)

// Assigned is a job that an operator has accepted, as a gateway shows it.
type Assigned struct {
	ID       string
	Phase    string
	Operator string // DID
	Job      *attest.Job
	Task     *sealed.Task
	Evidence *Evidence // nil before there is any
}

// Assigned reads a job and who has accepted it. The roots of the task are computed here,
// from the job's lines. Errors: fault.WrongPhase when nobody has accepted it.
func (c *Client) Assigned(ctx context.Context, network, id string) (*Assigned, error) {
	j, err := c.Job(ctx, id)
	if err != nil {
		return nil, err
	}
	r, err := c.Round(ctx, id, false)
	if err != nil {
		return nil, err
	}
	return AssignedOf(network, j, r)
}

// AssignedOf puts a job and its round together. Errors: fault.WrongPhase when nobody has
// accepted it.
func AssignedOf(network string, j *Job, r *Round) (*Assigned, error) {
	if r.GetOperator() == "" {
		return nil, fault.New(fault.WrongPhase, "nobody has accepted the job, it is %s", r.GetPhase())
	}
	a := &Assigned{ID: j.GetId(), Phase: r.GetPhase(), Operator: r.GetOperator(), Evidence: r.GetEvidence()}
	var err error
	if a.Job, err = ParseJob(network, j); err != nil {
		return nil, err
	}
	ref, err := ledger.ParseReference(j.GetId())
	if err != nil {
		return nil, err
	}
	accepted, err := ledger.ParseReference(r.GetAccepted())
	if err != nil {
		return nil, fmt.Errorf("acceptance: %w", err)
	}
	operator, err := did.ParseOn(network, r.GetOperator())
	if err != nil {
		return nil, fmt.Errorf("operator: %w", err)
	}
	a.Task = &sealed.Task{
		Network: network, Job: ref, Operator: operator, Accepted: accepted, Operation: a.Job.Operation, Output: a.Job.Key, Nonce: a.Job.Nonce,
		Input: a.Job.InputRoot(), Grants: a.Job.GrantsRoot(),
	}
	return a, nil
}

// ParseJob reads a job as gateways show it, without the terms that it copied from the
// policy. Errors: what is no job's, in words.
func ParseJob(network string, v *Job) (*attest.Job, error) {
	j := &attest.Job{Operation: v.GetOperation(), Asset: v.GetAsset(), Expires: uint32(min(v.GetExpires(), 1<<32-1))}
	var errs []error
	hash := func(name, text string) (h [32]byte) {
		h, err := canon.UnHex32(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		return h
	}
	reference := func(name, text string) ledger.Reference {
		r, err := ledger.ParseReference(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		return r
	}
	id := func(name, text string) ledger.ID {
		id, err := did.ParseOn(network, text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		return id
	}
	j.Consumer, j.Key, j.Nonce = id("consumer", v.GetConsumer()), hash("key", v.GetKey()), hash("nonce", v.GetNonce())
	errs = append(errs, j.TEEFee.UnmarshalText([]byte(v.GetTeeFee())), j.VerificationFee.UnmarshalText([]byte(v.GetVerificationFee())))
	for _, l := range v.GetLines() {
		line := attest.Line{
			Grant: reference("grant", l.GetGrant()), Record: reference("record", l.GetRecord()), Version: l.GetVersion(),
			Commitment: hash("commitment", l.GetCommitment()), Owner: id("owner", l.GetOwner()),
		}
		errs = append(errs, line.Price.UnmarshalText([]byte(l.GetPrice())))
		j.Lines = append(j.Lines, line)
	}
	if len(j.Operation) > 255 || len(j.Lines) < 1 || len(j.Lines) > attest.MaxLines {
		errs = append(errs, fmt.Errorf("operation %.40q with %d lines", j.Operation, len(j.Lines)))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("the gateway's answer about the job: %w", err)
	}
	return j, nil
}

// EnclaveKey is a key that is in an enclave which the members have listed, for one job.
// Make it with Assigned.Appraise.
type EnclaveKey struct {
	task *sealed.Task
	key  [32]byte
}

// Appraise says whether the key that an operator shows is in an enclave that may do the
// job: the quote is genuine, of a listed program on a platform that is current enough, and
// binds the key to this job as the ledger has it, in this operator's hands. now is the
// caller's own time. Errors: fault.WrongPhase, fault.EvidenceUnbound, *tee.Refusal,
// fault.CollateralMissing when nothing is listed by which it could be judged.
func (a *Assigned) Appraise(k *QuotedKey, trust *Trust, now time.Time) (*EnclaveKey, error) {
	if a.Phase != "accepted" {
		return nil, fault.New(fault.WrongPhase, "the job is %s: data goes into an enclave while a job is accepted and has no evidence", a.Phase)
	}
	key, err := canon.UnHex32(k.Key)
	if err != nil {
		return nil, fmt.Errorf("key of the operator: %w", err)
	}
	quote, err := canon.UnB64(k.Quote)
	if err != nil {
		return nil, fmt.Errorf("quote of the key: %w", err)
	}
	encoded, err := canon.UnB64(k.Collateral)
	if err != nil {
		return nil, fmt.Errorf("collateral of the key: %w", err)
	}
	collateral, err := tee.DecodeCollateral(encoded)
	if err != nil {
		return nil, fmt.Errorf("collateral of the key: %w", err)
	}
	roots, policy, err := trust.forOperation(a.Job.Operation)
	if err != nil {
		return nil, err
	}
	r, err := tee.Appraise(quote, collateral, roots, uint64(now.Unix()), policy)
	if err != nil {
		return nil, fmt.Errorf("quote of the key: %w", err)
	}
	if r.ReportData != a.Task.ReportData(key) {
		return nil, fault.New(fault.EvidenceUnbound, "the quote binds another key, or another job than the ledger has")
	}
	return &EnclaveKey{a.Task, key}, nil
}

// Seal seals a record to the key: nobody but the enclave opens it.
func (k *EnclaveKey) Seal(line *attest.Line, r *sealed.Record) ([]byte, error) {
	if r.Commitment() != line.Commitment {
		return nil, fmt.Errorf("record %s: the content is not what version %d commits to", line.Record, line.Version)
	}
	return r.Seal(k.task, k.key, line.Record, line.Version)
}

// LinesOf returns the lines of a job that are an owner's.
func (a *Assigned) LinesOf(owner string) ([]*attest.Line, error) {
	id, err := did.ParseOn(a.Task.Network, owner)
	if err != nil {
		return nil, err
	}
	var lines []*attest.Line
	for i := range a.Job.Lines {
		if a.Job.Lines[i].Owner == id {
			lines = append(lines, &a.Job.Lines[i])
		}
	}
	return lines, nil
}

// CheckOutput says whether a ciphertext is the output that the job's evidence binds.
// Errors: fault.NotFound before there is evidence, fault.BadProof.
func (a *Assigned) CheckOutput(data []byte) error {
	if a.Evidence == nil {
		return fault.New(fault.NotFound, "the job has no evidence")
	}
	if sum := canon.Sum(data); canon.Hex(sum[:]) != a.Evidence.GetOutput() {
		return fault.New(fault.BadProof, "what the operator delivers is not the output that its evidence binds")
	}
	return nil
}

// OpenOutput opens the output of a job with the signer's keys. The ciphertext was
// compared with the evidence, by CheckOutput. Errors: sealed.ErrNotOpened.
func (s Signer) OpenOutput(t *sealed.Task, data []byte) ([]byte, error) {
	for _, k := range slices.Backward(s.identity.agreement) {
		plain, err := sealed.OpenOutput(t, k.key, data)
		if !errors.Is(err, sealed.ErrNotOpened) {
			return plain, err
		}
	}
	return nil, sealed.ErrNotOpened
}

// OpenOutputWith is OpenOutput with an X25519 key of the caller's own.
func OpenOutputWith(t *sealed.Task, key *ecdh.PrivateKey, data []byte) ([]byte, error) {
	return sealed.OpenOutput(t, key, data)
}
