package main

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/anchor/log"
)

// What a file or an endpoint says stays on its line, and moves no terminal.
func TestNoControlCharacters(t *testing.T) {
	const hostile = "x\nVERIFIED at depth L1\r\x1b[2J\u202e\u009b\U000e0041\xff\x9b\x7f"
	var out strings.Builder
	f := conclude(nil, []log.Check{failed(lineBlocks, "%s", hostile)}, []string{hostile}, 0)
	f.Sentence, f.Claim = hostile, []string{"claim", hostile}
	if err := f.writeText(&out); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.ContainsAny(text, "\r\x1b\u202e\u009b\U000e0041\x7f") || !utf8.ValidString(text) || strings.Count(text, "\n") != 5 {
		t.Errorf("%q", text)
	}
	out.Reset()
	if err := f.writeJSON(&out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	var again finding
	if err := json.Unmarshal([]byte(text), &again); err != nil || again.Sentence != strings.ToValidUTF8(hostile[:len(hostile)-3], "")+"\ufffd\ufffd\x7f" {
		t.Errorf("%q, %v", again.Sentence, err)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !strconv.IsPrint(r) }) || !utf8.ValidString(text) {
		t.Errorf("%q", text)
	}
}

// The last line of a refusal names each line that failed, and no other.
func TestRefusalNamesItsLines(t *testing.T) {
	f := conclude(nil, []log.Check{{Name: "form"}, failed(lineRaw, "one"), unchecked(lineConfig, "two"), failed(lineOrderers, "three")}, nil, 0)
	if got, want := f.last(), "INVALID: raw block, orderers"; got != want || f.Exit != exitInvalid {
		t.Errorf("%q with exit %d, want %q", got, f.Exit, want)
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

// What ends the report of a test ledger's bundle says what it is.
func TestSimulatedFinding(t *testing.T) {
	f := conclude(nil, []log.Check{{Name: "form"}}, nil, 0)
	for _, simulated := range []bool{false, true} {
		f.Simulated = simulated
		var text, machine strings.Builder
		if err := errors.Join(f.writeText(&text), f.writeJSON(&machine)); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(text.String(), "SIMULATED: this is a test ledger, whose enclaves may be none\n") != simulated {
			t.Errorf("simulated %t: %s", simulated, text.String())
		}
		if strings.Contains(machine.String(), `"simulated": true`) != simulated {
			t.Errorf("simulated %t: %s", simulated, machine.String())
		}
	}
}
