package evm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/killick-ledger/killick/anchor/send"
)

// pollEvery is the default of Config.Poll.
const pollEvery = 200 * time.Millisecond

// Deploy creates a contract from creation code, arguments included, waits until
// it is in a block and returns its address. It is for setting up a network: two
// calls make two contracts.
func (c *Client) Deploy(ctx context.Context, code []byte) (send.Address, error) {
	a, err := c.once(ctx, nil, code)
	if err != nil {
		return send.Address{}, fmt.Errorf("chain %s: deploy: %w", c.chain, err)
	}
	return send.Address(crypto.CreateAddress(c.from, a.Nonce)), nil
}

// Transact sends calldata to a contract, waits until it is in a block and
// returns what it cost. It is for people and for setting up a network; what has
// to happen exactly once is an intent of anchor/send.
func (c *Client) Transact(ctx context.Context, to send.Address, data []byte) (send.Outcome, error) {
	address := common.Address(to)
	a, err := c.once(ctx, &address, data)
	if err != nil {
		return send.Outcome{}, fmt.Errorf("chain %s: %w", c.chain, err)
	}
	o, err := c.Look(ctx, a)
	if errors.Is(err, send.ErrAlone) {
		err = nil // that it is final is not asked for
	}
	return o, err
}

// once sends a transaction and waits until it has succeeded in a block.
func (c *Client) once(ctx context.Context, to *common.Address, data []byte) (send.Attempt, error) {
	if c.key == nil {
		return send.Attempt{}, errNoKey
	}
	tx := &types.DynamicFeeTx{ChainID: c.id, To: to, Data: data}
	var err error
	tx.Nonce, err = first(ctx, c, func(ctx context.Context, n *node) (uint64, error) {
		return n.PendingNonceAt(ctx, c.from)
	})
	if err == nil {
		tx.Gas, err = c.gas(ctx, tx)
	}
	if err != nil {
		return send.Attempt{}, err
	}
	a, err := c.finish(ctx, tx, nil)
	if err != nil {
		return send.Attempt{}, err
	}
	// A lost answer does not mean that the transaction is lost: look for it.
	sent := c.Send(ctx, a)
	ticker := time.NewTicker(c.poll)
	defer ticker.Stop()
	for {
		o, err := c.Look(ctx, a)
		switch {
		case err != nil && !errors.Is(err, send.ErrAlone):
			return a, errors.Join(sent, err)
		case o.State == send.StateMined:
			return a, nil
		case o.State == send.StateReverted:
			return a, fmt.Errorf("transaction %x failed in block %d", a.ID, o.Block)
		case o.State == send.StateUnknown && sent != nil, o.State == send.StateDead:
			return a, errors.Join(sent, fmt.Errorf("transaction %x is not on its way", a.ID))
		}
		select {
		case <-ctx.Done():
			return a, fmt.Errorf("transaction %x is not in a block: %w", a.ID, ctx.Err())
		case <-ticker.C:
		}
	}
}
