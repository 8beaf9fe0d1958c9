package vc

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// Issue checks an unsecured credential and returns it with a Data Integrity proof
// of its issuer, in canonical JSON. Errors: those of ParseCredential, fault.KidMismatch
// for a key that is not the issuer's, fault.AlgMismatch for an algorithm without a
// cryptosuite, and those of the Signer.
func (c *Contexts) Issue(unsecured []byte, signer *Signer, options ProofOptions) ([]byte, error) {
	credential, err := c.issuable(unsecured, signer)
	if err != nil {
		return nil, err
	}
	return secured(Prove(credential.Document, signer, AssertionMethod, options))
}

// IssueJWT checks an unsecured credential and returns it as vc+jwt of its issuer.
// Errors: as for Issue.
func (c *Contexts) IssueJWT(unsecured []byte, signer *Signer) (string, error) {
	credential, err := c.issuable(unsecured, signer)
	if err == nil {
		err = checkForms(credential.Document, signer.controller())
	}
	if err == nil {
		err = credential.checkSubject()
	}
	if err != nil {
		return "", err
	}
	return signJWS(signer, credentialJWT, credential.Document)
}

func (c *Contexts) issuable(unsecured []byte, signer *Signer) (*Credential, error) {
	credential, err := c.ParseCredential(unsecured)
	if err != nil {
		return nil, err
	}
	if err := checkUnsecured(credential.Document, signer, credential.Issuer); err != nil {
		return nil, err
	}
	return credential, nil
}

// checkUnsecured refuses what our own verification would refuse.
func checkUnsecured(doc canon.Object, signer *Signer, party string) error {
	if _, ok := doc.Find("proof"); ok {
		return fault.New(fault.UnknownField, "proof: the document is secured already")
	}
	if signer.controller() != party {
		return fault.New(fault.KidMismatch, "%.200s cannot sign for %.200s", signer.Method, party)
	}
	return nil
}

// Present checks an unsecured presentation and returns it with a Data Integrity
// proof of its holder, in canonical JSON. The credentials in it are not verified.
// Errors: as for Issue; fault.MissingField without challenge or domain.
func (c *Contexts) Present(unsecured []byte, signer *Signer, options ProofOptions) ([]byte, error) {
	doc, err := c.presentable(unsecured, signer, options)
	if err != nil {
		return nil, err
	}
	return secured(Prove(doc, signer, Authentication, options))
}

// PresentJWT checks an unsecured presentation and returns it as vp+jwt of its holder,
// with the challenge as nonce and the domain as aud.
// Errors: as for Present.
func (c *Contexts) PresentJWT(unsecured []byte, signer *Signer, options ProofOptions) (string, error) {
	doc, err := c.presentable(unsecured, signer, options)
	if err != nil {
		return "", err
	}
	doc = doc.With("iss", signer.controller()).With("nonce", options.Challenge).With("aud", options.Domain)
	if !options.Created.IsZero() {
		doc = doc.With("iat", seconds(options.Created))
	}
	if !options.Expires.IsZero() {
		doc = doc.With("exp", seconds(options.Expires))
	}
	return signJWS(signer, presentationJWT, doc)
}

func (c *Contexts) presentable(unsecured []byte, signer *Signer, options ProofOptions) (canon.Object, error) {
	doc, err := parse(unsecured)
	if err != nil {
		return nil, err
	}
	p, err := c.presentation(doc)
	if err != nil {
		return nil, err
	}
	if options.Challenge == "" || options.Domain == "" {
		return nil, fault.New(fault.MissingField, "a presentation needs a challenge and a domain")
	}
	holder := p.Holder
	if holder == "" {
		holder = signer.controller()
	}
	return doc, checkUnsecured(doc, signer, holder)
}

// EnvelopeCredential returns a vc+jwt in the form in which JSON carries it.
func EnvelopeCredential(compact string) canon.Object {
	return canon.Object{}.With("@context", BaseContext).With("type", "EnvelopedVerifiableCredential").
		With("id", "data:application/"+credentialJWT+","+compact)
}

// EnvelopePresentation returns a vp+jwt in the form in which JSON carries it.
func EnvelopePresentation(compact string) canon.Object {
	return canon.Object{}.With("@context", BaseContext).With("type", "EnvelopedVerifiablePresentation").
		With("id", "data:application/"+presentationJWT+","+compact)
}

func secured(doc canon.Object, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return doc.JCS(), nil
}
