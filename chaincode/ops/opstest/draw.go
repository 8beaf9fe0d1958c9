package opstest

import (
	"fmt"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Chain is a member's chain for draws, with its elements.
type Chain struct {
	By       Member
	From     uint64
	elements [][32]byte
	tip      [32]byte
}

// NewChain returns the chain that a member makes from a name.
func (w *World) NewChain(by Member, from, length uint64, name string) *Chain {
	c := &Chain{By: by, From: from, elements: make([][32]byte, length)}
	e := [32]byte(Seed(name + " " + by.MSP))
	for i := len(c.elements) - 1; i >= 0; i-- {
		c.elements[i] = e
		e = canon.ChainWalk(w.Name, by.MSP, e, 1)
	}
	c.tip = e
	return c
}

// Value is the chain as it is proposed.
func (c *Chain) Value() govern.Chain {
	return govern.Chain{From: c.From, Length: uint64(len(c.elements)), Tip: canon.Hex(c.tip[:])}
}

// Element returns the element of a draw.
func (c *Chain) Element(draw uint64) [32]byte { return c.elements[draw-c.From] }

// Register has the members decide on a chain.
func (w *World) Register(c *Chain) {
	w.t.Helper()
	w.Decide("chain/"+c.By.MSP, w.JSON(c.Value()))
}

// RegisterAll registers a chain of each member for draws from one on that is far enough
// ahead, and returns them in the order of members.
func (w *World) RegisterAll(length uint64) []*Chain {
	w.t.Helper()
	if w.Clock() == 0 {
		w.Checkpoint(1, w.Now)
	}
	var chains []*Chain
	for _, m := range w.Members {
		c := w.NewChain(m, w.Head().Number+govern.Reach+1, length, "chain")
		w.Register(c)
		chains = append(chains, c)
	}
	return chains
}

// Publish has a member publish its element of a draw.
func (w *World) Publish(c *Chain, draw uint64) error {
	e := c.Element(draw)
	_, err := w.Invoke(c.By.Caller(), "checkpoint:Element", checkpoint.Publish{Draw: draw, Element: canon.Hex(e[:])})
	return err
}

// Await has a round wait for a draw, as operations do.
func (w *World) Await(draw uint64) {
	w.t.Helper()
	err := w.Run(func(tx *ledger.Tx, _ *govern.Network) error { return checkpoint.Await(tx, draw) })
	if err != nil {
		w.t.Fatal(fmt.Errorf("await: %w", err))
	}
}
