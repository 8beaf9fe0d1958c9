package send_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var schedules = flag.Int("schedules", 100, "random schedules of faults to play")

// TestRandomSchedules plays faults of all kinds at random, alone and together,
// lets the world heal, and checks what must hold. A failing schedule is played
// again by its number.
func TestRandomSchedules(t *testing.T) {
	t.Parallel()
	for n := range *schedules {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(uint64(n), 1))
			f := newFake(time.Duration(n%2) * time.Minute)
			ill := r.Float64() * 0.4
			f.fault = func(int, string) fault {
				if r.Float64() >= ill {
					return none
				}
				return 1 + fault(r.IntN(4))
			}
			h := newHarness(t, f)
			h.plan("a")
			for i := range 40 {
				h.step()
				h.mishap(r, i)
			}
			f.fault = func(int, string) fault { return none }
			f.floor = 0
			h.finish(120)
			h.check()
			if t.Failed() {
				t.Logf("%d transactions in blocks", f.paid())
			}
		})
	}
}

// mishap lets something happen to the chain between two rounds.
func (h *harness) mishap(r *rand.Rand, round int) {
	h.t.Helper()
	ids := []string{"a", "b", "c", "d"}
	switch r.IntN(13) {
	case 0:
		h.f.reorg(1+r.IntN(finalDepth), r.IntN(2) == 0)
	case 1:
		h.f.floor = r.IntN(6)
	case 2:
		id := ids[r.IntN(len(ids))]
		if last := h.f.blocks[len(h.f.blocks)-1]; !last.late[id] {
			h.f.deliver(id)
		}
	case 3:
		h.reopen()
	case 4: // the pool forgets
		clear(h.f.pool)
	case 5:
		if id := ids[r.IntN(len(ids))]; !h.f.failed[id] { // three would stop it
			h.f.revert[id], h.f.failed[id] = 1, true
		}
	case 6:
		h.f.now = h.f.now.Add(time.Duration(r.IntN(90)) * time.Second)
	case 7:
		id := ids[r.IntN(len(ids))]
		if last := h.f.blocks[len(h.f.blocks)-1]; !last.held[id] {
			h.f.overtake(id)
		}
	default:
		h.f.mine(block3)
	}
	if round%8 == 7 {
		h.plan(ids[1+round/8%3])
	}
}
