package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/anchor/signer/signertest"
	"github.com/killick-ledger/killick/network/configuration"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// start runs the program's server on the keys and returns a key file of the anchor for
// each of them.
func start(t *testing.T, keys []keyConfig) (opened []*signer.Key, files []string) {
	t.Helper()
	dir := signertest.Certificates(t)
	c := &config{Cert: filepath.Join(dir, "signer.pem"), Key: filepath.Join(dir, "signer.key"), CA: filepath.Join(dir, "ca.pem"), Keys: keys}
	opened, err := open(c)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, c, opened, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	for i, k := range opened {
		text, err := json.Marshal(map[string]string{"remote": "https://" + l.Addr().String(), "address": fmt.Sprintf("0x%x", k.Address()),
			"ca": "ca.pem", "cert": "anchor.pem", "key": "anchor.key"})
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, write(t, filepath.Join(dir, fmt.Sprint("remote", i)), string(text)))
	}
	return opened, files
}

// newFile makes a key file; with a passphrase it is a keystore.
func newFile(t *testing.T, name, pass string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if pass != "" {
		write(t, signer.PassphraseFile(path), pass)
	}
	text, err := signer.NewFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, path, string(text))
}

func TestServesFiles(t *testing.T) {
	keys, files := start(t, []keyConfig{{File: newFile(t, "a", "")}, {File: newFile(t, "b", "secret")}})
	for i, f := range files {
		k, err := signer.Open(f)
		if err != nil || k.Address() != keys[i].Address() {
			t.Fatal(err)
		}
		signertest.Run(t, k)
	}
}

func TestAddresses(t *testing.T) {
	file := newFile(t, "a", "")
	k, err := signer.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	c := command()
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetArgs([]string{"--addresses", "--config", write(t, filepath.Join(t.TempDir(), "signer.yaml"), "keys: [{file: "+file+"}]\n")})
	if err := c.Execute(); err != nil || out.String() != fmt.Sprintf("0x%x\n", k.Address()) {
		t.Errorf("%s, %v", &out, err)
	}
}

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ text, want string }{
		"nothing":       {"listen: x\n", "at least one"},
		"unknown":       {"listen: x\nkeys: [{hex: abc}]\n", "not found"},
		"empty":         {"", "no settings are in it"},
		"two documents": {"keys: [{file: " + dir + "/none}]\n---\nlisten: x\n", "signer.yaml: line 2: more than one document"},
		"neither":       {"keys: [{}]\n", "want either file or token"},
		"both":          {"keys: [{file: a, token: {module: m, label: l, pin: p, key: k}}]\n", "want either file or token"},
		"half a token":  {"keys: [{token: {module: m}}]\n", "token needs"},
		"no file":       {"keys: [{file: " + dir + "/none}]\n", "no such file"},
		"no such token": {"keys: [{token: {module: " + dir + "/none.so, label: l, pin: p, key: k}}]\n", "PKCS#11"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := &config{}
			err := configuration.Read(write(t, filepath.Join(dir, "signer.yaml"), c.text), cfg)
			if err == nil {
				_, err = open(cfg)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
