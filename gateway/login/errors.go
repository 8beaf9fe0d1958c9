package login

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// Error is a refusal in the words of OAuth 2.0 (RFC 6749 section 5.2, RFC 6750 section
// 3.1, RFC 9449 sections 5 and 7).
type Error struct {
	Status int    // of HTTP
	Code   string // for example "invalid_grant"
	Text   string // for people
	// Scheme is that of WWW-Authenticate, empty where the header has no place.
	Scheme string
}

// Error renders "code: text".
func (e *Error) Error() string { return e.Code + ": " + e.Text }

// Codes of refusals.
const (
	invalidRequest = "invalid_request"
	invalidGrant   = "invalid_grant"
	invalidToken   = "invalid_token"
	invalidProof   = "invalid_dpop_proof"
	useNonce       = "use_dpop_nonce"
	unavailable    = "temporarily_unavailable"
)

// Refuse returns a refusal of a request's form or content.
func Refuse(code, format string, args ...any) error {
	return &Error{Status: http.StatusBadRequest, Code: code, Text: fmt.Sprintf(format, args...)}
}

// Forbidden returns the refusal of a caller who is known and may not do this.
func Forbidden(format string, args ...any) error {
	return &Error{Status: http.StatusForbidden, Code: "insufficient_scope", Text: fmt.Sprintf(format, args...), Scheme: "DPoP"}
}

// Later returns the refusal for want of room, or of the ledger.
func Later(format string, args ...any) error {
	return &Error{Status: http.StatusServiceUnavailable, Code: unavailable, Text: fmt.Sprintf(format, args...)}
}

// Write answers with a refusal. Errors of others become server_error, without a word
// of what they say.
func (s *Service) Write(w http.ResponseWriter, r *http.Request, err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Status: http.StatusInternalServerError, Code: "server_error", Text: "internal error"}
		if r.Context().Err() == nil {
			s.log.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "error", err)
		}
	}
	h := w.Header()
	if e.Code == useNonce {
		h.Set("DPoP-Nonce", s.nonce())
	}
	if e.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	if e.Scheme != "" {
		h.Set("WWW-Authenticate", e.authenticate())
	}
	body := map[string]string{"error": e.Code, "error_description": plain(e.Text)}
	if e.Code == "" {
		body = map[string]string{"error": invalidToken, "error_description": "log in first"}
	}
	Answer(w, e.Status, body)
}

// authenticate is the value of WWW-Authenticate: with an error unless the request had
// no token at all.
func (e *Error) authenticate() string {
	var parameters []string
	if e.Code != "" {
		parameters = append(parameters, "error="+strconv.Quote(e.Code), "error_description="+strconv.Quote(plain(e.Text)))
	}
	if e.Scheme == "DPoP" {
		parameters = append(parameters, "algs="+strconv.Quote(strings.Join(algorithms(), " ")))
	}
	return e.Scheme + " " + strings.Join(parameters, ", ")
}

// plain keeps the characters that error_description may have.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r < ' ' || r > '~' || r == '\\':
			return '?'
		}
		return r
	}, text)
}

// Answer writes an answer that nobody may keep, as JSON.
func Answer(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // cannot be: the values are our own
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone if this fails
}

func algorithms() []string {
	var out []string
	for _, a := range did.Algorithms {
		out = append(out, string(a))
	}
	return out
}

// ofFault makes a refusal of an error about keys, signatures and forms; what could not
// be found out stays open.
func ofFault(err error, code string) error {
	switch fault.Of(err) {
	case fault.Internal:
		return err
	case fault.Unavailable, fault.Overloaded:
		return Later("%s", fault.Text(err))
	}
	return Refuse(code, "%s", err)
}
