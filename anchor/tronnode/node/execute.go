package node

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"github.com/holiman/uint256"

	"github.com/killick-ledger/killick/anchor/tronnode/tvm"
)

// execution is a transaction being applied to a state. It either refuses the
// transaction and the caller reverts the state, or charges for it.
type execution struct {
	db     *state.StateDB
	env    tvm.Env
	parent int64 // time of the block below: the clock of bandwidth
	t      *transaction
	info   *core.TransactionInfo
}

// execute applies t: bandwidth, several signatures, memo, contract, pay, in java-tron's order.
func execute(db *state.StateDB, env tvm.Env, parent int64, t *transaction) (*core.TransactionInfo, *Refusal) {
	x := &execution{db: db, env: env, parent: parent, t: t}
	x.info = &core.TransactionInfo{Id: t.id[:], Receipt: &core.ResourceReceipt{}}
	if !db.Exist(t.owner) {
		return nil, invalid("account [%s] does not exist", Base58(t.owner))
	}
	if r := x.bandwidth(); r != nil {
		return nil, r
	}
	if len(t.msg.GetSignature()) > 1 && !x.charge(multiSignFee) {
		return nil, refuse(api.Return_BANDWITH_ERROR, "account %s cannot pay for several signatures", Base58(t.owner))
	}
	if len(t.msg.GetRawData().GetData()) > 0 {
		if !x.charge(memoFee) {
			return nil, refuse(api.Return_BANDWITH_ERROR, "account %s cannot pay for the memo", Base58(t.owner))
		}
	}
	var r *Refusal
	switch c := t.contract.(type) {
	case *core.TransferContract:
		r = x.transfer(c)
	case *core.TriggerSmartContract:
		r = x.trigger(c)
	case *core.CreateSmartContract:
		r = x.deploy(c)
	case *core.AccountPermissionUpdateContract:
		r = x.permit(c)
	}
	if r != nil {
		return nil, r
	}
	return x.info, nil
}

func (x *execution) balance(a common.Address) uint64 { return x.db.GetBalance(a).Uint64() }

// charge burns sun of the owner and adds it to the transaction's fee, or does
// neither.
func (x *execution) charge(sun uint64) bool {
	if x.balance(x.t.owner) < sun {
		return false
	}
	x.db.SubBalance(x.t.owner, uint256.NewInt(sun), tracing.BalanceDecreaseGasBuy)
	x.info.Fee += int64(sun)
	return true
}

// bandwidth charges for the transaction's bytes: free ones while the day's last,
// sun otherwise. A transfer that makes an account pays a fee instead.
func (x *execution) bandwidth() *Refusal {
	bytes := uint64(x.t.size + resultBytes)
	if c, ok := x.t.contract.(*core.TransferContract); ok {
		if to, err := unwire(c.GetToAddress()); err == nil && !x.db.Exist(to) {
			if !x.charge(createAccountFee) {
				return x.noBandwidth(bytes)
			}
			x.info.Receipt.NetFee = createAccountFee
			return nil
		}
	}
	if useFree(x.db, x.t.owner, bytes, x.parent) {
		x.info.Receipt.NetUsage = int64(bytes)
		return nil
	}
	if !x.charge(bytes * transactionFee) {
		return x.noBandwidth(bytes)
	}
	x.info.Receipt.NetFee = int64(bytes * transactionFee)
	return nil
}

func (x *execution) noBandwidth(bytes uint64) *Refusal {
	return refuse(api.Return_BANDWITH_ERROR,
		"account %s cannot pay for %d bytes of bandwidth", Base58(x.t.owner), bytes)
}

// transfer moves TRX between accounts.
func (x *execution) transfer(c *core.TransferContract) *Refusal {
	to, err := unwire(c.GetToAddress())
	switch {
	case err != nil:
		return invalid("%v", err)
	case to == x.t.owner:
		return invalid("cannot transfer TRX to yourself")
	case c.GetAmount() <= 0:
		return invalid("amount must be greater than 0")
	case x.db.GetCodeSize(to) > 0:
		return invalid("cannot transfer TRX to a smart contract")
	}
	amount := uint64(c.GetAmount())
	if !x.db.Exist(to) && !x.charge(newAccountFee) || x.balance(x.t.owner) < amount {
		return invalid("balance is not sufficient")
	}
	x.db.SubBalance(x.t.owner, uint256.NewInt(amount), tracing.BalanceChangeTransfer)
	tvm.Activate(x.db, to)
	x.db.AddBalance(to, uint256.NewInt(amount), tracing.BalanceChangeTransfer)
	x.t.setResult(core.Transaction_Result_SUCCESS)
	return nil
}

func (x *execution) trigger(c *core.TriggerSmartContract) *Refusal {
	to, err := unwire(c.GetContractAddress())
	if err != nil {
		return invalid("%v", err)
	}
	if x.db.GetCodeSize(to) == 0 {
		return invalid("no contract at %s", Base58(to))
	}
	if c.GetCallTokenValue() != 0 || c.GetTokenId() != 0 {
		return invalid("this test node has no TRC-10 tokens")
	}
	msg, r := x.message(to, c.GetData(), c.GetCallValue())
	if r != nil {
		return r
	}
	return x.settle(to, tvm.Call(x.db, x.env, msg))
}

func (x *execution) deploy(c *core.CreateSmartContract) *Refusal {
	n := c.GetNewContract()
	switch {
	case string(n.GetOriginAddress()) != string(c.GetOwnerAddress()):
		return invalid("owner address is not the origin address")
	case len(n.GetName()) > maxContractName:
		return invalid("the contract's name is longer than %d bytes", maxContractName)
	case n.GetConsumeUserResourcePercent() < 0 || n.GetConsumeUserResourcePercent() > 100:
		return invalid("percent must be from 0 to 100")
	case n.GetOriginEnergyLimit() <= 0:
		return invalid("the origin energy limit must be greater than 0")
	case c.GetCallTokenValue() != 0 || c.GetTokenId() != 0:
		return invalid("this test node has no TRC-10 tokens")
	}
	at := tvm.NewContractAddress(x.t.id, x.t.owner)
	if x.db.Exist(at) {
		return invalid("an account exists at the new contract's address %s", Base58(at))
	}
	msg, r := x.message(at, n.GetBytecode(), n.GetCallValue())
	if r != nil {
		return r
	}
	return x.settle(at, tvm.Create(x.db, x.env, msg))
}

// message builds the run of code, with the energy that the fee limit and the
// balance allow. Nobody has staked, and a contract's owner without staked energy
// pays for none of its callers' energy, so the caller's sun is all there is.
func (x *execution) message(to common.Address, data []byte, value int64) (tvm.Message, *Refusal) {
	limit := x.t.msg.GetRawData().GetFeeLimit()
	if limit < 0 || limit > maxFeeLimit {
		return tvm.Message{}, invalid("fee limit must be from 0 to %d", maxFeeLimit)
	}
	if value < 0 || uint64(value) > x.balance(x.t.owner) {
		return tvm.Message{}, invalid("balance is not sufficient for the call value")
	}
	affordable := x.balance(x.t.owner) - uint64(value)
	return tvm.Message{
		TxID: x.t.id, From: x.t.owner, To: to, Data: data, Value: uint64(value),
		Limit: min(uint64(limit), affordable) / energyFee,
	}, nil
}

// settle charges the energy and writes down what the run did.
func (x *execution) settle(contract common.Address, r tvm.Result) *Refusal {
	fee := r.Energy * energyFee
	if !x.charge(fee) {
		return refuse(api.Return_CONTRACT_EXE_ERROR, "Contract execute error : %s cannot pay for the energy", Base58(x.t.owner))
	}
	x.t.setResult(r.Code)
	info := x.info
	info.Receipt.Result = r.Code
	info.Receipt.EnergyFee = int64(fee)
	info.Receipt.EnergyUsageTotal = int64(r.Energy)
	info.ContractAddress = wire(contract)
	info.ContractResult = [][]byte{r.Return}
	if r.Code != core.Transaction_Result_SUCCESS {
		info.Result = core.TransactionInfo_FAILED
		info.ResMessage = []byte(r.Reason)
	}
	for _, l := range r.Logs {
		entry := &core.TransactionInfo_Log{Address: l.Address[:], Data: l.Data}
		for _, topic := range l.Topics {
			entry.Topics = append(entry.Topics, topic[:])
		}
		info.Log = append(info.Log, entry)
	}
	return nil
}

// setResult puts the result where blocks carry it.
func (t *transaction) setResult(code tvm.Code) {
	t.msg.Ret = []*core.Transaction_Result{{ContractRet: code}}
}
