package contract

import (
	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
)

// Collection is the private data collection of all member organisations. What is in
// it is ciphertext, or begins with random bytes: blocks hold its plain hash. Its name
// is part of the channel's definition of the chaincode (network/topology).
const Collection = "contents"

// checkTransient refuses more than a transaction may bring, whoever sends it. Errors:
// fault.TooLarge.
func checkTransient(stub shim.ChaincodeStubInterface) error {
	transient, err := stub.GetTransient()
	if err != nil {
		return err
	}
	size := 0
	for _, content := range transient {
		size += len(content)
	}
	if size > ops.MaxContents {
		return fault.New(fault.TooLarge, "%d bytes of contents in a transaction, at most %d are possible", size, ops.MaxContents)
	}
	return nil
}

// private is the ledger.Private over a peer's private data.
type private struct{ stub shim.ChaincodeStubInterface }

// Content returns what came in the proposal's transient field under the name.
func (p *private) Content(name string) ([]byte, error) {
	transient, err := p.stub.GetTransient()
	return transient[name], err
}

// GetPrivate returns a committed private value. A peer that has its hash and not yet
// the value answers an error of its own.
func (p *private) GetPrivate(key string) ([]byte, error) {
	value, err := p.stub.GetPrivateData(Collection, key)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "this peer does not have the private value")
	}
	return value, nil
}

// PutPrivate sets a private value when the transaction commits.
func (p *private) PutPrivate(key string, value []byte) error {
	return p.stub.PutPrivateData(Collection, key, value)
}

// PurgePrivate removes a private value with its history, on every peer, when the
// transaction commits.
func (p *private) PurgePrivate(key string) error { return p.stub.PurgePrivateData(Collection, key) }
