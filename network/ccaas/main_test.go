package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// builder builds the program and gives it the three names that a peer calls.
func builder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "killick-ccaas")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, name := range []string{"detect", "build", "release"} {
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestBuilder(t *testing.T) {
	bin := builder(t)
	client := write(t, t.TempDir(), "server.crt", "CERT")
	write(t, client, "server.key", "KEY")
	run := func(env, name string, args ...string) (string, error) {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Env = []string{"KILLICK_CCAAS_CLIENT=" + env}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}

	for _, tc := range []struct {
		name, metadata string
		ok             bool
	}{
		{"ccaas", `{"type":"ccaas","label":"x"}`, true},
		{"golang", `{"type":"golang","label":"x"}`, false},
		{"no JSON", `type`, false},
	} {
		t.Run("detect "+tc.name, func(t *testing.T) {
			out, err := run("", "detect", t.TempDir(), write(t, t.TempDir(), "metadata.json", tc.metadata))
			if (err == nil) != tc.ok {
				t.Errorf("%v %s", err, out)
			}
		})
	}
	const tls = `{"address":"127.0.0.1:1","domain":"cc","dial_timeout":"3s","tls_required":true,"client_auth_required":true,"root_cert":"CA"}`
	for _, tc := range []struct{ name, connection, client, want, fails string }{
		{"plain", `{"address":"127.0.0.1:1","tls_required":false}`, "", `{"address":"127.0.0.1:1","tls_required":false}`, ""},
		{"client key is added", tls, client, strings.Replace(tls, `"root_cert"`, `"client_key":"KEY","client_cert":"CERT","root_cert"`, 1), ""},
		{"no client key", tls, "", "", "release"},
		{"client key is not there", tls, "/nowhere", "", "release"},
		{"unknown field", `{"address":"127.0.0.1:1","adress":"b"}`, "", "", "build"},
		{"no address", `{"tls_required":false}`, "", "", "build"},
		{"trailing data", `{"address":"127.0.0.1:1"}{}`, "", "", "build"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			output, released := t.TempDir(), t.TempDir()
			if out, err := run(tc.client, "build", write(t, t.TempDir(), "connection.json", tc.connection), t.TempDir(), output); err != nil || tc.fails == "build" {
				if tc.fails != "build" || err == nil {
					t.Fatalf("build: %v %s", err, out)
				}
				return
			}
			if out, err := run(tc.client, "release", output, released); err != nil || tc.fails == "release" {
				if tc.fails != "release" || err == nil {
					t.Fatalf("release: %v %s", err, out)
				}
				return
			}
			data, err := os.ReadFile(filepath.Join(released, "chaincode/server/connection.json"))
			if err != nil {
				t.Fatal(err)
			}
			if !json.Valid(data) || string(data) != tc.want {
				t.Errorf("got  %s\nwant %s", data, tc.want)
			}
		})
	}
}
