package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/gateway/enclave/operator"
	"github.com/killick-ledger/killick/network/configuration"
)

const good = `
gateways: [127.0.0.1:17029, 127.0.0.1:17129]
network: test-0011223344556677
keys: operator.keys
passphrase_file: pass
journal: jobs
listen: 127.0.0.1:8090
platform: simulated-tdx
seed_file: SEED
since: 1700000000
mrenclave: ""
operations: [job.mean]
assets:
  - name: usd
    min_fee: "1000"
    max_deposit: "500000"
    max_at_risk: "2000000"
jobs: 3
poll_seconds: 2
patience_seconds: 20
`

func write(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	seed := filepath.Join(dir, "seed")
	if err := os.WriteFile(seed, []byte("a seed of sixteen bytes"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "enclave.yaml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "SEED", seed)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConfig(t *testing.T) {
	f := new(File)
	if err := configuration.Read(write(t, good), f); err != nil {
		t.Fatal(err)
	}
	terms, err := f.terms()
	if err != nil || len(terms) != 1 || terms[0] != (operator.Asset{Name: "usd", MinFee: 1000, MaxDeposit: 500_000, MaxAtRisk: 2_000_000}) {
		t.Errorf("terms %+v, %v", terms, err)
	}
	s, err := f.simulation()
	if err != nil || s.Kind != tee.TDX || s.Since != 1_700_000_000 || s.Seed != "a seed of sixteen bytes" {
		t.Errorf("simulation %+v, %v", s, err)
	}
	if got := f.operations(); len(got) != 1 || got[0] != "job.mean" {
		t.Errorf("operations %v", got)
	}
}

// Everything that is wrong is said at once, and what is not known is refused.
func TestConfigMistakes(t *testing.T) {
	err := configuration.Read(write(t, "platform: sgx\nassets: [{name: usd, min_fee: many}]\nmrenclave: 77\n"), new(File))
	if err == nil {
		t.Fatal("an empty configuration was read")
	}
	for _, want := range []string{"gateways", "network", "keys", "passphrase_file", "journal", "listen", "seed_file", "simulated-sgx", "since", "mrenclave", "assets, number 1"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not among the mistakes: %v", want, err)
		}
	}
	for name, text := range map[string]string{
		"an unknown field": good + "colour: blue\n", "a second document": good + "---\n{}\n", "no YAML": "\t", "from the future": strings.Replace(good, "1700000000", "99999999999", 1),
	} {
		if err := configuration.Read(write(t, text), new(File)); err == nil {
			t.Errorf("%s was read", name)
		}
	}
}

// What is wrong with the file of the passphrase names that file.
func TestPassphraseFile(t *testing.T) {
	for name, want := range map[string]string{
		write(t, "\nnot this\n"):              "is empty",
		filepath.Join(t.TempDir(), "nothing"): "no such file",
	} {
		_, _, err := (&File{Keys: "operator.keys", PassphraseFile: name}).open()
		for _, want := range []string{"passphrase_file: ", name, want} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, without %q", err, want)
			}
		}
	}
}
