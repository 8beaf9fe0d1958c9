package submit

import (
	"slices"
	"time"
)

// item is one submission that is not final.
type item struct {
	digest [32]byte // of the whole JWS: what the journal knows it by
	op     [32]byte
	actor  [20]byte // its lane: who signs, see laneOf
	hour   uint32
	raw    []byte   // a frame with this operation alone
	keys   []access // what it uses besides its lane
	class  place    // which batches it travels in: ready, timed or private
	needs  string   // SHA-256, hex, of the content that has to come with it; empty: none
	exp    uint64
	seq    int64 // in the order of arrival
	since  time.Time
	group  *group
	good   bool // its signature was verified here
	first  bool // a recovery key signs it: whatever waits for the same keys lets it pass

	// The rest is guarded by Submitter.mu.
	doubts  uint8 // how often a transaction with it came to nothing, and nobody knows why
	alone   uint8 // how often the refusal of a whole batch was about it alone
	twin    *item // another submission of the same operation
	waiting chan struct{}
	receipt *Receipt // final when it is there
	void    *attempt // the newest transaction with it that was void
	content []byte   // that it needs; nil after a restart, until somebody sends it again
}

// attempt is a transaction that is in a block and void.
type attempt struct{ tx, code string }

// group is what one call submits: it reaches the disk together.
type group struct {
	kept   chan struct{} // closed when it is on disk, or unkept is set
	unkept bool
}

// access is a key that an operation uses, as a hash; two keys that share one wait
// for one another without need, no more. The lowest bit says that the operation may
// change it.
type access uint64

func (a access) key() uint64   { return uint64(a) >> 1 }
func (a access) changes() bool { return a&1 != 0 }

// lane holds the waiting items of one actor in the order of their arrival.
type lane struct {
	actor  [20]byte
	items  []*item
	flight *flight // in which items of it are, or nil
	place  place
}

// place is where a lane waits.
type place uint8

const (
	nowhere place = iota // it has nothing to send, or is in flight
	ready                // for the next batch
	apart                // for one of the batches that carry what may spoil them
	timed                // for one of the batches that read the latest checkpoint
	private              // for one of the batches that carry contents
	parked               // for a key that another flight uses
)

// held is the use of a key by flights.
type held struct {
	readers int     // flights that use it
	writer  *flight // the one that may change it
}

// locks are the keys that items in flight use, and those that waiting items are
// going to change.
type locks struct {
	held   map[uint64]held
	change map[uint64][]int64 // turns of waiting items, ascending
	parked map[uint64][]*lane
}

func newLocks() locks {
	return locks{held: map[uint64]held{}, change: map[uint64][]int64{}, parked: map[uint64][]*lane{}}
}

// turn is an item's place among those that change a key: that of its arrival, or
// before all of those, and then negative.
func (it *item) turn() int64 {
	if it.first {
		return it.seq - 1<<62
	}
	return it.seq
}

// expect notes the changes of a waiting item. Those whose turn is later and read the
// keys wait for it.
func (k *locks) expect(it *item) {
	for _, a := range it.keys {
		if a.changes() {
			turns := k.change[a.key()]
			at, _ := slices.BinarySearch(turns, it.turn())
			k.change[a.key()] = slices.Insert(turns, at, it.turn())
		}
	}
}

// settle ends what expect began and returns the lanes that waited for it.
func (k *locks) settle(it *item, woken []*lane) []*lane {
	for _, a := range it.keys {
		if !a.changes() {
			continue
		}
		turns := k.change[a.key()]
		at, found := slices.BinarySearch(turns, it.turn())
		switch {
		case !found:
			continue
		case len(turns) == 1:
			delete(k.change, a.key())
		default:
			k.change[a.key()] = slices.Delete(turns, at, at+1)
		}
		woken = k.wake(a.key(), woken)
	}
	return woken
}

func (k *locks) wake(key uint64, woken []*lane) []*lane {
	if lanes, ok := k.parked[key]; ok {
		delete(k.parked, key)
		woken = append(woken, lanes...)
	}
	return woken
}

// obstacle finds a key that keeps an item from the flight: one that another flight
// changes, one that another flight reads and the item changes, or one that an item
// before it is going to change. Of two that are going to change one, only an item
// that comes first is waited for, and by those that do not.
func (k *locks) obstacle(it *item, f *flight) (key uint64, found bool) {
	for _, a := range it.keys {
		h := k.held[a.key()]
		others := h.readers
		if _, own := f.keys[a.key()]; own {
			others--
		}
		if h.writer != nil && h.writer != f || a.changes() && others > 0 {
			return a.key(), true
		}
		if turns := k.change[a.key()]; len(turns) > 0 && turns[0] < it.turn() && (!a.changes() || turns[0] < 0 && !it.first) {
			return a.key(), true
		}
	}
	return 0, false
}

// hold marks the keys of an item as used by the flight.
func (k *locks) hold(it *item, f *flight) {
	for _, a := range it.keys {
		h := k.held[a.key()]
		changes, own := f.keys[a.key()]
		if !own {
			h.readers++
		}
		if a.changes() {
			h.writer = f
		}
		k.held[a.key()] = h
		f.keys[a.key()] = changes || a.changes()
	}
}

// free ends a flight's hold and returns the lanes that waited for it.
func (k *locks) free(f *flight) (woken []*lane) {
	for key, changes := range f.keys {
		h := k.held[key]
		h.readers--
		if changes {
			h.writer = nil
		}
		if h.readers == 0 {
			delete(k.held, key)
		} else {
			k.held[key] = h
		}
		woken = k.wake(key, woken)
	}
	f.keys = nil
	return woken
}
