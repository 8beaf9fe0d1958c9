package tee

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
)

const (
	maxCertificate = 4096
	maxRoots       = 8
)

// Roots are the certificates that everything must lead to.
type Roots struct{ all []*x509.Certificate }

// NewRoots returns the roots of 1 to 8 self-signed CA certificates in DER. Whether
// they are valid at a time is looked at in an appraisal. Errors: *Refusal in InRoot
// or InPolicy.
func NewRoots(ders ...[]byte) (*Roots, error) {
	if len(ders) == 0 || len(ders) > maxRoots {
		return nil, refuse(InPolicy, Form, "%d roots, want 1 to %d", len(ders), maxRoots)
	}
	r := &Roots{}
	for _, der := range ders {
		root, err := parseCertificate(InRoot, der)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(root.RawIssuer, root.RawSubject) || root.CheckSignatureFrom(root) != nil {
			return nil, refuse(InRoot, Signature, "%s did not sign itself as a CA", name(root))
		}
		r.all = append(r.all, root)
	}
	return r, nil
}

// issuer returns the root that issued a certificate.
func (r *Roots) issuer(in Part, cert *x509.Certificate) (*x509.Certificate, error) {
	var err error
	for _, root := range r.all {
		if !bytes.Equal(root.RawSubject, cert.RawIssuer) {
			continue
		}
		if err = checkIssued(in, cert, root); err == nil {
			return root, nil
		}
	}
	if err == nil {
		err = refuse(in, Issuer, "%s is of %.80q, which is no pinned root", name(cert), cert.Issuer.CommonName)
	}
	return nil, err
}

// parseCertificate reads a certificate of the only form that occurs below Intel's
// roots: X.509 version 3, ECDSA with SHA-256 on P-256, and nothing critical in it
// that would be passed over.
func parseCertificate(in Part, der []byte) (*x509.Certificate, error) {
	if len(der) > maxCertificate {
		return nil, refuse(in, Size, "a certificate of %d bytes, at most %d are read", len(der), maxCertificate)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, refuse(in, Form, "not a certificate")
	}
	key, ok := cert.PublicKey.(*ecdsa.PublicKey)
	switch {
	case cert.Version != 3 || cert.SignatureAlgorithm != x509.ECDSAWithSHA256 || !ok || key.Curve != elliptic.P256():
		return nil, refuse(in, Version, "%s is not X.509 version 3 with ECDSA on P-256 and SHA-256", name(cert))
	case len(cert.UnhandledCriticalExtensions) != 0:
		return nil, refuse(in, Version, "%s has a critical extension that is not known here", name(cert))
	}
	return cert, nil
}

// name is what errors call a certificate.
func name(cert *x509.Certificate) string {
	return strings.ToValidUTF8(trim(cert.Subject.CommonName), "?")
}

func trim(text string) string { return text[:min(len(text), 80)] }

// checkIssued wants the certificate to be of the issuer.
func checkIssued(in Part, cert, issuer *x509.Certificate) error {
	if !bytes.Equal(cert.RawIssuer, issuer.RawSubject) {
		return refuse(in, Issuer, "%s is not of %s", name(cert), name(issuer))
	}
	if cert.CheckSignatureFrom(issuer) != nil {
		return refuse(in, Signature, "%s is not signed by %s", name(cert), name(issuer))
	}
	return nil
}

func checkTimes(in Part, cert *x509.Certificate, now uint64) error {
	return within(in, cert.NotBefore.Unix(), cert.NotAfter.Unix(), now)
}

// checkRole wants a certificate to be one that was issued for this: a CA or none, and
// by the words that Intel puts into its name.
func checkRole(in Part, cert *x509.Certificate, ca bool, words string) error {
	usage := x509.KeyUsageDigitalSignature
	if ca {
		usage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	}
	if cert.IsCA != ca || cert.KeyUsage&usage != usage || !strings.Contains(cert.Subject.CommonName, words) {
		return refuse(in, Mismatch, "%s is not a certificate for this (%s)", name(cert), words)
	}
	return nil
}

// The words in the names of certificates, by their role.
const (
	wordsCA     = "SGX PCK"
	wordsPCK    = "SGX PCK Certificate"
	wordsSigner = "SGX TCB Signing"
)

// readPEM reads exactly three certificates from the chain of a quote: PCK
// certificate, CA, root. Nothing signs the text, so it must be the one that encoding
// gives: only its last line break may be missing, or be followed by a zero byte.
func readPEM(text []byte) (ders [3][]byte, err error) {
	rest, zero := bytes.CutSuffix(text, []byte{0})
	whole := rest
	if !bytes.HasSuffix(rest, []byte("\n")) {
		if zero {
			return ders, refuse(InChain, Form, "a zero byte in place of the last line break")
		}
		whole = append(bytes.Clone(rest), '\n')
	}
	var again []byte
	rest = whole
	for i := range ders {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil || block.Type != "CERTIFICATE" {
			return ders, refuse(InChain, Form, "not three certificates in PEM")
		}
		ders[i] = block.Bytes
		again = append(again, pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})...)
	}
	if !bytes.Equal(again, whole) {
		return ders, refuse(InChain, Form, "not exactly three certificates in PEM with lines of 64 characters")
	}
	return ders, nil
}

// signedBy says whether r and s, 32 bytes each, are the key's signature over the data.
func signedBy(key *ecdsa.PublicKey, data, signature []byte) bool {
	sum := sha256.Sum256(data)
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	return ecdsa.Verify(key, sum[:], r, s)
}
