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
