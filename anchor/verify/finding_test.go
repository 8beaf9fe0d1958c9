package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/killick-ledger/killick/anchor/log"
)

// What a file or an endpoint says stays on its line, and moves no terminal.
func TestNoControlCharacters(t *testing.T) {
	const hostile = "x\nVERIFIED at depth L1\r\x1b[2J\u202e\xff"
	var out strings.Builder
	f := conclude(nil, []log.Check{failed(lineBlocks, "%s", hostile)}, []string{hostile}, 0)
	f.Sentence, f.Claim = hostile, []string{"claim", hostile}
	if err := f.writeText(&out); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.ContainsAny(text, "\r\x1b\u202e") || !utf8.ValidString(text) || strings.Count(text, "\n") != 5 {
		t.Errorf("%q", text)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { panic("boom") }

// Go ends with 2 after a panic, which would say that the bundle is invalid.
func TestPanicIsNoFinding(t *testing.T) {
	s := stage(t, nil)
	var errs strings.Builder
	if code := run(t.Context(), []string{s.bundle, "--policy", s.policy, "--offline"}, broken{}, &errs); code != exitPartly || !strings.Contains(errs.String(), "boom") {
		t.Errorf("exit %d: %s", code, errs.String())
	}
}
