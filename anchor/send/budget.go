package send

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// Days are those of UTC. A transaction belongs to the day on which it was seen to be in
// a final block, and until then to every day: it may still be charged on any. So a day's
// sum can only be too high while something is under way, and what the journal holds is
// all that it needs after a restart.

// Day is what a chain's transactions cost on one day, those that failed included.
// Amounts are as in Outcome.
type Day struct {
	Day       time.Time // its first moment, UTC
	Txs       int
	Cost      uint64
	Bandwidth uint64
	Fee       *big.Int
}

func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// Days returns the days from since's on on which a chain's transactions cost something,
// oldest first.
func (s *Sender) Days(ctx context.Context, chain string, since time.Time) ([]Day, error) {
	charged, err := s.db.charged(ctx, chain, dayOf(since))
	if err != nil {
		return nil, err
	}
	by := map[time.Time]*Day{}
	for _, t := range charged {
		fee, err := amount(t.Outcome.Fee)
		if err != nil {
			return nil, fmt.Errorf("fee of %x: %w", t.ID, err)
		}
		d := by[dayOf(t.Settled)]
		if d == nil {
			d = &Day{Day: dayOf(t.Settled), Fee: new(big.Int)}
			by[d.Day] = d
		}
		d.Txs, d.Cost, d.Bandwidth = d.Txs+1, d.Cost+t.Outcome.Cost, d.Bandwidth+t.Outcome.Bandwidth
		d.Fee.Add(d.Fee, fee)
	}
	var days []Day
	for _, d := range by {
		days = append(days, *d)
	}
	slices.SortFunc(days, func(a, b Day) int { return a.Day.Compare(b.Day) })
	return days, nil
}

// affords reports, as ErrBudget, that a signed attempt of intent i, which nobody has
// seen yet, could bring the day over the chain's budget.
func (r *round) affords(ctx context.Context, i int, a Attempt, now time.Time) error {
	budget := r.s.cfg.Budgets[r.chain.ID()]
	if budget == nil {
		return nil
	}
	spent, err := r.s.Spent(ctx, r.chain.ID(), now)
	if err != nil {
		return err
	}
	most, err := amount(a.Most)
	if err != nil {
		return chainError{fmt.Errorf("most of %s: %w", r.all[i].ID, err)}
	}
	dearest := map[string]*big.Int{}
	for k, st := range r.all {
		tries := st.Tries
		if k == i {
			tries = append(slices.Clone(tries), Try{Attempt: a})
		}
		if err := reserve(dearest, st.ID, tries); err != nil {
			return chainError{fmt.Errorf("attempts of %s: %w", st.ID, err)}
		}
	}
	for _, reserved := range dearest {
		spent.Add(spent, reserved)
	}
	if spent.Cmp(budget) > 0 {
		return chainError{fmt.Errorf("%w: %s may be spent, and with up to %s for %s it may come to %s; sending goes on after midnight UTC",
			ErrBudget, budget, most, r.all[i].ID, spent)}
	}
	return nil
}

// Spent returns what counts against a day's budget of what is in final blocks: what
// transactions cost on the day of now, and on later ones, which there are when the clock
// was set back.
func (s *Sender) Spent(ctx context.Context, chain string, now time.Time) (*big.Int, error) {
	days, err := s.Days(ctx, chain, now)
	sum := new(big.Int)
	for _, d := range days {
		sum.Add(sum, d.Fee)
	}
	return sum, err
}

// reserve adds what an intent's attempts may still cost: of those that share a nonce the
// dearest, since one of them is charged at most, also when the nonce was taken over from
// an intent that came too late, and nothing once one has been: that the others are dead may
// be believed later. Where there are no nonces, attempts of one intent that are alive share
// one place.
func reserve(dearest map[string]*big.Int, intent string, tries []Try) error {
	charged := map[uint64]bool{} // nonces
	for _, t := range tries {
		if t.Expires.IsZero() && t.Ended() && t.Outcome.State != StateDead {
			charged[t.Nonce] = true
		}
	}
	for _, t := range tries {
		if t.Ended() || t.Expires.IsZero() && charged[t.Nonce] {
			continue
		}
		most, err := amount(t.Most)
		if err != nil {
			return err
		}
		of := "intent " + intent
		if t.Expires.IsZero() {
			of = fmt.Sprint("nonce ", t.Nonce)
		}
		if had := dearest[of]; had == nil || most.Cmp(had) > 0 {
			dearest[of] = most
		}
	}
	return nil
}

// amount reads a decimal number.
func amount(text string) (*big.Int, error) {
	n, ok := new(big.Int).SetString(text, 10)
	if !ok || n.Sign() < 0 {
		return nil, fmt.Errorf("%.40q is no amount", text)
	}
	return n, nil
}
