package ledger

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// Version returns the hash that names a stored value as a version: what an
// operation that replaces it must state as prior.
func Version(value []byte) string {
	sum := canon.Sum(value)
	return canon.Hex(sum[:])
}

// Replaces checks that the operation names the stored value as the version it
// replaces. Errors: fault.StalePrior.
func (c Call) Replaces(value []byte) error {
	if current := Version(value); c.Prior != current {
		return fault.New(fault.StalePrior, "the current version is %s", current)
	}
	return nil
}
