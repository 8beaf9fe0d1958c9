package main

import (
	"context"
	"fmt"
	"math/big"
	"time"
)

// aheadWithin is how long a contract may have what the own log does not reach before it
// is an alarm. Blocks come to a peer within seconds.
const aheadWithin = time.Minute

// lowFunds is what the fee account must hold where the configuration does not say: a
// twentieth of an ether, 500 TRX.
var lowFunds = map[string]int64{"evm": 5e16, "tron": 5e8}

func (c chainConfig) low() *big.Int {
	if n, ok := new(big.Int).SetString(c.LowFunds, 10); ok {
		return n
	}
	return big.NewInt(lowFunds[c.Kind])
}

// funds raises an alarm while the account that pays holds too little. When it is empty
// nothing is lost: the other members pay.
func (w *watch) funds(ctx context.Context) error {
	if !w.members().member() {
		w.alarms.set("funds on "+w.chain.cfg.ID, nil) // it pays for nothing
		return nil
	}
	held, err := w.chain.driver.funds(ctx)
	if err != nil {
		return fmt.Errorf("funds: %w", err)
	}
	w.chain.mu.Lock()
	w.chain.funds = held
	w.chain.mu.Unlock()
	var low error
	if held.Cmp(w.chain.cfg.low()) < 0 {
		low = fmt.Errorf("the fee account holds %s, less than %s: send it money", held, w.chain.cfg.low())
	}
	w.alarms.set("funds on "+w.chain.cfg.ID, low)
	return nil
}

// holding returns the own account's funds as last seen, nil before.
func (p *publicChain) holding() *big.Int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.funds
}

// anchors asks the contract whether it has a size at the final head.
func (w *watch) anchors(ctx context.Context, size uint64) (bool, error) {
	head, err := w.chain.anchored(ctx)
	return err == nil && head.Size >= size, err
}

// reaches returns an error when the contract has had a size for a while that is beyond
// the own log. Until it reaches it, nothing there can be compared.
func (w *watch) reaches(size uint64) error {
	if size <= w.log.Size() {
		w.ahead = time.Time{}
		return nil
	}
	if w.ahead.IsZero() {
		w.ahead = w.now()
	}
	if w.now().Sub(w.ahead) < aheadWithin {
		return nil
	}
	return fmt.Errorf("AnchorLog has a checkpoint of size %d, the own peer's blocks end at %d: the peer still catches up, or lost blocks, or K members signed what it does not have",
		size, w.log.Size())
}

// spending fills in what the own account has, spent and may spend.
func (a *anchor) spending(ctx context.Context, c *publicChain, v *chainView) error {
	v.Budget = c.cfg.Budget
	if held := c.holding(); held != nil {
		v.Funds = held.String()
	}
	spent, err := a.sender.Spent(ctx, c.cfg.ID, a.now())
	v.Spent = spent.String()
	return err
}
