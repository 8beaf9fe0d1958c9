package vc

import (
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
)

// maxChain bounds how many terms may stand behind one another in the meaning of one.
const maxChain = 8

// synonyms returns the names that stand for the same as another name, in any two of the
// contexts or within one. What is signed over RDF can be written with either, and
// @context be changed with it.
func synonyms(contexts map[string]*Context) map[string]bool {
	d := dictionary{map[string]map[string]bool{}, nil}
	for _, c := range contexts {
		if doc, err := canon.ParseObject([]byte(strings.TrimSpace(string(c.Text)))); err == nil { // none without its text
			definition, _ := doc.Find("@context")
			d.read(definition, nil)
		}
	}
	for _, vocabulary := range d.vocabularies {
		for meaning := range d.names {
			if name, ok := strings.CutPrefix(meaning, vocabulary); ok {
				d.add(meaning, name)
			}
		}
	}
	out := map[string]bool{}
	for _, names := range d.names {
		for name := range names {
			if len(names) > 1 {
				out[name] = true
			}
		}
	}
	return out
}

// dictionary has the names of each meaning, and the vocabularies in which every name
// stands for itself.
type dictionary struct {
	names        map[string]map[string]bool
	vocabularies []string
}

func (d *dictionary) add(meaning, name string) {
	if d.names[meaning] == nil {
		d.names[meaning] = map[string]bool{}
	}
	d.names[meaning][name] = true
}

// read notes the terms of a context and of those within it. scope are the terms around it.
func (d *dictionary) read(context any, scope scope) {
	for _, part := range asList(context) {
		terms, _ := part.(canon.Object) // the text of what a URL names is read by itself
		scope = append(scope[:len(scope):len(scope)], terms)
		if vocabulary, _ := text(terms, "@vocab"); vocabulary != "" {
			d.vocabularies = append(d.vocabularies, vocabulary)
		}
		for _, term := range terms {
			if strings.HasPrefix(term.Name, "@") {
				continue
			}
			if meaning := scope.meaning(term.Name, 0); meaning != "" {
				d.add(meaning, term.Name)
			}
			definition, _ := term.Value.(canon.Object)
			if inner, ok := definition.Find("@context"); ok {
				d.read(inner, scope)
			}
		}
	}
}

// scope are objects of terms, of which the last that defines a term counts.
type scope []canon.Object

func (s scope) find(name string) (any, bool) {
	for i := len(s) - 1; i >= 0; i-- {
		if value, ok := s[i].Find(name); ok {
			return value, true
		}
	}
	return nil, false
}

// meaning is the IRI or keyword that a term stands for, empty for none.
func (s scope) meaning(name string, chain int) string {
	value, _ := s.find(name)
	stated, ok := value.(string)
	if definition, isObject := value.(canon.Object); isObject {
		if stated, ok = text(definition, "@id"); !ok {
			stated, ok = text(definition, "@reverse")
		}
		if _, unclear := definition.Find("@id"); !ok && !unclear { // of the vocabulary
			stated, ok = name, true
		}
	}
	if !ok || chain > maxChain {
		return ""
	}
	prefix, rest, compact := strings.Cut(stated, ":")
	switch {
	case strings.HasPrefix(stated, "@"), strings.HasPrefix(rest, "//"):
		return stated
	case compact:
		if base := s.meaning(prefix, chain+1); base != "" {
			return base + rest
		}
		return stated
	}
	if stated != name {
		if base := s.meaning(stated, chain+1); base != "" {
			return base
		}
	}
	vocabulary, _ := s.find("@vocab")
	base, _ := vocabulary.(string)
	return base + stated
}
