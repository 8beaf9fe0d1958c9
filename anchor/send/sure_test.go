package send_test

import (
	"testing"

	"github.com/killick-ledger/killick/anchor/send"
)

// A node that is behind, or has no receipt yet, says that a transaction has ended, or
// that it is too late for an intent: nothing is signed anew, or given up, on one word.
func TestNodesAreNotBelievedOnce(t *testing.T) {
	claims := map[string]func(*fake){
		"dead": func(f *fake) { f.odd = func(send.Outcome) send.Outcome { return send.Outcome{State: send.StateDead} } },
		"failed": func(f *fake) {
			f.odd = func(send.Outcome) send.Outcome {
				return send.Outcome{State: send.StateReverted, Final: true, Block: 1, BlockHash: []byte("left")}
			}
		},
		"late": func(f *fake) { f.late = true },
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
					h.f.odd, h.f.late = nil, false
					h.step()
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
	h := newHarness(t, newFake(0))
	h.f.still = true
	h.plan("a")
	h.step()
	clear(h.f.pool)
	b := h.f.next()
	b.txs = append(b.txs, mined{id: "foreign", tx: tx{Intent: "foreign"}})
	h.f.add(b)
	h.f.behind = 1000
	for range 12 {
		h.step()
		h.f.mine(block3)
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
