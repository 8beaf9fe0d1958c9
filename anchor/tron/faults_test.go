package tron_test

import (
	"context"
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/signer/signertest"
	"github.com/killick-ledger/killick/anchor/tron"
	"github.com/killick-ledger/killick/anchor/tronnode/node"
	"github.com/killick-ledger/killick/anchor/tronnode/node/nodetest"
)

// amount is paid once in each play: a token that would pay a duplicate, too.
const amount = 500

// play is a network on which something goes wrong with one payment, and a driver
// whose broadcasts can get lost on the way there or back.
type play struct {
	*network
	in   send.Intent
	sent []send.Attempt
	lost string // "request" or "answer": of the next broadcast
}

func newPlay(t *testing.T, cache bool) *play {
	t.Helper()
	p := &play{network: startWith(t, func(c *node.Config) {
		c.IDCache = cache
		c.Alloc[nodetest.Address("bob")] = 1000 * nodetest.TRX
	})}
	token := p.install(contracts.NewTestToken(big.NewInt(1_000_000)))
	p.clock.Store(p.headTime())
	p.Client = p.dial(func(c *tron.Config) {
		c.Dial = []grpc.DialOption{
			grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUnaryInterceptor(p.lose),
		}
	})
	to := nodetest.Address("bob")
	want := common.BigToHash(big.NewInt(amount))
	p.in = send.Intent{
		ID: "pay", To: token, Data: contracts.PackTransfer(to, big.NewInt(amount)),
		Check: contracts.PackBalanceOf(to), Want: want[:],
	}
	return p
}

// lose has a broadcast fail before the node has it, or after.
func (p *play) lose(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	lost := ""
	if method == "/protocol.Wallet/BroadcastTransaction" {
		lost, p.lost = p.lost, ""
	}
	if lost != "request" {
		if err := call(ctx, method, req, reply, conn, opts...); err != nil {
			return err
		}
	}
	if lost != "" {
		return status.Error(codes.Unavailable, "the "+lost+" is lost")
	}
	return nil
}

func (p *play) headTime() int64 {
	p.t.Helper()
	conn, err := grpc.NewClient(p.cfg.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	b, err := api.NewWalletClient(conn).GetNowBlock2(p.t.Context(), &api.EmptyMessage{})
	if err != nil {
		p.t.Fatal(err)
	}
	return b.GetBlockHeader().GetRawData().GetTimestamp()
}

// tick moves the clock by a period and makes blocks as make does.
func (p *play) tick(blocks int, make func() (uint64, error)) {
	p.t.Helper()
	for range blocks {
		p.clock.Add(3000)
		if _, err := make(); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *play) fork(leave uint64, blocks ...[]*core.Transaction) {
	p.t.Helper()
	head, _ := p.chain.Height()
	if err := p.chain.Fork(head-leave, blocks...); err != nil {
		p.t.Fatal(err)
	}
}

// next arms and sends another attempt.
func (p *play) next() send.Attempt {
	p.t.Helper()
	a := p.arm(p.in, p.sent...)
	p.sent = append(p.sent, a)
	p.trySend()
	return a
}

func (p *play) trySend() bool { return p.Send(p.t.Context(), p.sent[len(p.sent)-1]) == nil }

// transaction is that of the last attempt, as another producer has it.
func (p *play) transaction() []*core.Transaction {
	p.t.Helper()
	tx := &core.Transaction{}
	if err := proto.Unmarshal(p.sent[len(p.sent)-1].Raw, tx); err != nil {
		p.t.Fatal(err)
	}
	return []*core.Transaction{tx}
}

// alive wants a second attempt to be refused.
func (p *play) alive() {
	p.t.Helper()
	if _, err := p.Arm(p.t.Context(), p.in, p.sent, nil); !errors.Is(err, tron.ErrAlive) {
		p.t.Fatalf("armed beside an attempt that may land: %v", err)
	}
}

// settle does what a sender does until the payment is final, and wants it to have
// been made once, by a number of attempts.
func (p *play) settle(attempts int) {
	p.t.Helper()
	for range 60 {
		last := p.sent[len(p.sent)-1]
		o, err := p.Look(p.t.Context(), last)
		if err != nil {
			p.t.Fatal(err)
		}
		switch {
		case o.State == send.StateMined && o.Final:
			p.paid(attempts)
			return
		case o.State == send.StateDead, o.State == send.StateReverted && o.Final:
			p.next()
		default:
			p.alive()
			if o.State == send.StateUnknown {
				p.trySend()
			}
		}
		p.tick(1, p.chain.Produce)
	}
	p.t.Fatal("not final after 60 blocks")
}

func (p *play) paid(attempts int) {
	p.t.Helper()
	p.holds(p.in, send.Final, true)
	if len(p.sent) != attempts {
		p.t.Errorf("%d attempts, want %d", len(p.sent), attempts)
	}
	// All of them, long after: nothing lands late.
	for _, a := range p.sent {
		_ = p.Send(p.t.Context(), a) // refused
	}
	p.tick(30, p.chain.Produce)
	p.holds(p.in, send.Final, true)
}

// others acts for somebody else: a call of the token that is in the next block.
func (p *play) others(who string, data []byte) send.Attempt {
	p.t.Helper()
	c := p.dial(func(c *tron.Config) { c.Key = signertest.Key(nodetest.Key(who)) })
	a, err := c.Arm(p.t.Context(), send.Intent{To: p.in.To, Data: data}, nil, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := c.Send(p.t.Context(), a); err != nil {
		p.t.Fatal(err)
	}
	return a
}

// TestFaults plays each fault twice: it was not done, and it was done although it
// seemed to have failed. The payment is made exactly once either way.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		cache    bool // the node's id cache
		attempts int
		fault    func(*play)
	}{
		{"lost broadcast/not done", false, 1, func(p *play) {
			p.lost = "request"
			a := p.next()
			p.look(a, send.StateUnknown, false)
		}},
		{"lost broadcast/done", false, 1, func(p *play) {
			p.lost = "answer"
			a := p.next()
			p.look(a, send.StatePending, false)
		}},
		{"expiry/not done", false, 2, func(p *play) {
			p.lost = "request"
			a := p.next()
			p.tick(20, p.chain.Produce) // the head is at the expiration
			p.look(a, send.StateUnknown, false)
			p.alive()
			p.tick(3, p.chain.Produce) // a solidified block is past it
			p.look(a, send.StateDead, false)
		}},
		{"expiry/done", false, 1, func(p *play) {
			p.lost = "request"
			a := p.next()
			p.tick(19, p.chain.Produce)
			p.lost = "answer"
			p.trySend()
			p.tick(1, p.chain.Produce) // the last block that may hold it
			p.look(a, send.StateMined, false)
			p.tick(3, p.chain.Produce)
			p.look(a, send.StateMined, true)
		}},
		{"duplicate/not done", true, 2, func(p *play) {
			a := p.next()
			p.must(p.chain.Forget()) // the node has lost it, and remembers its id
			if p.trySend() {
				t.Error("DUP was taken for accepted")
			}
			p.look(a, send.StateUnknown, false)
		}},
		{"duplicate/done", true, 1, func(p *play) {
			a := p.next()
			p.tick(1, p.chain.Produce)
			if !p.trySend() {
				t.Error("DUP was taken for refused")
			}
			p.look(a, send.StateMined, false)
		}},
		{"out of energy/not done", false, 2, func(p *play) {
			p.runDry()
			p.tick(1, p.chain.Produce)
			a := p.sent[0]
			if o := p.look(a, send.StateReverted, false); o.Cost == 0 || o.Fee == "0" {
				t.Errorf("it cost %d energy, %s sun", o.Cost, o.Fee)
			}
			p.alive()
			p.tick(2, p.chain.Produce)
			p.look(a, send.StateReverted, true)
		}},
		{"out of energy/done", false, 1, func(p *play) {
			p.runDry()
			p.tick(1, p.chain.Produce)
			a := p.sent[0]
			p.look(a, send.StateReverted, false)
			p.alive()
			// On the side chain it goes first.
			p.fork(1, p.transaction(), nil)
			p.look(a, send.StateMined, false)
			p.tick(3, p.chain.Produce) // bob's token, which waits again, is gone for good
		}},
		{"moved by a fork/not done", false, 1, func(p *play) {
			a := p.next()
			p.tick(1, p.chain.Produce)
			p.look(a, send.StateMined, false)
			p.fork(1, nil, nil)
			p.look(a, send.StatePending, false)
			p.holds(p.in, send.Latest, false)
		}},
		{"moved by a fork/done", false, 1, func(p *play) {
			p.lost = "answer"
			a := p.next()
			p.tick(1, p.chain.Produce)
			before := p.look(a, send.StateMined, false)
			p.fork(1, nil, p.transaction())
			after := p.look(a, send.StateMined, false)
			if after.Block != before.Block+1 {
				t.Errorf("in block %d, it was in %d", after.Block, before.Block)
			}
		}},
		{"dropped by a fork/not done", true, 2, func(p *play) {
			a := p.next()
			p.tick(1, p.chain.Produce)
			p.look(a, send.StateMined, false)
			p.fork(1, nil, nil)
			p.must(p.chain.Forget())
			p.look(a, send.StateUnknown, false)
			p.holds(p.in, send.Latest, false)
		}},
		{"dropped by a fork/done", true, 1, func(p *play) {
			a := p.next()
			p.tick(1, p.chain.Produce)
			p.fork(1, nil, nil)
			p.must(p.chain.Forget())
			p.look(a, send.StateUnknown, false)
			p.alive()
			p.tick(15, p.chain.Produce)
			p.fork(0, p.transaction()) // another producer still had it
			p.look(a, send.StateMined, false)
		}},
		{"never included/not done", true, 2, func(p *play) {
			a := p.next()
			p.tick(19, p.chain.ProduceEmpty)
			p.look(a, send.StatePending, false)
			p.tick(1, p.chain.ProduceEmpty) // a minute
			p.look(a, send.StateUnknown, false)
			p.alive()
		}},
		{"never included/done", false, 1, func(p *play) {
			a := p.next()
			p.tick(19, p.chain.ProduceEmpty)
			p.must(p.chain.Forget())
			p.look(a, send.StateUnknown, false)
			p.alive()
			p.clock.Add(3000)
			p.fork(0, p.transaction()) // the last block that may hold it
			p.look(a, send.StateMined, false)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlay(t, tt.cache)
			tt.fault(p)
			p.settle(tt.attempts)
		})
	}
}

func (p *play) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// runDry arms the payment while bob holds a token, which makes it cheap, and has
// bob spend it in the same block, before the payment.
func (p *play) runDry() {
	p.t.Helper()
	p.others("alice", contracts.PackTransfer(nodetest.Address("bob"), big.NewInt(1)))
	p.tick(3, p.chain.Produce)
	a := p.arm(p.in)
	p.sent = append(p.sent, a)
	p.others("bob", contracts.PackTransfer(nodetest.Address("alice"), big.NewInt(1)))
	p.send(a)
}
