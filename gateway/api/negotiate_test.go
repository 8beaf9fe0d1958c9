package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	selectedURL = liveDID + "?service=files"
	locatedURL  = selectedURL + "&relativeRef=x"
	partURL     = liveDID + "%23key-1"
)

// negotiations are Accept headers and what they get.
var negotiations = map[string]struct {
	identifier, accept string
	status             int
	want               string
}{
	"the best of several":             {liveDID, "application/did+json;q=0.5, application/did;q=0.9, */*;q=0.1", 200, "application/did"},
	"equals":                          {liveDID, "application/did+json, application/did-resolution", 200, resolutionType},
	"what is more specific counts":    {liveDID, "*/*, application/did-resolution;q=0.1, application/*;q=0.2, application/did+json;q=0.3", 200, "application/did+json"},
	"not that one":                    {liveDID, "*/*;q=0.5, application/did-resolution;q=0", 200, "application/did"},
	"a profile is more specific":      {liveDID, `application/ld+json;q=0.1, application/ld+json;profile="https://w3id.org/did-resolution";q=0.9`, 200, ldResolution},
	"a profile in other order":        {liveDID, `application/ld+json;q=0.9;profile="https://w3id.org/did-resolution", application/json;q=0.8`, 200, ldResolution},
	"a profile that nobody knows":     {liveDID, `application/ld+json;profile="https://a.example/x,y", application/json;q=0.1`, 200, "application/json"},
	"a browser":                       {liveDID, "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", 200, resolutionType},
	"a program":                       {liveDID, "application/json, text/plain, */*", 200, resolutionType},
	"other letters and blanks":        {liveDID, " Application/DID ; Q=1 ,", 200, "application/did"},
	"a charset":                       {liveDID, "application/did+json; charset=utf-8", 200, "application/did+json"},
	"the universal resolver's driver": {liveDID, "application/did-resolution,application/did", 200, resolutionType},
	"its dereferencing":               {partURL, "application/did-url-dereferencing,*/*", 200, dereferencingType},
	"an empty header":                 {liveDID, " ", 200, resolutionType},

	"an image":                  {liveDID, "image/png", 406, resolutionType},
	"text":                      {liveDID, "text/*", 406, resolutionType},
	"nothing at all":            {liveDID, "*/*;q=0", 406, resolutionType},
	"an unknown representation": {liveDID, "application/x-unsupported-did-representation-99999", 406, resolutionType},
	"addresses of no service":   {liveDID, "text/uri-list", 406, resolutionType},
	"CBOR":                      {liveDID, "application/did+cbor", 406, resolutionType},

	"no list":         {liveDID, "application/did,,;", 400, resolutionType},
	"no type":         {liveDID, "application", 400, resolutionType},
	"half a wildcard": {liveDID, "*/did", 400, resolutionType},
	"a quality of 2":  {liveDID, "application/did;q=2", 400, resolutionType},
	"a quality of x":  {liveDID, "application/did;q=x", 400, resolutionType},
	"a long quality":  {liveDID, "application/did;q=0.1234", 400, resolutionType},
	"not ASCII":       {liveDID, "application/did\xf0\x9f\x94\xa5", 400, resolutionType},

	"a part":                       {partURL, "", 200, dereferencingType},
	"a part as a document":         {partURL, "application/did+ld+json", 200, "application/did+ld+json"},
	"a part as a resolution":       {partURL, resolutionType, 406, dereferencingType},
	"a service":                    {selectedURL, "", 200, dereferencingType},
	"a service as a document":      {selectedURL, "application/did", 200, "application/did"},
	"a service's address":          {selectedURL, "text/uri-list", 303, ""},
	"an address, if nothing else":  {selectedURL, "text/uri-list;q=0.1, application/did;q=0.2", 200, "application/did"},
	"a place at a service":         {locatedURL, "", 303, ""},
	"a place for a browser":        {locatedURL, "text/html, */*;q=0.8", 303, ""},
	"a place as a result":          {locatedURL, dereferencingType, 303, ""},
	"a place as a document":        {locatedURL, "application/did", 200, "application/did"},
	"a place as an old result":     {locatedURL, ldDereferencing, 303, ""},
	"a place at no service":        {liveDID + "?service=none&relativeRef=x", "", 404, "application/problem+json"},
	"the address of no service":    {liveDID + "?service=none", "text/uri-list", 404, "application/problem+json"},
	"no place, as a result":        {liveDID + "?service=none&relativeRef=x", dereferencingType, 404, dereferencingType},
	"a place of a DID that is not": {noDID + "?service=files&relativeRef=x", "", 404, "application/problem+json"},
	"a place of a DID that was":    {goneDID + "?service=files&relativeRef=x", "", 410, resolutionType},
}

func TestNegotiation(t *testing.T) {
	t.Parallel()
	h := startTold(t)
	for name, tt := range negotiations {
		t.Run(name, func(t *testing.T) {
			r := h.look(tt.identifier, tt.accept)
			if r.status != tt.status || r.media() != tt.want {
				t.Fatalf("got %d %s, want %d %s: %s", r.status, r.media(), tt.status, tt.want, r.body)
			}
			location := r.header.Get("Location")
			if (tt.status == 303) != (location != "") || tt.status == 303 && len(r.body) > 0 {
				t.Errorf("Location %q, body %s", location, r.body)
			}
			_, problem, _ := r.parts(t)
			p, _ := problem.(map[string]any)
			switch kind := p["type"]; {
			case tt.status == 406 && kind != "https://www.w3.org/ns/did#REPRESENTATION_NOT_SUPPORTED",
				tt.status == 400 && kind != "https://www.w3.org/ns/did#INVALID_OPTIONS",
				tt.status == 404 && kind != "https://www.w3.org/ns/did#NOT_FOUND":
				t.Errorf("problem %v", p)
			}
		})
	}
	// Two headers are one list.
	r := h.ask(http.MethodGet, "/"+liveDID, http.Header{"Accept": {"application/did;q=0.1", "application/json"}})
	if r.media() != "application/json" {
		t.Errorf("got %s", r.media())
	}
	// What was asked wrongly is named first, whatever is acceptable.
	if r := h.look("not-a-did", "image/png"); r.status != 400 || r.media() != resolutionType {
		t.Errorf("got %d %s", r.status, r.media())
	}
}

// The DID URL comes in the path as it is, or percent-encoded; the query of the
// request is its own, or holds options.
func TestIdentifiers(t *testing.T) {
	t.Parallel()
	h := startTold(t)
	whole := url.QueryEscape
	const part = "did-url-dereferencing"
	tests := map[string]struct {
		identifier string
		status     int
		want       string // the id of what comes, or the Location
	}{
		"as it is":                       {liveDID, 200, liveDID},
		"encoded":                        {whole(liveDID), 200, liveDID},
		"encoded in small letters":       {strings.ToLower(whole("did:key:")) + keyDID[len("did:key:"):], 200, keyDID},
		"a fragment encoded":             {liveDID + "%23key-1", 200, liveDID + "#key-1"},
		"all of it encoded":              {whole(liveDID + "#key-1"), 200, liveDID + "#key-1"},
		"a did:key's key":                {whole(keyID), 200, keyID},
		"a fragment before the query":    {liveDID + "%23key-1?versionId=3", 200, liveDID + "#key-1"},
		"a fragment with a bad version":  {liveDID + "%23key-1?versionId=4", 404, ""},
		"the question mark encoded":      {liveDID + "%3FversionId=3", 200, liveDID},
		"options behind it":              {liveDID + "%3FversionId=3?expandRelativeUrls=true", 200, liveDID},
		"options":                        {whole(liveDID) + "?versionId=3&noCache=true", 200, liveDID},
		"an option that is wrong":        {whole(liveDID) + "?noCache=1", 400, ""},
		"a parameter among options":      {whole(liveDID) + "?service=files&relativeRef=x", 303, "https://files.example/home/x"},
		"a service":                      {liveDID + "?service=files&relativeRef=%2Fa%2Fb%3Fc", 303, "https://files.example/a/b?c"},
		"a service, encoded":             {whole(liveDID + "?service=files&relativeRef=%2Fa%2Fb%3Fc"), 303, "https://files.example/a/b?c"},
		"a service and a fragment":       {whole(liveDID + "?service=files&relativeRef=%2Fa#intro"), 303, "https://files.example/a#intro"},
		"a fragment twice":               {liveDID + "?service=part&relativeRef=%23a%23b", 400, ""},
		"a way out":                      {liveDID + "?service=files&relativeRef=..%2F..%2Fx", 400, ""},
		"another host":                   {liveDID + "?service=files&relativeRef=%2F%2Fevil.example", 400, ""},
		"a path that a mux would clean":  {liveDID + "//a/../b", 404, ""},
		"an encoded slash":               {liveDID + "%2Fpath", 400, ""},
		"nothing":                        {"", 400, ""},
		"only a query":                   {"?versionId=1", 400, ""},
		"bytes that are not UTF-8":       {"%ff%fe", 400, ""},
		"a version":                      {liveDID + "?versionId=3", 200, liveDID},
		"a version with a zero":          {liveDID + "?versionId=03", 404, ""},
		"no version":                     {liveDID + "?versionId=0", 404, ""},
		"a version that is no number":    {liveDID + "?versionId=latest", 404, ""},
		"a version beyond all":           {liveDID + "?versionId=99999999999999999999", 404, ""},
		"a time before all":              {liveDID + "?versionTime=1970-01-01T00:00:00Z", 404, ""},
		"a time to come":                 {liveDID + "?versionTime=2999-01-01T00:00:00Z", 200, liveDID},
		"a did:key at a time":            {keyDID + "?versionTime=2025-10-07T14:30:00Z", 200, keyDID},
		"a fragment that is nowhere":     {liveDID + "%23none", 404, ""},
		"a part of a DID that was":       {goneDID + "%23key-1", 410, ""},
		"longer than any DID":            {liveDID + strings.Repeat("a", 5000), 400, ""},
		"a DID's id with a wrong letter": {liveDID + "0", 400, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := h.look(tt.identifier, "")
			if r.status != tt.status {
				t.Fatalf("status %d: %s", r.status, r.body)
			}
			if tt.status == 303 {
				if got := r.header.Get("Location"); got != tt.want || r.header.Get("Cache-Control") != "no-cache" {
					t.Errorf("Location %s, header %v", got, r.header)
				}
				return
			}
			content, _, metadata := r.parts(t)
			object, _ := content.(map[string]any)
			if id, _ := object["id"].(string); id != tt.want {
				t.Errorf("got %s", r.body)
			}
			if tt.status == 200 && strings.Contains(tt.want, "#") && (!strings.Contains(r.media(), part) || !cmp.Equal(metadata, map[string]any{}) || object["@context"] == nil) {
				t.Errorf("a part with %v: %s", metadata, r.body)
			}
		})
	}
	if r := h.ask(http.MethodGet, "", nil); r.status != 400 {
		t.Errorf("without a slash: %d", r.status)
	}
	if status, _, _ := h.get("/1.0/identifiersX"); status != 404 {
		t.Errorf("another path: %d", status)
	}
}
