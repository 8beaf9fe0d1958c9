package main

import (
	"context"
	"os"
	"reflect"
	"strings"
	"testing"
)

func (s *scene) question(bundle []byte) question {
	return question{bundle: bundle, policy: s.v.Policy, evm: []string{s.evm}, tron: []string{s.tron}, oneEndpoint: true}
}

// The page says of every bundle what the program says.
func TestPageAgrees(t *testing.T) {
	s := stage(t, nil)
	for _, b := range s.v.Bundles {
		want := s.all(s.write("b.anchorproof", []byte(b.Bundle)))
		r := s.question([]byte(b.Bundle)).answer(t.Context(), post)
		if r.Finding == nil || !reflect.DeepEqual(*r.Finding, want) {
			t.Errorf("%s: the page says %+v, the program %+v", b.Name, r.Finding, want)
		}
	}
}

func TestPageRefuses(t *testing.T) {
	s := stage(t, nil)
	header := "eip155:1337=5,0x" + strings.Repeat("0", 64)
	tests := map[string]struct {
		edit func(q *question)
		want string
	}{
		"no policy":              {func(q *question) { q.policy = nil }, "policy: "},
		"a bundle for a policy":  {func(q *question) { q.policy = q.bundle }, "policy: "},
		"no header":              {func(q *question) { q.evm, q.tron, q.headers = nil, nil, []string{"x"} }, "CHAIN=SIZE,0xROOT"},
		"headers beside a chain": {func(q *question) { q.headers = []string{header} }, "without endpoints"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			q := s.question([]byte(s.v.Bundles[0].Bundle))
			tt.edit(&q)
			r := q.answer(t.Context(), post)
			if r.Finding != nil || !strings.Contains(r.Last, "NOT CHECKED: ") || !strings.Contains(r.Error, tt.want) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// A panic below verifies nothing.
func TestPageAfterPanic(t *testing.T) {
	s := stage(t, nil)
	r := s.question([]byte(s.v.Bundles[0].Bundle)).answer(t.Context(), func(context.Context, string, []byte) ([]byte, error) { panic("boom") })
	if r.Finding == nil || r.Finding.Exit != exitInvalid || r.Last != "INVALID: verifier" || !strings.Contains(r.Finding.Checks[0].Text, "boom") {
		t.Errorf("%+v", r)
	}
}

// Every forgery of every good bundle fails where the page says that it does.
func TestForgeries(t *testing.T) {
	s := stage(t, nil)
	for _, b := range s.v.Bundles {
		if b.Verdict != verified {
			continue
		}
		for _, f := range forgeries {
			data, err := tamper(f.Name, []byte(b.Bundle))
			if err != nil {
				t.Errorf("%s of %s: %v", f.Name, b.Name, err)
				continue
			}
			r := s.question(data).answer(t.Context(), post)
			if r.Finding.Exit != exitInvalid {
				t.Errorf("%s of %s: %s", f.Name, b.Name, r.Last)
			}
			found := false
			for _, c := range r.Finding.Checks {
				found = found || c.Status == "FAIL" && strings.HasPrefix(c.Name, f.Fails)
			}
			if !found {
				t.Errorf("%s of %s fails elsewhere: %+v", f.Name, b.Name, r.Finding.Checks)
			}
		}
	}
	for _, f := range forgeries {
		if _, err := tamper(f.Name, []byte("no bundle")); err == nil {
			t.Errorf("%s of what is no bundle", f.Name)
		}
	}
	if _, err := tamper("another", nil); err == nil {
		t.Error("a forgery that is not offered")
	}
}

// The scripts of the page make no markup from text, and reach for nothing outside it.
func TestPageIsSelfContained(t *testing.T) {
	for _, name := range []string{"page/page.html", "page/page.css", "page/page.js", "page/frame.js"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "://", "@import", "url("} {
			if strings.Contains(string(text), bad) {
				t.Errorf("%s holds %q", name, bad)
			}
		}
	}
}
