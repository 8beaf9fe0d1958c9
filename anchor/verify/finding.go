package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/anchor/log"
)

// finding is what the program says of a bundle.
type finding struct {
	Verdict  string   `json:"verdict"` // one of the verdicts below
	Exit     int      `json:"exit"`
	Depth    string   `json:"depth"` // "L1", "L2", "L3" or "none"
	Kind     string   `json:"kind,omitempty"`
	Claim    []string `json:"claim,omitempty"`
	Sentence string   `json:"sentence,omitempty"`
	// Simulated says that the bundle is of a test ledger, which alone takes simulated enclaves.
	Simulated bool     `json:"simulated,omitempty"`
	Checks    []result `json:"checks"`
	// Notes are endpoints that did not answer, or serve another chain, although
	// another one answered; they do not change the verdict.
	Notes []string `json:"notes,omitempty"`
}

// Verdicts.
const (
	verified = "verified"
	invalid  = "invalid"
	partly   = "not fully checked"
	matching = "matches the supplied header" // and nothing else is missing; no verification
)

type result struct {
	Name   string `json:"name"`
	Status string `json:"status"` // "ok", "FAIL" or "not checked"
	Text   string `json:"text"`
}

// conclude draws the verdict. matched is how many of the unchecked lines match a
// supplied header.
func conclude(b claimant, checks []log.Check, notes []string, matched int) *finding {
	f := &finding{Verdict: verified, Exit: exitVerified, Depth: "L1", Notes: notes}
	unchecked := 0
	for _, c := range checks {
		if c.Status == log.Unchecked {
			unchecked++
		}
		if c.Name == lineEndorsements && f.Depth == "L1" {
			f.Depth = "L2"
		}
		if c.Name == lineReplay {
			f.Depth = "L3"
		}
	}
	switch log.Worst(checks) {
	case log.Failed:
		f.Verdict, f.Exit, f.Depth = invalid, exitInvalid, "none"
	case log.Unchecked:
		f.Verdict, f.Exit, f.Depth = partly, exitPartly, "none"
		if unchecked == matched {
			f.Verdict = matching
		}
	}
	if b != nil {
		if c, err := b.Claim(); err == nil {
			f.Kind, f.Claim, f.Sentence = c.Kind, c.Lines, c.Sentence
			f.Simulated = slices.Contains(c.Lines, "ledger SIMULATED")
		}
	}
	for _, c := range checks {
		f.Checks = append(f.Checks, result{c.Name, c.Status.String(), c.Text})
	}
	return f
}

func (f *finding) writeJSON(w io.Writer) error {
	// A bundle or an endpoint may have put bytes into a text that are not UTF-8.
	out, err := json.Marshal(f, jsontext.WithIndent("  "), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return err
	}
	_, err = w.Write(append(log.PlainJSON(out), '\n'))
	return err
}

func (f *finding) writeText(w io.Writer) error {
	var out strings.Builder
	if f.Sentence != "" {
		fmt.Fprintf(&out, "claim: %s\n", log.Plain(f.Sentence))
		for _, line := range f.Claim[1:] {
			fmt.Fprintf(&out, "  %s\n", log.Plain(line))
		}
	}
	for _, c := range f.Checks {
		fmt.Fprintf(&out, "%-11s  %-25s  %s\n", c.Status, c.Name, log.Plain(c.Text))
	}
	for _, n := range f.Notes {
		fmt.Fprintf(&out, "%-11s  %s\n", "not used", log.Plain(n))
	}
	fmt.Fprintln(&out, f.last())
	if f.Simulated {
		fmt.Fprintln(&out, "SIMULATED: this is a test ledger, whose enclaves may be none")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// last is the line that ends the report.
func (f *finding) last() string {
	const l1 = "signatures of the members and the public chains' final heads"
	switch {
	case f.Exit == exitInvalid:
		var failed []string
		for _, c := range f.Checks {
			if c.Status == log.Failed.String() {
				failed = append(failed, c.Name)
			}
		}
		return "INVALID: " + strings.Join(failed, ", ")
	case f.Exit == exitVerified && f.Depth == "L3":
		return "VERIFIED at depth L3: " + l1 + ", and every block up to the checkpoint, executed again"
	case f.Exit == exitVerified && f.Depth == "L2":
		return "VERIFIED at depth L2: " + l1 + ", the raw block, its orderers and the transaction's endorsers"
	case f.Exit == exitVerified:
		return "VERIFIED at depth L1: " + l1
	case f.Verdict == matching:
		return "MATCHES THE SUPPLIED HEADER: this is not a verification; whether that is what the chain holds is for you to know"
	}
	return "NOT FULLY CHECKED: nothing failed, but this is not a verification"
}
