package simulated

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/killick-ledger/killick/chaincode/tee"
)

// Platform is a simulated machine, with the authorities that vouch for it.
type Platform struct {
	spec       *Spec
	root       *x509.Certificate
	attestKey  *ecdsa.PrivateKey
	chain      []byte // PEM: PCK certificate, CA, root
	collateral tee.Collateral
}

// inCA is the part name of the CA that issued the PCK certificate; the collateral has
// the same certificate.
const inCA = tee.InPCKCA

// New makes the platform. It panics when the spec asks for what X.509 cannot say,
// which is a mistake of whoever wrote it.
func New(s *Spec) *Platform {
	p := &Platform{spec: s, attestKey: s.key("attestation")}
	rootKey, caKey, tcbKey := s.key("root"), s.key("pck ca"), s.key("tcb signer")
	if s.TwinCA {
		caKey = s.key("twin of the pck ca")
	}
	if s.TwinRoot {
		rootKey = s.key("twin of the root")
	}
	root := s.certificate(tee.InRoot, s.name(tee.InRoot), nil, rootKey, rootKey)
	ca := s.certificate(inCA, s.name(inCA), root, caKey, rootKey)
	tcbSigner := s.certificate(tee.InTCBSigner, s.name(tee.InTCBSigner), root, tcbKey, rootKey)
	qeSigner, qeKey := tcbSigner, tcbKey
	if s.OwnQESigner {
		qeKey = s.key("qe signer")
		qeSigner = s.certificate(tee.InQESigner, s.name(tee.InTCBSigner), root, qeKey, rootKey)
	}
	p.root = root
	pck := s.certificate(tee.InPCK, s.name(tee.InPCK), ca, s.key("pck"), caKey)
	for _, cert := range []*x509.Certificate{pck, ca, root} {
		p.chain = append(p.chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	if s.Chain != nil {
		p.chain = s.Chain(p.chain)
	}
	p.collateral = tee.Collateral{
		RootCRL: s.list(tee.InRootCRL, root, rootKey, map[tee.Part]*x509.Certificate{tee.InRoot: root, inCA: ca, tee.InTCBSigner: tcbSigner, tee.InQESigner: qeSigner}),
		PCKCA:   ca.Raw,
		PCKCRL:  s.list(tee.InPCKCRL, ca, caKey, map[tee.Part]*x509.Certificate{tee.InPCK: pck}),

		TCBSigner: tcbSigner.Raw, TCBInfo: s.text(tee.InTCBInfo, s.tcbInfo()),
		QESigner: qeSigner.Raw, QEID: s.text(tee.InQEIdentity, s.qeIdentity()),
	}
	p.collateral.TCBSig = sign(s.signer(tee.InTCBInfo, tcbKey), p.collateral.TCBInfo)
	p.collateral.QESig = sign(s.signer(tee.InQEIdentity, qeKey), p.collateral.QEID)
	return p
}

// Root returns the certificate to pin, in DER.
func (p *Platform) Root() []byte { return slices.Clone(p.root.Raw) }

// Roots returns the pinned root of this platform.
func (p *Platform) Roots() *tee.Roots {
	roots, err := tee.NewRoots(p.root.Raw)
	if err != nil {
		panic(fmt.Sprintf("simulated: %v", err))
	}
	return roots
}

// Collateral returns what Intel would deliver about the platform.
func (p *Platform) Collateral() *tee.Collateral {
	c := p.collateral
	return &c
}

// key returns the private key of that name.
func (s *Spec) key(name string) *ecdsa.PrivateKey {
	sum := sha256.Sum256([]byte("killick.simulated.v1\n" + s.Seed + "\n" + name))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), sum[:])
	if err != nil {
		panic(fmt.Sprintf("simulated: %v", err)) // one seed in 2^32
	}
	return key
}

// signer returns the key that signs a part: another one where that is to be forged.
func (s *Spec) signer(part tee.Part, key *ecdsa.PrivateKey) *ecdsa.PrivateKey {
	if slices.Contains(s.Forge, part) {
		return s.key("somebody else")
	}
	return key
}

// validity is that of a part: some years for certificates, a month for the rest.
func (s *Spec) validity(part tee.Part) Validity {
	if v, ok := s.Times[part]; ok {
		return v
	}
	switch part {
	case tee.InRootCRL, tee.InPCKCRL, tee.InTCBInfo, tee.InQEIdentity:
		return Validity{s.Now - 5*day, s.Now + 25*day}
	}
	return Validity{s.Now - 700*day, s.Now + 2000*day}
}

// name returns the common name of a certificate.
func (s *Spec) name(part tee.Part) string {
	maker := "Simulated"
	if s.Intel {
		maker = "Intel"
	}
	ca := "Platform"
	if s.ProcessorCA {
		ca = "Processor"
	}
	return map[tee.Part]string{tee.InRoot: maker + " SGX Root CA", inCA: maker + " SGX PCK " + ca + " CA", tee.InPCK: maker + " SGX PCK Certificate",
		tee.InTCBSigner: maker + " SGX TCB Signing"}[part]
}

func at(seconds uint64) time.Time { return time.Unix(int64(seconds), 0).UTC() }

// certificate makes the certificate of a part; without a parent it signs itself.
func (s *Spec) certificate(part tee.Part, name string, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) *x509.Certificate {
	v := s.validity(part)
	serial, keyID := sha256.Sum256([]byte(s.Seed+"\n"+string(part))), sha256.Sum256([]byte(s.Seed+"\n"+string(part)+" key"))
	t := &x509.Certificate{SerialNumber: new(big.Int).SetBytes(serial[1:20]), NotBefore: at(v.From), NotAfter: at(v.Until), BasicConstraintsValid: true,
		SubjectKeyId: keyID[:20], CRLDistributionPoints: []string{"https://simulated.invalid/crl"}, // as Intel's have, and other verifiers want
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment, SignatureAlgorithm: x509.ECDSAWithSHA256,
		Subject: pkix.Name{CommonName: name, Organization: []string{"Intel Corporation"}, Locality: []string{"Santa Clara"}, Province: []string{"CA"}, Country: []string{"US"}}}
	if !s.Intel {
		t.Subject = pkix.Name{CommonName: name, Organization: []string{"Simulation, not Intel"}}
	}
	switch part {
	case tee.InRoot, inCA:
		t.IsCA, t.KeyUsage, t.MaxPathLen = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, 1
		if part == inCA {
			t.MaxPathLen, t.MaxPathLenZero = 0, true
		}
	case tee.InPCK:
		t.ExtraExtensions = []pkix.Extension{s.extension()}
	}
	if s.Cert != nil {
		s.Cert(part, t)
	}
	if parent == nil {
		parent = t
	}
	keyless := *parent
	keyless.PublicKey = nil // x509 would not sign with another key than the parent's
	der, err := x509.CreateCertificate(nil, t, &keyless, key.Public(), s.signer(part, parentKey))
	if err != nil {
		panic(fmt.Sprintf("simulated: %s: %v", name, err))
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(fmt.Sprintf("simulated: %s: %v", name, err))
	}
	return cert
}

// list makes a CA's list, with those of the certificates that are to be revoked and
// one that is nobody's.
func (s *Spec) list(part tee.Part, ca *x509.Certificate, key *ecdsa.PrivateKey, certs map[tee.Part]*x509.Certificate) []byte {
	v := s.validity(part)
	revoked := []x509.RevocationListEntry{{SerialNumber: big.NewInt(0x5eed), RevocationTime: at(v.From), ReasonCode: 1}}
	for _, r := range s.Revoke {
		if cert := certs[r]; cert != nil {
			revoked = append(revoked, x509.RevocationListEntry{SerialNumber: cert.SerialNumber, RevocationTime: at(v.From), ReasonCode: 1})
		}
	}
	t := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: at(v.From), NextUpdate: at(v.Until), RevokedCertificateEntries: revoked, SignatureAlgorithm: x509.ECDSAWithSHA256}
	if s.List != nil {
		s.List(part, t)
	}
	der, err := x509.CreateRevocationList(nil, t, ca, s.signer(part, key))
	if err != nil {
		panic(fmt.Sprintf("simulated: %s: %v", part, err))
	}
	return der
}

// sign returns r and s of the key's signature, always the same for the same data.
func sign(key *ecdsa.PrivateKey, data []byte) []byte {
	sum := sha256.Sum256(data)
	der, err := key.Sign(nil, sum[:], crypto.SHA256)
	var sig struct{ R, S *big.Int }
	if err == nil {
		_, err = asn1.Unmarshal(der, &sig)
	}
	if err != nil {
		panic(fmt.Sprintf("simulated: %v", err))
	}
	out := make([]byte, 64)
	sig.R.FillBytes(out[:32])
	sig.S.FillBytes(out[32:])
	return out
}
