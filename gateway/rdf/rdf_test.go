package rdf_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/rdf"
)

const contextURL = "https://contexts.example/people/v1"

// people is a context of our own; its term verifiableCredential is made as in the
// context of VC Data Model 2.0.
const people = `{"@context":{"@version":1.1,"@protected":true,"id":"@id","type":"@type",
	"Person":"https://people.example/Person","name":"https://people.example/name",
	"knows":{"@id":"https://people.example/knows","@type":"@id"},
	"Bundle":{"@id":"https://people.example/Bundle","@context":{"@protected":true,
		"verifiableCredential":{"@id":"https://people.example/vc","@type":"@id","@container":"@graph","@context":null}}}}}`

func canonicalizer(t testing.TB) *rdf.Canonicalizer {
	t.Helper()
	c, err := rdf.New(map[string][]byte{contextURL: []byte(people)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func parse(t testing.TB, text string) canon.Object {
	t.Helper()
	o, err := canon.ParseObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestCanonical(t *testing.T) {
	for name, tt := range map[string]struct{ doc, want string }{
		"a node with a name": {`{"@context":"` + contextURL + `","id":"urn:a","type":"Person","name":"A \"quoted\" name"}`,
			`<urn:a> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <https://people.example/Person> .
<urn:a> <https://people.example/name> "A \"quoted\" name" .
`},
		"nodes without one": {`{"@context":"` + contextURL + `","name":"x","knows":[{"name":"y"},"urn:b"]}`,
			`_:c14n0 <https://people.example/knows> <urn:b> .
_:c14n0 <https://people.example/knows> _:c14n1 .
_:c14n0 <https://people.example/name> "x" .
_:c14n1 <https://people.example/name> "y" .
`},
		"a graph below a term whose context is null": {`{"@context":"` + contextURL + `","id":"urn:p","type":"Bundle","verifiableCredential":{"@context":"` + contextURL + `","id":"urn:c","name":"n"}}`,
			`<urn:c> <https://people.example/name> "n" _:c14n0 .
<urn:p> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <https://people.example/Bundle> .
<urn:p> <https://people.example/vc> _:c14n0 .
`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := canonicalizer(t).Canonical(parse(t, tt.doc))
			if err != nil || string(got) != tt.want {
				t.Errorf("%v\n%s\nwant\n%s", err, got, tt.want)
			}
		})
	}
}

// A document cannot say what is not signed, make us fetch, or cost more than it is worth.
func TestRefused(t *testing.T) {
	alike := func(n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(`{"knows":{"name":"x"}},`, n), ",") + "]"
	}
	deep := func(n int) string {
		return strings.Repeat(`{"knows":[{"name":"x"},{"name":"x"},`, n) + `{}` + strings.Repeat(`]}`, n)
	}
	for name, tt := range map[string]struct {
		members string
		context string
		code    fault.Code
	}{
		"an unknown context":      {`"name":"x"`, "https://contexts.example/other", fault.InvalidValue},
		"an undefined term":       {`"name":"x","age":"7"`, contextURL, fault.InvalidValue},
		"a relative name":         {`"name":"x","knows":"other"`, contextURL, fault.InvalidValue},
		"a relative id":           {`"id":"other","name":"x"`, contextURL, fault.InvalidValue},
		"an undefined type":       {`"type":"Animal","name":"x"`, contextURL, fault.InvalidValue},
		"null":                    {`"name":null,"knows":"urn:b"`, contextURL, fault.InvalidValue},
		"a control character":     {`"id":"urn:a","name":"a\u000fb"`, contextURL, fault.MethodUnsupported},
		"a small number":          {`"id":"urn:a","name":["x",1e-7]`, contextURL, fault.MethodUnsupported},
		"nothing":                 {`"id":"urn:a"`, contextURL, fault.InvalidValue},
		"a keyword":               {`"name":"x","@graph":[{"name":"y"}]`, contextURL, fault.InvalidValue},
		"a nameless node by name": {`"knows":"_:b0"`, contextURL, fault.InvalidValue},
		"a nameless id":           {`"id":"_:b0","name":"x"`, contextURL, fault.InvalidValue},
		"many nodes alike":        {`"knows":[{"knows":` + alike(7) + `},{"knows":` + alike(7) + `}]`, contextURL, fault.TooLarge},
		"some nodes alike, deep":  {`"knows":` + deep(12), contextURL, fault.TooLarge},
		"many values":             {`"name":["x"` + strings.Repeat(`,"x"`, 1000) + `]`, contextURL, fault.TooLarge},
		"many nodes": {`"knows":[` + func() string {
			var ids []string
			for i := range 1001 {
				ids = append(ids, fmt.Sprintf(`{"id":"urn:%d"}`, i))
			}
			return strings.Join(ids, ",")
		}() + `]`, contextURL, fault.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := canonicalizer(t).Canonical(parse(t, `{"@context":"`+tt.context+`",`+tt.members+`}`))
			if fault.Of(err) != tt.code {
				t.Errorf("%v, want %v: %s", err, tt.code, got)
			}
		})
	}
	if _, err := rdf.New(map[string][]byte{contextURL: []byte("{")}); fault.Of(err) != fault.Malformed {
		t.Errorf("a context that is not JSON: %v", err)
	}
}

// What counts is what the document stands for: one property of one node may have many
// names and places, and nodes of a graph are neighbours of its name.
func TestAlike(t *testing.T) {
	repeat := func(n int, form string) string {
		var out []string
		for i := range n {
			out = append(out, strings.ReplaceAll(form, "#", fmt.Sprint(i)))
		}
		return strings.Join(out, ",")
	}
	chain := strings.Repeat(`{"knows":`, 20) + `{"name":"x"}` + strings.Repeat(`}`, 20)
	hub := `{` + repeat(7, `"k#":{"name":"x"}`) + `}`
	credential := `{"@context":"` + contextURL + `","id":"urn:c#","knows":{"id":"urn:s","knows":{"name":"x"}}}`
	for name, tt := range map[string]struct {
		own, members string
		code         fault.Code
	}{
		"many names of a property":      {`,{` + repeat(7, `"k#":"https://people.example/k"`) + `}`, `"knows":[` + hub + `,` + hub + `]`, fault.TooLarge},
		"many properties":               {`,{` + repeat(7, `"k#":"https://people.example/k#"`) + `}`, `"knows":[` + hub + `,` + hub + `]`, fault.OK},
		"many nodes of one that is not": {``, `"knows":[` + repeat(100, `{"name":"x"}`) + `]`, fault.OK},
		"too many of them":              {``, `"knows":[` + repeat(400, `{"name":"x"}`) + `]`, fault.TooLarge},
		"many graphs":                   {``, `"id":"urn:p","type":"Bundle","verifiableCredential":[` + repeat(7, credential) + `]`, fault.OK},
		"a chain in a graph":            {``, `"type":"Bundle","verifiableCredential":{"knows":` + chain + `}`, fault.OK},
		"a chain in graphs alike":       {``, `"type":"Bundle","verifiableCredential":[` + repeat(2, `{"knows":`+chain+`}`) + `]`, fault.TooLarge},
		"a node's places in graphs alike": {``, `"type":"Bundle","verifiableCredential":[` +
			repeat(2, `{"id":"urn:c","knows":[`+repeat(7, `{"id":"urn:x","knows":{"name":"x"}}`)+`]}`) + `]`, fault.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := canonicalizer(t).Canonical(parse(t, `{"@context":["`+contextURL+`"`+tt.own+`],`+tt.members+`}`)); fault.Of(err) != tt.code {
				t.Errorf("%v, want %v", err, tt.code)
			}
		})
	}
}

// The vectors of the EdDSA cryptosuites: the canonical form of the document.
func TestPublishedCanonical(t *testing.T) {
	dir := os.Getenv("KILLICK_PUBLISHED")
	if dir == "" {
		t.Skip("KILLICK_PUBLISHED does not name a folder with the published vectors")
	}
	read := func(path string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	c, err := rdf.New(map[string][]byte{
		"https://www.w3.org/ns/credentials/v2":          read("vc-data-model/contexts/credentials/v2"),
		"https://www.w3.org/ns/credentials/examples/v2": read("vc-data-model/contexts/credentials/examples/v2"),
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Canonical(parse(t, string(read("vc-di-eddsa/TestVectors/unsigned.json"))))
	if want := read("vc-di-eddsa/TestVectors/eddsa-rdfc-2022/canonDocDataInt.txt"); err != nil || string(got) != string(want) {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
}

// Whatever the document, canonicalising neither panics nor changes its mind.
func FuzzCanonical(f *testing.F) {
	f.Add(`{"@context":"` + contextURL + `","name":"x","knows":[{"name":"y"},"urn:b"]}`)
	f.Add(`{"@context":["` + contextURL + `"],"id":"urn:p","type":"Bundle","verifiableCredential":{"name":"n"}}`)
	f.Add(`{"@context":{"a":"urn:a"},"a":[[{"@value":1,"@type":"urn:t"}]],"type":["_:x"]}`)
	c := canonicalizer(f)
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := canon.ParseObject([]byte(text))
		if err != nil {
			return
		}
		first, err := c.Canonical(doc)
		if err != nil {
			return
		}
		if again, err := c.Canonical(doc); err != nil || string(again) != string(first) {
			t.Errorf("%v: %s, then %s", err, first, again)
		}
	})
}
