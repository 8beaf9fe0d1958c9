package tee

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
)

// Responses are what Intel's Provisioning Certification Service (or a cache of it)
// answers: bodies, and the issuer chains of their headers after URL decoding, in PEM
// with the signing certificate first. It is for whoever fetches collateral; nothing
// is verified.
type Responses struct {
	RootCRL         []byte // DER
	PCKCRL          []byte // DER
	PCKCRLChain     []byte
	TCBInfo         []byte // {"tcbInfo":{...},"signature":"..."}
	TCBInfoChain    []byte
	QEIdentity      []byte // {"enclaveIdentity":{...},"signature":"..."}
	QEIdentityChain []byte
}

// Collateral picks what is posted out of the answers. Errors: *Refusal.
func (r *Responses) Collateral() (*Collateral, error) {
	c := &Collateral{RootCRL: r.RootCRL, PCKCRL: r.PCKCRL}
	var err error
	if c.PCKCA, err = firstCertificate(InPCKCA, r.PCKCRLChain); err != nil {
		return nil, err
	}
	if c.TCBSigner, err = firstCertificate(InTCBSigner, r.TCBInfoChain); err != nil {
		return nil, err
	}
	if c.QESigner, err = firstCertificate(InQESigner, r.QEIdentityChain); err != nil {
		return nil, err
	}
	if c.TCBInfo, c.TCBSig, err = splitSigned(InTCBInfo, "tcbInfo", r.TCBInfo); err != nil {
		return nil, err
	}
	if c.QEID, c.QESig, err = splitSigned(InQEIdentity, "enclaveIdentity", r.QEIdentity); err != nil {
		return nil, err
	}
	if err := c.checkSizes(); err != nil {
		return nil, err
	}
	return c, nil
}

func firstCertificate(in Part, chain []byte) ([]byte, error) {
	block, _ := pem.Decode(chain)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, refuse(in, Form, "the chain does not begin with a certificate in PEM")
	}
	return block.Bytes, nil
}

// splitSigned takes the object and its signature out of a body. The signature covers
// the object's bytes, so they are cut out and not read and written again.
func splitSigned(in Part, member string, body []byte) (object, signature []byte, err error) {
	body, began := bytes.CutPrefix(bytes.TrimSpace(body), []byte(`{"`+member+`":`))
	body, ended := bytes.CutSuffix(body, []byte(`"}`))
	const between = `,"signature":"`
	at := len(body) - 2*signatureSize
	if !began || !ended || at < len(between) || string(body[at-len(between):at]) != between {
		return nil, nil, refuse(in, Form, `the body is not {"%s":...,"signature":"<128 digits>"}`, member)
	}
	if signature, err = hex.DecodeString(string(body[at:])); err != nil {
		return nil, nil, refuse(in, Form, "the signature is not hexadecimal")
	}
	return body[:at-len(between)], signature, nil
}

// Platform is what collateral for a quote is looked up by, and which machine made it.
type Platform struct {
	Kind  Kind
	FMSPC [6]byte
	PCEID [2]byte
	CA    string // name of the CA that issued the PCK certificate
	// PPID names the machine, whatever its security versions are; zero: it is not said.
	PPID [16]byte
}

// Platform reads which collateral a quote needs. Nothing of it is verified: what it says is
// true of a quote that Appraise accepts.
// Errors: *Refusal.
func (q *Quote) Platform() (*Platform, error) {
	ders, err := readPEM(q.chain)
	if err != nil {
		return nil, err
	}
	cert, err := parseCertificate(InPCK, ders[0])
	if err != nil {
		return nil, err
	}
	p, err := readPCK(cert)
	if err != nil {
		return nil, err
	}
	return &Platform{Kind: q.Kind, FMSPC: p.fmspc, PCEID: p.pceID, CA: issuerName(cert), PPID: p.ppid}, nil
}

func issuerName(cert *x509.Certificate) string {
	return name(&x509.Certificate{Subject: cert.Issuer})
}
