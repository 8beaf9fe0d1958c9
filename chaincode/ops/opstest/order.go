package opstest

import (
	"fmt"
	"slices"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
)

// Endorsed is a batch that was executed on the state of its time and waits for
// an orderer, however long that takes.
type Endorsed struct {
	Response []byte
	Reads    map[string]string // keys that it read, with their values; "" is absent
	ranges   []span
	writes   []ledger.Entry
}

// span is a range as far as it was read: through to its end, or up to the last row that was
// asked for.
type span struct {
	from, to string
	rows     []ledger.Entry
}

// Endorse executes a batch and commits nothing.
func (w *World) Endorse(items ...ops.Item) *Endorsed {
	w.t.Helper()
	frame, err := ops.EncodeFrame(items)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.endorse(ledger.Caller{}, "ops:Batch", frame)
}

// EndorseCall runs a function that must succeed, as Endorse does.
func (w *World) EndorseCall(caller ledger.Caller, name string, request any) *Endorsed {
	w.t.Helper()
	return w.endorse(caller, name, []byte(w.JSON(request)))
}

// EndorseFunction runs a function without an argument that must succeed, as Endorse does.
func (w *World) EndorseFunction(caller ledger.Caller, name string) *Endorsed {
	w.t.Helper()
	return w.observe(caller, func(tx *ledger.Tx) ([]byte, error) { return w.Engine.Invoke(tx, name, nil) })
}

// EndorseRun endorses what a domain package does in a transaction of its own, which must
// succeed.
func (w *World) EndorseRun(run func(tx *ledger.Tx, n *govern.Network) error) *Endorsed {
	w.t.Helper()
	return w.observe(ledger.Caller{}, func(tx *ledger.Tx) ([]byte, error) {
		n, err := govern.Load(tx)
		if err != nil {
			return nil, err
		}
		return nil, run(tx, n)
	})
}

func (w *World) endorse(caller ledger.Caller, name string, arg []byte) *Endorsed {
	w.t.Helper()
	return w.observe(caller, func(tx *ledger.Tx) ([]byte, error) { return w.Engine.Invoke(tx, name, [][]byte{arg}) })
}

func (w *World) observe(caller ledger.Caller, run func(*ledger.Tx) ([]byte, error)) *Endorsed {
	w.t.Helper()
	seen := &reader{Memory: w.Store, reads: map[string]string{}}
	tx := ledger.Begin(seen, w.Now, caller)
	answer, err := run(tx)
	if err != nil {
		w.t.Fatal(err)
	}
	return &Endorsed{answer, seen.reads, seen.ranges, tx.Changes()}
}

// Run keeps what a domain package does in a transaction of its own, or returns its error.
func (w *World) Run(run func(tx *ledger.Tx, n *govern.Network) error) error {
	w.t.Helper()
	tx := ledger.Begin(w.Store, w.Now, ledger.Caller{})
	n, err := govern.Load(tx)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := run(tx, n); err != nil {
		return err
	}
	return tx.Flush()
}

// Call is an operation of the user as domain packages see it, each time another one.
func (w *World) Call(u *User) ledger.Call {
	w.nonce++
	return ledger.Call{Network: w.Name, Actor: u.ID, Ref: ledger.Reference{Expiry: uint32(w.Now) + 3600, ID: canon.Sum(fmt.Append(nil, "call ", w.nonce))}}
}

// Order commits an endorsed batch unless what it read has changed. Fabric compares
// versions of keys in place of values, and of absent keys no more than that they
// are absent, which is what matters here. It reads each range again, as far as it was
// read, and finds what was added to it or is gone.
func (w *World) Order(e *Endorsed) (valid bool) {
	w.t.Helper()
	for key, was := range e.Reads {
		if now, err := w.Store.Get(key); err != nil || string(now) != was {
			return false
		}
	}
	for _, was := range e.ranges {
		if now, err := w.Store.Range(was.from, was.to, len(was.rows)+1); err != nil || !slices.EqualFunc(now, was.rows, sameEntry) {
			return false
		}
	}
	for _, change := range e.writes {
		put := w.Store.Put(change.Key, change.Value)
		if change.Value == nil {
			put = w.Store.Delete(change.Key)
		}
		if put != nil {
			w.t.Fatal(put)
		}
	}
	return true
}

func sameEntry(a, b ledger.Entry) bool { return a.Key == b.Key && string(a.Value) == string(b.Value) }

type reader struct {
	*ledger.Memory
	reads  map[string]string
	ranges []span
}

func (r *reader) Get(key string) ([]byte, error) {
	value, err := r.Memory.Get(key)
	r.reads[key] = string(value)
	return value, err
}

func (r *reader) GetMany(keys []string) ([][]byte, error) {
	values, err := r.Memory.GetMany(keys)
	for i, key := range keys {
		r.reads[key] = string(values[i])
	}
	return values, err
}

func (r *reader) Range(from, to string, limit int) ([]ledger.Entry, error) {
	rows, err := r.Memory.Range(from, to, limit)
	if len(rows) == limit && limit > 0 {
		to = rows[limit-1].Key + "\x00"
	}
	if limit > 0 {
		r.ranges = append(r.ranges, span{from, to, rows})
	}
	return rows, err
}
