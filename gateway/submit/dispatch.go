package submit

import (
	"context"
	"errors"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
)

// flight is a batch under way.
type flight struct {
	tx    string
	items []*item // nil where one was final before a restart
	seqs  []int64
	sent  time.Time
	lost  bool // given up, its place is free
}

const (
	minPause = 100 * time.Millisecond
	maxPause = 2 * time.Second
	maxDelay = 30 * time.Second // of a lane with an operation that fails alone
	// patience is how often a batch may be void before the next try waits: stale
	// reads pass at once, but a reason that stays would fill block after block.
	patience = 5
)

// dispatch sends batches as long as there are places and operations.
func (s *Submitter) dispatch(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		f, wait := s.nextBatch(time.Now())
		if f != nil {
			s.tasks.Go(func() { s.send(ctx, f) })
			continue
		}
		timer.Reset(wait)
		select {
		case <-s.wake:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// nextBatch takes a batch from the queue, or says how long to wait at most. A
// full batch leaves at once. A smaller one waits for more, but not for longer
// than Hold, and only a quarter of it when nothing is under way.
func (s *Submitter) nextBatch(now time.Time) (*flight, time.Duration) {
	const idle = time.Hour
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.inFlight >= s.cfg.InFlight || len(s.queue.ready) == 0 {
		return nil, idle
	}
	if wait := s.paused.Sub(now); wait > 0 {
		return nil, wait
	}
	hold := s.cfg.Hold
	if s.inFlight == 0 {
		hold /= 4
	}
	if wait := hold - now.Sub(s.queue.since); wait > 0 && s.queue.size < s.cfg.Batch {
		return nil, wait
	}
	f := &flight{}
	s.queue.take(s.cfg.Batch, maxFrame, f, now)
	if len(f.items) == 0 {
		return nil, idle
	}
	s.inFlight++
	return f, 0
}

// send takes one batch as far as the orderers. From then on follow and watch
// decide about it.
func (s *Submitter) send(ctx context.Context, f *flight) {
	frame, err := frameOf(f.items)
	if err != nil {
		s.putBack(f, err)
		return
	}
	tx, err := s.cfg.Ledger.Prepare(frame)
	if err != nil {
		s.putBack(f, err)
		return
	}
	f.tx = tx.ID()
	limited, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	if err := tx.Endorse(limited); err != nil {
		s.putBack(f, err)
		return
	}
	f.sent = time.Now()
	if err := s.journal.batch(openBatch{tx: f.tx, items: f.seqs, sent: f.sent}); err != nil {
		s.putBack(f, err)
		return
	}
	// From here on a crash leaves an open batch: the next process waits for its
	// block, or finds that nobody knows it.
	s.mu.Lock()
	s.flights[f.tx] = f
	s.counts.Batches++
	s.mu.Unlock()
	limited, cancel = context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	if err := tx.Submit(limited); err != nil {
		s.cfg.Log.Warn("batch has an unknown outcome", "tx", f.tx, "items", len(f.items), "error", err)
		return
	}
	s.mu.Lock()
	s.pause = 0
	s.mu.Unlock()
}

// putBack returns a batch that never left the process to the queue. When the
// chaincode refused the whole batch, it is halved until the operation that it is
// about is alone; that one is refused.
func (s *Submitter) putBack(f *flight, cause error) {
	if len(f.items) == 1 && f.items[0].doomed(cause) {
		it, code := f.items[0], fault.Of(cause)
		if transient(code) {
			code = fault.Expired
		}
		if o, err := s.journal.refuse(it, code); err == nil {
			s.cfg.Log.Warn("operation refused as a whole batch", "operation", it.ref, "error", cause)
			s.mu.Lock()
			s.finish(it, it.receiptOf(o))
			s.land(f)
			s.mu.Unlock()
			return
		}
	}
	if !errors.Is(cause, context.Canceled) { // the end of the process is no news
		s.cfg.Log.Warn("batch was not endorsed", "items", len(f.items), "error", cause)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	refused := new(fault.Error)
	about := errors.As(cause, &refused) && !general(refused.Code)
	if about {
		for _, it := range f.items {
			it.conflicts++
		}
	} else {
		s.pause = min(max(2*s.pause, minPause), maxPause)
		s.paused = time.Now().Add(s.pause)
	}
	if !about || len(f.items) > 1 {
		s.land(f)
		return
	}
	// It is this operation that cannot be executed now: only its lane waits.
	it := f.items[0]
	it.alone++
	s.landLater(f, min(minPause<<min(it.alone, 16), maxDelay))
}

// general says whether a refusal of a batch is about the ledger or the gateway
// and not about one of the operations.
func general(c fault.Code) bool {
	switch c {
	case fault.NotInitialised, fault.ClockSkew, fault.Unavailable, fault.Overloaded, fault.Unknown:
		return true
	}
	return false
}

// land frees a flight's place and lanes. The caller holds mu.
func (s *Submitter) land(f *flight) {
	s.inFlight--
	s.queue.release(f, time.Now())
	s.signal()
}

// landLater frees a flight's place now and its lanes after a time. The caller
// holds mu.
func (s *Submitter) landLater(f *flight, after time.Duration) {
	s.inFlight--
	s.signal()
	time.AfterFunc(after, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.queue.release(f, time.Now())
		s.signal()
	})
}

// transient says whether a refusal of a lone operation may pass by itself.
func transient(c fault.Code) bool { return c == fault.Internal || general(c) }

// doomed says whether a lone operation must be given up after this refusal: when
// the refusal is about it, or when it has expired.
func (it *item) doomed(cause error) bool {
	refused := new(fault.Error)
	if !errors.As(cause, &refused) {
		return false
	}
	const margin = 600 // more than clocks of gateway and endorsers may differ
	return !transient(refused.Code) || uint64(time.Now().Unix()) > it.exp+margin
}

// watch looks for batches that take too long.
func (s *Submitter) watch(ctx context.Context) {
	ticker := time.NewTicker(min(time.Second, max(s.cfg.Lost/4, time.Millisecond)))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		for _, f := range s.overdue(time.Now()) {
			s.resolve(ctx, f)
		}
	}
}

func (s *Submitter) overdue(now time.Time) []*flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*flight
	for _, f := range s.flights {
		if !f.lost && now.Sub(f.sent) > s.cfg.Lost {
			found = append(found, f)
		}
	}
	return found
}

// resolve gives a batch up that no node knows. One that is in a block is left to
// follow, which will come to that block.
func (s *Submitter) resolve(ctx context.Context, f *flight) {
	limited, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	found, err := s.cfg.Ledger.Find(limited, f.tx)
	if err != nil || found {
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("transaction cannot be looked up", "tx", f.tx, "error", err)
		}
		return
	}
	if err := s.journal.lose(f.tx); err != nil {
		s.cfg.Log.Error("journal", "error", err)
		return
	}
	// If it comes yet, its operations and those sent again exclude one another on
	// the ledger: whichever is second is void, or answers with the first result.
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flights[f.tx] != f { // its block came meanwhile
		return
	}
	f.lost = true
	s.counts.Lost++
	s.cfg.Log.Warn("transaction lost, its operations are sent again", "tx", f.tx, "items", len(f.items))
	s.land(f)
}
