package submit

import (
	"context"
	"time"
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
	for _, tx := range block.Transactions {
		if tx.Valid {
			valid[tx.ID] = true
		}
	}
	for _, tx := range block.Transactions {
		t := takenTx{id: tx.ID}
		s.mu.Lock()
		f := s.flights[tx.ID]
		s.mu.Unlock()
		if tx.Valid {
			t.results = resultsOf(tx)
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

func (s *Submitter) judge(f *flight, tx Committed) *settlement {
	set := &settlement{flight: f, valid: tx.Valid, reason: tx.Reason}
	if !tx.Valid {
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

// settled tells who waits for a batch. The caller holds mu.
func (s *Submitter) settled(set *settlement) {
	f := set.flight
	if s.flights[f.tx] != f { // a void copy in the same block
		return
	}
	delete(s.flights, f.tx)
	if set.valid {
		for i, it := range f.items {
			if it != nil {
				s.finish(it, it.receiptOf(set.outcomes[i]))
			}
		}
	} else {
		s.counts.Void++
		s.cfg.Log.Info("batch is void and goes again", "tx", f.tx, "items", len(f.items), "reason", set.reason)
		most := 0
		for _, it := range f.items {
			if it != nil {
				it.conflicts++
				most = max(most, it.conflicts)
			}
		}
		if !f.lost && most > patience {
			// Somebody voids these again and again: they wait, longer each time.
			s.landLater(f, min(minPause<<min(most-patience, 16), maxPause))
			return
		}
	}
	if !f.lost {
		s.land(f)
	}
}
