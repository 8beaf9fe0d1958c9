// Package resolver resolves DIDs and dereferences DID URLs as W3C DID Resolution
// v0.3 has it, without a word about HTTP messages: gateway/api speaks those. It
// knows did:key and did:web itself; who makes a Resolver adds the methods that
// need something else, such as a ledger. Documents are JSON and stay as their
// method gave them, member for member. It caches nothing.
package resolver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Resolver resolves the DIDs of some methods, by the methods' names.
type Resolver map[string]Method

// Method resolves DIDs of one method. Whatever error is no *Error becomes
// InternalError.
type Method func(ctx context.Context, did URL, at Version) (*Resolution, error)

// Version names a version of a document: by its id, or as the one that was valid
// at a time, or, being zero, the current one. Never both.
type Version struct {
	ID   string
	Time time.Time
}

// Resolution is what a method knows of a DID. A DID that is deactivated has no
// document.
type Resolution struct {
	Document jsontext.Value
	Metadata Metadata
}

// Metadata are didDocumentMetadata. Times are as 2006-01-02T15:04:05Z; what is
// empty is not known. There is no equivalentId and no canonicalId: a DID of the
// methods here has one spelling.
type Metadata struct {
	Created       string `json:"created,omitempty"`
	Updated       string `json:"updated,omitempty"`
	Deactivated   bool   `json:"deactivated,omitzero"`
	NextUpdate    string `json:"nextUpdate,omitempty"`
	VersionID     string `json:"versionId,omitempty"`
	NextVersionID string `json:"nextVersionId,omitempty"`
}

// Form is what a DID URL leads to.
type Form int

// The forms.
const (
	Whole    Form = iota // the document
	Selected             // the document with some of its services, or their address
	Part                 // what a fragment names: a verification method or a service
)

// Request is a DID URL with its parameters and the options beside it.
type Request struct {
	URL     URL
	Version Version
	Expand  bool // expandRelativeUrls
	// Service, ServiceType and RelativeRef are parameters, and nil unless given.
	Service, ServiceType, RelativeRef *string

	unknown string // what no method here gives a meaning, empty if nothing
}

// Form tells what the request leads to.
func (q *Request) Form() Form {
	switch {
	case q.Service != nil || q.ServiceType != nil:
		return Selected
	case q.URL.Fragment != "":
		return Part
	}
	return Whole
}

// Parse reads a DID or DID URL, and options as a query (name=value pairs).
// Parameters may stand among the options and options in the DID URL: whoever
// appends them to a DID cannot tell them apart. Errors: InvalidDID,
// InvalidDIDURL, MethodNotSupported, FeatureNotSupported, InvalidOptions.
func (r Resolver) Parse(identifier, options string) (*Request, error) {
	u, err := ParseURL(identifier)
	if err != nil {
		return nil, err
	}
	q := &Request{URL: u}
	var parameters map[string]string
	if u.Query != "" {
		if parameters, err = pairs(u.Query[1:], InvalidDIDURL); err != nil {
			return nil, err
		}
	}
	if r[u.Method] == nil {
		return nil, &Error{Reason: MethodNotSupported, Detail: fmt.Sprintf("did:%s is not resolved here", u.Method)}
	}
	given, err := pairs(options, InvalidOptions)
	if err != nil {
		return nil, err
	}
	for name := range given {
		if !known(name) {
			return nil, &Error{Reason: FeatureNotSupported, Detail: fmt.Sprintf("there is no option %.100q here", name)}
		}
		if _, twice := parameters[name]; twice {
			return nil, &Error{Reason: InvalidOptions, Detail: fmt.Sprintf("%s is a parameter of the DID URL and an option", name)}
		}
	}
	if err := q.take(parameters, InvalidDIDURL); err != nil {
		return nil, err
	}
	if err := q.take(given, InvalidOptions); err != nil {
		return nil, err
	}
	if q.Version.ID != "" && !q.Version.Time.IsZero() {
		return nil, &Error{Reason: InvalidDIDURL, Detail: "versionId and versionTime exclude each other"}
	}
	if u.Path != "" {
		q.unknown = "the path " + u.Path
	}
	return q, nil
}

// The names of parameters and options.
const (
	service      = "service"
	serviceType  = "serviceType"
	relativeRef  = "relativeRef"
	versionID    = "versionId"
	versionTime  = "versionTime"
	expand       = "expandRelativeUrls"
	withoutCache = "noCache"
)

func known(name string) bool {
	switch name {
	case service, serviceType, relativeRef, versionID, versionTime, expand, withoutCache:
		return true
	}
	return false
}

// take reads parameters or options. Errors: the reason's.
func (q *Request) take(values map[string]string, reason Reason) error {
	for name, value := range values {
		ok := true
		switch name {
		case service:
			q.Service = &value
		case serviceType:
			q.ServiceType = &value
		case relativeRef:
			q.RelativeRef = &value
			ok = relative(value)
		case versionID:
			q.Version.ID = value
			ok = value != ""
		case versionTime:
			var err error
			q.Version.Time, err = datetime(value)
			ok = err == nil && !q.Version.Time.IsZero()
		case expand:
			q.Expand = value == "true"
			ok = q.Expand || value == "false"
		case withoutCache: // nothing is cached
			ok = value == "true" || value == "false"
		default:
			q.unknown = "the parameter " + name
		}
		if !ok {
			return &Error{Reason: reason, Detail: fmt.Sprintf("%s cannot be %.100q", name, value)}
		}
	}
	return nil
}

// Resolve resolves the DID of a request that Parse made. Errors: those of the
// method, NotFound, InternalError.
func (r Resolver) Resolve(ctx context.Context, q *Request) (*Resolution, error) {
	if q.unknown != "" {
		return nil, &Error{Reason: NotFound, Detail: fmt.Sprintf("did:%s gives %.100q no meaning", q.URL.Method, q.unknown)}
	}
	resolution, err := r[q.URL.Method](ctx, q.URL, q.Version)
	var refused *Error
	switch {
	case errors.As(err, &refused):
		return nil, refused
	case err != nil:
		return nil, &Error{Reason: InternalError, Detail: "the DID cannot be resolved now", Cause: err}
	}
	if resolution.Metadata.Deactivated {
		return &Resolution{Metadata: resolution.Metadata}, nil
	}
	if q.Expand {
		resolution.Document = absolute(q.URL.DID, resolution.Document)
	}
	return resolution, nil
}
