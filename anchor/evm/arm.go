package evm

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/killick-ledger/killick/anchor/send"
)

// ErrFee is returned when a transaction would cost more than Config.MaxFee
// allows, or more than the account holds.
var ErrFee = errors.New("fee not affordable")

// MaxGas is the most gas that one transaction may use (EIP-7825).
const MaxGas = 1 << 24

var errNoKey = errors.New("the client has no key")

// Arm builds and signs an attempt. Earlier attempts give it their nonce, so that only
// one of them ever can land, and fees that nodes take as a replacement. Without any it
// takes the account's next nonce that is not in inUse: the one after those in blocks,
// since what waits in a pool may be forgotten and leave a gap that nobody fills.
func (c *Client) Arm(ctx context.Context, in send.Intent, earlier []send.Attempt, inUse []uint64) (send.Attempt, error) {
	if c.key == nil {
		return send.Attempt{}, errNoKey
	}
	old, err := c.live(ctx, in, earlier)
	if err != nil {
		return send.Attempt{}, fmt.Errorf("chain %s: arm %s: %w", c.chain, in.ID, err)
	}
	to := common.Address(in.To)
	tx := &types.DynamicFeeTx{ChainID: c.id, To: &to, Data: in.Data}
	switch {
	case len(old) > 0:
		tx.Nonce, tx.Gas = old[0].Nonce(), old[0].Gas()
	case len(earlier) > 0:
		// A fresh nonce on the word of one look could make the change happen twice.
		return send.Attempt{}, fmt.Errorf("chain %s: arm %s: the earlier attempts may have ended", c.chain, in.ID)
	default:
		if tx.Nonce, err = c.nonce(ctx, inUse); err == nil {
			tx.Gas, err = c.gas(ctx, tx)
		}
		if err != nil {
			return send.Attempt{}, fmt.Errorf("chain %s: arm %s: %w", c.chain, in.ID, err)
		}
	}
	a, err := c.finish(ctx, tx, old)
	if err != nil {
		return send.Attempt{}, fmt.Errorf("chain %s: arm %s: %w", c.chain, in.ID, err)
	}
	return a, nil
}

// live returns the transactions of the earlier attempts that may still land.
// They share a nonce. An attempt that is in a block is an error: there is nothing
// to arm while it stands.
func (c *Client) live(ctx context.Context, in send.Intent, earlier []send.Attempt) ([]*types.Transaction, error) {
	var live []*types.Transaction
	for _, a := range earlier {
		tx, from, err := c.decode(a)
		if err != nil {
			return nil, err
		}
		o, err := c.Look(ctx, a)
		if err != nil && !errors.Is(err, send.ErrAlone) {
			return nil, err
		}
		switch {
		case o.State == send.StateDead, o.State == send.StateReverted && o.Final:
			continue
		case o.State == send.StateMined, o.State == send.StateReverted:
			return nil, fmt.Errorf("transaction %s is in block %d", tx.Hash(), o.Block)
		case from != c.from:
			return nil, fmt.Errorf("transaction %s of another account may still land", tx.Hash())
		case tx.To() == nil || *tx.To() != common.Address(in.To) || string(tx.Data()) != string(in.Data):
			return nil, fmt.Errorf("transaction %s is not one of this intent", tx.Hash())
		case len(live) > 0 && live[0].Nonce() != tx.Nonce():
			return nil, fmt.Errorf("transactions %s and %s may both land", live[0].Hash(), tx.Hash())
		}
		live = append(live, tx)
	}
	return live, nil
}

// nonce returns a nonce for an intent's first attempt. Of what the nodes say the least
// counts: with a nonce that has gone the attempt only dies, with one that is too high it
// would wait for ever.
func (c *Client) nonce(ctx context.Context, inUse []uint64) (uint64, error) {
	all, err := every(ctx, c, func(ctx context.Context, n *node) (uint64, error) {
		return n.NonceAt(ctx, c.from, nil)
	})
	if len(all) == 0 {
		return 0, err
	}
	nonce := slices.Min(all)
	for slices.Contains(inUse, nonce) {
		nonce++
	}
	return nonce, nil
}

// gas estimates what a transaction uses, and a quarter more, since the contract
// may have changed when it runs. A transaction that would revert is an error.
func (c *Client) gas(ctx context.Context, tx *types.DynamicFeeTx) (uint64, error) {
	type estimate struct {
		used     uint64
		reverted error // an answer: another node is not asked
	}
	e, err := first(ctx, c, func(ctx context.Context, n *node) (estimate, error) {
		used, err := n.EstimateGas(ctx, ethereum.CallMsg{From: c.from, To: tx.To, Data: tx.Data})
		if reason := revertReason(err); reason != nil {
			return estimate{reverted: reason}, nil
		}
		return estimate{used: used}, err
	})
	switch {
	case err != nil:
		return 0, fmt.Errorf("estimate gas: %w", err)
	case e.reverted != nil:
		return 0, e.reverted
	case e.used > MaxGas:
		return 0, fmt.Errorf("%d gas, and a transaction may use %d at most", e.used, MaxGas)
	}
	return min(e.used+e.used/4, MaxGas), nil
}

// finish sets the fees, above those of the transactions it is to replace, and
// signs.
func (c *Client) finish(ctx context.Context, tx *types.DynamicFeeTx, old []*types.Transaction) (send.Attempt, error) {
	head, err := first(ctx, c, func(ctx context.Context, n *node) (*block, error) {
		return n.block(ctx, rpc.LatestBlockNumber)
	})
	if err != nil {
		return send.Attempt{}, err
	}
	if head.BaseFee == nil {
		return send.Attempt{}, errors.New("the chain has no base fee: EIP-1559 is needed")
	}
	tip, err := first(ctx, c, func(ctx context.Context, n *node) (*big.Int, error) {
		return n.SuggestGasTipCap(ctx)
	})
	if err != nil {
		return send.Attempt{}, err
	}
	if err := c.setFees(tx, head.BaseFee.ToInt(), tip, old); err != nil {
		return send.Attempt{}, err
	}
	balance, err := c.Balance(ctx, c.Address())
	if err != nil {
		return send.Attempt{}, err
	}
	unsigned := types.NewTx(tx)
	if balance.Cmp(unsigned.Cost()) < 0 {
		return send.Attempt{}, fmt.Errorf("%w: up to %s wei, and account %s holds %s", ErrFee, unsigned.Cost(), c.from, balance)
	}
	// What a signer that does not answer may have made stays with it: nothing has left.
	sig, err := c.key.Sign(ctx, c.signer().Hash(unsigned))
	if err != nil {
		return send.Attempt{}, err
	}
	sig[64] -= 27
	signed, err := unsigned.WithSignature(c.signer(), sig[:])
	if err != nil {
		return send.Attempt{}, fmt.Errorf("sign: %w", err)
	}
	raw, err := signed.MarshalBinary()
	if err != nil {
		return send.Attempt{}, fmt.Errorf("encode: %w", err)
	}
	return send.Attempt{ID: signed.Hash().Bytes(), Raw: raw, Nonce: tx.Nonce, Most: signed.Cost().String(), Made: time.Now()}, nil
}

// setFees allows for a base fee twice as high as it is, which takes at least six
// full blocks, but never more than MaxFee; a base fee above MaxFee is an error,
// as the transaction would only wait.
func (c *Client) setFees(tx *types.DynamicFeeTx, base, tip *big.Int, old []*types.Transaction) error {
	least, leastTip := new(big.Int).Add(base, common.Big1), new(big.Int)
	for _, o := range old {
		least = larger(least, raised(o.GasFeeCap()))
		leastTip = larger(leastTip, raised(o.GasTipCap()))
	}
	if least.Cmp(c.maxFee) > 0 || leastTip.Cmp(c.maxFee) > 0 {
		return fmt.Errorf("%w: at least %s wei for each unit of gas, and %s are allowed", ErrFee, larger(least, leastTip), c.maxFee)
	}
	tip = larger(tip, leastTip)
	fee := new(big.Int).Add(new(big.Int).Lsh(base, 1), tip)
	tx.GasFeeCap = smaller(larger(fee, least), c.maxFee)
	tx.GasTipCap = smaller(tip, tx.GasFeeCap)
	return nil
}

// raised returns a fee that replaces another: an eighth more, rounded up, where
// nodes ask for a tenth.
func raised(fee *big.Int) *big.Int {
	more := new(big.Int).Add(fee, big.NewInt(7))
	return more.Add(more.Rsh(more, 3), fee)
}

func larger(a, b *big.Int) *big.Int {
	if a.Cmp(b) > 0 {
		return a
	}
	return b
}

func smaller(a, b *big.Int) *big.Int {
	if a.Cmp(b) < 0 {
		return a
	}
	return b
}

// Send broadcasts a.Raw to all nodes. One that takes it, or has it already, is
// enough.
func (c *Client) Send(ctx context.Context, a send.Attempt) error {
	tx, _, err := c.decode(a)
	if err != nil {
		return fmt.Errorf("chain %s: %w", c.chain, err)
	}
	took, err := every(ctx, c, func(ctx context.Context, n *node) (bool, error) {
		err := n.SendTransaction(ctx, tx)
		if err != nil && strings.Contains(strings.ToLower(err.Error()), "already known") {
			err = nil
		}
		return true, err
	})
	if len(took) > 0 {
		return nil
	}
	return err
}

// decode reads the transaction of an attempt and who sent it.
func (c *Client) decode(a send.Attempt) (*types.Transaction, common.Address, error) {
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(a.Raw); err != nil {
		return nil, common.Address{}, fmt.Errorf("attempt %x: %w", a.ID, err)
	}
	if string(tx.Hash().Bytes()) != string(a.ID) || tx.Nonce() != a.Nonce {
		return nil, common.Address{}, fmt.Errorf("attempt %x: its bytes are those of transaction %s", a.ID, tx.Hash())
	}
	from, err := types.Sender(c.signer(), tx)
	if err != nil {
		return nil, common.Address{}, fmt.Errorf("attempt %x: %w", a.ID, err)
	}
	return tx, from, nil
}
