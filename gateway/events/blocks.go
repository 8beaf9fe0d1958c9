package events

import (
	"context"
	"iter"

	"github.com/killick-ledger/killick/gateway/submit"
)

// reader is somebody who is fed from the submitter's block stream.
type reader struct{ at uint64 } // number of the block that it gets next

// Blocks yields every block from a number on, in order and without gaps, and waits for
// those to come; it gets them from the stream that Watch sees, after the submitter has
// taken them in. What is no longer held, or came before this process, it reads with a
// stream of its own, which ends when it has caught up. Nobody waits for a slow reader:
// it is left behind, and catches up so. Blocks are shared, not to be changed. The pair
// with an error is the last.
func (s *Stream) Blocks(ctx context.Context, from uint64) iter.Seq2[submit.Block, error] {
	return func(yield func(submit.Block, error) bool) {
		r := new(reader)
		s.join(r, from)
		defer s.part(r)
		for {
			held, next, grown := s.find(r.at)
			switch {
			case held != nil:
				if !yield(held.block, nil) {
					return
				}
				s.join(r, r.at+1)
			case r.at < next:
				s.part(r)
				if !s.old(ctx, r, yield) {
					return
				}
			default:
				select {
				case <-grown:
				case <-ctx.Done():
					yield(submit.Block{}, ctx.Err())
					return
				}
			}
		}
	}
}

// old yields blocks from a stream of the ledger until the reader has caught up. It
// returns whether the reader goes on.
func (s *Stream) old(ctx context.Context, r *reader, yield func(submit.Block, error) bool) bool {
	at := r.at
	for block, err := range s.cfg.Ledger.Blocks(ctx, at) {
		if !yield(block, err) || err != nil {
			return false
		}
		at = block.Number + 1
		if s.caughtUp(r, at) {
			return true
		}
	}
	return false
}

// join has blocks held for a reader from a number on.
func (s *Stream) join(r *reader, at uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.at = at
	s.live[r] = true
	s.shrink()
}

// part ends that.
func (s *Stream) part(r *reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, r)
	s.shrink()
}

// caughtUp has the reader join if it has every block before the one that is to come.
func (s *Stream) caughtUp(r *reader, at uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at < s.next {
		return false
	}
	r.at = at
	s.live[r] = true
	return true
}

// shrink drops the oldest blocks: those that nobody is about to ask for, and what is
// too much, which those who need it read as old ones. The caller holds mu.
func (s *Stream) shrink() {
	wanted := s.next
	if s.followers > 0 {
		wanted = 0
	}
	for r := range s.live {
		wanted = min(wanted, r.at)
	}
	for n := uint64(len(s.recent)); n > 0 && (s.next-n < wanted || n > 1 && s.weight > s.cfg.Recent); n-- {
		s.weight -= s.recent[0].weight
		s.recent[0] = nil
		s.recent = s.recent[1:]
	}
}
