package tron

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/grpc"

	"github.com/killick-ledger/killick/anchor/send"
)

// Holds reports whether in.Check returns in.Want at the given head. At the final
// head every node that answers must say so. A view that the contract refuses
// does not hold.
func (c *Client) Holds(ctx context.Context, in send.Intent, at send.Head) (bool, error) {
	holds, err := c.says(ctx, c.asker(at), in)
	if err != nil || !holds || at == send.Latest {
		return holds, err
	}
	for _, n := range c.also {
		if yes, err := c.says(ctx, n.TriggerConstantContract, in); err == nil && !yes {
			return false, nil
		}
	}
	return true, nil
}

func (c *Client) says(ctx context.Context, ask asker, in send.Intent) (bool, error) {
	got, err := c.view(ctx, ask, in.To, in.Check)
	if failed := (*FailedError)(nil); errors.As(err, &failed) {
		return false, nil
	}
	return err == nil && bytes.Equal(got, in.Want), err
}

// Call runs a view call and returns its result. At the final head every node
// that answers must return the same.
func (c *Client) Call(ctx context.Context, to send.Address, data []byte, at send.Head) ([]byte, error) {
	got, err := c.view(ctx, c.asker(at), to, data)
	if err != nil || at == send.Latest {
		return got, err
	}
	for _, n := range c.also {
		if other, err := c.view(ctx, n.TriggerConstantContract, to, data); err == nil && !bytes.Equal(got, other) {
			return nil, fmt.Errorf("chain %s: nodes return different values for a view of %s at the solidified head", c.id, Base58(to))
		}
	}
	return got, nil
}

// asker runs a constant call on some node.
type asker func(context.Context, *core.TriggerSmartContract, ...grpc.CallOption) (*api.TransactionExtention, error)

func (c *Client) asker(at send.Head) asker {
	if at == send.Final {
		return c.solidity.TriggerConstantContract
	}
	return c.wallet.TriggerConstantContract
}

func (c *Client) view(ctx context.Context, ask asker, to send.Address, data []byte) ([]byte, error) {
	ext, err := ask(ctx, &core.TriggerSmartContract{OwnerAddress: wire(c.from), ContractAddress: wire(to), Data: data})
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", Base58(to), err)
	}
	if err := succeeded(ext); err != nil {
		return nil, fmt.Errorf("call %s: %w", Base58(to), err)
	}
	return bytes.Join(ext.GetConstantResult(), nil), nil
}

// othersHave reports whether every further node that answers has the
// transaction in the same solidified block.
func (c *Client) othersHave(ctx context.Context, info *core.TransactionInfo) bool {
	for _, n := range c.also {
		other, err := n.GetTransactionInfoById(ctx, &api.BytesMessage{Value: info.GetId()})
		if err != nil {
			continue
		}
		if !bytes.Equal(other.GetId(), info.GetId()) || other.GetBlockNumber() != info.GetBlockNumber() ||
			other.GetReceipt().GetResult() != info.GetReceipt().GetResult() {
			return false
		}
	}
	return true
}

// othersMiss reports whether every further node that answers is past the
// expiration and does not have the transaction.
func (c *Client) othersMiss(ctx context.Context, id []byte, expiration int64) bool {
	for _, n := range c.also {
		solid, err := n.GetNowBlock2(ctx, &api.EmptyMessage{})
		if err != nil {
			continue
		}
		info, err := n.GetTransactionInfoById(ctx, &api.BytesMessage{Value: id})
		if err != nil {
			continue
		}
		if solid.GetBlockHeader().GetRawData().GetTimestamp() <= expiration || bytes.Equal(info.GetId(), id) {
			return false
		}
	}
	return true
}
