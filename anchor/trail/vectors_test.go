package trail_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/trail"
)

var update = flag.Bool("update", false, "write docs/formats/vectors/trail.json")

const vectorFile = "../../docs/formats/vectors/trail.json"

type vectors struct {
	Policy json.RawMessage `json:"policy"`
	Trails []vector        `json:"trails"`
}

type vector struct {
	Name    string `json:"name"`
	Verdict string `json:"verdict"` // checked, or invalid
	Fails   string `json:"fails"`   // the first line that fails
	File    string `json:"file"`
}

// judgeFile is what a verifier does without chains.
func judgeFile(data []byte, p *log.Policy) (verdict, fails string) {
	t, err := log.ParseTrail(data)
	if err != nil {
		return "invalid", "form"
	}
	checks := t.Verify(p)
	if log.Worst(checks) != log.Failed {
		checks = append(checks, trail.Check(t, p)...)
	}
	for _, c := range checks {
		if c.Status == log.Failed {
			return "invalid", c.Name
		}
	}
	return "checked", ""
}

// The vectors of docs/formats/trail.md. (TR-1)
func TestTrailVectors(t *testing.T) {
	if *update {
		writeVectors(t)
	}
	v := read(t)
	p, err := log.ParsePolicy(v.Policy)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range v.Trails {
		if verdict, fails := judgeFile([]byte(c.File), p); verdict != c.Verdict || fails != c.Fails {
			t.Errorf("%s: %s %s, want %s %s", c.Name, verdict, fails, c.Verdict, c.Fails)
		}
	}
	if len(v.Trails) < 8 {
		t.Errorf("%d trails", len(v.Trails))
	}
}

func read(t testing.TB) (v vectors) {
	t.Helper()
	data, err := os.ReadFile(vectorFile)
	if err == nil {
		err = json.Unmarshal(data, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func writeVectors(t *testing.T) {
	s, made, job := paid(t)
	policy, err := s.policy.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, policy); err != nil {
		t.Fatal(err)
	}
	v := vectors{Policy: compact.Bytes()}
	add := func(name string, made *log.Trail) {
		data, err := made.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		verdict, fails := judgeFile(data, s.policy)
		v.Trails = append(v.Trails, vector{name, verdict, fails, string(data)})
	}
	add("from a payout", made)
	add("from the settlement", s.make(job, "", nil, log.Evidence{SetVersion: 1, Note: made.Head().Note.Marshal()}))
	for _, prefix := range []string{"job/", "grant/", "evidence/", "draw/", "committee/", "ballot/", "reveal/", "post/", "did/"} {
		add("without "+prefix, without(made, prefix))
	}
	add("a changed path", altered(made, "evidence/", func(l *log.Bundle) { l.Write.Path = flipped(l.Write.Path) }))
	c := *made
	c.Candidates = c.Candidates[20:]
	add("a candidate less", &c)
	good := v.Trails[0].File
	v.Trails = append(v.Trails, vector{"another claim", "invalid", "form", strings.Replace(good, "head payout", "head settlement", 1)})
	_, cancelled := small(t)
	add("of a cancelled job", cancelled)
	out, err := json.MarshalIndent(v, "", " ")
	if err == nil {
		err = os.WriteFile(vectorFile, append(out, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
