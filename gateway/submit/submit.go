// Package submit brings signed operations onto the ledger exactly once.
//
// An operation is journalled on disk before anything is sent. Then it travels in
// a batch, one transaction whose id is chosen and journalled before it leaves.
// What became of it is read from committed blocks, never from endorsement: done,
// or refused with a code. A transaction whose outcome is not known is looked up
// by its id and handed over again; after a time its operations are sent again in
// another one, which is safe because the ledger executes an operation once. After a
// crash the journal is read and the same code goes on.
//
// A transaction that orderers reject for its size is halved at once, whatever became
// of it, and an operation that is too large alone is refused: when it is certain that
// it is nowhere, or else when it has not come for as long as takes others for lost.
//
// A private content comes with its operation (SubmitWith) and is never on disk: after a
// crash what had been handed over is waited for, and what had not is refused as
// fault.ContentMissing until the client sends both again.
//
// # Lanes and keys
//
// Two transactions of which one reads what the other changes void one another, with
// all that they carry. So operations of one actor form a lane: in order, and in one
// batch at a time. What operations of different actors may share are keys of state;
// while a flight changes one, whatever else uses it waits, and so does a change of
// what a flight reads. What ops.Operation.Accesses names decides:
//
//	key                    changed by                            read by
//	did/<id>               did.create of that DID                its operations; payments to it; uses of its grants
//	link/<account>         did.create that claims it             -
//	schema/<reference>     its credential.schema                 credential.issue
//	credential/<reference> its credential.issue, its changes     -
//	entry/<id>/<list>/...  its credential.issue                  -
//	record/<reference>     its record.submit, changes of it      record.allow, attest.use
//	grant/<reference>      its record.allow, record.withdraw     attest.use
//	used/<grant>           attest.use                            -
//	balance/<id>/<asset>   what that DID pays or withdraws       -
//	job/<reference>        its attest.open                       what is done with the job
//	round/<job>            acceptance, evidence, steps, close    commitments and ballots
//	ballot/<job>/<id>      the verifier's commitment             its ballot
//	issuer/<id>            organisations                         credential.schema, credential.issue
//	op/<reference>         the operation itself                  the operation, in its own lane
//
// A change that waits goes before what reads the key and came later: a DID can be
// paid, and a schema used, in the next call after the one that made it. In a batch
// the items stand in the order in which they came. What a recovery key signs has a lane
// of that key, and goes before all that waits for the same keys, whenever it came. What
// whole batches read (ops.Common) is changed by organisations, seldom.
//
// Conflicts that lanes cannot prevent come from other gateways. A void batch is
// compared with what blocks changed while it was under way: the actors whose items
// had read that travel apart for a time (see strikes), the others go again at once.
// Operations on jobs read keys besides that only state names (ops.Operation.Follows): what
// no named key explains is put down to them.
//
// The package knows no transport and no clock but the machine's. It holds at most
// Config.Queue operations, about 900 bytes and their own for each; beyond that it
// refuses with fault.Overloaded.
package submit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/killick-ledger/killick/chaincode/ops"
)

// What a Config has when it does not say otherwise.
const (
	DefaultBatch    = 500
	DefaultHold     = 20 * time.Millisecond
	DefaultInFlight = 4
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
	Queue    int           // operations that are not final at most (100,000); of one actor, half of it
	Bytes    int           // their size at most (128 MB); of one actor, half of it
	// Lost is how long a transaction that no node knows may take before its
	// operations are sent again (12 s). BFT ordering may stall for 5 s when its
	// leader fails, and keeps what it has; Raft drops what it had, so the same
	// transaction is handed over again each quarter of this time.
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
	set(&c.Batch, DefaultBatch)
	set(&c.InFlight, DefaultInFlight)
	set(&c.Queue, 100_000)
	set(&c.Bytes, 128<<20)
	duration(&c.Hold, DefaultHold)
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

// Submitter is a running submission. Make it with Open.
type Submitter struct {
	cfg     Config
	journal *journal
	engine  *ops.Engine // verifies signatures
	cancel  context.CancelFunc
	tasks   sync.WaitGroup
	wake    chan struct{} // tells dispatch that something changed
	written []written     // of the newest blocks; follow's own

	mu         sync.Mutex
	closed     bool
	queue      *queue
	pending    map[[32]byte]*item // by digest
	byOp       map[[32]byte]*item // by operation id, the newest; others follow as twins
	bytes      int                // of pending
	shares     map[[20]byte]share // what each actor has of pending
	flights    map[string]*flight // by transaction id: handed over, and not seen in a block
	flying     map[*flight]bool   // flights that hold a place
	inFlight   int                // their number
	apart      int                // of them, those that carry what may spoil a batch
	wasApart   bool               // the last batch was one of these
	limit      int                // items in a batch now: fewer after conflicts
	pause      time.Duration      // how long the next failure waits
	paused     time.Time          // nothing is sent before
	suspicious time.Time          // signatures are verified here until then
	next       uint64             // number of the block to be taken in next
	counts     Counts
	latency    Histogram
	sizes      Histogram
	holding    Histogram
}

// Counts are totals since the start.
type Counts struct {
	Accepted, Repeated, Done, Refused uint64 // operations
	Overloaded                        uint64 // operations that there was no room for
	Forged                            uint64 // operations that were refused here for their signature
	Batches, Void, Lost               uint64 // transactions
	Unendorsed                        uint64 // batches that too few organisations endorsed alike
	Retried                           uint64 // operations that a void transaction carried
}

// Status is how a Submitter is doing.
type Status struct {
	Counts
	Pending   int       // operations that are not final
	Bytes     int       // their size
	InFlight  int       // batches under way
	Limit     int       // operations in a batch at most, now
	Contested int       // actors that are remembered for conflicts
	Next      uint64    // number of the block to be taken in next
	Latency   Histogram // seconds from acceptance to the receipt
	Batch     Histogram // operations in a batch
	Hold      Histogram // seconds that the first lane of a batch waited for it
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
		engine: ops.New(), queue: newQueue(), pending: map[[32]byte]*item{}, byOp: map[[32]byte]*item{},
		shares: map[[20]byte]share{}, flights: map[string]*flight{}, flying: map[*flight]bool{}, limit: cfg.Batch,
		latency: latencies(), sizes: sizes(), holding: holds(),
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
	return Status{
		Counts: s.counts, Pending: len(s.pending), Bytes: s.bytes, InFlight: s.inFlight, Limit: s.limit, Contested: len(s.queue.strikes),
		Next: s.next, Latency: s.latency.copy(), Batch: s.sizes.copy(), Hold: s.holding.copy(),
	}
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
		o, err := it.operation()
		if err == nil {
			err = it.fill(o)
		}
		if err != nil {
			return fmt.Errorf("journal: submission %d: %w", it.seq, err)
		}
		s.track(it)
		bySeq[it.seq] = it
	}
	now := time.Now()
	for _, b := range slices.Backward(batches) {
		f := &flight{tx: b.tx, seqs: b.items, sent: b.sent, from: s.next}
		for _, seq := range b.items {
			if it := bySeq[seq]; it != nil {
				f.items = append(f.items, it)
			}
		}
		if len(f.items) < len(f.seqs) {
			// An item went in a newer batch, or is final: the entry of this one was
			// reported as failed and on disk all the same, and it never left.
			if err := s.journal.drop(b.tx); err != nil {
				return err
			}
			continue
		}
		for _, seq := range f.seqs {
			delete(bySeq, seq)
		}
		s.flights[f.tx] = f
		s.queue.resume(f)
		s.flying[f] = true
		s.inFlight++
	}
	for _, it := range items { // the rest, in the order of arrival
		if bySeq[it.seq] != nil {
			s.queue.add(it, now)
		}
	}
	return nil
}

// signal wakes dispatch.
func (s *Submitter) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
