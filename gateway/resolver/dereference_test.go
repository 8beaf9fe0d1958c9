package resolver_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/gateway/resolver"
)

const example = "did:example:123"

// document has ids and endpoints in every form that documents have them.
const document = `{"@context":["https://www.w3.org/ns/did/v1.1"],"id":"did:example:123",` +
	`"verificationMethod":[{"id":"did:example:123#keys-1","type":"Multikey"},{"id":"#short","type":"Multikey"}],` +
	`"authentication":["#short",{"id":"did:example:123#within","type":"Multikey"},{"@context":"https://own.example","id":"#own"}],` +
	`"other":["#short",7,null,{"id":"did:example:123#other"}],` +
	`"service":[{"id":"did:example:123#files","type":"Files","serviceEndpoint":"https://files.example/home/?a=b"},` +
	`{"id":"#two","type":["Pages","Files"],"serviceEndpoint":[{"uri":"https://map.example"},"https://two.example/a?b"]},` +
	`{"id":"#map","type":"Map","serviceEndpoint":{"uri":"https://map.example"}},` +
	`{"id":"#did","type":"DID","serviceEndpoint":"did:example:456"},` +
	`{"id":"#script","type":"Script","serviceEndpoint":"javascript:alert(1)"},` +
	`{"id":"#top","type":"Top","serviceEndpoint":"https://top.example/x#top"}]}`

// examples resolves did:example to a document; did:other to one without lists.
var examples = resolver.Resolver{
	"example": func(_ context.Context, u resolver.URL, _ resolver.Version) (*resolver.Resolution, error) {
		return &resolver.Resolution{Document: jsontext.Value(document)}, nil
	},
	"other": func(_ context.Context, u resolver.URL, _ resolver.Version) (*resolver.Resolution, error) {
		return &resolver.Resolution{Document: jsontext.Value(`{"id":"did:other:1","service":"none","verificationMethod":{}}`)}, nil
	},
}

// ask resolves an identifier, and returns the request too.
func ask(t *testing.T, identifier, options string) (*resolver.Request, jsontext.Value, error) {
	t.Helper()
	q, err := examples.Parse(identifier, options)
	if err != nil {
		return nil, nil, err
	}
	r, err := examples.Resolve(t.Context(), q)
	if err != nil {
		return nil, nil, err
	}
	return q, r.Document, nil
}

func TestLocation(t *testing.T) {
	tests := map[string]struct {
		query string
		want  string
		err   resolver.Reason
	}{
		"a service":                     {"?service=files", "https://files.example/home/?a=b", ""},
		"its id as a fragment":          {"?service=%23files", "https://files.example/home/?a=b", ""},
		"its id":                        {"?service=did:example:123%23files", "https://files.example/home/?a=b", ""},
		"another DID's":                 {"?service=did:example:456%23files", "", resolver.NotFound},
		"a type":                        {"?serviceType=Files", "https://files.example/home/?a=b", ""},
		"one of its types":              {"?serviceType=Pages", "https://two.example/a?b", ""},
		"a service and its type":        {"?service=two&serviceType=Files", "https://two.example/a?b", ""},
		"a service of another type":     {"?service=files&serviceType=Pages", "", resolver.NotFound},
		"none":                          {"?service=none", "", resolver.NotFound},
		"in other letters":              {"?service=Files", "", resolver.NotFound},
		"a map":                         {"?service=map", "", resolver.NotFound},
		"a DID":                         {"?service=did", "", resolver.NotFound},
		"a script":                      {"?service=script", "", resolver.NotFound},
		"a file":                        {"?service=files&relativeRef=resume.pdf", "https://files.example/home/resume.pdf", ""},
		"a path and a query":            {"?service=files&relativeRef=%2Fresume.pdf%3Fversion%3D2", "https://files.example/resume.pdf?version=2", ""},
		"not encoded":                   {"?service=files&relativeRef=/some/path?query", "https://files.example/some/path?query", ""},
		"the parameters turned":         {"?relativeRef=x&service=files", "https://files.example/home/x", ""},
		"a query alone":                 {"?service=two&relativeRef=%3Fc", "https://two.example/a?c", ""},
		"an encoded byte":               {"?service=files&relativeRef=my%2520path/file", "https://files.example/home/my%20path/file", ""},
		"nothing":                       {"?service=top&relativeRef=", "https://top.example/x", ""},
		"a fragment in it":              {"?service=files&relativeRef=x%23y", "https://files.example/home/x#y", ""},
		"the DID URL's fragment":        {"?service=files&relativeRef=x#y", "https://files.example/home/x#y", ""},
		"both fragments":                {"?service=files&relativeRef=x%23y#z", "", resolver.InvalidDIDURL},
		"the endpoint's fragment":       {"?service=top", "https://top.example/x#top", ""},
		"the endpoint's, and the URL's": {"?service=top#y", "", resolver.InvalidDIDURL},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			q, d, err := ask(t, example+tt.query, "")
			if err != nil || q.Form() != resolver.Selected {
				t.Fatal(err)
			}
			if got, err := q.Location(d); got != tt.want || reason(err) != tt.err {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

// RD-2: a relativeRef stays on the service's host and names no folder above another.
func TestRelativeRefs(t *testing.T) {
	for _, bad := range []string{
		"//evil.example/x", "%2F%2Fevil.example", "https://evil.example", "https%3A%2F%2Fevil.example", "javascript:x", "x:y",
		"..", "../x", "a/../../x", "/../x", "./x", "a/.", "%2E%2E%2Fx", "%2e%2e/x", ".%2E/x", "%252E%252E%252Fx", "%25252E%25252E%25252Fx", "a%255C..%255Cx",
		"a%20b", "a%5Cb", "a%22", "a%23b%23c", "%00", "a%25", "a%252", "%C3%A9", "%F0%9F%94%A5",
	} {
		t.Run(bad, func(t *testing.T) {
			if _, _, err := ask(t, example+"?service=files&relativeRef="+bad, ""); reason(err) != resolver.InvalidDIDURL {
				t.Errorf("got %v", err)
			}
		})
	}
	for _, good := range []string{"x", "..x", "x../y", "x/a:b", "%3Fa=../b", "a%2520b", "%2F", "a%2Fb/c;d=e,f", "%23part"} {
		t.Run(good, func(t *testing.T) {
			q, d, err := ask(t, example+"?service=files&relativeRef="+good, "")
			if err != nil {
				t.Fatal(err)
			}
			if where, err := q.Location(d); err != nil || !strings.HasPrefix(where, "https://files.example/") {
				t.Errorf("got %q, %v", where, err)
			}
		})
	}
}

func TestContent(t *testing.T) {
	const context = `"@context":["https://www.w3.org/ns/did/v1.1"],`
	services := strings.Index(document, `"service":`)
	tests := map[string]struct {
		identifier, options string
		form                resolver.Form
		want                string
		err                 resolver.Reason
	}{
		"the document":          {example, "", resolver.Whole, document, ""},
		"a verification method": {example + "#keys-1", "", resolver.Part, `{` + context + `"id":"did:example:123#keys-1","type":"Multikey"}`, ""},
		"one with a short id":   {example + "#short", "", resolver.Part, `{` + context + `"id":"#short","type":"Multikey"}`, ""},
		"one that is embedded":  {example + "#within", "", resolver.Part, `{` + context + `"id":"did:example:123#within","type":"Multikey"}`, ""},
		"one with a context":    {example + "#own", "", resolver.Part, `{"@context":"https://own.example","id":"#own"}`, ""},
		"a service":             {example + "#map", "", resolver.Part, `{` + context + `"id":"#map","type":"Map","serviceEndpoint":{"uri":"https://map.example"}}`, ""},
		"nothing":               {example + "#none", "", resolver.Part, "", resolver.NotFound},
		"an empty fragment":     {example + "#", "", resolver.Part, "", resolver.NotFound},
		"in other letters":      {example + "#KEYS-1", "", resolver.Part, "", resolver.NotFound},
		"no lists":              {"did:other:1#x", "", resolver.Part, "", resolver.NotFound},
		"services selected": {example + "?service=map", "", resolver.Selected,
			document[:services] + `"service":[{"id":"#map","type":"Map","serviceEndpoint":{"uri":"https://map.example"}}]}`, ""},
		"no service selected":   {example + "?service=none", "", resolver.Selected, document[:services] + `"service":[]}`, ""},
		"no services at all":    {"did:other:1?service=x", "", resolver.Selected, `{"id":"did:other:1","service":[],"verificationMethod":{}}`, ""},
		"a part of a selection": {example + "?service=map#files", "", resolver.Selected, "", resolver.NotFound},
		"selected by an option": {example, "service=none", resolver.Selected, document[:services] + `"service":[]}`, ""},
		"ids made absolute": {"did:example:123#short", "expandRelativeUrls=true", resolver.Part,
			`{` + context + `"id":"did:example:123#short","type":"Multikey"}`, ""},
		"ids left": {"did:example:123#short", "expandRelativeUrls=false&noCache=true", resolver.Part, `{` + context + `"id":"#short","type":"Multikey"}`, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			q, d, err := ask(t, tt.identifier, tt.options)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := q.Content(d); string(got) != tt.want || reason(err) != tt.err || q.Form() != tt.form {
				t.Errorf("form %d, %v\ngot  %s\nwant %s", q.Form(), err, got, tt.want)
			}
		})
	}
}

// Relative ids become absolute in every list; relative texts only where they refer
// to verification methods.
func TestExpandRelativeURLs(t *testing.T) {
	_, d, err := ask(t, example+"?expandRelativeUrls=true", "")
	want := document
	for _, id := range []string{"short", "own", "two", "map", "did", "script", "top"} {
		want = strings.ReplaceAll(want, `"id":"#`+id, `"id":"did:example:123#`+id)
	}
	want = strings.Replace(want, `"authentication":["#short"`, `"authentication":["did:example:123#short"`, 1)
	if err != nil || string(d) != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, d, want)
	}
}

func TestParseRefuses(t *testing.T) {
	tests := map[string]struct {
		identifier, options string
		want                resolver.Reason
	}{
		"a method before options":           {"did:none:1", "none=1&none=2", resolver.MethodNotSupported},
		"a DID before its method":           {"did:none", "", resolver.InvalidDID},
		"a parameter twice":                 {example + "?service=a&service=b", "", resolver.InvalidDIDURL},
		"one twice, encoded once":           {example + "?service=a&%73ervice=b", "", resolver.InvalidDIDURL},
		"a parameter that is not ASCII":     {example + "?service=%D0%9F", "", resolver.InvalidDIDURL},
		"a line in a parameter":             {example + "?service=a%0Ab", "", resolver.InvalidDIDURL},
		"an option twice":                   {example, "noCache=true&noCache=true", resolver.InvalidOptions},
		"an option that is not ASCII":       {example, "versionId=%F0%9F%94%A5", resolver.InvalidOptions},
		"an option that is not encoded":     {example, "versionId=%f", resolver.InvalidOptions},
		"an option's wrong value":           {example, "expandRelativeUrls=yes", resolver.InvalidOptions},
		"another option's wrong value":      {example, "noCache=", resolver.InvalidOptions},
		"an empty version":                  {example + "?versionId=", "", resolver.InvalidDIDURL},
		"an option that nobody knows":       {example, "verificationRelationship=authentication", resolver.FeatureNotSupported},
		"a parameter that is an option too": {example + "?versionId=1", "versionId=1", resolver.InvalidOptions},
		"two kinds of versions":             {example + "?versionId=1", "versionTime=2025-10-07T14:30:00Z", resolver.InvalidDIDURL},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, _, err := ask(t, tt.identifier, tt.options); reason(err) != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	for _, bad := range []string{
		"2025-10-07 12:30:45", "2025/10/07T12:30:45", "2025-13-07T12:30:45", "2025-10-32T12:30:45", "2025-10-07T25:00:00", "2025-10-07T12:30:60",
		"2025-10-07T12:30:45%2B24:00", "2025-10-07", "2025-10-07T12:30:45abc", "T12:30:45", "2025-10-07T00:00:00%2B02:00", "2025-10-07T00:00:00-05:00",
		"2025-10-07T00:00:00", "2025-10-07T00:00:00.123Z", "2025-10-07T00:00:00.Z", "2025-10-07T00:00:00,5Z", "2025-10-07T00:00:00z", "0001-01-01T00:00:00Z", "",
	} {
		t.Run("the time "+bad, func(t *testing.T) {
			if _, _, err := ask(t, example+"?versionTime="+bad, ""); reason(err) != resolver.InvalidDIDURL {
				t.Errorf("got %v", err)
			}
		})
	}
}

// FuzzContent: whatever a did:web's host serves, the whole document means what it meant,
// and what is made of it for a DID URL is JSON.
func FuzzContent(f *testing.F) {
	f.Add(document, "did:example:123?service=files&relativeRef=a")
	f.Add(`{"id":"did:example:123","a\u0000":[1e3,{"id":"#x"},[]],"service":{}}`, "did:example:123#x")
	f.Fuzz(func(t *testing.T, text, identifier string) {
		served := jsontext.Value(text)
		if !served.IsValid() || served.Kind() != '{' {
			return
		}
		methods := resolver.Resolver{"example": func(context.Context, resolver.URL, resolver.Version) (*resolver.Resolution, error) {
			return &resolver.Resolution{Document: served.Clone()}, nil
		}}
		content := func(identifier, options string) jsontext.Value {
			q, err := methods.Parse(identifier, options)
			if err != nil {
				return nil
			}
			r, err := methods.Resolve(t.Context(), q)
			if err != nil {
				return nil
			}
			_, _ = q.Location(r.Document)
			got, err := q.Content(r.Document)
			if err != nil {
				return nil
			}
			if !got.IsValid() {
				t.Fatalf("%s: %s", identifier, got)
			}
			return got
		}
		content(identifier, "")
		content(example, "expandRelativeUrls=true")
		whole, want := content(example, ""), served.Clone()
		if err := errors.Join(whole.Canonicalize(), want.Canonicalize()); err != nil || string(whole) != string(want) {
			t.Fatalf("%s became %s, %v", want, whole, err)
		}
	})
}
