package submit

import (
	"time"

	"github.com/killick-ledger/killick/chaincode/ops"
)

// item is one submission that is not final.
type item struct {
	digest [32]byte // of the whole JWS: what the journal knows it by
	op     [32]byte
	ref    string
	hour   uint32
	actor  string // its lane
	jws    []byte // until it is journalled
	size   int    // of jws
	part   ops.Item
	exp    uint64
	seq    int64

	kept   chan struct{} // closed when it is on disk, or unkept is set
	unkept bool

	// The rest is guarded by Submitter.mu.
	conflicts int // how often a transaction with it came to nothing
	alone     int // how often the refusal of a whole batch was about it alone
	final     bool
	done      chan struct{} // closed when receipt is final
	receipt   Receipt
}

// lane holds the waiting items of one actor in the order of their arrival. While
// items of a lane are in flight the others wait: two transactions that read and
// write the same actor's state would void each other.
type lane struct {
	items  []*item
	flight *flight // in which items of it are, or nil
	listed bool    // in queue.ready
}

// queue hands items out in batches, lane by lane.
type queue struct {
	lanes map[string]*lane
	ready []string // actors with waiting items and none in flight, oldest first
	since time.Time
	size  int // items of ready lanes
}

func newQueue() *queue { return &queue{lanes: map[string]*lane{}} }

func (q *queue) lane(actor string) *lane {
	l := q.lanes[actor]
	if l == nil {
		l = &lane{}
		q.lanes[actor] = l
	}
	return l
}

// add appends an item to its actor's lane.
func (q *queue) add(it *item, now time.Time) {
	l := q.lane(it.actor)
	l.items = append(l.items, it)
	if l.listed {
		q.size++
		return
	}
	q.list(it.actor, l, now)
}

func (q *queue) list(actor string, l *lane, now time.Time) {
	if l.listed || l.flight != nil || len(l.items) == 0 {
		return
	}
	if len(q.ready) == 0 {
		q.since = now
	}
	l.listed = true
	q.ready = append(q.ready, actor)
	q.size += len(l.items)
}

// release ends a flight's hold on its lanes and puts back, in front and in their
// order, those of its items that are not final.
func (q *queue) release(f *flight, now time.Time) {
	back := map[string][]*item{}
	for _, it := range f.items {
		if it == nil {
			continue
		}
		if l := q.lanes[it.actor]; l == nil || l.flight != f {
			continue
		}
		items := back[it.actor]
		if !it.final {
			items = append(items, it)
		}
		back[it.actor] = items
	}
	for _, it := range f.items { // in the order of the flight, not of the map
		if it == nil {
			continue
		}
		items, ok := back[it.actor]
		if !ok {
			continue
		}
		delete(back, it.actor)
		l := q.lanes[it.actor]
		l.flight = nil
		l.items = append(items, l.items...)
		if len(l.items) == 0 {
			delete(q.lanes, it.actor)
			continue
		}
		q.list(it.actor, l, now)
	}
}

// take removes the next batch: whole lanes from the oldest on, at most limit
// items and frame bytes. Items that came to nothing before travel with their
// like, in batches that are halved each time, until one that spoils every batch
// is alone.
func (q *queue) take(limit, frame int, f *flight, now time.Time) {
	var skipped []string
	class, bytes := -1, 0
	for len(q.ready) > 0 && len(f.items) < limit {
		actor := q.ready[0]
		l := q.lanes[actor]
		before := len(l.items)
		l.items = dropFinal(l.items)
		q.size -= before - len(l.items)
		if len(l.items) == 0 {
			q.ready = q.ready[1:]
			delete(q.lanes, actor)
			continue
		}
		if c := l.items[0].conflicts; class < 0 {
			class = c
			limit = max(1, limit>>min(class, 16))
		} else if c != class {
			q.ready = q.ready[1:]
			skipped = append(skipped, actor)
			continue
		}
		n := 0
		for n < len(l.items) && len(f.items)+n < limit && l.items[n].conflicts == class && bytes+ops.FrameSize(l.items[n].part) <= frame {
			bytes += ops.FrameSize(l.items[n].part)
			n++
		}
		if n == 0 {
			break // full
		}
		f.items = append(f.items, l.items[:n]...)
		q.ready = q.ready[1:]
		q.size -= len(l.items)
		l.items = append([]*item(nil), l.items[n:]...)
		l.listed, l.flight = false, f
	}
	q.ready = append(skipped, q.ready...)
	q.since = now
	for _, it := range f.items {
		f.seqs = append(f.seqs, it.seq)
	}
}

func dropFinal(items []*item) []*item {
	kept := items[:0]
	for _, it := range items {
		if !it.final {
			kept = append(kept, it)
		}
	}
	return kept
}
