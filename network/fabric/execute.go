package fabric

import (
	"context"
	"errors"
	"time"
)

// Receipt is where a valid transaction is on the ledger and what it returned.
type Receipt struct {
	TxID    string
	Block   uint64
	Payload []byte
}

const (
	// pollFirst and pollMost bound the pauses between look-ups while a single
	// transaction is on its way.
	pollFirst = 30 * time.Millisecond
	pollMost  = 250 * time.Millisecond
	// submitFor bounds one handing over to orderers that do not answer.
	submitFor = 8 * time.Second
	// failedAgain, submitAgain and raftAgain are when a transaction that is not on the
	// ledger is handed to the orderers once more: when too few took it, and when they
	// seem to have lost it. Raft loses what was under way whenever its leader changes.
	// An id commits once.
	failedAgain = time.Second
	submitAgain = 8 * time.Second
	raftAgain   = 3 * time.Second
)

// Execute runs one transaction to its end: it prepares, endorses and submits it and
// waits until the own peer has it in a block. It is meant for single transactions,
// not for masses. A transaction that lost a race for what it read had no effect and
// is made anew, until the context ends; a refusal counts only once the peers have
// what any of them had. It returns *Refused, *Diverged, *Unavailable or *Rejected
// (nothing happened), *Invalid (it is in a block without effect), or *Unknown when the
// context ends before the ledger tells, or at once when its cause is *Rejected.
func (c *Client) Execute(ctx context.Context, function string, args ...[]byte) (Receipt, error) {
	for again := false; ; {
		r, err := c.execute(ctx, function, args)
		var refused *Refused
		var invalid *Invalid
		switch {
		case ctx.Err() != nil:
			return r, err
		case errors.As(err, &refused) && !again:
			// A block reaches one peer before another: two that lag agree on a refusal
			// that was right a moment ago.
			again = true
			c.catchUp(ctx)
		case errors.As(err, &invalid) && invalid.stale():
			again = false
		default:
			return r, err
		}
	}
}

func (c *Client) execute(ctx context.Context, function string, args [][]byte) (Receipt, error) {
	t, err := c.Prepare(function, args...)
	if err != nil {
		return Receipt{}, err
	}
	if err := t.Endorse(ctx); err != nil {
		return Receipt{}, err
	}
	return t.Commit(ctx)
}

// catchUpFor bounds the wait for peers that lag: one of them may be far behind, or
// lie about its height.
const catchUpFor = 3 * time.Second

// catchUp waits until every peer that answers has the height that the highest of
// them had at first.
func (c *Client) catchUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, c.pace.catchUp)
	defer cancel()
	heights := func() (lowest, highest uint64) {
		found := make(chan uint64, len(c.peers))
		for _, r := range c.peers {
			go func() {
				h, err := c.height(ctx, []*remote{r})
				if err != nil {
					h = 0
				}
				found <- h
			}()
		}
		for range c.peers {
			if h := <-found; h > 0 {
				highest = max(highest, h)
				if lowest == 0 {
					lowest = h
				}
				lowest = min(lowest, h)
			}
		}
		return lowest, highest
	}
	low, target := heights()
	for pause := pollFirst; low < target; pause = min(2*pause, pollMost) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		low, _ = heights()
	}
}

// Commit submits the endorsed transaction and waits until it is in a block, handing
// it over again when the orderers seem to have lost it. It returns *Invalid,
// *Rejected or *Unknown.
func (t *Transaction) Commit(ctx context.Context) (Receipt, error) {
	submitted, taken := time.Now(), t.hand(ctx)
	cause := taken
	for pause := pollFirst; ; pause = min(2*pause, pollMost) {
		status, err := t.client.Lookup(ctx, t.ID())
		switch {
		case err == nil && status.Found && status.Code == 0:
			return Receipt{TxID: t.ID(), Block: status.Block, Payload: t.payload}, nil
		case err == nil && status.Found:
			return Receipt{}, &Invalid{TxID: t.ID(), Block: status.Block, Code: status.Code}
		case err != nil:
			cause = err
		}
		var rejected *Rejected
		if err == nil && errors.As(taken, &rejected) {
			return Receipt{}, taken
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return Receipt{}, &Unknown{TxID: t.ID(), Cause: errors.Join(ctx.Err(), cause)}
		}
		again := t.client.pace.again
		if taken != nil {
			again = t.client.pace.failed
		}
		if time.Since(submitted) > again {
			submitted, taken = time.Now(), t.hand(ctx)
			cause = taken
		}
	}
}

// hand submits the transaction, and gives up on orderers that hang: it may be on its
// way all the same.
func (t *Transaction) hand(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, t.client.pace.submit)
	defer cancel()
	return t.Submit(ctx)
}
