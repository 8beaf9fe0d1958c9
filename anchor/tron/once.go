package tron

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"

	"github.com/killick-ledger/killick/anchor/send"
)

// pollEvery is the default of Config.Poll.
const pollEvery = 200 * time.Millisecond

// creatorEnergy is a contract's origin_energy_limit: the energy that its owner
// would pay of a caller's. The owner pays none, for callers pay 100 percent, but
// Tron wants a positive number.
const creatorEnergy = 10_000_000

// Deploy creates a contract from creation code, arguments included, waits until
// it is solidified and returns its address. It is for setting up a network: two
// calls make two contracts.
func (c *Client) Deploy(ctx context.Context, code []byte) (send.Address, error) {
	trial, err := c.wallet.TriggerConstantContract(ctx, &core.TriggerSmartContract{OwnerAddress: wire(c.from), Data: code})
	if err != nil {
		return send.Address{}, fmt.Errorf("chain %s: estimate deployment: %w", c.id, err)
	}
	a, err := c.build(ctx, &core.CreateSmartContract{
		OwnerAddress: wire(c.from),
		NewContract: &core.SmartContract{
			OriginAddress: wire(c.from), Bytecode: code,
			ConsumeUserResourcePercent: 100, OriginEnergyLimit: creatorEnergy,
		},
	}, core.Transaction_Contract_CreateSmartContract, trial)
	if err != nil {
		return send.Address{}, fmt.Errorf("chain %s: deploy: %w", c.id, err)
	}
	if _, err = c.once(ctx, a, func(o send.Outcome) bool { return o.Final }); err != nil {
		return send.Address{}, fmt.Errorf("chain %s: deploy: %w", c.id, err)
	}
	return send.Address(crypto.Keccak256(a.ID, wire(c.from))[12:]), nil
}

// Transact sends calldata to a contract, waits until it is in a block and
// returns what it cost. It is for people and for setting up a network; what has
// to happen exactly once is an intent of anchor/send.
func (c *Client) Transact(ctx context.Context, to send.Address, data []byte) (send.Outcome, error) {
	a, err := c.Arm(ctx, send.Intent{To: to, Data: data}, nil, nil)
	if err != nil {
		return send.Outcome{}, fmt.Errorf("chain %s: %w", c.id, err)
	}
	o, err := c.once(ctx, a, func(send.Outcome) bool { return true })
	if err != nil {
		return o, fmt.Errorf("chain %s: %w", c.id, err)
	}
	return o, nil
}

// once sends an attempt and waits until it has succeeded in a block that is
// enough.
func (c *Client) once(ctx context.Context, a send.Attempt, enough func(send.Outcome) bool) (send.Outcome, error) {
	// A lost answer does not mean that the transaction is lost: look for it.
	sent := c.Send(ctx, a)
	tick := time.NewTicker(c.cfg.Poll)
	defer tick.Stop()
	for {
		o, err := c.Look(ctx, a)
		switch {
		case err != nil && !errors.Is(err, send.ErrAlone):
			return o, errors.Join(sent, err)
		case o.State == send.StateMined && enough(o):
			return o, nil
		case o.State == send.StateReverted:
			return o, fmt.Errorf("transaction %x failed in block %d, fee %s sun", a.ID, o.Block, o.Fee)
		case o.State == send.StateUnknown && sent != nil, o.State == send.StateDead:
			return o, errors.Join(sent, fmt.Errorf("transaction %x is not on its way", a.ID))
		}
		select {
		case <-ctx.Done():
			return o, fmt.Errorf("transaction %x is not there yet: %w", a.ID, errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}
