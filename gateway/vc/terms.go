package vc

import (
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// onlyTerms refuses a document whose members do not all have the names that a context of
// the allow-list gives them, or have names for which the list has others. A proof over RDF
// signs what names stand for and neither the names nor @context: whoever holds the document
// could write another name for the same thing, and so hide a status or an end from those
// who read the JSON, or let one claim pass for another. Terms that a document defines itself
// are taken in presentations alone, and as types alone: who presents has signed for this one
// request.
func (v *Verifier) onlyTerms(unsecured, proof canon.Object, purpose Purpose) error {
	n := naming{own: map[string]bool{}}
	if v.Contexts != nil {
		n.synonyms = v.Contexts.synonyms
	}
	contexts, _ := unsecured.Find("@context")
	for _, entry := range asList(contexts) {
		terms, ok := entry.(canon.Object)
		if ok && purpose == AssertionMethod {
			return fault.New(fault.InvalidValue, "@context: %s does not sign the terms that a document defines itself", rdfSuite)
		}
		for _, m := range terms {
			n.own[m.Name] = true
		}
	}
	// Credentials are looked at with proofs of their own.
	if err := n.check(unsecured.Without("verifiableCredential")); err != nil {
		return err
	}
	return n.check(proof)
}

// naming are the names that members must not have: terms of the document's own, and those
// that are not the only ones for what they stand for.
type naming struct{ own, synonyms map[string]bool }

// check looks at the names of all members but those of contexts, and at types.
func (n naming) check(value any) error {
	switch v := value.(type) {
	case []any:
		for _, e := range v {
			if err := n.check(e); err != nil {
				return err
			}
		}
	case canon.Object:
		for _, m := range v {
			if m.Name == "@context" {
				continue
			}
			if n.own[m.Name] || strings.Contains(m.Name, ":") {
				return fault.New(fault.InvalidValue, "%.100q: %s signs what a name stands for, and so only terms of known contexts are taken", m.Name, rdfSuite)
			}
			names := []string{m.Name}
			if m.Name == "type" || m.Name == "@type" {
				types, _ := texts(m.Value)
				names = append(names, types...)
			}
			if i := slices.IndexFunc(names, func(name string) bool { return n.synonyms[name] }); i >= 0 {
				return fault.New(fault.InvalidValue, "%.100q: %s does not sign which name it is, and the contexts that are allowed here have another for the same", names[i], rdfSuite)
			}
			if err := n.check(m.Value); err != nil {
				return err
			}
		}
	}
	return nil
}
