package tee

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
)

// Result is what a genuine quote says, and how current its platform is.
type Result struct {
	Kind       Kind
	Version    uint16
	Status     Status   // of platform, QE and TDX module together
	Advisories []string // Intel's, of the levels that were reached; ascending
	TCBDate    uint64   // the oldest date of these levels
	Evaluation uint32   // the lower evaluation number of TCB info and QE identity
	FMSPC      [6]byte
	PCEID      [2]byte
	Root       [32]byte // SHA-256 of the root that all of it led to
	Until      uint64   // the earliest end of all that this rests on
	ReportData [64]byte
	SGX        *SGXReport // of kind SGX
	TDX        *TDXReport // of kind TDX
}

// Appraise says what a quote proves at a time. It verifies the whole chain of trust
// from the pinned roots down to the quote's own signature, refuses whatever runs
// under a debugger, and returns the status by Intel's rules.
//
// With a policy it also says whether that is enough; when it is not, the result
// comes with the refusal, since the quote is genuine all the same. Every other
// refusal comes without a result. Without a policy (nil) nothing but debugging is
// held against a genuine quote. Errors: *Refusal.
func Appraise(quote []byte, collateral *Collateral, roots *Roots, now uint64, policy *Policy) (*Result, error) {
	q, err := Read(quote)
	if err != nil {
		return nil, err
	}
	o, err := collateral.open(roots, now)
	if err != nil {
		// A chain that leads to no pinned root is the quote's own fault, whatever is wrong
		// with the collateral.
		if roots != nil {
			if forged := q.checkChain(roots); forged != nil {
				return nil, forged
			}
		}
		return nil, err
	}
	r, err := o.appraise(q, roots, now)
	if err == nil && policy != nil {
		err = policy.Judge(r)
	}
	return r, err
}

// appraise is the part that follows the quote, once the collateral is open.
func (o *opened) appraise(q *Quote, roots *Roots, now uint64) (*Result, error) {
	cert, err := o.platform(q, roots, now)
	if err != nil {
		return nil, err
	}
	if err := q.verify(cert); err != nil {
		return nil, err
	}
	return o.judge(q, cert)
}

// checkChain says whether the quote's certificates lead to a pinned root at all.
func (q *Quote) checkChain(roots *Roots) error {
	_, _, _, err := q.certificates(roots)
	return err
}

// certificates reads the chain of the quote: its PCK certificate is of its CA, and
// that is of the pinned root that the quote repeats byte for byte.
func (q *Quote) certificates(roots *Roots) (pck, ca, root *x509.Certificate, err error) {
	ders, err := readPEM(q.chain)
	if err != nil {
		return nil, nil, nil, err
	}
	if pck, err = parseCertificate(InPCK, ders[0]); err != nil {
		return nil, nil, nil, err
	}
	if ca, err = parseCertificate(InChain, ders[1]); err != nil {
		return nil, nil, nil, err
	}
	if root, err = roots.issuer(InChain, ca); err != nil {
		return nil, nil, nil, err
	}
	if !bytes.Equal(root.Raw, ders[2]) {
		return nil, nil, nil, refuse(InChain, Issuer, "the root in the quote is not the pinned one")
	}
	return pck, ca, root, checkIssued(InPCK, pck, ca)
}

// platform returns the quote's PCK certificate, when it leads to the root of the
// collateral, and is valid and not revoked.
func (o *opened) platform(q *Quote, roots *Roots, now uint64) (*x509.Certificate, error) {
	pck, ca, root, err := q.certificates(roots)
	if err != nil {
		return nil, err
	}
	if err := o.checkCA(InChain, ca, now); err != nil {
		return nil, err
	}
	// The CRL speaks for the CA's name and key, not for one of its certificates.
	if root != o.root || !bytes.Equal(ca.RawSubject, o.pckCA.RawSubject) || !bytes.Equal(ca.RawSubjectPublicKeyInfo, o.pckCA.RawSubjectPublicKeyInfo) {
		return nil, refuse(InPCKCA, Mismatch, "the collateral is for %s, the platform's CA is %s", name(o.pckCA), name(ca))
	}
	if err := checkRole(InPCK, pck, false, wordsPCK); err != nil {
		return nil, err
	}
	if err := checkTimes(InPCK, pck, now); err != nil {
		return nil, err
	}
	return pck, checkListed(InPCK, pck, o.pckCRL)
}

// verify checks what the quote signs itself: the PCK certificate's key signed the
// report of the QE, that report names the attestation key, and the attestation key
// signed header and body.
func (q *Quote) verify(pck *x509.Certificate) error {
	if !signedBy(pck.PublicKey.(*ecdsa.PublicKey), q.qe, q.qeSignature) {
		return refuse(InQE, Signature, "the report of the quoting enclave is not signed by the PCK certificate's key")
	}
	bound := sha256.New()
	bound.Write(q.key)
	bound.Write(q.qeAuth)
	var want [64]byte // the hash, then zeros
	bound.Sum(want[:0])
	if readSGX(q.qe).ReportData != want {
		return refuse(InKey, Mismatch, "the quoting enclave did not report this attestation key")
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append([]byte{4}, q.key...))
	if err != nil {
		return refuse(InKey, Form, "not a point of P-256")
	}
	if !signedBy(key, q.signed, q.signature) {
		return refuse(InQuote, Signature, "header and body are not signed by the attestation key")
	}
	return nil
}

// judge compares a genuine quote with what Intel says of its platform.
func (o *opened) judge(q *Quote, cert *x509.Certificate) (*Result, error) {
	if q.SGX != nil && q.SGX.debug() || q.TDX != nil && q.TDX.debug() {
		return nil, refuse(InBody, Debug, "what runs can be debugged")
	}
	p, err := readPCK(cert)
	if err != nil {
		return nil, err
	}
	platform, err := o.tcb.judge(q, p)
	if err != nil {
		return nil, err
	}
	qe, err := o.qe.judge(readSGX(q.qe))
	if err != nil {
		return nil, err
	}
	v, f := platform.merge(qe), o.facts()
	return &Result{Kind: q.Kind, Version: q.Version, Status: v.status, Advisories: v.advisories, TCBDate: v.date, Evaluation: f.Evaluation,
		FMSPC: p.fmspc, PCEID: p.pceID, Root: f.Root, Until: min(f.Until, uint64(cert.NotAfter.Unix())),
		ReportData: q.ReportData, SGX: q.SGX, TDX: q.TDX}, nil
}
