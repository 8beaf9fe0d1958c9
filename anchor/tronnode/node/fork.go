package node

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"

	"github.com/killick-ledger/killick/anchor/tronnode/tvm"
)

// branch is a block of the file that the chain has left, or not yet joined.
type branch struct {
	number uint64
	parent common.Hash
	record int
}

// accept takes a block of the file as a node takes one from the network: on the
// head it extends the chain, elsewhere it waits on a side chain, and a side chain
// that has become longer becomes the chain.
func (c *Chain) accept(block *core.Block, record int) error {
	raw := block.GetBlockHeader().GetRawData()
	parent := common.BytesToHash(raw.GetParentHash())
	if parent == c.blocks[c.height()].id {
		return c.replay(block, record)
	}
	c.side[blockID(raw)] = branch{uint64(raw.GetNumber()), parent, record}
	if uint64(raw.GetNumber()) <= c.height() {
		return nil
	}
	var records []int // from the tip down
	at := blockID(raw)
	for {
		b, ok := c.side[at]
		if !ok {
			return errors.New("follows no block before it")
		}
		records = append(records, b.record)
		delete(c.side, at)
		if at = b.parent; c.has(b.number-1, at) {
			break
		}
	}
	if _, err := c.rewind(uint64(raw.GetNumber()) - uint64(len(records))); err != nil {
		return err
	}
	for i := len(records) - 1; i >= 0; i-- {
		b, err := c.readRecord(records[i])
		if err != nil {
			return err
		}
		if err := c.replay(b, records[i]); err != nil {
			return err
		}
	}
	return nil
}

// has reports whether the chain has a block.
func (c *Chain) has(number uint64, id common.Hash) bool {
	return number <= c.height() && c.blocks[number].id == id
}

// rewind makes block number the head again and returns the transactions of the
// blocks above it, oldest first. Their places, outcomes and logs are forgotten.
// The state of the caller's pending transactions is stale until reset.
func (c *Chain) rewind(number uint64) ([]*transaction, error) {
	if number < c.solid || number > c.height() {
		return nil, fmt.Errorf("cannot go back to block %d: the solidified one is %d, the head %d", number, c.solid, c.height())
	}
	var popped []*transaction
	for n := number + 1; n <= c.height(); n++ {
		block, err := c.readBlock(n)
		if err != nil {
			return nil, err
		}
		raw := block.GetBlockHeader().GetRawData()
		c.side[c.blocks[n].id] = branch{n, common.BytesToHash(raw.GetParentHash()), c.blocks[n].record}
		for _, msg := range block.GetTransactions() {
			t, refusal := decode(msg)
			if refusal != nil {
				return nil, fmt.Errorf("decode a transaction of block %d: %w", n, refusal)
			}
			popped = append(popped, t)
			c.forget(t)
		}
		delete(c.byBlock, n)
	}
	for gone := c.height() - number; gone > 0; gone-- {
		last := len(c.roots) - 1
		if err := c.tries.Dereference(c.roots[last]); err != nil {
			return nil, fmt.Errorf("let go of state: %w", err)
		}
		c.roots = c.roots[:last]
	}
	c.blocks = c.blocks[:number+1]
	return popped, nil
}

// forget removes what a transaction of a block that is left has done.
func (c *Chain) forget(t *transaction) {
	if _, ok := t.contract.(*core.CreateSmartContract); ok {
		delete(c.deployed, tvm.NewContractAddress(t.id, t.owner))
	}
	delete(c.txs, t.id)
	delete(c.infos, t.id)
}

// Fork has a side chain overtake: above block number parent, which is not below
// the solidified one, other producers have made one block for each list of
// transactions, more of them than the chain has there. What is not valid in its
// block is left out of it. The transactions of the
// blocks that are left wait again for 60 s, behind those that waited before,
// unless the side chain has them too, or they are no longer valid on it.
func (c *Chain) Fork(parent uint64, blocks ...[]*core.Transaction) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fault != nil {
		return c.fault
	}
	if parent < c.solid || parent > c.height() || uint64(len(blocks)) <= c.height()-parent {
		return fmt.Errorf("%d blocks above block %d do not overtake: the head is %d, the solidified block %d",
			len(blocks), parent, c.height(), c.solid)
	}
	take := make([][]*transaction, len(blocks))
	for i, msgs := range blocks {
		for _, msg := range msgs {
			t, refusal := decode(msg)
			if refusal != nil {
				return fmt.Errorf("block %d of the side chain: %w", i, refusal)
			}
			take[i] = append(take[i], t)
		}
	}
	if err := c.overtake(parent, take); err != nil {
		c.fault = err // part of the side chain may be there
		return err
	}
	return nil
}

func (c *Chain) overtake(parent uint64, take [][]*transaction) error {
	period := c.cfg.Period.Milliseconds()
	time := max(c.cfg.Now().UnixMilli(), c.head()+period)
	popped, err := c.rewind(parent)
	if err != nil {
		return err
	}
	// If we stop before the last of these, the side chain on disk is not the longer
	// one yet, and a restart has the chain as it was.
	for _, txs := range take {
		if _, err := c.extend(txs, time); err != nil {
			return err
		}
		time += period
	}
	for _, t := range popped {
		t.since = c.cfg.Now().UnixMilli()
	}
	return c.reset(append(c.pending, popped...))
}

// Forget drops the transactions that wait, as a restart of the node does.
func (c *Chain) Forget() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reset(nil)
}
