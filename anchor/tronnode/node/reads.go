package node

import (
	"context"

	"github.com/ethereum/go-ethereum/common"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// walletSolidity serves protocol.WalletSolidity: reads up to the solidified
// block.
type walletSolidity struct {
	unservedSolidity
	reads
}

type unservedSolidity struct {
	api.UnimplementedWalletSolidityServer
}

// reads are the calls that both of a node's services have. What is not there
// (block, transaction, account) answers an empty message, as java-tron does.
type reads struct{ view }

func (r reads) extended(number int64) (*api.BlockExtention, error) {
	b, id, ok, err := r.block(number)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if !ok {
		return &api.BlockExtention{}, nil
	}
	out := &api.BlockExtention{BlockHeader: b.GetBlockHeader(), Blockid: id[:]}
	for _, tx := range b.GetTransactions() {
		txid := TransactionID(tx.GetRawData())
		out.Transactions = append(out.Transactions, &api.TransactionExtention{
			Transaction: tx, Txid: txid[:], Result: &api.Return{Result: true},
		})
	}
	return out, nil
}

func (r reads) GetNowBlock(context.Context, *api.EmptyMessage) (*core.Block, error) {
	return r.plain(int64(r.last()))
}

func (r reads) GetNowBlock2(context.Context, *api.EmptyMessage) (*api.BlockExtention, error) {
	return r.extended(int64(r.last()))
}

func (r reads) GetBlockByNum(_ context.Context, m *api.NumberMessage) (*core.Block, error) {
	return r.plain(m.GetNum())
}

func (r reads) GetBlockByNum2(_ context.Context, m *api.NumberMessage) (*api.BlockExtention, error) {
	return r.extended(m.GetNum())
}

func (r reads) plain(number int64) (*core.Block, error) {
	b, _, ok, err := r.block(number)
	if err == nil && !ok {
		b = &core.Block{}
	}
	return b, err
}

func (r reads) GetBlockById(_ context.Context, m *api.BytesMessage) (*core.Block, error) {
	b, ok, err := r.blockByID(common.BytesToHash(m.GetValue()))
	if err == nil && !ok {
		b = &core.Block{}
	}
	return b, err
}

func (r reads) GetTransactionCountByBlockNum(_ context.Context, m *api.NumberMessage) (*api.NumberMessage, error) {
	b, err := r.plain(m.GetNum())
	return &api.NumberMessage{Num: int64(len(b.GetTransactions()))}, err
}

func (r reads) GetTransactionById(_ context.Context, m *api.BytesMessage) (*core.Transaction, error) {
	tx, err := r.transaction(common.BytesToHash(m.GetValue()))
	if tx == nil {
		tx = &core.Transaction{}
	}
	return tx, err
}

func (r reads) GetTransactionInfoById(_ context.Context, m *api.BytesMessage) (*core.TransactionInfo, error) {
	if info := r.info(common.BytesToHash(m.GetValue())); info != nil {
		return info, nil
	}
	return &core.TransactionInfo{}, nil
}

func (r reads) GetTransactionInfoByBlockNum(_ context.Context, m *api.NumberMessage) (*api.TransactionInfoList, error) {
	if m.GetNum() < 0 {
		return &api.TransactionInfoList{}, nil
	}
	return &api.TransactionInfoList{TransactionInfo: r.infos(uint64(m.GetNum()))}, nil
}

func (r reads) GetAccount(_ context.Context, a *core.Account) (*core.Account, error) {
	return r.find(a)
}

func (r reads) find(a *core.Account) (*core.Account, error) {
	addr, err := unwire(a.GetAddress())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	found, err := r.account(addr)
	if found == nil {
		found = &core.Account{}
	}
	return found, err
}

func (r reads) TriggerConstantContract(_ context.Context, m *core.TriggerSmartContract) (*api.TransactionExtention, error) {
	tx, err := r.c.compose(m, core.Transaction_Contract_TriggerSmartContract)
	if err != nil {
		return nil, err
	}
	result, refusal := r.call(m, constantCallEnergy)
	return constant(result, refusal, tx), nil
}

func (r reads) EstimateEnergy(_ context.Context, m *core.TriggerSmartContract) (*api.EstimateEnergyMessage, error) {
	energy, refusal := r.estimate(m)
	if refusal != nil {
		return &api.EstimateEnergyMessage{Result: &api.Return{Code: refusal.Code, Message: []byte(refusal.Message)}}, nil
	}
	return &api.EstimateEnergyMessage{Result: &api.Return{Result: true}, EnergyRequired: int64(energy)}, nil
}
