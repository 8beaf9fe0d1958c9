package contract

import (
	"fmt"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
)

// call is one call of a function. It is a stub, so that contract-api carries
// it to the contract; contract-api makes a zero context for each call and
// nothing else of ours would arrive.
type call struct {
	shim.ChaincodeStubInterface
	function ops.Function
	args     [][]byte
	engine   *ops.Engine
	tx       *ledger.Tx
	answer   []byte
	err      error
}

// GetFunctionAndParameters hides the arguments from contract-api: ops decodes
// them from their bytes.
func (c *call) GetFunctionAndParameters() (string, []string) { return c.function.Name, nil }

// state is the ledger.Store over a peer's state.
type state struct{ stub shim.ChaincodeStubInterface }

// Get returns the committed value of a key.
func (s *state) Get(key string) ([]byte, error) { return s.stub.GetState(key) }

// GetMany returns committed values; the shim splits the keys into messages.
func (s *state) GetMany(keys []string) ([][]byte, error) { return s.stub.GetMultipleStates(keys...) }

// Put sets a key when the transaction commits.
func (s *state) Put(key string, value []byte) error { return s.stub.PutState(key, value) }

// Delete removes a key when the transaction commits.
func (s *state) Delete(key string) error { return s.stub.DelState(key) }

// Range returns committed entries. The peer runs the range again at validation,
// as far as it was read.
func (s *state) Range(from, to string, limit int) (entries []ledger.Entry, err error) {
	rows, err := s.stub.GetStateByRange(from, to)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closed := rows.Close(); err == nil && closed != nil {
			err = fmt.Errorf("close range: %w", closed)
		}
	}()
	for len(entries) < limit && rows.HasNext() {
		row, err := rows.Next()
		if err != nil {
			return nil, err
		}
		entries = append(entries, ledger.Entry{Key: row.GetKey(), Value: row.GetValue()})
	}
	return entries, nil
}
