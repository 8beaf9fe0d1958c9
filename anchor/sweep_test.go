package main

import (
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// results are the keys of the results in state.
func (w *world) results() (keys []string) {
	for _, e := range w.store.Entries() {
		if strings.HasPrefix(e.Key, "op/") {
			keys = append(keys, e.Key)
		}
	}
	return keys
}

// sweeps counts the sweeps on the ledger.
func (w *world) sweeps() (n int) {
	for _, b := range w.blocks {
		if args := b.Txs[0].Args; len(args) > 0 && string(args[0]) == "ops:Sweep" {
			n++
		}
	}
	return n
}

// Results are swept when checkpoints say that they are long past, by one member
// or by those after it when that one sleeps; what was swept can be proved.
func TestResultsAreSwept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	create := func(name string) {
		u := opstest.NewUser(name)
		w.do(u, &ops.DIDCreate{Document: u.Doc})
	}
	create("alice")
	key, block := w.results()[0], uint64(len(w.blocks)-1)
	w.tickFor(2 * time.Second)
	w.now = w.now.Add(5 * time.Hour)
	for _, m := range w.members[:2] {
		m.asleep = true
	}
	w.tickFor(2 * time.Second)
	if len(w.results()) != 1 || w.sweeps() != 0 {
		t.Fatal("swept without a checkpoint that says the time")
	}
	w.members[1].asleep = false // three are needed for a checkpoint
	create("bob")
	w.until("swept", 3*time.Minute, func() bool { return len(w.results()) == 1 })
	w.tickFor(2 * time.Second)
	if n := w.sweeps(); n != 2 {
		t.Errorf("%d sweeps, want one that raises the watermark and one that removes", n)
	}
	for _, m := range w.members[1:] {
		at, ok, err := m.index.findWrite(t.Context(), key, 1<<40)
		if err != nil || !ok || at.block != block {
			t.Errorf("%s finds the result in block %d: %v, %v", m.keys.msp, at.block, ok, err)
		}
		if a := m.alarms.list(); len(a) > 0 {
			t.Errorf("%s: alarms %q", m.keys.msp, a)
		}
	}
}
