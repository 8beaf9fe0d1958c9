package main

import (
	"crypto/ed25519"
	"fmt"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops"
)

// The signature algorithms of users.
const (
	edDSA  = "EdDSA"
	es256  = "ES256"
	es256K = "ES256K"
)

// algorithms are all that the ledger takes.
var algorithms = []string{edDSA}

// account is a user of the load: one key, one DID.
type account struct {
	did    string
	kid    string
	key    ed25519.PrivateKey
	create ops.Item // the operation that makes the DID
}

// KeyID implements ops.Signer.
func (a *account) KeyID() string { return a.kid }

// Sign implements ops.Signer.
func (a *account) Sign(message []byte) ([]byte, error) { return ed25519.Sign(a.key, message), nil }

// newAccount draws a key and signs the operation that creates its DID.
func newAccount(network, algorithm string) (*account, error) {
	if algorithm != edDSA {
		return nil, fmt.Errorf("no algorithm %s", algorithm)
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	commitment := canon.Sum(did.KeyBytes([32]byte(public)))
	document, err := canon.Marshal(did.Document{
		VerificationMethod:   []did.Method{{ID: "#key-1", Type: "Multikey", PublicKeyMultibase: did.FormatKey([32]byte(public))}},
		CapabilityInvocation: []string{"#key-1"},
		Recovery:             canon.B64(commitment[:]),
	})
	if err != nil {
		return nil, err
	}
	name, _, err := ops.NewDID(network, document)
	if err != nil {
		return nil, err
	}
	a := &account{did: name, kid: name + "#key-1", key: private}
	a.create, err = a.sign(network, &ops.DIDCreate{Document: document})
	return a, err
}
