// Package submit brings signed operations onto the ledger exactly once.
//
// An operation is journalled on disk before anything is sent. Then it travels in
// a batch, one transaction whose id is chosen and journalled before it leaves.
// What became of it is read from committed blocks, never from endorsement: done,
// or refused with a code. A transaction whose outcome is not known is looked up
// by its id; after a time its operations are sent again in another one, which is
// safe because the ledger executes an operation once. After a crash the journal
// is read and the same code goes on.
//
// The package knows no transport and no clock but the machine's. It holds at most
// Config.Queue operations; beyond that it refuses with fault.Overloaded.
package submit

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
)

// Config is how a Submitter works. Zero values of the numbers have the defaults
// that are named.
type Config struct {
	Journal string // path of the SQLite file; it is made when it is missing
	Network string // name of the ledger; a journal of another one is refused
	Ledger  Ledger
	Log     *slog.Logger // default slog.Default()

	Batch    int           // operations in a batch at most, 1 to 1,000 (500)
	Hold     time.Duration // how long a lone operation waits for others (20 ms)
	InFlight int           // batches under way at a time (4)
	Queue    int           // operations that are not final at most (100,000)
	Bytes    int           // their size at most (256 MB)
	// Lost is how long a transaction that no node knows may take before its
	// operations are sent again (12 s). BFT ordering may stall for 5 s when its
	// leader fails, and keeps what it has.
	Lost time.Duration
	// Timeout bounds one endorsement or hand-over (15 s).
	Timeout time.Duration
}

func (c Config) withDefaults() (Config, error) {
	set := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	duration := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	set(&c.Batch, 500)
	set(&c.InFlight, 4)
	set(&c.Queue, 100_000)
	set(&c.Bytes, 256<<20)
	duration(&c.Hold, 20*time.Millisecond)
	duration(&c.Lost, 12*time.Second)
	duration(&c.Timeout, 15*time.Second)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	var errs []error
	if c.Journal == "" || c.Network == "" || c.Ledger == nil {
		errs = append(errs, errors.New("submit: journal, network and ledger are needed"))
	}
	if c.Batch < 1 || c.Batch > maxBatch {
		errs = append(errs, fmt.Errorf("submit: batch of %d is not between 1 and %d", c.Batch, maxBatch))
	}
	if c.InFlight < 1 || c.Queue < 1 || c.Bytes < 1 || c.Hold < 0 || c.Lost < 0 || c.Timeout < 0 {
		errs = append(errs, errors.New("submit: limits and times must be positive"))
	}
	return c, errors.Join(errs...)
}

// State is how far an operation is.
type State string

// The states of an operation.
const (
	Pending State = "pending" // journalled; it will become done or refused
	Done    State = "done"
	Refused State = "refused"
)

// Receipt is what is known of an operation.
type Receipt struct {
	ID          [32]byte
	Reference   string // hour of expiry and id
	State       State
	Code        fault.Code
	Transaction string // that holds the result; empty while pending
	Key         string // that holds the result; only from Lookup, and only when one does
	Block       uint64
	Repeated    bool // the operation had been executed before; this is its first result
}

// Submitter is a running submission. Make it with Open.
type Submitter struct {
	cfg     Config
	journal *journal
	cancel  context.CancelFunc
	tasks   sync.WaitGroup
	wake    chan struct{} // tells dispatch that something changed

	mu       sync.Mutex
	closed   bool
	queue    *queue
	pending  map[[32]byte]*item   // by digest
	byOp     map[[32]byte][]*item // by operation id
	bytes    int
	flights  map[string]*flight // by transaction id: open, or lost and not seen yet
	inFlight int                // flights that hold a place
	pause    time.Duration      // how long the next failure waits
	paused   time.Time          // nothing is sent before
	next     uint64             // number of the block to be taken in next
	counts   Counts
}

// Counts are totals since the start.
type Counts struct {
	Accepted, Repeated, Done, Refused, Batches, Void, Lost uint64
}

// Status is how a Submitter is doing.
type Status struct {
	Counts
	Pending  int    // operations that are not final
	InFlight int    // batches under way
	Next     uint64 // number of the block to be taken in next
}

// Open opens the journal and starts. What was open when the last process ended
// goes on.
func Open(cfg Config) (*Submitter, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	j, err := openJournal(cfg.Journal, cfg.Network)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Submitter{
		cfg: cfg, journal: j, cancel: cancel, wake: make(chan struct{}, 1),
		queue: newQueue(), pending: map[[32]byte]*item{}, byOp: map[[32]byte][]*item{}, flights: map[string]*flight{},
	}
	if err := s.resume(ctx); err != nil {
		cancel()
		return nil, errors.Join(err, j.close())
	}
	s.tasks.Go(func() { s.follow(ctx) })
	s.tasks.Go(func() { s.dispatch(ctx) })
	s.tasks.Go(func() { s.watch(ctx) })
	return s, nil
}

// Close stops. What is not final stays in the journal for the next Open.
func (s *Submitter) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.tasks.Wait()
	return s.journal.close()
}

// Status returns how things are.
func (s *Submitter) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{Counts: s.counts, Pending: len(s.pending), InFlight: s.inFlight, Next: s.next}
}

// resume puts what the journal holds open back where it was.
func (s *Submitter) resume(ctx context.Context) error {
	items, batches, err := s.journal.recover(ctx)
	if err != nil {
		return err
	}
	if s.next, err = s.journal.next(); err != nil {
		return err
	}
	bySeq := make(map[int64]*item, len(items))
	for _, it := range items {
		if err := it.reread(); err != nil {
			return fmt.Errorf("journal: submission %d: %w", it.seq, err)
		}
		it.jws = nil
		s.track(it)
		bySeq[it.seq] = it
	}
	now := time.Now()
	for _, b := range batches {
		f := &flight{tx: b.tx, seqs: b.items, sent: b.sent, lost: b.state == batchLost}
		for _, seq := range b.items {
			it := bySeq[seq]
			f.items = append(f.items, it)
			if it != nil && !f.lost {
				s.queue.lane(it.actor).flight = f
				delete(bySeq, seq)
			}
		}
		s.flights[f.tx] = f
		if !f.lost {
			s.inFlight++
		}
	}
	for _, it := range items { // the rest, in the order of arrival
		if bySeq[it.seq] != nil {
			s.queue.add(it, now)
		}
	}
	return nil
}

// track makes an item findable. The caller holds mu or is alone.
func (s *Submitter) track(it *item) {
	s.pending[it.digest] = it
	s.byOp[it.op] = append(s.byOp[it.op], it)
	s.bytes += it.size
}

// finish makes an item final. The caller holds mu.
func (s *Submitter) finish(it *item, r Receipt) {
	if it.final {
		return
	}
	it.final, it.receipt = true, r
	delete(s.pending, it.digest)
	s.bytes -= it.size
	others := s.byOp[it.op]
	for i, o := range others {
		if o == it {
			others = append(others[:i:i], others[i+1:]...)
			break
		}
	}
	if len(others) == 0 {
		delete(s.byOp, it.op)
	} else {
		s.byOp[it.op] = others
	}
	switch r.State {
	case Done:
		s.counts.Done++
	case Refused:
		s.counts.Refused++
	}
	close(it.done)
}

// receiptOf makes the receipt of an item from its outcome.
func (it *item) receiptOf(o outcome) Receipt {
	r := Receipt{ID: it.op, Reference: it.ref, Code: o.code, Transaction: o.tx, Block: o.block, Repeated: o.repeated, State: Done}
	if o.code != fault.OK {
		r.State = Refused
	}
	return r
}

// Ticket is the promise of an outcome.
type Ticket struct {
	item     *item
	err      error
	repeated bool
}

// Err says why the operation was not taken, nil when it was.
func (t *Ticket) Err() error { return t.err }

// Wait returns the receipt when the operation is final, or as it is when ctx
// ends: State is then Pending.
func (t *Ticket) Wait(ctx context.Context) Receipt {
	select {
	case <-t.item.done:
	default:
		select {
		case <-t.item.done:
		case <-ctx.Done():
			return Receipt{ID: t.item.op, Reference: t.item.ref, State: Pending, Repeated: t.repeated}
		}
	}
	r := t.item.receipt
	r.Repeated = r.Repeated || t.repeated
	return r
}

// Submit takes operations, each a compact JWS in strict form, and returns a
// ticket for each, in their order. Those without an error are on disk. Operations
// of one actor reach the ledger in the order in which they were taken. Errors of
// a ticket: those of the operation's form, and fault.Overloaded, fault.Unavailable.
func (s *Submitter) Submit(operations ...string) []*Ticket {
	tickets := make([]*Ticket, len(operations))
	items := make([]*item, len(operations))
	for i, text := range operations {
		tickets[i] = &Ticket{}
		it := &item{jws: []byte(text), digest: sha256.Sum256([]byte(text)), done: make(chan struct{})}
		switch err := it.read(s.cfg.Network); {
		case err == nil:
			items[i] = it
		case fault.Of(err) == fault.Expired && s.known(it):
			items[i] = it // it was taken while it was good: its outcome is told
		default:
			tickets[i].err = err
		}
	}
	fresh := s.admit(tickets, items)
	if len(fresh) == 0 {
		return tickets
	}
	defer s.tasks.Done()
	// Until insert returns nobody was promised anything.
	known, err := s.journal.insert(fresh)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, it := range fresh {
		o, final := known[it]
		switch {
		case err != nil:
			s.cfg.Log.Error("journal", "error", err)
			s.finish(it, Receipt{ID: it.op, Reference: it.ref, State: Pending})
		case final:
			s.counts.Repeated++
			it.repeat(s, o)
		default:
			it.jws = nil
			s.counts.Accepted++
			s.queue.add(it, now)
		}
	}
	if err != nil {
		for i, t := range tickets {
			if t.err == nil && t.item == items[i] {
				t.err = fault.New(fault.Unavailable, "the gateway cannot write its journal")
			}
		}
	}
	s.signal()
	return tickets
}

// repeat ends an item that the journal holds as final already.
func (it *item) repeat(s *Submitter, o outcome) {
	o.repeated = true
	done, refused := s.counts.Done, s.counts.Refused
	s.finish(it, it.receiptOf(o))
	s.counts.Done, s.counts.Refused = done, refused // they were counted the first time
}

// known says whether an operation that has expired was taken before that.
func (s *Submitter) known(it *item) bool {
	if it.reread() != nil {
		return false
	}
	s.mu.Lock()
	_, pending := s.pending[it.digest]
	s.mu.Unlock()
	if pending {
		return true
	}
	known, err := s.journal.holds(it.digest)
	return err == nil && known
}

// admit sorts out what is pending already and what there is no room for, and
// returns what has to be journalled.
func (s *Submitter) admit(tickets []*Ticket, items []*item) []*item {
	s.mu.Lock()
	defer s.mu.Unlock()
	var fresh []*item
	for i, it := range items {
		t := tickets[i]
		if it == nil {
			continue
		}
		if s.closed {
			t.err = fault.New(fault.Unavailable, "the gateway is stopping")
			continue
		}
		if same := s.pending[it.digest]; same != nil {
			t.item, t.repeated = same, true
			s.counts.Repeated++
			continue
		}
		if len(s.pending) >= s.cfg.Queue || s.bytes+it.size > s.cfg.Bytes {
			t.err = fault.New(fault.Overloaded, "%d operations are waiting", len(s.pending))
			continue
		}
		t.item = it
		s.track(it)
		fresh = append(fresh, it)
	}
	if len(fresh) > 0 {
		s.tasks.Add(1) // Close waits for the journal entry
	}
	return fresh
}

// Lookup returns what this gateway knows of an operation by its id: the first
// result on the ledger if there is one, else that it is pending, else a refusal
// that left nothing on the ledger. Errors: fault.NotFound, fault.Internal.
func (s *Submitter) Lookup(op [32]byte) (Receipt, error) {
	s.mu.Lock()
	var waiting *item
	if its := s.byOp[op]; len(its) > 0 {
		waiting = its[0]
	}
	s.mu.Unlock()
	o, ref, key, found, err := s.journal.result(op)
	switch {
	case err != nil:
		return Receipt{}, err
	case found && (o.standing || waiting == nil):
		r := (&item{op: op, ref: ref}).receiptOf(o)
		r.Key = key
		return r, nil
	case waiting != nil:
		return Receipt{ID: op, Reference: waiting.ref, State: Pending}, nil
	}
	return Receipt{}, fault.New(fault.NotFound, "no operation %x came through this gateway or is in a block it has seen", op)
}

// signal wakes dispatch.
func (s *Submitter) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
