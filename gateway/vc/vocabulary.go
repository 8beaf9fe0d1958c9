package vc

import (
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// vocabulary is what the contexts of one document give a meaning to: those of the
// allow-list that it names, and the terms that it defines itself.
type vocabulary struct {
	contexts []*Context
	own      map[string]bool
}

// maxTerms bounds how many terms a document may define itself.
const maxTerms = 256

// reserved are the names that this package, or VC Data Model 2.0, gives a meaning to
// besides the terms of the base context, and that a document cannot give another.
var reserved = []string{
	"credentialSchema", "credentialStatus", "credentialSubject", "evidence", "holder", "issuer", "jsonSchema", "proof",
	"refreshService", "relatedResource", "renderMethod", "termsOfUse", "validFrom", "validUntil", "verifiableCredential",
	"challenge", "created", "cryptosuite", "domain", "expires", "previousProof", "proofPurpose", "proofValue", "verificationMethod",
	"encodedList", "statusListCredential", "statusListIndex", "statusMessage", "statusPurpose", "statusReference", "statusSize", "ttl",
}

// vocabulary reads the value of @context.
// Errors: fault.InvalidValue.
func (c *Contexts) vocabulary(value any) (*vocabulary, error) {
	list, ok := value.([]any)
	if !ok || len(list) == 0 || list[0] != BaseContext {
		return nil, fault.New(fault.InvalidValue, "@context must be a list that begins with %s", BaseContext)
	}
	v := &vocabulary{own: map[string]bool{}}
	for _, entry := range list {
		if terms, ok := entry.(canon.Object); ok {
			if err := v.define(terms); err != nil {
				return nil, err
			}
			continue
		}
		url, _ := entry.(string)
		context := c.byURL[url]
		switch {
		case context == nil:
			return nil, fault.New(fault.InvalidValue, "@context: %.200v is not an allowed context", entry)
		case slices.Contains(v.contexts, context):
			return nil, fault.New(fault.InvalidValue, "@context: %s is listed twice", url)
		case len(v.own) > 0:
			return nil, fault.New(fault.InvalidValue, "@context: %s must stand before the terms that the document defines itself", url)
		}
		v.contexts = append(v.contexts, context)
	}
	return v, nil
}

// define takes terms that a document writes out: each a name for a URL, and none that
// means something already. What else a context can do (nest, import, rename keywords,
// give a default vocabulary) changes the meaning of other members, and is refused.
func (v *vocabulary) define(terms canon.Object) error {
	for _, m := range terms {
		if m.Name == "@protected" {
			if _, ok := m.Value.(bool); !ok {
				return fault.New(fault.InvalidValue, "@context: @protected must be true or false")
			}
			continue
		}
		url, _ := m.Value.(string)
		if definition, ok := m.Value.(canon.Object); ok {
			url, _ = text(definition, "@id")
			kind, typed := definition.Find("@type")
			if len(definition) > 2 || len(definition) == 2 && !typed || typed && kind != "@id" {
				return fault.New(fault.InvalidValue, "@context: the term %.100q may have @id, and @type for a reference", m.Name)
			}
		}
		if m.Name == "" || strings.ContainsAny(m.Name, "@:/# ") || !isURL(url) || !strings.Contains(url, ":") {
			return fault.New(fault.InvalidValue, "@context: %.100q must be a name that stands for a URL", m.Name)
		}
		if v.defines(m.Name) || v.own[m.Name] || slices.Contains(reserved, m.Name) {
			return fault.New(fault.InvalidValue, "@context: the term %.100q is defined already", m.Name)
		}
		if v.own[m.Name] = true; len(v.own) > maxTerms {
			return fault.New(fault.InvalidValue, "@context: more than %d terms", maxTerms)
		}
	}
	return nil
}

// defines says that a context of the allow-list has the term.
func (v *vocabulary) defines(term string) bool {
	return slices.ContainsFunc(v.contexts, func(c *Context) bool { return c.terms[term] })
}

// knows says that the document may have the type: a context of the allow-list lists it,
// the document defines it, or it is a URL, which no context gives another meaning to
// when it has an authority (JSON-LD 1.1, section 5.2.2 of its API).
func (v *vocabulary) knows(name string) bool {
	_, rest, _ := strings.Cut(name, ":")
	return v.own[name] || strings.HasPrefix(rest, "//") && isURL(name) || slices.ContainsFunc(v.contexts, func(c *Context) bool {
		return slices.Contains(c.Types, name) || slices.Contains(c.Types, "*") && !strings.HasPrefix(name, "@")
	})
}
