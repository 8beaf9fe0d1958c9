package tee_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

// TE-4: a certificate that is good for one thing is good for nothing else.
func TestRoles(t *testing.T) {
	critical := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}
	for _, tt := range []struct {
		name string
		do   func(s *simulated.Spec)
		want string
	}{
		{"signer that is named as a platform", cert(tee.InTCBSigner, func(c *x509.Certificate) { c.Subject.CommonName = "Simulated SGX PCK Certificate" }), "tcb_signer/mismatch"},
		{"signer that is a CA", cert(tee.InTCBSigner, func(c *x509.Certificate) { c.IsCA = true }), "tcb_signer/mismatch"},
		{"signer that may not sign", cert(tee.InTCBSigner, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }), "tcb_signer/mismatch"},
		{"signer with an unknown condition", cert(tee.InTCBSigner, func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{critical} }), "tcb_signer/version"},
		{"QE signer that is named as a platform", both(ownSigner, cert(tee.InQESigner, func(c *x509.Certificate) { c.Subject.CommonName = "Simulated SGX PCK Certificate" })), "qe_signer/mismatch"},
		{"CA that is named as a signer", cert(tee.InPCKCA, func(c *x509.Certificate) { c.Subject.CommonName = "Simulated SGX TCB Signing" }), "pck_ca/mismatch"},
		{"CA with an unknown condition", cert(tee.InPCKCA, func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{critical} }), "chain/version"},
		{"platform that is a CA", cert(tee.InPCK, func(c *x509.Certificate) { c.IsCA = true }), "pck/mismatch"},
		{"platform that is named as a signer", cert(tee.InPCK, func(c *x509.Certificate) { c.Subject.CommonName = "Simulated SGX TCB Signing" }), "pck/mismatch"},
		{"platform with an unknown condition", cert(tee.InPCK, func(c *x509.Certificate) { c.ExtraExtensions = append(c.ExtraExtensions, critical) }), "pck/version"},
		{"root CRL with an unknown condition", list(tee.InRootCRL, critical), "root_crl/version"},
		{"PCK CRL with an unknown condition", list(tee.InPCKCRL, critical), "pck_crl/version"},
		{"attestation key that is no point", func(s *simulated.Spec) { s.Key = func(key []byte) { key[0] ^= 1 } }, "key/form"},
		{"attestation key of zeros", func(s *simulated.Spec) { s.Key = func(key []byte) { clear(key) } }, "key/form"},
	} {
		s := makers[0].spec()
		tt.do(s)
		if _, err := appraise(s); reason(err) != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

// Nor is one part of a collateral good in the place of another.
func TestPartsInWrongPlaces(t *testing.T) {
	p := simulated.New(makers[0].spec())
	for _, tt := range []struct {
		name string
		do   func(c *tee.Collateral)
		want string
	}{
		{"PCK CRL for root CRL", func(c *tee.Collateral) { c.RootCRL = c.PCKCRL }, "root_crl/issuer"},
		{"root CRL for PCK CRL", func(c *tee.Collateral) { c.PCKCRL = c.RootCRL }, "pck_crl/issuer"},
		{"signer for CA", func(c *tee.Collateral) { c.PCKCA = c.TCBSigner }, "pck_ca/mismatch"},
		{"root for CA", func(c *tee.Collateral) { c.PCKCA = p.Root() }, "pck_ca/mismatch"},
		{"CA for signer", func(c *tee.Collateral) { c.TCBSigner = c.PCKCA }, "tcb_signer/mismatch"},
		{"root for signer", func(c *tee.Collateral) { c.TCBSigner = p.Root() }, "tcb_signer/mismatch"},
		{"CA for QE signer", func(c *tee.Collateral) { c.QESigner = c.PCKCA }, "qe_signer/mismatch"},
		{"QE identity for TCB info", func(c *tee.Collateral) { c.TCBInfo, c.TCBSig = c.QEID, c.QESig }, "tcb_info/form"},
		{"TCB info for QE identity", func(c *tee.Collateral) { c.QEID, c.QESig = c.TCBInfo, c.TCBSig }, "qe_identity/version"},
		{"signatures exchanged", func(c *tee.Collateral) { c.QESig, c.TCBSig = c.TCBSig, c.QESig }, "tcb_info/signature"},
		{"no root CRL", func(c *tee.Collateral) { c.RootCRL = nil }, "root_crl/form"},
		{"no PCK CRL", func(c *tee.Collateral) { c.PCKCRL = nil }, "pck_crl/form"},
		{"no CA", func(c *tee.Collateral) { c.PCKCA = nil }, "pck_ca/form"},
		{"no signer", func(c *tee.Collateral) { c.TCBSigner = nil }, "tcb_signer/form"},
		{"no QE signer", func(c *tee.Collateral) { c.QESigner = nil }, "qe_signer/form"},
		{"no TCB info", func(c *tee.Collateral) { c.TCBInfo = nil }, "tcb_info/signature"},
		{"no QE identity", func(c *tee.Collateral) { c.QEID = nil }, "qe_identity/signature"},
	} {
		c := p.Collateral()
		tt.do(c)
		if _, err := tee.CheckCollateral(c, p.Roots(), now); reason(err) != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
		if _, err := tee.Appraise(p.Quote(data), c, p.Roots(), now, nil); reason(err) != tt.want {
			t.Errorf("%s: appraised: %v, want %s", tt.name, err, tt.want)
		}
	}
}

// A CA that Intel certifies again under the same name and key is the same CA, as long
// as no list names the certificate in the quote.
func TestCACertifiedAgain(t *testing.T) {
	s := makers[0].spec()
	again := makers[0].spec()
	again.Times[tee.InPCKCA] = simulated.Validity{From: now - 1, Until: now + 1}
	p, q := simulated.New(s), simulated.New(again)
	if _, err := tee.Appraise(q.Quote(data), p.Collateral(), p.Roots(), now, nil); err != nil {
		t.Errorf("CA certified again: %v", err)
	}
	if _, err := tee.Appraise(q.Quote(data), p.Collateral(), p.Roots(), now+2, nil); reason(err) != "chain/expired" {
		t.Errorf("its certificate has expired: %v", err)
	}
	other := makers[0].spec()
	other.Cert = func(part tee.Part, c *x509.Certificate) {
		if part == tee.InPCKCA {
			c.SerialNumber = c.SerialNumber.Lsh(c.SerialNumber, 3)
		}
	}
	s.Revoke = []tee.Part{tee.InPCKCA}
	if _, err := tee.Appraise(simulated.New(s).Quote(data), listOf(simulated.New(other).Collateral(), simulated.New(s).Collateral()), p.Roots(), now, nil); reason(err) != "chain/revoked" {
		t.Errorf("the certificate in the quote was revoked: %v", err)
	}
}

// listOf returns a collateral with another one's root CRL.
func listOf(c, other *tee.Collateral) *tee.Collateral {
	c.RootCRL = other.RootCRL
	return c
}

// Intel's extension of PCK certificates has one form.
func TestPCKExtension(t *testing.T) {
	change := func(old, with []byte) func(s *simulated.Spec) {
		return cert(tee.InPCK, func(c *x509.Certificate) {
			value := c.ExtraExtensions[0].Value
			if !bytes.Contains(value, old) {
				t.Fatalf("%x is not in the extension", old)
			}
			c.ExtraExtensions[0].Value = bytes.Replace(value, old, with, 1)
		})
	}
	prefix := []byte{6, 10, 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 1, 13, 1} // of identifiers with one number behind the prefix
	long := []byte{6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 1, 13, 1, 2}
	for _, tt := range []struct {
		name string
		do   func(s *simulated.Spec)
	}{
		{"no extension", cert(tee.InPCK, func(c *x509.Certificate) { c.ExtraExtensions = nil })},
		{"bytes behind it", cert(tee.InPCK, func(c *x509.Certificate) {
			c.ExtraExtensions[0].Value = append(c.ExtraExtensions[0].Value, 5, 0)
		})},
		{"empty", cert(tee.InPCK, func(c *x509.Certificate) { c.ExtraExtensions[0].Value = []byte{0x30, 0} })},
		{"no FMSPC", change(append(bytes.Clone(prefix), 4), append(bytes.Clone(prefix), 9))},
		{"two FMSPC", change(append(bytes.Clone(prefix), 3), append(bytes.Clone(prefix), 4))},
		{"no PCE id", change(append(bytes.Clone(prefix), 3), append(bytes.Clone(prefix), 9))},
		{"no TCB", change(append(bytes.Clone(prefix), 2), append(bytes.Clone(prefix), 9))},
		{"a member beyond those that can be", change(append(bytes.Clone(prefix), 5), append(bytes.Clone(prefix), 99))},
		{"a member of somebody else", change(append(bytes.Clone(prefix), 5), append(append(bytes.Clone(prefix[:10]), 7), 5))},
		{"FMSPC that is no octet string", change([]byte{4, 6, 0x51}, []byte{12, 6, 0x51})},
		{"no third component", change(append(bytes.Clone(long), 3), append(bytes.Clone(long), 25))},
		{"no PCE version", change(append(bytes.Clone(long), 17), append(bytes.Clone(long), 25))},
		{"no CPU version", change(append(bytes.Clone(long), 18), append(bytes.Clone(long), 25))},
		{"a negative component", change(append(bytes.Clone(long), 1, 2, 1, 6), append(bytes.Clone(long), 1, 2, 1, 0x86))},
		{"a component that is no integer", change(append(bytes.Clone(long), 1, 2, 1, 6), append(bytes.Clone(long), 1, 4, 1, 6))},
	} {
		s := makers[0].spec()
		tt.do(s)
		if _, err := appraise(s); reason(err) != "pck/form" {
			t.Errorf("%s: %v, want pck/form", tt.name, err)
		}
		q, err := tee.Read(simulated.New(s).Quote(data))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := q.Platform(); reason(err) != "pck/form" {
			t.Errorf("%s: platform: %v, want pck/form", tt.name, err)
		}
	}
}

// What Intel's JSON must have is refused in any other form.
func TestTextForms(t *testing.T) {
	for _, tt := range []struct {
		part      tee.Part
		old, with string
	}{
		{tee.InTCBInfo, `"tcbLevels":[{"tcb":{"sgx`, `"tcbLevels":{"tcb":[{"sgx`},
		{tee.InTCBInfo, `"tcbLevels":[{"tcb":{"sgx`, `"tcbLevels":[7,{"tcb":{"sgx`},
		{tee.InTCBInfo, `{"tcb":{"sgx`, `{"tcb":7,"x":{"sgx`},
		{tee.InTCBInfo, `"sgxtcbcomponents":[{"svn":6}`, `"sgxtcbcomponents":[6`},
		{tee.InTCBInfo, `"pcesvn":13`, `"pcesvn":65536`},
		{tee.InTCBInfo, `"pcesvn":13`, `"pcesvn":-1`},
		{tee.InTCBInfo, `"pcesvn":13`, `"pcesvn":"13"`},
		{tee.InTCBInfo, `"tcbStatus":"UpToDate"`, `"tcbStatus":1`},
		{tee.InTCBInfo, `"tcbStatus":"UpToDate"`, `"tcbStatus":"UpToDate","advisoryIDs":"all"`},
		{tee.InTCBInfo, `"tcbStatus":"UpToDate"`, `"tcbStatus":"UpToDate","advisoryIDs":[1]`},
		{tee.InTCBInfo, `"tcbDate":"`, `"tcbDate":"x`},
		{tee.InTCBInfo, `"tdxModule":{`, `"tdxModule":null,"x":{`},
		{tee.InTCBInfo, `"id":"TDX_03"`, `"id":3`},
		{tee.InTCBInfo, `"tdxModuleIdentities":[`, `"tdxModuleIdentities":[1,`},
		{tee.InTCBInfo, `"tcbEvaluationDataNumber":20`, `"tcbEvaluationDataNumber":4294967296`},
		{tee.InTCBInfo, `"issueDate"`, `"issued"`},
		{tee.InTCBInfo, `{`, `[`},
		{tee.InQEIdentity, `{`, ``},
		{tee.InQEIdentity, `"tcbLevels":[`, `"tcbLevels":[[],`},
		{tee.InQEIdentity, `"isvsvn":8`, `"isvsvn":65536`},
		{tee.InQEIdentity, `"isvprodid":2`, `"isvprodid":2.5`},
		{tee.InQEIdentity, `"nextUpdate"`, `"next"`},
		{tee.InQEIdentity, `"version":2`, `"version":"2"`},
	} {
		s := makers[1].spec()
		found := false
		s.Text[tt.part] = func(text string) string {
			found = bytes.Contains([]byte(text), []byte(tt.old))
			return string(bytes.Replace([]byte(text), []byte(tt.old), []byte(tt.with), 1))
		}
		if _, err := appraise(s); reason(err) != string(tt.part)+"/form" || !found {
			t.Errorf("%s with %s: %v (found %v), want form", tt.part, tt.with, err, found)
		}
	}
}

func cert(part tee.Part, do func(c *x509.Certificate)) func(*simulated.Spec) {
	return func(s *simulated.Spec) {
		s.Cert = func(p tee.Part, c *x509.Certificate) {
			if p == part {
				do(c)
			}
		}
	}
}

func list(part tee.Part, e pkix.Extension) func(*simulated.Spec) {
	return func(s *simulated.Spec) {
		s.List = func(p tee.Part, l *x509.RevocationList) {
			if p == part {
				l.ExtraExtensions = []pkix.Extension{e}
			}
		}
	}
}
