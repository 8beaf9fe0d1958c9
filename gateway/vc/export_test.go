package vc

import (
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/gateway/jose"
)

// Open opens disclosures of a payload, which must all be of it.
func Open(payload []byte, disclosures ...string) (canon.Object, error) {
	o, err := canon.ParseObject(payload)
	if err != nil {
		return nil, err
	}
	return (&selective{disclosures: disclosures}).open(o)
}

// OpenWith verifies an SD-JWT with a key that is known from elsewhere, as examples
// without a kid need it, and opens it.
func OpenWith(compact string, issuer *did.PublicKey, expect *Expectation, at time.Time) (canon.Object, error) {
	s, err := parseSelective(compact)
	if err != nil {
		return nil, err
	}
	j, err := jose.Parse(s.jwt)
	if err != nil {
		return nil, err
	}
	if err := j.Verify(issuer); err != nil {
		return nil, err
	}
	payload, err := canon.ParseObject(j.Payload)
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
