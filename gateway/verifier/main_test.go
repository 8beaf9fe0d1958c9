package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/network/configuration"
)

const network = "main-0011223344556677"

// files writes keys and passphrase, and returns a configuration that names them.
func files(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	identity, _, err := client.Generate("EdDSA", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := identity.Save(filepath.Join(dir, "v.keys"), []byte("correct horse")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "pass"), []byte("correct horse\r\nnot this\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(`network: `+network+`
gateways: ["127.0.0.1:1", "127.0.0.1:2"]
keys: DIR/v.keys
passphrase_file: DIR/pass
dir: DIR/state
listen: 127.0.0.1:0
patience: 50ms
operators: {"did:killick:`+network+`:x": "http://127.0.0.1:3"}
sev_snp:
  measurements: [{operation: job.mean, measurement: "`+strings.Repeat("0a", 48)+`"}]
  min_tcb: {snp: 5}
tpm:
  measurements: [{operation: job.mean, pcrs: {4: "`+strings.Repeat("0b", 32)+`"}}]
`, "DIR", dir)
}

func read(t *testing.T, text string) (Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "verifier.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var c Config
	err := configuration.Read(path, &c)
	return c, err
}

// A configuration is read strictly, and all its mistakes are told at once.
func TestConfig(t *testing.T) {
	good := files(t)
	if c, err := read(t, good); err != nil || c.SEVSNP.MinTCB.SNP != 5 || len(c.TPM.Measurements) != 1 || len(c.Operators) != 1 {
		t.Fatalf("%+v, %v", c, err)
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"unknown field":   {"dir:", "folder: x\ndir:", "folder"},
		"second document": {"dir:", "---\ndir:", "more than one document"},
		"no network":      {"network: " + network, "", "network"},
		"no keys":         {"keys: ", "#", "keys"},
		"no dir":          {"dir: ", "#", "dir"},
		"no gateways":     {`"127.0.0.1:1", "127.0.0.1:2"`, "", "gateways"},
		"gateway twice":   {"127.0.0.1:2", "127.0.0.1:1", "named twice"},
		"listen":          {"listen: 127.0.0.1:0", "listen: here", "listen"},
		"negative":        {"50ms", "-50ms", "negative"},
		"operator":        {"http://127.0.0.1:3", "ftp://127.0.0.1:3", "operators"},
	} {
		if _, err := read(t, strings.Replace(good, c.old, c.new, 1)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := read(t, "listen: here\n")
	for _, want := range []string{"network", "gateways", "keys", "dir", "listen"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in %v", want, err)
		}
	}
	for name, c := range map[string][2]string{
		"passphrase": {"/pass\n", "/v.keys\n"}, "measurement": {strings.Repeat("0a", 48), "0a"}, "register": {strings.Repeat("0b", 32), "0b"},
		"roots": {"tpm:", "tpm:\n  roots: [/nowhere]"}, "CA": {"listen:", "operator_ca: /nowhere\nlisten:"},
	} {
		cfg, err := read(t, strings.Replace(good, c[0], c[1], 1))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := build(cfg, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: a verifier was built", name)
		}
	}
}

// The program serves its metrics while no gateway is there, and stops when it is told to.
func TestServe(t *testing.T) {
	cfg, err := read(t, files(t))
	if err != nil {
		t.Fatal(err)
	}
	s, err := build(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.serve(ctx) }()
	get := func(path string) string {
		t.Helper()
		answer, err := http.Get("http://" + s.address() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		data, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %v", path, answer.Status, err)
		}
		return string(data)
	}
	for _, want := range []string{`killick_verifier_ballots_total{ballot="malicious"} 0`, `killick_verifier_rounds_total{end="abstained"} 0`, "killick_verifier_following 0"} {
		if got := get("/metrics"); !strings.Contains(got, want+"\n") {
			t.Errorf("no %q in %s", want, got)
		}
	}
	var status struct{ DID string }
	if err := json.Unmarshal([]byte(get("/status")), &status); err != nil || !strings.HasPrefix(status.DID, "did:killick:"+network+":") {
		t.Errorf("status %+v, %v", status, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
