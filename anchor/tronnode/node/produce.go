package node

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"github.com/holiman/uint256"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/anchor/tronnode/tvm"
)

// errReplay says that the block file and this program disagree.
var errReplay = errors.New("block does not replay to the same result")

// load replays the block file, or writes the genesis block into an empty one.
func (c *Chain) load() error {
	first := genesis(c.cfg.Alloc)
	if c.disk.len() == 0 {
		if err := c.disk.append(marshal(first)); err != nil {
			return err
		}
	}
	for i := range c.disk.len() {
		block, err := c.readBlock(uint64(i))
		if err != nil {
			return err
		}
		if i == 0 {
			if !bytes.Equal(marshal(block), marshal(first)) {
				return errors.New("the state folder belongs to a network with another allocation")
			}
			err = c.begin(block)
		} else {
			err = c.replay(block)
		}
		if err != nil {
			return fmt.Errorf("block %d: %w", i, err)
		}
	}
	return c.reset(nil)
}

// begin makes the state of the genesis block.
func (c *Chain) begin(block *core.Block) error {
	db, err := state.New(common.Hash{}, c.states)
	if err != nil {
		return err
	}
	// The book must not look like an empty account, which a commit drops.
	tvm.Activate(db, bandwidthBook)
	for _, addr := range sortedAddresses(c.cfg.Alloc) {
		tvm.Activate(db, addr)
		db.AddBalance(addr, uint256.NewInt(c.cfg.Alloc[addr]), tracing.BalanceIncreaseGenesisBalance)
	}
	c.genesis = blockID(block.GetBlockHeader().GetRawData())
	return c.publish(block, db, nil)
}

// replay applies a block of the file and compares.
func (c *Chain) replay(block *core.Block) error {
	raw := block.GetBlockHeader().GetRawData()
	parent := c.ids[c.height()]
	if uint64(raw.GetNumber()) != c.height()+1 || !bytes.Equal(raw.GetParentHash(), parent[:]) {
		return errors.New("does not follow the block before it")
	}
	if !bytes.Equal(raw.GetTxTrieRoot(), merkleRoot(block.GetTransactions())) {
		return errReplay
	}
	db, err := c.state(c.height())
	if err != nil {
		return err
	}
	var infos []*core.TransactionInfo
	for i, msg := range block.GetTransactions() {
		t, refusal := decode(msg)
		if refusal != nil {
			return fmt.Errorf("%w: transaction %d: %w", errReplay, i, refusal)
		}
		info, refusal := c.apply(db, t, c.height()+1, raw.GetTimestamp())
		if refusal != nil || !proto.Equal(t.msg, msg) {
			return fmt.Errorf("%w: transaction %d", errReplay, i)
		}
		infos = append(infos, info)
	}
	return c.publish(block, db, infos)
}

// env is the block in which code runs.
func (c *Chain) env(number uint64, time int64) tvm.Env {
	return tvm.Env{
		Number: number, Time: time, Coinbase: witness(), ChainID: c.chainID(), EnergyFee: energyFee,
		BlockID: func(n uint64) common.Hash {
			if n >= uint64(len(c.ids)) {
				return common.Hash{}
			}
			return c.ids[n]
		},
	}
}

// apply executes t as part of block number, leaving db as it was when t is
// refused.
func (c *Chain) apply(db *state.StateDB, t *transaction, number uint64, time int64) (*core.TransactionInfo, *Refusal) {
	snapshot := db.Snapshot()
	db.SetTxContext(t.id, 0, 0)
	info, refusal := execute(db, c.env(number, time), c.head, t)
	if refusal != nil {
		db.RevertToSnapshot(snapshot)
		return nil, refusal
	}
	db.Finalise(tvm.Rules())
	info.BlockNumber, info.BlockTimeStamp = int64(number), time
	return info, nil
}

// Produce makes the next block of the transactions that wait and returns its
// number. Once writing to disk has failed it makes none any more.
func (c *Chain) Produce() (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fault != nil {
		return 0, c.fault
	}
	number := c.height() + 1
	time := max(c.cfg.Now().UnixMilli(), c.head+c.cfg.Period.Milliseconds())
	db, err := c.state(c.height())
	if err != nil {
		return 0, err
	}
	chosen, infos, rest := c.choose(db, number, time)
	block, err := seal(number, c.ids[number-1], time, chosen)
	if err != nil {
		return 0, err
	}
	// Commit point. If we stop before, the block never was; if after, a restart
	// finds it.
	if err := c.disk.append(marshal(block)); err != nil {
		c.fault = err
		return 0, err
	}
	if err := c.publish(block, db, infos); err != nil {
		c.fault = err
		return 0, err
	}
	return number, c.reset(rest)
}

// choose applies the transactions that wait, oldest first, as far as a block
// holds. One that has become invalid is dropped.
func (c *Chain) choose(db *state.StateDB, number uint64, time int64) (chosen []*core.Transaction, infos []*core.TransactionInfo, rest []*transaction) {
	size := 0
	for i, t := range c.pending {
		if size += t.size + resultBytes; size > maxBlockBytes {
			return chosen, infos, c.pending[i:]
		}
		t.msg.Ret = nil
		info, refusal := (*core.TransactionInfo)(nil), c.admit(t, time)
		if refusal == nil {
			info, refusal = c.apply(db, t, number, time)
		}
		if refusal != nil {
			c.cfg.Log.Warn("transaction dropped", "tx", t.id, "block", number, "reason", refusal.Error())
			continue
		}
		chosen, infos = append(chosen, t.msg), append(infos, info)
	}
	return chosen, infos, nil
}

// publish makes a block that is on disk the head.
func (c *Chain) publish(block *core.Block, db *state.StateDB, infos []*core.TransactionInfo) error {
	raw := block.GetBlockHeader().GetRawData()
	number := uint64(raw.GetNumber())
	root, err := db.Commit(tvm.Rules(), number)
	if err != nil {
		return fmt.Errorf("commit state: %w", err)
	}
	c.ids = append(c.ids, blockID(raw))
	c.head = raw.GetTimestamp()
	for i, info := range infos {
		id := common.Hash(info.GetId())
		c.txs[id] = place{number, i}
		c.infos[id] = info
		c.byBlock[number] = append(c.byBlock[number], id)
		c.remember(block.GetTransactions()[i], info)
	}
	return c.keep(root)
}

// remember notes the contract that a transaction has deployed.
func (c *Chain) remember(msg *core.Transaction, info *core.TransactionInfo) {
	if info.GetReceipt().GetResult() != core.Transaction_Result_SUCCESS {
		return
	}
	t, refusal := decode(msg)
	if refusal != nil {
		return // it has been decoded before
	}
	if d, ok := t.contract.(*core.CreateSmartContract); ok {
		n := proto.Clone(d.GetNewContract()).(*core.SmartContract)
		n.ContractAddress = info.GetContractAddress()
		n.Version = 1
		c.deployed[common.Address(info.GetContractAddress()[1:])] = n
	}
}

// reset applies the transactions that still wait to the new head's state.
func (c *Chain) reset(wait []*transaction) error {
	db, err := c.state(c.height())
	if err != nil {
		return err
	}
	c.ahead, c.pending, c.waiting = db, nil, map[common.Hash]bool{}
	for _, t := range wait {
		if refusal := c.enqueue(t); refusal != nil {
			c.cfg.Log.Warn("transaction dropped", "tx", t.id, "reason", refusal.Error())
		}
	}
	return nil
}

// readBlock reads a block from the file.
func (c *Chain) readBlock(number uint64) (*core.Block, error) {
	data, err := c.disk.read(int(number))
	if err != nil {
		return nil, err
	}
	block := &core.Block{}
	if err := proto.Unmarshal(data, block); err != nil {
		return nil, fmt.Errorf("decode block %d: %w", number, err)
	}
	return block, nil
}
