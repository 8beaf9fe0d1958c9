package resolver

import "net/http"

// Reason is an error type of DID Resolution.
type Reason string

// The error types of DID Resolution, section "Errors".
const (
	InvalidDID                 Reason = "INVALID_DID"
	InvalidDIDURL              Reason = "INVALID_DID_URL"
	InvalidOptions             Reason = "INVALID_OPTIONS"
	NotFound                   Reason = "NOT_FOUND"
	RepresentationNotSupported Reason = "REPRESENTATION_NOT_SUPPORTED"
	InvalidDIDDocument         Reason = "INVALID_DID_DOCUMENT"
	MethodNotSupported         Reason = "METHOD_NOT_SUPPORTED"
	FeatureNotSupported        Reason = "FEATURE_NOT_SUPPORTED"
	InternalError              Reason = "INTERNAL_ERROR"
)

var reasons = map[Reason]struct {
	title  string
	status int
}{
	InvalidDID:                 {"Invalid DID", http.StatusBadRequest},
	InvalidDIDURL:              {"Invalid DID URL", http.StatusBadRequest},
	InvalidOptions:             {"Invalid options", http.StatusBadRequest},
	NotFound:                   {"Not found", http.StatusNotFound},
	RepresentationNotSupported: {"Representation not supported", http.StatusNotAcceptable},
	InvalidDIDDocument:         {"Invalid DID document", http.StatusInternalServerError},
	MethodNotSupported:         {"DID method not supported", http.StatusNotImplemented},
	FeatureNotSupported:        {"Feature not supported", http.StatusNotImplemented},
	InternalError:              {"Internal error", http.StatusInternalServerError},
}

// URI returns the error's type as problem details state it (RFC 9457).
func (r Reason) URI() string { return "https://www.w3.org/ns/did#" + string(r) }

// Title returns the error in words.
func (r Reason) Title() string { return reasons[r].title }

// Status returns the HTTP status that the HTTP(S) binding gives the error.
func (r Reason) Status() int { return reasons[r].status }

// Error is an answer without a document.
type Error struct {
	Reason Reason
	Detail string // for whoever asked
	Cause  error  // for the log; may be nil
}

func (e *Error) Error() string { return string(e.Reason) + ": " + e.Detail }

func (e *Error) Unwrap() error { return e.Cause }
