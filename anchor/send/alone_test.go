package send_test

import (
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/send/sendtest"
)

// The fake says what the drivers say.
func TestAlone(t *testing.T) {
	t.Parallel()
	sendtest.Alone(t, func(t *testing.T) sendtest.Two {
		f := newFake(time.Minute)
		h := newHarness(t, f)
		h.plan("landed", "lost")
		f.floor = 5 // no block takes it
		h.step()
		f.floor = 0
		lost := h.status("landed").Tries[0].Attempt
		clear(f.pool)
		f.mine(2 * time.Minute)
		h.finish(40)
		landed, _ := h.status("landed").Landed()
		return sendtest.Two{Chain: f, Done: intent("landed"), Landed: landed.Attempt, Lost: lost,
			Second: func(each time.Duration, transactions bool) { f.deaf = each > 0 || !transactions }}
	})
}

// An endpoint has no answer to what became of a transaction and one to whether the change
// has happened: the intent is done, and that its transaction stays open, and what it may
// cost is kept back, is an alarm, which ends with it.
func TestAttemptsStayOpenAloud(t *testing.T) {
	t.Parallel()
	for name, make := range kinds() {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, make())
			h.f.floor = 10
			h.allow(15)
			h.plan("a")
			h.f.deaf = true
			h.rounds(12)
			if st := h.status("a"); !st.Phase.Done() || st.Tries[0].Ended() {
				t.Fatalf("%s, its transaction has ended: %v", st.Phase, st.Tries[0].Ended())
			}
			if !h.alarmed("look for a: fewer than two of the endpoints answer") {
				t.Error("no alarm")
			}
			h.plan("b")
			h.rounds(2)
			if st := h.status("b"); len(st.Tries) != 0 {
				t.Errorf("%d attempts although the first one is not charged yet", len(st.Tries))
			}
			h.f.deaf = false
			h.rounds(2)
			if h.alarmed("fewer than two") || !h.status("a").Tries[0].Ended() {
				t.Error("it stays open, or the alarm does")
			}
			h.allow(25)
			h.finish(40)
			h.check()
			if h.f.paid() != 2 {
				t.Errorf("%d fees were paid", h.f.paid())
			}
		})
	}
}

// While one endpoint answers of several, nobody vouches for what both said before: they
// have to say it for as long as ever, in rounds that follow each other, but not again what
// they have said.
func TestTimeAloneDoesNotCount(t *testing.T) {
	t.Parallel()
	claims := map[string]func(*fake){
		"dead": func(f *fake) { f.odd = func(send.Outcome) send.Outcome { return send.Outcome{State: send.StateDead} } },
		"late": func(f *fake) { f.late = true },
		"held": func(f *fake) { f.held = true },
	}
	breaks := map[string]func(*fake){
		"alone":     func(f *fake) { f.alone = true },
		"no answer": func(f *fake) { f.fault = func(int, string) fault { return failed } },
	}
	for claimed, claim := range claims {
		for name, broken := range breaks {
			t.Run(claimed+", "+name, func(t *testing.T) {
				h := newHarness(t, newFake(0))
				h.plan("a")
				h.step() // it waits for a block all the time
				claim(h.f)
				said := func(rounds int) {
					for range rounds {
						h.step()
						h.f.now = h.f.now.Add(block3)
					}
				}
				ended := func() bool {
					st := h.status("a")
					return st.Phase.Done() || st.Phase == send.PhaseOvertaken || st.Tries[0].Ended()
				}
				said(1)
				for n := range 3 { // a minute each, and two rounds that follow each other
					broken(h.f)
					h.step()
					h.f.now = h.f.now.Add(time.Minute)
					h.step()
					if ended() {
						t.Error("one endpoint's word, or nobody's, was enough")
					}
					h.f.alone, h.f.fault = false, func(int, string) fault { return none }
					if said(2); ended() != (n == 2) {
						t.Errorf("after %v of it: ended %v", time.Duration(n+1)*block3, ended())
					}
				}
			})
		}
	}
}
