package fabric

import (
	"fmt"
	"strings"

	"github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/killick-ledger/killick/chaincode/fault"
)

// Refused says that the chaincode ran and refused: nothing happened and the same
// request would be refused again. Message is the chaincode's own text, cut when it is
// long.
type Refused struct {
	Organisation string // whose peer is quoted
	Status       int32
	Message      string
}

func (e *Refused) Error() string { return "chaincode refused: " + e.Message }

// reason is the chaincode's code, or the whole text where it has none: the texts of one
// code may name a peer's own clock.
func (e *Refused) reason() string {
	if f, ok := fault.Parse(e.Message); ok {
		return f.Code.String()
	}
	return e.Message
}

// Diverged says that too few organisations returned the same bytes: somebody is
// wrong, runs other code, or lags behind. Results maps each organisation to what it
// answered: the first bytes (hex) of a hash of its result, or its error.
type Diverged struct {
	TxID    string
	Results map[string]string
}

func (e *Diverged) Error() string {
	var parts []string
	for _, org := range sortedKeys(e.Results) {
		parts = append(parts, org+": "+e.Results[org])
	}
	return "organisations differ on transaction " + e.TxID + " (" + strings.Join(parts, "; ") + ")"
}

// Unavailable says that too few peers answered; nothing was submitted.
type Unavailable struct {
	Need, Got int
	Causes    map[string]string // by organisation
}

func (e *Unavailable) Error() string {
	var parts []string
	for _, org := range sortedKeys(e.Causes) {
		parts = append(parts, org+": "+e.Causes[org])
	}
	return fmt.Sprintf("%d of %d needed organisations answered (%s)", e.Got, e.Need, strings.Join(parts, "; "))
}

// Invalid says that the transaction is in a block and had no effect.
type Invalid struct {
	TxID  string
	Block uint64
	Code  int32 // peer.TxValidationCode
}

func (e *Invalid) Error() string {
	return fmt.Sprintf("transaction %s in block %d is invalid: %s", e.TxID, e.Block, peer.TxValidationCode(e.Code))
}

// stale reports whether something that the transaction read had changed when it came
// to be ordered.
func (e *Invalid) stale() bool {
	code := peer.TxValidationCode(e.Code)
	return code == peer.TxValidationCode_MVCC_READ_CONFLICT || code == peer.TxValidationCode_PHANTOM_READ_CONFLICT
}

// Unknown says that the transaction may or may not commit, now or later. Look it up
// by its id before anything else is done about it.
type Unknown struct {
	TxID  string
	Cause error
}

func (e *Unknown) Error() string {
	return fmt.Sprintf("outcome of transaction %s is unknown: %v", e.TxID, e.Cause)
}

// Unwrap returns what went wrong.
func (e *Unknown) Unwrap() error { return e.Cause }
