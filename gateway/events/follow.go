package events

import (
	"context"
	"iter"
	"time"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Request is what somebody wants to follow: from where, and which events. At most
// one of Cursor, Block and Now is set; none means from the beginning.
type Request struct {
	Cursor string  // after the event, or the mark, that it came with
	Block  *uint64 // from this block on
	Now    bool    // what comes from now on

	Actors     []string // DIDs of who signed, at most 100; none: anyone
	Operations []string // names of operations; none: any
}

// maxActors is how many actors a Request may name.
const maxActors = 100

// Page is the next events, at least 0, and the place after the last block, or part
// of a block, that was looked at for them.
type Page struct {
	Events []Event
	Next   Position
}

// follower is where somebody is.
type follower struct {
	s      *Stream
	at     Position
	filter Filter
	tick   *time.Timer // fires when a page is due
	caught bool        // it was told that it has all there was
}

// Follow yields pages of events from the place that is asked for, and goes on with
// those to come. A page comes at least every 10 seconds, be it empty, and an empty one
// once what there was is read. The pair with an error is the last. Errors:
// fault.InvalidValue, fault.UnknownOperation and fault.WrongNetwork of the request,
// fault.Overloaded, fault.Unavailable, the context's.
func (s *Stream) Follow(ctx context.Context, r Request) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		if err := s.enter(); err != nil {
			yield(Page{}, err)
			return
		}
		defer s.leave()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(s.life, cancel)()
		f, err := s.start(ctx, r)
		for err == nil {
			var page Page
			if page, err = f.page(ctx); err == nil && !yield(page, nil) {
				return
			}
		}
		if s.life.Err() != nil {
			err = stopping()
		}
		yield(Page{}, err)
	}
}

// start reads a request.
func (s *Stream) start(ctx context.Context, r Request) (*follower, error) {
	f := &follower{s: s, tick: time.NewTimer(heartbeat)}
	if err := f.filter.set(s.cfg.Network, r); err != nil {
		return nil, err
	}
	given := 0
	for _, is := range []bool{r.Cursor != "", r.Block != nil, r.Now} {
		if is {
			given++
		}
	}
	var err error
	switch {
	case given > 1:
		return nil, fault.New(fault.InvalidValue, "at most one of cursor, block and now can be given")
	case r.Now:
		f.at.Block, err = s.head(ctx)
		return f, err
	case r.Block != nil:
		f.at.Block = *r.Block
	case r.Cursor != "":
		if f.at, err = ParseCursor(s.cfg.Network, r.Cursor); err != nil {
			return nil, err
		}
	}
	return f, s.reach(ctx, f.at)
}

func (f *Filter) set(network string, r Request) error {
	if len(r.Actors) > maxActors {
		return fault.New(fault.InvalidValue, "%d actors are more than %d", len(r.Actors), maxActors)
	}
	f.actors, f.operations = map[ledger.ID]bool{}, map[string]bool{}
	for _, text := range r.Actors {
		id, err := did.ParseOn(network, text)
		if err != nil {
			return err
		}
		f.actors[id] = true
	}
	for _, name := range r.Operations {
		if !known(name) {
			return fault.New(fault.UnknownOperation, "%.60q; there are %s", name, names())
		}
		f.operations[name] = true
	}
	return nil
}

// head waits until it is known which block is to come, and returns its number.
func (s *Stream) head(ctx context.Context) (uint64, error) {
	for {
		s.mu.Lock()
		began, next, grown := s.began, s.next, s.grown
		s.mu.Unlock()
		if began {
			return next, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// reach waits a while for a place that is ahead of this gateway.
func (s *Stream) reach(ctx context.Context, p Position) error {
	limit := time.NewTimer(aheadLimit)
	defer limit.Stop()
	for {
		s.mu.Lock()
		began, next, grown := s.began, s.next, s.grown
		s.mu.Unlock()
		if end := (Position{Block: next}); began && !end.before(p) {
			return nil
		}
		select {
		case <-grown:
		case <-limit.C:
			if !began {
				return fault.New(fault.Unavailable, "the gateway does not know the ledger yet")
			}
			return fault.New(fault.InvalidValue, "block %d is beyond the ledger, of which this gateway has seen %d blocks", p.Block, next)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// page returns the next page. A follower who was slow for so long that what comes
// next is no longer held reads it as anybody who comes late.
func (f *follower) page(ctx context.Context) (Page, error) {
	for {
		r, next, grown := f.s.find(f.at.Block)
		switch {
		case r != nil:
			events, err := r.read()
			if err != nil {
				return Page{}, err
			}
			if page := f.take(nil, events); len(page) == maxPage {
				return f.give(page), nil
			} else if f.at = (Position{Block: f.at.Block + 1}); len(page) > 0 {
				return f.give(page), nil
			}
		case f.at.Block < next:
			page, err := f.scan(ctx, next)
			if err != nil {
				return Page{}, err
			}
			return f.give(page), nil
		case !f.caught: // who wants what there is must not wait to learn that this was all
			f.caught = true
			return f.give(nil), nil
		default:
			select {
			case <-grown:
				continue
			case <-f.tick.C:
				return f.give(nil), nil
			case <-ctx.Done():
				return Page{}, ctx.Err()
			}
		}
		// Many blocks without an event must not look like silence.
		select {
		case <-f.tick.C:
			return f.give(nil), nil
		case <-ctx.Done():
			return Page{}, ctx.Err()
		default:
		}
	}
}

// find returns the block if it is held, and otherwise which is to come.
func (s *Stream) find(number uint64) (r *recent, next uint64, grown chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if number < s.next && s.next-number <= uint64(len(s.recent)) {
		r = s.recent[uint64(len(s.recent))-(s.next-number)]
	}
	return r, s.next, s.grown
}

// take appends to a page those events that are to come and match, as far as there
// is room, and steps over them.
func (f *follower) take(page, events []Event) []Event {
	for i := range events {
		e := &events[i]
		if len(page) == maxPage {
			break
		}
		if f.at.before(e.Next) && f.filter.matches(e) {
			page = append(page, *e)
			f.at = e.Next
		}
	}
	return page
}

// give completes a page.
func (f *follower) give(events []Event) Page {
	f.tick.Reset(heartbeat)
	return Page{events, f.at}
}

// scan reads old blocks, up to the one that is to come, until there is a full page
// or many blocks were read. Whoever reads holds a token, and never while a page is
// on its way to a follower.
func (f *follower) scan(ctx context.Context, until uint64) ([]Event, error) {
	if err := f.s.turn(ctx); err != nil {
		return nil, err
	}
	defer func() { <-f.s.readers }()
	limited, cancel := context.WithTimeout(ctx, scanLimit)
	defer cancel()
	var page []Event
	begin := f.at.Block
	until = min(until, begin+scanBlocks)
	for block, err := range f.s.cfg.Ledger.Blocks(limited, begin) {
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil && f.at.Block > begin: // some progress; the next page tries again
			return page, nil
		case err != nil:
			f.s.cfg.Log.Warn("old blocks cannot be read", "from", begin, "error", err)
			return nil, fault.New(fault.Unavailable, "blocks cannot be read now")
		}
		for i := range block.Transactions {
			tx := &block.Transactions[i]
			if tx.Index < f.at.Tx {
				continue
			}
			events, err := Of(block.Number, tx)
			if err != nil {
				return nil, err
			}
			if page = f.take(page, events); len(page) == maxPage {
				return page, nil
			}
		}
		if f.at = (Position{Block: block.Number + 1}); f.at.Block >= until || len(page) >= maxPage/2 {
			break
		}
	}
	return page, nil
}

// turn waits for a token to read old blocks with.
func (s *Stream) turn(ctx context.Context) error {
	limit := time.NewTimer(slotLimit)
	defer limit.Stop()
	select {
	case s.readers <- struct{}{}:
		return nil
	case <-limit.C:
		return fault.New(fault.Overloaded, "%d others read old events now", s.cfg.Readers)
	case <-ctx.Done():
		return ctx.Err()
	}
}
