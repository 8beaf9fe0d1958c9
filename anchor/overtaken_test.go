package main

import (
	"slices"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// A checkpoint that somebody anchors first makes the proof in our calldata useless.
// The member notices, makes another one for the new head, and has paid once too much
// at most; while the stranger's block is not final it does not even begin.
func TestOvertakenByAStranger(t *testing.T) {
	for _, tt := range []struct {
		name     string
		sent     bool
		reverted int
	}{{"in the pool", true, 1}, {"not planned yet", false, 0}} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
			w.tickFor(5 * time.Second)
			w.cutRecord()
			small := uint64(len(w.blocks))
			w.until("a checkpoint that is not for the chains", 20*time.Second, func() bool { return w.head().Size >= small })
			w.tick()
			p, err := w.members[0].index.head(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ch := w.chains[0]
			stranger := chainTx{ID: canon.Sum([]byte("stranger")), By: "stranger", To: send.Address(ch.anchorLog.Address), Raw: w.submit(ch, p)}
			if tt.sent {
				ch.full = true
				w.until("another one in the pool", 3*time.Minute, func() bool { return len(ch.pool) > 0 })
			} else {
				ch.depth = 200
			}
			ch.pool = slices.Insert(ch.pool, 0, stranger)
			ch.full = false
			w.cutRecord()
			large := uint64(len(w.blocks))
			w.until("anchored all the same", 10*time.Minute, func() bool { return w.anchored(large) })
			if ch.reverted != tt.reverted {
				t.Errorf("%d transactions failed, want %d", ch.reverted, tt.reverted)
			}
			events := map[uint64]int{}
			for _, b := range ch.blocks {
				for _, e := range b.events {
					events[e.Number]++
				}
			}
			if events[p.Size] != 1 || ch.fees() != len(events)+ch.reverted {
				t.Errorf("%d fees for anchored sizes %v, the stranger's was %d", ch.fees(), events, p.Size)
			}
			for _, m := range w.members {
				if a := m.alarms.list(); len(a) > 0 {
					t.Errorf("%s: alarms %q", m.keys.msp, a)
				}
			}
		})
	}
}
