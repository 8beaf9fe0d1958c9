package tee_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/tee"
)

// realNow is within the month of the real collateral in testdata, whose README says
// where it is from.
const realNow = 1_752_000_000

func realQuote(t testing.TB, name string) ([]byte, *tee.Collateral, *tee.Roots) {
	t.Helper()
	quote, err := os.ReadFile(filepath.Join("testdata", name+".quote"))
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := os.ReadFile(filepath.Join("testdata", name+".collateral"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := tee.DecodeCollateral(encoded)
	if err != nil {
		t.Fatal(err)
	}
	roots, err := tee.NewRoots(tee.IntelRoot())
	if err != nil {
		t.Fatal(err)
	}
	return tee.Trim(quote), c, roots
}

// TE-1: real quotes come out as those who published them say, and a year later their
// collateral has run out.
func TestRealQuotes(t *testing.T) {
	const year = 31_536_000
	for _, tt := range []struct {
		name, status string
		advisories   []string
		fmspc, ca    string
	}{
		{"sgx", "ConfigurationAndSWHardeningNeeded", []string{"INTEL-SA-00289", "INTEL-SA-00615"}, "00a067110000", "Intel SGX PCK Processor CA"},
		{"tdx", "UpToDate", nil, "b0c06f000000", "Intel SGX PCK Platform CA"},
	} {
		quote, c, roots := realQuote(t, tt.name)
		r, err := tee.Appraise(quote, c, roots, realNow, nil)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got := hex.EncodeToString(r.FMSPC[:]); r.Status.String() != tt.status || cmp.Diff(tt.advisories, r.Advisories) != "" || got != tt.fmspc || r.Evaluation != 17 || r.Root != sum(tee.IntelRoot()) {
			t.Errorf("%s: %+v", tt.name, r)
		}
		q, err := tee.Read(quote)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := q.Platform(); err != nil || p.PPID == [16]byte{} {
			t.Errorf("%s: which machine made it is not read: %+v, %v", tt.name, p, err)
		}
		if facts, err := tee.CheckCollateral(c, roots, realNow); err != nil || facts.CA != tt.ca || facts.Until <= realNow {
			t.Errorf("%s: %+v, %v", tt.name, facts, err)
		}
		for now, want := range map[uint64]string{realNow + year: "root_crl/expired", realNow - year: "root_crl/early", realNow + 30*year: "root/expired"} {
			if _, err := tee.Appraise(quote, c, roots, now, nil); reason(err) != want {
				t.Errorf("%s at %d: %v, want %s", tt.name, now, err, want)
			}
		}
		if _, err := tee.Appraise(append(bytes.Clone(quote), 0), c, roots, realNow, nil); reason(err) != "quote/trailing" {
			t.Errorf("%s with a byte behind it: %v", tt.name, err)
		}
	}
	quote, _, roots := realQuote(t, "sgx")
	_, c, _ := realQuote(t, "tdx")
	if _, err := tee.Appraise(quote, c, roots, realNow, nil); reason(err) != "pck_ca/mismatch" {
		t.Errorf("SGX quote with collateral of TDX: %v", err)
	}
}

// TE-5 holds of real quotes as well: every third byte is changed.
func TestBytesOfRealQuotesCount(t *testing.T) {
	for _, name := range []string{"sgx", "tdx"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			quote, c, roots := realQuote(t, name)
			o, err := tee.Open(c, roots, realNow)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := o.Appraise(quote); err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(quote); i += 3 {
				mutant := bytes.Clone(quote)
				mutant[i] ^= 1 << (i % 8)
				if _, err := o.Appraise(mutant); err == nil {
					t.Fatalf("byte %d changed was accepted", i)
				}
			}
		})
	}
}

// The constant is the certificate whose fingerprint Intel publishes.
func TestIntelRoot(t *testing.T) {
	got := sha256.Sum256(tee.IntelRoot())
	if want := "44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3"; hex.EncodeToString(got[:]) != want {
		t.Errorf("%x, want %s", got, want)
	}
}
