package submittest

import (
	"strings"

	"github.com/killick-ledger/killick/gateway/submit"
)

// SetPaced makes what is handed over wait for Cut, or no longer.
func (l *Ledger) SetPaced(paced bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.paced = paced
}

// Waiting is how many transactions wait for Cut.
func (l *Ledger) Waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pool)
}

// Cut puts what waits into one block, in the order in which it came.
func (l *Ledger) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	var txs []submit.Committed
	for _, t := range l.pool {
		txs = append(txs, l.decide(t, t.fault == Conflict)...)
	}
	l.pool = nil
	l.append(txs...)
}

// SetHook has a function called when a transaction is handed over, before it is
// stored and after it.
func (l *Ledger) SetHook(hook func(stored bool)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hook = hook
}

// Items is how many operations a transaction carried that was handed over.
func (l *Ledger) Items(id string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.carried[id].items
}

// Records is how many records it would have written, or has.
func (l *Ledger) Records(id string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.carried[id].records
}

// carried is what a transaction brought, whether or not it took effect.
type carried struct{ items, records int }

func (t *transaction) carries() carried {
	c := carried{items: len(t.response)}
	for _, w := range t.writes {
		if strings.HasPrefix(w.Key, "record/") {
			c.records++
		}
	}
	return c
}
