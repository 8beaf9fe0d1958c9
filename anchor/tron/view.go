package tron

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/grpc"

	"github.com/killick-ledger/killick/anchor/send"
)

// further is a node that is asked beside the solidity node.
type further struct {
	api.WalletSolidityClient
	addr    string
	checked atomic.Bool // it is of the same network
}

// others asks the further nodes at once and returns what those said that answered: at
// least one, where there are any, else the error is send.ErrAlone. A node of another
// network is one that does not answer.
func others[T any](ctx context.Context, c *Client, do func(context.Context, *further) (T, error)) ([]T, error) {
	values, errs := each(ctx, c, do)
	var answers []T
	for i, err := range errs {
		if err == nil {
			answers = append(answers, values[i])
		}
	}
	err := errors.Join(errs...)
	if len(answers) == 0 && err != nil {
		return nil, fmt.Errorf("chain %s: %w: %w", c.id, send.ErrAlone, err)
	}
	c.silent.Store(&err)
	return answers, nil
}

// Silent names, as an error, the further nodes that did not answer when others of them
// last did; nil when all did.
func (c *Client) Silent() error {
	if err := c.silent.Load(); err != nil {
		return *err
	}
	return nil
}

// each asks the further nodes at once and returns, by node, what it said or why it did
// not.
func each[T any](ctx context.Context, c *Client, do func(context.Context, *further) (T, error)) ([]T, []error) {
	return send.Ask(ctx, c.also, 0, func(ctx context.Context, n *further) (v T, err error) {
		if err = n.ready(ctx, c); err == nil {
			v, err = do(ctx, n)
		}
		if err != nil {
			if slow := context.Cause(ctx); slow != nil {
				err = slow
			}
			err = fmt.Errorf("node %s: %w", n.addr, err)
		}
		return v, err
	})
}

// ready checks once that a node is of the same network.
func (n *further) ready(ctx context.Context, c *Client) error {
	if n.checked.Load() {
		return nil
	}
	first, err := n.GetBlockByNum2(ctx, &api.NumberMessage{})
	if err != nil {
		return err
	}
	if !bytes.Equal(first.GetBlockid(), c.genesis) {
		return ErrWrongChain
	}
	n.checked.Store(true)
	return nil
}

// Holds reports whether in.Check returns in.Want at the given head. At the final
// head every node that answers must say so, and one of the further nodes must answer,
// where there are any. A view that the contract refuses does not hold.
func (c *Client) Holds(ctx context.Context, in send.Intent, at send.Head) (bool, error) {
	holds, err := c.says(ctx, c.asker(at), in)
	if err != nil || !holds || at == send.Latest {
		return holds, err
	}
	all, err := others(ctx, c, func(ctx context.Context, n *further) (bool, error) {
		return c.says(ctx, n.TriggerConstantContract, in)
	})
	return err == nil && !slices.Contains(all, false), err
}

func (c *Client) says(ctx context.Context, ask asker, in send.Intent) (bool, error) {
	got, err := c.view(ctx, ask, in.To, in.Check)
	if failed := (*FailedError)(nil); errors.As(err, &failed) {
		return false, nil
	}
	return err == nil && bytes.Equal(got, in.Want), err
}

// Call runs a view call and returns its result. At the final head every node
// that answers must return the same, and one of the further nodes must answer.
func (c *Client) Call(ctx context.Context, to send.Address, data []byte, at send.Head) ([]byte, error) {
	got, err := c.view(ctx, c.asker(at), to, data)
	if err != nil || at == send.Latest {
		return got, err
	}
	all, err := others(ctx, c, func(ctx context.Context, n *further) ([]byte, error) {
		return c.view(ctx, n.TriggerConstantContract, to, data)
	})
	if err != nil {
		return nil, err
	}
	for _, other := range all {
		if !bytes.Equal(got, other) {
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
// transaction in the same solidified block. The error is send.ErrAlone.
func (c *Client) othersHave(ctx context.Context, info *core.TransactionInfo) (bool, error) {
	all, err := others(ctx, c, func(ctx context.Context, n *further) (bool, error) {
		other, err := n.GetTransactionInfoById(ctx, &api.BytesMessage{Value: info.GetId()})
		return bytes.Equal(other.GetId(), info.GetId()) && other.GetBlockNumber() == info.GetBlockNumber() &&
			other.GetReceipt().GetResult() == info.GetReceipt().GetResult(), err
	})
	return err == nil && !slices.Contains(all, false), err
}

// othersMiss reports whether every further node that answers is past the
// expiration and does not have the transaction. The error is send.ErrAlone.
func (c *Client) othersMiss(ctx context.Context, id []byte, expiration int64) (bool, error) {
	all, err := others(ctx, c, func(ctx context.Context, n *further) (bool, error) {
		solid, err := n.GetNowBlock2(ctx, &api.EmptyMessage{})
		if err != nil {
			return false, err
		}
		info, err := n.GetTransactionInfoById(ctx, &api.BytesMessage{Value: id})
		return solid.GetBlockHeader().GetRawData().GetTimestamp() > expiration && !bytes.Equal(info.GetId(), id), err
	})
	return err == nil && !slices.Contains(all, false), err
}
