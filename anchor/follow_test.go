package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// stream is a member's ledger whose block stream ends after a number of blocks,
// with an error, or waits.
type stream struct {
	*fakeMember
	ends int // 0: waits for ever
}

var errStream = errors.New("the stream broke")

func (s stream) Blocks(ctx context.Context, from uint64) iter.Seq2[*block.Block, error] {
	return func(yield func(*block.Block, error) bool) {
		s.w.mu.Lock()
		blocks := s.w.blocks[from:]
		s.w.mu.Unlock()
		for i, b := range blocks {
			if s.ends > 0 && i == s.ends {
				yield(nil, errStream)
				return
			}
			if !yield(b, nil) {
				return
			}
		}
		<-ctx.Done()
		yield(nil, ctx.Err())
	}
}

func TestFollowGoesOnWhereTheStreamBroke(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tickFor(12 * time.Second)
	m := w.members[0]
	all := uint64(len(w.blocks))
	m.stop()
	for _, name := range []string{"log", "index.db", "index.db-wal", "index.db-shm"} {
		if err := os.RemoveAll(m.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	m.start()
	m.anchor.ledger = stream{m, 3}
	for m.log.Size() < all-3 {
		before := m.log.Size()
		if err := m.followOnce(t.Context()); !errors.Is(err, errStream) {
			t.Fatalf("at %d of %d: %v", before, all, err)
		}
		if m.log.Size() != before+3 {
			t.Fatalf("%d blocks after %d", m.log.Size(), before)
		}
	}
}

func TestRunAndStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tickFor(8 * time.Second)
	m := w.members[0]
	all := uint64(len(w.blocks))
	m.stop()
	if err := os.RemoveAll(m.path("log")); err != nil {
		t.Fatal(err)
	}
	m.start()
	m.anchor.ledger = stream{m, 0}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- m.run(ctx) }()
	for {
		rung := m.bell.wait()
		if m.log.Size() >= all {
			break
		}
		<-rung
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
}

func recorded(t *testing.T) []*block.Block {
	t.Helper()
	files, err := filepath.Glob("block/testdata/*.block")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded blocks: %v", err)
	}
	var all []*block.Block
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		b, err := block.Decode(raw)
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		all = append(all, b)
	}
	return all
}

// Blocks of a real network pass; one that too few orderers signed does not.
func TestOrderersMustSign(t *testing.T) {
	all := recorded(t)
	first := all[0]
	for _, b := range all {
		if b.Number == 0 {
			first = b
		}
	}
	o := &orderers{}
	if err := o.check(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	for _, b := range all {
		if b.Number == 0 {
			continue
		}
		if err := o.check(t.Context(), b); err != nil {
			t.Error(err)
		}
		forged := *b
		forged.Orderers.Signatures = b.Orderers.Signatures[:1]
		if err := o.check(t.Context(), &forged); err == nil || !strings.Contains(err.Error(), "1 of 4 orderers signed") {
			t.Errorf("block %d with one signature: %v", b.Number, err)
		}
	}
}

// The configuration block says which kind of signatures blocks carry: on a Raft channel
// that of one orderer.
func TestRaftOrdererMustSign(t *testing.T) {
	o := &orderers{}
	for n := range 4 {
		raw, err := os.ReadFile(fmt.Sprintf("block/testdata/raft/%d.block", n))
		if err != nil {
			t.Fatal(err)
		}
		b, err := block.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			forged := *b
			forged.Orderers.Value = nil
			if err := o.check(t.Context(), &forged); err == nil || !strings.Contains(err.Error(), "signed by no orderer") {
				t.Errorf("block %d with a wrong signature: %v", n, err)
			}
		}
		if err := o.check(t.Context(), b); err != nil {
			t.Error(err)
		}
	}
	for _, b := range recorded(t) {
		if b.Number > 0 {
			if err := o.check(t.Context(), b); err == nil {
				t.Errorf("block %d of consenters counts on a Raft channel", b.Number)
			}
		}
	}
}

// tape is a ledger of recorded blocks whose stream ends.
type tape struct {
	ledger
	blocks []*block.Block
}

func (l tape) Block(_ context.Context, number uint64) (*block.Block, error) {
	return l.blocks[number], nil
}

func (l tape) Blocks(_ context.Context, from uint64) iter.Seq2[*block.Block, error] {
	return func(yield func(*block.Block, error) bool) {
		for _, b := range l.blocks[from:] {
			if !yield(b, nil) {
				return
			}
		}
		yield(nil, errStream)
	}
}

// onTape is an anchor that has the first of two recorded blocks.
func onTape(t *testing.T) (*anchor, []*block.Block) {
	t.Helper()
	all := make([]*block.Block, 2)
	for _, b := range recorded(t) {
		if b.Number < 2 {
			all[b.Number] = b
		}
	}
	m := newWorld(t).members[0]
	cfg := *m.cfg
	cfg.Dir, cfg.LogID, cfg.Chains = t.TempDir(), canon.Hex(all[0].HeaderHash[:]), nil
	a, err := open(&cfg, m.keys, tape{blocks: all[:1]}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.close() })
	a.bft = &orderers{anchor: a}
	if err := a.followOnce(t.Context()); !errors.Is(err, errStream) || a.log.Size() != 1 {
		t.Fatalf("%d blocks: %v", a.log.Size(), err)
	}
	return a, all
}

// A configuration block that was checked and could not be stored, as the disk was
// full, does not decide whose signatures the blocks before it need.
func TestConfigurationThatWasNotStored(t *testing.T) {
	t.Parallel()
	a, all := onTape(t)
	a.ledger = bootstrapped{tape{blocks: all}, all[:1]}
	a.bft.of = block.Consenters{{ID: 99}}
	if err := a.followOnce(t.Context()); !errors.Is(err, errStream) || a.log.Size() != 2 {
		t.Fatalf("%d blocks: %v", a.log.Size(), err)
	}
}

// After a start the configuration in force may be in a block that the own peer does not
// have: whoever has it serves, as long as it is the one in the log, and a peer with another
// one is passed over.
func TestConfigurationOfAnotherPeer(t *testing.T) {
	t.Parallel()
	a, all := onTape(t)
	lie := *all[0]
	lie.Filter = []byte{1}
	a.ledger = bootstrapped{tape{blocks: all}, []*block.Block{&lie}}
	if err := a.followOnce(t.Context()); err == nil || !strings.Contains(err.Error(), "block 0 is not the one in the log") || a.log.Size() != 1 {
		t.Fatalf("%d blocks after a lie: %v", a.log.Size(), err)
	}
	a.ledger = bootstrapped{tape{blocks: all}, []*block.Block{all[1], &lie, all[0]}}
	if err := a.followOnce(t.Context()); !errors.Is(err, errStream) || a.log.Size() != 2 {
		t.Fatalf("%d blocks: %v", a.log.Size(), err)
	}
}

// An index that is lost or of another format begins with blocks that a peer from a snapshot
// does not have: any peer's serve that are those in the log. A peer that lies is passed over,
// and what the log does not have is asked of no other peer.
func TestIndexOfAnotherPeersBlocks(t *testing.T) {
	t.Parallel()
	a, all := onTape(t)
	if err := a.index.db.Remake(indexSchema, indexFormat); err != nil {
		t.Fatal(err)
	}
	lie := *all[0]
	lie.Filter = []byte{1}
	for _, c := range []struct {
		firsts  []*block.Block
		indexed uint64
		want    string
	}{
		{[]*block.Block{&lie}, 0, "block 0, which the own peer does not have: the peer's block 0 is not the one in the log"},
		{[]*block.Block{all[1], &lie, all[0]}, 2, errStream.Error()},
	} {
		a.ledger = bootstrapped{tape{blocks: all}, c.firsts}
		err := a.followOnce(t.Context())
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
		if next, err := a.index.next(t.Context()); next != c.indexed || err != nil {
			t.Errorf("%d blocks are indexed, %v; want %d", next, err, c.indexed)
		}
	}
	cfg := *a.cfg
	cfg.Dir = t.TempDir()
	empty, err := open(&cfg, a.roster.keys, bootstrapped{tape{blocks: all}, all[:1]}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer empty.close()
	if err := empty.followOnce(t.Context()); err == nil || !strings.Contains(err.Error(), "bootstrapped from a snapshot") || empty.log.Size() > 0 {
		t.Errorf("%d blocks of other peers alone: %v", empty.log.Size(), err)
	}
}

// bootstrapped is a tape whose own peer does not have block 0; others have something.
type bootstrapped struct {
	tape
	firsts []*block.Block
}

func (b bootstrapped) Block(ctx context.Context, number uint64) (*block.Block, error) {
	if number == 0 {
		return nil, errors.New("cannot serve block [0]. The ledger is bootstrapped from a snapshot. First available block = [1]")
	}
	return b.tape.Block(ctx, number)
}

func (b bootstrapped) Past(_ context.Context, _ uint64, good func(*block.Block) error) (_ *block.Block, err error) {
	for _, first := range b.firsts {
		if err = good(first); err == nil {
			return first, nil
		}
	}
	return nil, err
}
