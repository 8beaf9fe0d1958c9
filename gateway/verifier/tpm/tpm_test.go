package tpm_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/gateway/verifier/tpm"
)

func judge(t testing.TB, c tpm.Config) *tpm.Judge {
	t.Helper()
	return ok[*tpm.Judge](t)(tpm.New(c))
}

func said(ballot attest.Verdict, reason string) string { return ballot.String() + " " + reason }

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
	for name, c := range map[string]struct {
		quote  []byte
		config func(*tpm.Config)
		report [64]byte
		at     uint64
		other  string // operation
		want   string
	}{
		"good":                  {quote: good, want: "valid none"},
		"bound to another":      {quote: good, report: [64]byte{9}, want: "malicious evidence_unbound"},
		"bound to more":         {quote: m.evidence(t, func(d *draft) { d.attest.ExtraData.Buffer = bound[:] }, nil), want: "malicious evidence_unbound"},
		"bound to nothing":      {quote: m.evidence(t, func(d *draft) { d.attest.ExtraData.Buffer = nil }, nil), want: "malicious evidence_unbound"},
		"another root":          {quote: stranger.evidence(t, nil, nil), want: "malicious forged_chain"},
		"another root, expired": {quote: stranger.evidence(t, nil, nil), at: now + 2*365*86400, want: "malicious forged_chain"},
		"another key's certificate": {quote: m.evidence(t, nil, func(d *draft) {
			d.out.Chain[0] = certify(t, m.leaf, m.ca, fresh(t).Public(), m.caKey).Raw
		}), want: "malicious forged_chain"},
		"another key described": {quote: m.evidence(t, func(d *draft) {
			d.public.Unique = newMaker(t, tpm2.TPMAlgECDSA, fresh(t)).public(t).Unique
		}, nil), want: "malicious forged_chain"},
		"a CA's key":                 {quote: leaf(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }), want: "invalid below_policy"},
		"signed by another":          {quote: m.evidence(t, func(d *draft) { d.signer = fresh(t) }, nil), want: "malicious forged_chain"},
		"signed by another, expired": {quote: m.evidence(t, func(d *draft) { d.signer = fresh(t) }, nil), at: now + 2*365*86400, want: "malicious forged_chain"},
		"changed":                    {quote: m.evidence(t, nil, func(d *draft) { d.out.Attest[60] ^= 1 }), want: "malicious forged_chain"},
		"expired":                    {quote: good, at: now + 2*365*86400, want: "invalid below_policy"},
		"before its time":            {quote: good, at: now - 10*86400, want: "invalid below_policy"},
		"not restricted":             {quote: attr(func(a *tpm2.TPMAObject) { a.Restricted = false }), want: "invalid below_policy"},
		"not for signing":            {quote: attr(func(a *tpm2.TPMAObject) { a.SignEncrypt = false }), want: "invalid below_policy"},
		"decrypts":                   {quote: attr(func(a *tpm2.TPMAObject) { a.Decrypt = true }), want: "invalid below_policy"},
		"may leave the TPM":          {quote: attr(func(a *tpm2.TPMAObject) { a.FixedTPM = false }), want: "invalid below_policy"},
		"may leave its parent":       {quote: attr(func(a *tpm2.TPMAObject) { a.FixedParent = false }), want: "invalid below_policy"},
		"brought from outside":       {quote: attr(func(a *tpm2.TPMAObject) { a.SensitiveDataOrigin = false }), want: "invalid below_policy"},
		"for servers": {quote: leaf(func(c *x509.Certificate) {
			c.UnknownExtKeyUsage, c.ExtKeyUsage = nil, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}), want: "invalid below_policy"},
		"for keys":     {quote: leaf(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), want: "invalid below_policy"},
		"for anything": {quote: leaf(func(c *x509.Certificate) { c.KeyUsage, c.UnknownExtKeyUsage = 0, nil }), want: "valid none"},
		"another extension": {quote: leaf(func(c *x509.Certificate) {
			c.ExtraExtensions = append(slices.Clone(c.ExtraExtensions), c.ExtraExtensions[0])
			c.ExtraExtensions[1].Id = asn1.ObjectIdentifier{1, 2, 3}
		}), want: "invalid below_policy"},
		"other attributes":        {quote: m.evidence(t, nil, func(d *draft) { d.public.ObjectAttributes.NoDA = true; d.out.Public = tpm2.Marshal(d.public) }), want: "invalid key_mismatch"},
		"another parent":          {quote: m.evidence(t, nil, func(d *draft) { d.out.Parent[3] ^= 1 }), want: "invalid key_mismatch"},
		"registers swapped":       {quote: m.evidence(t, nil, func(d *draft) { slices.Reverse(d.out.Registers) }), want: "invalid pcr_mismatch"},
		"another digest":          {quote: m.evidence(t, func(d *draft) { d.quote.PCRDigest.Buffer = make([]byte, 32) }, nil), want: "invalid pcr_mismatch"},
		"other registers":         {quote: m.evidence(t, func(d *draft) { d.quote.PCRSelect.PCRSelections[0].PCRSelect[0] = 1 << 5 }, nil), want: "invalid pcr_missing"},
		"one too many":            {quote: m.evidence(t, nil, func(d *draft) { d.out.Registers = append(d.out.Registers, boot) }), want: "invalid unreadable"},
		"one too few":             {quote: m.evidence(t, nil, func(d *draft) { d.out.Registers = d.out.Registers[:1] }), want: "invalid unreadable"},
		"another bank":            {quote: m.evidence(t, func(d *draft) { d.quote.PCRSelect.PCRSelections[0].Hash = tpm2.TPMAlgSHA384 }, nil), want: "invalid unreadable"},
		"another measurement":     {quote: good, config: pcrs(map[int]string{4: canon.Hex(boot[:]), 11: canon.Hex(boot[:])}), want: "malicious unlisted_measurement"},
		"more than was quoted":    {quote: good, config: pcrs(map[int]string{4: canon.Hex(boot[:]), 7: canon.Hex(boot[:])}), want: "invalid pcr_missing"},
		"less than was quoted":    {quote: good, config: pcrs(map[int]string{4: canon.Hex(boot[:])}), want: "valid none"},
		"no measurement is known": {quote: good, other: "job.sum", want: "undecided no_roots"},
		"no root is known":        {quote: good, config: func(c *tpm.Config) { c.Roots = nil }, want: "undecided no_roots"},
		"not a TPM's": {quote: m.evidence(t, nil, func(d *draft) {
			d.out.Attest[0] ^= 1
			d.out.Signature = m.sign(t, m.key, d.out.Attest)
		}), want: "invalid unreadable"},
		"not a quote": {quote: m.evidence(t, func(d *draft) {
			d.attest.Type = tpm2.TPMSTAttestTime
			d.attest.Attested = tpm2.NewTPMUAttest(d.attest.Type, &tpm2.TPMSTimeAttestInfo{})
		}, nil), want: "invalid unreadable"},
		"a certificate to spare":      {quote: m.evidence(t, nil, func(d *draft) { d.out.Chain = append(d.out.Chain, m.root.Raw) }), want: "invalid unreadable"},
		"no certificate":              {quote: m.evidence(t, nil, func(d *draft) { d.out.Chain = nil }), want: "invalid unreadable"},
		"cut chain":                   {quote: m.evidence(t, nil, func(d *draft) { d.out.Chain = d.out.Chain[:1] }), want: "malicious forged_chain"},
		"no certificates at all":      {quote: m.evidence(t, nil, func(d *draft) { d.out.Chain[0] = []byte("certificate") }), want: "invalid unreadable"},
		"a byte behind the signature": {quote: m.evidence(t, nil, func(d *draft) { d.out.Signature = append(d.out.Signature, 0) }), want: "invalid unreadable"},
		"cut":                         {quote: good[:len(good)-1], want: "invalid unreadable"},
		"longer":                      {quote: append(slices.Clone(good), 0), want: "invalid unreadable"},
		"nothing":                     {want: "invalid unreadable"},
		"zeros":                       {quote: make([]byte, 4096), want: "invalid unreadable"},
		"large":                       {quote: m.evidence(t, nil, func(d *draft) { d.out.Chain = append(d.out.Chain, make([]byte, 32<<10)) }), want: "invalid unreadable"},
	} {
		t.Run(name, func(t *testing.T) {
			config := m.config(t)
			if c.config != nil {
				c.config(&config)
			}
			if c.report == [64]byte{} {
				c.report = bound
			}
			if c.at == 0 {
				c.at = now
			}
			if c.other == "" {
				c.other = operation
			}
			ballot, reason, err := judge(t, config).Judge(c.quote, c.report, c.other, c.at)
			if got := said(ballot, reason); got != c.want || err != nil {
				t.Errorf("%s, %v, want %s", got, err, c.want)
			}
		})
	}
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
				t.Fatalf("%s, %v", said(ballot, reason), err)
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
		if ballot, reason, err := judge(t, c.m.config(t)).Judge(c.quote, bound, operation, now); said(ballot, reason) != c.want || err != nil {
			t.Errorf("%s: %s, %v, want %s", name, said(ballot, reason), err, c.want)
		}
	}
}

// What panics while a quote is judged is the node's own trouble, and ends nothing.
func TestPanic(t *testing.T) {
	m := newMaker(t, tpm2.TPMAlgECDSA, fresh(t))
	var none *tpm.Judge
	if ballot, reason, err := none.Judge(m.evidence(t, nil, nil), bound, operation, now); ballot != attest.Undecided || reason != "" || err == nil {
		t.Errorf("%s, %v", said(ballot, reason), err)
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
	machine := filepath.Join(t.TempDir(), "machine.pem")
	cert := certify(t, m.leaf, m.ca, m.key.Public(), m.caKey)
	if err := os.WriteFile(machine, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
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
