package vc

import (
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// onlyTerms refuses a document whose members do not all have the names that a context of
// the allow-list gives them. A proof over RDF signs what names stand for and neither the
// names nor @context: whoever holds the document could write another name for the same
// thing, and so hide a status or an end from those who read the JSON, or let one claim
// pass for another. Terms that a document defines itself are taken in presentations
// alone, and as types alone: who presents has signed for this one request.
func onlyTerms(unsecured, proof canon.Object, purpose Purpose) error {
	own := map[string]bool{}
	contexts, _ := unsecured.Find("@context")
	for _, entry := range asList(contexts) {
		terms, ok := entry.(canon.Object)
		if ok && purpose == AssertionMethod {
			return fault.New(fault.InvalidValue, "@context: %s does not sign the terms that a document defines itself", rdfSuite)
		}
		for _, m := range terms {
			own[m.Name] = true
		}
	}
	// Credentials are looked at with proofs of their own.
	if err := checkNames(unsecured.Without("verifiableCredential"), own); err != nil {
		return err
	}
	return checkNames(proof, own)
}

// checkNames looks at the names of all members but those of contexts.
func checkNames(value any, own map[string]bool) error {
	switch v := value.(type) {
	case []any:
		for _, e := range v {
			if err := checkNames(e, own); err != nil {
				return err
			}
		}
	case canon.Object:
		for _, m := range v {
			if m.Name == "@context" {
				continue
			}
			if own[m.Name] || strings.Contains(m.Name, ":") {
				return fault.New(fault.InvalidValue, "%.100q: %s signs what a name stands for, and so only terms of known contexts are taken", m.Name, rdfSuite)
			}
			if err := checkNames(m.Value, own); err != nil {
				return err
			}
		}
	}
	return nil
}
