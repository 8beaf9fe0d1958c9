package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/gateway/client"
)

// Platform judges quotes of which the ledger has the digest alone.
type Platform interface {
	// Judge judges a quote that has to have the report data, as of a time in seconds since
	// 1970, and says why. The ballot is attest.Undecided when it cannot tell; an error is its
	// own trouble.
	Judge(quote []byte, report [64]byte, operation string, now uint64) (ballot attest.Verdict, reason string, err error)
}

// judgement is what the node thinks of evidence.
type judgement struct {
	ballot attest.Verdict
	reason string
}

// Reasons beside those of docs/formats/job.md.
const (
	outputDiffers   = "output_differs"   // the operator delivers other bytes than the evidence names
	outputMissing   = "output_missing"   // it says that it has none
	evidenceDiffers = "evidence_differs" // it hands out another quote than it showed
	evidenceMissing = "evidence_missing"
)

// judge judges the evidence of a round. With near the commitments end soon, and what the
// operator itself withholds counts against it. An error means that the node cannot tell:
// it has no vote then, and never a good one.
func (n *Node) judge(ctx context.Context, r *client.Round, near bool) (*judgement, error) {
	if r.GetRival() != nil {
		return &judgement{attest.Malicious, attest.TwoOutputs.String()}, nil
	}
	j, err := n.readJob(ctx, r.GetId())
	if err != nil {
		return nil, err
	}
	report, err := n.report(j, r)
	if err != nil {
		return nil, err
	}
	from, err := n.endpoint(ctx, r.GetOperator())
	if err != nil {
		return nil, err
	}
	ballot, bad, err := n.quote(ctx, j, r, from, report)
	switch {
	case err != nil && bad != "" && near:
		return &judgement{attest.Invalid, bad}, nil
	case err != nil:
		return nil, err
	case ballot == attest.Undecided:
		return nil, fmt.Errorf("the quote cannot be judged: %s", bad)
	case ballot != attest.Valid:
		return &judgement{ballot, bad}, nil
	}
	sum, err := n.operator.output(ctx, from, r.GetId())
	bad = ""
	var m *missing
	switch {
	case errors.As(err, &m):
		bad = outputMissing
	case err != nil:
		return nil, fmt.Errorf("fetch output: %w", err)
	case canon.Hex(sum[:]) != r.GetEvidence().GetOutput():
		bad, err = outputDiffers, fmt.Errorf("the operator delivers an output with SHA-256 %x, the evidence has %s", sum, r.GetEvidence().GetOutput())
	}
	switch {
	case bad == "":
		return &judgement{attest.Valid, attest.NoReason.String()}, nil
	case near:
		return &judgement{attest.Invalid, bad}, nil
	}
	return nil, err
}

// quote judges the quote, and says why. With an error, the reason is what the operator
// withholds, if it is that.
func (n *Node) quote(ctx context.Context, j *client.Job, r *client.Round, from place, report [64]byte) (ballot attest.Verdict, reason string, err error) {
	e := r.GetEvidence()
	if e.GetQuote() != "" {
		f, err := judgeOnLedger(r, report)
		if err != nil {
			return attest.Undecided, "", err
		}
		return f.Verdict, f.Reason.String(), nil
	}
	platform := n.cfg.Platforms[e.GetPlatform()]
	if platform == nil {
		return attest.Undecided, "", fmt.Errorf("evidence of %s is not judged by this node", e.GetPlatform())
	}
	quote, err := n.operator.evidence(ctx, from, r.GetId())
	var m *missing
	switch {
	case errors.As(err, &m):
		return attest.Undecided, evidenceMissing, err
	case err != nil:
		return attest.Undecided, "", fmt.Errorf("fetch evidence: %w", err)
	}
	if sum := sha256.Sum256(quote); canon.Hex(sum[:]) != e.GetDigest() {
		return attest.Undecided, evidenceDiffers, fmt.Errorf("the operator hands out a quote with SHA-256 %x, it showed %s", sum, e.GetDigest())
	}
	if ballot, reason, err = platform.Judge(quote, report, j.GetOperation(), uint64(n.cfg.Now().Unix())); err != nil {
		return attest.Undecided, "", err
	}
	return ballot, reason, nil
}

// judgeOnLedger judges a quote that the ledger has, by what the ledger judges it by.
func judgeOnLedger(r *client.Round, report [64]byte) (attest.Finding, error) {
	e := r.GetEvidence()
	quote, err := canon.UnB64(e.GetQuote())
	if err != nil {
		return attest.Finding{}, fmt.Errorf("quote: %w", err)
	}
	sum := sha256.Sum256(quote)
	// The ledger takes no quote that cannot be read or is bound to something else: these are
	// no faults of the operator, but of who tells of it.
	q, err := tee.Read(quote)
	if err != nil || canon.Hex(sum[:]) != e.GetDigest() || q.ReportData != report {
		return attest.Finding{}, errors.New("the gateways tell of a quote that the ledger cannot have for this job")
	}
	return found(r, quote)
}

// found is what chaincode finds of a quote by the basis of a round.
func found(r *client.Round, quote []byte) (attest.Finding, error) {
	b := r.GetBasis()
	if b == nil {
		return attest.Finding{}, errors.New("the gateways do not say by what the quote is judged")
	}
	view := &attest.BasisView{Time: b.GetTime(), Roots: b.GetRoots(), Statuses: b.GetStatuses(), MinEvaluation: b.GetMinEvaluation(), Collateral: b.GetCollateral()}
	for _, m := range b.GetMeasurements() {
		view.Measurements = append(view.Measurements, attest.MeasurementView{Platform: m.GetPlatform(), Measurement: m.GetMeasurement()})
	}
	return view.Judge(quote)
}

// report is the report data of a quote that is bound to the job and its output.
func (n *Node) report(j *client.Job, r *client.Round) (data [64]byte, err error) {
	job, err := ops.ParseReference(j.GetId())
	if err != nil {
		return data, err
	}
	e := canon.Evidence{Network: n.cfg.Network, Job: job.ID}
	if e.Operator, err = did.ParseOn(n.cfg.Network, r.GetOperator()); err != nil {
		return data, fmt.Errorf("operator: %w", err)
	}
	for text, into := range map[*[32]byte]string{
		&e.Input: j.GetInputRoot(), &e.Output: r.GetEvidence().GetOutput(), &e.Grants: j.GetGrantsRoot(), &e.Nonce: j.GetNonce(),
	} {
		if *text, err = canon.UnHex32(into); err != nil {
			return data, err
		}
	}
	sum := e.ReportData()
	copy(data[:], sum[:])
	return data, nil
}
