// Package events turns committed blocks into a stream of operations and their
// results, in the order in which the ledger ran them. A cursor names a place in
// it, alike on every gateway and for good, so who follows goes on after any break
// without a gap or a repetition.
//
// It never decides what is on the ledger: it reads blocks, those that
// gateway/submit takes in as they come and older ones from the peer. Others in the
// gateway read the same blocks from it (Stream.Blocks), so that one block stream serves
// all. It remembers nothing of who follows and writes nothing. Memory is bounded by the
// newest blocks and one page for each follower, however slow followers are.
package events

import (
	"context"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/submit"
)

const (
	// maxPage is how many events a Page has at most.
	maxPage = 1000
	// scanBlocks is how many old blocks are read for a page at most.
	scanBlocks = 128
	// scanLimit is how long reading them may take, slotLimit how long a follower
	// waits for its turn to read, and aheadLimit how long for a block that a cursor
	// names and this gateway has not seen: gateways are not equally fast.
	scanLimit  = 30 * time.Second
	slotLimit  = 2 * time.Second
	aheadLimit = 10 * time.Second
	// heartbeat is how often a page comes, be it without events.
	heartbeat = 10 * time.Second
)

// Blocks reads committed blocks, as submit.Ledger says: from a number on, in order
// and without gaps, waiting for those that do not exist yet; the pair with an
// error is the last. It may be called by many at once.
type Blocks interface {
	Blocks(ctx context.Context, from uint64) iter.Seq2[submit.Block, error]
}

// Config is what a Stream works with.
type Config struct {
	Ledger    Blocks       // for old blocks
	Network   string       // name of the ledger
	Log       *slog.Logger // default slog.Default()
	Followers int          // how many there may be at a time (0: 100)
	Readers   int          // how many of them may read old blocks at the same time (0: 16)
	Recent    int          // bytes of newest blocks that are held at most, for those who follow or have yet to read them (0: 32 MiB)
}

// Stream serves those who follow the ledger. Make it with New, and let the
// gateway's submitter read its blocks through Watch.
type Stream struct {
	cfg     Config
	readers chan struct{} // one token for each that reads old blocks
	life    context.Context
	end     context.CancelFunc

	mu        sync.Mutex
	began     bool          // next is known
	next      uint64        // number of the block that is to come
	recent    []*recent     // those before next, while somebody needs them
	weight    int           // sum of their weights
	grown     chan struct{} // closed and replaced when next changes
	followers int
	live      map[*reader]bool // those who wait for blocks and read no old ones
}

// recent is a block that came lately. Its events are read when first asked for, by
// who asks: the submitter, which delivers it, is not held up.
type recent struct {
	block  submit.Block
	weight int
	read   func() ([]Event, error)
}

// New returns a stream that knows no block yet.
func New(cfg Config) *Stream {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Followers == 0 {
		cfg.Followers = 100
	}
	if cfg.Readers == 0 {
		cfg.Readers = 16
	}
	if cfg.Recent == 0 {
		cfg.Recent = 32 << 20
	}
	s := &Stream{cfg: cfg, readers: make(chan struct{}, cfg.Readers), grown: make(chan struct{}), live: map[*reader]bool{}}
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// Close ends every following with fault.Unavailable, and refuses new ones so.
func (s *Stream) Close() { s.end() }

// Followers is how many follow now.
func (s *Stream) Followers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.followers
}

// Watch returns a ledger whose blocks this stream sees too, each after the one
// who reads them has taken it in: an operation is in the gateway's journal before
// anybody hears of it here.
func (s *Stream) Watch(l submit.Ledger) submit.Ledger { return watched{l, s} }

type watched struct {
	submit.Ledger
	stream *Stream
}

// Blocks reads the ledger's blocks.
func (w watched) Blocks(ctx context.Context, from uint64) iter.Seq2[submit.Block, error] {
	return func(yield func(submit.Block, error) bool) {
		w.stream.begin(from)
		for block, err := range w.Ledger.Blocks(ctx, from) {
			if !yield(block, err) {
				return
			}
			if err == nil {
				w.stream.publish(block)
			}
		}
	}
}

// begin notes that all blocks before a number were taken in.
func (s *Stream) begin(next uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.began || next != s.next {
		s.forget()
		s.advance(next)
	}
}

// publish takes the next block.
func (s *Stream) publish(b submit.Block) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.Number != s.next {
		s.forget()
	}
	r := &recent{block: b, weight: weigh(&b), read: sync.OnceValues(func() ([]Event, error) { return all(&b) })}
	s.recent = append(s.recent, r)
	s.weight += r.weight
	s.advance(b.Number + 1)
	s.shrink()
}

// forget drops the recent blocks: those who need them read them as old ones. The
// caller holds mu.
func (s *Stream) forget() { s.recent, s.weight = nil, 0 }

// advance wakes those who wait. The caller holds mu.
func (s *Stream) advance(next uint64) {
	s.began, s.next = true, next
	close(s.grown)
	s.grown = make(chan struct{})
}

func all(b *submit.Block) ([]Event, error) {
	var out []Event
	for i := range b.Transactions {
		events, err := Of(b.Number, &b.Transactions[i])
		if err != nil {
			return nil, err
		}
		out = append(out, events...)
	}
	return out, nil
}

// enter counts a follower in.
func (s *Stream) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.life.Err() != nil:
		return stopping()
	case s.followers >= s.cfg.Followers:
		return fault.New(fault.Overloaded, "%d follow events here already", s.followers)
	}
	s.followers++
	return nil
}

func (s *Stream) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.followers--
	s.shrink()
}

func stopping() error {
	return fault.New(fault.Unavailable, "the gateway stops; go on after the last cursor, here later or at another gateway")
}
