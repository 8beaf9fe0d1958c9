package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
)

const (
	// decidedEvery is how often a member looks for proposals that can be enacted.
	decidedEvery = 5 * time.Second
	// decidedTurn is how long each member waits for the one before it to enact one.
	decidedTurn = 5 * time.Second
)

// decided has proposals enacted that K members have approved and whose time has
// come. The ledger decides which; whoever asks makes no difference. Its fields are
// memory only.
type decided struct {
	*anchor
	look  time.Time
	since map[string]time.Time // when a proposal was first seen to be ready
}

func newDecided(a *anchor) *decided { return &decided{anchor: a, since: map[string]time.Time{}} }

// step enacts what is ready when it is this member's turn.
func (d *decided) step(ctx context.Context) error {
	now := d.now()
	if now.Before(d.look) {
		return nil
	}
	m := d.members()
	if !m.member() {
		return nil
	}
	ready, err := d.ready(ctx)
	if err != nil {
		return err
	}
	since := map[string]time.Time{}
	for _, p := range ready {
		first, ok := d.since[p.Reference]
		if !ok {
			first = now
		}
		since[p.Reference] = first
	}
	d.since = since // those that are no longer ready are forgotten
	var errs []error
	for _, p := range ready {
		if !now.Before(since[p.Reference].Add(m.rank(p.At) * decidedTurn)) {
			errs = append(errs, d.enact(ctx, m, p))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err // the alarm lasts, since the next step looks again
	}
	d.look = now.Add(decidedEvery)
	return nil
}

// ready returns the proposals that can be enacted now.
func (d *decided) ready(ctx context.Context) ([]govern.ProposalView, error) {
	var ready []govern.ProposalView
	for after := ""; ; {
		question, err := canon.Marshal(govern.ProposalsQuery{After: after})
		if err != nil {
			return nil, err
		}
		answer, err := d.ledger.Evaluate(ctx, d.cfg.Organisation, "govern:Proposals", question)
		if err != nil {
			return nil, fmt.Errorf("ask for proposals: %w", err)
		}
		var page []govern.ProposalView
		if err := json.Unmarshal(answer, &page); err != nil {
			return nil, fmt.Errorf("answer of govern:Proposals: %w", err)
		}
		if len(page) == 0 {
			return ready, nil
		}
		for _, p := range page {
			if p.Status == govern.Ready {
				ready = append(ready, p)
			}
		}
		after = page[len(page)-1].Reference
	}
}

// enact puts a proposal in force. That it was decided otherwise meanwhile is no
// error.
func (d *decided) enact(ctx context.Context, m *roster, p govern.ProposalView) error {
	approvals := govern.Quorum(p.Approvals, m.k(), m.index)
	_, err := d.execute(ctx, "govern:Enact", govern.Enact{Proposal: p.Reference, Approvals: approvals})
	switch code := refusal(err); {
	case err == nil:
		slog.Info("proposal enacted", "proposal", p.Reference)
	case overtaken(err), code == fault.Closed, code == fault.StalePrior, code == fault.NoQuorum:
		slog.Info("proposal is no longer to be enacted", "proposal", p.Reference, "error", err)
	default:
		return err
	}
	return nil
}
