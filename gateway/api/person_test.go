package api_test

import (
	"context"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
	"github.com/killick-ledger/killick/gateway/vc"
)

// person resolves the DID of one person, as it was created.
type person struct{ *submittest.Person }

func (p person) Method(_ context.Context, id string) (*vc.Method, error) {
	if id != p.KeyID() {
		return nil, fault.New(fault.DIDUnknown, "%s", id)
	}
	doc, _, err := did.DecodeDocument(p.Document)
	if err != nil {
		return nil, err
	}
	return vc.DocumentMethod(p.DID, doc, "key-1")
}
