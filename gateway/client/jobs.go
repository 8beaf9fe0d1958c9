package client

import (
	"context"
	"fmt"
	"time"

	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
)

// The question and the answers about jobs.
type (
	ListJobs       = killickv1.ListJobsRequest
	JobPage        = killickv1.JobPage
	Job            = killickv1.Job
	Round          = killickv1.Round
	Bench          = killickv1.Bench
	Seat           = killickv1.Seat
	Evidence       = killickv1.Evidence
	Late           = killickv1.Late
	Settlement     = killickv1.Settlement
	SettlementLine = killickv1.SettlementLine
	Standing       = killickv1.Standing
)

// Job reads a job by its reference.
func (c *Client) Job(ctx context.Context, id string) (*Job, error) {
	v, err := c.api.GetJob(ctx, &killickv1.GetJobRequest{Id: id})
	return about(id, v, v.GetId(), err)
}

// Jobs lists jobs by consumer, operator or phase.
func (c *Client) Jobs(ctx context.Context, q *ListJobs) (*JobPage, error) {
	v, err := c.api.ListJobs(ctx, q)
	return v, refusal(err)
}

// Round reads how far a job is. With explain the committee comes with all that it takes
// to draw it again.
func (c *Client) Round(ctx context.Context, id string, explain bool) (*Round, error) {
	v, err := c.api.GetRound(ctx, &killickv1.GetRoundRequest{Id: id, Explain: explain})
	return about(id, v, v.GetId(), err)
}

// Settlement reads what became of a job.
func (c *Client) Settlement(ctx context.Context, id string) (*Settlement, error) {
	v, err := c.api.GetSettlement(ctx, &killickv1.GetSettlementRequest{Id: id})
	return about(id, v, v.GetId(), err)
}

// Standing reads how a verifier has done.
func (c *Client) Standing(ctx context.Context, did string) (*Standing, error) {
	v, err := c.api.GetStanding(ctx, &killickv1.GetStandingRequest{Did: did})
	return about(did, v, v.GetDid(), err)
}

// OutputKey returns the signer's X25519 key, to which the output of a job can be
// encrypted; it has none when the key file is from before there were such keys.
func (s Signer) OutputKey() (key []byte, ok bool) {
	own, ok := s.identity.agreementNow()
	if !ok {
		return nil, false
	}
	return own.key.PublicKey().Bytes(), true
}

// OpenJob signs the opening of a job, and sets its Expires: operators may accept it until
// so long after the operation itself has expired.
func (s Signer) OpenJob(body *ops.AttestOpen, wait time.Duration) (jws, reference string, err error) {
	now := time.Now()
	until := now.Add(Lifetime)
	body.Expires = uint64(until.Add(max(0, wait)).Unix())
	return signUntil(s, s.Algorithm(), s.network, body, "", uint64(now.Unix()), uint64(until.Unix()))
}

// AcceptJob signs the acceptance of a job with a deposit in micro-units. The time for the
// evidence runs from the checkpoint's clock on: name the newest one. It fails for a job
// that nobody can accept any more.
func (s Signer) AcceptJob(j *Job, checkpoint uint64, deposit string) (jws, reference string, err error) {
	body := &ops.AttestAccept{Job: j.GetId(), Checkpoint: checkpoint, Asset: j.GetAsset()}
	if err := body.Deposit.UnmarshalText([]byte(deposit)); err != nil {
		return "", "", fmt.Errorf("deposit: %w", err)
	}
	now := time.Now()
	until := min(uint64(now.Add(Lifetime).Unix()), j.GetExpires())
	if until <= uint64(now.Unix()) {
		return "", "", fmt.Errorf("nobody can accept the job since %s", time.Unix(int64(until), 0).UTC().Format(time.RFC3339))
	}
	return signUntil(s, s.Algorithm(), s.network, body, "", uint64(now.Unix()), until)
}
