package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
	mem "github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// sends counts what an anchor has its peers endorse.
type sends struct {
	*fakeMember
	sent []string
}

func (s *sends) Execute(ctx context.Context, function string, args ...[]byte) ([]byte, error) {
	s.sent = append(s.sent, function)
	return s.fakeMember.Execute(ctx, function, args...)
}

// An anchor that makes its index anew passes through all that was open once: it sends
// nothing for what is long over.
func TestRoundsOfLongAgo(t *testing.T) {
	t.Parallel()
	r := newRoundsWorld(t)
	var heights []int
	var job mem.Reference
	r.act(func(j *opstest.Jobs) { job = j.Open("one"); j.Accept(job) })
	heights = append(heights, len(r.blocks))
	r.act(func(j *opstest.Jobs) { j.Show(job) })
	heights = append(heights, len(r.blocks))
	r.vote(job, attest.Valid)
	heights = append(heights, len(r.blocks))
	r.until("closed", 10*time.Minute, func() bool { return r.phase(job) == "closed" })
	heights = append(heights, len(r.blocks))
	r.settled(job, "valid", "agreed")

	m := r.members[1]
	m.stop()
	m.forget()
	m.start()
	counted := &sends{fakeMember: m}
	m.ledger = counted
	for _, height := range heights {
		m.height = height
		for range len(r.members) {
			r.now = r.now.Truncate(time.Second).Add(roundTurn)
			m.step()
		}
		if open, err := m.index.openJobs(t.Context()); err != nil || len(open) != 1 && height != heights[3] {
			t.Fatalf("with %d blocks: %v, %v", height, open, err)
		}
	}
	for _, function := range counted.sent {
		if strings.HasPrefix(function, "attest:") || strings.HasPrefix(function, "reward:") || function == "checkpoint:Draw" {
			t.Errorf("sends %s", function)
		}
	}
}
