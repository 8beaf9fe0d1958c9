package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The program takes a trail like a bundle: what holds but for the chains is not fully
// checked, and what does not is invalid, with the line. The page does the same. (TR-1, TR-2)
func TestTrail(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../docs/formats/vectors/trail.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Policy json.RawMessage `json:"policy"`
		Trails []struct{ Name, Verdict, Fails, File string }
	}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	policy := write("policy.json", v.Policy)
	for _, c := range v.Trails {
		want := exitPartly
		if c.Verdict == "invalid" {
			want = exitInvalid
		}
		var out, errOut bytes.Buffer
		exit := run(context.Background(), []string{write("job.anchorproof", []byte(c.File)), "--policy", policy, "--offline"}, &out, &errOut)
		if exit != want || c.Fails != "" && !strings.Contains(out.String(), "INVALID: ") || !strings.Contains(out.String(), c.Fails) {
			t.Errorf("%s: exit %d, want %d and %q\n%s%s", c.Name, exit, want, c.Fails, out.String(), errOut.String())
		}
		r := question{bundle: []byte(c.File), policy: v.Policy}.answer(context.Background(), nil)
		if r.Finding == nil || r.Finding.Exit != want {
			t.Errorf("%s: the page: %+v", c.Name, r)
		}
	}
}
