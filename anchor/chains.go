package main

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/killick-ledger/killick/anchor/evm"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/anchor/tron"
)

// driver is what both drivers offer beside send.Chain.
type driver interface {
	send.Chain
	send.Reader
	Address() send.Address
	Balance(ctx context.Context, account send.Address) (*big.Int, error)
	Deploy(ctx context.Context, code []byte) (send.Address, error)
	Transact(ctx context.Context, to send.Address, data []byte) (send.Outcome, error)
	Silent() error
	Close()
}

// dial connects to a chain; key pays there.
func dial(ctx context.Context, c chainConfig, key *signer.Key) (driver, error) {
	switch c.Kind {
	case "evm":
		return evm.Dial(ctx, evm.Config{Chain: c.ID, URLs: c.RPC, Key: key})
	case "tron":
		return tron.Dial(ctx, tron.Config{Chain: c.ID, GRPC: c.GRPC, Solidity: c.Solidity, Also: c.Also, Key: key})
	}
	return nil, fmt.Errorf("chain %s: unknown kind %q", c.ID, c.Kind)
}

var errClosed = errors.New("closed")

// chain is a public chain that may be down when the anchor starts: it is dialled
// when it is first needed, and again until that works.
type chain struct {
	cfg     chainConfig
	key     *signer.Key
	timeout time.Duration // of dialling, and of a call

	mu     sync.Mutex
	driver driver
	closed bool
}

var (
	_ send.Chain  = (*chain)(nil)
	_ send.Reader = (*chain)(nil)
)

// get returns the driver. A dial that hangs holds up this chain only, and not for
// long.
func (c *chain) get(ctx context.Context) (driver, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errClosed
	}
	if c.driver == nil {
		ctx, cancel := context.WithTimeout(ctx, c.timeout)
		defer cancel()
		d, err := dial(ctx, c.cfg, c.key)
		if err != nil {
			return nil, fmt.Errorf("chain %s: %w", c.cfg.ID, err)
		}
		c.driver = d
	}
	return c.driver, nil
}

func (c *chain) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.driver != nil {
		c.driver.Close()
	}
}

// ID implements send.Chain.
func (c *chain) ID() string { return c.cfg.ID }

// Holds implements send.Chain.
func (c *chain) Holds(ctx context.Context, in send.Intent, at send.Head) (bool, error) {
	d, err := c.get(ctx)
	if err != nil {
		return false, err
	}
	return d.Holds(ctx, in, at)
}

// Arm implements send.Chain.
func (c *chain) Arm(ctx context.Context, in send.Intent, earlier []send.Attempt, inUse []uint64) (send.Attempt, error) {
	d, err := c.get(ctx)
	if err != nil {
		return send.Attempt{}, err
	}
	return d.Arm(ctx, in, earlier, inUse)
}

// Send implements send.Chain.
func (c *chain) Send(ctx context.Context, a send.Attempt) error {
	d, err := c.get(ctx)
	if err != nil {
		return err
	}
	return d.Send(ctx, a)
}

// Look implements send.Chain.
func (c *chain) Look(ctx context.Context, a send.Attempt) (send.Outcome, error) {
	d, err := c.get(ctx)
	if err != nil {
		return send.Outcome{}, err
	}
	return d.Look(ctx, a)
}

// funds returns what the account that pays holds.
func (c *chain) funds(ctx context.Context) (*big.Int, error) {
	d, err := c.get(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return d.Balance(ctx, d.Address())
}

// silent names endpoints that did not answer where enough others did.
func (c *chain) silent() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.driver == nil {
		return nil
	}
	return c.driver.Silent()
}

// Call implements send.Reader.
func (c *chain) Call(ctx context.Context, to send.Address, data []byte, at send.Head) ([]byte, error) {
	d, err := c.get(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return d.Call(ctx, to, data, at)
}
