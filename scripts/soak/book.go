package main

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/scripts/reconcile"
)

// operation is a signed operation in a client's hands. Its bytes are needed until
// the client has its receipt.
type operation struct {
	*reconcile.Op
	jws, ref string
	begun    time.Time
}

// book is what clients signed and what they were told.
type book struct {
	mu       sync.Mutex
	ops      []*reconcile.Op
	count    totals
	last     time.Time // of the newest receipt
	struck   time.Time // when a fault began whose recovery nobody has seen; zero: none
	took     time.Duration
	findings []string // answers that cannot be right, whatever the ledger says
}

// totals are counts of operations: with a first receipt, open in a client's hands,
// and left by their client without one.
type totals struct{ done, refused, open, left int }

func newBook() *book { return &book{last: time.Now()} }

// sign signs an operation and enters it before anything is sent.
func (b *book) sign(by string, a *account, body ops.Body, prior string, life time.Duration, want ...fault.Code) (*operation, error) {
	now := time.Now()
	item, ref, err := ops.SignRequest(ops.Request{
		Alg: a.Algorithm(), Network: a.Network(), IssuedAt: uint64(now.Unix()), Expires: uint64(now.Add(life).Unix()), Prior: prior, Body: body,
	}, a)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	jws := item.Compact()
	op := &operation{
		Op:  &reconcile.Op{ID: canon.Hex(ref.ID[:]), Digest: sha256.Sum256([]byte(jws)), By: by, Want: want},
		jws: jws, ref: ref.String(), begun: now,
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ops = append(b.ops, op.Op)
	b.count.open++
	return op, nil
}

// told enters a receipt.
func (b *book) told(op *operation, t reconcile.Told) {
	b.mu.Lock()
	defer b.mu.Unlock()
	op.Told = append(op.Told, t)
	b.last = time.Now()
	if !b.struck.IsZero() && op.begun.After(b.struck) {
		b.took, b.struck = b.last.Sub(b.struck), time.Time{}
	}
	if len(op.Told) > 1 {
		return
	}
	b.count.open--
	if t.State == "done" {
		b.count.done++
	} else {
		b.count.refused++
	}
}

// leave notes that a client will not ask again what became of an operation.
func (b *book) leave(op *operation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(op.Told) == 0 {
		b.count.open--
		b.count.left++
	}
}

// find notes an answer that cannot be right.
func (b *book) find(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.findings = append(b.findings, fmt.Sprintf(format, args...))
}

// strike begins to wait, anew, for the first receipt of an operation that is signed from
// now on.
func (b *book) strike() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.struck, b.took = time.Now(), 0
}

// recovered returns how long that took, and whether it has come.
func (b *book) recovered() (time.Duration, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.took, b.struck.IsZero()
}

// alive begins the time that quiet measures.
func (b *book) alive() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = time.Now()
}

// quiet is how long ago the newest receipt came.
func (b *book) quiet() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Since(b.last)
}

func (b *book) totals() totals {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.count
}
