package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// finding is what the program says of a bundle.
type finding struct {
	Verdict  string   `json:"verdict"` // "verified", "invalid" or "not fully checked"
	Exit     int      `json:"exit"`
	Depth    string   `json:"depth"` // "L1" or "none"
	Kind     string   `json:"kind,omitempty"`
	Claim    []string `json:"claim,omitempty"`
	Sentence string   `json:"sentence,omitempty"`
	Checks   []result `json:"checks"`
	// Notes are endpoints that did not answer, or serve another chain, although
	// another one answered; they do not change the verdict.
	Notes []string `json:"notes,omitempty"`
}

type result struct {
	Name   string `json:"name"`
	Status string `json:"status"` // "ok", "FAIL" or "not checked"
	Text   string `json:"text"`
}

// examine checks the bundle offline and then against every chain of the policy.
// Chains are read only for a bundle whose form and signatures hold: what else
// it says could come from anybody.
func examine(ctx context.Context, data []byte, p *log.Policy, o options) *finding {
	b, err := log.ParseBundle(data)
	if err != nil {
		return conclude(nil, []log.Check{{Name: "form", Status: log.Failed, Text: err.Error()}}, nil)
	}
	checks := append([]log.Check{{Name: "form", Text: fmt.Sprintf("%d bytes; the claim follows from the records", len(data))}}, b.Verify(p)...)
	if log.Worst(checks) == log.Failed {
		return conclude(b, checks, nil)
	}
	var notes []string
	for _, c := range p.Chains {
		list := o.evm
		if isTron(c.ID) {
			list = o.tron
		}
		more, silent := onChain(ctx, b, p, c.ID, list, o.timeout)
		checks, notes = append(checks, more...), append(notes, silent...)
	}
	if len(p.Chains) == 0 {
		checks = append(checks, log.Check{Name: "chains", Status: log.Unchecked, Text: "the policy names no public chain"})
	}
	return conclude(b, checks, notes)
}

// onChain asks every endpoint given for a chain. All that answer for it must agree
// with the bundle, and so with each other; one is enough. Endpoints of other
// chains are passed over: a policy may name several EVM chains. Each has a time of
// its own, so that one that hangs does not use up that of the others.
func onChain(ctx context.Context, b *log.Bundle, p *log.Policy, chain string, endpoints []string, limit time.Duration) (checks []log.Check, notes []string) {
	name := "chain " + chain
	if len(endpoints) == 0 {
		return []log.Check{{Name: name, Status: log.Unchecked, Text: "no endpoint was given"}}, nil
	}
	if _, ok := b.AnchorOn(chain); !ok {
		return b.CheckReading(p, chain, log.Reading{}), nil
	}
	answered := false
	var silent []log.Check
	for _, url := range endpoints {
		one, cancel := context.WithTimeout(ctx, limit)
		r, err := read(one, url, b, p, chain)
		cancel()
		if err != nil {
			silent = append(silent, log.Check{Name: name, Status: log.Unchecked, Text: err.Error()})
			continue
		}
		found := b.CheckReading(p, chain, r)
		if number, err := canon.ChainNumber(chain); err != nil || r.ChainNumber != number {
			silent = append(silent, found[0])
			continue
		}
		answered = true
		checks = append(checks, found...)
	}
	if !answered {
		return silent, nil
	}
	for _, s := range silent {
		notes = append(notes, s.Name+": "+s.Text)
	}
	return checks, notes
}

func isTron(chain string) bool { return strings.HasPrefix(chain, "tron:") }

func conclude(b *log.Bundle, checks []log.Check, notes []string) *finding {
	f := &finding{Verdict: "verified", Exit: exitVerified, Depth: "L1", Notes: notes}
	switch log.Worst(checks) {
	case log.Failed:
		f.Verdict, f.Exit, f.Depth = "invalid", exitInvalid, "none"
	case log.Unchecked:
		f.Verdict, f.Exit, f.Depth = "not fully checked", exitPartly, "none"
	}
	if b != nil {
		if c, err := b.Claim(); err == nil {
			f.Kind, f.Claim, f.Sentence = c.Kind, c.Lines, c.Sentence
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
	_, err = w.Write(append(out, '\n'))
	return err
}

func (f *finding) writeText(w io.Writer) error {
	var out strings.Builder
	if f.Sentence != "" {
		fmt.Fprintf(&out, "claim: %s\n", f.Sentence)
		for _, line := range f.Claim[1:] {
			fmt.Fprintf(&out, "  %s\n", line)
		}
	}
	var failed []string
	for _, c := range f.Checks {
		fmt.Fprintf(&out, "%-11s  %-21s  %s\n", c.Status, c.Name, c.Text)
		if c.Status == log.Failed.String() {
			failed = append(failed, c.Name)
		}
	}
	for _, n := range f.Notes {
		fmt.Fprintf(&out, "%-11s  %s\n", "not used", n)
	}
	switch f.Exit {
	case exitVerified:
		fmt.Fprintf(&out, "VERIFIED at depth L1: signatures of the members and the public chains' final heads\n")
	case exitInvalid:
		fmt.Fprintf(&out, "INVALID: %s\n", strings.Join(failed, ", "))
	default:
		fmt.Fprintf(&out, "NOT FULLY CHECKED: nothing failed, but this is not a verification\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}
