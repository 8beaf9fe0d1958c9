package submit

import (
	"context"
	"slices"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
)

// follow takes in one block after the other, for ever.
func (s *Submitter) follow(ctx context.Context) {
	pause := minPause
	for ctx.Err() == nil {
		s.mu.Lock()
		next := s.next
		s.mu.Unlock()
		for block, err := range s.cfg.Ledger.Blocks(ctx, next) {
			if err == nil {
				err = s.takeIn(block)
			}
			if err != nil {
				if ctx.Err() == nil {
					s.cfg.Log.Warn("block stream ended", "next", next, "error", err)
				}
				break
			}
			pause = minPause
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, maxPause)
	}
}

// takeIn journals what a block says and then tells those who wait.
func (s *Submitter) takeIn(block Block) error {
	b := taken{number: block.Number}
	valid := map[string]bool{}
	changed := written{block: block.Number}
	for _, tx := range block.Transactions {
		if tx.Valid {
			valid[tx.ID] = true
			changed.note(tx.Writes)
		}
	}
	s.remember(changed)
	for _, tx := range block.Transactions {
		t := takenTx{id: tx.ID}
		s.mu.Lock()
		f := s.flights[tx.ID]
		s.mu.Unlock()
		if tx.Valid {
			t.results, t.dids = resultsOf(tx), didsOf(tx)
		}
		// Anybody may put void transactions with ids of ours beside the valid ones.
		if f != nil && (tx.Valid || !valid[tx.ID]) {
			t.settlement = s.judge(f, tx)
		}
		if t.settlement != nil || len(t.results) > 0 {
			b.transactions = append(b.transactions, t)
		}
	}
	// If we stop before this commit the block comes again; after it nobody needs
	// the block any more.
	if err := s.journal.take(b); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = block.Number + 1
	for _, t := range b.transactions {
		if t.settlement != nil {
			s.settled(t.settlement)
		}
	}
	return nil
}

// written is what a block changed, as hashes of keys.
type written struct {
	block uint64
	keys  []uint64
}

func (w *written) note(writes []Write) {
	w.keys = slices.Grow(w.keys, len(writes))
	for _, change := range writes {
		w.keys = append(w.keys, hash(change.Key))
	}
}

// remember keeps what blocks changed for as long as a flight may have missed it.
// Only follow's goroutine uses s.written.
func (s *Submitter) remember(w written) {
	s.mu.Lock()
	oldest := w.block + 1
	for f := range s.flying {
		oldest = min(oldest, f.from)
	}
	s.mu.Unlock()
	if len(s.written) > 0 && s.written[len(s.written)-1].block >= w.block {
		return // it comes again, since the journal did not take it
	}
	s.written = append(s.written, w)
	for len(s.written) > 0 && s.written[0].block < oldest {
		s.written = s.written[1:]
	}
}

func (s *Submitter) judge(f *flight, tx Committed) *settlement {
	set := &settlement{flight: f, valid: tx.Valid, reason: tx.Reason}
	if !tx.Valid {
		if tx.Reason == staleRead {
			set.culprits, set.explained = s.stale(f)
		}
		return set
	}
	var err error
	if set.outcomes, err = verdicts(tx.Response, len(f.seqs)); err != nil {
		// Cannot happen with an honest quorum. Sending again asks the replay guard.
		s.cfg.Log.Error("batch has an unreadable response", "tx", tx.ID, "error", err)
		set.valid = false
	}
	return set
}

// staleRead is Fabric's name for what one stale key does to a whole transaction.
const staleRead = "MVCC_READ_CONFLICT"

// stale finds the items of a void flight that read what blocks have changed since
// they were taken from the queue: their actors are the culprits. The conflict is
// explained as well by a change of what all batches read, or by a new checkpoint. A
// key that was changed in the moment before the endorsers read it is among those found:
// whoever changed it was as close to a conflict as one can be. What none of this explains
// is put down to those whose operations read keys that their bodies do not name.
func (s *Submitter) stale(f *flight) (culprits [][20]byte, explained bool) {
	changed := map[uint64]bool{}
	for _, w := range s.written {
		if w.block >= f.from {
			for _, key := range w.keys {
				changed[key] = true
			}
		}
	}
	for _, key := range ops.Common {
		explained = explained || changed[hash(key)]
	}
	var followers [][20]byte
	for _, it := range f.items {
		o, err := it.operation()
		if err != nil {
			continue
		}
		for _, a := range o.Accesses() {
			switch {
			case !changed[hash(a.Key)]:
			case a.Key == ops.ClockKey:
				explained = true // a new checkpoint, which its actor did not make
			case !slices.Contains(culprits, it.actor):
				culprits = append(culprits, it.actor)
			}
		}
		if len(o.Follows()) > 0 && !slices.Contains(followers, it.actor) {
			followers = append(followers, it.actor)
		}
	}
	if !explained && len(culprits) == 0 {
		culprits = followers
	}
	return culprits, explained || len(culprits) > 0
}

// settled tells who waits for a batch. The caller holds mu.
func (s *Submitter) settled(set *settlement) {
	f := set.flight
	if s.flights[f.tx] != f { // a void copy in the same block
		return
	}
	delete(s.flights, f.tx)
	if !set.valid {
		s.void(set)
		return
	}
	for i, it := range f.items {
		if set.outcomes[i].code == fault.BadSignature {
			s.suspect(time.Now())
		}
		s.finish(it, it.receiptOf(set.outcomes[i]))
	}
	if !f.apart {
		s.limit = min(s.limit+max(1, s.cfg.Batch/16), s.cfg.Batch)
	}
	s.land(f)
}

// void sends the items of a void batch again: those that read stale keys apart,
// with all that their actors send for a time, and the others at once. When nobody
// knows why it was void, all of them travel in ever smaller batches until the one
// that spoils them is alone. The caller holds mu.
func (s *Submitter) void(set *settlement) {
	f, now := set.flight, time.Now()
	s.counts.Void++
	s.counts.Retried += uint64(len(f.items))
	s.cfg.Log.Info("batch is void and goes again", "tx", f.tx, "items", len(f.items), "reason", set.reason, "conflicting_actors", len(set.culprits))
	attempted := &attempt{f.tx, set.reason}
	for _, it := range f.items {
		it.void = attempted
	}
	worst := 0
	if set.explained {
		for _, actor := range set.culprits {
			worst = max(worst, s.queue.strikes.add(actor, now))
		}
	} else {
		worst = int(f.doubt())
	}
	if !f.apart {
		// The fewer travel together, the fewer are held up by the next one.
		s.limit = max(s.limit/2, s.cfg.Batch/4, 1)
	}
	if worst > patience && (!set.explained || f.alone) {
		// Somebody voids these again and again: they wait, longer each time.
		s.landLater(f, min(minPause<<min(worst-patience, 16), maxPause))
		return
	}
	s.land(f)
}
