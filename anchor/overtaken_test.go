package main

import (
	"fmt"
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
	t.Parallel()
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

// leap lets five seconds pass, and a block on each chain.
func (w *world) leap() {
	w.now = w.now.Add(5 * time.Second)
	for _, ch := range w.chains {
		ch.mine()
	}
	for _, m := range w.members {
		m.step()
	}
}

// after returns the first checkpoint that is larger than a size.
func (w *world) after(size uint64) (point, bool) {
	w.t.Helper()
	p, ok, err := w.members[0].index.point(w.t.Context(), `WHERE size > ? ORDER BY number LIMIT 1`, int64(size))
	if err != nil {
		w.t.Fatal(err)
	}
	return p, ok
}

// crowd lets a stranger anchor the next small checkpoint on a chain before the last one
// is final, again and again, until something is so.
func (w *world) crowd(ch *fakeChain, leaps int, so func() bool) {
	w.t.Helper()
	for i := 0; i < leaps && !so(); i++ {
		if i%5 == 0 {
			w.cutRecord()
		}
		if p, ok := w.after(ch.block(send.Latest).head.Size); ok && i%10 == 0 {
			ch.pool = slices.Insert(ch.pool, 0, chainTx{ID: canon.Sum(fmt.Append(nil, "stranger", i)), By: "stranger", To: send.Address(ch.anchorLog.Address), Raw: w.submit(ch, p)})
		}
		w.leap()
	}
}

// A stranger keeps the members back for a time, not for ever.
func TestCrowdedByAStranger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
	w.tickFor(5 * time.Second)
	ch := w.chains[0]
	ch.depth = 12
	clear(ch.paid)
	w.crowd(ch, 300, func() bool { return false })
	ours := ch.fees() - ch.paid["stranger"]
	if head := ch.block(send.Latest).head.Size; ours == 0 || head+100 < w.head().Size {
		t.Errorf("AnchorLog has size %d, the ledger %d; %d transactions of the stranger, %d of the members", head, w.head().Size, ch.paid["stranger"], ours)
	}
	if ch.reverted > ours/2 {
		t.Errorf("%d of %d transactions failed", ch.reverted, ours)
	}
}

// The block with the head that a member went on from is dropped for good: what it
// planned is of no use any more, and does not keep it from the next one.
func TestCrowdedAndDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
	w.tickFor(5 * time.Second)
	ch := w.chains[0]
	ch.depth = 12
	clear(ch.paid)
	w.crowd(ch, 400, func() bool {
		return slices.ContainsFunc(ch.pool, func(t chainTx) bool { return t.By != "stranger" })
	})
	final := max(len(ch.blocks)-1-ch.depth, 0)
	for n := final + 1; n < len(ch.blocks); n++ {
		ch.blocks[n] = ch.blocks[final]
		ch.blocks[n].events, ch.blocks[n].txs = nil, nil
	}
	ch.pool, ch.reverted = nil, 0
	for _, m := range w.members {
		open, err := m.sender.Unrecorded(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// Nobody else helps it.
		m.asleep = !slices.ContainsFunc(open, func(st send.Status) bool { return st.Chain == ch.id })
	}
	at, _, err := w.members[0].index.toPost(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 120 && ch.block(send.Final).head.Size < at.Size; i++ {
		w.leap()
	}
	for range 8 { // senders want to be sure
		w.leap()
	}
	if head := ch.block(send.Final).head.Size; head < at.Size {
		t.Errorf("AnchorLog has size %d, want %d", head, at.Size)
	}
	if ch.reverted > 1 {
		t.Errorf("%d transactions failed", ch.reverted)
	}
	for _, m := range w.members {
		open, err := m.sender.Unrecorded(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range open {
			if st.Chain == ch.id {
				t.Errorf("%s: %s is %s", m.keys.msp, st.ID, st.Phase)
			}
		}
	}
}
