package snp_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-sev-guest/abi"
	"github.com/google/go-sev-guest/proto/sevsnp"
	fake "github.com/google/go-sev-guest/testing"
	"github.com/google/go-sev-guest/verify/testdata"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/gateway/verifier/snp"
	"github.com/killick-ledger/killick/gateway/verifier/verifiertest"
)

const operation = verifiertest.Operation

var (
	now      = verifiertest.Now
	bound    = verifiertest.Bound
	launched = append([]byte("what was launched"), make([]byte, 31)...)
)

// amd is a chain of certificates as AMD's, under a root of its own.
func amd(t testing.TB) (*fake.AmdSigner, string) {
	t.Helper()
	s, err := fake.DefaultTestOnlyCertChain("Milan-B1", verifiertest.Began)
	if err != nil {
		t.Fatal(err)
	}
	return s, verifiertest.Certificates(t, s.Ask.Raw, s.Ark.Raw)
}

// quote is a report that was signed, with its certificates.
func quote(t testing.TB, s *fake.AmdSigner, change func(*sevsnp.Report)) []byte {
	t.Helper()
	r := &sevsnp.Report{
		Version: 2, Policy: abi.SnpPolicyToBytes(abi.SnpPolicy{SMT: true}), SignatureAlgo: 1,
		FamilyId: make([]byte, 16), ImageId: make([]byte, 16), ReportData: bound[:], Measurement: launched, HostData: make([]byte, 32),
		IdKeyDigest: make([]byte, 48), AuthorKeyDigest: make([]byte, 48), ReportId: make([]byte, 32), ReportIdMa: make([]byte, 32),
		ChipId: s.HWID[:], Signature: make([]byte, 512),
		CurrentTcb: uint64(s.TCB), CommittedTcb: uint64(s.TCB), ReportedTcb: uint64(s.TCB), LaunchTcb: uint64(s.TCB),
	}
	if change != nil {
		change(r)
	}
	report, err := abi.ReportToAbiBytes(r)
	if err != nil {
		t.Fatal(err)
	}
	a, b, err := s.Sign(abi.SignedComponent(report))
	if err != nil {
		t.Fatal(err)
	}
	if err := abi.SetSignature(a, b, report); err != nil {
		t.Fatal(err)
	}
	table, err := s.CertTableBytes()
	if err != nil {
		t.Fatal(err)
	}
	return append(report, table...)
}

func listed(roots string) snp.Config {
	return snp.Config{
		Measurements: []snp.Measurement{{Operation: operation, Measurement: canon.Hex(launched)}}, Roots: map[string]string{"Milan": roots},
	}
}

// Each way in which a quote can be bad has its own ballot, and what cannot be told has none.
func TestJudge(t *testing.T) {
	signer, roots := amd(t)
	good := quote(t, signer, nil)
	verifiertest.Run(t, func() snp.Config { return listed(roots) }, snp.New, map[string]verifiertest.Case[snp.Config]{
		"good":              {Quote: good, Want: "valid none"},
		"bound to another":  {Quote: good, Report: [64]byte{9}, Want: "malicious evidence_unbound"},
		"AMD's roots":       {Quote: good, Change: func(c *snp.Config) { c.Roots = nil }, Want: "malicious forged_chain"},
		"changed":           {Quote: flip(good, 0x90), Want: "malicious forged_chain"},
		"other measurement": {Quote: quote(t, signer, func(r *sevsnp.Report) { r.Measurement = make([]byte, 48) }), Want: "malicious unlisted_measurement"},
		"debug": {Quote: quote(t, signer, func(r *sevsnp.Report) {
			r.Policy = abi.SnpPolicyToBytes(abi.SnpPolicy{SMT: true, Debug: true})
		}), Want: "malicious debug_enclave"},
		"may migrate": {Quote: quote(t, signer, func(r *sevsnp.Report) {
			r.Policy = abi.SnpPolicyToBytes(abi.SnpPolicy{SMT: true, MigrateMA: true})
		}), Want: "invalid below_policy"},
		"old firmware":            {Quote: good, Change: func(c *snp.Config) { c.MinTCB.SNP = 100 }, Want: "invalid below_policy"},
		"another firmware's key":  {Quote: quote(t, signer, func(r *sevsnp.Report) { r.ReportedTcb++ }), Want: "invalid below_policy"},
		"expired":                 {Quote: good, At: now + 60*365*86400, Want: "invalid below_policy"},
		"before its time":         {Quote: good, At: now - 10*86400, Want: "invalid below_policy"},
		"no measurement is known": {Quote: good, Operation: "job.sum", Want: "undecided no_roots"},
		"no certificates":         {Quote: good[:abi.ReportSize], Want: "invalid unreadable"},
		"cut":                     {Quote: good[:abi.ReportSize-1], Want: "invalid unreadable"},
		"table cut":               {Quote: good[:abi.ReportSize+40], Want: "invalid unreadable"},
		"nothing":                 {Want: "invalid unreadable"},
		"zeros":                   {Quote: make([]byte, 4096), Want: "invalid unreadable"},
		"large":                   {Quote: append(slices.Clone(good), make([]byte, 40<<10)...), Want: "invalid unreadable"},
	})
}

func flip(quote []byte, at int) []byte {
	q := slices.Clone(quote)
	q[at] ^= 1
	return q
}

// A report of a real Milan with the certificate that AMD issued for it leads to AMD's own
// root until that certificate has run out. Its guest ran for debugging.
func TestRealReport(t *testing.T) {
	table := abi.CertsFromProto(&sevsnp.CertificateChain{VcekCert: testdata.VcekBytes})
	report := testdata.AttestationBytes[:abi.ReportSize]
	parsed, err := abi.ReportToProto(report)
	if err != nil {
		t.Fatal(err)
	}
	j, err := snp.New(snp.Config{Measurements: []snp.Measurement{{Operation: operation, Measurement: canon.Hex(parsed.GetMeasurement())}}})
	if err != nil {
		t.Fatal(err)
	}
	q := append(slices.Clone(report), table.Marshal()...)
	for at, want := range map[uint64]string{1672531200: "malicious debug_enclave", 2 * 1672531200: "invalid below_policy"} {
		ballot, reason, err := j.Judge(q, [64]byte(parsed.GetReportData()), operation, at)
		if got := verifiertest.Said(ballot, reason); got != want || err != nil {
			t.Errorf("at %d: %s, %v, want %s", at, got, err, want)
		}
	}
	if _, reason, _ := j.Judge(flip(q, 0x90), [64]byte(parsed.GetReportData()), operation, 1672531200); reason != "forged_chain" {
		t.Errorf("changed: %s", reason)
	}
}

func TestConfig(t *testing.T) {
	for name, c := range map[string]snp.Config{
		"short":        {Measurements: []snp.Measurement{{Operation: operation, Measurement: "00"}}},
		"upper case":   {Measurements: []snp.Measurement{{Operation: operation, Measurement: strings.Repeat("AA", 48)}}},
		"no operation": {Measurements: []snp.Measurement{{Measurement: canon.Hex(launched)}}},
		"no roots":     {Roots: map[string]string{"Milan": "/nowhere"}},
	} {
		if _, err := snp.New(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func FuzzJudge(f *testing.F) {
	signer, roots := amd(f)
	j, err := snp.New(listed(roots))
	if err != nil {
		f.Fatal(err)
	}
	good := quote(f, signer, nil)
	f.Add(good)
	f.Add(good[:abi.ReportSize])
	f.Add(testdata.AttestationBytes)
	f.Fuzz(func(t *testing.T, data []byte) {
		ballot, _, err := j.Judge(data, bound, operation, now)
		if err != nil {
			t.Errorf("a quote is the node's own error: %v", err)
		}
		if ballot == attest.Valid && string(abi.SignedComponent(data)) != string(abi.SignedComponent(good)) {
			t.Error("something else than what was signed is good")
		}
	})
}
