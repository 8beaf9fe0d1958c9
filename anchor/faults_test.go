package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/payout"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/chaincode/reward"
)

func TestRestart(t *testing.T) {
	t.Parallel()
	for _, lost := range [][]string{
		{}, {"index.db", "index.db-wal", "index.db-shm"}, {"log"}, {"send.db", "send.db-wal"}, {"signed.json"},
		{"index.db", "index.db-wal", "index.db-shm", "log", "send.db", "send.db-wal", "signed.json"},
	} {
		t.Run(strings.Join(lost, " "), func(t *testing.T) {
			w := newWorld(t)
			w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
			w.tickFor(7 * time.Second)
			for _, m := range w.members {
				m.stop()
				for _, name := range lost {
					if err := os.RemoveAll(m.path(name)); err != nil {
						t.Fatal(err)
					}
				}
				m.start()
			}
			before := w.head().Number
			w.cutRecord()
			w.until("a checkpoint", 15*time.Second, func() bool { return w.head().Number > before })
			w.tickFor(2 * time.Second)
			for _, m := range w.members {
				if a := m.alarms.list(); len(a) > 0 {
					t.Errorf("%s: alarms %q", m.keys.msp, a)
				}
			}
		})
	}
}

// Without a quorum the members put fewer and fewer candidates, and go on at once
// when there is one again.
func TestNoQuorum(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.until("a checkpoint", 20*time.Second, func() bool { return w.head().Number > 0 })
	w.members[0].asleep, w.members[1].asleep = true, true
	before := w.head().Number
	w.cutRecord()
	w.tickFor(4 * time.Minute)
	all, err := w.members[2].index.candidates(t.Context(), w.head().Size, uint64(len(w.blocks)))
	if err != nil || w.head().Number != before || len(all) > 16 {
		t.Errorf("%d candidates, head %d after %d: %v", len(all), w.head().Number, before, err)
	}
	w.members[0].asleep = false
	w.until("a checkpoint again", 10*time.Second, func() bool { return w.head().Number > before })
}

// One organisation's peer cannot keep another's anchor from starting.
func TestLyingPeerAtStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.until("a checkpoint", 20*time.Second, func() bool { return w.head().Number > 0 })
	w.liar = "Org4MSP"
	for _, m := range w.members {
		m.stop()
		m.start()
	}
	before := w.head().Number
	w.cutRecord()
	w.until("the next checkpoint", 15*time.Second, func() bool { return w.head().Number > before })
}

// A peer that lost blocks, or shows others than before, gets nothing signed.
func TestPeerRolledBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.until("two checkpoints", time.Minute, func() bool { w.cutRecord(); return w.head().Number > 1 })
	m := w.members[0]
	m.stop()
	if err := os.RemoveAll(m.path("log")); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"index.db", "index.db-wal", "index.db-shm"} {
		_ = os.Remove(m.path(f))
	}
	m.height = 3
	m.start()
	w.tickFor(5 * time.Second)
	if a := strings.Join(m.alarms.list(), "\n"); !strings.Contains(a, "the peer has 3 blocks, what this organisation signed last covers") {
		t.Errorf("alarms %q", a)
	}
	m.height = -1
	w.until("at work again", 10*time.Second, func() bool { return len(m.alarms.list()) == 0 })
}

func TestPeerShowsAnotherHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.until("a checkpoint", 20*time.Second, func() bool { return w.head().Number > 0 })
	m := w.members[0]
	m.stop()
	for _, f := range []string{"index.db", "index.db-wal", "index.db-shm"} {
		_ = os.Remove(m.path(f)) // read all blocks again
	}
	m.start()
	good := w.blocks[4]
	forged := *good
	forged.Txs = slices.Clone(good.Txs)
	forged.Txs[0].Writes = nil
	w.blocks[4] = &forged
	signedBefore, _, _, _ := m.signed.last()
	m.step()
	w.blocks[4] = good
	if a := strings.Join(m.alarms.list(), "\n"); !strings.Contains(a, "block 4 is not the one in the log") {
		t.Errorf("alarms %q", a)
	}
	if now, _, _, _ := m.signed.last(); now != signedBefore {
		t.Error("signed on another history")
	}
}

func TestForkOnChainHaltsSending(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
	ch := w.chains[1]
	b := ch.block(send.Latest)
	b.head = contracts.Checkpoint{Size: b.head.Size + 1, Root: [32]byte{6, 6, 6}, Time: b.head.Time + 1}
	ch.blocks = append(ch.blocks, b, b, b)
	w.tickFor(3 * time.Second)
	for _, m := range w.members {
		if a := strings.Join(m.alarms.list(), "\n"); !strings.Contains(a, "is halted: fork: AnchorLog holds root 060606") {
			t.Errorf("%s: alarms %q", m.keys.msp, a)
		}
	}
}

func TestChainDownStopsNoCheckpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.until("a checkpoint", 20*time.Second, func() bool { return w.head().Number > 0 })
	w.chains[1].down = true
	before := w.head().Number
	w.cutRecord()
	w.until("the next checkpoint", 10*time.Second, func() bool { return w.head().Number > before })
	w.chains[1].down = false
	w.until("anchored", time.Minute, func() bool { return w.anchored(1) })
}

func TestSignedNeverGoesBack(t *testing.T) {
	path := t.TempDir() + "/signed.json"
	s, err := openSigned(path)
	if err != nil {
		t.Fatal(err)
	}
	at := func(size, time uint64, root byte) log.Checkpoint {
		return log.Checkpoint{Size: size, Time: time, Root: [32]byte{root}}
	}
	for _, c := range []struct {
		cp log.Checkpoint
		ok bool
	}{
		{at(5, 99, 1), true}, {at(5, 99, 1), true}, {at(5, 100, 1), true}, {at(5, 99, 1), false}, {at(5, 100, 2), false}, {at(5, 101, 2), false}, {at(4, 101, 1), false},
		{at(6, 100, 1), false}, {at(6, 99, 1), false}, {at(6, 101, 1), true},
		{at(7, 9999, 1), true}, {at(7, 102, 2), false}, {at(7, 102, 1), true}, {at(8, 102, 1), false}, {at(8, 103, 1), true},
	} {
		if err := s.checkpoint(c.cp, 130); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.cp, err)
		}
		if s, err = openSigned(path); err != nil {
			t.Fatal(err)
		}
	}
	root := func(epoch, total uint64) payout.Root {
		return payout.Root{Epoch: epoch, Attempt: 1, Total: reward.Sum{Lo: total}}
	}
	for _, c := range []struct {
		r  payout.Root
		ok bool
	}{{root(1, 10), true}, {root(1, 10), true}, {root(1, 11), false}, {root(2, 9), false}, {root(2, 10), true}, {root(1, 10), false}} {
		if err := s.payout("vault", c.r); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.r, err)
		}
		if s, err = openSigned(path); err != nil {
			t.Fatal(err)
		}
	}
	if size, _, time, err := s.last(); size != 8 || time != 103 || err != nil {
		t.Errorf("last = %d, %d, %v", size, time, err)
	}
}
