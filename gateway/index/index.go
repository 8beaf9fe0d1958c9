// Package index answers what the keys of the ledger cannot: which records a DID owns,
// which there are of a schema, a status or a time, what is offered, which grants were
// given and how they were used, whose jobs are how far, and what moved whose money. It reads committed blocks from the first one on and
// keeps what it needs of them in an SQLite file of its own. The ledger stays the truth:
// each answer says as of which block it is, and a file that is lost, or of another
// format, is made anew from block 0.
//
// Each thing has a place: its number in the order in which the ledger created its kind,
// by block, transaction and key. Places never change and are the same at every gateway,
// so pages in their order neither repeat nor skip anything, whatever is created or
// changed between them, and a page token is good at any gateway.
//
// The package gives way. While nobody waits for an answer it works a tenth of the time
// at most, and so falls behind a ledger that is busy; whoever asks has it catch up.
package index

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/submit"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Blocks reads committed blocks, as submit.Ledger says: from a number on, in order and
// without gaps, waiting for those that do not exist yet; the pair with an error is the
// last.
type Blocks interface {
	Blocks(ctx context.Context, from uint64) iter.Seq2[submit.Block, error]
}

// Config is what an Index works with.
type Config struct {
	File    string // path of the SQLite file; it is made when it is missing
	Network string // name of the ledger
	Ledger  Blocks
	Log     *slog.Logger // default slog.Default()
}

// Index is a running index. Make it with Open.
type Index struct {
	cfg    Config
	write  *sql.DB // one connection, that of take
	read   *sql.DB
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	asked  chan struct{} // somebody began to wait

	mu      sync.Mutex
	next    uint64        // number of the block to be taken in next
	grown   chan struct{} // closed and replaced when next changes
	waiting int           // how many wait for blocks
}

// Open opens or makes the file and begins to read blocks.
func Open(cfg Config) (*Index, error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	x := &Index{cfg: cfg, asked: make(chan struct{}, 1), grown: make(chan struct{})}
	err := x.open()
	var old *stale
	if errors.As(err, &old) {
		cfg.Log.Info("index is made anew", "file", cfg.File, "reason", old.reason)
		err = errors.Join(x.closeFile(), removeFile(cfg.File))
		if err == nil {
			err = x.open()
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open index %s: %w", cfg.File, err), x.closeFile())
	}
	ctx, cancel := context.WithCancel(context.Background())
	x.cancel = cancel
	x.tasks.Go(func() { x.follow(ctx) })
	return x, nil
}

// stale says that a file cannot be gone on with.
type stale struct{ reason string }

func (e *stale) Error() string { return e.reason }

func removeFile(path string) error {
	var errs []error
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Close stops.
func (x *Index) Close() error {
	x.cancel()
	x.tasks.Wait()
	return x.closeFile()
}

func (x *Index) closeFile() error {
	var errs []error
	for _, db := range []*sql.DB{x.read, x.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	x.read, x.write = nil, nil
	return errors.Join(errs...)
}

// Next is the number of the block that is to be taken in next.
func (x *Index) Next() uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.next
}

// Reach waits until the block before next is taken in. Errors: fault.Unavailable when
// it is not before ctx ends.
func (x *Index) Reach(ctx context.Context, next uint64) error {
	x.mu.Lock()
	x.waiting++
	x.mu.Unlock()
	defer func() {
		x.mu.Lock()
		x.waiting--
		x.mu.Unlock()
	}()
	select {
	case x.asked <- struct{}{}:
	default:
	}
	for {
		x.mu.Lock()
		have, grown := x.next, x.grown
		x.mu.Unlock()
		if have >= next {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return fault.New(fault.Unavailable, "the index has come to block %d, not yet to %d", have, next)
		}
	}
}

const (
	// maxGroup is how many blocks are taken in together at most, and maxWrites how many
	// writes there are when no further block joins them.
	maxGroup  = 64
	maxWrites = 10_000
	// share is the part of the time that the index may take while nobody waits: one in
	// so many.
	share   = 10
	maxRest = 10 * time.Second

	minPause = 50 * time.Millisecond
	maxPause = 5 * time.Second
)

// follow takes in one block after the other, for ever.
func (x *Index) follow(ctx context.Context) {
	pause := minPause
	for ctx.Err() == nil {
		from := x.Next()
		err := x.stream(ctx, from)
		if err != nil && ctx.Err() == nil {
			x.cfg.Log.Warn("index: block stream ended", "next", x.Next(), "error", err)
			// A commit may have been reported as failed and be in the file all the same.
			var next uint64
			if err := x.meta("next", &next); err == nil && next > x.Next() {
				x.advance(next)
			}
		}
		if x.Next() > from {
			pause = minPause
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, maxPause)
	}
}

// stream reads blocks until their stream ends. Those that are there already when one
// is taken in go with it, so that few commits are made while there is much to do.
func (x *Index) stream(ctx context.Context, from uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	blocks := make(chan submit.Block, 4)
	var ended error
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(blocks)
		for block, err := range x.cfg.Ledger.Blocks(ctx, from) {
			if ended = err; err != nil {
				return
			}
			select {
			case blocks <- trim(block):
			case <-ctx.Done():
				return
			}
		}
	})
	defer func() { cancel(); reading.Wait() }()
	for block := range blocks {
		group, writes := []submit.Block{block}, weigh(block)
	fill:
		for len(group) < maxGroup && writes < maxWrites {
			select {
			case b, ok := <-blocks:
				if !ok {
					break fill
				}
				group, writes = append(group, b), writes+weigh(b)
			default:
				break fill
			}
		}
		begun := time.Now()
		if err := x.take(group); err != nil {
			return err
		}
		x.advance(group[len(group)-1].Number + 1)
		x.rest(ctx, min((share-1)*time.Since(begun), maxRest))
	}
	return ended
}

// trim copies what the index needs of a block, so that the rest of it is not held.
func trim(b submit.Block) submit.Block {
	out := submit.Block{Number: b.Number}
	for _, tx := range b.Transactions {
		if !tx.Valid {
			continue
		}
		kept := submit.Committed{ID: tx.ID, Valid: true, Time: tx.Time}
		for _, w := range tx.Writes {
			if wanted(w.Key) && (!w.Delete || money(w.Key)) {
				kept.Writes = append(kept.Writes, w)
			}
		}
		out.Transactions = append(out.Transactions, kept)
	}
	return out
}

func weigh(b submit.Block) (writes int) {
	for _, tx := range b.Transactions {
		writes += len(tx.Writes)
	}
	return writes
}

// advance tells who waits.
func (x *Index) advance(next uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.next = next
	close(x.grown)
	x.grown = make(chan struct{})
}

// rest waits, unless somebody waits for blocks.
func (x *Index) rest(ctx context.Context, pause time.Duration) {
	limit := time.NewTimer(pause)
	defer limit.Stop()
	for {
		x.mu.Lock()
		waiting := x.waiting
		x.mu.Unlock()
		if waiting > 0 {
			return
		}
		select {
		case <-x.asked:
		case <-limit.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
