package node

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
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
		block, err := c.readRecord(i)
		if err != nil {
			return err
		}
		if i == 0 {
			if !bytes.Equal(marshal(block), marshal(first)) {
				return errors.New("the state folder belongs to a network with another allocation")
			}
			err = c.begin(block)
		} else {
			err = c.accept(block, i)
		}
		if err != nil {
			return fmt.Errorf("record %d of the block file: %w", i, err)
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
	return c.publish(block, 0, db, nil)
}

// replay applies the next block of the file and compares.
func (c *Chain) replay(block *core.Block, record int) error {
	raw := block.GetBlockHeader().GetRawData()
	parent := c.blocks[c.height()].id
	if uint64(raw.GetNumber()) != c.height()+1 || !bytes.Equal(raw.GetParentHash(), parent[:]) {
		return errors.New("does not follow the block before it")
	}
	if by := witnesses[c.turn(raw.GetTimestamp())].address; !bytes.Equal(raw.GetWitnessAddress(), wire(by)) {
		return errors.New("is not by the producer whose turn it was")
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
	return c.publish(block, record, db, infos)
}

// env is the block in which code runs.
func (c *Chain) env(number uint64, time int64) tvm.Env {
	return tvm.Env{
		Number: number, Time: time, Coinbase: witnesses[c.turn(time)].address, ChainID: c.chainID(), EnergyFee: energyFee,
		BlockID: func(n uint64) common.Hash {
			if n >= uint64(len(c.blocks)) {
				return common.Hash{}
			}
			return c.blocks[n].id
		},
	}
}

// apply executes t as part of block number, leaving db as it was when t is
// refused.
func (c *Chain) apply(db *state.StateDB, t *transaction, number uint64, time int64) (*core.TransactionInfo, *Refusal) {
	snapshot := db.Snapshot()
	db.SetTxContext(t.id, 0, 0)
	if refusal := t.checkSignatures(db); refusal != nil {
		return nil, refusal // permissions may have changed since it was taken
	}
	info, refusal := execute(db, c.env(number, time), c.head(), t)
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
func (c *Chain) Produce() (uint64, error) { return c.produce(true) }

// ProduceEmpty makes the next block without any of the transactions that wait,
// as by a producer that has not heard of them.
func (c *Chain) ProduceEmpty() (uint64, error) { return c.produce(false) }

func (c *Chain) produce(all bool) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fault != nil {
		return 0, c.fault
	}
	time, err := c.nextTime()
	if err != nil {
		return 0, err
	}
	var take []*transaction
	left := c.pending
	if all {
		take, left = c.pending, nil
	}
	rest, err := c.extend(take, time)
	if err != nil {
		c.fault = err
		return 0, err
	}
	return c.height(), c.reset(append(rest, left...))
}

// extend makes the next block, writes it and publishes it. It returns those of
// the transactions for which the block had no room.
func (c *Chain) extend(take []*transaction, time int64) ([]*transaction, error) {
	number := c.height() + 1
	db, err := c.state(c.height())
	if err != nil {
		return nil, err
	}
	chosen, infos, rest := c.choose(db, take, number, time)
	block, err := c.seal(number, c.blocks[number-1].id, time, chosen)
	if err != nil {
		return nil, err
	}
	// Commit point. If we stop before, the block never was; if after, a restart
	// finds it.
	record := c.disk.len()
	if err := c.disk.append(marshal(block)); err != nil {
		return nil, err
	}
	return rest, c.publish(block, record, db, infos)
}

// choose applies transactions, oldest first, as far as a block holds. One that
// has become invalid is dropped.
func (c *Chain) choose(db *state.StateDB, from []*transaction, number uint64, time int64) (chosen []*core.Transaction, infos []*core.TransactionInfo, rest []*transaction) {
	size := 0
	for i, t := range from {
		if size += t.size + resultBytes; size > maxBlockBytes {
			return chosen, infos, from[i:]
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
func (c *Chain) publish(block *core.Block, record int, db *state.StateDB, infos []*core.TransactionInfo) error {
	raw := block.GetBlockHeader().GetRawData()
	number := uint64(raw.GetNumber())
	root, err := db.Commit(tvm.Rules(), number)
	if err != nil {
		return fmt.Errorf("commit state: %w", err)
	}
	c.blocks = append(c.blocks, entry{id: blockID(raw), time: raw.GetTimestamp(), record: record})
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

// reset applies the transactions that still wait to the new head's state. It is
// a best effort, as on any node: what has waited too long, or has become invalid,
// is dropped.
func (c *Chain) reset(wait []*transaction) error {
	db, err := c.state(c.height())
	if err != nil {
		return err
	}
	c.ahead, c.pending, c.waiting = db, nil, map[common.Hash]bool{}
	for _, t := range wait {
		if refusal := c.again(t); refusal != nil {
			c.cfg.Log.Warn("transaction dropped", "tx", t.id, "reason", refusal.Error())
		}
	}
	return nil
}

// again lets a transaction wait for another block.
func (c *Chain) again(t *transaction) *Refusal {
	if c.cfg.Now().UnixMilli()-t.since >= maxWait {
		return refuse(api.Return_OTHER_ERROR, "it has waited for %d s", maxWait/1000)
	}
	if c.waiting[t.id] {
		return duplicate()
	}
	t.msg.Ret = nil
	if refusal := c.admit(t, c.head()); refusal != nil {
		return refusal
	}
	return c.enqueue(t)
}

// readBlock reads a block from the file.
func (c *Chain) readBlock(number uint64) (*core.Block, error) {
	return c.readRecord(c.blocks[number].record)
}

func (c *Chain) readRecord(i int) (*core.Block, error) {
	data, err := c.disk.read(i)
	if err != nil {
		return nil, err
	}
	block := &core.Block{}
	if err := proto.Unmarshal(data, block); err != nil {
		return nil, fmt.Errorf("decode record %d of the block file: %w", i, err)
	}
	return block, nil
}
