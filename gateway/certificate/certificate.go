// Package certificate issues and verifies credentials for a gateway: what the VC-API
// and the command line do, without HTTP. Verifying looks at signature, times and
// contexts (gateway/vc), at status lists, and for issuers of the own ledger at what the
// ledger holds of the credential: nothing else is a credential of that issuer. Issuing
// puts the credential on the ledger before anybody gets it.
//
// It holds the keys of the gateway's own issuers in memory and never shows them. It
// knows no HTTP: lists of others come through a Fetcher that the gateway bounds.
package certificate

import (
	"context"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/resolver"
	"github.com/killick-ledger/killick/gateway/status"
	"github.com/killick-ledger/killick/gateway/vc"
)

// Config is what a Service works with.
type Config struct {
	Contexts *vc.Contexts
	// Resolver resolves the DIDs of issuers and holders.
	Resolver resolver.Resolver
	Issuers  []Issuer
	// RDF canonicalises documents for eddsa-rdfc-2022; nil: such proofs are refused.
	RDF func(doc canon.Object) ([]byte, error)
	// Fetch fetches status lists of issuers that are not on the ledger; nil: their
	// credentials with a status are refused.
	Fetch Fetch

	// What follows is needed for issuers on the ledger.
	Network string // name of the ledger
	Ledger  Ledger
	// Submit brings an operation onto the ledger, and returns when it is done there.
	// Errors: the ledger's refusal, fault.Unknown, fault.Overloaded, fault.Unavailable.
	Submit func(ctx context.Context, jws string) error
	// Place finds the transaction of an operation that is done, by its reference.
	// Errors: fault.Unavailable for one that the gateway has not seen in a block.
	Place func(reference string) (Place, error)
	// URL is where clients and verifiers reach this gateway, without a slash at its end:
	// it begins the URLs of status lists.
	URL string
	// Statuses are the bits of status lists; nil: none are served.
	Statuses *status.Index
	// Height is how many blocks the ledger has; it is asked where there are Statuses.
	Height func(ctx context.Context) (uint64, error)
}

// Ledger answers queries.
type Ledger interface {
	// Evaluate runs a query function of the chaincode; a refusal is a *fault.Error.
	Evaluate(ctx context.Context, function string, args ...[]byte) ([]byte, error)
}

// Issuer is a DID for which the gateway issues.
type Issuer struct {
	DID       string
	Algorithm did.Algorithm
	// Keys signs: credentials, and the operations that put them on the ledger.
	Keys ops.Signer
	// Token is what a client must show to have something issued; empty: anybody may,
	// which is for test issuers alone.
	Token string
	// Records is the reference of the schema of certificates about records, for which
	// the issuer is accredited; empty: it issues none.
	Records string
}

// Service issues and verifies. Make it with New; it is safe for concurrent use.
type Service struct {
	cfg      Config
	verifier vc.Verifier
	now      func() time.Time
	lists    lists
}

// New returns a service.
func New(cfg Config) *Service {
	if cfg.Contexts == nil {
		cfg.Contexts, _ = vc.NewContexts() // the base context is listed once
	}
	s := &Service{cfg: cfg, now: time.Now}
	s.verifier = vc.Verifier{Contexts: cfg.Contexts, Resolver: methods{cfg.Resolver}, RDF: cfg.RDF}
	return s
}

// Issuer returns the issuer with the DID. Errors: fault.NotFound.
func (s *Service) Issuer(did string) (*Issuer, error) {
	for i := range s.cfg.Issuers {
		if s.cfg.Issuers[i].DID == did {
			return &s.cfg.Issuers[i], nil
		}
	}
	return nil, fault.New(fault.NotFound, "this gateway does not issue for %.200q", did)
}

// signer makes credentials of the issuer.
func (i *Issuer) signer() *vc.Signer {
	return &vc.Signer{Method: i.Keys.KeyID(), Algorithm: i.Algorithm, Sign: i.Keys.Sign}
}

// methods finds keys in the documents that a DID resolver gives.
type methods struct{ resolver resolver.Resolver }

// Method implements vc.Resolver.
func (m methods) Method(ctx context.Context, id string) (*vc.Method, error) {
	controller, _, _ := strings.Cut(id, "#")
	request, err := m.resolver.Parse(controller, "")
	if err != nil {
		return nil, unresolved(err)
	}
	if request.Form() != resolver.Whole || request.URL.DID != controller {
		return nil, fault.New(fault.KidMismatch, "%.200q is not a DID and a fragment", id)
	}
	found, err := m.resolver.Resolve(ctx, request)
	if err != nil {
		return nil, unresolved(err)
	}
	if found.Metadata.Deactivated {
		return nil, fault.New(fault.DIDDeactivated, "%.200s", controller)
	}
	return vc.ParseMethod(found.Document, id)
}

// Problem is an error that a specification of credentials names.
type Problem struct {
	Type, Title string
	Cause       error
}

func (p *Problem) Error() string { return p.Cause.Error() }

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Cause }
