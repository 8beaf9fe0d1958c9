package node

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/anchor/tronnode/tvm"
)

// view is the chain as one of a node's two faces shows it: up to its head, or up
// to the solidified block only. Its methods lock the chain.
type view struct {
	c     *Chain
	solid bool
}

// tip is the view's last block. The chain is locked.
func (v view) tip() uint64 {
	if v.solid {
		return v.c.solid
	}
	return v.c.height()
}

func (v view) last() uint64 {
	v.c.mu.Lock()
	defer v.c.mu.Unlock()
	return v.tip()
}

// block returns block number, its id, and whether the view has it.
func (v view) block(number int64) (*core.Block, common.Hash, bool, error) {
	v.c.mu.Lock()
	defer v.c.mu.Unlock()
	if number < 0 || uint64(number) > v.tip() {
		return nil, common.Hash{}, false, nil
	}
	b, err := v.c.readBlock(uint64(number))
	return b, v.c.blocks[number].id, err == nil, err
}

// blockByID finds a block by its id, which begins with its number.
func (v view) blockByID(id common.Hash) (*core.Block, bool, error) {
	number := common.Hash(append(make([]byte, 24), id[:8]...)).Big()
	if !number.IsInt64() {
		return nil, false, nil
	}
	b, have, ok, err := v.block(number.Int64())
	return b, ok && have == id, err
}

// info returns what a transaction in a block did, or nil.
func (v view) info(id common.Hash) *core.TransactionInfo {
	v.c.mu.Lock()
	defer v.c.mu.Unlock()
	if at, ok := v.c.txs[id]; ok && at.block <= v.tip() {
		return v.c.infos[id]
	}
	return nil
}

// infos returns what the transactions of a block did, in order.
func (v view) infos(number uint64) []*core.TransactionInfo {
	v.c.mu.Lock()
	defer v.c.mu.Unlock()
	if number > v.tip() {
		return nil
	}
	var out []*core.TransactionInfo
	for _, id := range v.c.byBlock[number] {
		out = append(out, v.c.infos[id])
	}
	return out
}

// transaction returns a transaction of a block or, when all is shown, one that
// waits; nil when there is none.
func (v view) transaction(id common.Hash) (*core.Transaction, error) {
	v.c.mu.Lock()
	defer v.c.mu.Unlock()
	at, ok := v.c.txs[id]
	if !ok || at.block > v.tip() {
		if !v.solid {
			return v.c.waitingTransaction(id), nil
		}
		return nil, nil
	}
	b, err := v.c.readBlock(at.block)
	if err != nil {
		return nil, err
	}
	return b.GetTransactions()[at.index], nil
}

// waitingTransaction returns a copy of a transaction that waits for a block, or
// nil. The chain is locked.
func (c *Chain) waitingTransaction(id common.Hash) *core.Transaction {
	if c.waiting[id] {
		for _, t := range c.pending {
			if t.id == id {
				return proto.Clone(t.msg).(*core.Transaction) // making a block changes it
			}
		}
	}
	return nil
}

// account returns an account as Tron's API shows it, or nil.
func (v view) account(addr common.Address) (*core.Account, error) {
	v.c.mu.Lock()
	defer v.c.mu.Unlock()
	db, err := v.c.state(v.tip())
	if err != nil || !db.Exist(addr) {
		return nil, err
	}
	a := &core.Account{
		Address:      wire(addr),
		Balance:      int64(db.GetBalance(addr).Uint64()),
		FreeNetUsage: int64(freeUsed(db, addr, v.c.head())),
	}
	p := permissionsOf(db, addr)
	a.OwnerPermission, a.ActivePermission = p.GetOwner(), p.GetActives()
	if db.GetCodeSize(addr) > 0 {
		a.Type = core.AccountType_Contract
	}
	return a, nil
}

// code returns a contract's code.
func (v view) code(addr common.Address) ([]byte, error) {
	v.c.mu.Lock()
	defer v.c.mu.Unlock()
	db, err := v.c.state(v.tip())
	if err != nil {
		return nil, err
	}
	return db.GetCode(addr), nil
}

// call runs a message that changes nothing. Without a contract address it runs
// the data as creation code.
func (v view) call(msg *core.TriggerSmartContract, limit uint64) (tvm.Result, *Refusal) {
	m := tvm.Message{Data: msg.GetData(), Limit: limit}
	if from, err := unwire(msg.GetOwnerAddress()); err == nil {
		m.From = from
	}
	if msg.GetCallValue() < 0 {
		return tvm.Result{}, invalid("call value must not be negative")
	}
	m.Value = uint64(msg.GetCallValue())
	v.c.mu.Lock()
	defer v.c.mu.Unlock()
	db, err := v.c.state(v.tip())
	if err != nil {
		return tvm.Result{}, refuse(api.Return_OTHER_ERROR, "%v", err)
	}
	if db.GetBalance(m.From).Uint64() < m.Value {
		return tvm.Result{}, invalid("balance is not sufficient for the call value")
	}
	number := v.tip()
	block, err := v.c.readBlock(number)
	if err != nil {
		return tvm.Result{}, refuse(api.Return_OTHER_ERROR, "%v", err)
	}
	env := v.c.env(number, block.GetBlockHeader().GetRawData().GetTimestamp())
	if len(msg.GetContractAddress()) == 0 {
		m.To = tvm.NewContractAddress(m.TxID, m.From)
		return tvm.Create(db, env, m), nil
	}
	if m.To, err = unwire(msg.GetContractAddress()); err != nil {
		return tvm.Result{}, invalid("%v", err)
	}
	if db.GetCodeSize(m.To) == 0 {
		return tvm.Result{}, invalid("no contract at %s", Base58(m.To))
	}
	return tvm.Call(db, env, m), nil
}

// estimate returns the least energy limit with which the call succeeds: a call
// passes on at most all but one 64th, so that can be more than the call uses.
func (v view) estimate(msg *core.TriggerSmartContract) (uint64, *Refusal) {
	r, refusal := v.call(msg, constantCallEnergy)
	if refusal != nil {
		return 0, refusal
	}
	if r.Code != core.Transaction_Result_SUCCESS {
		return 0, refuse(api.Return_CONTRACT_EXE_ERROR, "Contract execute error : %s", r.Reason)
	}
	low, high := r.Energy, r.Energy+r.Energy/8
	for low < high {
		mid := low + (high-low)/2
		if r, refusal = v.call(msg, mid); refusal != nil {
			return 0, refusal
		}
		if r.Code == core.Transaction_Result_SUCCESS {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return high, nil
}
