package events_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/killick-ledger/killick/gateway/events"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// counted counts the streams that are read from a ledger. Each breaks after so many
// blocks, if a number is set.
type counted struct {
	submit.Ledger
	open, opened atomic.Int32
	breaks       int
}

func (c *counted) Blocks(ctx context.Context, from uint64) iter.Seq2[submit.Block, error] {
	return func(yield func(submit.Block, error) bool) {
		c.open.Add(1)
		c.opened.Add(1)
		defer c.open.Add(-1)
		n := 0
		for block, err := range c.Ledger.Blocks(ctx, from) {
			if n++; n == c.breaks {
				block, err = submit.Block{}, errors.New("the peer went away")
			}
			if !yield(block, err) || err != nil {
				return
			}
		}
	}
}

// EV-5: all read one block stream; a second one lasts only until somebody who comes late,
// or was slow, has caught up, and nobody waits for who is slow.
func TestOneStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t) // of 12 blocks
		source := &counted{Ledger: c.Ledger}
		s := events.New(events.Config{Ledger: source, Network: network, Recent: 10_000}) // a few blocks
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		taken := 0
		go func() {
			for range s.Watch(source).Blocks(ctx, 8) {
				taken++
			}
		}()
		var got []uint64
		var held chan struct{} // while it is set, the reader is slow
		read := func(from uint64) {
			for block, err := range s.Blocks(ctx, from) {
				if err != nil {
					return
				}
				got = append(got, block.Number)
				if hold := held; hold != nil {
					<-hold
				}
			}
		}
		grow := func(n int) {
			for i := range n {
				jws, _ := c.alice.Record(fmt.Sprint(len(c.Chain()), i))
				c.batch(t, submittest.None, jws)
			}
			synctest.Wait()
		}
		release := func(next chan struct{}) {
			hold := held
			held = next
			close(hold)
		}
		check := func(when string, from uint64, opened int32) {
			t.Helper()
			var want []uint64
			for i := from; i < uint64(len(c.Chain())); i++ {
				want = append(want, i)
			}
			if !slices.Equal(got, want) || source.open.Load() != 1 || source.opened.Load() != opened || s.Held() > 0 {
				t.Errorf("%s: blocks %v, want %v; %d streams, %d so far, want 1 and %d; %d blocks held",
					when, got, want, source.open.Load(), source.opened.Load(), opened, s.Held())
			}
		}
		synctest.Wait()
		go read(5)
		synctest.Wait()
		check("caught up after a start", 5, 2)
		grow(3)
		check("blocks one by one", 5, 2)

		held = make(chan struct{})
		grow(3)
		if n := s.Held(); n < 2 {
			t.Errorf("%d blocks are held for who is a little slow", n)
		}
		release(nil)
		synctest.Wait()
		check("a little slow", 5, 2)

		held = make(chan struct{})
		grow(40)
		if taken != len(c.Chain())-8 {
			t.Errorf("the submitter has %d of %d blocks while a reader is slow", taken, len(c.Chain())-8)
		}
		if n := s.Held(); n > 10 {
			t.Errorf("%d blocks are held", n)
		}
		release(make(chan struct{})) // it reads one old block
		synctest.Wait()
		if n := source.open.Load(); n != 2 {
			t.Errorf("%d streams while who was left behind catches up", n)
		}
		if n := s.Held(); n != 0 {
			t.Errorf("%d blocks are held for who reads old ones", n)
		}
		release(nil)
		synctest.Wait()
		check("left behind", 5, 3)
		grow(2)
		check("afterwards", 5, 3)

		cancel()
		synctest.Wait()
		if n := source.open.Load(); n != 0 {
			t.Errorf("%d streams after the end", n)
		}
	})
}

// A stream of old blocks that breaks is the reader's to begin again; one that is ahead
// of the submitter waits for it.
func TestBlocksBreakAndWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t)
		source := &counted{Ledger: c.Ledger, breaks: 3}
		s := events.New(events.Config{Ledger: source, Network: network})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var early []uint64
		go func() { // before anything is known of the ledger
			for block, err := range s.Blocks(ctx, 13) {
				if err != nil {
					return
				}
				early = append(early, block.Number)
			}
		}()
		synctest.Wait()
		go func() {
			for range s.Watch(c.Ledger).Blocks(ctx, 10) {
				continue
			}
		}()
		synctest.Wait()
		var got []uint64
		var broke error
		for next := uint64(0); next < 12; next = uint64(len(got)) {
			broke = nil
			for block, err := range s.Blocks(ctx, next) {
				if broke = err; err != nil {
					break
				}
				if got = append(got, block.Number); len(got) == 12 {
					break
				}
			}
		}
		if want := []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}; !slices.Equal(got, want) || broke != nil || source.opened.Load() != 6 || source.open.Load() != 0 {
			t.Errorf("%v, %v, %d streams", got, broke, source.opened.Load())
		}
		for i := range 3 {
			jws, _ := c.alice.Record(fmt.Sprint("ahead", i))
			c.batch(t, submittest.None, jws)
		}
		synctest.Wait()
		if !slices.Equal(early, []uint64{13, 14}) || source.opened.Load() != 6 {
			t.Errorf("ahead: %v, %d streams", early, source.opened.Load())
		}
	})
}
