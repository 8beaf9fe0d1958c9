package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/network/configuration"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tronnode.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, text string) error {
	t.Helper()
	return configuration.Read(write(t, text), &config{})
}

const good = `
grpc: 127.0.0.1:0
solidity: 127.0.0.1:0
http: 127.0.0.1:0
dir: DIR
period: 1s
solidify_after: 3
alloc:
  TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t: "1000000"
  "0x00112233445566778899aabbccddeeff00112233": "5"
`

func TestConfig(t *testing.T) {
	if err := load(t, good); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct{ name, old, new, want string }{
		{"unknown field", "period:", "perod:", "perod"},
		{"second document", "period:", "---\nperiod:", "tronnode.yaml: line 6: more than one document"},
		{"empty", good, "", "no settings are in it"},
		{"no folder", "dir: DIR", "", "dir: must be set"},
		{"no address", "grpc: 127.0.0.1:0", "", "grpc:"},
		{"period below zero", "period: 1s", "period: -1s", "period:"},
		{"period without a unit", "period: 1s", "period: soon", "period"},
		{"solidify below zero", "solidify_after: 3", "solidify_after: -3", "solidify_after:"},
		{"wrong checksum", "TR7N", "TR7M", "alloc:"},
		{"account twice", "0x00112233445566778899aabbccddeeff00112233", "a614f803b6fd780986a42c78ec9c7f77e6ded13c", "twice"},
		{"sun below zero", `"5"`, `"-5"`, "alloc:"},
		{"too much sun", `"5"`, `"9223372036854775807"`, "more sun"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := load(t, strings.Replace(good, tt.old, tt.new, 1))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want something about %q", err, tt.want)
			}
		})
	}
	err := load(t, "period: -1s")
	for _, want := range []string{"grpc:", "solidity:", "http:", "dir:", "period:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %s", err, want)
		}
	}
}

// TestRun starts the whole node, stops it once it says that it is ready, and
// does so twice.
func TestRun(t *testing.T) {
	path := write(t, strings.Replace(good, "DIR", t.TempDir(), 1))
	for i := range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		out := &readyWriter{ready: cancel}
		if err := run(ctx, path, slog.New(slog.NewJSONHandler(out, nil))); err != nil {
			t.Fatal(err)
		}
		var line struct {
			Msg, Node, Chain, GRPC string
			Head                   int
		}
		if err := json.Unmarshal(out.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if line.Msg != "ready" || !strings.Contains(line.Node, "test node") || line.Head != i+1 || line.GRPC == "" {
			t.Errorf("run %d: %+v", i, line)
		}
	}
}

// readyWriter calls ready when the first line is written.
type readyWriter struct {
	bytes.Buffer
	ready func()
}

func (w *readyWriter) Write(p []byte) (int, error) {
	defer w.ready()
	return w.Buffer.Write(p)
}
