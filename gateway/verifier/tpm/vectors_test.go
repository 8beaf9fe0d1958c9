package tpm_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/canon/canontest"
	"github.com/killick-ledger/killick/gateway/verifier/tpm"
	"github.com/killick-ledger/killick/gateway/verifier/verifiertest"
)

var update = flag.Bool("update-quotes", false, "make docs/formats/vectors/tpm.json anew, under other keys")

const vectorsFile = "../../../docs/formats/vectors/tpm.json"

// vectors is docs/formats/vectors/tpm.json. Bytes are hex.
type vectors struct {
	Note      string         `json:"note"`
	Time      uint64         `json:"time"`
	Report    string         `json:"report_data"`
	Operation string         `json:"operation"`
	PCRs      map[int]string `json:"pcrs"`
	Quotes    []vector       `json:"quotes"`
}

type vector struct {
	Name    string `json:"name"`
	Root    string `json:"root"` // DER
	Quote   string `json:"quote"`
	Verdict string `json:"verdict"`
}

func makeVectors(t *testing.T) *vectors {
	t.Helper()
	chip := ok[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	ecc, ssa, pss := newMaker(t, tpm2.TPMAlgECDSA, fresh(t)), newMaker(t, tpm2.TPMAlgRSASSA, chip), newMaker(t, tpm2.TPMAlgRSAPSS, chip)
	v := &vectors{
		Note: "docs/formats/job.md section 4; made by go test ./gateway/verifier/tpm -run Vectors -update-quotes",
		Time: now, Report: hex.EncodeToString(bound[:]), Operation: operation, PCRs: ecc.config(t).Measurements[0].PCRs,
	}
	for _, c := range []struct {
		name          string
		m             *maker
		before, after func(*draft)
		want          string
	}{
		{"ECDSA P-256", ecc, nil, nil, "valid none"},
		{"RSASSA", ssa, nil, nil, "valid none"},
		{"RSAPSS", pss, nil, nil, "valid none"},
		{"bound to something else", ecc, func(d *draft) { d.attest.ExtraData.Buffer = make([]byte, 32) }, nil, "malicious evidence_unbound"},
		{"signed by another key", ecc, func(d *draft) { d.signer = fresh(t) }, nil, "malicious forged_chain"},
		{"a key that is not restricted", ecc, func(d *draft) { d.public.ObjectAttributes.Restricted = false }, nil, "invalid below_policy"},
		{"other values than were quoted", ecc, nil, func(d *draft) { d.out.Registers[0] = ran }, "invalid pcr_mismatch"},
	} {
		v.Quotes = append(v.Quotes, vector{c.name, hex.EncodeToString(c.m.root.Raw), hex.EncodeToString(c.m.evidence(t, c.before, c.after)), c.want})
	}
	return v
}

func bin(t testing.TB, text string) []byte {
	t.Helper()
	return ok[[]byte](t)(hex.DecodeString(text))
}

// read reads the vectors and makes a judge for each.
func readVectors(t testing.TB) (v vectors, judges []*tpm.Judge) {
	t.Helper()
	canontest.ReadJSON(t, vectorsFile, &v)
	for _, q := range v.Quotes {
		judges = append(judges, judge(t, tpm.Config{Roots: []string{verifiertest.Certificates(t, bin(t, q.Root))}, Measurements: []tpm.Measurement{{Operation: v.Operation, PCRs: v.PCRs}}}))
	}
	return v, judges
}

// What the vectors say of their quotes is what the judge says, and a record that is read is
// written the same way.
func TestVectors(t *testing.T) {
	if *update {
		text := ok[[]byte](t)(json.MarshalIndent(makeVectors(t), "", "  "))
		if err := os.WriteFile(vectorsFile, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	v, judges := readVectors(t)
	if len(v.Quotes) == 0 {
		t.Fatal("no vectors")
	}
	for i, q := range v.Quotes {
		quote := bin(t, q.Quote)
		ballot, reason, err := judges[i].Judge(quote, [64]byte(bin(t, v.Report)), v.Operation, v.Time)
		if got := verifiertest.Said(ballot, reason); got != q.Verdict || err != nil {
			t.Errorf("%s: %s, %v, want %s", q.Name, got, err, q.Verdict)
		}
		if e := ok[*tpm.Evidence](t)(tpm.Decode(quote)); canon.Hex(e.Encode()) != q.Quote {
			t.Errorf("%s: written otherwise", q.Name)
		}
	}
}

func FuzzJudge(f *testing.F) {
	v, judges := readVectors(f)
	good := map[string]bool{}
	for _, q := range v.Quotes {
		f.Add(bin(f, q.Quote))
		if e := ok[*tpm.Evidence](f)(tpm.Decode(bin(f, q.Quote))); q.Verdict == "valid none" {
			good[string(e.Attest)] = true
		}
	}
	report := [64]byte(bin(f, v.Report))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := tpm.Decode(data)
		if err == nil && string(e.Encode()) != string(data) {
			t.Error("a record has two forms")
		}
		for _, j := range judges[:3] {
			ballot, _, failed := j.Judge(data, report, v.Operation, v.Time)
			if failed != nil {
				t.Errorf("a quote is the node's own error: %v", failed)
			}
			if ballot == attest.Valid && (err != nil || !good[string(e.Attest)]) {
				t.Error("something else than what was signed is good")
			}
		}
	})
}
