package submit

import (
	"slices"
	"time"

	"github.com/killick-ledger/killick/chaincode/ops"
)

// queue hands items out in batches, lane by lane. Items that may spoil a batch
// wait apart: those of actors that caused conflicts, and those of batches that came
// to nothing for a reason that nobody knows. So do those that read the latest
// checkpoint: the next one voids them with all that travel with them; and those that
// come with a content, which the peers that did not endorse fetch before they commit the
// block.
type queue struct {
	locks
	lanes   map[[20]byte]*lane
	ready   waiting
	apart   waiting
	timed   waiting
	private waiting
	strikes strikes
}

// waiting is lanes in the order in which they may go.
type waiting struct {
	lanes []*lane
	items int
	since time.Time // when the first of them came
}

func (w *waiting) add(l *lane, now time.Time) {
	if len(w.lanes) == 0 {
		w.since = now
	}
	w.lanes = append(w.lanes, l)
	w.items += len(l.items)
}

// pop removes the first lane.
func (w *waiting) pop() *lane {
	l := w.lanes[0]
	w.lanes[0] = nil
	w.lanes = w.lanes[1:]
	w.items -= len(l.items)
	return l
}

func newQueue() *queue {
	return &queue{locks: newLocks(), lanes: map[[20]byte]*lane{}, strikes: strikes{}}
}

// of returns what waits at a place; nil at the others.
func (q *queue) of(p place) *waiting {
	switch p {
	case ready:
		return &q.ready
	case apart:
		return &q.apart
	case timed:
		return &q.timed
	case private:
		return &q.private
	}
	return nil
}

func (q *queue) lane(actor [20]byte) *lane {
	l := q.lanes[actor]
	if l == nil {
		l = &lane{actor: actor}
		q.lanes[actor] = l
	}
	return l
}

// near is how far back in its lane an item may be for others to wait for what it
// changes: nobody holds up those who pay him with a long lane of his own.
const near = 500

// add appends an item to its actor's lane.
func (q *queue) add(it *item, now time.Time) {
	l := q.lane(it.actor)
	at := len(l.items)
	for at > 0 && l.items[at-1].seq > it.seq { // two calls came at the same time
		at--
	}
	l.items = slices.Insert(l.items, at, it)
	if at < near {
		q.expect(it)
	}
	if l.place == nowhere {
		q.list(l, now)
	} else if w := q.of(l.place); w != nil {
		w.items++
	}
}

// list makes a lane wait for a batch if it has what may go.
func (q *queue) list(l *lane, now time.Time) {
	if l.flight != nil || len(l.items) == 0 {
		l.place = nowhere
		return
	}
	l.place = l.items[0].class
	if l.items[0].doubts > 0 || q.strikes.of(l.actor, now) > 0 {
		l.place = apart
	}
	q.of(l.place).add(l, now)
}

func (q *queue) listAll(lanes []*lane, now time.Time) {
	for _, l := range lanes {
		q.list(l, now)
	}
}

// resume makes a flight of the last process hold what it held.
func (q *queue) resume(f *flight) {
	f.keys = map[uint64]bool{}
	for _, it := range f.items {
		l := q.lane(it.actor)
		if l.flight != f {
			l.flight = f
			f.lanes = append(f.lanes, l)
		}
		q.hold(it, f)
	}
}

// release ends a flight's hold on its lanes and keys, and puts back, in front and
// in their order, those of its items that are not final.
func (q *queue) release(f *flight, now time.Time) {
	back := map[[20]byte][]*item{}
	for _, it := range f.items {
		if it.receipt == nil {
			back[it.actor] = append(back[it.actor], it)
			q.expect(it)
		}
	}
	woken := q.free(f)
	for _, l := range f.lanes {
		l.flight = nil
		if items := back[l.actor]; len(items) > 0 {
			l.items = append(items, l.items...)
		}
		if len(l.items) == 0 {
			delete(q.lanes, l.actor)
			continue
		}
		q.list(l, now)
	}
	f.lanes = nil
	q.listAll(woken, now)
}

// take fills a flight with the oldest lanes of ready, timed or private that wait for no
// other flight's keys: at most limit items and frame bytes.
func (q *queue) take(from place, f *flight, limit, frame int, now time.Time) {
	w := q.of(from)
	f.apart = from != ready
	for len(w.lanes) > 0 && len(f.items) < limit {
		l := w.pop()
		l.place = nowhere
		if l.items[0].class != from { // an earlier item came into its lane since
			q.list(l, now)
			continue
		}
		if !q.load(l, f, limit, frame, now) {
			l.place = from
			w.lanes = slices.Insert(w.lanes, 0, l)
			w.items += len(l.items)
			limit = 0
		}
	}
	w.since = now
}

// takeApart fills a flight with what must not spoil other batches: a lane alone
// whose actor caused two conflicts, or lanes of the same doubt, the fewer items
// the greater the doubt, until an item that spoils every batch is alone.
func (q *queue) takeApart(f *flight, limit, frame int, now time.Time) {
	f.apart = true
	var skipped []*lane
	room := limit
	for len(q.apart.lanes) > 0 && len(f.items) < room {
		l := q.apart.pop()
		l.place = nowhere
		first := l.items[0]
		alone := q.strikes.of(l.actor, now) > 1
		if len(f.items) == 0 {
			room = max(1, limit>>min(first.doubts, 16))
		} else if alone || first.doubts != f.items[0].doubts || first.class != f.items[0].class {
			l.place = apart
			skipped = append(skipped, l)
			continue
		}
		if !q.load(l, f, room, frame, now) {
			l.place = apart
			skipped = append(skipped, l)
			break
		}
		if alone && len(f.items) > 0 {
			f.alone = true
			break
		}
	}
	for _, l := range skipped {
		q.apart.items += len(l.items)
	}
	q.apart.lanes = append(skipped, q.apart.lanes...)
	q.apart.since = now
}

// load moves items from the front of a lane into the flight as far as they may go
// together, and parks a lane whose first item may not go. It returns false when
// there is no room for the first one.
func (q *queue) load(l *lane, f *flight, limit, frame int, now time.Time) bool {
	n, doubts, class := 0, l.items[0].doubts, l.items[0].class
	var woken []*lane
	for _, it := range l.items {
		if len(f.items) >= limit || it.doubts != doubts || it.class != class || f.bytes+it.size() > frame {
			break
		}
		if f.contents+len(it.content) > ops.MaxContents {
			break
		}
		if key, blocked := q.obstacle(it, f); blocked {
			if n == 0 {
				l.place = parked
				q.parked[key] = append(q.parked[key], l)
			}
			break
		}
		q.hold(it, f)
		f.items = append(f.items, it)
		f.seqs = append(f.seqs, it.seq)
		f.bytes += it.size()
		f.contents += len(it.content)
		woken = q.settle(it, woken)
		n++
	}
	if n > 0 {
		l.items = l.items[n:]
		l.flight = f
		f.lanes = append(f.lanes, l)
	}
	q.listAll(woken, now)
	return n > 0 || l.place == parked
}

// size is what an item takes in a frame.
func (it *item) size() int { return len(it.raw) - frameHead }

// frameHead is the length of what a frame begins with.
const frameHead = ops.MaxFrame - maxFrame
