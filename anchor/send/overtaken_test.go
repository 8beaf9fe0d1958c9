package send_test

import (
	"testing"

	"github.com/killick-ledger/killick/anchor/send"
)

// An intent whose calldata another change has made useless is given up once that is
// final, and what is planned instead gets through behind it, whatever became of the
// first one's transaction.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	for name, make := range kinds() {
		for _, when := range []string{"before it is armed", "in the pool", "forgotten by the pool", "failed"} {
			t.Run(name+", "+when, func(t *testing.T) {
				f := make()
				h := newHarness(t, f)
				h.plan("a")
				if when == "before it is armed" {
					f.overtake("a")
				}
				h.step()
				switch when {
				case "in the pool":
					f.overtake("a")
					f.floor = 5 // it stays there
				case "forgotten by the pool":
					f.overtake("a")
					clear(f.pool)
				case "failed":
					f.overtake("a")
					f.mine(block3)
				}
				armed := len(f.sent)
				for range 8 { // until it is final, and nodes have said so for long enough
					h.step()
					if f.floor == 0 {
						f.mine(block3)
					} else {
						f.now = f.now.Add(block3)
						f.add(f.next())
					}
				}
				h.step()
				if st := h.status("a"); st.Phase != send.PhaseOvertaken || len(f.sent) != armed {
					t.Fatalf("%s after %d transactions, %d of them since it is too late", st.Phase, len(f.sent), len(f.sent)-armed)
				}
				if left, err := h.s.Unrecorded(t.Context()); err != nil || len(left) != 0 {
					t.Errorf("unrecorded: %d, %v", len(left), err)
				}
				h.plan("b")
				f.floor = 0
				h.finish(60)
				h.check()
				if f.effects("a") != 0 || f.effects("b") != 1 {
					t.Errorf("a happened %d times, b %d", f.effects("a"), f.effects("b"))
				}
				if f.paid() > 2 {
					t.Errorf("paid %d fees", f.paid())
				}
			})
		}
	}
}

// When the block that made it too late is dropped, it goes on.
func TestOvertakenAndDropped(t *testing.T) {
	t.Parallel()
	h := newHarness(t, newFake(0))
	h.plan("a")
	h.f.overtake("a")
	h.step()
	if len(h.f.sent) != 0 {
		t.Fatal("armed although it can only fail")
	}
	h.f.reorg(1, false)
	h.finish(20)
	h.check()
	if h.f.effects("a") != 1 || h.f.paid() != 1 {
		t.Errorf("a happened %d times for %d fees", h.f.effects("a"), h.f.paid())
	}
}

func TestOurs(t *testing.T) {
	t.Parallel()
	h := newHarness(t, newFake(0))
	h.plan("a")
	h.step()
	try := h.status("a").Tries[0]
	for id, want := range map[string]bool{string(try.ID): true, "another": false} {
		if got, err := h.s.Ours(t.Context(), []byte(id)); err != nil || got != want {
			t.Errorf("%x is ours: %v, %v", id, got, err)
		}
	}
}
