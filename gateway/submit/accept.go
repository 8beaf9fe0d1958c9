package submit

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
)

// Ticket is the promise of an outcome.
type Ticket struct {
	item     *item
	err      error
	repeated bool
}

// Err says why the operation was not taken, nil when it was.
func (t *Ticket) Err() error { return t.err }

// Wait returns the receipt when the operation is final, or as it is when ctx
// ends: State is then Pending.
func (t *Ticket) Wait(ctx context.Context) Receipt {
	select {
	case <-t.item.done:
	default:
		select {
		case <-t.item.done:
		case <-ctx.Done():
			return Receipt{ID: t.item.op, Reference: t.item.ref, State: Pending, Repeated: t.repeated}
		}
	}
	r := t.item.receipt
	r.Repeated = r.Repeated || t.repeated
	return r
}

// Submit takes operations, each a compact JWS in strict form, and returns a
// ticket for each, in their order. Those without an error are on disk. Operations
// of one actor reach the ledger in the order in which they were taken. Errors of
// a ticket: those of the operation's form, and fault.Overloaded, fault.Unavailable.
func (s *Submitter) Submit(operations ...string) []*Ticket {
	tickets := make([]*Ticket, len(operations))
	items := make([]*item, len(operations))
	for i, text := range operations {
		tickets[i] = &Ticket{}
		it := &item{jws: []byte(text), digest: sha256.Sum256([]byte(text)), kept: make(chan struct{}), done: make(chan struct{})}
		switch err := it.read(s.cfg.Network); {
		case err == nil:
			items[i] = it
		case fault.Of(err) == fault.Expired && s.held(it):
			items[i] = it // it was taken while it was good: its outcome is told
		case fault.Of(err) == fault.Expired && s.executed(it):
			tickets[i].item, tickets[i].repeated = it, true
		default:
			tickets[i].err = err
		}
	}
	if fresh := s.admit(tickets, items); len(fresh) > 0 {
		s.keep(fresh)
		s.tasks.Done()
	}
	for _, t := range tickets {
		if t.err != nil {
			continue
		}
		// Also those that somebody else submits at this moment are on disk first.
		<-t.item.kept
		if t.item.unkept {
			t.err = fault.New(fault.Unavailable, "the gateway cannot write its journal")
		}
	}
	return tickets
}

// keep journals items and queues them. Until it returns nobody was promised
// anything about them.
func (s *Submitter) keep(fresh []*item) {
	known, err := s.journal.insert(fresh)
	if err != nil {
		s.cfg.Log.Error("journal", "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, it := range fresh {
		o, final := known[it]
		switch {
		case err != nil:
			it.unkept = true
			s.finish(it, Receipt{ID: it.op, Reference: it.ref, State: Pending})
		case final:
			s.counts.Repeated++
			it.repeat(s, o)
		default:
			it.jws = nil
			s.counts.Accepted++
			s.queue.add(it, now)
		}
		close(it.kept)
	}
	s.signal()
}

// repeat ends an item that the journal holds as final already.
func (it *item) repeat(s *Submitter, o outcome) {
	o.repeated = true
	done, refused := s.counts.Done, s.counts.Refused
	s.finish(it, it.receiptOf(o))
	s.counts.Done, s.counts.Refused = done, refused // they were counted the first time
}

// held says whether an operation that has expired was taken here before that.
func (s *Submitter) held(it *item) bool {
	if it.reread() != nil {
		return false
	}
	s.mu.Lock()
	_, pending := s.pending[it.digest]
	s.mu.Unlock()
	if pending {
		return true
	}
	held, err := s.journal.holds(it.digest)
	return err == nil && held
}

// executed says whether an operation that has expired was executed before that,
// through whatever gateway, and makes the item final with its first result. The
// signature is not looked at any more: what became of an operation is no secret,
// and whoever believed it undone would sign it anew.
func (s *Submitter) executed(it *item) bool {
	if it.reread() != nil {
		return false
	}
	o, _, _, found, err := s.journal.result(it.op)
	if err != nil || !found || !o.standing {
		return false
	}
	o.repeated = true
	it.final, it.receipt = true, it.receiptOf(o)
	close(it.kept)
	close(it.done)
	return true
}

// admit sorts out what is pending already and what there is no room for, and
// returns what has to be journalled.
func (s *Submitter) admit(tickets []*Ticket, items []*item) []*item {
	s.mu.Lock()
	defer s.mu.Unlock()
	var fresh []*item
	for i, it := range items {
		t := tickets[i]
		if it == nil {
			continue
		}
		if s.closed {
			t.err = fault.New(fault.Unavailable, "the gateway is stopping")
			continue
		}
		if same := s.pending[it.digest]; same != nil {
			t.item, t.repeated = same, true
			s.counts.Repeated++
			continue
		}
		if t.err = s.room(it); t.err != nil {
			continue
		}
		t.item = it
		s.track(it)
		fresh = append(fresh, it)
	}
	if len(fresh) > 0 {
		s.tasks.Add(1) // Close waits for the journal entry
	}
	return fresh
}

// Lookup returns what this gateway knows of an operation by its id: the first
// result on the ledger if there is one, else that it is pending, else a refusal
// that left nothing on the ledger. Errors: fault.NotFound, fault.Internal.
func (s *Submitter) Lookup(op [32]byte) (Receipt, error) {
	s.mu.Lock()
	var waiting *item
	if its := s.byOp[op]; len(its) > 0 {
		waiting = its[0]
	}
	s.mu.Unlock()
	o, ref, key, found, err := s.journal.result(op)
	switch {
	case err != nil:
		return Receipt{}, err
	case found && (o.standing || waiting == nil):
		r := (&item{op: op, ref: ref}).receiptOf(o)
		r.Key = key
		return r, nil
	case waiting != nil:
		return Receipt{ID: op, Reference: waiting.ref, State: Pending}, nil
	}
	return Receipt{}, fault.New(fault.NotFound, "no operation %x came through this gateway or is in a block it has seen", op)
}
