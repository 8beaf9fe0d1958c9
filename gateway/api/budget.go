package api

import (
	"sync/atomic"

	"github.com/killick-ledger/killick/chaincode/fault"
)

const (
	// maxHeld bounds what requests take in memory together: those that are being
	// answered, each with its body and callCost for its goroutine and buffers, and
	// what has come of larger messages that are not whole. It comes to 8,000 calls
	// that wait for a result, or a hundred thousand operations in large batches.
	maxHeld  = 128 << 20
	callCost = 16 << 10
)

// budget is memory for requests. What does not fit is refused before it is read
// (REST) or kept (gRPC), so that waiting clients cannot exhaust the process.
type budget struct{ held atomic.Int64 }

// take reserves memory for a request with a body of so many bytes and returns what
// gives it back. Errors: fault.Overloaded.
func (b *budget) take(body int64) (back func(), err error) {
	cost := body + callCost
	if !b.reserve(cost) {
		return nil, fault.New(fault.Overloaded, "too many requests are being answered")
	}
	return func() { b.free(cost) }, nil
}

func (b *budget) reserve(bytes int64) bool {
	if b.held.Add(bytes) > maxHeld {
		b.held.Add(-bytes)
		return false
	}
	return true
}

func (b *budget) free(bytes int64) { b.held.Add(-bytes) }
