package vc

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// maxCredentials is how many credentials a presentation may have.
const maxCredentials = 32

// Verifier verifies credentials and presentations.
type Verifier struct {
	Contexts *Contexts
	// Resolver finds keys of other DIDs than did:key. Without one only did:key is
	// taken.
	Resolver Resolver
	// RDF canonicalises documents as RDF, for proofs of eddsa-rdfc-2022. Without it they
	// are refused.
	RDF func(doc canon.Object) ([]byte, error)
}

// Presentation is a presentation that follows the data model.
type Presentation struct {
	ID          string // empty without one
	Types       []string
	Holder      string // empty when neither the document nor a proof names one
	Credentials []*Credential
	Proofs      []Proof
	// Document is the whole presentation with its proofs; of a vp+jwt the payload.
	Document canon.Object

	secured []any // the credentials, not verified yet
}

// Credential verifies a credential with a Data Integrity proof (JSON), a vc+jwt
// (compact JWS), or an EnvelopedVerifiableCredential (JSON): its form, its contexts,
// that it is valid at the time, and that its issuer signed it. Whether it was
// suspended or revoked is for the caller to look up, see Credential.Status.
// Errors: those of ParseCredential, of the Resolver, and fault.AlgMismatch,
// BadSignature, Expired, KeyPurpose, KidMismatch, NotYetValid.
func (v *Verifier) Credential(ctx context.Context, secured []byte, now time.Time) (*Credential, error) {
	if compact, ok := compactJWS(secured); ok {
		return v.credentialJWT(ctx, compact, now)
	}
	doc, err := parse(secured)
	if err != nil {
		return nil, err
	}
	return v.credential(ctx, doc, now)
}

// compactJWS tells a JWS from JSON.
func compactJWS(secured []byte) (string, bool) {
	if len(secured) > maxSize || len(secured) == 0 || bytes.IndexByte([]byte("{ \t\r\n"), secured[0]) >= 0 {
		return "", false
	}
	return string(secured), true
}

func (v *Verifier) credential(ctx context.Context, doc canon.Object, now time.Time) (*Credential, error) {
	if compact, ok, err := v.enveloped(doc, "EnvelopedVerifiableCredential", credentialJWT); ok || err != nil {
		if err != nil {
			return nil, err
		}
		return v.credentialJWT(ctx, compact, now)
	}
	c, err := v.Contexts.credential(doc)
	if err != nil {
		return nil, err
	}
	if c.Proofs, err = v.Proofs(ctx, doc, AssertionMethod, nil, now); err != nil {
		return nil, err
	}
	return c.accept(now)
}

func (v *Verifier) credentialJWT(ctx context.Context, compact string, now time.Time) (*Credential, error) {
	claims, proof, err := v.verifyJWS(ctx, compact, credentialJWT, AssertionMethod)
	if err != nil {
		return nil, err
	}
	if err := checkClaims(claims, proof, now); err != nil {
		return nil, err
	}
	c, err := v.Contexts.credential(claims)
	if err != nil {
		return nil, err
	}
	if err := c.checkSubject(); err != nil {
		return nil, err
	}
	c.Proofs = []Proof{*proof}
	return c.accept(now)
}

// checkSubject compares the claim sub, where a JWT has it, with the credential's subject.
func (c *Credential) checkSubject() error {
	sub, ok := c.Document.Find("sub")
	if !ok {
		return nil
	}
	if named, _ := text(c.Subjects[0], "id"); len(c.Subjects) > 1 || sub != named {
		return fault.New(fault.InvalidValue, "sub is not the credential's subject")
	}
	return nil
}

func (c *Credential) accept(now time.Time) (*Credential, error) {
	if err := c.vouched(); err != nil {
		return nil, err
	}
	if err := c.checkTimes(now); err != nil {
		return nil, err
	}
	return c, nil
}

// enveloped returns the JWS in an object of the enveloping type.
func (v *Verifier) enveloped(doc canon.Object, name, typ string) (compact string, ok bool, err error) {
	kind, _ := doc.Find("type")
	if types, _ := texts(kind); !slices.Contains(types, name) {
		return "", false, nil
	}
	contexts, _ := doc.Find("@context")
	if list, ok := texts(contexts); !ok || len(list) != 1 || list[0] != BaseContext {
		return "", false, fault.New(fault.InvalidValue, "%s: @context must be %s", name, BaseContext)
	}
	// Whatever else it carried would look signed and is not.
	if len(doc) != 3 {
		return "", false, fault.New(fault.UnknownField, "%s has other members than @context, id and type", name)
	}
	url, _ := text(doc, "id")
	compact, ok = strings.CutPrefix(url, "data:application/"+typ+",")
	if !ok {
		return "", false, fault.New(fault.InvalidValue, "%s: id must be a data: URL of application/%s", name, typ)
	}
	return compact, true, nil
}

// Presentation verifies a presentation with a Data Integrity proof (JSON), a vp+jwt
// (compact JWS), or an EnvelopedVerifiablePresentation (JSON): its form, that its
// holder signed it for this challenge and domain, and each of its credentials as
// Credential does. That the holder is the subject of the credentials is for the
// caller to compare.
// Errors: those of Credential; fault.InvalidValue for another challenge or domain.
func (v *Verifier) Presentation(ctx context.Context, secured []byte, expect Expectation, now time.Time) (*Presentation, error) {
	if compact, ok := compactJWS(secured); ok {
		return v.presentationJWT(ctx, compact, expect, now)
	}
	doc, err := parse(secured)
	if err != nil {
		return nil, err
	}
	if compact, ok, err := v.enveloped(doc, "EnvelopedVerifiablePresentation", presentationJWT); ok || err != nil {
		if err != nil {
			return nil, err
		}
		return v.presentationJWT(ctx, compact, expect, now)
	}
	p, err := v.Contexts.presentation(doc)
	if err != nil {
		return nil, err
	}
	if p.Proofs, err = v.Proofs(ctx, doc, Authentication, &expect, now); err != nil {
		return nil, err
	}
	return v.accept(ctx, p, now)
}

func (v *Verifier) presentationJWT(ctx context.Context, compact string, expect Expectation, now time.Time) (*Presentation, error) {
	claims, proof, err := v.verifyJWS(ctx, compact, presentationJWT, Authentication)
	if err != nil {
		return nil, err
	}
	if err := checkClaims(claims, proof, now); err != nil {
		return nil, err
	}
	nonce, _ := text(claims, "nonce")
	audience, _ := claims.Find("aud")
	if err := expect.check(nonce, audience); err != nil {
		return nil, err
	}
	p, err := v.Contexts.presentation(claims)
	if err != nil {
		return nil, err
	}
	p.Proofs = []Proof{*proof}
	return v.accept(ctx, p, now)
}

// accept compares the holder with who signed, and verifies the credentials.
func (v *Verifier) accept(ctx context.Context, p *Presentation, now time.Time) (*Presentation, error) {
	if p.Holder == "" {
		p.Holder = p.Proofs[0].Controller
	}
	for _, proof := range p.Proofs {
		if proof.Controller != p.Holder {
			return nil, fault.New(fault.KidMismatch, "the holder is %.200s, %.200s signed", p.Holder, proof.Controller)
		}
	}
	for i, entry := range p.secured {
		doc, ok := entry.(canon.Object)
		if !ok {
			return nil, fault.New(fault.WrongType, "verifiableCredential %d is not an object", i)
		}
		c, err := v.credential(ctx, doc, now)
		if err != nil {
			return nil, fmt.Errorf("verifiableCredential %d: %w", i, err)
		}
		p.Credentials = append(p.Credentials, c)
	}
	return p, nil
}

// presentation checks a document, secured or not, against the data model, and leaves
// the credentials in it alone.
func (c *Contexts) presentation(doc canon.Object) (*Presentation, error) {
	if err := c.check(doc, "proof", "verifiableCredential"); err != nil {
		return nil, err
	}
	p := &Presentation{Document: doc}
	var err error
	if p.ID, p.Types, err = identity(doc, "VerifiablePresentation"); err != nil {
		return nil, err
	}
	if p.Holder, err = party(doc, "holder"); err != nil {
		return nil, err
	}
	if value, ok := doc.Find("verifiableCredential"); ok {
		p.secured = asList(value)
		if len(p.secured) > maxCredentials {
			return nil, fault.New(fault.TooLarge, "%d credentials, at most %d are taken", len(p.secured), maxCredentials)
		}
	}
	return p, nil
}
