package certificate

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/credential"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// number32 reads a number in its one spelling.
func number32(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || strconv.FormatUint(n, 10) != text {
		return 0, fault.New(fault.InvalidValue, "%.32q is not a number below 2^32 without leading zeros", text)
	}
	return uint32(n), nil
}

// isOurs says that an issuer is a DID of the own ledger.
func (s *Service) isOurs(issuer string) bool {
	_, err := did.ParseOn(s.cfg.Network, issuer)
	return err == nil && s.cfg.Ledger != nil
}

// onLedger compares a credential whose issuer is of the own ledger, and whose proof is
// good, with what the ledger holds of it, and says whether it is suspended or revoked.
// document is what was signed.
// Errors: fault.NotFound for a credential that the ledger does not know, fault.BadSignature
// for one that differs from the ledger's, fault.Suspended, fault.Revoked, and those of
// Entry and of the ledger.
func (s *Service) onLedger(ctx context.Context, document canon.Object, issuer string) (*credential.View, error) {
	list, index, err := Entry(document, issuer)
	if err != nil {
		return nil, err
	}
	v, err := s.entry(ctx, issuer, list, index)
	if err != nil {
		return nil, err
	}
	if err := Compare(document, v); err != nil {
		return nil, err
	}
	switch v.Status {
	case credential.Active:
		return v, nil
	case credential.Suspended:
		return v, fault.New(fault.Suspended, "the issuer has suspended the credential %s", v.Reference)
	}
	return v, fault.New(fault.Revoked, "the issuer has revoked the credential %s", v.Reference)
}

func (s *Service) entry(ctx context.Context, issuer string, list, index uint32) (*credential.View, error) {
	question, err := canon.Marshal(credential.EntryQuery{Issuer: issuer, List: list, Index: index})
	if err != nil {
		return nil, err
	}
	answer, err := s.cfg.Ledger.Evaluate(ctx, "credential:Entry", question)
	if err != nil {
		return nil, err
	}
	v := new(credential.View)
	if err := json.Unmarshal(answer, v, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("answer of credential:Entry: %w", err)
	}
	return v, nil
}

// Compare says whether a credential is the one that the ledger holds: by its digest,
// and by what both say of schema and evidence.
// Errors: fault.BadSignature.
func Compare(document canon.Object, v *credential.View) error {
	differs := func(what string) error {
		return fault.New(fault.BadSignature, "the ledger holds another %s of the credential %s", what, v.Reference)
	}
	if digest(document) != v.Digest {
		return differs("digest")
	}
	// The digest covers these; an issuer that signed one thing and told the ledger
	// another is found out here.
	terms := ledgerTerms(v.Schema, v.Evidence, v.Endorser)
	if !has(document, "credentialSchema", terms["credentialSchema"]) {
		return differs("schema")
	}
	if !has(document, "evidence", terms["evidence"]) {
		return differs("evidence")
	}
	if from, until, err := validity(document); err != nil || from != v.ValidFrom || until != v.ValidUntil {
		return differs("time")
	}
	return nil
}

// has says that a member has the element, and no other of its type.
func has(document canon.Object, name string, element canon.Object) bool {
	value, _ := document.Find(name)
	kind, _ := element.Find("type")
	found := 0
	for _, e := range asList(value) {
		o, _ := e.(canon.Object)
		types, _ := o.Find("type")
		if slices.Contains(asList(types), kind) {
			if string(o.JCS()) != string(element.JCS()) {
				return false
			}
			found++
		}
	}
	return found == 1
}
