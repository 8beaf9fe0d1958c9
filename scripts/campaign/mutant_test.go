package campaign_test

import (
	"context"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/sqlite/sqlitetest"
)

// mutant is a driver with a mistake, for the test of the tests.
type mutant struct {
	send.Chain
	arm   func(c send.Chain, ctx context.Context, in send.Intent, earlier []send.Attempt, inUse []uint64) (send.Attempt, error)
	look  func(send.Outcome) send.Outcome
	sent  bool // what was sent counts as done
	blind bool // nothing counts as done
	deaf  bool // to errors of the journal's commits
}

// in puts a mutant between a sender and its chain.
func (m *mutant) in(p *play) {
	p.mutate = func(c send.Chain) send.Chain {
		m.Chain = c
		return m
	}
	if commits := p.commits; m.deaf {
		p.commits = func() sqlitetest.Fault {
			if commits() == sqlitetest.None {
				return sqlitetest.None
			}
			return sqlitetest.Lie
		}
	}
}

func (m *mutant) Arm(ctx context.Context, in send.Intent, earlier []send.Attempt, inUse []uint64) (send.Attempt, error) {
	if m.arm == nil {
		return m.Chain.Arm(ctx, in, earlier, inUse)
	}
	return m.arm(m.Chain, ctx, in, earlier, inUse)
}

func (m *mutant) Look(ctx context.Context, a send.Attempt) (send.Outcome, error) {
	o, err := m.Chain.Look(ctx, a)
	if err == nil && m.look != nil {
		o = m.look(o)
	}
	return o, err
}

func (m *mutant) Holds(ctx context.Context, in send.Intent, at send.Head) (bool, error) {
	held, err := m.Chain.Holds(ctx, in, send.Latest)
	if m.sent {
		return held, err
	}
	if m.blind {
		return false, err
	}
	return m.Chain.Holds(ctx, in, at)
}

// TestMutants: a campaign that finds nothing wrong with a broken driver is worth nothing.
func TestMutants(t *testing.T) {
	for _, tt := range []struct {
		name string
		from uint64 // the first seed; each fourth one is EVM (0) or Tron (1) with payments
		make func() *mutant
		want string
	}{
		{"a fresh nonce for each attempt", 8, func() *mutant {
			return &mutant{arm: func(c send.Chain, ctx context.Context, in send.Intent, earlier []send.Attempt, inUse []uint64) (send.Attempt, error) {
				for _, a := range earlier {
					inUse = append(inUse, a.Nonce)
				}
				return c.Arm(ctx, in, nil, inUse)
			}}
		}, "two live transactions"},
		{"what no node knows is dead", 101, func() *mutant {
			return &mutant{look: func(o send.Outcome) send.Outcome {
				if o.State == send.StateUnknown {
					o.State = send.StateDead
				}
				return o
			}}
		}, "two live transactions"},
		{"in a block is final", 32, func() *mutant { return &mutant{sent: true} }, "and not on the chain"},
		{"in a block is final, checkpoints", 2, func() *mutant { return &mutant{sent: true} }, "the contract does not show it"},
		{"nothing has happened", 4, func() *mutant { return &mutant{blind: true} }, "is stopped: "},
		{"in a block is final on Tron", 97, func() *mutant { return &mutant{sent: true} }, "and not on the chain"},
		{"a commit that failed is one", 0, func() *mutant { return &mutant{deaf: true} }, "left without being in the journal"},
		{"a commit that failed is one on Tron", 1, func() *mutant { return &mutant{deaf: true} }, "left without being in the journal"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for n := range uint64(100) {
				for _, wrong := range playSchedule(t, tt.from+4*n, tt.make().in) {
					if strings.Contains(wrong, tt.want) {
						t.Logf("schedule %d: %s", tt.from+4*n, wrong)
						return
					}
				}
			}
			t.Errorf("not found: %s", tt.want)
		})
	}
}
