package submit

import (
	"context"
	"time"
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
		for _, f := range s.overdue(time.Now()) {
			s.resolve(ctx, f)
		}
	}
}

func (s *Submitter) overdue(now time.Time) []*flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*flight
	for _, f := range s.flights {
		if !f.lost && now.Sub(f.sent) > s.cfg.Lost {
			found = append(found, f)
		}
	}
	return found
}

// resolve gives a batch up that no node knows. One that is in a block is left to
// follow, which will come to that block.
func (s *Submitter) resolve(ctx context.Context, f *flight) {
	limited, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	found, err := s.cfg.Ledger.Find(limited, f.tx)
	if err != nil || found {
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("transaction cannot be looked up", "tx", f.tx, "error", err)
		}
		return
	}
	if err := s.journal.lose(f.tx); err != nil {
		s.cfg.Log.Error("journal", "error", err)
		return
	}
	// If it comes yet, its operations and those sent again exclude one another on
	// the ledger: whichever is second is void, or answers with the first result.
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flights[f.tx] != f { // its block came meanwhile
		return
	}
	f.lost = true
	s.counts.Lost++
	s.cfg.Log.Warn("transaction lost, its operations are sent again", "tx", f.tx, "items", len(f.items))
	s.land(f)
}
