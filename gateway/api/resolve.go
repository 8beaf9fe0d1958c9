package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/resolver"
)

const (
	// identifiers is the path of the DID resolver: the HTTP(S) binding of W3C DID
	// Resolution, which universal-resolver drivers have too.
	identifiers       = "/1.0/identifiers"
	identifierMethods = "GET, HEAD, OPTIONS"
)

// isIdentifier says that a request is for the DID resolver.
func isIdentifier(r *http.Request) bool {
	rest, ok := strings.CutPrefix(r.URL.Path, identifiers)
	return ok && (rest == "" || rest[0] == '/')
}

// identifier returns the DID or DID URL of a request, and the options. A DID URL
// that is percent-encoded as a whole, or has its question mark encoded, leaves the
// query of the request to the options; otherwise that is the DID URL's own. "#" is
// always encoded: no client sends what follows a plain one.
func identifier(r *http.Request) (text, options string) {
	path := strings.TrimPrefix(strings.TrimPrefix(r.URL.EscapedPath(), identifiers), "/")
	if len(path) > 6 && strings.EqualFold(path[3:6], "%3A") {
		if decoded, err := url.PathUnescape(path); err == nil {
			return decoded, r.URL.RawQuery
		}
	}
	path = strings.NewReplacer("%23", "#", "%3F", "?", "%3f", "?").Replace(path)
	if r.URL.RawQuery == "" || strings.Contains(path, "?") {
		return path, r.URL.RawQuery
	}
	base, fragment, has := strings.Cut(path, "#")
	if has {
		fragment = "#" + fragment
	}
	return base + "?" + r.URL.RawQuery + fragment, ""
}

// resolving lets pages of every origin read what next answers: a resolver is asked
// by browsers, and knows nobody.
func resolving(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Allow-Methods", identifierMethods)
		h.Set("Access-Control-Allow-Headers", "Accept, If-None-Match")
		h.Set("Access-Control-Expose-Headers", "ETag")
		h.Set("Access-Control-Max-Age", "86400")
		h.Set("Cache-Control", "no-store") // of refusals
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// serveIdentifier resolves a DID or dereferences a DID URL.
func (s *Server) serveIdentifier(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		w.Header().Set("Allow", identifierMethods)
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		w.Header().Set("Allow", identifierMethods)
		const status = http.StatusMethodNotAllowed
		writeIdentifier(w, r, status, mediaProblem, resolverProblem{Type: "about:blank", Title: http.StatusText(status), Status: status, Instance: "urn:killick:answer:" + instance()})
		return
	}
	w.Header().Set("Vary", "Accept")
	text, options := identifier(r)
	q, err := s.resolver.Parse(text, options)
	offered := offers(q, text)
	as, unacceptable := choose(r.Header.Values("Accept"), offered)
	if unacceptable != nil { // a whole result is the answer then
		if as = offered[0]; as == mediaURIs {
			as = mediaDereferencing
		}
		if err == nil {
			err = unacceptable
		}
	}
	if err == nil {
		err = s.answerIdentifier(w, r, q, as)
	}
	if err != nil {
		s.refuseIdentifier(w, r, as, err)
	}
}

// answerIdentifier answers a request in the chosen form, or returns why not.
func (s *Server) answerIdentifier(w http.ResponseWriter, r *http.Request, q *resolver.Request, as media) error {
	ctx, cancel := context.WithTimeout(r.Context(), queryLimit)
	defer cancel()
	resolution, err := s.resolver.Resolve(ctx, q)
	if err != nil {
		return err
	}
	if resolution.Metadata.Deactivated {
		if !as.resolves() && !as.dereferences() { // there is no document; that it is gone, a result says
			as = mediaResolution
		}
		writeIdentifier(w, r, http.StatusGone, as, whole(as, nil, resolution.Metadata, functionMetadata{}))
		return nil
	}
	if as == mediaURIs || q.Form() == resolver.Selected && q.RelativeRef != nil && as.dereferences() {
		location, err := q.Location(resolution.Document)
		if err != nil {
			return err
		}
		w.Header().Set("Location", location)
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusSeeOther)
		return nil
	}
	content, err := q.Content(resolution.Document)
	if err != nil {
		return err
	}
	if !as.resolves() && !as.dereferences() {
		writeIdentifier(w, r, http.StatusOK, as, content)
		return nil
	}
	metadata := resolution.Metadata
	if q.URL.Fragment != "" { // it is the document's, and of no part
		metadata = resolver.Metadata{}
	}
	writeIdentifier(w, r, http.StatusOK, as, whole(as, content, metadata, functionMetadata{ContentType: mediaDID.name}))
	return nil
}

// refuseIdentifier answers with an error: within a result where one was asked for,
// and by itself to whoever asked for a document.
func (s *Server) refuseIdentifier(w http.ResponseWriter, r *http.Request, as media, err error) {
	known := &resolver.Error{Reason: resolver.InternalError, Detail: "internal error"}
	if !errors.As(err, &known) {
		known.Cause = err
	}
	switch {
	case errors.Is(err, errNotAcceptable):
		known = &resolver.Error{Reason: resolver.RepresentationNotSupported, Detail: err.Error()}
	case errors.Is(err, errAccept):
		known = &resolver.Error{Reason: resolver.InvalidOptions, Detail: err.Error()}
	}
	p := resolverProblem{
		Type: known.Reason.URI(), Title: known.Reason.Title(), Status: known.Reason.Status(), Detail: known.Detail, Instance: "urn:killick:answer:" + instance(),
	}
	// Of our own making or of a did:web's host: what nobody could have known before.
	if known.Reason == resolver.InternalError && fault.Of(known.Cause) != fault.Unavailable && r.Context().Err() == nil {
		s.cfg.Log.WarnContext(r.Context(), "resolve failed", "instance", p.Instance, "error", err, "cause", known.Cause)
	}
	if !as.resolves() && !as.dereferences() {
		writeIdentifier(w, r, p.Status, mediaProblem, p)
		return
	}
	writeIdentifier(w, r, p.Status, as, whole(as, nil, resolver.Metadata{}, functionMetadata{Error: &p}))
}

// resolverProblem is a refusal of the resolver (RFC 9457). Its types are those of
// DID Resolution and not ours, so it has no code.
type resolverProblem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail,omitempty"`
	Instance string `json:"instance"`
}

// functionMetadata are didResolutionMetadata and dereferencingMetadata.
type functionMetadata struct {
	ContentType string           `json:"contentType,omitempty"`
	Error       *resolverProblem `json:"error,omitempty"`
}

type resolutionResult struct {
	Context            string            `json:"@context,omitempty"`
	Document           jsontext.Value    `json:"didDocument"`
	ResolutionMetadata functionMetadata  `json:"didResolutionMetadata"`
	DocumentMetadata   resolver.Metadata `json:"didDocumentMetadata"`
}

// dereferencingResult names the content twice: as the specification's result does,
// and as its algorithm and its test suite do.
type dereferencingResult struct {
	Content               jsontext.Value    `json:"content"`
	ContentStream         jsontext.Value    `json:"contentStream"`
	DereferencingMetadata functionMetadata  `json:"dereferencingMetadata"`
	ContentMetadata       resolver.Metadata `json:"contentMetadata"`
}

// whole makes the result of the type; nil content is null.
func whole(as media, content jsontext.Value, metadata resolver.Metadata, function functionMetadata) any {
	if content == nil {
		content = jsontext.Value("null")
	}
	if as.dereferences() {
		return dereferencingResult{content, content, function, metadata}
	}
	result := resolutionResult{Document: content, ResolutionMetadata: function, DocumentMetadata: metadata}
	if as == mediaLDResolution {
		result.Context = "https://w3id.org/did-resolution/v1"
	}
	return result
}

// writeIdentifier writes an answer. What may be kept is checked with us before each
// use, so that nobody reads a document that is older than our peer's last block.
func writeIdentifier(w http.ResponseWriter, r *http.Request, status int, as media, v any) {
	body, err := json.Marshal(v)
	if err != nil { // cannot be: every value is one of ours, and every document was read
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", as.String())
	if status == http.StatusOK {
		sum := sha256.Sum256(append([]byte(as.String()+"\n"), body...))
		tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
		h.Set("ETag", tag)
		h.Set("Cache-Control", "no-cache")
		if matches(r.Header.Values("If-None-Match"), tag) {
			h.Del("Content-Type")
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client is gone if this fails
	}
}

// matches says that an If-None-Match header names the tag. Our tags have no commas.
func matches(header []string, tag string) bool {
	for element := range strings.SplitSeq(strings.Join(header, ","), ",") {
		if element = strings.TrimSpace(element); element == "*" || strings.TrimPrefix(element, "W/") == tag {
			return true
		}
	}
	return false
}
