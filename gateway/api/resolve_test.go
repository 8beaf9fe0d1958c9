package api_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/gateway/api"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

const (
	keyDID = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"
	keyID  = keyDID + "#z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"
)

// didOf is a DID of the test's ledger.
func didOf(n byte) string { return did.String(submittest.Network, ledger.ID{n}) }

// DIDs that the told ledger answers for.
var (
	liveDID  = didOf(1)
	goneDID  = didOf(2)
	brokeDID = didOf(3)
	downDID  = didOf(4)
	noDID    = didOf(5)
)

// told is a ledger that says of some DIDs what it was told to: what the ledger in
// memory cannot be brought to say.
type told struct {
	api.Ledger
	answers map[string]func(*did.Query) (*did.Resolution, error)
}

func (l told) Evaluate(ctx context.Context, function string, args ...[]byte) ([]byte, error) {
	if function == "did:Resolve" {
		q, err := did.DecodeQuery(args[0])
		if err != nil {
			return nil, err
		}
		if f, ok := l.answers[q.DID]; ok {
			r, err := f(q)
			if err != nil {
				return nil, err
			}
			return json.Marshal(r)
		}
	}
	return l.Ledger.Evaluate(ctx, function, args...)
}

// resolution is a DID with a key and three services.
func resolution(name string) *did.Resolution {
	return &did.Resolution{
		Document: did.Resolved{
			Context: []string{"https://www.w3.org/ns/did/v1.1", "https://w3id.org/security/multikey/v1"}, ID: name,
			VerificationMethod:   []did.ResolvedMethod{{ID: name + "#key-1", Type: "Multikey", Controller: name, PublicKeyMultibase: "z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"}},
			CapabilityInvocation: []string{name + "#key-1"},
			Service: []did.Service{
				{ID: name + "#files", Type: "Files", ServiceEndpoint: "https://files.example/home/?a=b"},
				{ID: name + "#more", Type: "Files", ServiceEndpoint: "https://more.example"},
				{ID: name + "#part", Type: "Pages", ServiceEndpoint: "https://pages.example/x#top"},
			},
		},
		Metadata: did.Metadata{VersionID: "3", Created: 1800000000, Updated: 1800000001},
		Version:  did.Version{Hash: strings.Repeat("0", 64)},
	}
}

func startTold(t *testing.T, configs ...func(*api.Config)) *harness {
	t.Helper()
	return start(t, append(configs, func(c *api.Config) {
		gone := resolution(goneDID)
		gone.Metadata.Deactivated = true
		c.Ledger = told{c.Ledger, map[string]func(*did.Query) (*did.Resolution, error){
			liveDID: func(q *did.Query) (*did.Resolution, error) {
				r := resolution(liveDID)
				if q.VersionID > 3 || q.VersionTime != 0 && q.VersionTime < r.Metadata.Created {
					return nil, fault.New(fault.NotFound, "no such version")
				}
				if q.VersionID == 2 {
					r.Metadata.VersionID, r.Metadata.NextVersionID, r.Metadata.NextUpdate = "2", "3", r.Metadata.Updated
				}
				return r, nil
			},
			goneDID:  func(*did.Query) (*did.Resolution, error) { return gone, nil },
			brokeDID: func(*did.Query) (*did.Resolution, error) { return nil, io.ErrUnexpectedEOF },
			downDID:  func(*did.Query) (*did.Resolution, error) { return nil, fault.New(fault.Unavailable, "no peer answers") },
			noDID:    func(*did.Query) (*did.Resolution, error) { return nil, fault.New(fault.DIDUnknown, "no such DID") },
		}}
	})...)
}

// reply is an answer of the resolver.
type reply struct {
	status int
	header http.Header
	body   []byte
	json   map[string]any
}

// media returns the Content-Type.
func (r reply) media() string { return r.header.Get("Content-Type") }

// at returns the value under names of nested objects, nil if there is none.
func (r reply) at(names ...string) any {
	var v any = r.json
	for _, name := range names {
		object, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = object[name]
	}
	return v
}

// ask sends a request to the resolver; what follows the path is taken as it is.
func (h *harness) ask(method, identifier string, header http.Header) reply {
	h.t.Helper()
	r, err := http.NewRequest(method, h.url+"/1.0/identifiers"+identifier, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	response, err := http.DefaultTransport.RoundTrip(r) // follows nothing
	if err != nil {
		h.t.Fatal(err)
	}
	defer response.Body.Close()
	out := reply{status: response.StatusCode, header: response.Header}
	if out.body, err = io.ReadAll(response.Body); err != nil {
		h.t.Fatal(err)
	}
	if len(out.body) > 0 {
		if err := json.Unmarshal(out.body, &out.json); err != nil {
			h.t.Fatalf("%s %s: %s: %v", method, identifier, out.body, err)
		}
	}
	if got := out.header.Get("Access-Control-Allow-Origin"); got != "*" {
		h.t.Errorf("%s %s: Access-Control-Allow-Origin %q", method, identifier, got)
	}
	return out
}

// look asks for an identifier with an Accept header; none when it is empty.
func (h *harness) look(identifier, accept string) reply {
	h.t.Helper()
	header := http.Header{}
	if accept != "" {
		header.Set("Accept", accept)
	}
	return h.ask(http.MethodGet, "/"+identifier, header)
}

// mediaTypes are all that may be asked for, and what comes when that is a document.
var mediaTypes = []struct{ accept, want string }{
	{"", "application/did-resolution"},
	{"*/*", "application/did-resolution"},
	{"application/*", "application/did-resolution"},
	{"application/did-resolution", "application/did-resolution"},
	{ldResolution, ldResolution},
	{"application/did-url-dereferencing", "application/did-url-dereferencing"},
	{`application/ld+json; profile="https://w3id.org/did-url-dereferencing"`, ldDereferencing},
	{"application/did", "application/did"},
	{"application/did+json", "application/did+json"},
	{"application/did+ld+json", "application/did+ld+json"},
	{"application/ld+json", "application/ld+json"},
	{"application/json", "application/json"},
}

const (
	ldResolution    = `application/ld+json;profile="https://w3id.org/did-resolution"`
	ldDereferencing = `application/ld+json;profile="https://w3id.org/did-url-dereferencing"`
)

// parts takes an answer apart by its media type.
func (r reply) parts(t *testing.T) (content, problem, metadata any) {
	t.Helper()
	switch r.media() {
	case "application/did-resolution", ldResolution:
		return r.at("didDocument"), r.at("didResolutionMetadata", "error"), r.at("didDocumentMetadata")
	case "application/did-url-dereferencing", ldDereferencing:
		if !cmp.Equal(r.at("content"), r.at("contentStream")) {
			t.Errorf("body %s", r.body)
		}
		return r.at("content"), r.at("dereferencingMetadata", "error"), r.at("contentMetadata")
	case "application/problem+json":
		return nil, map[string]any(r.json), map[string]any{}
	}
	return map[string]any(r.json), nil, map[string]any{}
}

// kinds are identifiers of every kind, and every error.
var kinds = map[string]struct {
	identifier string
	status     int
	problem    string // empty: a document, or that it is gone
	byDefault  string // the media type when any is welcome; empty: application/did-resolution
}{
	"a DID of the ledger":         {liveDID, 200, "", ""},
	"a did:key":                   {keyDID, 200, "", ""},
	"the current version":         {liveDID + "?versionId=3", 200, "", ""},
	"a DID that is deactivated":   {goneDID, 410, "", ""},
	"no DID":                      {"not-a-did", 400, "INVALID_DID", ""},
	"no method-specific id":       {"did:example", 400, "INVALID_DID", ""},
	"not the method's form":       {"did:killick:x", 400, "INVALID_DID", ""},
	"no key":                      {"did:key:6Mk", 400, "INVALID_DID", ""},
	"a DID URL that is none":      {"did:key:z6Mk%23a%23b", 400, "INVALID_DID_URL", dereferencingType},
	"a parameter twice":           {liveDID + "?versionId=1&versionId=2", 400, "INVALID_DID_URL", dereferencingType},
	"no time":                     {liveDID + "?versionTime=2025-10-07", 400, "INVALID_DID_URL", dereferencingType},
	"an option's wrong value":     {url.QueryEscape(liveDID) + "?expandRelativeUrls=1", 400, "INVALID_OPTIONS", ""},
	"a DID that nobody made":      {noDID, 404, "NOT_FOUND", ""},
	"a DID of another ledger":     {did.String("other-0123456789abcdef", ledger.ID{1}), 404, "NOT_FOUND", ""},
	"a version to come":           {liveDID + "?versionId=4", 404, "NOT_FOUND", ""},
	"a path":                      {liveDID + "/path", 404, "NOT_FOUND", ""},
	"a parameter without meaning": {liveDID + "?hl=x", 404, "NOT_FOUND", ""},
	"an old version":              {liveDID + "?versionId=2", 200, "", ""},
	"a time before the DID":       {liveDID + "?versionTime=2025-10-07T14:30:00Z", 404, "NOT_FOUND", ""},
	"an option without meaning":   {url.QueryEscape(liveDID) + "?verificationRelationship=authentication", 501, "FEATURE_NOT_SUPPORTED", ""},
	"an unknown method":           {"did:unsupported:123456789abcdefghi", 501, "METHOD_NOT_SUPPORTED", ""},
	"did:web, which is off":       {"did:web:example.com", 501, "METHOD_NOT_SUPPORTED", ""},
	"a ledger that is down":       {downDID, 500, "INTERNAL_ERROR", ""},
	"a ledger that is broken":     {brokeDID, 500, "INTERNAL_ERROR", ""},
}

// Every media type meets every kind of DID and every error. RD-3: nothing may be
// used again unasked.
func TestMediaTypesAndErrors(t *testing.T) {
	t.Parallel()
	h := startTold(t)
	for name, tt := range kinds {
		for _, m := range mediaTypes {
			t.Run(name+" as "+m.accept, func(t *testing.T) {
				r := h.look(tt.identifier, m.accept)
				want := m.want
				result := strings.HasPrefix(want, "application/did-resolution") || strings.HasPrefix(want, dereferencingType) || strings.Contains(want, "profile")
				switch {
				case tt.problem != "" && !result:
					want = "application/problem+json"
				case tt.status == 410 && !result: // that it is gone, a result says
					want = "application/did-resolution"
				case tt.byDefault != "" && (m.accept == "" || strings.Contains(m.accept, "*")):
					want = tt.byDefault
				}
				if r.status != tt.status || r.media() != want {
					t.Fatalf("status %d, Content-Type %s, want %s: %s", r.status, r.media(), want, r.body)
				}
				content, problem, metadata := r.parts(t)
				if _, ok := metadata.(map[string]any); !ok {
					t.Errorf("metadata %v", metadata)
				}
				caching := "no-store"
				if tt.status == 200 {
					caching = "no-cache"
					document, _ := content.(map[string]any)
					if did, _, _ := strings.Cut(tt.identifier, "?"); document["id"] != did || document["@context"] == nil {
						t.Errorf("document %v", document)
					}
				} else if content != nil {
					t.Errorf("a document: %s", r.body)
				}
				if r.header.Get("Cache-Control") != caching || r.header.Get("Vary") != "Accept" || (r.header.Get("ETag") != "") != (tt.status == 200) {
					t.Errorf("header %v", r.header)
				}
				if tt.problem == "" {
					if problem != nil || tt.status == 410 && metadata.(map[string]any)["deactivated"] != true {
						t.Errorf("body %s", r.body)
					}
					return
				}
				if !cmp.Equal(metadata, map[string]any{}) {
					t.Errorf("metadata of nothing: %v", metadata)
				}
				p, _ := problem.(map[string]any)
				instance, _ := p["instance"].(string)
				if p["type"] != "https://www.w3.org/ns/did#"+tt.problem || p["title"] == "" || p["status"] != float64(tt.status) || p["detail"] == "" || !strings.HasPrefix(instance, "urn:killick:answer:") {
					t.Errorf("problem %v", p)
				}
				if strings.Contains(string(r.body), "EOF") {
					t.Errorf("the inner error shows: %s", r.body)
				}
			})
		}
	}
}
