package vc

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// BaseContext is the context that every credential and presentation begins with.
const BaseContext = "https://www.w3.org/ns/credentials/v2"

// Context is one context that documents may name.
type Context struct {
	URL    string
	SHA256 [32]byte // of the file that the URL stands for
	SHA384 [48]byte // of the same file
	// Types are the values of type that the context gives a meaning to. An entry "*"
	// stands for all: it is for contexts with @vocab, in tests.
	Types []string
	// Text is the file; of the base context nil unless somebody gave it. Only proofs
	// over RDF need it.
	Text []byte

	terms map[string]bool // that it defines at its top
}

// Base returns the context that every list contains.
func Base() Context { return base }

// base is the context of VC Data Model 2.0, whose file is frozen: the digests are
// those that the Recommendation's file has.
var base = Context{
	URL:    BaseContext,
	SHA256: [32]byte(mustHex("59955ced6697d61e03f2b2556febe5308ab16842846f5b586d7f1f7adec92734", 32)),
	SHA384: [48]byte(mustHex("97f1eb8e5042356c805fdd61afa2c557663785e0794dcafa21e138fd38def18cb360133c221aa31d6896a6bf3e65b614", 48)),
	Types: []string{
		"VerifiableCredential", "VerifiablePresentation", "EnvelopedVerifiableCredential", "EnvelopedVerifiablePresentation",
		"JsonSchema", "JsonSchemaCredential", "BitstringStatusListCredential", "BitstringStatusList", "BitstringStatusListEntry",
		"DataIntegrityProof",
	},
	terms: setOf(
		"BitstringStatusList", "BitstringStatusListCredential", "BitstringStatusListEntry", "DataIntegrityProof",
		"EnvelopedVerifiableCredential", "EnvelopedVerifiablePresentation", "JsonSchema", "JsonSchemaCredential",
		"VerifiableCredential", "VerifiablePresentation", "...", "_sd", "_sd_alg", "aud", "cnf", "description", "digestMultibase",
		"digestSRI", "exp", "iat", "id", "iss", "jku", "kid", "mediaType", "name", "nbf", "sub", "type", "x5u",
	),
}

func setOf(names ...string) map[string]bool {
	set := map[string]bool{}
	for _, name := range names {
		set[name] = true
	}
	return set
}

func mustHex(text string, n int) []byte {
	b, err := canon.UnHex(text, n)
	if err != nil {
		panic(err)
	}
	return b
}

// PinContext returns the context that a file defines. The file must have the
// digest, and define each of the types as a term of its own.
// Errors: fault.InvalidValue, and those of canon.ParseObject.
func PinContext(url string, file []byte, digest [32]byte, types ...string) (Context, error) {
	c := Context{URL: url, SHA256: sha256.Sum256(file), SHA384: sha512.Sum384(file), Types: slices.Clone(types), Text: slices.Clone(file)}
	if c.SHA256 != digest {
		return Context{}, fault.New(fault.InvalidValue, "the file of the context %.200s has the digest %x, %x is pinned", url, c.SHA256, digest)
	}
	if !isURL(url) {
		return Context{}, fault.New(fault.InvalidValue, "the context %.200q is not a URL", url)
	}
	doc, err := canon.ParseObject([]byte(strings.TrimSpace(string(file))))
	if err != nil {
		return Context{}, err
	}
	c.terms = defined(doc)
	for _, name := range types {
		if name == "*" {
			name = "@vocab"
		}
		if !c.terms[name] {
			return Context{}, fault.New(fault.InvalidValue, "the context %.200s does not define the type %.100q", url, name)
		}
	}
	return c, nil
}

// defined returns the names that a context file gives a meaning to.
func defined(doc canon.Object) map[string]bool {
	names := map[string]bool{}
	definition, _ := doc.Find("@context")
	for _, part := range asList(definition) {
		terms, _ := part.(canon.Object)
		for _, m := range terms {
			names[m.Name] = true
		}
	}
	return names
}

// Contexts is the allow-list.
type Contexts struct {
	byURL    map[string]*Context
	synonyms map[string]bool
}

// NewContexts returns the list of the base context, LedgerContext and the given ones. Errors:
// fault.InvalidValue for a URL that occurs twice; the base context may be given once, with
// its text.
func NewContexts(more ...Context) (*Contexts, error) {
	c := &Contexts{byURL: map[string]*Context{}}
	for _, context := range append([]Context{base, ledgerPinned}, more...) {
		if context.URL == BaseContext && context.SHA256 == base.SHA256 && c.byURL[BaseContext] != nil && c.byURL[BaseContext].Text == nil && context.Text != nil {
			c.byURL[BaseContext].Text = context.Text
			continue
		}
		if c.byURL[context.URL] != nil {
			return nil, fault.New(fault.InvalidValue, "the context %.200s is listed twice", context.URL)
		}
		c.byURL[context.URL] = &context
	}
	c.synonyms = synonyms(c.byURL)
	return c, nil
}

// Texts returns the texts of the contexts that have one, by their URLs.
func (c *Contexts) Texts() map[string][]byte {
	out := map[string][]byte{}
	for url, context := range c.byURL {
		if context.Text != nil {
			out[url] = context.Text
		}
	}
	return out
}

// check looks at the contexts that a document names, and that each type anywhere
// in it is known to one of them, except in members that are looked at by themselves.
func (c *Contexts) check(doc canon.Object, except ...string) error {
	value, ok := doc.Find("@context")
	if !ok {
		return fault.New(fault.MissingField, "@context is missing")
	}
	v, err := c.vocabulary(value)
	if err != nil {
		return err
	}
	for _, m := range doc {
		if m.Name == "@context" || slices.Contains(except, m.Name) {
			continue
		}
		if err := v.checkMember(m); err != nil {
			return err
		}
	}
	return c.checkDigests(doc)
}

// checkMember looks at the types within a member. A JSON schema is not JSON-LD: its
// type is another word.
func (v *vocabulary) checkMember(m canon.Member) error {
	switch m.Name {
	case "jsonSchema":
		return nil
	case "@context":
		return fault.New(fault.InvalidValue, "@context may stand at the top of a document only")
	case "type", "@type":
		return v.checkTypes(m.Value)
	}
	for _, value := range asList(m.Value) {
		if err := v.checkValue(value); err != nil {
			return err
		}
	}
	return nil
}

func (v *vocabulary) checkValue(value any) error {
	switch value := value.(type) {
	case canon.Object:
		for _, m := range value {
			if err := v.checkMember(m); err != nil {
				return err
			}
		}
	case []any:
		for _, e := range value {
			if err := v.checkValue(e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *vocabulary) checkTypes(value any) error {
	types, ok := texts(value)
	if !ok {
		return fault.New(fault.WrongType, "type must be a string or a list of strings")
	}
	for _, name := range types {
		if !v.knows(name) {
			return fault.New(fault.InvalidValue, "no context of the document defines the type %.100q", name)
		}
	}
	return nil
}

// checkDigests compares the digests that the document states of contexts with the
// pinned ones. Digests of other resources are left to whoever fetches those.
func (c *Contexts) checkDigests(doc canon.Object) error {
	related, ok := doc.Find("relatedResource")
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for _, entry := range asList(related) {
		o, _ := entry.(canon.Object)
		id, ok := text(o, "id")
		if !ok || !isURL(id) || seen[id] {
			return fault.New(fault.InvalidValue, "relatedResource: each entry needs an id, a URL, of its own")
		}
		seen[id] = true
		sri, hasSRI := o.Find("digestSRI")
		multibase, hasMultibase := o.Find("digestMultibase")
		if !hasSRI && !hasMultibase {
			return fault.New(fault.MissingField, "relatedResource %.200s: digestSRI or digestMultibase is missing", id)
		}
		pinned := c.byURL[id]
		if pinned == nil {
			continue
		}
		if hasSRI && !pinned.isSRI(sri) || hasMultibase && !pinned.isMultibase(multibase) {
			return fault.New(fault.InvalidValue, "relatedResource: the context %s has another digest than the pinned one, or one of another algorithm than SHA-256 and SHA-384", id)
		}
	}
	return nil
}

func (c *Context) isSRI(value any) bool {
	text, _ := value.(string)
	return text == "sha256-"+base64.StdEncoding.EncodeToString(c.SHA256[:]) ||
		text == "sha384-"+base64.StdEncoding.EncodeToString(c.SHA384[:])
}

// isMultibase compares with a multihash: code, length, digest.
func (c *Context) isMultibase(value any) bool {
	text, _ := value.(string)
	raw, err := unMultibase(text, 50)
	return err == nil && (string(raw) == "\x12\x20"+string(c.SHA256[:]) || string(raw) == "\x20\x30"+string(c.SHA384[:]))
}

// OwnContext returns the context that a file defines which its reader chose himself: it
// is pinned to what the file is now, and each of its terms may be a type.
// Errors: those of PinContext.
func OwnContext(url string, file []byte) (Context, error) {
	doc, err := canon.ParseObject([]byte(strings.TrimSpace(string(file))))
	if err != nil {
		return Context{}, err
	}
	var terms []string
	definition, _ := doc.Find("@context")
	for _, part := range asList(definition) {
		o, _ := part.(canon.Object)
		for _, m := range o {
			if !strings.HasPrefix(m.Name, "@") && !slices.Contains(terms, m.Name) {
				terms = append(terms, m.Name)
			}
		}
	}
	return PinContext(url, file, sha256.Sum256(file), terms...)
}
