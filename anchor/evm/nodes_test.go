package evm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/evm"
	"github.com/killick-ledger/killick/anchor/send"
)

// run makes blocks until the returned function is called.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(w.ctx)
	done := make(chan error, 1)
	go func() { done <- w.node.Run(ctx, 10*time.Millisecond) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	}
}

// deadURL is an address at which nobody listens.
func deadURL(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String() + "/secret"
}

func TestDial(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	up, down := w.node.URL(), deadURL(t)
	for _, tt := range []struct {
		name  string
		chain string
		urls  []string
		want  string // "" when it connects
	}{
		{"one node", chain, []string{up}, ""},
		{"one of two answers", chain, []string{down, up}, ""},
		{"none answers", chain, []string{down}, "refused"},
		{"no node", chain, nil, "no node"},
		{"other chain", "eip155:1", []string{up}, "eip155:1337 instead of eip155:1"},
		{"other chain beside a dead node", "eip155:1", []string{down, up}, "another chain"},
		{"not an EVM chain", "tron:0x2b6653dc", []string{up}, "want eip155:"},
		{"leading zero", "eip155:01337", []string{up}, "want eip155:"},
		{"no number", "eip155:", []string{up}, "want eip155:"},
		{"not HTTP", chain, []string{"ftp://secret"}, "not of the form"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := evm.Dial(w.ctx, evm.Config{Chain: tt.chain, URLs: tt.urls})
			if err == nil {
				c.Close()
			}
			switch {
			case tt.want == "" && err != nil, tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			case err != nil && strings.Contains(err.Error(), "secret"):
				t.Errorf("the error shows the URL: %v", err)
			}
		})
	}
	if _, err := evm.Dial(w.ctx, evm.Config{Chain: "eip155:1", URLs: []string{up}}); !errors.Is(err, evm.ErrWrongChain) {
		t.Errorf("got %v, want ErrWrongChain", err)
	}
}

// A node that was down at the start and comes back as another chain's is not
// believed.
func TestWrongChainLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := newLiar(t, w.node.URL())
	l.on(func(request) (any, error) { return nil, errors.New("starting") }, "eth_chainId")
	c := w.dial(keyOf("one"), l.URL, w.node.URL())
	l.on(func(request) (any, error) { return "0x1", nil }, "eth_chainId")
	in := w.intent(5)
	l.on(func(r request) (any, error) {
		if r.Method == "eth_chainId" {
			return "0x1", nil
		}
		return nil, errors.New("asked for more than its chain")
	}, "eth_chainId", "eth_call", "eth_sendRawTransaction")
	if held, err := c.Holds(w.ctx, in, send.Final); !errors.Is(err, send.ErrAlone) || held {
		t.Errorf("%v, %v", held, err)
	}
	if held, err := c.Holds(w.ctx, in, send.Latest); err != nil || held {
		t.Errorf("%v, %v", held, err)
	}
}

func TestFinalNeedsAllNodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := newLiar(t, w.node.URL())
	w.c = w.dial(keyOf("one"), w.node.URL(), l.URL, deadURL(t))
	in := w.intent(5)
	bumped := w.arm(in, nil)
	a := w.arm(in, []send.Attempt{bumped})
	w.send(a)
	w.blocks(finality + 1)
	w.wantHolds(in, true, true)
	w.wantState(a, send.StateMined, true)
	w.wantState(bumped, send.StateDead, false)
	if err := w.c.Silent(); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("the one that is down: %v", err)
	}
	both := w.dial(nil, w.node.URL(), l.URL)
	if held, err := both.Holds(w.ctx, in, send.Final); !held || err != nil || both.Silent() != nil {
		t.Errorf("%v, %v, %v", held, err, both.Silent())
	}

	t.Run("view", func(t *testing.T) {
		for name, result := range map[string]any{"other value": "0x" + strings.Repeat("0", 64), "no contract": "0x"} {
			l.on(func(request) (any, error) { return result, nil }, "eth_call")
			w.wantHolds(in, true, false)
			if _, err := w.c.Call(w.ctx, in.To, in.Check, send.Final); err == nil {
				t.Errorf("%s: taken", name)
			}
		}
	})
	t.Run("one of several answers", func(t *testing.T) {
		l.on(func(request) (any, error) { return nil, errors.New("down") }, "eth_call", "eth_getBlockByNumber")
		for _, two := range []bool{false, true} {
			if two {
				w.c = w.dial(keyOf("one"), l.URL, w.node.URL())
			}
			if held, err := w.c.Holds(w.ctx, in, send.Final); held || !errors.Is(err, send.ErrAlone) {
				t.Errorf("holds: %v, %v", held, err)
			}
			if _, err := w.c.Call(w.ctx, in.To, in.Check, send.Final); !errors.Is(err, send.ErrAlone) {
				t.Errorf("a value at the final head: %v", err)
			}
			if held, err := w.c.Holds(w.ctx, in, send.Latest); !held || err != nil {
				t.Errorf("holds at the latest head: %v, %v", held, err)
			}
			for _, a := range []struct {
				send.Attempt
				state send.State
			}{{a, send.StateMined}, {bumped, send.StateUnknown}} {
				if o, err := w.c.Look(w.ctx, a.Attempt); o.State != a.state || o.Final || !errors.Is(err, send.ErrAlone) {
					t.Errorf("nonce %d: %+v, %v", a.Nonce, o, err)
				}
			}
			next := w.intent(6)
			w.arm(next, []send.Attempt{w.arm(next, nil)}) // it is sent and outbid
		}
		stop := w.run()
		if o, err := w.c.Transact(w.ctx, w.log, contracts.PackHead()); err != nil || o.State != send.StateMined {
			t.Errorf("by hand: %+v, %v", o, err)
		}
		stop()
		l.on(func(request) (any, error) { return nil, nil })
		w.wantHolds(in, true, true)
		w.wantState(a, send.StateMined, true)
		w.wantState(bumped, send.StateDead, false)
	})
	t.Run("older finalized head", func(t *testing.T) {
		l.on(func(r request) (any, error) {
			if strings.Contains(string(r.Params), "finalized") {
				return rpcCall(w.node.URL(), r.Method, "0x1", false)
			}
			return nil, nil
		}, "eth_getBlockByNumber")
		w.wantState(a, send.StateMined, false)
		w.wantState(bumped, send.StateUnknown, false)
	})
	t.Run("no receipt", func(t *testing.T) {
		l.on(func(request) (any, error) { return json.RawMessage("null"), nil }, "eth_getTransactionReceipt")
		// One says that it is in a final block, the other that it never can be.
		if o, err := w.c.Look(w.ctx, a); err == nil || !strings.Contains(err.Error(), "contradict") {
			t.Errorf("%+v, %v", o, err)
		}
	})
	t.Run("receipt of a block that was left", func(t *testing.T) {
		l.on(func(r request) (any, error) {
			receipt := make(map[string]any)
			raw, err := rpcCall(w.node.URL(), r.Method, "0x"+hexOf(a.ID))
			if err == nil {
				err = json.Unmarshal(raw, &receipt)
			}
			receipt["blockHash"] = "0x" + strings.Repeat("11", 32)
			return receipt, err
		}, "eth_getTransactionReceipt")
		only := w.dial(nil, l.URL)
		if o, err := only.Look(w.ctx, a); err != nil || o.State == send.StateMined {
			t.Errorf("%+v, %v", o, err)
		}
	})
	t.Run("all down", func(t *testing.T) {
		l.on(func(request) (any, error) { return nil, errors.New("down") }, "eth_getBlockByNumber", "eth_call")
		only := w.dial(nil, l.URL)
		if _, err := only.Look(w.ctx, a); err == nil {
			t.Error("an outcome from nobody")
		}
		for _, at := range []send.Head{send.Latest, send.Final} {
			if _, err := only.Holds(w.ctx, in, at); err == nil {
				t.Error("a value from nobody")
			}
		}
	})
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for _, c := range b {
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

// Failed, and failed although it was done: both are errors, and Look tells them
// apart.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := newLiar(t, w.node.URL())
	c := w.dial(keyOf("one"), l.URL)
	a := w.arm(w.intent(5), nil)
	l.on(func(request) (any, error) { return nil, errors.New("lost") }, "eth_sendRawTransaction")
	if err := c.Send(w.ctx, a); err == nil {
		t.Error("no error")
	}
	w.wantState(a, send.StatePending, false)

	b := w.arm(w.intent(6), nil, a.Nonce)
	if err := w.dial(nil, w.node.URL()).Send(w.ctx, send.Attempt{ID: b.ID, Raw: b.Raw[:40], Nonce: b.Nonce}); err == nil {
		t.Error("sent half a transaction")
	}
	w.wantState(b, send.StateUnknown, false)

	// One node that takes it is enough.
	both := w.dial(keyOf("one"), l.URL, w.node.URL())
	if err := both.Send(w.ctx, b); err != nil {
		t.Error(err)
	}
	w.wantState(b, send.StatePending, false)
}

func TestHang(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := newLiar(t, w.node.URL())
	c := w.dial(keyOf("one"), l.URL)
	ctx, cancel := context.WithCancel(w.ctx)
	l.on(func(request) (any, error) {
		cancel() // the caller's time is up while the node thinks
		return nil, errors.New("late")
	}, "eth_call", "eth_sendRawTransaction")
	if _, err := c.Holds(ctx, w.intent(5), send.Final); err == nil {
		t.Error("no error")
	}
}

// hanging is a context whose deadline has passed and that ends later, as if the machine
// were slow. It counts how often it is asked.
type hanging struct {
	context.Context
	asked atomic.Int64
}

// Deadline implements context.Context.
func (h *hanging) Deadline() (time.Time, bool) {
	h.asked.Add(1)
	return time.Now(), true
}

// Who waits for the last nodes when the time is up sleeps meanwhile.
func TestNoSpin(t *testing.T) {
	w := newWorld(t)
	l := newLiar(t, w.node.URL())
	c := w.dial(keyOf("one"), l.URL)
	ctx, cancel := context.WithCancel(w.ctx)
	h := &hanging{Context: ctx}
	l.on(func(request) (any, error) {
		time.AfterFunc(20*time.Millisecond, cancel)
		<-ctx.Done()
		return nil, errors.New("late")
	}, "eth_call")
	if _, err := c.Holds(h, w.intent(5), send.Latest); err == nil {
		t.Error("no error")
	}
	if n := h.asked.Load(); n > 50 {
		t.Errorf("looked at the deadline %d times", n)
	}
}

// A node that takes questions and never answers leaves the caller the time to have all of
// them answered by the other one.
func TestOneNodeHangs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, last := range map[string]bool{"first": false, "last": true} {
		l := newLiar(t, w.node.URL())
		urls := []string{l.URL, w.node.URL()}
		if last {
			slices.Reverse(urls)
		}
		c, in, over := w.dial(keyOf("one"), urls...), w.intent(5), make(chan struct{})
		l.on(func(request) (any, error) { <-over; return nil, errors.New("late") },
			"eth_call", "eth_getBlockByNumber", "eth_getTransactionCount", "eth_estimateGas", "eth_getBalance",
			"eth_maxPriorityFeePerGas", "eth_getTransactionReceipt", "eth_getTransactionByHash")
		all := func(ctx context.Context) error {
			late := in
			late.Check, late.Want = in.Late, contracts.True()
			for _, q := range []send.Intent{late, in} {
				if _, err := c.Holds(ctx, q, send.Final); !errors.Is(err, send.ErrAlone) {
					return fmt.Errorf("final: %w", err)
				}
				if _, err := c.Holds(ctx, q, send.Latest); err != nil {
					return err
				}
			}
			a, err := c.Arm(ctx, in, nil, nil)
			if err != nil {
				return err
			}
			if _, err = c.Look(ctx, a); !errors.Is(err, send.ErrAlone) {
				return fmt.Errorf("transaction: %w", err)
			}
			return nil
		}
		// The machine may be too slow for so many answers in that time.
		err := errors.New("not asked")
		for wait := 200 * time.Millisecond; err != nil && wait < 10*time.Second; wait *= 2 {
			ctx, cancel := context.WithTimeout(w.ctx, wait)
			err = all(ctx)
			cancel()
		}
		if err != nil {
			t.Errorf("the %s hangs: %v", name, err)
		}
		close(over)
	}
}
