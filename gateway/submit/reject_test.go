package submit_test

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// A batch that orderers call too large is halved at once, whether it is nowhere, in
// a block all the same, or comes when its halves are done. (GW-1, GW-2)
func TestTooLargeBatch(t *testing.T) {
	for name, rejection := range map[string]submittest.Fault{
		"certain": submittest.Rejected, "lost": submittest.RejectedLost, "stored": submittest.RejectedStored, "late": submittest.RejectedLate,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := start(t, func(c *submit.Config) { c.Batch, c.Lost = 16, time.Hour })
				h.ledger.Inject(rejection, rejection)
				var jws []string
				for i := range 16 {
					text, _ := h.alice.Record(fmt.Sprint("large", i))
					jws = append(jws, text)
				}
				var receipts []submit.Receipt
				for _, ticket := range h.submit(jws...) {
					receipts = append(receipts, h.wait(ticket))
				}
				h.ledger.Release()
				h.want(h.bob.Pay(1, h.alice), submit.Done, fault.OK) // what came late was taken in
				h.check(receipts)
				largest := 0
				for _, r := range receipts {
					if r.State != submit.Done {
						t.Errorf("receipt %+v", r)
					}
					largest = max(largest, h.ledger.Items(r.Transaction))
				}
				if largest > 8 && rejection != submittest.RejectedStored {
					t.Errorf("a batch of %d operations was sent after one of 16 was rejected", largest)
				}
				if s := h.s.Status(); s.Lost != 0 || s.Pending != 0 || s.InFlight != 0 {
					t.Errorf("status %+v", s)
				}
			})
		})
	}
}

// A lone operation that is too large is refused: at once when it is nowhere, and else
// when it did not come for as long as takes others for lost. What an orderer lied
// about is told as it is on the ledger. (GW-1)
func TestTooLargeOperation(t *testing.T) {
	for _, tc := range []struct {
		name      string
		rejection submittest.Fault
		lost      time.Duration
		state     submit.State
		code      fault.Code
	}{
		{"certain", submittest.Rejected, time.Hour, submit.Refused, fault.TooLarge},
		{"lost", submittest.RejectedLost, 150 * time.Millisecond, submit.Refused, fault.TooLarge},
		{"stored", submittest.RejectedStored, time.Hour, submit.Done, fault.OK},
		{"late", submittest.RejectedLate, 150 * time.Millisecond, submit.Refused, fault.TooLarge},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := start(t, func(c *submit.Config) { c.Lost = tc.lost })
				h.ledger.Inject(tc.rejection)
				jws, _ := h.alice.Record("large")
				next, _ := h.alice.Record("next")
				tickets := h.submit(jws)
				r := h.wait(tickets[0])
				if r.State != tc.state || r.Code != tc.code || (r.Transaction == "") != (tc.state == submit.Refused) {
					t.Errorf("receipt %+v, want %s %s", r, tc.state, tc.code)
				}
				h.want(next, submit.Done, fault.OK) // it holds nobody up
				h.ledger.Release()
				h.want(h.bob.Pay(1, h.alice), submit.Done, fault.OK)
				after, err := h.s.Lookup(r.ID)
				if late := tc.rejection == submittest.RejectedLate; err != nil || (after.State == submit.Done) != (late || tc.state == submit.Done) {
					t.Errorf("afterwards: %+v, %v", after, err)
				}
				// The same bytes may come again: a smaller limit may have been raised.
				again := h.want(jws, submit.Done, fault.OK)
				h.check([]submit.Receipt{again})
			})
		})
	}
}

// What was taken and dropped is handed over again long before it is given up, and
// twice in the ledger is once done. Of what nobody answered for the ledger is asked:
// it is in no second transaction. (GW-1)
func TestHandedOverAgain(t *testing.T) {
	for name, lost := range map[string]submittest.Fault{
		"dropped": submittest.Dropped, "slow": submittest.Slow, "lost reply": submittest.UnknownStored, "no reply": submittest.Mute,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := start(t, func(c *submit.Config) { c.Lost = 8 * time.Second })
				h.ledger.Inject(lost)
				jws, _ := h.alice.Record("dropped")
				r := h.want(jws, submit.Done, fault.OK)
				h.want(h.bob.Pay(1, h.alice), submit.Done, fault.OK)
				h.check([]submit.Receipt{r})
				if s := h.s.Status(); s.Lost != 0 || s.Batches != 4 {
					t.Errorf("status %+v", s)
				}
			})
		})
	}
}

// A transaction whose block the gateway has not read yet, however late, is in a block by
// its id: it is neither handed over again nor given up. (GW-1)
func TestBlocksComeLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const lost = time.Second
		blocks := &lateBlocks{release: make(chan struct{})}
		h := start(t, func(c *submit.Config) {
			blocks.Ledger, c.Ledger, c.Lost = c.Ledger, blocks, lost
		})
		before := h.s.Status().Batches
		blocks.late.Store(true)
		var handed atomic.Int32
		h.ledger.SetHook(func(stored bool) {
			if !stored {
				handed.Add(1)
			}
		})
		jws, _ := h.alice.Record("late")
		ticket := h.submit(jws)[0]
		time.Sleep(10 * lost)
		if s := h.s.Status(); s.Lost != 0 || s.Batches != before+1 || s.InFlight != 1 || s.Pending != 1 || handed.Load() != 1 {
			t.Errorf("handed over %d times, status %+v", handed.Load(), s)
		}
		close(blocks.release)
		r := h.wait(ticket)
		if r.State != submit.Done || r.Repeated {
			t.Errorf("receipt %+v", r)
		}
		h.check([]submit.Receipt{r})
	})
}

// lateBlocks is a ledger whose blocks come, once they are late, when they are released.
type lateBlocks struct {
	submit.Ledger
	late    atomic.Bool
	release chan struct{}
}

func (l *lateBlocks) Blocks(ctx context.Context, from uint64) iter.Seq2[submit.Block, error] {
	return func(yield func(submit.Block, error) bool) {
		for block, err := range l.Ledger.Blocks(ctx, from) {
			if l.late.Load() {
				select {
				case <-l.release:
				case <-ctx.Done():
					return
				}
			}
			if !yield(block, err) {
				return
			}
		}
	}
}
