package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"testing"
)

// passing is what two runs may print differently: how long it took, how far they are, and
// a word that the JSON library throws dice for when a program starts.
var passing = regexp.MustCompile(`[0-9.]+ ?(s|ms|blocks/s)\b|(?m:^block [0-9]+ of .*\n)|cannot|unable to`)

// released compares what this source does with what the program KILLICK_VERIFY does, when
// one is named: a release is built without parts of it, and has to say the same.
func released(t *testing.T, args []string, code int, out string) {
	t.Helper()
	program := os.Getenv("KILLICK_VERIFY")
	if program == "" {
		return
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var failed *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("%s exits with %d, this source with %d, for %q", program, got, code, args)
	}
	got, want := passing.ReplaceAllString(stdout.String()+stderr.String(), ""), passing.ReplaceAllString(out, "")
	if got != want {
		t.Errorf("%s says\n%s\nand this source\n%s\nfor %q", program, got, want, args)
	}
}
