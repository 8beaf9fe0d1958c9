package certificate

import (
	"context"
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/credential"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/vc"
)

// Checks that Verify makes.
const (
	CheckProof  = "proof"            // form, contexts, signature, times
	CheckStatus = "credentialStatus" // status lists
	CheckLedger = "ledger"           // what the own ledger holds of a credential of its own
)

// Options are what a verifier asks for.
type Options struct {
	// Checks are those to make; empty: all of them. The proof is checked in any case,
	// and so is the ledger of credentials of its own.
	Checks []string
	// Challenge and Domain are what the holder of a presentation, or of an SD-JWT, had
	// to sign. Presentations need both.
	Challenge, Domain string
}

func (o Options) wants(check string) bool {
	return len(o.Checks) == 0 || slices.Contains(o.Checks, check)
}

// expectation is what a key binding must answer, nil when nothing was asked for.
func (o Options) expectation() *vc.Expectation {
	if o.Challenge == "" && o.Domain == "" {
		return nil
	}
	return &vc.Expectation{Challenge: o.Challenge, Domain: o.Domain}
}

// Finding is what was found of a credential that is good.
type Finding struct {
	Credential *vc.Credential // nil of an SD-JWT
	Selective  *vc.Selective  // nil of any other form
	Checks     []string       // that were made
	// Ledger is what the own ledger holds of it; nil for issuers that are not on it.
	Ledger *credential.View
}

// Verify verifies a credential: a JSON object with a proof, an enveloped one, or the
// text of a vc+jwt or dc+sd-jwt. An SD-JWT needs a key binding exactly when the options
// have a challenge and a domain; other forms have none, and are refused then.
// Errors: those of vc.Verifier, and those of the checks.
func (s *Service) Verify(ctx context.Context, secured any, options Options) (*Finding, error) {
	if (options.Challenge == "") != (options.Domain == "") {
		return nil, fault.New(fault.MissingField, "options: challenge and domain belong together")
	}
	switch v := secured.(type) {
	case canon.Object:
		if options.expectation() != nil {
			return nil, errUnbound
		}
		c, err := s.verifier.Credential(ctx, v.JCS(), s.now())
		if err != nil {
			return nil, err
		}
		return s.finding(ctx, c, options)
	case string:
		return s.verifyText(ctx, v, options)
	}
	return nil, fault.New(fault.WrongType, "a credential is an object, or the text of a JWT or SD-JWT")
}

// errUnbound is for a credential that anybody may have copied where its holder was asked to
// sign: to pass the question over would say that he did.
var errUnbound = fault.New(fault.InvalidValue, "options: a credential of this form answers no challenge; its holder presents it")

func (s *Service) verifyText(ctx context.Context, text string, options Options) (*Finding, error) {
	if strings.Contains(text, "~") {
		c, err := s.verifier.Selective(ctx, []byte(text), options.expectation(), s.now())
		if err != nil {
			return nil, err
		}
		f := &Finding{Selective: c, Checks: []string{CheckProof}}
		return f, s.selectiveStatus(ctx, f, options)
	}
	// JSON within a text is not a credential, whatever it says.
	if strings.Count(text, ".") != 2 || strings.ContainsAny(text, "{ \t\r\n") {
		return nil, fault.New(fault.Malformed, "the text is neither a compact JWS nor an SD-JWT")
	}
	if options.expectation() != nil {
		return nil, errUnbound
	}
	c, err := s.verifier.Credential(ctx, []byte(text), s.now())
	if err != nil {
		return nil, err
	}
	return s.finding(ctx, c, options)
}

// finding makes the checks behind the proof.
func (s *Service) finding(ctx context.Context, c *vc.Credential, options Options) (*Finding, error) {
	f := &Finding{Credential: c, Checks: []string{CheckProof}}
	var err error
	switch {
	case s.isOurs(c.Issuer):
		// The ledger itself, whatever was asked for: it costs one question, and says of a
		// credential that an issuer's stolen key made that there is no such credential.
		f.Checks = append(f.Checks, CheckLedger, CheckStatus)
		f.Ledger, err = s.onLedger(ctx, c.Document, c.Issuer)
	case len(c.Status) > 0 && options.wants(CheckStatus):
		f.Checks = append(f.Checks, CheckStatus)
		err = s.checkStatus(ctx, c)
	}
	return f, err
}

// selectiveStatus makes the checks behind the proof for an SD-JWT. Of status mechanisms
// only that of the own ledger's credentials is looked up: a status of another kind is
// refused where it is asked for.
func (s *Service) selectiveStatus(ctx context.Context, f *Finding, options Options) (err error) {
	if s.isOurs(f.Selective.Issuer) {
		f.Checks = append(f.Checks, CheckLedger, CheckStatus)
		f.Ledger, err = s.onLedger(ctx, f.Selective.Payload, f.Selective.Issuer)
		return err
	}
	_, listed := f.Selective.Payload.Find("status")
	if _, ours := f.Selective.Payload.Find("credentialStatus"); (listed || ours) && options.wants(CheckStatus) {
		return &Problem{verification, "Status cannot be verified", fault.New(fault.MethodUnsupported, "the status of an SD-JWT is looked up for issuers on this ledger alone")}
	}
	return nil
}

// PresentationFinding is what was found of a presentation that is good.
type PresentationFinding struct {
	Presentation *vc.Presentation
	Credentials  []*Finding // in the order in which they stand in it
}

// VerifyPresentation verifies a presentation, a JSON object with a proof, an enveloped
// one, or the text of a vp+jwt, and each credential in it as Verify does.
// Errors: those of Verify; fault.MissingField without challenge and domain.
func (s *Service) VerifyPresentation(ctx context.Context, secured any, options Options) (*PresentationFinding, error) {
	if options.Challenge == "" || options.Domain == "" {
		return nil, fault.New(fault.MissingField, "options: a presentation is verified for a challenge and a domain")
	}
	var raw []byte
	switch v := secured.(type) {
	case canon.Object:
		raw = v.JCS()
	case string:
		if strings.Count(v, ".") != 2 || strings.ContainsAny(v, "{ \t\r\n") {
			return nil, fault.New(fault.Malformed, "the text is not a compact JWS")
		}
		raw = []byte(v)
	default:
		return nil, fault.New(fault.WrongType, "a presentation is an object, or the text of a JWT")
	}
	p, err := s.verifier.Presentation(ctx, raw, *options.expectation(), s.now())
	if err != nil {
		return nil, err
	}
	found := &PresentationFinding{Presentation: p}
	for _, c := range p.Credentials {
		f, err := s.finding(ctx, c, options)
		if err != nil {
			return nil, err
		}
		found.Credentials = append(found.Credentials, f)
	}
	return found, nil
}
