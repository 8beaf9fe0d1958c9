package evm

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/killick-ledger/killick/anchor/send"
)

// Look finds out what became of an attempt. It is final, or dead, only when all
// nodes that answer say so, and of several at least two; else the outcome comes with
// send.ErrAlone.
func (c *Client) Look(ctx context.Context, a send.Attempt) (send.Outcome, error) {
	tx, from, err := c.decode(a)
	if err != nil {
		return send.Outcome{}, fmt.Errorf("chain %s: %w", c.chain, err)
	}
	seen, err := every(ctx, c, func(ctx context.Context, n *node) (send.Outcome, error) {
		return n.look(ctx, tx.Hash(), from, tx.Nonce())
	})
	if len(seen) == 0 {
		return send.Outcome{}, err
	}
	if len(seen) >= c.enough() {
		return merge(c.chain, seen)
	}
	o := seen[0]
	if o.Final = false; o.State == send.StateDead {
		o.State = send.StateUnknown
	}
	return o, fmt.Errorf("%w: %w", send.ErrAlone, err)
}

// look asks one node. The finalized head is read first: what is said of it later
// can only have been true then as well.
func (n *node) look(ctx context.Context, hash common.Hash, from common.Address, nonce uint64) (send.Outcome, error) {
	final, err := n.block(ctx, rpc.FinalizedBlockNumber)
	if err != nil {
		return send.Outcome{}, err
	}
	used, err := n.NonceAt(ctx, from, final.number())
	if err != nil {
		return send.Outcome{}, fmt.Errorf("nonce at block %d: %w", final.number(), err)
	}
	receipt, err := n.receipt(ctx, hash)
	if err != nil {
		return send.Outcome{}, err
	}
	if receipt != nil {
		return outcome(receipt, final.number()), nil
	}
	if used > nonce {
		// Another transaction of this nonce is in a final block.
		return send.Outcome{State: send.StateDead}, nil
	}
	_, _, err = n.TransactionByHash(ctx, hash)
	switch {
	case errors.Is(err, ethereum.NotFound):
		return send.Outcome{State: send.StateUnknown}, nil
	case err != nil:
		return send.Outcome{}, err
	}
	// If it got into a block since we asked for its receipt, the next look has it.
	return send.Outcome{State: send.StatePending}, nil
}

// receipt returns the receipt of a transaction in the canonical chain, or nil.
func (n *node) receipt(ctx context.Context, hash common.Hash) (*types.Receipt, error) {
	r, err := n.TransactionReceipt(ctx, hash)
	if errors.Is(err, ethereum.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if r.TxHash != hash || r.BlockNumber == nil || r.EffectiveGasPrice == nil {
		return nil, fmt.Errorf("not the receipt of %s", hash)
	}
	// Some nodes keep receipts of blocks that were left.
	b, err := n.block(ctx, rpc.BlockNumber(r.BlockNumber.Int64()))
	if errors.Is(err, ethereum.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if b.Hash != r.BlockHash {
		return nil, nil
	}
	return r, nil
}

// block is what we need of a block's header. ethclient's header computes its hash
// itself, and does so wrongly when a chain's headers have newer fields.
type block struct {
	Number  *hexutil.Big `json:"number"`
	Hash    common.Hash  `json:"hash"`
	BaseFee *hexutil.Big `json:"baseFeePerGas"`
}

func (b *block) number() *big.Int { return b.Number.ToInt() }

func (n *node) block(ctx context.Context, number rpc.BlockNumber) (*block, error) {
	var b *block
	if err := n.Client.Client().CallContext(ctx, &b, "eth_getBlockByNumber", number, false); err != nil {
		return nil, fmt.Errorf("block %s: %w", number, err)
	}
	if b == nil || b.Number == nil {
		return nil, fmt.Errorf("block %s: %w", number, ethereum.NotFound)
	}
	return b, nil
}

func outcome(r *types.Receipt, final *big.Int) send.Outcome {
	o := send.Outcome{
		State:     send.StateMined,
		Final:     r.BlockNumber.Cmp(final) <= 0,
		Block:     r.BlockNumber.Uint64(),
		BlockHash: r.BlockHash.Bytes(),
		Cost:      r.GasUsed,
		Fee:       new(big.Int).Mul(r.EffectiveGasPrice, new(big.Int).SetUint64(r.GasUsed)).String(),
	}
	if r.Status != types.ReceiptStatusSuccessful {
		o.State = send.StateReverted
	}
	return o
}

// merge puts the nodes' answers together: what is in a block on one node is in a
// block, what one node knows is known. Final and dead need all of them. Nodes
// that differ about a final block are an error; nothing may be built on that.
func merge(chain string, seen []send.Outcome) (send.Outcome, error) {
	best, final := seen[0], true
	for _, o := range seen {
		if rank(o) > rank(best) {
			best = o
		}
		final = final && o.Final
	}
	for _, o := range seen {
		if best.Final && (o.State == send.StateDead || o.Final && !same(o, best)) {
			return send.Outcome{}, fmt.Errorf("chain %s: nodes contradict each other about final block %d", chain, best.Block)
		}
	}
	best.Final = final
	return best, nil
}

func same(a, b send.Outcome) bool {
	return a.State == b.State && string(a.BlockHash) == string(b.BlockHash)
}

// rank orders what nodes may say of one transaction by how much it proves. The
// least is dead: a single node that still sees a way is enough against it.
func rank(o send.Outcome) int {
	switch {
	case o.Final:
		return 4
	case o.State == send.StateMined, o.State == send.StateReverted:
		return 3
	case o.State == send.StatePending:
		return 2
	case o.State == send.StateUnknown:
		return 1
	}
	return 0
}
