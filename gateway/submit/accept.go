package submit

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
)

// Ticket is the promise of an outcome.
type Ticket struct {
	s        *Submitter
	item     *item
	err      error
	repeated bool
}

// Err says why the operation was not taken, nil when it was.
func (t *Ticket) Err() error { return t.err }

// Wait returns the receipt when the operation is final, or as it is when ctx
// ends: State is then Pending.
func (t *Ticket) Wait(ctx context.Context) Receipt {
	it := t.item
	t.s.mu.Lock()
	final := it.receipt
	if final == nil && it.waiting == nil {
		it.waiting = make(chan struct{})
	}
	waiting := it.waiting
	t.s.mu.Unlock()
	if final == nil {
		select {
		case <-waiting:
			final = it.receipt
		case <-ctx.Done():
			r := t.s.pendingReceipt(it)
			r.Repeated = t.repeated
			return r
		}
	}
	r := *final
	r.Repeated = r.Repeated || t.repeated
	return r
}

// Submit takes operations, each a compact JWS in strict form, and returns a
// ticket for each, in their order. Those without an error are on disk. Operations
// of one actor reach the ledger in the order in which they were taken. Errors of
// a ticket: those of the operation's form, and fault.BadSignature,
// fault.ContentMissing for one that has to come with a content, fault.Overloaded,
// fault.Unavailable.
func (s *Submitter) Submit(operations ...string) []*Ticket { return s.submit(operations, nil) }

// submit takes operations; a content comes with the first and only one.
func (s *Submitter) submit(operations []string, content []byte) []*Ticket {
	tickets := make([]*Ticket, len(operations))
	items := make([]*item, len(operations))
	opened := make([]*ops.Operation, len(operations))
	g := &group{kept: make(chan struct{})}
	now := time.Now()
	for i, text := range operations {
		tickets[i] = &Ticket{s: s}
		it := &item{digest: sha256.Sum256([]byte(text)), group: g, since: now, content: content}
		o, err := it.read(text, s.cfg.Network)
		if err == nil {
			err = s.checkContent(it, o)
		}
		switch {
		case err == nil:
			items[i], opened[i] = it, o
		case fault.Of(err) == fault.Expired && s.held(it, text):
			items[i] = it // it was taken while it was good: its outcome is told
		case (fault.Of(err) == fault.Expired || fault.Of(err) == fault.ContentMissing) && s.executed(it, text):
			tickets[i].item, tickets[i].repeated = it, true
		default:
			tickets[i].err = err
		}
	}
	s.guard(tickets, items, opened)
	if fresh := s.admit(tickets, items); len(fresh) > 0 {
		s.keep(fresh, g)
		s.tasks.Done()
	}
	for _, t := range tickets {
		if t.err != nil || t.item.group == nil {
			continue
		}
		// Also those that somebody else submits at this moment are on disk first.
		<-t.item.group.kept
		if t.item.group.unkept {
			t.err = fault.New(fault.Unavailable, "the gateway cannot write its journal")
		}
	}
	return tickets
}

// keep journals items and queues them. Until it returns nobody was promised
// anything about them.
func (s *Submitter) keep(fresh []*item, g *group) {
	known, err := s.journal.insert(fresh)
	if err != nil {
		s.cfg.Log.Error("journal", "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	g.unkept = err != nil
	for _, it := range fresh {
		o, final := known[it]
		switch {
		case err != nil:
			s.finish(it, Receipt{ID: it.op, Reference: it.reference(), State: Pending})
		case final:
			s.counts.Repeated++
			it.repeat(s, o)
		default:
			s.counts.Accepted++
			s.queue.add(it, now)
		}
	}
	close(g.kept)
	s.signal()
}

// repeat ends an item that the journal holds as final already.
func (it *item) repeat(s *Submitter, o outcome) {
	o.repeated = true
	it.since = time.Time{} // its way was measured the first time
	done, refused := s.counts.Done, s.counts.Refused
	s.finish(it, it.receiptOf(o))
	s.counts.Done, s.counts.Refused = done, refused // they were counted the first time
}

// held says whether an operation that has expired was taken here before that.
func (s *Submitter) held(it *item, jws string) bool {
	if it.reread(jws) != nil {
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
func (s *Submitter) executed(it *item, jws string) bool {
	if it.reread(jws) != nil {
		return false
	}
	o, _, _, found, err := s.journal.result(it.op)
	if err != nil || !found || !o.standing {
		return false
	}
	o.repeated = true
	r := it.receiptOf(o)
	it.receipt, it.group = &r, nil
	return true
}

// admit sorts out what is pending already and what there is no room for, and
// returns what has to be journalled.
func (s *Submitter) admit(tickets []*Ticket, items []*item) []*item {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh := make([]*item, 0, len(items))
	for i, it := range items {
		t := tickets[i]
		if it == nil || t.err != nil {
			continue
		}
		if s.closed {
			t.err = fault.New(fault.Unavailable, "the gateway is stopping")
			continue
		}
		if same := s.pending[it.digest]; same != nil {
			t.item, t.repeated = same, true
			s.counts.Repeated++
			s.attach(same, it.content)
			continue
		}
		if t.err = s.room(it); t.err != nil {
			s.counts.Overloaded++
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
	waiting := s.byOp[op]
	s.mu.Unlock()
	o, ref, key, found, err := s.journal.result(op)
	switch {
	case err != nil:
		return Receipt{}, err
	case found && (o.standing || waiting == nil):
		r := (&item{op: op}).receiptOf(o)
		r.Reference, r.Key = ref, key
		return r, nil
	case waiting != nil:
		return s.pendingReceipt(waiting), nil
	}
	return Receipt{}, fault.New(fault.NotFound, "no operation %x came through this gateway or is in a block it has seen", op)
}
