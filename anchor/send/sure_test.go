package send_test

import (
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/send"
)

// A node that is behind, or ahead of itself, or has no receipt yet, says that a change is
// final, that a transaction has ended, or that it is too late for an intent: nothing is
// done with, signed anew, or given up, on one word.
func TestNodesAreNotBelievedOnce(t *testing.T) {
	t.Parallel()
	claims := map[string]func(*fake){
		"dead": func(f *fake) { f.odd = func(send.Outcome) send.Outcome { return send.Outcome{State: send.StateDead} } },
		"failed": func(f *fake) {
			f.odd = func(send.Outcome) send.Outcome {
				return send.Outcome{State: send.StateReverted, Final: true, Block: 1, BlockHash: []byte("left")}
			}
		},
		"late": func(f *fake) { f.late = true },
		"held": func(f *fake) { f.held = true },
	}
	for name, make := range kinds() {
		for what, claim := range claims {
			t.Run(name+", "+what, func(t *testing.T) {
				h := newHarness(t, make())
				h.f.pooled = true
				h.plan("a")
				h.step()      // it waits for a block all the time
				for range 3 { // said twice, taken back, and again
					claim(h.f)
					for range 2 {
						h.step()
						h.f.now = h.f.now.Add(block3)
					}
					h.f.odd, h.f.late, h.f.held = nil, false, false
					h.step()
				}
				if st := h.status("a"); st.Phase != send.PhaseSent {
					t.Errorf("it is %s", st.Phase)
				}
				h.finish(40)
				h.check()
				if st := h.status("a"); !st.Phase.Done() || h.f.paid() != 1 {
					t.Errorf("%s after %d transactions, %d fees were paid", st.Phase, len(st.Tries), h.f.paid())
				}
			})
		}
	}
}

// A node that stays behind offers the nonce of an attempt that has died: signed anew it
// is the same transaction. That is the node's fault, and no reason to end the process.
func TestSameTransactionAgain(t *testing.T) {
	t.Parallel()
	h := newHarness(t, newFake(0))
	h.f.still = true
	h.plan("a")
	h.step()
	clear(h.f.pool)
	b := h.f.next()
	b.txs = append(b.txs, mined{id: "foreign", tx: tx{Intent: "foreign"}})
	h.f.add(b)
	h.f.behind = 1000
	for range 40 {
		h.step()
		h.f.mine(block3)
	}
	if h.f.arms > 12 {
		t.Errorf("signed %d times, without a pause that grows", h.f.arms)
	}
	if st := h.status("a"); len(st.Tries) != 1 || !st.Tries[0].Ended() {
		t.Errorf("%d attempts, the first has state %d", len(st.Tries), st.Tries[0].Outcome.State)
	}
	h.f.behind = 0
	h.finish(60)
	h.check()
	if h.f.effects("a") != 1 {
		t.Errorf("it happened %d times", h.f.effects("a"))
	}
}

// While one node answers of several nothing is final and nothing is given up, an alarm
// says so, and what is planned is sent all the same. What nodes had said before that
// counts when two answer again.
func TestOneNodeIsNotBelieved(t *testing.T) {
	t.Parallel()
	for name, make := range kinds() {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, make())
			h.plan("a", "b", "c")
			h.f.overtake("c")
			h.rounds(2)
			h.f.alone = true
			h.rounds(20)
			for _, id := range []string{"a", "b"} {
				if st := h.status(id); st.Phase != send.PhaseMined {
					t.Errorf("%s is %s", id, st.Phase)
				}
			}
			if st := h.status("c"); st.Phase != send.PhasePlanned {
				t.Errorf("c is %s", st.Phase)
			}
			if !h.alarmed("fewer than two of the endpoints answer") {
				t.Error("no alarm")
			}
			h.f.alone = false
			h.step()
			if h.alarmed("fewer than two") {
				t.Error("the alarm stays")
			}
			h.finish(6)
			h.check()
		})
	}
}

// What nodes have said for long enough stays believed when the round that is told fails.
func TestSureSurvivesAnError(t *testing.T) {
	t.Parallel()
	h := newHarness(t, newFake(0))
	h.plan("a")
	h.step()
	h.f.floor = 5 // it stays in the pool
	h.f.overtake("a")
	for range finalDepth {
		h.f.add(h.f.next())
	}
	h.f.fault = func(_ int, name string) fault {
		if name == "look" {
			return failed
		}
		return none
	}
	for range 4 {
		h.step()
		h.f.now = h.f.now.Add(block3)
	}
	h.f.fault = func(int, string) fault { return none }
	h.step()
	if st := h.status("a"); st.Phase != send.PhaseOvertaken {
		t.Errorf("it is %s", st.Phase)
	}
}

// An intent that stays planned, or in a block that does not become final, is an alarm
// after a while, and none once it goes on.
func TestHeldLong(t *testing.T) {
	t.Parallel()
	for want, make := range map[string]func(h *harness){
		"a is planned since": func(h *harness) { h.f.overtake("a") },
		"a is mined since":   func(h *harness) { h.rounds(1) },
		"a is armed since": func(h *harness) { // killed before it left, and now another change has come first
			h.step()
			h.edit("UPDATE intent SET phase = 2", "UPDATE attempt SET first = 0, last = 0")
			clear(h.f.pool)
			h.f.overtake("a")
		},
	} {
		t.Run(want, func(t *testing.T) {
			h := newHarness(t, newFake(0))
			h.plan("a")
			make(h)
			h.f.alone = true // nothing is final
			h.rounds(8)
			h.f.now = h.f.now.Add(25 * time.Minute)
			h.rounds(1)
			if h.alarmed("a is") {
				t.Error("an alarm too early")
			}
			h.f.now = h.f.now.Add(10 * time.Minute)
			h.rounds(1)
			if !h.alarmed(want) {
				t.Error("no alarm")
			}
			h.f.alone = false
			h.finish(20)
			if h.alarmed("a is") {
				t.Error("the alarm stays")
			}
		})
	}
}
