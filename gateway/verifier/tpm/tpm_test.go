package tpm_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/gateway/verifier/tpm"
	"github.com/killick-ledger/killick/gateway/verifier/verifiertest"
)

func judge(t testing.TB, c tpm.Config) *tpm.Judge {
	t.Helper()
	return ok[*tpm.Judge](t)(tpm.New(c))
}

// Each way in which the evidence of a good TPM can be bad has its own ballot, and what
// cannot be told has none.
func TestJudge(t *testing.T) {
	m := newMaker(t, tpm2.TPMAlgECDSA, fresh(t))
	stranger := newMaker(t, tpm2.TPMAlgECDSA, m.key)
	good := m.evidence(t, nil, nil)
	attr := func(change func(*tpm2.TPMAObject)) []byte {
		return m.evidence(t, func(d *draft) { change(&d.public.ObjectAttributes) }, nil)
	}
	leaf := func(change func(*x509.Certificate)) []byte {
		other := *m
		c := *m.leaf
		other.leaf = &c
		change(&c)
		return other.evidence(t, nil, nil)
	}
	pcrs := func(set map[int]string) func(*tpm.Config) {
		return func(c *tpm.Config) { c.Measurements[0].PCRs = set }
	}
	verifiertest.Run(t, func() tpm.Config { return m.config(t) }, tpm.New, map[string]verifiertest.Case[tpm.Config]{
		"good":                  {Quote: good, Want: "valid none"},
		"bound to another":      {Quote: good, Report: [64]byte{9}, Want: "malicious evidence_unbound"},
		"bound to more":         {Quote: m.evidence(t, func(d *draft) { d.attest.ExtraData.Buffer = bound[:] }, nil), Want: "malicious evidence_unbound"},
		"bound to nothing":      {Quote: m.evidence(t, func(d *draft) { d.attest.ExtraData.Buffer = nil }, nil), Want: "malicious evidence_unbound"},
		"another root":          {Quote: stranger.evidence(t, nil, nil), Want: "malicious forged_chain"},
		"another root, expired": {Quote: stranger.evidence(t, nil, nil), At: now + 2*365*86400, Want: "malicious forged_chain"},
		"another key's certificate": {Quote: m.evidence(t, nil, func(d *draft) {
			d.out.Chain[0] = certify(t, m.leaf, m.ca, fresh(t).Public(), m.caKey).Raw
		}), Want: "malicious forged_chain"},
		"another key described": {Quote: m.evidence(t, func(d *draft) {
			d.public.Unique = newMaker(t, tpm2.TPMAlgECDSA, fresh(t)).public(t).Unique
		}, nil), Want: "malicious forged_chain"},
		"a CA's key":                 {Quote: leaf(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }), Want: "invalid below_policy"},
		"signed by another":          {Quote: m.evidence(t, func(d *draft) { d.signer = fresh(t) }, nil), Want: "malicious forged_chain"},
		"signed by another, expired": {Quote: m.evidence(t, func(d *draft) { d.signer = fresh(t) }, nil), At: now + 2*365*86400, Want: "malicious forged_chain"},
		"changed":                    {Quote: m.evidence(t, nil, func(d *draft) { d.out.Attest[60] ^= 1 }), Want: "malicious forged_chain"},
		"expired":                    {Quote: good, At: now + 2*365*86400, Want: "invalid below_policy"},
		"before its time":            {Quote: good, At: now - 10*86400, Want: "invalid below_policy"},
		"not restricted":             {Quote: attr(func(a *tpm2.TPMAObject) { a.Restricted = false }), Want: "invalid below_policy"},
		"not for signing":            {Quote: attr(func(a *tpm2.TPMAObject) { a.SignEncrypt = false }), Want: "invalid below_policy"},
		"decrypts":                   {Quote: attr(func(a *tpm2.TPMAObject) { a.Decrypt = true }), Want: "invalid below_policy"},
		"may leave the TPM":          {Quote: attr(func(a *tpm2.TPMAObject) { a.FixedTPM = false }), Want: "invalid below_policy"},
		"may leave its parent":       {Quote: attr(func(a *tpm2.TPMAObject) { a.FixedParent = false }), Want: "invalid below_policy"},
		"brought from outside":       {Quote: attr(func(a *tpm2.TPMAObject) { a.SensitiveDataOrigin = false }), Want: "invalid below_policy"},
		"for servers": {Quote: leaf(func(c *x509.Certificate) {
			c.UnknownExtKeyUsage, c.ExtKeyUsage = nil, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}), Want: "invalid below_policy"},
		"for keys":     {Quote: leaf(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), Want: "invalid below_policy"},
		"for anything": {Quote: leaf(func(c *x509.Certificate) { c.KeyUsage, c.UnknownExtKeyUsage = 0, nil }), Want: "valid none"},
		"another extension": {Quote: leaf(func(c *x509.Certificate) {
			c.ExtraExtensions = append(slices.Clone(c.ExtraExtensions), c.ExtraExtensions[0])
			c.ExtraExtensions[1].Id = asn1.ObjectIdentifier{1, 2, 3}
		}), Want: "invalid below_policy"},
		"other attributes":        {Quote: m.evidence(t, nil, func(d *draft) { d.public.ObjectAttributes.NoDA = true; d.out.Public = tpm2.Marshal(d.public) }), Want: "invalid key_mismatch"},
		"another parent":          {Quote: m.evidence(t, nil, func(d *draft) { d.out.Parent[3] ^= 1 }), Want: "invalid key_mismatch"},
		"registers swapped":       {Quote: m.evidence(t, nil, func(d *draft) { slices.Reverse(d.out.Registers) }), Want: "invalid pcr_mismatch"},
		"another digest":          {Quote: m.evidence(t, func(d *draft) { d.quote.PCRDigest.Buffer = make([]byte, 32) }, nil), Want: "invalid pcr_mismatch"},
		"other registers":         {Quote: m.evidence(t, func(d *draft) { d.quote.PCRSelect.PCRSelections[0].PCRSelect[0] = 1 << 5 }, nil), Want: "invalid pcr_missing"},
		"one too many":            {Quote: m.evidence(t, nil, func(d *draft) { d.out.Registers = append(d.out.Registers, boot) }), Want: "invalid unreadable"},
		"one too few":             {Quote: m.evidence(t, nil, func(d *draft) { d.out.Registers = d.out.Registers[:1] }), Want: "invalid unreadable"},
		"another bank":            {Quote: m.evidence(t, func(d *draft) { d.quote.PCRSelect.PCRSelections[0].Hash = tpm2.TPMAlgSHA384 }, nil), Want: "invalid unreadable"},
		"another measurement":     {Quote: good, Change: pcrs(map[int]string{4: canon.Hex(boot[:]), 11: canon.Hex(boot[:])}), Want: "malicious unlisted_measurement"},
		"more than was quoted":    {Quote: good, Change: pcrs(map[int]string{4: canon.Hex(boot[:]), 7: canon.Hex(boot[:])}), Want: "invalid pcr_missing"},
		"less than was quoted":    {Quote: good, Change: pcrs(map[int]string{4: canon.Hex(boot[:])}), Want: "valid none"},
		"no measurement is known": {Quote: good, Operation: "job.sum", Want: "undecided no_roots"},
		"no root is known":        {Quote: good, Change: func(c *tpm.Config) { c.Roots = nil }, Want: "undecided no_roots"},
		"not a TPM's": {Quote: m.evidence(t, nil, func(d *draft) {
			d.out.Attest[0] ^= 1
			d.out.Signature = m.sign(t, m.key, d.out.Attest)
		}), Want: "invalid unreadable"},
		"not a quote": {Quote: m.evidence(t, func(d *draft) {
			d.attest.Type = tpm2.TPMSTAttestTime
			d.attest.Attested = tpm2.NewTPMUAttest(d.attest.Type, &tpm2.TPMSTimeAttestInfo{})
		}, nil), Want: "invalid unreadable"},
		"a certificate to spare":      {Quote: m.evidence(t, nil, func(d *draft) { d.out.Chain = append(d.out.Chain, m.root.Raw) }), Want: "invalid unreadable"},
		"no certificate":              {Quote: m.evidence(t, nil, func(d *draft) { d.out.Chain = nil }), Want: "invalid unreadable"},
		"cut chain":                   {Quote: m.evidence(t, nil, func(d *draft) { d.out.Chain = d.out.Chain[:1] }), Want: "malicious forged_chain"},
		"no certificates at all":      {Quote: m.evidence(t, nil, func(d *draft) { d.out.Chain[0] = []byte("certificate") }), Want: "invalid unreadable"},
		"a byte behind the signature": {Quote: m.evidence(t, nil, func(d *draft) { d.out.Signature = append(d.out.Signature, 0) }), Want: "invalid unreadable"},
		"cut":                         {Quote: good[:len(good)-1], Want: "invalid unreadable"},
		"longer":                      {Quote: append(slices.Clone(good), 0), Want: "invalid unreadable"},
		"nothing":                     {Want: "invalid unreadable"},
		"zeros":                       {Quote: make([]byte, 4096), Want: "invalid unreadable"},
		"large":                       {Quote: m.evidence(t, nil, func(d *draft) { d.out.Chain = append(d.out.Chain, make([]byte, 32<<10)) }), Want: "invalid unreadable"},
	})
}

// The other ways to sign are read as well. No byte of any evidence is without meaning.
func TestEveryByte(t *testing.T) {
	large := ok[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	chip := ok[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	for name, m := range map[string]*maker{
		"P-256": newMaker(t, tpm2.TPMAlgECDSA, fresh(t)), "P-384": newMaker(t, tpm2.TPMAlgECDSA, large),
		"RSASSA": newMaker(t, tpm2.TPMAlgRSASSA, chip), "RSAPSS": newMaker(t, tpm2.TPMAlgRSAPSS, chip),
	} {
		t.Run(name, func(t *testing.T) {
			j, good := judge(t, m.config(t)), m.evidence(t, nil, nil)
			if ballot, reason, err := j.Judge(good, bound, operation, now); ballot != attest.Valid || err != nil {
				t.Fatalf("%s, %v", verifiertest.Said(ballot, reason), err)
			}
			for i := range good {
				bad := slices.Clone(good)
				bad[i] ^= 1 << (i % 8)
				if ballot, _, err := j.Judge(bad, bound, operation, now); ballot == attest.Valid || ballot == attest.Undecided || err != nil {
					t.Errorf("byte %d of %d changed: %s, %v", i, len(good), ballot, err)
				}
			}
		})
	}
}

// Keys that are too short or sign with what is broken are not taken, nor signatures in
// another way than the key's.
func TestWeakKeys(t *testing.T) {
	short := newMaker(t, tpm2.TPMAlgRSASSA, ok[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 1024)))
	ecc := newMaker(t, tpm2.TPMAlgECDSA, fresh(t))
	ssa := newMaker(t, tpm2.TPMAlgRSASSA, ok[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048)))
	pss := *ssa
	pss.alg = tpm2.TPMAlgRSAPSS
	hashed := func(h tpm2.TPMIAlgHash) func(*draft) {
		return func(d *draft) {
			p := ok[*tpm2.TPMSECCParms](t)(d.public.Parameters.ECCDetail())
			p.Scheme.Details = tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: h})
			d.public.Parameters = tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, p)
		}
	}
	for name, c := range map[string]struct {
		m     *maker
		quote []byte
		want  string
	}{
		"RSA 1024":      {short, short.evidence(t, nil, nil), "invalid below_policy"},
		"named by SHA1": {ecc, ecc.evidence(t, func(d *draft) { d.public.NameAlg = tpm2.TPMAlgSHA1 }, nil), "invalid below_policy"},
		"signs SHA1":    {ecc, ecc.evidence(t, hashed(tpm2.TPMAlgSHA1), nil), "invalid below_policy"},
		"other hash":    {ecc, ecc.evidence(t, hashed(tpm2.TPMAlgSHA384), nil), "malicious forged_chain"},
		"other scheme":  {ssa, ssa.evidence(t, nil, func(d *draft) { d.out.Signature = pss.sign(t, pss.key, d.out.Attest) }), "malicious forged_chain"},
	} {
		if ballot, reason, err := judge(t, c.m.config(t)).Judge(c.quote, bound, operation, now); verifiertest.Said(ballot, reason) != c.want || err != nil {
			t.Errorf("%s: %s, %v, want %s", name, verifiertest.Said(ballot, reason), err, c.want)
		}
	}
}

// What panics while a quote is judged is the node's own trouble, and ends nothing.
func TestPanic(t *testing.T) {
	m := newMaker(t, tpm2.TPMAlgECDSA, fresh(t))
	var none *tpm.Judge
	if ballot, reason, err := none.Judge(m.evidence(t, nil, nil), bound, operation, now); ballot != attest.Undecided || reason != "" || err == nil {
		t.Errorf("%s, %v", verifiertest.Said(ballot, reason), err)
	}
}

func TestBound(t *testing.T) {
	e := &tpm.Evidence{Chain: [][]byte{nil}, Registers: make([][32]byte, 1)}
	e.Attest = make([]byte, 32<<10-len(e.Encode()))
	if _, err := tpm.Decode(e.Encode()); err != nil {
		t.Errorf("32 KiB: %v", err)
	}
	e.Attest = append(e.Attest, 0)
	if _, err := tpm.Decode(e.Encode()); err == nil {
		t.Error("a byte more is read")
	}
}

// A quote has no room for a second half that is not zeros: that is the node's own trouble.
func TestLongReport(t *testing.T) {
	m := newMaker(t, tpm2.TPMAlgECDSA, fresh(t))
	report := bound
	report[63] = 1
	if ballot, _, err := judge(t, m.config(t)).Judge(m.evidence(t, nil, nil), report, operation, now); ballot != attest.Undecided || err == nil {
		t.Errorf("%s, %v", ballot, err)
	}
}

func TestConfig(t *testing.T) {
	zeros := strings.Repeat("0", 64)
	m := newMaker(t, tpm2.TPMAlgECDSA, fresh(t))
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	machine := verifiertest.Certificates(t, certify(t, m.leaf, m.ca, m.key.Public(), m.caKey).Raw)
	pcrs := func(i int, text string) tpm.Config {
		return tpm.Config{Measurements: []tpm.Measurement{{Operation: operation, PCRs: map[int]string{i: text}}}}
	}
	if _, err := tpm.New(m.config(t)); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]tpm.Config{
		"short": pcrs(4, "00"), "upper case": pcrs(4, strings.Repeat("AA", 32)), "debug register": pcrs(16, zeros),
		"register of applications": pcrs(23, zeros), "no register": pcrs(24, zeros), "below": pcrs(-1, zeros),
		"no operation": {Measurements: []tpm.Measurement{{PCRs: map[int]string{4: zeros}}}},
		"no pcrs":      {Measurements: []tpm.Measurement{{Operation: operation}}},
		"no roots":     {Roots: []string{"/nowhere"}},
		"no CA":        {Roots: []string{machine}},
		"empty roots":  {Roots: []string{empty}},
	} {
		if _, err := tpm.New(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
