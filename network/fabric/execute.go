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
	// submitAgain is when a transaction that is not on the ledger is handed to the
	// orderers once more; an id commits once.
	submitAgain = 8 * time.Second
)

// Execute runs one transaction to its end: it prepares, endorses and submits it and
// waits until the own peer has it in a block. It is meant for single transactions,
// not for masses. It returns *Refused, *Diverged or *Unavailable (nothing happened),
// *Invalid (it is in a block without effect), or *Unknown when the context ends
// before the ledger tells.
func (c *Client) Execute(ctx context.Context, function string, args ...[]byte) (Receipt, error) {
	t, err := c.Prepare(function, args...)
	if err != nil {
		return Receipt{}, err
	}
	if err := t.Endorse(ctx); err != nil {
		return Receipt{}, err
	}
	return t.Commit(ctx)
}

// Commit submits the endorsed transaction and waits until it is in a block, handing
// it over again when the orderers seem to have lost it. It returns *Invalid or
// *Unknown.
func (t *Transaction) Commit(ctx context.Context) (Receipt, error) {
	cause := t.Submit(ctx)
	submitted := time.Now()
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
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return Receipt{}, &Unknown{TxID: t.ID(), Cause: errors.Join(ctx.Err(), cause)}
		}
		if time.Since(submitted) > submitAgain {
			cause = t.Submit(ctx)
			submitted = time.Now()
		}
	}
}
