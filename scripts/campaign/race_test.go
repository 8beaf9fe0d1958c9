package campaign_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/killick-ledger/killick/anchor/evm"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/signer/signertest"
)

// racer is one organisation's sender with an account and a journal of its own.
func (g *evmGround) racer(name, key string) *send.Sender {
	c, err := evm.Dial(context.Background(), evm.Config{Chain: evmChain, URLs: []string{g.n.URL()}, Key: signertest.Key(keyOf(key))})
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(c.Close)
	return racing(g, name, c)
}

func (g *tronGround) racer(name, key string) *send.Sender {
	c := g.client(key)
	g.t.Cleanup(c.Close)
	return racing(g, name, c)
}

func racing(g ground, name string, c send.Chain) *send.Sender {
	t := g.ledger().t
	s, err := send.Open(filepath.Join(t.TempDir(), name), map[string]send.Chain{g.id(): c}, send.Config{
		Policy: policy, Now: g.now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestRace: several anchors want the same checkpoint on the chain. Who comes while
// nothing is in a block yet pays for one transaction; once one has landed, nobody signs
// or bumps any more, a reorganisation or not, and all call it done. Two of them use one
// key, as by mistake.
func TestRace(t *testing.T) {
	t.Parallel()
	type field interface {
		ground
		racer(name, key string) *send.Sender
	}
	for name, g := range map[string]field{"evm": newEVM(t, 1), "tron": newTron(t, false)} {
		for early := 1; early <= 4; early++ {
			t.Run(fmt.Sprintf("%s, %d of 5 at once", name, early), func(t *testing.T) {
				in := checkpoint(g, 1)
				var all []*send.Sender
				for i, key := range []string{"ours", "two", "ours", "two", "two"} {
					s := g.racer(fmt.Sprintf("%d.%d", early, i), key)
					if err := s.Plan(t.Context(), g.id(), in); err != nil {
						t.Fatal(err)
					}
					all = append(all, s)
				}
				step := func(some []*send.Sender) {
					for _, s := range some {
						if err := s.Step(t.Context()); err != nil {
							t.Fatal(err)
						}
					}
				}
				step(all[:early])
				g.block(true)
				step(all)
				g.reorg("moved", 1)
				g.pass(policy.Bump) // time to bump, if one was waiting
				for range 40 {
					g.block(true)
					step(all)
				}
				for i, s := range all {
					st, err := s.Status(t.Context(), in.ID)
					if err != nil || !st.Phase.Done() {
						t.Errorf("sender %d: %s, %v", i, st.Phase, err)
					}
					if i < early && len(st.Tries) > 1 || i >= early && len(st.Tries) > 0 {
						t.Errorf("sender %d signed %d transactions", i, len(st.Tries))
					}
				}
				if g.head().Size != sizeOf(in) {
					t.Errorf("AnchorLog has size %d", g.head().Size)
				}
				g.ledger().turn(g.landed())
			})
		}
	}
}
