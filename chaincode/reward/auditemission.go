package reward

import (
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// emission follows the programme from its first span on: what was paid, and what the
// account has, is what it was funded with; each day is in one span, with the pool that the
// members decided on; and what was shared is what ballots add up to.
func (a *audit) emission() error {
	gone, next := map[string]Sum{}, uint64(1)
	err := a.each("emission/day/", func(e ledger.Entry) error {
		var s Span
		if err := readStored(a.tx, e.Key, &s); err != nil {
			return err
		}
		if e.Key != SpanKey(s.First) || s.First != next || s.Next <= s.First {
			a.report("RW-19: %s is of the days %d to %d, after %d", e.Key, s.First, s.Next, next)
		}
		next = s.Next
		if s.Paid > 0 {
			gone[s.Asset] = gone[s.Asset].Plus(s.Paid)
		}
		return a.span(&s)
	})
	if err != nil {
		return err
	}
	for _, asset := range a.network.Assets {
		has, err := readAmount(a.tx, BalanceKey(EmissionAccount(a.network.Name), asset), balanceType)
		if err != nil {
			return err
		}
		if sum := gone[asset].Plus(has); sum != a.endowed[asset] {
			a.report("RW-18: %s: the emission was funded with %s, %s are paid or left", asset, a.endowed[asset], sum)
		}
	}
	return a.emissionState(next)
}

// span checks one span by itself.
func (a *audit) span(s *Span) error {
	pool := govern.Price(0)
	if s.Policy > 0 {
		p, err := govern.EmissionAt(a.tx, s.Policy)
		if err != nil {
			return err
		}
		if pool, err = p.Sum(s.First, s.Next); err != nil {
			return err
		}
	}
	if s.Pool != Amount(pool) {
		a.report("RW-19: the pool of day %d is %d, the programme has %d", s.First, s.Pool, pool)
	}
	var ballots uint64
	err := a.each(meritPrefix(s.First), func(e ledger.Entry) error {
		count, err := decodeAmount(meritType, e.Value)
		ballots += uint64(count)
		return err
	})
	switch {
	case err != nil:
		return err
	case s.Epoch == 0 && (s.Paid > 0 || s.Ballots > 0), s.Paid > s.Pool, s.Ballots == 0 && s.Paid > 0:
		a.report("RW-20: of day %d %d of %d are paid for %d ballots", s.First, s.Paid, s.Pool, s.Ballots)
	case s.Epoch > 0 && s.Pool > 0 && s.Ballots != ballots:
		a.report("RW-20: day %d was shared among %d ballots, %d were right", s.First, s.Ballots, ballots)
	}
	return nil
}

// emissionState checks that the open span follows the last one that ended, and that what
// waits does so in order.
func (a *audit) emissionState(next uint64) error {
	var open emissionOpen
	var due emissionDue
	if err := readStored(a.tx, EmissionKey, &open); err != nil {
		return err
	}
	if err := readStored(a.tx, emissionDueKey, &due); err != nil {
		return err
	}
	if open.Day == 0 && due.Day == 0 && next == 1 {
		return nil // there is no programme, or it has not begun
	}
	if open.Day != next || due.Day < 1 || due.Day > next {
		a.report("RW-19: the span of day %d is open and that of day %d waits, after %d", open.Day, due.Day, next)
	}
	return a.each("emission/day/", func(e ledger.Entry) error {
		var s Span
		if err := readStored(a.tx, e.Key, &s); err != nil {
			return err
		}
		if (s.Epoch > 0) != (s.First < due.Day) {
			a.report("RW-19: the span of day %d is credited in epoch %d, that of day %d waits", s.First, s.Epoch, due.Day)
		}
		return nil
	})
}
