package submit

import (
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
)

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
	Reference   string // second of expiry and id
	State       State
	Code        fault.Code
	Transaction string // that holds the result; while pending the newest that was void, if one was
	// Validation is Fabric's name of the validation code of Transaction: VALID once
	// there is a result.
	Validation string
	Key        string // that holds the result; only from Lookup, and only when one does
	Block      uint64
	Repeated   bool // the operation had been executed before; this is its first result
}

// track makes an item findable. The caller holds mu or is alone.
func (s *Submitter) track(it *item) {
	s.pending[it.digest] = it
	it.twin = s.byOp[it.op]
	s.byOp[it.op] = it
	s.bytes += it.weight()
	own := s.shares[it.actor]
	s.shares[it.actor] = share{own.items + 1, own.bytes + it.weight()}
}

// weight is what an item takes of the places, in bytes.
func (it *item) weight() int { return len(it.raw) + len(it.content) }

// share is what one actor has of the places.
type share struct{ items, bytes int }

// Share is what waits of one actor's operations, and how much may at most.
type Share struct{ Operations, Bytes, MostOperations, MostBytes int }

// Share returns what of an actor's operations is not final.
func (s *Submitter) Share(actor [20]byte) Share {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.shares[actor]
	return Share{own.items, own.bytes, max(1, s.cfg.Queue/2), s.cfg.Bytes / 2}
}

// room says why there is no place for an item. The caller holds mu. One actor has
// at most half of the places, so that it cannot shut all others out.
func (s *Submitter) room(it *item) error {
	own, size := s.shares[it.actor], it.weight()
	switch {
	case len(s.pending) >= s.cfg.Queue || s.bytes+size > s.cfg.Bytes:
		return fault.New(fault.Overloaded, "%d operations are waiting", len(s.pending))
	case own.items >= max(1, s.cfg.Queue/2) || own.bytes > 0 && own.bytes+size > s.cfg.Bytes/2:
		return fault.New(fault.Overloaded, "%d operations of this DID are waiting", own.items)
	}
	return nil
}

// finish makes an item final. The caller holds mu.
func (s *Submitter) finish(it *item, r Receipt) {
	if it.receipt != nil {
		return
	}
	it.receipt = &r
	delete(s.pending, it.digest)
	s.bytes -= it.weight()
	if own := s.shares[it.actor]; own.items > 1 {
		s.shares[it.actor] = share{own.items - 1, own.bytes - it.weight()}
	} else {
		delete(s.shares, it.actor)
	}
	s.untwin(it)
	switch r.State {
	case Done:
		s.counts.Done++
	case Refused:
		s.counts.Refused++
	}
	if r.State != Pending && !it.since.IsZero() {
		s.latency.observe(time.Since(it.since).Seconds())
	}
	if it.waiting != nil {
		close(it.waiting)
	}
}

// untwin takes an item off the list of its operation's submissions.
func (s *Submitter) untwin(it *item) {
	first := s.byOp[it.op]
	switch {
	case first != it:
		for first != nil && first.twin != it {
			first = first.twin
		}
		if first != nil {
			first.twin = it.twin
		}
	case it.twin != nil:
		s.byOp[it.op] = it.twin
	default:
		delete(s.byOp, it.op)
	}
	it.twin = nil
}

// receiptOf makes the receipt of an item from its outcome.
func (it *item) receiptOf(o outcome) Receipt {
	r := Receipt{ID: it.op, Reference: it.reference(), Code: o.code, Transaction: o.tx, Block: o.block, Repeated: o.repeated, State: Done}
	if o.code != fault.OK {
		r.State = Refused
	}
	if o.tx != "" {
		r.Validation = validTransaction
	}
	return r
}

// validTransaction is Fabric's name of the code of a transaction that took effect.
const validTransaction = "VALID"

// pendingReceipt is what is known of an item that is not final.
func (s *Submitter) pendingReceipt(it *item) Receipt {
	r := Receipt{ID: it.op, Reference: it.reference(), State: Pending}
	s.mu.Lock()
	defer s.mu.Unlock()
	if it.void != nil {
		r.Transaction, r.Validation = it.void.tx, it.void.code
	}
	return r
}
