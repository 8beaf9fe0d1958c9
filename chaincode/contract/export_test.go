package contract

import (
	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// NewState gives tests the store over a stub.
func NewState(stub shim.ChaincodeStubInterface) ledger.Store { return &state{stub} }
