package fabric_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
)

var orderings = []string{topology.SmartBFT, topology.Raft}

// chain is a ledger of at most one transaction, in which it may stand several times,
// as it does when several Raft orderers took it.
type chain struct {
	mu    sync.Mutex
	times int
}

func (c *chain) order() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times++
}

func (c *chain) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.times
}

// peers are four that agree and know what was ordered.
func (c *chain) peers(t *testing.T) []*fakePeer {
	t.Helper()
	answer := func(m proto.Message) func() (string, error) {
		data, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return func() (string, error) {
			if c.count() == 0 {
				return "", errors.New("no such transaction ID")
			}
			return string(data), nil
		}
	}
	a := result("a")
	all := peers(a, a, a, a)
	for _, p := range all {
		p.texts = map[string]func() (string, error){
			// Of a transaction that stands there twice Fabric tells the first.
			"GetTransactionByID": answer(&peer.ProcessedTransaction{}),
			"GetBlockByTxID":     answer(&common.Block{Header: &common.BlockHeader{Number: 8}}),
		}
	}
	return all
}

// TestOrderersFail (OD-1) has every kind of failing orderer, as "not done" and as "done
// although it failed", under both ordering services: the transaction ends up ordered,
// and the caller knows it.
func TestOrderersFail(t *testing.T) {
	t.Parallel()
	const down = -1
	noLeader := no(common.Status_SERVICE_UNAVAILABLE, "no Raft leader")
	for _, tc := range []struct {
		name string
		// fails is how many of the four fail; the others take and order.
		fails int
		// answer is a failing one's answer to its i-th envelope. It orders what it gets
		// when done says so.
		answer func(ctx context.Context, i int) *orderer.BroadcastResponse
		times  int // how often it fails; down: it does not run
	}{
		{"one is down", 1, nil, down},
		{"one refuses", 1, func(context.Context, int) *orderer.BroadcastResponse { return noLeader(0) }, 1000},
		{"one breaks its streams", 1, func(context.Context, int) *orderer.BroadcastResponse { return nil }, 1000},
		{"one hangs", 1, func(ctx context.Context, _ int) *orderer.BroadcastResponse { <-ctx.Done(); return nil }, 1000},
		{"all are without a leader for a while", 4, func(context.Context, int) *orderer.BroadcastResponse { return noLeader(0) }, 2},
		{"all take and drop it as the leader changes", 4, func(context.Context, int) *orderer.BroadcastResponse { return yes(0) }, 1},
	} {
		for _, ordering := range orderings {
			for _, done := range []bool{false, true} {
				if tc.times == down && done {
					continue
				}
				name := ordering + "/" + tc.name
				if done {
					name += "/and has it"
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					ledger := &chain{}
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					var all []*fakeOrderer
					for k := range 4 {
						switch {
						case k < tc.fails && tc.times == down:
							all = append(all, nil)
						case k < tc.fails:
							all = append(all, &fakeOrderer{answer: func(i int) *orderer.BroadcastResponse {
								if i >= tc.times {
									ledger.order()
									return yes(i)
								}
								if done {
									ledger.order()
								}
								return tc.answer(ctx, i)
							}})
						default:
							all = append(all, &fakeOrderer{answer: func(i int) *orderer.BroadcastResponse { ledger.order(); return yes(i) }})
						}
					}
					c := clientOf(t, ordering, ledger.peers(t), all)
					fabric.Quicken(c, 8)
					r, err := c.Execute(ctx, "f")
					if err != nil || r.Block != 8 || ledger.count() == 0 {
						t.Errorf("receipt %+v, %v; ordered %d times", r, err, ledger.count())
					}
				})
			}
		}
	}
}

// TestAllOrderersFail has no orderer that answers: nobody knows, until the ledger
// tells.
func TestAllOrderersFail(t *testing.T) {
	t.Parallel()
	for _, ordering := range orderings {
		for _, done := range []bool{false, true} {
			t.Run(ordering, func(t *testing.T) {
				t.Parallel()
				ledger := &chain{}
				breaks := func(int) *orderer.BroadcastResponse {
					if done {
						ledger.order()
					}
					return nil
				}
				c := clientOf(t, ordering, ledger.peers(t), orderers(breaks, breaks, breaks, breaks))
				fabric.Quicken(c, 8)
				tx, err := c.Prepare("f")
				if err == nil {
					err = tx.Endorse(t.Context())
				}
				if err != nil {
					t.Fatal(err)
				}
				patience := time.Minute
				if !done {
					patience = time.Second
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				_, err = tx.Commit(ctx)
				var unknown *fabric.Unknown
				if done && err != nil || !done && !errors.As(err, &unknown) {
					t.Errorf("Commit = %v", err)
				}
			})
		}
	}
}

// Each Raft orderer that takes a transaction orders it: it goes to one, and to the
// same one while that works.
func TestRaftGoesToOne(t *testing.T) {
	all := orderers(no(common.Status_SERVICE_UNAVAILABLE, "no Raft leader"), yes, yes, yes)
	a := result("a")
	c := clientOf(t, topology.Raft, peers(a, a, a, a), all)
	fabric.Wait(c) // a slow answer would send it to the next one
	for range 5 {
		tx, err := c.Prepare("f")
		if err == nil {
			err = tx.Endorse(t.Context())
		}
		if err == nil {
			err = tx.Submit(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var got []int
	for _, o := range all {
		got = append(got, o.seen())
	}
	if got[0] != 1 || got[1] != 5 || got[2] != 0 || got[3] != 0 {
		t.Errorf("the orderers got %v transactions of 5; want the first one, the second all, and no more", got)
	}
}

// TestRejected (OD-2) has orderers that refuse for good: under Raft nothing happened; under
// SmartBFT one that lies may still do what it likes with it.
func TestRejected(t *testing.T) {
	t.Parallel()
	large := no(common.Status_BAD_REQUEST, "message payload is 11000000 bytes and exceeds maximum allowed 10485760 bytes")
	denied := no(common.Status_FORBIDDEN, "permission denied")
	absent := no(common.Status_BAD_REQUEST, "channel does not exist")
	busy := no(common.Status_SERVICE_UNAVAILABLE, "no Raft leader")
	type answers = []func(int) *orderer.BroadcastResponse
	for _, tc := range []struct {
		name                     string
		ordering                 string
		answers                  answers
		rejected, unknown, large bool
	}{
		{"all reject", topology.Raft, answers{large, large, large, large}, true, false, true},
		{"two reject", topology.Raft, answers{large, large, yes, yes}, true, false, true},
		{"one fails, two reject", topology.Raft, answers{nil, large, large, yes}, true, true, true},
		{"one rejects", topology.Raft, answers{large, yes, yes, yes}, false, false, false},
		{"one rejects, none else answers", topology.Raft, answers{large, nil, nil, nil}, false, true, false},
		{"one may have it, two reject", topology.Raft, answers{silence, large, large, large}, true, true, true},
		{"one without a leader, two reject", topology.Raft, answers{busy, large, large, large}, true, true, true},
		{"none has the channel", topology.Raft, answers{absent, absent, absent, absent}, false, true, false},
		{"two deny", topology.Raft, answers{denied, denied, yes, yes}, true, false, false},
		{"one rejects, one denies", topology.Raft, answers{large, denied, yes, yes}, true, false, false},
		{"all deny", topology.SmartBFT, answers{denied, denied, denied, denied}, true, true, false},
		{"all reject", topology.SmartBFT, answers{large, large, large, large}, true, true, true},
		{"one rejects", topology.SmartBFT, answers{large, yes, yes, yes}, false, false, false},
		{"two reject, two take", topology.SmartBFT, answers{large, large, yes, yes}, false, false, false},
		{"two reject, one takes, one is down", topology.SmartBFT, answers{large, large, yes, nil}, true, true, true},
		{"one rejects, none else answers", topology.SmartBFT, answers{large, nil, nil, nil}, false, true, false},
		{"none has the channel", topology.SmartBFT, answers{absent, absent, absent, absent}, false, true, false},
	} {
		t.Run(tc.ordering+"/"+tc.name, func(t *testing.T) {
			t.Parallel()
			c := clientOf(t, tc.ordering, (&chain{}).peers(t), orderers(tc.answers...))
			if tc.unknown && !tc.rejected {
				fabric.Quicken(c, 8) // they are asked until time is up
			} else {
				fabric.Wait(c)
			}
			tx, err := c.Prepare("f")
			if err == nil {
				err = tx.Endorse(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			err = tx.Submit(t.Context())
			var rejected *fabric.Rejected
			var unknown *fabric.Unknown
			if errors.As(err, &rejected) != tc.rejected || errors.As(err, &unknown) != tc.unknown {
				t.Errorf("submit = %v; want rejected %v, unknown %v", err, tc.rejected, tc.unknown)
			}
			if rejected != nil && rejected.TooLarge != tc.large {
				t.Errorf("submit = %v; said to be too large: %v", err, rejected.TooLarge)
			}
			if !tc.rejected {
				return
			}
			// No caller waits for what cannot come.
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err = tx.Commit(ctx)
			if !errors.As(err, &rejected) || errors.As(err, &unknown) != tc.unknown || ctx.Err() != nil {
				t.Errorf("commit = %v", err)
			}
		})
	}
}
