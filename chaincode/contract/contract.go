// Package contract puts the ledger's operations on Hyperledger Fabric. It is
// the only user of the Fabric shim: it checks the function that is called, the
// caller and the claimed time, gives package ops a transaction over the peer's
// state, and writes what has changed after the function ended well. An error
// leaves no write at all, and its text is "code: text".
package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/hyperledger/fabric-chaincode-go/v2/pkg/cid"
	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	"github.com/hyperledger/fabric-contract-api-go/v2/contractapi"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
)

// maxSkew is how far a transaction's claimed time may be from this endorser's
// clock. Beyond it the endorser refuses; it never answers differently.
const maxSkew = 5 * time.Minute

// Chaincode is Killick's chaincode. It may serve many calls at once.
type Chaincode struct {
	api    *contractapi.ContractChaincode
	engine *ops.Engine
	now    func() time.Time
	log    *slog.Logger
}

// New returns the chaincode. now is this endorser's clock.
func New(now func() time.Time, log *slog.Logger) (*Chaincode, error) {
	api, err := contractapi.NewChaincode(contracts()...)
	if err != nil {
		return nil, fmt.Errorf("describe contracts: %w", err)
	}
	return &Chaincode{api: api, engine: ops.New(), now: now, log: log}, nil
}

// Running says which program file the chaincode runs in, by its SHA-256 in hex.
// It is called before the chaincode serves.
func (c *Chaincode) Running(program string) { c.engine.Program = program }

// Init does nothing: the ledger is initialised by ops:Init.
func (c *Chaincode) Init(shim.ChaincodeStubInterface) *peer.Response { return shim.Success(nil) }

// Invoke runs one function. Names and numbers of arguments are compared exactly
// before contract-api sees the call, because it would accept other
// capitalisations and surplus arguments.
func (c *Chaincode) Invoke(stub shim.ChaincodeStubInterface) (response *peer.Response) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("panic in a call", "tx", stub.GetTxID(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			response = shim.Error(render(fault.New(fault.Internal, "the call could not be carried out")))
		}
	}()
	call, err := c.accept(stub)
	if err != nil {
		return shim.Error(render(err))
	}
	if response := c.api.Invoke(call); response.GetStatus() != shim.OK {
		return c.refuse(call, response)
	}
	if call.function.Writes {
		if err := flush(call); err != nil {
			c.log.Error("writes did not reach the peer", "tx", stub.GetTxID(), "error", err)
			return shim.Error(render(err))
		}
	}
	return shim.Success(call.answer)
}

// accept checks a call and begins its transaction. Errors:
// fault.UnknownFunction, fault.WrongArguments, fault.ClockSkew,
// fault.WrongNetwork, fault.TooLarge.
func (c *Chaincode) accept(stub shim.ChaincodeStubInterface) (*call, error) {
	args := stub.GetArgs()
	if len(args) == 0 {
		return nil, fault.New(fault.UnknownFunction, "no function is named")
	}
	f, err := ops.LookupFunction(string(args[0]))
	if err != nil {
		return nil, err
	}
	if len(args)-1 != f.Args {
		return nil, fault.New(fault.WrongArguments, "%s takes %d, got %d", f.Name, f.Args, len(args)-1)
	}
	claimed, err := c.claimed(stub)
	if err != nil {
		return nil, err
	}
	if err := checkTransient(stub); err != nil {
		return nil, err
	}
	if f.Name == "ops:Init" {
		if err := ofChannel(args[1], stub.GetChannelID()); err != nil {
			return nil, err
		}
	}
	var caller ledger.Caller
	if f.Organisation {
		if caller, err = callerOf(stub); err != nil {
			return nil, err
		}
	}
	return &call{
		ChaincodeStubInterface: stub, function: f, args: args[1:], engine: c.engine,
		tx: ledger.Begin(&state{stub}, claimed, caller).With(&private{stub}),
	}, nil
}

func (c *Chaincode) claimed(stub shim.ChaincodeStubInterface) (uint64, error) {
	stamp, err := stub.GetTxTimestamp()
	if err != nil || stamp.GetSeconds() < 0 {
		return 0, fault.New(fault.ClockSkew, "the transaction claims no time")
	}
	claimed := stamp.AsTime()
	if skew := c.now().Sub(claimed).Abs(); skew > maxSkew {
		return 0, fault.New(fault.ClockSkew, "the transaction claims %s, this endorser's clock differs by %s",
			claimed.UTC().Format(time.RFC3339), skew.Round(time.Second))
	}
	return uint64(stamp.GetSeconds()), nil
}

// ofChannel refuses to give a ledger the name of another channel. The request
// is decoded strictly later; here only its network counts.
func ofChannel(init []byte, channel string) error {
	var request struct {
		Network string `json:"network"`
	}
	if err := json.Unmarshal(init, &request); err != nil {
		return fault.New(fault.Malformed, "not JSON")
	}
	if !strings.HasPrefix(request.Network, channel+"-") {
		return fault.New(fault.WrongNetwork, "this is the channel %s", channel)
	}
	return nil
}

// roles are the node roles that Fabric puts into certificates as
// organisational units.
var roles = []string{"admin", "client", "peer", "orderer"}

func callerOf(stub shim.ChaincodeStubInterface) (ledger.Caller, error) {
	identity, err := cid.New(stub)
	if err != nil {
		return ledger.Caller{}, fault.New(fault.NotMember, "the caller's identity cannot be read")
	}
	msp, err := identity.GetMSPID()
	if err != nil {
		return ledger.Caller{}, fault.New(fault.NotMember, "the caller's organisation cannot be read")
	}
	certificate, err := identity.GetX509Certificate()
	if err != nil || certificate == nil {
		return ledger.Caller{}, fault.New(fault.NotMember, "the caller has no X.509 certificate")
	}
	caller := ledger.Caller{MSP: msp}
	for _, unit := range certificate.Subject.OrganizationalUnit {
		if slices.Contains(roles, unit) {
			caller.Role = unit
		}
	}
	return caller, nil
}

// refuse renders the error of a call. contract-api passes errors as text, so
// the error itself is taken from the call.
func (c *Chaincode) refuse(call *call, response *peer.Response) *peer.Response {
	err := call.err
	if err == nil {
		err = fault.New(fault.Internal, "%s", response.GetMessage())
	}
	if fault.Of(err) >= fault.Internal {
		c.log.Error("a call failed", "tx", call.GetTxID(), "function", call.function.Name, "error", err)
	}
	return shim.Error(render(err))
}

// render writes an error in its wire form. The text of a foreign error stays
// on this side, in the log.
func render(err error) string {
	var refusal *fault.Error
	if !errors.As(err, &refusal) {
		return fault.New(fault.Internal, "the call could not be carried out").Error()
	}
	return refusal.Error()
}

// flush hands all changes to the peer in as few messages as it takes.
func flush(call *call) error {
	call.StartWriteBatch()
	if err := call.tx.Flush(); err != nil {
		return err
	}
	return call.FinishWriteBatch()
}

// SelfTest checks this program against fixed vectors.
func SelfTest() error { return ops.SelfTest() }
