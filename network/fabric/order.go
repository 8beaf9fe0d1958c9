package fabric

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/killick-ledger/killick/network/topology"
)

const (
	// answerWithin is how long a Raft orderer may take before the next one is asked.
	answerWithin = 2 * time.Second
	// electionWithin is how long Raft orderers may be without a leader: they agree on
	// another one in 2 to 3 s.
	electionWithin = 6 * time.Second
)

// Rejected says that orderers refuse to order the transaction as it is, for its size
// or its signer, and would again: handing it over once more is of no use.
//
// By itself it says that nothing happened: under Raft the orderer asked and a second
// one refused, and none other was given it. As the cause of an *Unknown it says no
// more than that f + 1 refused, an honest one among them: under SmartBFT it went to
// all orderers, and of what a leader proposes the others check signature, channel and
// type, but neither size nor dates. A leader that lies could still have it ordered.
// Whoever must not do the same twice then looks the transaction up before acting.
type Rejected struct {
	TxID     string
	TooLarge bool  // they say that it is larger than the channel allows
	Cause    error // what each orderer said
}

func (e *Rejected) Error() string {
	return fmt.Sprintf("orderers reject transaction %s: %v", e.TxID, e.Cause)
}

// Unwrap returns what the orderers said.
func (e *Rejected) Unwrap() error { return e.Cause }

// Submit hands the endorsed transaction over for ordering. A nil error says that it
// was taken, not that it is or will be valid. Under SmartBFT it goes to all orderers
// and f + 1 of them took it (f the number that may lie), so an honest one did and it
// will be ordered. Under Raft it goes to one, since each that takes it would order it
// once more, and to the next when that one fails; what a leader has taken is lost
// when the leader changes, so taken is no promise there.
//
// It returns *Rejected, or *Unknown with any other error. After *Unknown, or when the
// transaction does not come, submitting it again is safe: an id takes effect once.
func (t *Transaction) Submit(ctx context.Context) error {
	switch {
	case t.envelope == nil:
		return fmt.Errorf("submit transaction %s: it is not endorsed", t.ID())
	case t.client.cfg.Ordering == topology.Raft:
		return t.submitToOne(ctx)
	}
	return t.submitToAll(ctx)
}

func (t *Transaction) submitToAll(ctx context.Context) error {
	orderers := t.client.orderers
	results := make(chan error, len(orderers))
	for _, o := range orderers {
		go func() { results <- o.send(ctx, t.envelope, false) }()
	}
	need := (len(orderers)-1)/3 + 1
	took := 0
	var rejected rejections
	var errs []error
	for took+len(errs) < len(orderers) {
		err := <-results
		if err == nil {
			if took++; took == need {
				return nil
			}
			continue
		}
		errs = append(errs, err)
		rejected.note(err)
		if rejected.all >= need && len(orderers)-len(errs) < need {
			break // too few are left that could take it
		}
	}
	cause := errors.Join(errs...)
	if rejected.all >= need {
		cause = &Rejected{TxID: t.ID(), TooLarge: rejected.size >= need, Cause: cause}
	}
	return &Unknown{TxID: t.ID(), Cause: cause}
}

// submitToOne asks one Raft orderer after the other, first the one that took the last
// transaction, and all of them again while they have no leader.
func (t *Transaction) submitToOne(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, t.client.pace.election)
	defer cancel()
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		taken, err := t.offer(limited)
		var rejected *Rejected
		if taken || errors.As(err, &rejected) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-limited.Done():
			return &Unknown{TxID: t.ID(), Cause: errors.Join(ctx.Err(), err)}
		}
	}
}

// offer goes once round the orderers, until one takes the transaction or two reject
// it.
func (t *Transaction) offer(ctx context.Context) (taken bool, err error) {
	orderers := t.client.orderers
	first := int(t.client.favourite.Load())
	need := min(2, len(orderers))
	var rejected rejections
	var errs []error
	for i := range orderers {
		o := orderers[(first+i)%len(orderers)]
		limited, cancel := context.WithTimeout(ctx, t.client.pace.answer)
		err := o.send(limited, t.envelope, true)
		cancel()
		if err == nil {
			t.offered = true
			t.client.favourite.Store(int64((first + i) % len(orderers)))
			return true, nil
		}
		errs = append(errs, err)
		if !rejected.note(err) && !errors.Is(err, errNotSent) {
			t.offered = true
		}
		if rejected.all == need {
			break
		}
	}
	cause := errors.Join(errs...)
	if rejected.all < need {
		return false, cause
	}
	final := &Rejected{TxID: t.ID(), TooLarge: rejected.size == need, Cause: cause}
	if t.offered {
		return false, &Unknown{TxID: t.ID(), Cause: final}
	}
	return false, final
}

// rejections counts orderers that reject a transaction, and those of them that do so
// for its size.
type rejections struct{ all, size int }

// note counts an orderer's error if it is a rejection.
func (n *rejections) note(err error) bool {
	var r *rejection
	if !errors.As(err, &r) {
		return false
	}
	n.all++
	if r.size {
		n.size++
	}
	return true
}
