// Package ledger is what domain code sees of the world: a transaction over a
// store of keys, the caller, and the time that the transaction claims.
//
// A Tx reads its own writes, remembers what it read so that each key is read
// once, and can take back everything since a Mark at the cost of what changed.
// Nothing reaches the store before Flush, and Flush writes in the order of the
// keys, so two runs on the same state make the same writes in the same order.
// The package knows no operation, no format and no clock. A Tx belongs to one
// goroutine.
package ledger

// Entry is a key and its value.
type Entry struct {
	Key   string
	Value []byte
}

// Store holds committed state. Values are never empty; an absent key reads as
// nil without an error. Stores do not show writes of the current transaction:
// that is what Tx is for. An error means that the outcome of the call is not
// known and that the transaction has to be given up; nobody retries.
// Values that a store returns belong to the caller but must not be changed.
type Store interface {
	// Get returns the value of a key, nil when there is none.
	Get(key string) ([]byte, error)
	// GetMany returns the values of the keys in their order, nil for those absent.
	GetMany(keys []string) ([][]byte, error)
	// Put sets a key. It is durable when the surrounding transaction commits.
	Put(key string, value []byte) error
	// Delete removes a key; an absent key is no error.
	Delete(key string) error
	// Range returns at most limit entries with from <= key < to, ascending.
	Range(from, to string, limit int) ([]Entry, error)
}

// Caller is the organisation identity that submitted the transaction. Signed
// operations do not depend on it: their actor is in the operation.
type Caller struct {
	MSP  string // MSP id of the organisation
	Role string // node role of the certificate: client, admin, peer or orderer
}
