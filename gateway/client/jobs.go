package client

import (
	"context"

	"github.com/killick-ledger/killick/gateway/api/killickv1"
)

// The answers about jobs.
type (
	Job        = killickv1.Job
	Round      = killickv1.Round
	Bench      = killickv1.Bench
	Settlement = killickv1.Settlement
	Standing   = killickv1.Standing
)

// Job reads a job by its reference.
func (c *Client) Job(ctx context.Context, id string) (*Job, error) {
	v, err := c.api.GetJob(ctx, &killickv1.GetJobRequest{Id: id})
	return about(id, v, v.GetId(), err)
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
