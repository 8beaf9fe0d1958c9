package vc

import (
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// Open opens disclosures of a payload, which must all be of it.
func Open(payload []byte, disclosures ...string) (canon.Object, error) {
	o, err := canon.ParseObject(payload)
	if err != nil {
		return nil, err
	}
	return (&selective{disclosures: disclosures}).open(o)
}

// ReadJWK reads a public key.
func ReadJWK(text []byte) (*did.PublicKey, error) {
	o, err := canon.ParseObject(text)
	if err != nil {
		return nil, err
	}
	return ParseJWK(o)
}

// FormatJWK writes a public key.
func FormatJWK(key *did.PublicKey) []byte { return formatJWK(key).JCS() }

// OpenWith verifies an SD-JWT with a key that is known from elsewhere, as examples
// without a kid need it, and opens it.
func OpenWith(compact string, issuer *did.PublicKey, expect *Expectation, at time.Time) (canon.Object, error) {
	s, err := parseSelective(compact)
	if err != nil {
		return nil, err
	}
	j, err := parseJWS(s.jwt)
	if err != nil {
		return nil, err
	}
	if !issuer.Verify(j.input, j.signature) {
		return nil, fault.New(fault.BadSignature, "not the issuer's")
	}
	payload, err := canon.ParseObject(j.payload)
	if err != nil {
		return nil, err
	}
	holder, err := holderKey(payload)
	if err != nil {
		return nil, err
	}
	if err := s.checkBinding(holder, expect, at); err != nil {
		return nil, err
	}
	return s.open(payload)
}
