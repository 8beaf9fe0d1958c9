package events

import (
	"fmt"
	"strings"

	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/submit"
)

// Event is an operation that has run, and its result.
type Event struct {
	Next        Position // after it: its cursor
	Block       uint64
	Transaction string
	Result      *ops.Result
}

// Of returns the events of a transaction in a block, in the order in which the
// chaincode ran the operations. Void transactions have none, nor have operations
// that had run before, or that were refused without leaving a result: see
// docs/formats/events.md section 1. An error means that this program does not
// know what the ledger's own chaincode wrote.
func Of(block uint64, tx *submit.Committed) ([]Event, error) {
	if len(tx.Writes) == 0 {
		// Then it has no results, and perhaps not the policy of the chaincode that it names: a
		// member's own collection has its own, and arguments and answer are what it likes.
		return nil, nil
	}
	items, err := operations(tx)
	if err != nil || len(items) == 0 {
		return nil, err
	}
	if len(tx.Response) != len(items) {
		return nil, fmt.Errorf("block %d, transaction %s: response has %d bytes for %d items", block, tx.ID, len(tx.Response), len(items))
	}
	results, err := written(tx)
	if err != nil {
		return nil, fmt.Errorf("block %d, transaction %s: %w", block, tx.ID, err)
	}
	out := make([]Event, 0, len(results))
	for i, item := range items {
		if tx.Response[i]&ops.Replayed != 0 {
			continue
		}
		id := item.ID()
		// A copy with a forged signature has the id too, and a code that no result has.
		if r := results[id]; r != nil && byte(r.Code) == tx.Response[i] {
			delete(results, id)
			out = append(out, Event{Position{block, tx.Index, uint32(i) + 1}, block, tx.ID, r})
		}
	}
	return out, nil
}

// operations returns the items that a valid transaction carries.
func operations(tx *submit.Committed) ([]ops.Item, error) {
	if !tx.Valid || len(tx.Args) != 2 {
		return nil, nil
	}
	switch string(tx.Args[0]) {
	case "ops:Batch":
		return ops.DecodeFrame(tx.Args[1])
	case "ops:Apply":
		item, err := ops.ParseCompact(string(tx.Args[1]))
		return []ops.Item{item}, err
	}
	return nil, nil
}

// written returns what a transaction's writes say of operations, by their ids. It
// may name some that ran in earlier transactions: those that created what this one
// changed. They stand in no batch, or stand there as replayed.
func written(tx *submit.Committed) (map[[32]byte]*ops.Result, error) {
	results := make(map[[32]byte]*ops.Result, len(tx.Writes))
	for _, w := range tx.Writes {
		if w.Delete {
			continue
		}
		r, _, err := ops.DecodeResult(w.Key, w.Value)
		if err != nil {
			return nil, err
		}
		if r != nil {
			results[r.Reference.ID] = r
		}
	}
	return results, nil
}

// Filter chooses events. The zero Filter takes all.
type Filter struct {
	actors     map[ledger.ID]bool // empty: any
	operations map[string]bool    // empty: any
}

func (f Filter) matches(e *Event) bool {
	return (len(f.actors) == 0 || f.actors[e.Result.Actor]) && (len(f.operations) == 0 || f.operations[e.Result.Op])
}

// weigh estimates the memory of a block, and of its events, which take less.
func weigh(b *submit.Block) int {
	size := 256
	for i := range b.Transactions {
		tx := &b.Transactions[i]
		size += 256 + len(tx.Response)
		for _, a := range tx.Args {
			size += len(a)
		}
		for _, w := range tx.Writes {
			size += 64 + len(w.Key) + len(w.Value)
		}
	}
	return size
}

// known says whether there is an operation of that name.
func known(name string) bool {
	for _, n := range ops.Names() {
		if n == name {
			return true
		}
	}
	return false
}

// names lists the operations, for people.
func names() string { return strings.Join(ops.Names(), ", ") }
