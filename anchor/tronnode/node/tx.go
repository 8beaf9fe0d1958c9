package node

import (
	"crypto/sha256"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/protobuf/proto"
)

// Limits of a transaction, from java-tron's Constant.java.
const (
	maxTxBytes      = 500 * 1024
	maxExpiry       = 24 * 60 * 60 * 1000 // ms after the head block
	resultBytes     = 64                  // added to each transaction's size for its result
	maxSignatures   = 5
	recentBlocks    = 1 << 16
	maxPending      = 2000
	maxWait         = 60_000 // ms that a transaction waits for a block
	maxContractName = 32
)

// Refusal is the answer to a transaction that the node does not take.
type Refusal struct {
	Code    api.ReturnResponseCode
	Message string
}

func (r *Refusal) Error() string { return r.Code.String() + ": " + r.Message }

func refuse(code api.ReturnResponseCode, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Message: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) *Refusal {
	return refuse(api.Return_CONTRACT_VALIDATE_ERROR, "Contract validate error : "+format, args...)
}

// transaction is a transaction with what is read off it once.
type transaction struct {
	msg      *core.Transaction
	id       common.Hash
	size     int // bytes without results
	owner    common.Address
	contract proto.Message // the one contract
	kind     core.Transaction_Contract_ContractType
	signers  []common.Address // of each signature, once they are recovered
	since    int64            // ms: when it began to wait, by this node's clock
}

// TransactionID is the SHA-256 of the raw data.
func TransactionID(raw *core.TransactionRaw) common.Hash { return sha256.Sum256(marshal(raw)) }

// decode reads a transaction. Refusals come in the order in which java-tron
// would find them.
func decode(msg *core.Transaction) (*transaction, *Refusal) {
	msg = proto.Clone(msg).(*core.Transaction)
	msg.Ret = nil // the client's results count for nothing
	t := &transaction{msg: msg, id: TransactionID(msg.GetRawData()), size: proto.Size(msg)}
	contracts := msg.GetRawData().GetContract()
	if len(contracts) == 0 {
		return nil, invalid("no contract")
	}
	t.kind = contracts[0].GetType()
	var owner []byte
	switch t.kind {
	case core.Transaction_Contract_TransferContract:
		c := &core.TransferContract{}
		t.contract, owner = c, unpack(contracts[0], c, c.GetOwnerAddress)
	case core.Transaction_Contract_TriggerSmartContract:
		c := &core.TriggerSmartContract{}
		t.contract, owner = c, unpack(contracts[0], c, c.GetOwnerAddress)
	case core.Transaction_Contract_CreateSmartContract:
		c := &core.CreateSmartContract{}
		t.contract, owner = c, unpack(contracts[0], c, c.GetOwnerAddress)
	case core.Transaction_Contract_AccountPermissionUpdateContract:
		c := &core.AccountPermissionUpdateContract{}
		t.contract, owner = c, unpack(contracts[0], c, c.GetOwnerAddress)
	default:
		return nil, invalid("this test node does not run %s", t.kind)
	}
	addr, err := unwire(owner)
	if err != nil {
		return nil, refuse(api.Return_SIGERROR, "Validate signature error: %v", err)
	}
	t.owner = addr
	return t, nil
}

// unpack decodes the contract's parameter; a broken one has no owner.
func unpack(c *core.Transaction_Contract, into proto.Message, owner func() []byte) []byte {
	if c.GetParameter() == nil || c.GetParameter().UnmarshalTo(into) != nil {
		return nil
	}
	return owner()
}

// recoverSigner returns who made an r, s, v signature; v is 0, 1, 27 or 28.
func recoverSigner(digest common.Hash, sig []byte) (common.Address, error) {
	if len(sig) < 65 {
		return common.Address{}, fmt.Errorf("signature of %d bytes", len(sig))
	}
	rsv := append([]byte(nil), sig[:65]...)
	if rsv[64] >= 27 {
		rsv[64] -= 27
	}
	pub, err := crypto.SigToPub(digest[:], rsv)
	if err != nil {
		return common.Address{}, fmt.Errorf("recover signer: %w", err)
	}
	return crypto.PubkeyToAddress(*pub), nil
}
