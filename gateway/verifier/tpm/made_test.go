package tpm_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/gateway/verifier/tpm"
	"github.com/killick-ledger/killick/gateway/verifier/verifiertest"
)

const operation = verifiertest.Operation

var (
	began = verifiertest.Began
	now   = verifiertest.Now
	bound = verifiertest.Bound
	boot  = [32]byte{4}
	ran   = [32]byte{11}
)

// maker is who makes TPMs: a root, a CA under it, and one TPM's attestation key.
type maker struct {
	key      crypto.Signer
	alg      tpm2.TPMAlgID
	ca, root *x509.Certificate
	caKey    crypto.Signer
	leaf     *x509.Certificate // how the key's certificate is filled in
}

func ok[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func fresh(t testing.TB) crypto.Signer {
	return ok[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
}

func certify(t testing.TB, c, by *x509.Certificate, key crypto.PublicKey, with crypto.Signer) *x509.Certificate {
	t.Helper()
	if by == nil {
		by = c
	}
	return ok[*x509.Certificate](t)(x509.ParseCertificate(ok[[]byte](t)(x509.CreateCertificate(rand.Reader, c, by, key, with))))
}

func authority(serial int64, name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: began.Add(-time.Hour), NotAfter: began.AddDate(30, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
}

func newMaker(t testing.TB, alg tpm2.TPMAlgID, key crypto.Signer) *maker {
	t.Helper()
	m := &maker{key: key, alg: alg, caKey: fresh(t)}
	rootKey := fresh(t)
	m.root = certify(t, authority(1, "root"), nil, rootKey.Public(), rootKey)
	m.ca = certify(t, authority(2, "ca"), m.root, m.caKey.Public(), rootKey)
	// The TCG's profile has the TPM's make in a critical name that is no host's.
	name := ok[[]byte](t)(asn1.Marshal([]asn1.RawValue{{Class: 2, Tag: 4, IsCompound: true, Bytes: []byte{0x30, 0}}}))
	m.leaf = &x509.Certificate{
		SerialNumber: big.NewInt(3), NotBefore: began, NotAfter: began.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
		UnknownExtKeyUsage: []asn1.ObjectIdentifier{{2, 23, 133, 8, 3}},
		ExtraExtensions:    []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true, Value: name}},
	}
	return m
}

func (m *maker) config(t testing.TB) tpm.Config {
	return tpm.Config{Roots: []string{verifiertest.Certificates(t, m.root.Raw)}, Measurements: []tpm.Measurement{
		{Operation: operation, PCRs: map[int]string{4: canon.Hex(boot[:]), 11: canon.Hex(ran[:])}},
	}}
}

// draft is what a quote is made of, to be changed.
type draft struct {
	public *tpm2.TPMTPublic
	attest *tpm2.TPMSAttest
	quote  *tpm2.TPMSQuoteInfo
	out    *tpm.Evidence
	signer crypto.Signer
}

func (m *maker) public(t testing.TB) *tpm2.TPMTPublic {
	t.Helper()
	p := &tpm2.TPMTPublic{NameAlg: tpm2.TPMAlgSHA256, ObjectAttributes: tpm2.TPMAObject{
		FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, Restricted: true, SignEncrypt: true,
	}}
	null := tpm2.TPMTSymDefObject{Algorithm: tpm2.TPMAlgNull}
	switch key := m.key.Public().(type) {
	case *rsa.PublicKey:
		s := tpm2.TPMTRSAScheme{Scheme: m.alg}
		if m.alg == tpm2.TPMAlgRSASSA {
			s.Details = tpm2.NewTPMUAsymScheme(m.alg, &tpm2.TPMSSigSchemeRSASSA{HashAlg: tpm2.TPMAlgSHA256})
		} else {
			s.Details = tpm2.NewTPMUAsymScheme(m.alg, &tpm2.TPMSSigSchemeRSAPSS{HashAlg: tpm2.TPMAlgSHA256})
		}
		p.Type = tpm2.TPMAlgRSA
		p.Parameters = tpm2.NewTPMUPublicParms(p.Type, &tpm2.TPMSRSAParms{Symmetric: null, Scheme: s, KeyBits: tpm2.TPMKeyBits(key.N.BitLen())})
		p.Unique = tpm2.NewTPMUPublicID(p.Type, &tpm2.TPM2BPublicKeyRSA{Buffer: key.N.Bytes()})
	case *ecdsa.PublicKey:
		curve := tpm2.TPMECCNistP256
		if key.Curve == elliptic.P384() {
			curve = tpm2.TPMECCNistP384
		}
		point := ok[[]byte](t)(key.Bytes())[1:]
		p.Type = tpm2.TPMAlgECC
		p.Parameters = tpm2.NewTPMUPublicParms(p.Type, &tpm2.TPMSECCParms{
			Symmetric: null, CurveID: curve, KDF: tpm2.TPMTKDFScheme{Scheme: tpm2.TPMAlgNull},
			Scheme: tpm2.TPMTECCScheme{Scheme: m.alg, Details: tpm2.NewTPMUAsymScheme(m.alg, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA256})},
		})
		p.Unique = tpm2.NewTPMUPublicID(p.Type, &tpm2.TPMSECCPoint{
			X: tpm2.TPM2BECCParameter{Buffer: point[:len(point)/2]}, Y: tpm2.TPM2BECCParameter{Buffer: point[len(point)/2:]},
		})
	}
	return p
}

// evidence makes evidence. before changes what is signed, after what was.
func (m *maker) evidence(t testing.TB, before, after func(*draft)) []byte {
	t.Helper()
	sum := sha256.Sum256(append(append([]byte{}, boot[:]...), ran[:]...))
	leaf := certify(t, m.leaf, m.ca, m.key.Public(), m.caKey)
	d := &draft{
		public: m.public(t), signer: m.key,
		out: &tpm.Evidence{Parent: tpm2.PrimaryHandleName(tpm2.TPMRHEndorsement), Chain: [][]byte{leaf.Raw, m.ca.Raw}, Registers: [][32]byte{boot, ran}},
		quote: &tpm2.TPMSQuoteInfo{
			PCRSelect: tpm2.TPMLPCRSelection{PCRSelections: []tpm2.TPMSPCRSelection{{Hash: tpm2.TPMAlgSHA256, PCRSelect: []byte{1 << 4, 1 << 3, 0}}}},
			PCRDigest: tpm2.TPM2BDigest{Buffer: sum[:]},
		},
		attest: &tpm2.TPMSAttest{Magic: tpm2.TPMGeneratedValue, Type: tpm2.TPMSTAttestQuote, ExtraData: tpm2.TPM2BData{Buffer: bound[:32]}},
	}
	if before != nil {
		before(d)
	}
	if d.attest.Type == tpm2.TPMSTAttestQuote {
		d.attest.Attested = tpm2.NewTPMUAttest(d.attest.Type, d.quote)
	}
	name := ok[*tpm2.TPM2BName](t)(tpm2.ObjectName(d.public))
	qualified := sha256.Sum256(append(append([]byte{}, d.out.Parent...), name.Buffer...))
	d.attest.QualifiedSigner.Buffer = append(append([]byte{}, name.Buffer[:2]...), qualified[:]...)
	d.out.Attest, d.out.Public = tpm2.Marshal(d.attest), tpm2.Marshal(d.public)
	d.out.Signature = m.sign(t, d.signer, d.out.Attest)
	if after != nil {
		after(d)
	}
	return d.out.Encode()
}

func (m *maker) sign(t testing.TB, key crypto.Signer, data []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(data)
	s := tpm2.TPMTSignature{SigAlg: m.alg}
	switch m.alg {
	case tpm2.TPMAlgRSASSA, tpm2.TPMAlgRSAPSS:
		var how crypto.SignerOpts = crypto.SHA256
		if m.alg == tpm2.TPMAlgRSAPSS {
			how = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
		}
		s.Signature = tpm2.NewTPMUSignature(m.alg, &tpm2.TPMSSignatureRSA{
			Hash: tpm2.TPMAlgSHA256, Sig: tpm2.TPM2BPublicKeyRSA{Buffer: ok[[]byte](t)(key.Sign(rand.Reader, sum[:], how))},
		})
	default:
		var rs struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(ok[[]byte](t)(key.Sign(rand.Reader, sum[:], crypto.SHA256)), &rs); err != nil {
			t.Fatal(err)
		}
		s.Signature = tpm2.NewTPMUSignature(m.alg, &tpm2.TPMSSignatureECC{
			Hash: tpm2.TPMAlgSHA256, SignatureR: tpm2.TPM2BECCParameter{Buffer: rs.R.Bytes()}, SignatureS: tpm2.TPM2BECCParameter{Buffer: rs.S.Bytes()},
		})
	}
	return tpm2.Marshal(s)
}
