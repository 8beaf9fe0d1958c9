package submit

import (
	"context"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
)

// watch looks for batches that take too long.
func (s *Submitter) watch(ctx context.Context) {
	ticker := time.NewTicker(min(time.Second, max(s.cfg.Lost/4, time.Millisecond)))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		overdue, silent := s.late(time.Now())
		for _, f := range overdue {
			s.resolve(ctx, f)
		}
		for _, f := range silent {
			s.tasks.Go(func() { s.again(ctx, f) })
		}
	}
}

// late returns the flights to be given up, and those to be handed over once more,
// which belong to the caller until f.handed is set.
func (s *Submitter) late(now time.Time) (overdue, silent []*flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.flights {
		switch {
		case now.Sub(f.sent) > s.cfg.Lost:
			overdue = append(overdue, f)
		case f.transaction != nil && !f.handed.IsZero() && !f.tooLarge && now.Sub(f.handed) > s.cfg.Lost/4:
			f.handed = time.Time{}
			silent = append(silent, f)
		}
	}
	return overdue, silent
}

// again hands a batch over once more if no node knows it: a Raft leader that falls
// drops what it had taken. Should both come, the second is void by its id.
func (s *Submitter) again(ctx context.Context, f *flight) {
	limited, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	found, err := s.cfg.Ledger.Find(limited, f.tx)
	if err == nil && !found {
		s.cfg.Log.Info("batch is handed over again", "tx", f.tx, "items", len(f.items))
		s.handOver(ctx, f)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f.handed = time.Now()
}

// forget ends a batch that nobody has: its items go again. One that orderers called
// too large goes in halves, and a lone operation of that kind is refused. Should the
// batch come all the same, its results are taken in as if it came from another
// gateway: its operations and those sent again exclude one another on the ledger,
// where whichever is second is void, or answers with the first result.
func (s *Submitter) forget(f *flight) {
	// If we crash before this, the next process waits for the batch until it is lost.
	if err := s.journal.drop(f.tx); err != nil {
		s.cfg.Log.Error("journal", "error", err)
		return // it is tried again when the batch is lost
	}
	s.mu.Lock()
	if s.flights[f.tx] != f { // its block came meanwhile
		s.mu.Unlock()
		return
	}
	delete(s.flights, f.tx)
	f.transaction = nil
	tooLarge := f.tooLarge
	if tooLarge {
		f.doubt()
	} else {
		s.counts.Lost++
		s.cfg.Log.Warn("transaction lost, its operations are sent again", "tx", f.tx, "items", len(f.items))
	}
	s.mu.Unlock()
	var refused []outcome
	if tooLarge && len(f.items) == 1 {
		var err error
		if refused, err = s.journal.refuse(fault.TooLarge, f.items[0]); err != nil {
			s.cfg.Log.Error("journal", "error", err) // it goes again
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range refused {
		s.finish(f.items[0], f.items[0].receiptOf(o))
	}
	s.land(f)
}

// resolve gives a batch up that no node knows. One that is in a block is left to
// follow, which will come to that block.
func (s *Submitter) resolve(ctx context.Context, f *flight) {
	limited, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	found, err := s.cfg.Ledger.Find(limited, f.tx)
	switch {
	case err != nil && ctx.Err() == nil:
		s.cfg.Log.Warn("transaction cannot be looked up", "tx", f.tx, "error", err)
	case err == nil && !found:
		s.forget(f)
	}
}
