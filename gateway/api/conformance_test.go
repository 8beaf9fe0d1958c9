package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The checks of the W3C's test suite for DID Resolution, section by section and in
// its words (w3c/did-resolution-test-suite and the w3c-ccg's before it), of DIDs of
// the ledger and did:key. Three of its parts are not here: that the edge of the
// deployment speaks TLS, that a query may hold an unknown parameter accept, and that
// a relativeRef has no question mark, against the specification's example.

const (
	resolutionType    = "application/did-resolution"
	dereferencingType = "application/did-url-dereferencing"
)

// validDIDs are DIDs that resolve.
func (h *harness) validDIDs() []string {
	return []string{keyDID, "did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169", "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme", liveDID, h.alice.DID}
}

var notASCII = []string{"🔥💥🚫", "Привет", "こんにちは", "مرحبا", "foo\u200bbar"}

// with adds a parameter to a DID that resolves.
func with(name, value string) string { return keyDID + "?" + url.Values{name: {value}}.Encode() }

// failed checks the resolution result of an error.
func (r reply) failed(t *testing.T, status int, kind string) {
	t.Helper()
	if r.status != status || r.at("didResolutionMetadata", "error", "type") != "https://www.w3.org/ns/did#"+kind {
		t.Errorf("%d %s", r.status, r.body)
	}
	if document, has := r.json["didDocument"]; !has || document != nil || !cmp.Equal(r.at("didDocumentMetadata"), map[string]any{}) {
		t.Errorf("not a result of an error: %s", r.body)
	}
}

// succeeded checks the resolution result of a DID that resolves.
func (r reply) succeeded(t *testing.T, did string) {
	t.Helper()
	_, isObject := r.at("didDocumentMetadata").(map[string]any)
	if r.status != 200 || r.at("didDocument", "id") != did || !isObject {
		t.Errorf("%d %s", r.status, r.body)
	}
	kind, _ := r.at("didResolutionMetadata", "contentType").(string)
	if kind != "application/did" || !strings.Contains(r.media(), kind) || !strings.Contains(r.media(), resolutionType) {
		t.Errorf("Content-Type %s, contentType %s", r.media(), kind)
	}
	if proof := r.at("didResolutionMetadata", "proof"); proof != nil {
		t.Errorf("proof %v", proof)
	}
}

func TestDIDResolutionSuiteParameters(t *testing.T) {
	t.Parallel()
	h := startTold(t)
	refused := func(name, value, why string) {
		t.Run(name+" "+why+"/"+value, func(t *testing.T) {
			if r := h.look(with(name, value), ""); r.status != 400 {
				t.Errorf("%d %s", r.status, r.body)
			}
		})
	}
	for _, name := range []string{"service", "serviceType", "relativeRef", "versionId", "versionTime", "hl"} {
		for _, value := range notASCII {
			refused(name, value, "MUST be an ASCII string")
		}
	}
	for name, value := range map[string]string{"service": "linkedDomain", "serviceType": "LinkedDomain", "relativeRef": "my%20path/file"} {
		t.Run("a valid "+name, func(t *testing.T) {
			if r := h.look(with(name, value), ""); r.status != 200 {
				t.Errorf("%d %s", r.status, r.body)
			}
		})
	}
	for _, value := range []string{
		"2025-10-07 12:30:45", "2025/10/07T12:30:45", "2025-13-07T12:30:45", "2025-10-32T12:30:45", "2025-10-07T25:00:00", "2025-10-07T12:30:60",
		"2025-10-07T12:30:45+24:00", "2025-10-07", "2025-10-07T12:30:45abc", "T12:30:45",
	} {
		refused("versionTime", value, "MUST be a valid XML datetime value")
	}
	for _, value := range []string{"2025-10-07T00:00:00+02:00", "2025-10-07T00:00:00-05:00", "2025-10-07T00:00:00", "2025-10-07T00:00:00.123Z", "2025-10-07T00:00:00.999+01:00"} {
		refused("versionTime", value, "MUST be normalized to UTC and without sub-second decimal precision")
	}
	t.Run("a normalized versionTime", func(t *testing.T) {
		h.look(with("versionTime", "2025-10-07T14:30:00Z"), "").succeeded(t, keyDID)
	})
}

func TestDIDResolutionSuiteResolution(t *testing.T) {
	t.Parallel()
	h := startTold(t)
	for _, did := range h.validDIDs() {
		t.Run("MUST implement the DID resolution function/"+did, func(t *testing.T) { h.look(did, "").succeeded(t, did) })
	}
	t.Run("The did input to the resolve function is REQUIRED", func(t *testing.T) { h.look("", "").failed(t, 400, "INVALID_DID") })
	for _, did := range []string{"not-a-did", "did:example"} {
		t.Run("The did input value MUST be a conformant DID/"+did, func(t *testing.T) { h.look(did, "").failed(t, 400, "INVALID_DID") })
	}
	for _, value := range notASCII {
		t.Run("The Media Type MUST be expressed as an ASCII string/"+value, func(t *testing.T) {
			if r := h.look(with("accept", value), ""); r.status != 400 {
				t.Errorf("%d %s", r.status, r.body)
			}
		})
	}
	t.Run("If the DID method is not supported, produces a METHOD_NOT_SUPPORTED error", func(t *testing.T) {
		h.look("did:unsupported:123456789abcdefghi", "").failed(t, 501, "METHOD_NOT_SUPPORTED")
	})
}

func TestDIDResolutionSuiteBinding(t *testing.T) {
	t.Parallel()
	h := startTold(t)
	for _, did := range h.validDIDs() {
		t.Run("MUST implement the GET version/"+did, func(t *testing.T) { h.look(did, resolutionType).succeeded(t, did) })
		t.Run("MUST accept URL-encoded DIDs/"+did, func(t *testing.T) { h.look(url.QueryEscape(did), resolutionType).succeeded(t, did) })
		for _, accept := range []string{"application/did+json", "application/did+ld+json"} {
			t.Run("MUST contain only the didDocument/"+accept+" "+did, func(t *testing.T) {
				if r := h.look(did, accept); r.status != 200 || r.json["id"] != did || r.json["didResolutionMetadata"] != nil {
					t.Errorf("%d %s", r.status, r.body)
				}
			})
		}
	}
	for identifier, kind := range map[string]string{
		"not-a-did": "INVALID_DID", "did:example": "INVALID_DID", "did:unsupported:123456789abcdefghi": "METHOD_NOT_SUPPORTED", noDID: "NOT_FOUND",
	} {
		t.Run(kind+" error MUST map to its HTTP status/"+identifier, func(t *testing.T) {
			h.look(identifier, resolutionType).failed(t, map[string]int{"INVALID_DID": 400, "METHOD_NOT_SUPPORTED": 501, "NOT_FOUND": 404}[kind], kind)
		})
	}
	t.Run("REPRESENTATION_NOT_SUPPORTED error MUST map to HTTP status 406", func(t *testing.T) {
		h.look(keyDID, "application/x-unsupported-did-representation-99999").failed(t, 406, "REPRESENTATION_NOT_SUPPORTED")
	})
	t.Run("If deactivated metadata property is true, HTTP response status MUST be 410", func(t *testing.T) {
		r := h.look(goneDID, resolutionType)
		if document, has := r.json["didDocument"]; r.status != 410 || !has || document != nil || r.at("didDocumentMetadata", "deactivated") != true {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
}

func TestDIDResolutionSuiteDereferencing(t *testing.T) {
	t.Parallel()
	h := startTold(t)
	for _, didURL := range []string{keyDID, keyID, liveDID + "?versionId=3", liveDID + "#files", liveDID + "?service=files"} {
		identifier := url.QueryEscape(didURL)
		t.Run("HTTP body MUST contain a DID URL dereferencing result/"+didURL, func(t *testing.T) {
			r := h.look(identifier, dereferencingType)
			stream, _ := r.at("contentStream").(map[string]any)
			_, isObject := r.at("contentMetadata").(map[string]any)
			kind, _ := r.at("dereferencingMetadata", "contentType").(string)
			if r.status != 200 || stream["id"] == nil || !isObject || kind == "" || !strings.Contains(r.media(), kind) {
				t.Errorf("%d %s", r.status, r.body)
			}
		})
		t.Run("MUST contain only the contentStream/"+didURL, func(t *testing.T) {
			if r := h.look(identifier, "application/json"); r.status != 200 || r.json["id"] == nil || r.json["dereferencingMetadata"] != nil {
				t.Errorf("%d %s", r.status, r.body)
			}
		})
	}
	t.Run("If contentType is text/uri-list, HTTP response status MUST be 303, with a Location and no body", func(t *testing.T) {
		r := h.look(url.QueryEscape(liveDID+"?service=files&relativeRef=%2Fresume.pdf"), dereferencingType)
		if r.status != http.StatusSeeOther || r.header.Get("Location") != "https://files.example/resume.pdf" || len(r.body) > 0 {
			t.Errorf("%d %v %s", r.status, r.header, r.body)
		}
	})
}

// The scenarios of the universal resolver's own test suite
// (w3c-ccg/did-resolution-test-suite), which is older than problem details and
// than application/did-resolution: statuses, shapes and the media types that are
// asked for are as there, errors and the default media type as DID Resolution has
// them now.
func TestUniversalResolverScenarios(t *testing.T) {
	t.Parallel()
	h := startTold(t)
	for _, did := range []string{keyDID, liveDID} {
		if r := h.look(did, ldResolution); r.status != 200 || r.media() != ldResolution || r.at("didDocument", "id") != did || r.json["didResolutionMetadata"] == nil || r.json["didDocumentMetadata"] == nil {
			t.Errorf("1, DID resolution result: %d %s", r.status, r.body)
		}
		if r := h.look(did, "application/did+ld+json"); r.status != 200 || r.media() != "application/did+ld+json" || r.json["@context"] == nil || r.json["didDocument"] != nil {
			t.Errorf("2, JSON-LD DID document: %d %s", r.status, r.body)
		}
		if r := h.look(did, "image/png"); r.status != 406 {
			t.Errorf("3, representation not supported: %d %s", r.status, r.body)
		}
		// What the universal resolver sends to its drivers, and what their guide says.
		for _, accept := range []string{"application/did-resolution,application/did", "application/ld+json"} {
			if r := h.look(did, accept); r.status != 200 || r.json["id"] != did && r.at("didDocument", "id") != did {
				t.Errorf("driver: %d %s", r.status, r.body)
			}
		}
	}
	if r := h.look(goneDID, ldResolution); r.status != 410 || r.media() != ldResolution || r.at("didDocumentMetadata", "deactivated") != true {
		t.Errorf("4, deactivated: %d %s", r.status, r.body)
	}
	if r := h.look(noDID, ldResolution); r.status != 404 || r.media() != ldResolution || r.at("didResolutionMetadata", "error") == nil {
		t.Errorf("5, not found: %d %s", r.status, r.body)
	}
	for _, did := range []string{"did:example_222", "did:example:", "urn:uuid:c0bbe99d-2071-4fd3-a87e-6b710b369108"} {
		if r := h.look(did, ldResolution); r.status != 400 || r.media() != ldResolution || r.at("didResolutionMetadata", "error") == nil {
			t.Errorf("6, invalid DID: %d %s", r.status, r.body)
		}
	}
	for _, id := range []string{keyID, liveDID + "#key-1"} {
		if r := h.look(url.QueryEscape(id), "application/did+ld+json"); r.status != 200 || r.media() != "application/did+ld+json" || r.json["id"] != id || r.json["@context"] == nil || r.json["didDocument"] != nil {
			t.Errorf("7, DID URLs with fragments: %d %s", r.status, r.body)
		}
	}
	if r := h.look(liveDID+"?service=files&relativeRef=did-method-dns", "text/uri-list"); r.status != 303 || r.header.Get("Location") != "https://files.example/home/did-method-dns" {
		t.Errorf("8, service and relativeRef: %d %v", r.status, r.header)
	}
	if r := h.look(keyDID+"?versionTime=2018-12-10T02:22:49Z", "application/did+ld+json"); r.status != 200 || r.json["id"] != keyDID {
		t.Errorf("10, versionTime: %d %s", r.status, r.body)
	}
	if r := h.look(liveDID+"?versionId=3", "application/did+ld+json"); r.status != 200 || r.json["id"] != liveDID {
		t.Errorf("11, versionId: %d %s", r.status, r.body)
	}
}
