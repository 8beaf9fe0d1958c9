package certificate

import (
	"context"

	"github.com/killick-ledger/killick/gateway/vc"
)

// Method finds the key that a signature names, and checks that it may serve the purpose
// now, as vc.Verifier.Method does.
func (s *Service) Method(ctx context.Context, id string, purpose vc.Purpose) (*vc.Method, error) {
	return s.verifier.Method(ctx, id, purpose)
}

// Signer signs with the key of the first issuer; nil when there is none.
func (s *Service) Signer() *vc.Signer {
	if len(s.cfg.Issuers) == 0 {
		return nil
	}
	return s.cfg.Issuers[0].signer()
}
