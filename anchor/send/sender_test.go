package send_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/send"
)

func kinds() map[string]func() *fake {
	return map[string]func() *fake{
		"nonces": func() *fake { return newFake(0) },
		"expiry": func() *fake { return newFake(time.Minute) },
	}
}

func TestDelivers(t *testing.T) {
	t.Parallel()
	for name, make := range kinds() {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, make())
			h.plan("a", "b", "c")
			h.finish(40)
			h.check()
			if h.f.paid() != 3 {
				t.Errorf("paid %d fees for 3 intents", h.f.paid())
			}
			st := h.status("b")
			if try, ours := st.Landed(); !ours || !try.Outcome.Final || try.Outcome.Block == 0 {
				t.Errorf("landed = %+v, %v", try, ours)
			}
			if err := h.s.Record(context.Background(), "b"); err != nil {
				t.Error(err)
			}
			left, err := h.s.Unrecorded(context.Background())
			if err != nil || len(left) != 2 {
				t.Errorf("unrecorded: %d, %v", len(left), err)
			}
		})
	}
}

// TestFaultAtEveryCall lets each call to the chain fail once, in each way, alone.
func TestFaultAtEveryCall(t *testing.T) {
	t.Parallel()
	for name, make := range kinds() {
		for _, kind := range []fault{failed, doneError, crashIn, crashOut} {
			t.Run(fmt.Sprint(name, kind), func(t *testing.T) {
				t.Parallel()
				for at, reached := 1, true; reached; at++ {
					f := make()
					f.fault = func(call int, _ string) fault {
						if call == at {
							return kind
						}
						return none
					}
					h := newHarness(t, f)
					h.plan("a", "b")
					h.finish(60)
					h.check()
					if f.paid() != 2 {
						t.Errorf("fault at call %d: paid %d fees for 2 intents", at, f.paid())
					}
					reached = f.calls >= at
					if t.Failed() {
						t.Fatalf("fault at call %d", at)
					}
				}
			})
		}
	}
}

func TestSomebodyElseDelivers(t *testing.T) {
	t.Parallel()
	h := newHarness(t, newFake(0))
	h.plan("a")
	h.f.deliver("a")
	h.step()
	if st := h.status("a"); len(st.Tries) != 0 || st.Phase != send.PhaseMined {
		t.Errorf("tries = %d, phase = %s: wants to pay for what is there", len(st.Tries), st.Phase)
	}
	// The other's block is dropped: now it is on us.
	h.f.reorg(1, false)
	h.finish(20)
	h.check()
	if h.f.effects("a") != 1 {
		t.Error("not delivered after the other's block was dropped")
	}
}

func TestSomebodyElseDeliversWhileOursIsStuck(t *testing.T) {
	t.Parallel()
	h := newHarness(t, newFake(0))
	h.plan("a")
	h.step()
	h.f.floor = 5 // ours stays in the pool
	h.f.deliver("a")
	h.plan("b") // takes over the nonce: no gap
	h.finish(60)
	h.check()
	if h.f.paid() != 1 {
		t.Errorf("paid %d fees, want 1", h.f.paid())
	}
}

// The same where nodes count the pool: b is signed for the nonce behind ours, which
// has to be outbid.
func TestSomebodyElseDeliversInFrontOfANonce(t *testing.T) {
	t.Parallel()
	h := newHarness(t, newFake(0))
	h.f.pooled = true
	h.plan("a")
	h.step()
	h.f.floor = 5 // ours stays in the pool
	h.f.deliver("a")
	h.plan("b")
	h.finish(200)
	h.check()
	if a := h.status("a"); !a.Phase.Done() || len(a.Tries) < 2 || h.f.paid() != 2 {
		t.Errorf("a is %s after %d tries, %d fees were paid", a.Phase, len(a.Tries), h.f.paid())
	}
}

// A block with a's transaction is dropped and forgotten, somebody else delivers
// a, and b was signed for the nonce behind: a's bytes go out once more.
func TestGapIsFilled(t *testing.T) {
	t.Parallel()
	h := newHarness(t, newFake(0))
	h.plan("a")
	h.step()
	h.f.mine(block3)
	h.plan("b")
	h.step()
	h.f.reorg(1, false)
	h.f.deliver("a")
	h.finish(40)
	h.check()
	if st := h.status("b"); len(st.Tries) != 1 || st.Tries[0].Nonce != 1 || h.f.paid() != 2 {
		t.Errorf("b has %d tries, %d fees were paid", len(st.Tries), h.f.paid())
	}
}

func TestOneOnItsWayAtATime(t *testing.T) {
	t.Parallel()
	h := newHarness(t, newFake(0))
	h.plan("a", "b")
	h.step()
	h.f.floor = 100 // a waits in the pool
	h.f.mine(block3)
	h.step()
	if n := len(h.status("b").Tries); n != 0 {
		t.Errorf("b has %d tries behind a's nonce", n)
	}
	h.f.floor = 0
	h.finish(40)
	h.check()
}

// A node that is a block behind must not make two intents share a nonce.
func TestNonceOfALaggingNode(t *testing.T) {
	t.Parallel()
	h := newHarness(t, newFake(0))
	h.f.behind = 1
	h.plan("a", "b")
	h.finish(40)
	h.check()
	if a, b := h.status("a"), h.status("b"); len(b.Tries) != 1 || b.Tries[0].Nonce == a.Tries[0].Nonce {
		t.Errorf("b has %d tries, the first with nonce %d", len(b.Tries), b.Tries[0].Nonce)
	}
}

func TestFeeSpike(t *testing.T) {
	t.Parallel()
	h := newHarness(t, newFake(0))
	h.plan("a")
	h.step()
	h.f.floor = 4
	h.finish(60)
	h.check()
	st := h.status("a")
	if len(st.Tries) < 2 || h.f.paid() != 1 {
		t.Errorf("tries = %d, paid = %d", len(st.Tries), h.f.paid())
	}
	for _, try := range st.Tries {
		if try.Nonce != st.Tries[0].Nonce {
			t.Error("a bump changed the nonce")
		}
	}
}

// Fees that rise for longer than an intent is bumped often do not end it.
func TestFeesThatKeepRising(t *testing.T) {
	t.Parallel()
	h := newHarness(t, newFake(0))
	h.plan("a")
	for range 400 {
		h.step()
		h.f.floor = 1 + len(h.status("a").Tries)
		h.f.mine(block3)
	}
	h.finish(3000)
	h.check()
	if st := h.status("a"); len(st.Tries) > 30 || h.f.paid() != 1 {
		t.Errorf("tries = %d, paid = %d", len(st.Tries), h.f.paid())
	}
}

func TestReorg(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{true, false} {
		for name, make := range kinds() {
			t.Run(fmt.Sprint(name, " back to the pool ", keep), func(t *testing.T) {
				h := newHarness(t, make())
				h.plan("a")
				h.step()
				h.f.mine(block3)
				h.step()
				if st := h.status("a"); st.Phase != send.PhaseMined {
					t.Fatalf("phase = %s", st.Phase)
				}
				h.f.reorg(1, keep)
				h.step()
				if st := h.status("a"); st.Phase != send.PhaseSent {
					t.Fatalf("phase after reorg = %s", st.Phase)
				}
				h.finish(40)
				h.check()
				if h.f.paid() != 1 {
					t.Errorf("paid %d fees", h.f.paid())
				}
			})
		}
	}
}

func TestExpiryInPartition(t *testing.T) {
	t.Parallel()
	h := newHarness(t, newFake(time.Minute))
	// The node takes it and forgets it, for longer than it is valid.
	h.f.fault = func(_ int, name string) fault {
		if name == "send" && len(h.status("a").Tries) == 1 {
			return failed
		}
		return none
	}
	h.plan("a")
	h.finish(60)
	h.check()
	if n := len(h.status("a").Tries); n != 2 {
		t.Errorf("%d tries, want 2", n)
	}
}

func TestRevert(t *testing.T) {
	t.Parallel()
	h := newHarness(t, newFake(0))
	h.f.revert["a"] = 1
	h.plan("a")
	h.finish(40)
	h.check()
	if len(h.status("a").Tries) != 2 {
		t.Errorf("%d tries, want 2", len(h.status("a").Tries))
	}
}

func TestRevertForEver(t *testing.T) {
	t.Parallel()
	h := newHarness(t, newFake(0))
	h.f.revert["a"] = 100
	h.plan("a", "b")
	for range 60 {
		h.step()
		h.f.mine(block3)
	}
	if st := h.status("a"); st.Phase != send.PhaseStopped || len(st.Tries) != 3 {
		t.Errorf("phase = %s after %d tries", st.Phase, len(st.Tries))
	}
	if st := h.status("b"); st.Phase != send.PhaseFinal {
		t.Errorf("b is %s: held up by a stopped intent", st.Phase)
	}
	alarms, err := h.s.Alarms(context.Background())
	if err != nil || len(alarms) != 1 || !strings.Contains(alarms[0], "a is stopped") {
		t.Errorf("alarms = %q, %v", alarms, err)
	}
	h.f.deliver("a")
	for range 8 { // until it is final, and nodes have said so for long enough
		h.f.mine(block3)
		h.step()
	}
	if st := h.status("a"); st.Phase != send.PhaseFinal {
		t.Errorf("phase = %s although it was delivered", st.Phase)
	}
}

func TestJournalLost(t *testing.T) {
	t.Parallel()
	for name, make := range kinds() {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, make())
			h.f.lost = true
			h.plan("a", "b")
			h.step()
			h.path += ".new"
			h.reopenEmpty()
			h.plan("a", "b")
			h.finish(60)
			h.check()
			if h.f.paid() > 3 {
				t.Errorf("paid %d fees for 2 intents and a lost journal", h.f.paid())
			}
		})
	}
}

func (h *harness) reopenEmpty() {
	h.s.Close()
	h.open()
}

func TestHalt(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHarness(t, newFake(0))
	h.plan("a")
	if err := h.s.Halt(ctx, h.f.ID(), "the roots differ"); err != nil {
		t.Fatal(err)
	}
	h.reopen()
	h.step()
	if len(h.f.sent) != 0 {
		t.Error("sent to a halted chain")
	}
	alarms, err := h.s.Alarms(ctx)
	if err != nil || !slices.Equal(alarms, []string{"eip155:7 is halted: the roots differ"}) {
		t.Errorf("alarms = %q, %v", alarms, err)
	}
	if err := h.s.Halt(ctx, h.f.ID(), ""); err != nil {
		t.Fatal(err)
	}
	h.finish(20)
	h.check()
}

func TestPlan(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHarness(t, newFake(0))
	h.plan("a", "a")
	other := intent("a")
	other.Data = []byte("do something else")
	if err := h.s.Plan(ctx, h.f.ID(), other); !errors.Is(err, send.ErrDifferent) {
		t.Errorf("same id, other bytes: %v", err)
	}
	if err := h.s.Plan(ctx, "eip155:8", intent("b")); !errors.Is(err, send.ErrUnknown) {
		t.Errorf("unknown chain: %v", err)
	}
	if err := h.s.Plan(ctx, h.f.ID(), send.Intent{ID: "c"}); err == nil {
		t.Error("an empty intent was taken")
	}
	if _, err := h.s.Status(ctx, "z"); !errors.Is(err, send.ErrUnknown) {
		t.Errorf("unknown id: %v", err)
	}
	if err := h.s.Record(ctx, "a"); !errors.Is(err, send.ErrNotFinal) {
		t.Errorf("record before final: %v", err)
	}
}

func TestJournalIsTakenOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t, newFake(0))
	_, err := send.Open(h.path, map[string]send.Chain{h.f.ID(): h.f}, send.Config{})
	if !errors.Is(err, send.ErrTaken) {
		t.Errorf("second sender on one journal: %v", err)
	}
}

func TestRunStops(t *testing.T) {
	t.Parallel()
	h := newHarness(t, newFake(0))
	h.plan("a")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- h.s.Run(ctx) }()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	if alarms, err := h.s.Alarms(context.Background()); err != nil || len(alarms) != 0 {
		t.Errorf("alarms after a clean stop = %q, %v", alarms, err)
	}
}
