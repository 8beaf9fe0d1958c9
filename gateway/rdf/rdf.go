// Package rdf canonicalises JSON-LD documents as RDF Dataset Canonicalization (RDFC-1.0,
// SHA-256) has it, for proofs of cryptosuites that sign RDF. It is for verifying what
// others have signed; nothing of ours is signed so.
//
// Contexts are those that it was made with, and none is ever fetched. A document is
// bounded before the library sees it: the work of canonicalising grows with the
// factorial of nodes that look alike.
package rdf

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/piprate/json-gold/ld"
)

const (
	// maxValues is how many objects, texts, numbers and truth values a document may have:
	// json-gold v0.7.0 compares those of one property with one another.
	maxValues = 1000
	// leastNumber is below what json-gold v0.7.0 and jsonld.js write numbers alike.
	leastNumber = 1e-6
)

// Canonicalizer canonicalises documents. It is safe for concurrent use.
type Canonicalizer struct{ contexts loader }

// New returns a canonicalizer that knows the contexts with these texts, by their URLs.
// Errors: fault.Malformed.
func New(files map[string][]byte) (*Canonicalizer, error) {
	c := &Canonicalizer{contexts: loader{}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		var text any
		if err := json.Unmarshal(files[name], &text); err != nil {
			return nil, fault.New(fault.Malformed, "context %.200s: %v", name, err)
		}
		c.contexts[name] = withoutNull(text)
	}
	return c, nil
}

// withoutNull takes the scoped context null off terms that have it beside the container
// @graph, as verifiableCredential in the context of VC Data Model 2.0: json-gold v0.7.0
// loses the graph of a term that has both. A credential in a presentation begins with
// the base context itself, whose terms are protected, so that it means the same.
func withoutNull(text any) any {
	switch v := text.(type) {
	case []any:
		for _, e := range v {
			withoutNull(e)
		}
	case map[string]any:
		if scope, has := v["@context"]; has && scope == nil && v["@container"] == "@graph" {
			delete(v, "@context")
		}
		for _, e := range v {
			withoutNull(e)
		}
	}
	return text
}

// loader hands out the known contexts.
type loader map[string]any

// LoadDocument implements ld.DocumentLoader.
func (l loader) LoadDocument(url string) (*ld.RemoteDocument, error) {
	text, ok := l[url]
	if !ok {
		return nil, ld.NewJsonLdError(ld.LoadingRemoteContextFailed, fmt.Sprintf("the text of the context %.200s is not known here", url))
	}
	return &ld.RemoteDocument{DocumentURL: url, Document: text}, nil
}

// Canonical returns the canonical N-Quads of a document.
// Errors: fault.InvalidValue for a document that is not JSON-LD by the known contexts, or
// says what they do not define; fault.TooLarge for one that is costly to canonicalise;
// fault.MethodUnsupported for one that the library is known to canonicalise wrongly.
func (c *Canonicalizer) Canonical(doc canon.Object) (quads []byte, err error) {
	if err := check(doc); err != nil {
		return nil, err
	}
	var plain map[string]any
	if err := json.Unmarshal(doc.JCS(), &plain); err != nil {
		return nil, fmt.Errorf("canonical JSON: %w", err)
	}
	options := ld.NewJsonLdOptions("")
	options.DocumentLoader, options.Algorithm, options.Format, options.SafeMode = c.contexts, ld.AlgorithmURDNA2015, "application/n-quads", true
	processor := ld.NewJsonLdProcessor()
	// The library is of others, and the document of anybody.
	defer func() {
		if r := recover(); r != nil {
			quads, err = nil, fault.New(fault.InvalidValue, "the document cannot be read as JSON-LD: %v", r)
		}
	}()
	// Normalize by itself forgets SafeMode, and drops what no context defines: nobody
	// would have signed it.
	expanded, err := processor.Expand(plain, options)
	if err != nil {
		return nil, fault.New(fault.InvalidValue, "the document cannot be read as JSON-LD: %.300v", err)
	}
	if err := absolute(expanded); err != nil {
		return nil, err
	}
	dataset, err := ld.NewJsonLdApi().ToRDF(expanded, options)
	if err != nil {
		return nil, fault.New(fault.InvalidValue, "the document cannot be read as JSON-LD: %.300v", err)
	}
	if err := work(dataset); err != nil {
		return nil, err
	}
	answer, err := processor.Normalize(expanded, options)
	if err != nil {
		return nil, fault.New(fault.InvalidValue, "the document cannot be read as JSON-LD: %.300v", err)
	}
	text, ok := answer.(string)
	if !ok || text == "" {
		return nil, fault.New(fault.InvalidValue, "the document says nothing as JSON-LD")
	}
	return []byte(text), nil
}

// absolute refuses names in an expanded document that are not absolute IRIs: there is no
// base that they are relative to, and RDF leaves out what they stand in.
func absolute(value any) error {
	switch v := value.(type) {
	case []any:
		for _, e := range v {
			if err := absolute(e); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if name == "@id" || name == "@type" {
				for _, iri := range texts(v[name]) {
					if u, err := url.Parse(iri); err != nil || !u.IsAbs() && iri != "@json" {
						return fault.New(fault.InvalidValue, "%.200q is not an absolute IRI", iri)
					}
				}
			}
			if name == "@value" {
				continue
			}
			if err := absolute(v[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// check bounds a document.
func check(doc canon.Object) error {
	return new(bounds).object(doc)
}

type bounds struct{ values int }

func (b *bounds) object(o canon.Object) error {
	for _, m := range o {
		if err := b.name(m); err != nil {
			return err
		}
		if err := b.list(m.Value); err != nil {
			return err
		}
	}
	return nil
}

// name refuses what makes a document more than a tree of nodes.
func (b *bounds) name(m canon.Member) error {
	switch m.Name {
	case "@context", "@id", "@type", "@value", "@language", "@direction":
	default:
		if strings.HasPrefix(m.Name, "@") || strings.HasPrefix(m.Name, "_:") {
			return fault.New(fault.InvalidValue, "%.64q: keywords are not taken in a document", m.Name)
		}
	}
	if m.Value == nil {
		return fault.New(fault.InvalidValue, "%.64q: null is not taken, since RDF leaves it out", m.Name)
	}
	for _, text := range texts(m.Value) {
		// json-gold v0.7.0 writes them as they are, where RDFC-1.0 (section 5) escapes them.
		if strings.ContainsFunc(text, func(r rune) bool { return (r < ' ' || r == 0x7f) && r != '\n' && r != '\r' }) {
			return fault.New(fault.MethodUnsupported, "%.64q: control characters are not canonicalised here", m.Name)
		}
		if strings.HasPrefix(text, "_:") {
			return fault.New(fault.InvalidValue, "%.64q: nodes without a name cannot be referred to", m.Name)
		}
	}
	return nil
}

func (b *bounds) list(value any) error {
	list, isList := value.([]any)
	if !isList {
		list = []any{value}
	}
	for _, e := range list {
		if b.values++; b.values > maxValues {
			return fault.New(fault.TooLarge, "more than %d objects and values", maxValues)
		}
		switch v := e.(type) {
		case float64:
			if v != 0 && math.Abs(v) < leastNumber {
				return fault.New(fault.MethodUnsupported, "a number below %g is not canonicalised here", leastNumber)
			}
		case []any:
			if err := b.list(v); err != nil {
				return err
			}
		case canon.Object:
			if err := b.object(v); err != nil {
				return err
			}
		}
	}
	return nil
}

// texts returns a text, or those in a list.
func texts(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, e := range v {
			out = append(out, texts(e)...)
		}
		return out
	}
	return nil
}
