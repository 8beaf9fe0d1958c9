package client

import (
	"context"
	"fmt"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/sealed"
)

// Release is how an owner lets its records into the enclave that does a job.
type Release struct {
	Enclave *Enclave // the service of the operator who accepted the job
	Trust   *Trust   // what the enclave is judged by
	// Contributors is of how few owners a result may tell at least (0: 2); a job whose order
	// asks for fewer is refused, and one whose order the operator does not show.
	Contributors int
	// Content returns content and salt of a line's record. nil: the private contents that
	// the members keep.
	Content func(ctx context.Context, line *attest.Line) (salt [32]byte, content []byte, err error)
}

// Released is what was let in.
type Released struct {
	Parameters string   // of the job, in JCS; empty when it has none
	Records    []string // references
}

// Release lets the signer's records of an accepted job into its enclave: it reads with
// which parameters the job is done, appraises the quote of the enclave's key, and only then
// seals each record to that key and brings it to the operator. Again it is harmless.
// Errors: fault.NotParty when no record is the signer's, fault.BadProof for an order that is
// not the job's, fault.NotFound for one that is not shown, those of Assigned.Appraise and of Content, *Error.
func (c *Client) Release(ctx context.Context, s Signer, job *Assigned, r Release) (*Released, error) {
	lines, err := job.LinesOf(s.DID())
	if err != nil {
		return nil, err
	}
	if len(lines) == 0 {
		return nil, fault.New(fault.NotParty, "the job has no record of %s", s.DID())
	}
	done := new(Released)
	if done.Parameters, err = r.parameters(ctx, job); err != nil {
		return nil, err
	}
	quoted, err := r.Enclave.Key(ctx, job.ID)
	if err != nil {
		return nil, err
	}
	key, err := job.Appraise(quoted, r.Trust, time.Now())
	if err != nil {
		return nil, err
	}
	for _, line := range lines {
		record, err := c.recordOf(ctx, s, line, r.Content)
		if err != nil {
			return nil, fmt.Errorf("record %s: %w", line.Record, err)
		}
		data, err := key.Seal(line, record)
		if err == nil {
			err = r.Enclave.PutRecord(ctx, job.ID, line.Record.String(), data)
		}
		if err != nil {
			return nil, err
		}
		done.Records = append(done.Records, line.Record.String())
	}
	return done, nil
}

// orderless is the operation of docs/formats/enclave.md that has no parameters.
const orderless = "job.count-by-schema"

// parameters returns those whose digest is the job's nonce. An operator could run a job
// with parameters that it does not show: only who knows that there are none does without.
func (r *Release) parameters(ctx context.Context, job *Assigned) (string, error) {
	o, err := r.Enclave.Order(ctx, job.ID)
	if fault.Of(err) == fault.NotFound && job.Job.Operation == orderless {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("order of the job: %w", err)
	}
	if o.Nonce() != job.Job.Nonce {
		return "", fault.New(fault.BadProof, "the operator shows another order than the one with which the job was opened")
	}
	least := 2.0 // what operations ask for without a word
	if v, ok := o.Parameters.Find("contributors"); ok {
		least, _ = v.(float64)
	}
	if least < float64(r.Contributors) {
		return "", fmt.Errorf("the job's result may tell of %.0f owners, %d are asked for", least, r.Contributors)
	}
	return string(o.Parameters.JCS()), nil
}

// recordOf reads what goes into the enclave for a line: schema and scope from the ledger,
// so that the enclave need not believe its host.
func (c *Client) recordOf(ctx context.Context, s Signer, line *attest.Line, content func(context.Context, *attest.Line) ([32]byte, []byte, error)) (*sealed.Record, error) {
	g, err := c.Grant(ctx, line.Grant.String())
	if err != nil {
		return nil, err
	}
	v, err := c.Record(ctx, line.Record.String())
	if err != nil {
		return nil, err
	}
	r := &sealed.Record{Schema: v.GetSchema(), Scope: g.GetScope()}
	if content != nil {
		r.Salt, r.Content, err = content(ctx, line)
		return r, err
	}
	kept, err := c.Content(ctx, s, line.Record.String())
	if err != nil {
		return nil, err
	}
	r.Salt, r.Content, err = s.Open(kept)
	return r, err
}
