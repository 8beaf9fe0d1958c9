package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/anchor/log"
)

// A supplied header is compared, and whatever comes out is no verification.
func TestHeaders(t *testing.T) {
	s := stage(t, nil)
	b, err := log.ParseBundle([]byte(s.v.Bundles[0].Bundle))
	if err != nil {
		t.Fatal(err)
	}
	header := func(chain string, size uint64, root log.Hash) string {
		return fmt.Sprintf("%s=%d,0x%x", chain, size, root)
	}
	first, second := s.v.Chains[0].ID, s.v.Chains[1].ID
	good := []string{"--header", header(first, b.Note.Size, b.Note.Root), "--header", header(second, b.Note.Size, b.Note.Root)}
	tests := []struct {
		name    string
		args    []string
		exit    int
		verdict string
		want    string
	}{
		{"of all chains", good, exitPartly, matching, "matches the supplied header: root 0x"},
		{"of one chain", good[:2], exitPartly, partly, "no endpoint was given"},
		{"another root", append(good[:2:2], "--header", header(second, b.Note.Size, log.Hash{1})), exitInvalid, invalid, "another root"},
		{"another size", append(good[:2:2], "--header", header(second, b.Note.Size+1, b.Note.Root)), exitPartly, partly, "is of size 6"},
		{"of a chain that the policy does not name", []string{"--header", header("eip155:7", b.Note.Size, b.Note.Root)}, exitPartly, partly, "no endpoint"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, out := s.run(append([]string{s.bundle, "--policy", s.policy, "--offline", "--json"}, tt.args...)...)
			var f finding
			if err := json.Unmarshal([]byte(out), &f); err != nil {
				t.Fatalf("%v in %s", err, out)
			}
			if code != tt.exit || f.Exit != code || f.Verdict != tt.verdict || f.Depth != "none" || !strings.Contains(out, tt.want) {
				t.Errorf("exit %d:\n%s", code, out)
			}
		})
	}
	// A bundle without anchors matches nothing, whatever root is supplied.
	b.Anchors = nil
	bare, err := b.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for _, root := range []log.Hash{b.Note.Root, {1}} {
		code, out := s.run(s.write("bare.anchorproof", bare), "--policy", s.policy, "--offline",
			"--header", header(first, b.Note.Size, root), "--header", header(second, b.Note.Size, root))
		if code != exitPartly || !strings.Contains(out, "NOT FULLY CHECKED") {
			t.Errorf("without anchors, exit %d:\n%s", code, out)
		}
	}
	_, out := s.run(append([]string{s.bundle, "--policy", s.policy, "--offline"}, good...)...)
	if !strings.Contains(out, "MATCHES THE SUPPLIED HEADER") || strings.Contains(strings.ToLower(out), "verified at") {
		t.Errorf("the report says\n%s", out)
	}
	for _, bad := range []string{
		"", first, first + "=5", first + "=5,00", first + "=x,0x" + strings.Repeat("0", 64), first + "=0,0x" + strings.Repeat("0", 64),
		first + "=5,0x" + strings.Repeat("0", 63), "moon=5,0x" + strings.Repeat("0", 64),
	} {
		if code, out := s.run(s.bundle, "--policy", s.policy, "--offline", "--header", bad); code != exitPartly || strings.Contains(out, "claim:") {
			t.Errorf("%q: exit %d\n%s", bad, code, out)
		}
	}
	if code, out := s.run(append([]string{s.bundle, "--policy", s.policy, "--offline", "--header", good[1]}, good...)...); code != exitPartly || !strings.Contains(out, "given before") {
		t.Errorf("twice: exit %d\n%s", code, out)
	}
	if code, out := s.run(append([]string{s.bundle, "--policy", s.policy}, good...)...); code != exitPartly || !strings.Contains(out, "goes with --offline") {
		t.Errorf("without --offline: exit %d\n%s", code, out)
	}
}
