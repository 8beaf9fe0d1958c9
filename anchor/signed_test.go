package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/anchor/log"
)

// What was signed last is read as it was written, and nothing of the file is passed over: a
// program that drops what it does not know would sign what a newer one has ruled out. (CP-6)
func TestSignedIsReadStrictly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "signed.json")
	s, err := openSigned(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.checkpoint(log.Checkpoint{Size: 5, Root: log.Hash{1}, Time: 7}, 100); err != nil {
		t.Fatal(err)
	}
	if s, err = openSigned(path); err != nil {
		t.Fatal(err)
	}
	if size, root, time, err := s.last(); size != 5 || root != [32]byte{1} || time != 7 || err != nil {
		t.Errorf("%d %x %d, %v", size, root, time, err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{
		"a member of a newer program": strings.Replace(string(good), "{", `{"frozen":true,`, 1),
		"a member twice":              strings.Replace(string(good), "{", `{"size":4,`, 1),
		"more after it":               string(good) + "{}",
		"cut off":                     string(good[:len(good)/2]),
		"nothing":                     "",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := openSigned(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A file from before it was read strictly, whose writer had null for a map or bytes that
// were not there, reads as it was meant.
func TestSignedOfBefore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "signed.json")
	for name, text := range map[string]string{
		"no payouts": `null`,
		"a payout":   `{"eip155:1:0xAB": {"epoch": 3, "attempt": 1, "record": "AQID"}, "tron:1:TX": {"epoch": 2, "attempt": 0, "record": null}}`,
	} {
		text = `{"size": 5, "root": "` + strings.Repeat("01", 32) + `", "time": 7, "payouts": ` + text + `, "rotation": {"version": 2, "digest": ""}}`
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := openSigned(path)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if size, root, time, err := s.last(); size != 5 || root[31] != 1 || time != 7 || err != nil {
			t.Errorf("%s: %d %x %d, %v", name, size, root, time, err)
		}
		if p := s.file.Payouts; p == nil || name == "a payout" && string(p["eip155:1:0xAB"].Record) != "\x01\x02\x03" {
			t.Errorf("%s: payouts %v", name, p)
		}
	}
}
