//go:build e2e

package main_test

import (
	"crypto/sha256"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// PG-1: the program's file depends on its source alone: not on where it is built,
// on version control, or on what was built before.
func TestProgramIsReproducible(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "some other place")
	if err := os.MkdirAll(elsewhere, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"Makefile", "go.mod", "go.sum", "chaincode"} {
		if out, err := exec.Command("cp", "-r", filepath.Join("..", part), elsewhere).CombinedOutput(); err != nil {
			t.Fatalf("copy %s: %v\n%s", part, err, out)
		}
	}
	build := func(dir string, env ...string) [32]byte {
		t.Helper()
		bin := t.TempDir()
		c := exec.Command("make", "chaincode-program", "BIN="+bin)
		c.Dir, c.Env = dir, append(os.Environ(), env...)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("build in %s: %v\n%s", dir, err, out)
		}
		program, err := os.ReadFile(filepath.Join(bin, "killick-chaincode"))
		if err != nil {
			t.Fatal(err)
		}
		return sha256.Sum256(program)
	}
	here := build("..")
	if there := build(elsewhere, "GOCACHE="+t.TempDir()); there != here {
		t.Errorf("built here it is %x, elsewhere with an empty cache %x", here, there)
	}
}
