package certificate

import (
	"bytes"
	"context"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/resolver"
	"github.com/killick-ledger/killick/gateway/vc"
)

// Problems of Bitstring Status List.
const (
	statusProblem = "https://www.w3.org/ns/credentials/status-list#"
	retrieval     = statusProblem + "STATUS_RETRIEVAL_ERROR"
	verification  = statusProblem + "STATUS_VERIFICATION_ERROR"
)

// maxStatus bounds how many entries of credentialStatus a credential may have: each may
// cost a request to another server.
const maxStatus = 4

// Fetch fetches a status list credential of another issuer. Whoever gives one bounds
// time and size, and says which hosts may be asked. It returns JSON, or the text of a
// vc+jwt.
type Fetch func(ctx context.Context, url string) ([]byte, error)

// maxList is how large a status list credential may be: 4,194,304 entries that do not
// compress, in base64url, and what stands around them.
const maxList = 768 << 10

// FetchFrom returns a Fetch that asks the hosts of web.
func FetchFrom(web *resolver.Web) Fetch {
	return func(ctx context.Context, url string) ([]byte, error) {
		data, err := web.Fetch(ctx, url, "application/vc, application/vc+jwt, application/json;q=0.9", maxList)
		if err != nil {
			return nil, unresolved(err)
		}
		return bytes.TrimSpace(data), nil
	}
}

// checkStatus looks up the status of a credential whose issuer is not of the own ledger.
// Each entry must be one of a list that can be read: what cannot be looked up is not
// taken for active.
func (s *Service) checkStatus(ctx context.Context, c *vc.Credential) error {
	if len(c.Status) > maxStatus {
		return fault.New(fault.TooLarge, "credentialStatus: %d entries, at most %d are looked up", len(c.Status), maxStatus)
	}
	for _, entry := range c.Status {
		e, err := entry.ListEntry()
		if err != nil {
			return &Problem{verification, "Status cannot be verified", err}
		}
		if s.cfg.Fetch == nil {
			return &Problem{retrieval, "Status cannot be retrieved", fault.New(fault.MethodUnsupported, "this gateway fetches no status lists")}
		}
		list, err := s.cfg.Fetch(ctx, e.List)
		if err != nil {
			return &Problem{retrieval, "Status cannot be retrieved", err}
		}
		set, err := s.verifier.Status(ctx, e, list, c.Issuer, s.now())
		switch {
		case err != nil:
			return &Problem{verification, "Status cannot be verified", err}
		case set && e.Purpose == vc.Revocation:
			return fault.New(fault.Revoked, "the issuer has revoked the credential")
		case set:
			return fault.New(fault.Suspended, "the issuer has suspended the credential")
		}
	}
	return nil
}
