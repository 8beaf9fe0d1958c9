package tpm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // for crypto.Hash
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"time"

	"github.com/google/go-tpm/tpm2"
)

// errPolicy is a key or a chain of which this judge takes no quotes, though nobody forged it.
var errPolicy = errors.New("not a key that is taken")

var (
	// attestationKey is tcg-kp-AIKCertificate, subjectAltName names the TPM's make in
	// certificates of the TCG's profile, which the standard library does not read.
	attestationKey = asn1.ObjectIdentifier{2, 23, 133, 8, 3}
	subjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
)

// usable says whether a certificate may be that of an attestation key. One that says what
// its key is for has to say that: a root that also issues for other ends vouches for no TPM.
func usable(leaf *x509.Certificate) bool {
	named := len(leaf.ExtKeyUsage) + len(leaf.UnknownExtKeyUsage)
	return !leaf.IsCA && (leaf.KeyUsage == 0 || leaf.KeyUsage&x509.KeyUsageDigitalSignature != 0) &&
		(named == 0 || slices.ContainsFunc(leaf.UnknownExtKeyUsage, attestationKey.Equal))
}

// leads says whether the chain, as it is and no certificate of it to spare, leads to a root
// at the time.
func leads(chain []*x509.Certificate, roots *x509.CertPool, at time.Time) error {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	leaf := *chain[0]
	leaf.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(leaf.UnhandledCriticalExtensions), subjectAltName.Equal)
	found, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return err
	}
	for _, f := range found {
		if len(f) == len(chain)+1 && slices.EqualFunc(f[:len(chain)], chain, (*x509.Certificate).Equal) {
			return nil
		}
	}
	return errForm
}

// scheme is how a key signs.
type scheme struct {
	alg  tpm2.TPMAlgID
	hash tpm2.TPMIAlgHash
}

// schemeOf returns the scheme of a key that a TPM keeps for its own statements.
func schemeOf(p *tpm2.TPMTPublic) (scheme, error) {
	a := p.ObjectAttributes
	if !a.Restricted || !a.SignEncrypt || a.Decrypt || !a.FixedTPM || !a.FixedParent || !a.SensitiveDataOrigin || weak(p.NameAlg) {
		return scheme{}, errPolicy
	}
	var s scheme
	var details *tpm2.TPMUAsymScheme
	switch p.Type {
	case tpm2.TPMAlgRSA:
		d, err := p.Parameters.RSADetail()
		if err != nil || d.KeyBits < 2048 {
			return scheme{}, errPolicy
		}
		s.alg, details = d.Scheme.Scheme, &d.Scheme.Details
	case tpm2.TPMAlgECC:
		d, err := p.Parameters.ECCDetail()
		if err != nil || d.CurveID != tpm2.TPMECCNistP256 && d.CurveID != tpm2.TPMECCNistP384 {
			return scheme{}, errPolicy
		}
		s.alg, details = d.Scheme.Scheme, &d.Scheme.Details
	}
	switch s.alg {
	case tpm2.TPMAlgRSASSA:
		if d, err := details.RSASSA(); err == nil {
			s.hash = d.HashAlg
		}
	case tpm2.TPMAlgRSAPSS:
		if d, err := details.RSAPSS(); err == nil {
			s.hash = d.HashAlg
		}
	case tpm2.TPMAlgECDSA:
		if d, err := details.ECDSA(); err == nil {
			s.hash = d.HashAlg
		}
	}
	if weak(s.hash) {
		return scheme{}, errPolicy
	}
	return s, nil
}

func weak(h tpm2.TPMIAlgHash) bool {
	return h != tpm2.TPMAlgSHA256 && h != tpm2.TPMAlgSHA384 && h != tpm2.TPMAlgSHA512
}

// digest is a hash that is not weak.
func digest(h tpm2.TPMIAlgHash, parts ...[]byte) []byte {
	f, err := h.Hash()
	if err != nil {
		return nil
	}
	d := f.New()
	for _, p := range parts {
		d.Write(p)
	}
	return d.Sum(nil)
}

// certified says whether the certificate is of the key that the TPM describes.
func certified(leaf *x509.Certificate, p *tpm2.TPMTPublic) bool {
	key, err := tpm2.Pub(*p)
	if err != nil {
		return false
	}
	switch key := key.(type) {
	case *rsa.PublicKey:
		d, err := p.Parameters.RSADetail()
		return err == nil && key.Equal(leaf.PublicKey) && key.N.BitLen() == int(d.KeyBits)
	case *ecdsa.PublicKey:
		return key.Equal(leaf.PublicKey)
	}
	return false
}

// signed says whether the key signed the bytes by its scheme.
func signed(key crypto.PublicKey, by scheme, sig *tpm2.TPMTSignature, data []byte) bool {
	if sig.SigAlg != by.alg {
		return false
	}
	sum, h := digest(by.hash, data), hashOf(by.hash)
	switch key := key.(type) {
	case *rsa.PublicKey:
		if s, err := sig.Signature.RSASSA(); err == nil && by.alg == tpm2.TPMAlgRSASSA {
			return s.Hash == by.hash && rsa.VerifyPKCS1v15(key, h, sum, s.Sig.Buffer) == nil
		}
		if s, err := sig.Signature.RSAPSS(); err == nil && by.alg == tpm2.TPMAlgRSAPSS {
			return s.Hash == by.hash && rsa.VerifyPSS(key, h, sum, s.Sig.Buffer, nil) == nil
		}
	case *ecdsa.PublicKey:
		s, err := sig.Signature.ECDSA()
		return err == nil && s.Hash == by.hash && (key.Curve == elliptic.P256() || key.Curve == elliptic.P384()) &&
			ecdsa.Verify(key, sum, new(big.Int).SetBytes(s.SignatureR.Buffer), new(big.Int).SetBytes(s.SignatureS.Buffer))
	}
	return false
}

func hashOf(h tpm2.TPMIAlgHash) crypto.Hash {
	f, err := h.Hash()
	if err != nil {
		return 0
	}
	return f
}

// qualified is the name of the key in its hierarchy, under a parent.
func qualified(p *tpm2.TPMTPublic, parent []byte) []byte {
	name, err := tpm2.ObjectName(p)
	if err != nil {
		return nil
	}
	return slices.Concat(name.Buffer[:2], digest(p.NameAlg, parent, name.Buffer))
}
