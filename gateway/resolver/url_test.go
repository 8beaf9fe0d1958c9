package resolver_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/gateway/resolver"
)

// reason returns the reason of a refusal; empty when there is none.
func reason(err error) resolver.Reason {
	var e *resolver.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

func TestParseURL(t *testing.T) {
	tests := map[string]struct {
		text string
		want resolver.URL
	}{
		"a DID":             {"did:example:123", resolver.URL{DID: "did:example:123", Method: "example", ID: "123"}},
		"parts in the id":   {"did:web:example.com%3A3000:u:bob", resolver.URL{DID: "did:web:example.com%3A3000:u:bob", Method: "web", ID: "example.com%3A3000:u:bob"}},
		"an empty part":     {"did:x1::a", resolver.URL{DID: "did:x1::a", Method: "x1", ID: ":a"}},
		"a fragment":        {"did:a:b#key-1", resolver.URL{DID: "did:a:b", Method: "a", ID: "b", Fragment: "#key-1"}},
		"an empty fragment": {"did:a:b#", resolver.URL{DID: "did:a:b", Method: "a", ID: "b", Fragment: "#"}},
		"an empty query":    {"did:a:b?", resolver.URL{DID: "did:a:b", Method: "a", ID: "b", Query: "?"}},
		"everything": {"did:a:b/p//q;x?service=f&relativeRef=%2Fa%3Fb#f/r?ag",
			resolver.URL{DID: "did:a:b", Method: "a", ID: "b", Path: "/p//q;x", Query: "?service=f&relativeRef=%2Fa%3Fb", Fragment: "#f/r?ag"}},
		"a fragment first": {"did:a:b#f?q/p", resolver.URL{DID: "did:a:b", Method: "a", ID: "b", Fragment: "#f?q/p"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := resolver.ParseURL(tt.text)
			if err != nil || got.String() != tt.text {
				t.Fatalf("%v: %v", got, err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseURLRefuses(t *testing.T) {
	tests := map[string]struct {
		text string
		want resolver.Reason
	}{
		"nothing":               {"", resolver.InvalidDID},
		"another text":          {"not-a-did", resolver.InvalidDID},
		"another scheme":        {"urn:uuid:c0bbe99d-2071-4fd3-a87e-6b710b369108", resolver.InvalidDID},
		"an upper-case scheme":  {"DID:example:123", resolver.InvalidDID},
		"no id":                 {"did:example", resolver.InvalidDID},
		"an underscore":         {"did:example_222", resolver.InvalidDID},
		"an empty id":           {"did:example:", resolver.InvalidDID},
		"an empty end":          {"did:example:a:", resolver.InvalidDID},
		"no method":             {"did::a", resolver.InvalidDID},
		"an upper-case method":  {"did:Example:a", resolver.InvalidDID},
		"a blank":               {"did:example:a b", resolver.InvalidDID},
		"a tilde":               {"did:example:a~", resolver.InvalidDID},
		"half an octet":         {"did:example:a%2", resolver.InvalidDID},
		"no octet":              {"did:example:a%2g", resolver.InvalidDID},
		"another alphabet":      {"did:example:Привет", resolver.InvalidDID},
		"too long":              {"did:example:" + strings.Repeat("a", 4096), resolver.InvalidDID},
		"no DID before a path":  {"not-a-did/path", resolver.InvalidDIDURL},
		"a blank in a path":     {"did:a:b/ ", resolver.InvalidDIDURL},
		"a quote in a query":    {`did:a:b?a="`, resolver.InvalidDIDURL},
		"a hash in a fragment":  {"did:a:b#a#b", resolver.InvalidDIDURL},
		"a line in a fragment":  {"did:a:b#\r\nX: y", resolver.InvalidDIDURL},
		"an angle in a query":   {"did:a:b?<script>", resolver.InvalidDIDURL},
		"a zero byte in a path": {"did:a:b/\x00", resolver.InvalidDIDURL},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if u, err := resolver.ParseURL(tt.text); reason(err) != tt.want {
				t.Errorf("got %+v, %v, want %s", u, err, tt.want)
			}
		})
	}
}

// What parses is made of its parts again, byte for byte, and parsed anew it is the
// same; whatever comes, there is an answer.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{
		"did:example:123", "did:web:example.com%3A3000:u:bob#k", "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp?versionTime=2025-10-07T14:30:00Z",
		"did:key:z6Mk?service=files&relativeRef=%2Fa%2Fb%3Fc#frag", "did:key:z6Mk?relativeRef=%252E%252E%252F", "did:a:b/../c?x=1&x=2", "did:", "%", "did:key:z%ff?a=%",
	} {
		f.Add(seed, "expandRelativeUrls=true")
	}
	f.Fuzz(func(t *testing.T, text, options string) {
		u, err := resolver.ParseURL(text)
		if (err == nil) == (reason(err) != "") {
			t.Fatalf("error %v", err)
		}
		if err == nil {
			again, err := resolver.ParseURL(u.String())
			if u.String() != text || err != nil || again != u {
				t.Fatalf("%q became %q: %+v, %v", text, u, again, err)
			}
		}
		q, err := methods.Parse(text, options)
		if err != nil {
			if reason(err) == "" {
				t.Fatal(err)
			}
			return
		}
		r, err := methods.Resolve(t.Context(), q)
		if err != nil {
			if reason(err) == "" || reason(err) == resolver.InternalError {
				t.Fatal(err)
			}
			return
		}
		if content, err := q.Content(r.Document); err == nil && !content.IsValid() || err != nil && reason(err) != resolver.NotFound {
			t.Fatalf("content %s: %v", content, err)
		}
		if where, err := q.Location(r.Document); err == nil || reason(err) != resolver.NotFound {
			t.Fatalf("a did:key has no service, got %q, %v", where, err)
		}
	})
}
