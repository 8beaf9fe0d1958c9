package main

import (
	"fmt"
	"time"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/client"
)

// The signature algorithms of users.
const (
	edDSA  = string(did.EdDSA)
	es256  = string(did.ES256)
	es256K = string(did.ES256K)
)

// algorithms are all that the ledger takes.
var algorithms = []string{edDSA, es256, es256K}

// account is a user of the load: one key, one DID.
type account struct {
	client.Signer
	did    string
	kid    string
	create ops.Item // the operation that makes the DID
}

// KeyID implements ops.Signer; the name is kept, for it is asked for often.
func (a *account) KeyID() string { return a.kid }

// newAccount draws a key and signs the operation that creates its DID.
func newAccount(network, algorithm string) (*account, error) {
	identity, _, err := client.Generate(algorithm, false)
	if err != nil {
		return nil, err
	}
	a := &account{Signer: identity.On(network)}
	a.did, a.kid = a.Signer.DID(), a.Signer.KeyID()
	a.create, err = a.sign(&ops.DIDCreate{Document: identity.Document()})
	return a, err
}

// lifetime of operations: longer than any run takes from signing to sending.
const lifetime = 12 * time.Hour

func (a *account) sign(body ops.Body) (ops.Item, error) {
	item, _, err := a.signed(body)
	return item, err
}

func (a *account) signed(body ops.Body) (ops.Item, ops.Reference, error) {
	now := uint64(time.Now().Unix())
	return ops.SignRequest(ops.Request{
		Alg: a.Algorithm(), Network: a.Network(), IssuedAt: now, Expires: now + uint64(lifetime.Seconds()), Body: body,
	}, a)
}

// publicKey is the key of a fresh account, with a signature over a message.
func publicKey(algorithm string, message []byte) (*did.PublicKey, []byte, error) {
	identity, _, err := client.Generate(algorithm, false)
	if err != nil {
		return nil, nil, err
	}
	document, _, err := did.DecodeDocument(identity.Document())
	if err != nil {
		return nil, nil, err
	}
	key, err := document.SigningKey(document.VerificationMethod[0].ID[1:])
	if err != nil {
		return nil, nil, err
	}
	signature, err := identity.On("price").Sign(message)
	if err == nil && !key.Verify(message, signature) {
		err = fmt.Errorf("a signature with %s does not verify", algorithm)
	}
	return key, signature, err
}
