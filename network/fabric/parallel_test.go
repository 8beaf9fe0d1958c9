package fabric_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/killick-ledger/killick/network/fabric"
)

// As many organisations as have to endorse run a transaction at the same time: none
// answers here before another is asked, and no more than two are.
func TestEndorsersRunSideBySide(t *testing.T) {
	var asked atomic.Int32
	both := make(chan struct{})
	meet := func(ctx context.Context) (*peer.ProposalResponse, error) {
		if asked.Add(1) == 2 {
			close(both)
		}
		select {
		case <-both:
			return result("same")(ctx)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	c := client(t, peers(meet, meet, meet, meet), orderers(allTake...))
	fabric.Wait(c)
	tx, err := c.Prepare("f")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := tx.Endorse(ctx); err != nil || asked.Load() != 2 {
		t.Errorf("%d were asked, %v", asked.Load(), err)
	}
}

// Under SmartBFT every orderer gets each transaction, whoever took it first, over the
// one stream that it has.
func TestSmartBFTGoesToAll(t *testing.T) {
	const transactions = 5
	took := make(chan struct{}, 4*transactions)
	take := func(i int) *orderer.BroadcastResponse { took <- struct{}{}; return yes(i) }
	a, all := result("a"), orderers(take, take, take, take)
	c := client(t, peers(a, a, a, a), all)
	for range transactions {
		if err := endorsed(t, c).Submit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	limit := time.After(20 * time.Second)
	for range 4 * transactions {
		select {
		case <-took:
		case <-limit:
			t.Fatal("an orderer did not get a transaction")
		}
	}
	for i, o := range all {
		if o.seen() != transactions || o.streams() != 1 {
			t.Errorf("orderer %d got %d transactions over %d streams", i+1, o.seen(), o.streams())
		}
	}
}
