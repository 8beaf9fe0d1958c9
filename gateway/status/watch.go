package status

import (
	"context"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/killick-ledger/killick/gateway/submit"
)

const (
	// inline is how many missed blocks are read before the submitter gets its next one.
	// More are read beside it: a gateway whose index was lost serves all the same, but
	// for its lists.
	inline = 1000
	// pause is how long to wait after blocks could not be read.
	pause = time.Second
)

// Watch returns a ledger whose blocks this index takes in, each before whoever reads
// them gets it.
func (i *Index) Watch(l submit.Ledger) submit.Ledger { return watched{l, i} }

type watched struct {
	submit.Ledger
	index *Index
}

// Blocks reads the ledger's blocks. Those that the index has missed come first, or beside
// them, to the index alone.
func (w watched) Blocks(ctx context.Context, from uint64) iter.Seq2[submit.Block, error] {
	return func(yield func(submit.Block, error) bool) {
		beside, cancel := context.WithCancel(ctx)
		var reading sync.WaitGroup
		defer reading.Wait()
		defer cancel()
		switch missed := w.index.begin(from); {
		case missed > inline:
			reading.Go(func() { w.index.follow(beside, w.Ledger) })
		case missed > 0:
			if err := w.index.catchUp(ctx, w.Ledger); err != nil {
				yield(submit.Block{}, err)
				return
			}
		}
		for block, err := range w.Ledger.Blocks(ctx, from) {
			if err == nil {
				err = w.index.pass(block)
			}
			if !yield(block, err) || err != nil {
				return
			}
		}
	}
}

// begin notes which block the submitter gets next, and returns how many before it are
// missing here.
func (i *Index) begin(from uint64) (missed uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.seen = from
	i.began = i.next >= from
	return from - min(i.next, from)
}

// pass takes in a block that the submitter is about to get.
func (i *Index) pass(block submit.Block) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	err := i.take(block)
	if err == nil {
		i.seen = max(i.seen, block.Number+1)
		i.began = i.next >= i.seen
	}
	return err
}

// catchUp reads blocks until the index has all that the submitter has been given.
func (i *Index) catchUp(ctx context.Context, l submit.Ledger) error {
	for block, err := range l.Blocks(ctx, i.Next()) {
		if err != nil {
			return err
		}
		i.mu.Lock()
		err = i.take(block)
		i.began = err == nil && i.next >= i.seen
		done := i.began
		i.mu.Unlock()
		if err != nil || done {
			return err
		}
	}
	return nil
}

// follow catches up beside the submitter, and tries again when blocks cannot be read.
func (i *Index) follow(ctx context.Context, l submit.Ledger) {
	for ctx.Err() == nil {
		err := i.catchUp(ctx, l)
		if err == nil || ctx.Err() != nil {
			return
		}
		slog.Warn("status lists cannot catch up", "next", i.Next(), "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}
