package submit

import (
	"context"
	"fmt"
	"iter"
)

// Ledger is what submit needs of a network. Implementations must be safe for
// concurrent use and must not retry what could change the ledger.
type Ledger interface {
	// Prepare makes a transaction of a batch (docs/formats/operation.md section 2)
	// and chooses its id. contents, by their SHA-256 in hex, go to those who execute the
	// batch and into no block. Nothing leaves the process.
	Prepare(frame []byte, contents map[string][]byte) (Transaction, error)
	// Find reports whether a transaction is in a block, be it valid or void. False
	// means that the nodes that were asked have not seen it.
	Find(ctx context.Context, id string) (bool, error)
	// Blocks yields every block from number from on, in order and without gaps,
	// and waits for those that do not exist yet. The pair with an error is the last.
	Blocks(ctx context.Context, from uint64) iter.Seq2[Block, error]
}

// Transaction is one batch on its way. It is used by one goroutine at a time.
type Transaction interface {
	// ID returns the id that was chosen by Prepare.
	ID() string
	// Endorse has the batch executed by as many organisations as the ledger asks
	// for. Whatever it returns, nothing has changed on the ledger. A *fault.Error
	// is the chaincode's refusal of the whole batch; any other error says that too
	// few organisations answered alike.
	Endorse(ctx context.Context) error
	// Submit hands the endorsed batch over for ordering, and may be called again:
	// an id takes effect once. nil means that it was taken and no more; any error
	// leaves the outcome unknown, to be found in blocks or by Find, unless it is a
	// *TooLarge that is certain.
	Submit(ctx context.Context) error
}

// TooLarge says that orderers refuse to order a transaction for its size, and would
// again.
type TooLarge struct {
	// Certain says that the transaction is nowhere and will not come. Otherwise one
	// that lies among the orderers may have it ordered, now or later.
	Certain bool
	Cause   error
}

func (e *TooLarge) Error() string { return fmt.Sprintf("too large for the orderers: %v", e.Cause) }

// Unwrap returns what the orderers said.
func (e *TooLarge) Unwrap() error { return e.Cause }

// Block is a committed block, as far as submit and events need it.
type Block struct {
	Number       uint64
	Transactions []Committed
}

// Committed is a transaction in a block.
type Committed struct {
	ID       string
	Index    uint32 // place in the block, from 0
	Time     uint64 // seconds since 1970 that it claims and its endorsers took, within five minutes of their clocks; of valid transactions
	Valid    bool
	Reason   string   // Fabric's name of the validation code, for example MVCC_READ_CONFLICT
	Args     [][]byte // what the chaincode was called with, its function first; of valid transactions
	Response []byte   // what the chaincode answered; of valid transactions
	Writes   []Write  // to the ledger's own namespace; of valid transactions
}

// Write is one change of a key.
type Write struct {
	Key    string
	Value  []byte
	Delete bool
}
