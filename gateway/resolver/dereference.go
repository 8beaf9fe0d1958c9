package resolver

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Content returns what the request's DID URL names in a document of Resolve: the
// document, the document with the services that are asked for, or one
// verification method or service. Errors: NotFound.
func (q *Request) Content(document jsontext.Value) (jsontext.Value, error) {
	all := members(document)
	if q.Form() == Selected {
		for i, m := range all {
			if m.name == "service" {
				all[i].value = array(q.selected(all))
			}
		}
	}
	if q.URL.Fragment == "" {
		return object(all), nil
	}
	found := find(all, q.URL.DID, q.URL.DID+q.URL.Fragment)
	if found == nil {
		return nil, &Error{Reason: NotFound, Detail: fmt.Sprintf("the document has nothing with the id %.200q", q.URL.Fragment)}
	}
	// A part is read alone: it takes the document's context along.
	if _, has := lookup(found, "@context"); has {
		return object(found), nil
	}
	if context, has := lookup(all, "@context"); has {
		found = slices.Insert(found, 0, member{"@context", context})
	}
	return object(found), nil
}

// find returns the first object with an id in a list of the document.
func find(document []member, did, id string) []member {
	for _, m := range document {
		for _, item := range elements(m.value) {
			entry := members(item)
			if name, ok := lookup(entry, "id"); ok && within(did, text(name)) == id {
				return entry
			}
		}
	}
	return nil
}

// selected returns the services that a request of the form Selected asks for.
func (q *Request) selected(document []member) []jsontext.Value {
	var out []jsontext.Value
	services, _ := lookup(document, "service")
	for _, item := range elements(services) {
		entry := members(item)
		id, _ := lookup(entry, "id")
		kind, _ := lookup(entry, "type")
		switch {
		case q.Service != nil && within(q.URL.DID, text(id)) != within(q.URL.DID, *q.Service):
		case q.ServiceType != nil && text(kind) != *q.ServiceType && !slices.ContainsFunc(elements(kind), func(v jsontext.Value) bool { return text(v) == *q.ServiceType }):
		default:
			out = append(out, item)
		}
	}
	return out
}

// within returns the absolute form of an id in the DID's document. A service may
// be asked for by the bare fragment.
func within(did, id string) string {
	switch {
	case strings.HasPrefix(id, "did:"):
		return id
	case strings.HasPrefix(id, "#"), strings.HasPrefix(id, "/"), strings.HasPrefix(id, "?"):
		return did + id
	}
	return did + "#" + id
}

// Location returns the address that a request of the form Selected leads to: that
// of the first service in the document's order that has one for http or https.
// Errors: NotFound, InvalidDIDURL.
func (q *Request) Location(document jsontext.Value) (string, error) {
	for _, item := range q.selected(members(document)) {
		endpoint, _ := lookup(members(item), "serviceEndpoint")
		for _, candidate := range append([]jsontext.Value{endpoint}, elements(endpoint)...) {
			base, err := url.Parse(text(candidate))
			if err != nil || base.Scheme != "https" && base.Scheme != "http" || base.Host == "" {
				continue
			}
			return q.locate(base)
		}
	}
	return "", &Error{Reason: NotFound, Detail: "no such service with an http or https address"}
}

// locate resolves relativeRef against an endpoint (RFC 3986, section 5), and gives
// the result the DID URL's fragment.
func (q *Request) locate(base *url.URL) (string, error) {
	if q.RelativeRef != nil {
		reference, err := url.Parse(*q.RelativeRef)
		if err != nil {
			return "", &Error{Reason: InvalidDIDURL, Detail: "relativeRef is no relative reference"}
		}
		base.Fragment, base.RawFragment = "", "" // of a base it does not count
		base = base.ResolveReference(reference)
	}
	where := base.String()
	if q.URL.Fragment == "" {
		return where, nil
	}
	if strings.Contains(where, "#") {
		return "", &Error{Reason: InvalidDIDURL, Detail: "the service's address has a fragment already"}
	}
	return where + q.URL.Fragment, nil
}

// relative says that a text is a relative reference which stays on the host that
// it is resolved against, and names no folder above another, however often it is
// encoded.
func relative(text string) bool {
	path, _, _ := strings.Cut(text, "#")
	if strings.Count(text, "#") > 1 || !consists(strings.Replace(text, "#", "", 1), queryChars) || strings.HasPrefix(text, "//") {
		return false
	}
	path, _, _ = strings.Cut(path, "?")
	if reference, err := url.Parse(text); err != nil || reference.Scheme != "" {
		return false
	}
	for {
		for _, segment := range strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == '\\' }) {
			if segment == "." || segment == ".." {
				return false
			}
		}
		decoded, err := url.PathUnescape(path)
		if err != nil || decoded == path { // each round makes it shorter
			return true
		}
		path = decoded
	}
}

// relationships hold references to verification methods.
var relationships = []string{"authentication", "assertionMethod", "keyAgreement", "capabilityInvocation", "capabilityDelegation"}

// absolute returns a document with its relative DID URLs made absolute: ids of
// what its lists hold, and references of the verification relationships.
func absolute(did string, document jsontext.Value) jsontext.Value {
	relative := func(v jsontext.Value) (jsontext.Value, bool) {
		id := text(v)
		if id == "" || !strings.ContainsRune("#/?", rune(id[0])) {
			return v, false
		}
		return quote(did + id), true
	}
	all := members(document)
	for i, m := range all {
		items := elements(m.value)
		changed := false
		for j, item := range items {
			entry := members(item)
			for k, field := range entry {
				if v, ok := relative(field.value); ok && field.name == "id" {
					entry[k].value, changed = v, true
					items[j] = object(entry)
				}
			}
			if v, ok := relative(item); ok && slices.Contains(relationships, m.name) {
				items[j], changed = v, true
			}
		}
		if changed {
			all[i].value = array(items)
		}
	}
	return object(all)
}

// member is one member of a JSON object.
type member struct {
	name  string
	value jsontext.Value
}

// members returns the members of an object in their order, none of what is no
// object.
func members(v jsontext.Value) []member {
	d := jsontext.NewDecoder(bytes.NewReader(v))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil
	}
	var out []member
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return nil
		}
		m := member{name: name.String()}
		value, err := d.ReadValue()
		if err != nil {
			return nil
		}
		m.value = value.Clone()
		out = append(out, m)
	}
	return out
}

func lookup(all []member, name string) (jsontext.Value, bool) {
	for _, m := range all {
		if m.name == name {
			return m.value, true
		}
	}
	return nil, false
}

// elements returns the elements of an array, none of what is no array.
func elements(v jsontext.Value) []jsontext.Value {
	d := jsontext.NewDecoder(bytes.NewReader(v))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '[' {
		return nil
	}
	var out []jsontext.Value
	for k := d.PeekKind(); k != ']' && k != 0; k = d.PeekKind() {
		value, err := d.ReadValue()
		if err != nil {
			return nil
		}
		out = append(out, value.Clone())
	}
	return out
}

// text returns the text of a string, nothing of what is no string.
func text(v jsontext.Value) string {
	if v.Kind() != '"' {
		return ""
	}
	s, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return ""
	}
	return string(s)
}

func quote(s string) jsontext.Value {
	v, _ := jsontext.AppendQuote(nil, s) // what is not UTF-8 is replaced
	return v
}

func object(all []member) jsontext.Value {
	out := jsontext.Value{'{'}
	for i, m := range all {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, quote(m.name)...), ':'), m.value...)
	}
	return append(out, '}')
}

func array(all []jsontext.Value) jsontext.Value {
	return append(append(jsontext.Value{'['}, bytes.Join(raw(all), []byte{','})...), ']')
}

func raw(all []jsontext.Value) [][]byte {
	out := make([][]byte, len(all))
	for i, v := range all {
		out[i] = v
	}
	return out
}
