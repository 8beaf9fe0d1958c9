package submit

import (
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
)

// suspicion is how long signatures are verified here after the ledger has refused
// one. One bad signature in a batch makes every endorser look at the whole batch
// again and again to find it; verified here it costs one verification, and neither
// a place in a batch nor one of its supposed actor's places in the queue. While
// nobody sends bad ones, verifying here what endorsers verify anyway would be a
// tenth of the whole network's work for nothing.
const suspicion = time.Minute

// suspect begins or prolongs suspicion. The caller holds mu.
func (s *Submitter) suspect(now time.Time) { s.suspicious = now.Add(suspicion) }

func (s *Submitter) suspects() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.suspicious)
}

// guard refuses what is not signed by its key, at times of suspicion.
func (s *Submitter) guard(tickets []*Ticket, items []*item, opened []*ops.Operation) {
	if !s.suspects() {
		return
	}
	var some []*item
	var operations []*ops.Operation
	var of []*Ticket
	for i, o := range opened {
		if o != nil {
			some, operations, of = append(some, items[i]), append(operations, o), append(of, tickets[i])
		}
	}
	for i, bad := range s.forged(some, operations) {
		if bad {
			of[i].err = fault.New(fault.BadSignature, "not a signature of the key that kid names")
		}
	}
}

// forged says which of the operations are signed by none of their DID's keys, by
// the DIDs of the blocks that were taken in. One that is not known here yet is left
// to the ledger.
func (s *Submitter) forged(items []*item, operations []*ops.Operation) []bool {
	bad := make([]bool, len(items))
	if len(items) == 0 {
		return bad
	}
	dids := map[string][]byte{}
	for _, o := range operations {
		key := o.ActorKey()
		if _, known := dids[key]; known {
			continue
		}
		value, err := s.journal.did(key)
		if err != nil {
			s.cfg.Log.Error("journal", "error", err)
			return bad
		}
		if value != nil {
			dids[key] = value
		}
	}
	bad, err := s.engine.Forged(dids, operations)
	if err != nil { // a stored DID that cannot be read: the ledger will say so
		s.cfg.Log.Error("signatures cannot be verified here", "error", err)
		return make([]bool, len(items))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, it := range items {
		if bad[i] {
			s.counts.Forged++
			continue
		}
		it.good = true
	}
	return bad
}

// sift refuses the items of a flight that are not signed by their keys, at times
// of suspicion: those that were queued before it began. The rest goes on.
func (s *Submitter) sift(f *flight) {
	if !s.suspects() {
		return
	}
	var some []*item
	var operations []*ops.Operation
	for _, it := range f.items {
		if it.good {
			continue
		}
		if o, err := it.operation(); err == nil {
			some, operations = append(some, it), append(operations, o)
		}
	}
	var refused []*item
	for i, bad := range s.forged(some, operations) {
		if bad {
			refused = append(refused, some[i])
		}
	}
	if len(refused) == 0 {
		return
	}
	s.mu.Lock()
	s.suspect(time.Now())
	s.mu.Unlock()
	s.withdraw(f, fault.BadSignature, refused)
}

// withdraw refuses items of a flight that has not left.
func (s *Submitter) withdraw(f *flight, code fault.Code, refused []*item) {
	outcomes, err := s.journal.refuse(code, refused...)
	if err != nil {
		s.cfg.Log.Error("journal", "error", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, it := range refused {
		s.finish(it, it.receiptOf(outcomes[i]))
	}
	s.drop(f)
}

// drop takes what is final out of a flight that has not left. The caller holds mu.
func (s *Submitter) drop(f *flight) {
	items, seqs := f.items[:0:0], f.seqs[:0:0]
	for i, it := range f.items {
		if it.receipt == nil {
			items, seqs = append(items, it), append(seqs, f.seqs[i])
		}
	}
	f.items, f.seqs = items, seqs
}
