package submit_test

import (
	"context"
	"iter"
	"testing"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// doubled is a ledger on which every transaction stands again behind itself and once
// more in the next block, without effect: as Raft orders what was handed over again.
type doubled struct{ submit.Ledger }

func (d doubled) Blocks(ctx context.Context, from uint64) iter.Seq2[submit.Block, error] {
	return func(yield func(submit.Block, error) bool) {
		var again []submit.Committed
		for b, err := range d.Ledger.Blocks(ctx, from) {
			all := again
			again = nil
			for _, tx := range b.Transactions {
				void := submit.Committed{ID: tx.ID, Reason: "DUPLICATE_TXID"}
				all, again = append(all, tx, void), append(again, void)
			}
			b.Transactions = all
			if !yield(b, err) || err != nil {
				return
			}
		}
	}
}

// GW-1 on a ledger on which transactions stand several times: the one with effect
// decides, and a void one is sent again once.
func TestTransactionsThatStandTwice(t *testing.T) {
	h := start(t, func(c *submit.Config) { c.Ledger = doubled{c.Ledger} })
	var receipts []submit.Receipt
	for i, faults := range [][]submittest.Fault{nil, {submittest.Conflict}, {submittest.UnknownStored}, {submittest.UnknownLost, submittest.Conflict}} {
		h.ledger.Inject(faults...)
		receipts = append(receipts, h.want(h.alice.Pay(int64(1+i), h.bob), submit.Done, fault.OK))
	}
	h.check(receipts)
	if s := h.s.Status(); s.Pending != 0 || s.Void != 2 {
		t.Errorf("status %+v; want nothing pending, and each conflict counted once", s)
	}
}
