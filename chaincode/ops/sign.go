package ops

import (
	"reflect"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Request is an operation that is to be signed. The type of Body says which.
type Request struct {
	Alg      did.Algorithm // of the signer's key; empty is EdDSA
	Network  string
	IssuedAt uint64 // seconds
	Expires  uint64 // seconds, at most 24 h after IssuedAt
	Prior    string // hex hash of the version that is replaced, where one is
	Body     Body
}

// Payload returns the payload of the operation. Errors: fault.UnknownOperation
// for a body that is in no table.
func (r Request) Payload() ([]byte, error) {
	k, ok := kindByBody[reflect.TypeOf(r.Body)]
	if !ok {
		return nil, fault.New(fault.UnknownOperation, "no operation has a body of type %T", r.Body)
	}
	body, err := canon.Marshal(r.Body)
	if err != nil {
		return nil, err
	}
	p := payload{k.name, r.Network, r.IssuedAt, r.Expires, nil, body}
	if r.Prior != "" {
		p.Prior = &r.Prior
	}
	return canon.Marshal(p)
}

// Header returns the header of operations that the key with this DID URL signs;
// an empty algorithm is EdDSA.
func Header(alg did.Algorithm, kid string) ([]byte, error) {
	if alg == "" {
		alg = did.EdDSA
	}
	return canon.Marshal(headerForm{string(alg), kid, headerType})
}

// Signer signs with the key that KeyID, a DID URL, names.
type Signer interface {
	KeyID() string
	Sign(message []byte) (signature []byte, err error)
}

// Sign returns the signed operation of header and payload.
func Sign(header, payload []byte, signer Signer) (Item, error) {
	item := Item{Header: header, Payload: payload}
	signature, err := signer.Sign(item.input())
	item.Signature = signature
	return item, err
}

// SignRequest builds and signs an operation and returns it with its reference.
func SignRequest(r Request, signer Signer) (Item, Reference, error) {
	head, err := Header(r.Alg, signer.KeyID())
	if err != nil {
		return Item{}, Reference{}, err
	}
	body, err := r.Payload()
	if err != nil {
		return Item{}, Reference{}, err
	}
	item, err := Sign(head, body, signer)
	return item, Reference{Expiry: uint32(r.Expires), ID: canon.Sum(item.input())}, err
}

// NewDID returns the DID that an inception document makes on a network.
// Errors: those of did.DecodeDocument.
func NewDID(network string, document []byte) (string, ledger.ID, error) {
	_, id, err := did.DecodeDocument(document)
	return did.String(network, id), id, err
}
