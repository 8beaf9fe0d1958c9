package main

import (
	"context"
	"fmt"
	"iter"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// noForks wants every root that any member signed, and every one on a public chain, to be
// that of the one history. It returns how many signatures a member has on the ledger.
func (w *world) noForks(msp string) (signed int) {
	w.t.Helper()
	roots, all := w.members[len(w.members)-1].log, 0
	for _, b := range w.blocks {
		for _, wr := range b.Txs[0].Writes {
			key := strings.Split(string(wr.Key), "/")
			if key[0] != "cosig" || wr.Delete != block.Put {
				continue
			}
			size, err := strconv.ParseUint(key[1], 16, 64)
			if err != nil {
				w.t.Fatal(err)
			}
			if root, err := roots.Root(size); err != nil || canon.Hex(root[:]) != key[2] {
				w.t.Errorf("block %d: %s signed root %s for size %d, the log has %x, %v", b.Number, key[len(key)-1], key[2], size, root, err)
			}
			if all++; key[len(key)-1] == msp {
				signed++
			}
		}
	}
	if all == 0 {
		w.t.Error("nobody has signed anything")
	}
	for _, ch := range w.chains {
		head := ch.block(send.Latest).head
		if root, err := roots.Root(head.Size); err != nil || root != head.Root {
			w.t.Errorf("%s holds root %x for size %d: %v", ch.id, head.Root, head.Size, err)
		}
	}
	return signed
}

// checkpoints lets so many come, each after something new on the ledger.
func (w *world) checkpoints(n int) {
	w.t.Helper()
	for range n {
		from := w.head().Number
		w.cutRecord()
		w.until("the next checkpoint", 15*time.Second, func() bool { return w.head().Number > from })
	}
}

// replace puts a copy of a folder in the place of another, or removes it when there is none.
func (m *fakeMember) replace(dir, by string) {
	m.w.t.Helper()
	err := os.RemoveAll(dir)
	if err == nil && by != "" {
		err = os.CopyFS(dir, os.DirFS(by))
	}
	if err != nil {
		m.w.t.Fatal(err)
	}
}

// A whole directory that is back at an older state, with the peer as it is, or with a peer
// that is back at the same state.
func TestDirectoryRestoredFromBackup(t *testing.T) {
	t.Parallel()
	for name, peerToo := range map[string]bool{"disk": false, "disk and peer": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.checkpoints(2)
			m, backup := w.members[0], t.TempDir()
			m.stop()
			m.replace(backup, m.dir)
			height := len(w.blocks)
			m.start()
			w.checkpoints(4)
			before := w.noForks("Org1MSP")
			m.stop()
			m.replace(m.dir, backup)
			if peerToo {
				m.height = height
			}
			m.start()
			if peerToo {
				w.tickFor(10 * time.Second)
				if a := strings.Join(m.alarms.list(), "\n"); !strings.Contains(a, "it lost blocks, or still catches up") {
					t.Errorf("alarms %q", a)
				}
				if now := w.noForks("Org1MSP"); now != before {
					t.Errorf("%d signatures with a peer that lost blocks", now-before)
				}
				m.height = -1
			}
			w.checkpoints(3)
			w.tickFor(5 * time.Second)
			if a := m.alarms.list(); len(a) > 0 {
				t.Errorf("alarms %q", a)
			}
			if w.noForks("Org1MSP") <= before {
				t.Error("it signs no more")
			}
		})
	}
}

// With nothing left on disk and a peer that shows another history, an anchor asks the
// others before it signs, and then signs nothing.
func TestNothingLeftAndAnotherHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.checkpoints(2)
	m := w.members[0]
	m.stop()
	m.replace(m.dir, "")
	m.start()
	for _, o := range w.members {
		o.asleep = true // nobody is faster with the next candidate
	}
	before := w.noForks("Org1MSP")
	good := w.blocks[4]
	forged := *good
	forged.Txs = append([]block.Tx{}, good.Txs...)
	forged.Txs[0].Envelope = []byte("another")
	for range 20 {
		w.now = w.now.Add(time.Second)
		w.cutRecord()
		w.blocks[4], m.asleep = &forged, false
		m.step()
		w.blocks[4], m.asleep = good, true
	}
	if a := strings.Join(m.alarms.list(), "\n"); !strings.Contains(a, "fork: the checkpoint at the peer of Org2MSP") {
		t.Errorf("alarms %q", a)
	}
	if err := w.members[3].catchUp(t.Context()); err != nil { // whose log noForks compares with
		t.Fatal(err)
	}
	if now := w.noForks("Org1MSP"); now != before {
		t.Errorf("%d signatures", now-before)
	}
}

// With nothing left on disk an anchor asks the contracts as well, and signs nothing while
// one of them holds what its log does not have, or does not answer.
func TestNothingLeftAndChainsKnowMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
	m := w.members[0]
	for _, o := range w.members[1:] {
		o.asleep = true
	}
	signatures := func() int {
		if err := w.members[3].catchUp(t.Context()); err != nil { // whose log noForks compares with
			t.Fatal(err)
		}
		return w.noForks("Org1MSP")
	}
	// signs lets it run with nothing on disk for as long as a candidate of its own may take.
	signs := func(begin, end func()) bool {
		m.stop()
		m.replace(m.dir, "")
		m.start()
		m.loops = m.loops[:1] // checkpoints only
		before := signatures()
		begin()
		for range 20 {
			w.now = w.now.Add(time.Second)
			w.cutRecord()
			m.step()
		}
		end()
		return signatures() > before
	}
	for _, ch := range w.chains {
		var undo func()
		head := func(do func(b *chainBlock)) func() { return func() { undo = ch.change(do) } }
		for name, tt := range map[string]struct {
			begin func()
			alarm string
		}{
			"has more":         {head(func(b *chainBlock) { b.head.Size = 1 << 20 }), "what is anchored on " + ch.id + " covers 1048576: it lost blocks"},
			"has another root": {head(func(b *chainBlock) { b.head.Root = [32]byte{6} }), "fork: what is anchored on " + ch.id},
			"is silent":        {func() { ch.down, undo = true, func() { ch.down = false } }, errDown.Error()},
		} {
			var alarms string
			if signs(tt.begin, func() { alarms = strings.Join(m.alarms.list(), "\n"); undo() }) || !strings.Contains(alarms, tt.alarm) {
				t.Errorf("%s %s: alarms %q, or it signed", ch.id, name, alarms)
			}
		}
	}
	if !signs(func() {}, func() {}) {
		t.Errorf("it signs no more: alarms %q", m.alarms.list())
	}
}

// Two anchors of one organisation, each with a directory of its own, so that no lock keeps
// them apart.
func TestTwoAnchorsOfOneOrganisation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.checkpoints(1)
	twin := w.newMember(0)
	cfg := *w.members[0].cfg
	cfg.Dir = twin.dir
	twin.cfg = &cfg
	twin.start()
	w.members = append([]*fakeMember{twin}, w.members...)
	w.checkpoints(6)
	of := w.head().Size
	w.until("anchored", 2*time.Minute, func() bool { return w.anchored(of) })
	// Either goes on without the other.
	for _, away := range []int{0, 1} {
		w.members[away].asleep = true
		w.checkpoints(2)
		w.members[away].asleep = false
	}
	w.tickFor(5 * time.Second)
	w.noForks("Org1MSP")
	for i, m := range w.members {
		if a := strings.Join(m.alarms.list(), "\n"); strings.Contains(a, "fork") || i > 1 && a != "" {
			t.Errorf("anchor %d of %s: alarms %q", i, m.keys.msp, a)
		}
	}
}

// snapshotPeer is a peer that joined from a snapshot: it has no block before first.
type snapshotPeer struct {
	*fakeMember
	first uint64
}

func (s snapshotPeer) Block(ctx context.Context, number uint64) (*block.Block, error) {
	if number < s.first {
		return nil, snapshotOnly(number, s.first)
	}
	return s.fakeMember.Block(ctx, number)
}

// snapshotOnly is what such a peer answers.
func snapshotOnly(number, first uint64) error {
	return fmt.Errorf("cannot serve block [%d]. The ledger is bootstrapped from a snapshot. First available block = [%d]", number, first)
}

// Blocks is as the client's: what the peer has not got is asked for until ctx ends.
func (s snapshotPeer) Blocks(ctx context.Context, from uint64) iter.Seq2[*block.Block, error] {
	if from < s.first {
		return func(yield func(*block.Block, error) bool) { <-ctx.Done(); yield(nil, ctx.Err()) }
	}
	return stream{s.fakeMember, 0}.Blocks(ctx, from)
}

// liars are other organisations' peers that show a transaction as invalid, or the block
// some places further on.
type liars struct {
	ledger
	further uint64
}

func (l liars) Past(ctx context.Context, number uint64, good func(*block.Block) error) (*block.Block, error) {
	return l.ledger.Past(ctx, number+l.further, func(b *block.Block) error {
		lie := *b
		if l.further == 0 {
			lie.Filter, lie.Txs = []byte{11}, slices.Clone(b.Txs)
			lie.Txs[0].Code, lie.Txs[0].Writes = 11, nil
		}
		return good(&lie)
	})
}

// A peer that joined from a snapshot cannot give back a log that was lost, and says so; a
// log that is there goes on from where it was, with old blocks of others where it needs
// them, as the log has them.
func TestPeerJoinedFromSnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.checkpoints(2)
	m := w.members[0]
	m.asleep = true
	m.ledger = snapshotPeer{m, m.log.Size() - 2}
	w.checkpoints(1)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- m.followOnce(ctx) }()
	for deadline := time.Now().Add(time.Minute); m.log.Size() < uint64(len(w.blocks)) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	stop()
	<-done
	if m.log.Size() != uint64(len(w.blocks)) {
		t.Errorf("log of %d blocks, the peer has %d", m.log.Size(), len(w.blocks))
	}
	early := place{block: 1, n: log.NoWrite}
	if _, err := m.bundle(t.Context(), early, true, nil); err != nil {
		t.Errorf("the bundle of what the peer does not have: %v", err)
	}
	others := m.ledger
	for further, want := range map[uint64]string{0: "not the one in the log", 1: "sent block 2 in place of 1"} {
		m.ledger = liars{others, further}
		if _, err := m.bundle(t.Context(), early, true, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("another organisation's lie: %v, want %q", err, want)
		}
	}
	m.ledger = others
	before := w.noForks("Org1MSP")

	m.stop()
	m.replace(m.dir, "")
	m.start()
	m.ledger = snapshotPeer{m, 9}
	m.height = 0 // what tests hand over
	m.asleep = false
	ctx, stop = context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	err := m.followOnce(ctx)
	if err == nil || !strings.Contains(err.Error(), "block 0 of the own peer: cannot serve block [0]") {
		t.Errorf("got %v", err)
	}
	w.tickFor(3 * time.Second)
	if now := w.noForks("Org1MSP"); now != before {
		t.Errorf("%d signatures without a log", now-before)
	}
}
