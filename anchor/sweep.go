package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

const (
	// sweepEvery is how often a member looks whether results are to be removed.
	sweepEvery = time.Minute
	// sweepTurn is how long each member waits for the one before it to remove a page.
	sweepTurn = 20 * time.Second
)

// sweeper has results of operations removed from state once they are long past.
// Which, the ledger decides; whoever asks, and how often, makes no difference. Its
// fields are memory only.
type sweeper struct {
	*anchor
	look    time.Time // when to look next
	at      string    // how far sweeping was when it last moved
	movedAt time.Time // when that was
}

func newSweeper(a *anchor) *sweeper { return &sweeper{anchor: a} }

// step sweeps when there is something to sweep and it is this member's turn.
func (s *sweeper) step(ctx context.Context) error {
	now := s.now()
	if now.Before(s.look) {
		return nil
	}
	m := s.members()
	if !m.member() {
		return nil
	}
	// Evaluated, a sweep says what it would do.
	answer, err := s.ledger.Evaluate(ctx, s.cfg.Organisation, "ops:Sweep")
	if overtaken(err) {
		s.look, s.at = now.Add(sweepEvery), ""
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask what to sweep: %w", err)
	}
	var due struct {
		Hour    uint64 `json:"hour"`
		Removed int    `json:"removed"`
	}
	if err := json.Unmarshal(answer, &due); err != nil {
		return fmt.Errorf("answer of ops:Sweep: %w", err)
	}
	after, _, err := s.index.state(ctx, "sweep/after")
	if err != nil {
		return err
	}
	if at := fmt.Sprintf("%d %d %x", due.Hour, due.Removed, after); at != s.at {
		s.at, s.movedAt = at, now
	}
	if now.Before(s.movedAt.Add(m.rank(due.Hour) * sweepTurn)) {
		return nil
	}
	return s.sweep(ctx)
}

// sweep removes page after page until nothing is due.
func (s *sweeper) sweep(ctx context.Context) error {
	for {
		if _, err := s.execute(ctx, "ops:Sweep", nil); overtaken(err) {
			return nil // nothing is left, or somebody else sweeps
		} else if err != nil {
			return err
		}
	}
}
