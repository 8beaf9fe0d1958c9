package node

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/killick-ledger/killick/anchor/tronnode/tvm"
)

// defaultExpiry is how long after the head's time a transaction made by the node
// is good, as on Tron.
const defaultExpiry = 60_000 // ms

// wallet serves protocol.Wallet: reads up to the head, and broadcasts.
type wallet struct {
	unservedWallet
	reads
}

// unservedWallet answers Unimplemented. It is one level deeper than reads, whose
// methods therefore win.
type unservedWallet struct{ api.UnimplementedWalletServer }

func (w wallet) BroadcastTransaction(_ context.Context, tx *core.Transaction) (*api.Return, error) {
	if r := w.c.Broadcast(tx); r != nil {
		return &api.Return{Code: r.Code, Message: []byte(r.Message)}, nil
	}
	return &api.Return{Result: true}, nil
}

func (w wallet) CreateTransaction(_ context.Context, c *core.TransferContract) (*core.Transaction, error) {
	return w.c.compose(c, core.Transaction_Contract_TransferContract)
}

func (w wallet) CreateTransaction2(_ context.Context, c *core.TransferContract) (*api.TransactionExtention, error) {
	return w.extend(w.c.compose(c, core.Transaction_Contract_TransferContract))
}

func (w wallet) TriggerContract(_ context.Context, c *core.TriggerSmartContract) (*api.TransactionExtention, error) {
	return w.extend(w.c.compose(c, core.Transaction_Contract_TriggerSmartContract))
}

func (w wallet) DeployContract(_ context.Context, c *core.CreateSmartContract) (*api.TransactionExtention, error) {
	return w.extend(w.c.compose(c, core.Transaction_Contract_CreateSmartContract))
}

func (w wallet) AccountPermissionUpdate(_ context.Context, c *core.AccountPermissionUpdateContract) (*api.TransactionExtention, error) {
	return w.extend(w.c.compose(c, core.Transaction_Contract_AccountPermissionUpdateContract))
}

func (wallet) extend(tx *core.Transaction, err error) (*api.TransactionExtention, error) {
	if err != nil {
		return nil, err
	}
	id := TransactionID(tx.GetRawData())
	return &api.TransactionExtention{Transaction: tx, Txid: id[:], Result: &api.Return{Result: true}}, nil
}

// compose makes the unsigned transaction for a contract, referring to the head.
func (c *Chain) compose(contract proto.Message, kind core.Transaction_Contract_ContractType) (*core.Transaction, error) {
	param, err := anypb.New(contract)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.blocks[c.height()].id
	return &core.Transaction{RawData: &core.TransactionRaw{
		RefBlockBytes: id[6:8],
		RefBlockHash:  id[8:16],
		Expiration:    c.head() + defaultExpiry,
		Timestamp:     c.cfg.Now().UnixMilli(),
		Contract:      []*core.Transaction_Contract{{Type: kind, Parameter: param}},
	}}, nil
}

func (w wallet) GetChainParameters(context.Context, *api.EmptyMessage) (*core.ChainParameters, error) {
	return chainParameters(), nil
}

func (w wallet) GetContract(_ context.Context, m *api.BytesMessage) (*core.SmartContract, error) {
	addr, err := unwire(m.GetValue())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	if s, ok := w.c.deployed[addr]; ok {
		return s, nil
	}
	return &core.SmartContract{}, nil
}

func (w wallet) GetContractInfo(ctx context.Context, m *api.BytesMessage) (*core.SmartContractDataWrapper, error) {
	s, err := w.GetContract(ctx, m)
	if err != nil || len(s.GetContractAddress()) == 0 {
		return &core.SmartContractDataWrapper{}, err
	}
	code, err := w.code(common.Address(s.GetContractAddress()[1:]))
	if err != nil {
		return nil, err
	}
	return &core.SmartContractDataWrapper{SmartContract: s, Runtimecode: code}, nil
}

func (w wallet) GetAccountNet(_ context.Context, a *core.Account) (*api.AccountNetMessage, error) {
	acct, err := w.find(a)
	if err != nil {
		return nil, err
	}
	return &api.AccountNetMessage{FreeNetUsed: acct.GetFreeNetUsage(), FreeNetLimit: freeBandwidth}, nil
}

func (w wallet) GetAccountResource(_ context.Context, a *core.Account) (*api.AccountResourceMessage, error) {
	acct, err := w.find(a)
	if err != nil {
		return nil, err
	}
	return &api.AccountResourceMessage{FreeNetUsed: acct.GetFreeNetUsage(), FreeNetLimit: freeBandwidth}, nil
}

func (w wallet) GetNodeInfo(context.Context, *api.EmptyMessage) (*core.NodeInfo, error) {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	line := func(n uint64) string { return fmt.Sprintf("Num:%d,ID:%x", n, w.c.blocks[n].id) }
	return &core.NodeInfo{
		Block:         line(w.c.height()),
		SolidityBlock: line(w.c.solid),
		ConfigNodeInfo: &core.NodeInfo_ConfigNodeInfo{
			CodeVersion: Version, SupportConstant: true, AllowCreationOfContracts: 1,
		},
	}, nil
}

func (w wallet) GetTransactionFromPending(_ context.Context, m *api.BytesMessage) (*core.Transaction, error) {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	if tx := w.c.waitingTransaction(common.BytesToHash(m.GetValue())); tx != nil {
		return tx, nil
	}
	return &core.Transaction{}, nil
}

func (w wallet) GetTransactionListFromPending(context.Context, *api.EmptyMessage) (*api.TransactionIdList, error) {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	list := &api.TransactionIdList{}
	for _, t := range w.c.pending {
		list.TxId = append(list.TxId, fmt.Sprintf("%x", t.id))
	}
	return list, nil
}

func (w wallet) GetPendingSize(context.Context, *api.EmptyMessage) (*api.NumberMessage, error) {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	return &api.NumberMessage{Num: int64(len(w.c.pending))}, nil
}

func (w wallet) GetEnergyPrices(context.Context, *api.EmptyMessage) (*api.PricesResponseMessage, error) {
	return &api.PricesResponseMessage{Prices: fmt.Sprintf("0:%d", energyFee)}, nil
}

func (w wallet) GetBandwidthPrices(context.Context, *api.EmptyMessage) (*api.PricesResponseMessage, error) {
	return &api.PricesResponseMessage{Prices: fmt.Sprintf("0:%d", transactionFee)}, nil
}

// constant answers a call that changes nothing in java-tron's form: what the
// contract itself refuses is a success of the call with a failed transaction.
func constant(r tvm.Result, refusal *Refusal, tx *core.Transaction) *api.TransactionExtention {
	if refusal != nil {
		return &api.TransactionExtention{Result: &api.Return{Code: refusal.Code, Message: []byte(refusal.Message)}}
	}
	if r.Code != core.Transaction_Result_SUCCESS && r.Code != core.Transaction_Result_REVERT {
		return &api.TransactionExtention{Result: &api.Return{
			Code: api.Return_CONTRACT_EXE_ERROR, Message: []byte(r.Code.String() + " : " + r.Reason),
		}}
	}
	ret := &core.Transaction_Result{}
	if r.Code == core.Transaction_Result_REVERT {
		ret.Ret = core.Transaction_Result_FAILED
	}
	tx.Ret = []*core.Transaction_Result{ret}
	id := TransactionID(tx.GetRawData())
	out := &api.TransactionExtention{
		Transaction: tx, Txid: id[:], ConstantResult: [][]byte{r.Return}, EnergyUsed: int64(r.Energy),
		Result: &api.Return{Result: true, Message: []byte(r.Reason)},
	}
	for _, l := range r.Logs {
		entry := &core.TransactionInfo_Log{Address: l.Address[:], Data: l.Data}
		for _, topic := range l.Topics {
			entry.Topics = append(entry.Topics, topic[:])
		}
		out.Logs = append(out.Logs, entry)
	}
	return out
}
