package send_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/send"
)

func (h *harness) alarmed(text string) bool {
	h.t.Helper()
	alarms, err := h.s.Alarms(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return slices.ContainsFunc(alarms, func(a string) bool { return strings.Contains(a, text) })
}

// charged is what the chain charged on a day.
func (f *fake) charged(day time.Time) (sum int) {
	for _, b := range f.blocks {
		if !b.time.Before(day) && b.time.Before(day.Add(24*time.Hour)) {
			for _, m := range b.txs {
				sum += m.tx.Fee
			}
		}
	}
	return sum
}

func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// On no day is more spent than the budget, whatever restarts there are; the rest is
// sent on the days after, and the alarm lasts as long as something waits for that.
func TestBudget(t *testing.T) {
	t.Parallel()
	for name, expiry := range map[string]time.Duration{"nonces": 0, "expiry": time.Minute} {
		t.Run(name, func(t *testing.T) {
			f := newFake(expiry)
			f.floor = 10
			h := newHarness(t, f)
			h.allow(25)
			var ids []string
			for i := range 5 {
				ids = append(ids, fmt.Sprint("intent ", i))
			}
			h.plan(ids...)
			first := day(f.now)
			for days := range 3 {
				if h.alarmed("budget") {
					t.Errorf("day %d begins with the alarm", days)
				}
				h.rounds(40)
				if got, want := f.charged(first.AddDate(0, 0, days)), []int{20, 20, 10}[days]; got != want {
					t.Errorf("day %d: %d spent, want %d", days, got, want)
				}
				if waits := days < 2; h.alarmed("budget") != waits {
					t.Errorf("day %d: alarm %v, want %v", days, !waits, waits)
				}
				h.reopen()
				h.step()
				if h.alarmed("budget") != (days < 2) {
					t.Errorf("day %d: another alarm after a restart", days)
				}
				f.mine(first.AddDate(0, 0, days+1).Sub(f.now) + time.Second)
				h.step()
			}
			h.finish(10)
			h.check()
			spent, err := h.s.Days(t.Context(), f.ID(), first)
			if err != nil || len(spent) != 3 {
				t.Fatalf("%v, %v", spent, err)
			}
			for i, d := range spent {
				if want := []int64{20, 20, 10}[i]; !d.Day.Equal(first.AddDate(0, 0, i)) || d.Fee.Int64() != want || d.Txs != int(want)/10 || d.Cost != uint64(want)*10 {
					t.Errorf("day %d: %+v", i, d)
				}
			}
			if later, err := h.s.Days(t.Context(), f.ID(), first.AddDate(0, 0, 2)); err != nil || len(later) != 1 {
				t.Errorf("%v, %v", later, err)
			}
		})
	}
}

// A transaction that failed costs as well, and so may one whose fee is to be raised.
func TestBudgetCountsAll(t *testing.T) {
	t.Parallel()
	t.Run("reverted", func(t *testing.T) {
		f := newFake(0)
		f.floor = 10
		f.revert["a"] = 2
		h := newHarness(t, f)
		h.allow(25)
		h.plan("a")
		h.rounds(60)
		if got := f.charged(day(f.now)); got != 20 || !h.alarmed("budget") {
			t.Errorf("%d spent", got)
		}
	})
	t.Run("raised", func(t *testing.T) {
		f := newFake(0)
		f.floor = 10
		h := newHarness(t, f)
		h.allow(12)
		h.plan("a")
		h.step()
		f.floor = 100 // nobody takes 10 any more
		h.rounds(60)
		if st := h.status("a"); len(st.Tries) != 1 || !h.alarmed("budget") {
			t.Errorf("%d attempts", len(st.Tries))
		}
		h.allow(200)
		h.finish(60)
		h.check()
	})
	t.Run("nothing twice", func(t *testing.T) {
		f := newFake(0)
		f.floor = 10
		f.revert["a"] = 3
		h := newHarness(t, f)
		h.allow(45)
		h.plan("a")
		h.rounds(60)
		if st := h.status("a"); st.Phase != send.PhaseStopped || f.charged(day(f.now)) != 30 {
			t.Fatalf("%s after %d", st.Phase, f.charged(day(f.now)))
		}
		h.plan("b") // 10 more are left
		h.rounds(10)
		if st := h.status("b"); !st.Phase.Done() {
			t.Errorf("%s: what has been paid is counted again", st.Phase)
		}
	})
	t.Run("a nonce taken over", func(t *testing.T) {
		f := newFake(0)
		f.floor = 10
		h := newHarness(t, f)
		h.allow(15)
		h.plan("a")
		h.step()
		f.overtake("a")
		f.floor = 11 // it stays in the pool
		h.rounds(10)
		h.plan("b")
		h.finish(20)
		h.check()
		if f.effects("b") != 1 || f.paid() != 1 {
			t.Errorf("b happened %d times for %d fees", f.effects("b"), f.paid())
		}
	})
	t.Run("nothing twice of one nonce", func(t *testing.T) {
		f := newFake(0)
		f.floor = 10
		h := newHarness(t, f)
		h.allow(25)
		h.plan("a")
		h.step()
		f.floor = 11
		f.odd = func(o send.Outcome) send.Outcome { // a node that does not see yet that it is outbid
			if o.State == send.StateDead {
				o.State = send.StateUnknown
			}
			return o
		}
		h.finish(60)
		if st := h.status("a"); len(st.Tries) < 2 || st.Tries[0].Ended() {
			t.Fatalf("%d attempts, the first has ended: %v", len(st.Tries), st.Tries[0].Ended())
		}
		h.plan("b")
		h.step()
		if st := h.status("b"); len(st.Tries) != 1 || h.alarmed("budget") {
			t.Errorf("%d attempts of the second: what was outbid is counted beside what was paid", len(st.Tries))
		}
	})
	t.Run("under way and not yet charged", func(t *testing.T) {
		f := newFake(0)
		f.floor = 10
		h := newHarness(t, f)
		h.allow(15)
		h.plan("a", "b")
		h.rounds(2) // a is in a block that may still be dropped
		h.step()
		if st := h.status("b"); len(st.Tries) != 0 || !h.alarmed("budget") {
			t.Errorf("%d attempts of the second", len(st.Tries))
		}
	})
}

func TestBudgetNeedsAmounts(t *testing.T) {
	t.Parallel()
	f := newFake(0)
	f.floor = -5
	h := newHarness(t, f)
	h.allow(25)
	h.plan("a")
	h.step()
	if !h.alarmed("is no amount") || len(f.sent) > 0 {
		t.Error("sent without knowing what it costs")
	}
}
