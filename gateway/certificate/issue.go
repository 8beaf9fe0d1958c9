package certificate

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/credential"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/vc"
)

// Formats in which a credential is issued. The first has as cryptosuite the one of the
// issuer's key.
const (
	DataIntegrity = "data-integrity"
	JWT           = "vc+jwt"
	SDJWT         = "dc+sd-jwt"
)

// Request is what is to be issued.
type Request struct {
	Credential canon.Object // unsecured; the claims of an SD-JWT
	Format     string       // empty: DataIntegrity
	// Disclose are the claims of an SD-JWT that can be disclosed one by one, by their
	// paths, and Holder the key that presents it; nil for none.
	Disclose [][]string
	Holder   *did.PublicKey
	// Schema (reference), Evidence and Endorser are for issuers on the ledger, and needed
	// there.
	Schema, Evidence, Endorser string
}

// Issued is a credential that was issued.
type Issued struct {
	Credential any    // secured: a canon.Object; a JWT is enveloped, an SD-JWT a text
	Reference  string // of the credential on the ledger; empty for an issuer that is not there
}

const (
	// draws is how often an entry is drawn that was given meanwhile.
	draws = 16
	// lifetime is how long an operation of the gateway may be executed, in seconds.
	lifetime = 600
	// termDefault is how long a credential of the ledger is valid that does not say it.
	termDefault = 365 * 24 * time.Hour
)

// Issue secures a credential for the issuer. One of an issuer on the ledger is on the
// ledger before it is returned.
// Errors: those of vc.Contexts.Issue and of Draft; fault.AlgMismatch for a format that the
// issuer's key cannot make; those of Config.Submit: after fault.Unknown the credential
// may be on the ledger, and nobody has it.
func (s *Service) Issue(ctx context.Context, issuer *Issuer, r Request) (*Issued, error) {
	if !s.isOurs(issuer.DID) {
		if r.Schema != "" || r.Evidence != "" || r.Endorser != "" {
			return nil, fault.New(fault.UnknownField, "options: schema, evidence and endorser are for issuers on the ledger")
		}
		secured, err := s.secure(issuer, r)
		return &Issued{Credential: secured}, err
	}
	if s.cfg.Statuses == nil {
		return nil, fault.New(fault.MethodUnsupported, "this gateway serves no status lists")
	}
	_, id, err := did.Parse(issuer.DID)
	if err != nil {
		return nil, err
	}
	terms := Terms{Schema: r.Schema, Evidence: r.Evidence, Endorser: r.Endorser, Lists: s.cfg.URL}
	for try := 0; ; try++ {
		if terms.List, err = s.cfg.Statuses.Free(id); err != nil {
			return nil, err
		}
		terms.Index = rand.Uint32N(credential.ListEntries)
		// Signed before it is on the ledger: what cannot be secured never gets there.
		secured, body, err := s.secureOn(issuer, r, terms)
		if err != nil {
			return nil, err
		}
		ref, err := s.submit(ctx, issuer, body)
		if fault.Of(err) == fault.EntryTaken && try < draws {
			continue
		}
		return &Issued{secured, ref}, err
	}
}

// dated is the credential with the times that the ledger keeps: from now on, and for a
// year, where it says nothing.
func (s *Service) dated(credential canon.Object) canon.Object {
	names, numeric := timesOf(credential)
	now := s.now().UTC()
	for i, at := range []time.Time{now, now.Add(termDefault)} {
		if _, ok := credential.Find(names[i]); ok {
			continue
		}
		if numeric {
			credential = credential.With(names[i], float64(at.Unix()))
		} else {
			credential = credential.With(names[i], at.Format(time.RFC3339))
		}
	}
	return credential
}

// submit signs an operation of the issuer and brings it onto the ledger.
func (s *Service) submit(ctx context.Context, issuer *Issuer, body ops.Body) (reference string, err error) {
	now := uint64(s.now().Unix())
	item, ref, err := ops.SignRequest(ops.Request{Alg: issuer.Algorithm, Network: s.cfg.Network, IssuedAt: now, Expires: now + lifetime, Body: body}, issuer.Keys)
	if err != nil {
		return "", err
	}
	if s.cfg.Submit == nil {
		return "", errors.New("nothing brings operations onto the ledger")
	}
	return ref.String(), s.cfg.Submit(ctx, item.Compact())
}

// secureOn writes the ledger's terms into a credential and signs it.
func (s *Service) secureOn(issuer *Issuer, r Request, terms Terms) (any, *ops.CredentialIssue, error) {
	if r.Format == SDJWT {
		hidden, body, err := DraftSelective(s.dated(r.Credential), r.Disclose, r.Holder, terms)
		if err != nil {
			return nil, nil, err
		}
		compact, err := hidden.Sign(issuer.signer())
		return compact, body, err
	}
	document, body, err := Draft(s.dated(r.Credential), terms)
	if err != nil {
		return nil, nil, err
	}
	r.Credential = document
	secured, err := s.secure(issuer, r)
	return secured, body, err
}

// secure signs a credential as it is.
func (s *Service) secure(issuer *Issuer, r Request) (any, error) {
	document := r.Credential
	if r.Format != SDJWT && (r.Disclose != nil || r.Holder != nil) {
		return nil, fault.New(fault.UnknownField, "options: disclose and holder are for %s", SDJWT)
	}
	switch r.Format {
	case "", DataIntegrity:
		if issuer.Algorithm == did.ES256K {
			return nil, fault.New(fault.AlgMismatch, "a key of secp256k1 makes %s only", JWT)
		}
		secured, err := s.cfg.Contexts.Issue(document.JCS(), issuer.signer(), vc.ProofOptions{Created: s.now()})
		if err != nil {
			return nil, err
		}
		return canon.ParseObject(secured)
	case JWT:
		compact, err := s.cfg.Contexts.IssueJWT(document.JCS(), issuer.signer())
		if err != nil {
			return nil, err
		}
		return vc.EnvelopeCredential(compact), nil
	case SDJWT:
		return vc.IssueSelective(document.JCS(), r.Disclose, r.Holder, issuer.signer())
	}
	return nil, fault.New(fault.InvalidValue, "options: format %.64q; %s, %s and %s are issued", r.Format, DataIntegrity, JWT, SDJWT)
}
