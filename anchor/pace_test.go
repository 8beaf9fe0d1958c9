package main

import (
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
)

// nextWithin is how long after something new on the ledger its checkpoint may take while f
// members are silent or hostile, with the default cadence (5 s of pause when busy).
const nextWithin = 10 * time.Second

// pace wants checkpoints in time, while act does something in each tick, and returns the
// longest that one took.
func (w *world) pace(rounds int, act func()) (longest time.Duration) {
	w.t.Helper()
	for range rounds {
		w.cutRecord()
		of, from := uint64(len(w.blocks)), w.now
		for w.head().Size < of {
			act()
			w.tick()
			if w.now.Sub(from) > nextWithin {
				w.t.Fatalf("no checkpoint of %d blocks after %v", of, w.now.Sub(from))
			}
		}
		longest = max(longest, w.now.Sub(from))
	}
	return longest
}

// With f members silent or hostile the next checkpoint comes within 10 s, whoever they are.
func TestNextCheckpointComesInTime(t *testing.T) {
	t.Parallel()
	silent := func(*world, *fakeMember) {}
	put := func(candidate func(w *world) (size uint64, root [32]byte, at time.Time)) func(*world, *fakeMember) {
		return func(w *world, hostile *fakeMember) {
			size, root, at := candidate(w)
			_ = w.lie(hostile, size, root, at) // the ledger may refuse it
		}
	}
	for name, act := range map[string]func(*world, *fakeMember){
		"silent": silent,
		"puts another root in each tick": put(func(w *world) (uint64, [32]byte, time.Time) {
			return uint64(len(w.blocks)), canon.Sum([]byte(w.now.String())), w.now
		}),
		"puts what is beyond the log": put(func(w *world) (uint64, [32]byte, time.Time) {
			return 1 << 40, canon.Sum([]byte(w.now.String())), w.now
		}),
		"puts the right root of each size, and accepts none": put(func(w *world) (uint64, [32]byte, time.Time) {
			size := min(w.members[0].log.Size(), w.members[1].log.Size(), w.members[2].log.Size(), w.members[3].log.Size())
			for _, m := range w.members {
				if root, err := m.log.Root(size); err == nil {
					return size, root, w.now
				}
			}
			return size, [32]byte{}, w.now
		}),
		"puts small steps in times to come": put(func(w *world) (uint64, [32]byte, time.Time) {
			size := w.head().Size + 1
			root, _ := w.members[1].log.Root(size)
			return size, root, w.now.Add(29 * time.Second)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			for _, i := range []int{0, 3} { // of the four, the first and the last to put a candidate
				w := newWorld(t)
				w.until("a checkpoint", 20*time.Second, func() bool { return w.head().Number > 0 })
				hostile := w.members[i]
				hostile.asleep = true
				longest := w.pace(2, func() { act(w, hostile) })
				t.Logf("%s: at most %v", hostile.keys.msp, longest)
			}
		})
	}
}
