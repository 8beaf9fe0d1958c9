package certificate_test

import (
	"context"
	"iter"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/submit"
)

// noBlocks is a ledger that ends before its first block.
type noBlocks struct{ submit.Ledger }

func (noBlocks) Blocks(context.Context, uint64) iter.Seq2[submit.Block, error] {
	return func(func(submit.Block, error) bool) {}
}

// noLedger answers nothing.
type noLedger struct{}

func (noLedger) Evaluate(context.Context, string, ...[]byte) ([]byte, error) {
	return nil, fault.New(fault.Unavailable, "no ledger")
}
