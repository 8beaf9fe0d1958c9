package submit

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
)

// flight is a batch under way.
type flight struct {
	tx    string
	items []*item
	seqs  []int64
	bytes int // of items, in a frame
	sent  time.Time

	contents int // bytes of what comes with the items

	transaction Transaction // endorsed; nil after a restart
	handed      time.Time   // when orderers had it last; zero while it is handed over
	tooLarge    bool        // they say so

	lanes []*lane         // that wait for it
	keys  map[uint64]bool // that it uses; true: changes
	from  uint64          // blocks from here on may hold what it has not read
	apart bool            // of items that may spoil it, or that the next checkpoint voids
	alone bool            // of one actor that caused conflicts again and again
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

// idle is how long dispatch sleeps when only a signal can bring work.
const idle = time.Hour

// nextBatch takes a batch from the queue, or says how long to wait at most. A
// full batch leaves at once. A smaller one waits for more, but not for longer
// than Hold, and only a quarter of it when nothing is under way. What travels
// apart, with the latest checkpoint or with a content has a quarter of the places, so
// that it holds up nobody else.
func (s *Submitter) nextBatch(now time.Time) (*flight, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.inFlight >= s.cfg.InFlight {
		return nil, idle
	}
	if wait := s.paused.Sub(now); wait > 0 {
		return nil, wait
	}
	wait := s.due(&s.queue.ready, s.limit, now)
	from, waitApart := s.dueApart(now)
	f := &flight{keys: map[uint64]bool{}, from: s.next}
	since := s.queue.ready.since
	switch {
	case wait <= 0 && (s.wasApart || waitApart > 0):
		s.queue.take(ready, f, s.limit, maxFrame, now)
		s.wasApart = false
	case waitApart <= 0:
		since = s.queue.of(from).since
		if s.wasApart = true; from == apart {
			s.queue.takeApart(f, s.cfg.Batch, maxFrame, now)
		} else {
			s.queue.take(from, f, s.cfg.Batch, maxFrame, now)
		}
	default:
		return nil, min(wait, waitApart)
	}
	if len(f.items) == 0 { // all of them wait for keys now
		s.signal()
		return nil, idle
	}
	f.order()
	s.holding.observe(now.Sub(since).Seconds())
	s.inFlight++
	if f.apart {
		s.apart++
	}
	s.flying[f] = true
	return f, 0
}

// order puts the items in the order of their turns, whosever they are: of two who take
// the last use of a grant, the first one gets it.
func (f *flight) order() {
	slices.SortFunc(f.items, func(a, b *item) int { return cmp.Compare(a.turn(), b.turn()) })
	for i, it := range f.items {
		f.seqs[i] = it.seq
	}
}

// dueApart says which of the batches that travel apart goes first, the one that has
// waited for longest of those that are due, and how long it has to wait yet.
func (s *Submitter) dueApart(now time.Time) (from place, wait time.Duration) {
	wait = idle
	if s.apart >= max(1, s.cfg.InFlight/4) {
		return from, wait
	}
	for _, p := range []place{apart, timed, private} {
		w := s.queue.of(p)
		due := s.due(w, s.cfg.Batch, now)
		if due < wait && wait > 0 || due <= 0 && w.since.Before(s.queue.of(from).since) {
			from, wait = p, due
		}
	}
	return from, wait
}

// due says how long waiting lanes have to wait yet.
func (s *Submitter) due(w *waiting, limit int, now time.Time) time.Duration {
	if len(w.lanes) == 0 {
		return idle
	}
	if w.items >= limit {
		return 0
	}
	hold := s.cfg.Hold
	if s.inFlight == 0 {
		hold /= 4
	}
	return hold - now.Sub(w.since)
}

// send takes one batch as far as the orderers. From then on follow and watch
// decide about it.
func (s *Submitter) send(ctx context.Context, f *flight) {
	s.sift(f)
	contents := s.contentsOf(f)
	if len(f.items) == 0 {
		s.mu.Lock()
		s.land(f)
		s.mu.Unlock()
		return
	}
	frame, err := frameOf(f.items)
	if err != nil {
		s.putBack(f, err)
		return
	}
	tx, err := s.cfg.Ledger.Prepare(frame, contents)
	if err != nil {
		s.putBack(f, err)
		return
	}
	f.tx, f.transaction = tx.ID(), tx
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
	s.sizes.observe(float64(len(f.items)))
	s.mu.Unlock()
	s.handOver(ctx, f)
}

// handOver gives a batch to the orderers, for the first time or once more. Only one
// goroutine at a time does so: f.handed is zero meanwhile.
func (s *Submitter) handOver(ctx context.Context, f *flight) {
	s.mu.Lock()
	tx := f.transaction
	s.mu.Unlock()
	if tx == nil { // it was given up meanwhile
		return
	}
	limited, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	err := tx.Submit(limited)
	large := new(TooLarge)
	isLarge := errors.As(err, &large)
	s.mu.Lock()
	f.handed, f.tooLarge = time.Now(), isLarge
	if err == nil {
		s.pause = 0
	}
	s.mu.Unlock()
	switch {
	case isLarge:
		s.cfg.Log.Warn("batch is too large for the orderers", "tx", f.tx, "items", len(f.items), "error", err)
		// Halves may go at once, even if an orderer lies and the whole comes yet: whichever
		// is second is void, or answers with the first results. A lone operation has no
		// halves, and "refused" should be true: it waits until the batch would be lost.
		if len(f.items) > 1 || large.Certain {
			s.forget(f)
		}
	case err != nil:
		s.cfg.Log.Warn("batch has an unknown outcome", "tx", f.tx, "items", len(f.items), "error", err)
	}
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
		if o, err := s.journal.refuse(code, it); err == nil {
			s.cfg.Log.Warn("operation refused as a whole batch", "operation", it.reference(), "error", cause)
			s.mu.Lock()
			s.finish(it, it.receiptOf(o[0]))
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
	s.counts.Unendorsed++
	refused := new(fault.Error)
	about := errors.As(cause, &refused) && !general(refused.Code)
	if about {
		f.doubt()
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
	it.alone = min(it.alone+1, 16)
	s.landLater(f, min(minPause<<it.alone, maxDelay))
}

// doubt notes that a batch came to nothing for a reason that may be in one of its
// items, and returns how often that has happened to the one with the most.
func (f *flight) doubt() (most uint8) {
	for _, it := range f.items {
		it.doubts = min(it.doubts+1, 100)
		most = max(most, it.doubts)
	}
	return most
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

// land frees a flight's place, lanes and keys. The caller holds mu.
func (s *Submitter) land(f *flight) {
	s.leave(f)
	s.queue.release(f, time.Now())
}

// leave frees a flight's place. The caller holds mu.
func (s *Submitter) leave(f *flight) {
	s.inFlight--
	if f.apart {
		s.apart--
	}
	delete(s.flying, f)
	s.signal()
}

// landLater frees a flight's place now and its lanes and keys after a time. The
// caller holds mu.
func (s *Submitter) landLater(f *flight, after time.Duration) {
	s.leave(f)
	time.AfterFunc(after, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.queue.release(f, time.Now())
		s.signal()
	})
}
