// Package submittest has a ledger in memory for tests of what submits to one: it
// executes batches with chaincode/ops as endorsers do, orders them, and voids
// those whose reads are stale as Fabric does. Faults can be ordered for the
// transactions to come.
package submittest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/submit"
)

// Ledger is the ledger in memory. Make it with New.
type Ledger struct {
	engine *ops.Engine

	mu      sync.Mutex
	state   ledger.Memory
	private ledger.MemoryPrivate
	blocks  []submit.Block
	grown   chan struct{} // closed and replaced with each block
	faults  []Fault
	known   map[string]bool
	carried map[string]carried // by each known transaction
	late    []*transaction
	down    bool
	spoils  []spoil
	count   int
	paced   bool
	pool    []*transaction // handed over and not in a block, when paced
	hook    func(stored bool)
}

// Caller is the organisation as which the ledger runs what is not a batch.
var Caller = ledger.Caller{MSP: "Org1MSP", Role: "admin"}

// New returns an empty ledger with one block, as a channel's first.
func New() *Ledger {
	return &Ledger{engine: ops.New(), grown: make(chan struct{}), known: map[string]bool{}, carried: map[string]carried{}, blocks: []submit.Block{{}}}
}

// NewOn returns a ledger with a copy of a state, which no block of it wrote.
func NewOn(state *ledger.Memory) *Ledger {
	l := New()
	l.state = *state.Clone()
	return l
}

// Invoke runs a function of the chaincode as Caller and commits it in a block of
// its own.
func (l *Ledger) Invoke(function string, args ...[]byte) ([]byte, error) {
	return l.InvokeAs(Caller, function, args...)
}

// InvokeAs is Invoke as another caller.
func (l *Ledger) InvokeAs(caller ledger.Caller, function string, args ...[]byte) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	tx := ledger.Begin(&l.state, now(), caller)
	answer, err := l.engine.Invoke(tx, function, args)
	if err != nil {
		return nil, err
	}
	writes := tx.Changes()
	l.count++
	l.append(committed(fmt.Sprintf("%064x", l.count), append([][]byte{[]byte(function)}, args...), answer, writes))
	return answer, tx.Flush()
}

// Evaluate runs a query.
func (l *Ledger) Evaluate(_ context.Context, function string, args ...[]byte) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return nil, fault.New(fault.Unavailable, "no peer answers")
	}
	return l.engine.Invoke(ledger.Begin(&l.state, now(), Caller).With(&l.private), function, args)
}

// Height is the number of blocks.
func (l *Ledger) Height(context.Context) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return 0, fault.New(fault.Unavailable, "no peer answers")
	}
	return uint64(len(l.blocks)), nil
}

// Inject orders faults for the next transactions, one each.
func (l *Ledger) Inject(faults ...Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, faults...)
}

// SetDown makes every endorsement and query fail, or work again.
func (l *Ledger) SetDown(down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = down
}

// Spoil makes every endorsement of a batch that contains the operation fail with
// the error, or no more when it is nil: an operation on which organisations
// differ, or that no endorser survives.
func (l *Ledger) Spoil(jws string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	item, parseErr := ops.ParseCompact(jws)
	if parseErr != nil {
		panic(parseErr) // tests spoil good operations
	}
	l.spoils = slices.DeleteFunc(l.spoils, func(s spoil) bool { return bytes.Equal(s.signature, item.Signature) })
	if err != nil {
		l.spoils = append(l.spoils, spoil{item.Signature, err})
	}
}

type spoil struct {
	signature []byte
	err       error
}

// Release puts the transactions with the fault Late into blocks.
func (l *Ledger) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.late {
		l.commit(t, false)
	}
	l.late = nil
}

// Blocks yields blocks as submit.Ledger says.
func (l *Ledger) Blocks(ctx context.Context, from uint64) iter.Seq2[submit.Block, error] {
	return func(yield func(submit.Block, error) bool) {
		for next := from; ; next++ {
			block, err := l.block(ctx, next)
			if !yield(block, err) || err != nil {
				return
			}
		}
	}
}

func (l *Ledger) block(ctx context.Context, number uint64) (submit.Block, error) {
	for {
		l.mu.Lock()
		grown := l.grown
		if number < uint64(len(l.blocks)) {
			defer l.mu.Unlock()
			return l.blocks[number], nil
		}
		l.mu.Unlock()
		select {
		case <-grown:
		case <-ctx.Done():
			return submit.Block{}, ctx.Err()
		}
	}
}

// Find reports whether a transaction is in a block.
func (l *Ledger) Find(_ context.Context, id string) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return false, errors.New("no peer answers")
	}
	return l.known[id], nil
}

// Validation returns the validation code of a transaction and its block.
func (l *Ledger) Validation(_ context.Context, id string) (string, uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.blocks {
		for _, tx := range b.Transactions {
			if tx.ID == id {
				return tx.Reason, b.Number, nil
			}
		}
	}
	return "", 0, fault.New(fault.NotFound, "no block holds the transaction")
}

// State returns a copy of the whole state.
func (l *Ledger) State() []ledger.Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.Clone().Entries()
}

// Chain returns the blocks.
func (l *Ledger) Chain() []submit.Block {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]submit.Block(nil), l.blocks...)
}

// Prepare makes a transaction and takes the next fault for it.
func (l *Ledger) Prepare(frame []byte, contents map[string][]byte) (submit.Transaction, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	t := &transaction{ledger: l, id: fmt.Sprintf("%064x", l.count), frame: frame, contents: contents}
	if len(l.faults) > 0 {
		t.fault, l.faults = l.faults[0], l.faults[1:]
	}
	return t, nil
}

type transaction struct {
	ledger   *Ledger
	id       string
	frame    []byte
	contents map[string][]byte
	fault    Fault
	handed   int // how often
	response []byte
	reads    map[string]string
	writes   []ledger.Entry
	private  []ledger.Entry
}

func (t *transaction) ID() string { return t.id }

// Endorse executes the batch and remembers what it read.
func (t *transaction) Endorse(ctx context.Context) error {
	l := t.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.down, t.fault == Unendorsed:
		return errors.New("1 of 2 needed organisations answered")
	case t.fault == Refused:
		return fault.New(fault.ClockSkew, "ordered by the test")
	}
	for _, s := range l.spoils {
		if bytes.Contains(t.frame, s.signature) {
			return s.err
		}
	}
	seen := &recorder{Memory: &l.state, reads: map[string]string{}}
	tx := ledger.Begin(seen, now(), Caller).With(&ledger.MemoryPrivate{Contents: t.contents})
	var err error
	if t.response, err = l.engine.Invoke(tx, "ops:Batch", [][]byte{t.frame}); err != nil {
		return err
	}
	t.reads, t.writes, t.private = seen.reads, tx.Changes(), tx.PrivateChanges()
	return ctx.Err()
}

// commit puts a transaction into a block of its own. The caller holds mu.
func (l *Ledger) commit(t *transaction, void bool) {
	l.append(l.decide(t, void)...)
	if t.fault == Twice || t.fault == Slow {
		l.append(submit.Committed{ID: t.id, Reason: "DUPLICATE_TXID"})
	}
}

// decide validates a transaction and returns what a block says of it. It is void
// when a value that it read has changed since. The caller holds mu.
func (l *Ledger) decide(t *transaction, void bool) []submit.Committed {
	if l.known[t.id] {
		return []submit.Committed{{ID: t.id, Reason: "DUPLICATE_TXID"}}
	}
	for key, value := range t.reads {
		current, err := l.state.Get(key)
		void = void || err != nil || string(current) != value
	}
	l.known[t.id], l.carried[t.id] = true, t.carries()
	if void {
		return []submit.Committed{{ID: t.id, Reason: "MVCC_READ_CONFLICT"}}
	}
	for _, w := range t.writes {
		var err error
		if w.Value == nil {
			err = l.state.Delete(w.Key)
		} else {
			err = l.state.Put(w.Key, w.Value)
		}
		if err != nil {
			panic(err) // the chaincode wrote an empty key or value
		}
	}
	for _, w := range t.private {
		if w.Value == nil {
			delete(l.private.Values, w.Key)
		} else if err := l.private.PutPrivate(w.Key, w.Value); err != nil {
			panic(err) // it is a map
		}
	}
	tx := committed(t.id, [][]byte{[]byte("ops:Batch"), t.frame}, t.response, t.writes)
	if t.fault == Copied {
		return []submit.Committed{{ID: t.id, Reason: "BAD_PROPOSAL_TXID"}, tx, {ID: t.id, Reason: "DUPLICATE_TXID"}}
	}
	return []submit.Committed{tx}
}

func (l *Ledger) append(txs ...submit.Committed) {
	for i := range txs {
		txs[i].Index = uint32(i)
	}
	l.blocks = append(l.blocks, submit.Block{Number: uint64(len(l.blocks)), Transactions: txs})
	close(l.grown)
	l.grown = make(chan struct{})
}

func committed(id string, args [][]byte, response []byte, writes []ledger.Entry) submit.Committed {
	c := submit.Committed{ID: id, Time: now(), Valid: true, Reason: "VALID", Args: args, Response: response}
	for _, w := range writes {
		c.Writes = append(c.Writes, submit.Write{Key: w.Key, Value: w.Value, Delete: w.Value == nil})
	}
	return c
}

// recorder remembers the values of the keys that a batch reads one by one.
type recorder struct {
	*ledger.Memory
	reads map[string]string
}

func (r *recorder) Get(key string) ([]byte, error) {
	value, err := r.Memory.Get(key)
	r.reads[key] = string(value)
	return value, err
}

func (r *recorder) GetMany(keys []string) ([][]byte, error) {
	values, err := r.Memory.GetMany(keys)
	for i, key := range keys {
		r.reads[key] = string(values[i])
	}
	return values, err
}

func now() uint64 { return uint64(time.Now().Unix()) }
