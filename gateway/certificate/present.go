package certificate

import (
	"context"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/vc"
)

// PresentationJWT is the other format of presentations, beside DataIntegrity.
const PresentationJWT = "vp+jwt"

// Holding is what is to be presented, and to whom.
type Holding struct {
	Presentation canon.Object // unsecured
	Format       string       // empty: DataIntegrity
	// Challenge and Domain are what the verifier asked for, both needed.
	Challenge, Domain string
}

// Present secures a presentation of credentials that the issuer itself holds, such as
// its accreditations. What comes out verifies here: signature, key purpose, and each
// credential in it but for status lists, whose reading is the verifier's.
// Errors: those of vc.Contexts.Present and of VerifyPresentation; fault.AlgMismatch for
// a format that the holder's key cannot make.
func (s *Service) Present(ctx context.Context, holder *Issuer, h Holding) (any, error) {
	options := vc.ProofOptions{Created: s.now(), Challenge: h.Challenge, Domain: h.Domain}
	var secured any
	switch h.Format {
	case "", DataIntegrity:
		if holder.Algorithm == did.ES256K {
			return nil, fault.New(fault.AlgMismatch, "a key of secp256k1 makes %s only", PresentationJWT)
		}
		signed, err := s.cfg.Contexts.Present(h.Presentation.JCS(), holder.signer(), options)
		if err != nil {
			return nil, err
		}
		if secured, err = canon.ParseObject(signed); err != nil {
			return nil, err
		}
	case PresentationJWT:
		compact, err := s.cfg.Contexts.PresentJWT(h.Presentation.JCS(), holder.signer(), options)
		if err != nil {
			return nil, err
		}
		secured = vc.EnvelopePresentation(compact)
	default:
		return nil, fault.New(fault.InvalidValue, "options: format %.64q; %s and %s are made", h.Format, DataIntegrity, PresentationJWT)
	}
	_, err := s.VerifyPresentation(ctx, secured, Options{Challenge: h.Challenge, Domain: h.Domain, Checks: []string{CheckProof}})
	if err != nil {
		return nil, err
	}
	return secured, nil
}
