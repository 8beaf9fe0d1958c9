package main

import (
	"context"
	"errors"
	"iter"

	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/network/fabric"
)

// ledger is the Fabric network as submit and api see it.
type ledger struct {
	client     *fabric.Client
	chaincode  string
	members    []string // MSP ids of the organisations with a peer
	divergence *divergence
}

// Prepare makes a transaction of a batch.
func (l ledger) Prepare(frame []byte, contents map[string][]byte) (submit.Transaction, error) {
	tx, err := l.client.PrepareWith(contents, "ops:Batch", frame)
	if err != nil {
		return nil, err
	}
	return transaction{tx, l.divergence, frame}, nil
}

// Height is the number of blocks on the own peer, or on another one when that is down.
func (l ledger) Height(ctx context.Context) (uint64, error) { return l.client.Height(ctx) }

// transaction gives refusals and rejections their codes, and has disputes looked into.
type transaction struct {
	*fabric.Transaction
	divergence *divergence
	frame      []byte
}

func (t transaction) Endorse(ctx context.Context) error {
	err := t.Transaction.Endorse(ctx)
	t.divergence.look(t.Dispute(), t.frame)
	return coded(err)
}

// Submit hands the batch over for ordering.
func (t transaction) Submit(ctx context.Context) error { return oversize(t.Transaction.Submit(ctx)) }

// oversize says so of a batch that orderers reject for its size. Other rejections are
// about the gateway and no matter of the batch: a certificate that has expired.
func oversize(err error) error {
	var rejected *fabric.Rejected
	var unknown *fabric.Unknown
	if !errors.As(err, &rejected) || !rejected.TooLarge {
		return err
	}
	return &submit.TooLarge{Certain: !errors.As(err, &unknown), Cause: err}
}

// coded finds the chaincode's code in a refusal. A difference between
// organisations counts as a fault of the batch too: halving finds the operation
// that they differ on.
func coded(err error) error {
	var refused *fabric.Refused
	var diverged *fabric.Diverged
	switch {
	case errors.As(err, &refused):
		if e, ok := fault.Parse(refused.Message); ok {
			return e
		}
	case errors.As(err, &diverged):
		return fault.New(fault.Internal, "%v", err)
	}
	return err
}

// Evaluate runs a query. What one peer does not have, though the ledger names it, it
// asks the others for.
func (l ledger) Evaluate(ctx context.Context, function string, args ...[]byte) ([]byte, error) {
	answer, err := l.client.Evaluate(ctx, function, args...)
	for _, msp := range l.members {
		if fault.Of(coded(err)) != fault.Unavailable {
			break
		}
		answer, err = l.client.EvaluateAt(ctx, msp, function, args...)
	}
	var unavailable *fabric.Unavailable
	if errors.As(err, &unavailable) {
		return nil, fault.New(fault.Unavailable, "no peer answers")
	}
	return answer, coded(err)
}

// Validation finds what Fabric says of a transaction.
func (l ledger) Validation(ctx context.Context, id string) (string, uint64, error) {
	return validation(l.client.Lookup(ctx, id))
}

// validation is what a look-up says of a transaction.
func validation(status fabric.Status, err error) (string, uint64, error) {
	var unavailable *fabric.Unavailable
	switch {
	case errors.As(err, &unavailable):
		return "", 0, fault.New(fault.Unavailable, "no peer answers")
	case err != nil:
		return "", 0, err
	case !status.Found:
		return "", 0, fault.New(fault.NotFound, "no block that this gateway's peer has holds the transaction")
	}
	return peer.TxValidationCode(status.Code).String(), status.Block, nil
}

// Find reports whether a transaction is in a block.
func (l ledger) Find(ctx context.Context, id string) (bool, error) {
	status, err := l.client.Lookup(ctx, id)
	return status.Found, err
}

// Blocks yields blocks with what submit needs of them.
func (l ledger) Blocks(ctx context.Context, from uint64) iter.Seq2[submit.Block, error] {
	return func(yield func(submit.Block, error) bool) {
		for block, err := range l.client.Blocks(ctx, from) {
			var b submit.Block
			if err == nil {
				b, err = decode(block, l.chaincode)
			}
			if !yield(b, err) || err != nil {
				return
			}
		}
	}
}
