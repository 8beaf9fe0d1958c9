package submittest

import (
	"context"
	"errors"
	"slices"

	"github.com/killick-ledger/killick/gateway/submit"
)

// Fault is what goes wrong with one transaction.
type Fault int

// The faults.
const (
	None           Fault = iota
	Unendorsed           // too few organisations answer: nothing happens
	Refused              // the chaincode refuses the whole batch: nothing happens
	Conflict             // it reaches a block and is void
	UnknownStored        // handing it over fails, and it is in a block all the same
	UnknownLost          // handing it over fails, and it is nowhere
	SilentLost           // handing it over succeeds, and it is nowhere
	Late                 // as SilentLost, until Release puts it into a block
	Copied               // it is in a block between void transactions that somebody gave its id
	Twice                // it is in a block, and in the next one again, void
	Mute                 // it is in a block, and handing it over does not return before its context ends
	MuteLost             // handing it over does not return before its context ends, and it is nowhere
	Dropped              // as SilentLost the first time; handed over again it is in a block
	Slow                 // it is in a block after it was handed over again, and in the next one once more, void
	Rejected             // it is called too large by all who could order it: nothing happens
	RejectedLost         // it is called too large by some, and it is nowhere
	RejectedStored       // it is called too large by some, and it is in a block all the same
	RejectedLate         // as RejectedLost, until Release puts it into a block
)

// Submit orders the batch, or does what its fault says.
func (t *transaction) Submit(ctx context.Context) error {
	l := t.ledger
	if t.fault == Mute || t.fault == MuteLost {
		if t.fault == Mute {
			l.mu.Lock()
			l.commit(t, false)
			l.mu.Unlock()
		}
		<-ctx.Done()
		return ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hook != nil {
		l.hook(false)
		defer l.hook(true)
	}
	t.handed++
	unknown := errors.New("the orderers' answer is lost")
	switch t.fault {
	case UnknownLost:
		return unknown
	case SilentLost:
		return nil
	case Late:
		l.hold(t)
		return nil
	case UnknownStored:
		l.commit(t, false)
		return unknown
	case Dropped, Slow:
		if t.handed == 1 {
			return nil
		}
	case Rejected, RejectedLost, RejectedStored, RejectedLate:
		return l.reject(t)
	}
	if l.paced {
		if !slices.Contains(l.pool, t) {
			l.pool = append(l.pool, t)
		}
		return nil
	}
	l.commit(t, t.fault == Conflict)
	return nil
}

// hold keeps a transaction for Release. The caller holds mu.
func (l *Ledger) hold(t *transaction) {
	if !slices.Contains(l.late, t) {
		l.late = append(l.late, t)
	}
}

// reject refuses to order a transaction, whatever it does then. The caller holds mu.
func (l *Ledger) reject(t *transaction) error {
	switch t.fault {
	case RejectedStored:
		l.commit(t, false)
	case RejectedLate:
		l.hold(t)
	}
	return &submit.TooLarge{Certain: t.fault == Rejected, Cause: errors.New("ordered by the test")}
}
