package api

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/killick-ledger/killick/gateway/certificate"
	"github.com/killick-ledger/killick/gateway/vc"
)

// The media types of credentials.
var (
	mediaCredential    = media{name: "application/vc"}
	mediaCredentialJWT = media{name: "application/vc+jwt"}
)

// serveStatusList serves a status list as of the last block:
// GET /v1/status-lists/{issuer}/{number}/{purpose}. Whoever keeps it asks us before each
// use whether it is still the ledger's.
func (s *Server) serveStatusList(w http.ResponseWriter, r *http.Request) {
	list, purpose, err := s.certificates.ParseListPath(strings.TrimPrefix(r.URL.Path, certificate.ListPath))
	if err != nil {
		s.writeProblem(r.Context(), w, err)
		return
	}
	signed, err := s.certificates.List(r.Context(), list, purpose)
	if err != nil {
		s.writeProblem(r.Context(), w, err)
		return
	}
	// Programs of before VC Data Model 2.0 ask for JSON, and take no other.
	offered := []media{mediaCredential, mediaLD, mediaJSON}
	if signed.JWT {
		offered = []media{mediaCredentialJWT}
	}
	as, err := choose(r.Header.Values("Accept"), offered)
	if err != nil {
		as = offered[0] // RFC 9110, section 12.5.1: a representation that was not asked for is better than none
	}
	h := w.Header()
	h.Set("ETag", signed.Tag)
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("X-Content-Type-Options", "nosniff")
	if matches(r.Header.Values("If-None-Match"), signed.Tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", as.String())
	h.Set("Content-Length", strconv.Itoa(len(signed.Body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(signed.Body) // the client is gone if this fails
	}
}

// contextPath is where the text of vc.LedgerContext is served.
const contextPath = "/contexts/v1"

func serveContext(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", mediaLD.String())
	h.Set("Cache-Control", "public, max-age=86400, immutable")
	h.Set("Access-Control-Allow-Origin", "*")
	_, _ = w.Write(vc.LedgerContextFile()) // the client is gone if this fails
}
