package tron

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/anchor/send"
)

// RefusedError is a node's refusal of a transaction. It proves nothing about
// other nodes: Look says what became of the transaction.
type RefusedError struct {
	Code    string // a name of protocol.Return.response_code, for example SIGERROR
	Message string
}

func (e *RefusedError) Error() string {
	return "node refused the transaction: " + e.Code + ": " + e.Message
}

// Send broadcasts a.Raw. It returns nil when the node took it, or has it already;
// a *RefusedError when the node says no.
func (c *Client) Send(ctx context.Context, a send.Attempt) error {
	tx, err := decode(a)
	if err != nil {
		return err
	}
	r, err := c.wallet.BroadcastTransaction(ctx, tx)
	if err != nil {
		return fmt.Errorf("broadcast: %w", err)
	}
	if r.GetCode() == api.Return_SUCCESS && r.GetResult() {
		return nil
	}
	refused := &RefusedError{Code: r.GetCode().String(), Message: string(r.GetMessage())}
	if r.GetCode() != api.Return_DUP_TRANSACTION_ERROR {
		return refused
	}
	// A node with its id cache on says duplicate of one that it had refused, too.
	known, err := c.knows(ctx, a.ID)
	if err != nil || !known {
		return errors.Join(refused, err)
	}
	return nil
}

// decode reads the transaction of an attempt and checks that its id is the
// attempt's.
func decode(a send.Attempt) (*core.Transaction, error) {
	tx := &core.Transaction{}
	if err := proto.Unmarshal(a.Raw, tx); err != nil {
		return nil, fmt.Errorf("decode attempt %x: %w", a.ID, err)
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(tx.GetRawData())
	if err != nil {
		return nil, fmt.Errorf("decode attempt %x: %w", a.ID, err)
	}
	if id := sha256.Sum256(raw); !bytes.Equal(id[:], a.ID) {
		return nil, fmt.Errorf("attempt %x holds transaction %x", a.ID, id)
	}
	return tx, nil
}

// knows reports whether the full node has a transaction, in a block or waiting.
func (c *Client) knows(ctx context.Context, id []byte) (bool, error) {
	tx, err := c.wallet.GetTransactionById(ctx, &api.BytesMessage{Value: id})
	if err != nil {
		return false, fmt.Errorf("look for transaction: %w", err)
	}
	if tx.GetRawData() != nil {
		return true, nil
	}
	if tx, err = c.wallet.GetTransactionFromPending(ctx, &api.BytesMessage{Value: id}); err != nil {
		return false, fmt.Errorf("look for waiting transaction: %w", err)
	}
	return tx.GetRawData() != nil, nil
}

// Look finds out what became of a. It is dead when no node knows it although a
// solidified block is past its expiration, final when it is in a solidified
// block; of the further nodes, one at least and all that answer must say so too. When
// none does the outcome comes with send.ErrAlone.
func (c *Client) Look(ctx context.Context, a send.Attempt) (send.Outcome, error) {
	tx, err := decode(a)
	if err != nil {
		return send.Outcome{}, err
	}
	// The clock is read before the transaction is looked for: what is solidified
	// by now, the questions below cannot miss.
	solid, err := c.solidity.GetNowBlock2(ctx, &api.EmptyMessage{})
	if err != nil {
		return send.Outcome{}, fmt.Errorf("read solidified block: %w", err)
	}
	id := &api.BytesMessage{Value: a.ID}
	info, err := c.solidity.GetTransactionInfoById(ctx, id)
	if err != nil {
		return send.Outcome{}, fmt.Errorf("look at solidified blocks: %w", err)
	}
	if bytes.Equal(info.GetId(), a.ID) {
		final, alone := c.othersHave(ctx, info)
		o, err := c.outcome(ctx, tx, info, final)
		if err == nil {
			err = alone
		}
		return o, err
	}
	if info, err = c.wallet.GetTransactionInfoById(ctx, id); err != nil {
		return send.Outcome{}, fmt.Errorf("look at blocks: %w", err)
	}
	if bytes.Equal(info.GetId(), a.ID) {
		return c.outcome(ctx, tx, info, false)
	}
	known, err := c.knows(ctx, a.ID)
	switch {
	case err != nil:
		return send.Outcome{}, err
	case known:
		return send.Outcome{State: send.StatePending}, nil
	case solid.GetBlockHeader().GetRawData().GetTimestamp() <= tx.GetRawData().GetExpiration():
		return send.Outcome{State: send.StateUnknown}, nil
	}
	o := send.Outcome{State: send.StateUnknown}
	dead, err := c.othersMiss(ctx, a.ID, tx.GetRawData().GetExpiration())
	if dead {
		o.State = send.StateDead
	}
	return o, err
}

// outcome reads the receipt of a transaction that is in a block.
func (c *Client) outcome(ctx context.Context, tx *core.Transaction, info *core.TransactionInfo, final bool) (send.Outcome, error) {
	if info.GetBlockNumber() < 0 || info.GetFee() < 0 || info.GetReceipt().GetEnergyUsageTotal() < 0 {
		return send.Outcome{}, errors.New("the node's receipt has negative figures")
	}
	at := &api.NumberMessage{Num: info.GetBlockNumber()}
	var block *api.BlockExtention
	var err error
	if final {
		block, err = c.solidity.GetBlockByNum2(ctx, at)
	} else {
		block, err = c.wallet.GetBlockByNum2(ctx, at)
	}
	if err != nil {
		return send.Outcome{}, fmt.Errorf("read block %d: %w", at.Num, err)
	}
	if len(block.GetBlockid()) != 32 {
		return send.Outcome{}, fmt.Errorf("the node has a receipt of block %d, but not the block", at.Num)
	}
	unpaid := proto.Clone(tx).(*core.Transaction)
	unpaid.Ret = nil
	o := send.Outcome{
		State: send.StateMined, Final: final,
		Block: uint64(info.GetBlockNumber()), BlockHash: block.GetBlockid(),
		Cost:      uint64(info.GetReceipt().GetEnergyUsageTotal()),
		Bandwidth: uint64(proto.Size(unpaid) + resultBytes),
		Fee:       strconv.FormatInt(info.GetFee(), 10),
	}
	// A transaction without code has no contract result; one that failed always
	// has one.
	if info.GetResult() != core.TransactionInfo_SUCESS || info.GetReceipt().GetResult() > core.Transaction_Result_SUCCESS {
		o.State = send.StateReverted
	}
	return o, nil
}
