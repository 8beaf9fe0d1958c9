package story_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/trail"
	"github.com/killick-ledger/killick/scripts/story"
)

// failed lists the lines that fail.
func failed(checks []log.Check) (lines []string) {
	for _, c := range checks {
		if c.Status == log.Failed {
			lines = append(lines, c.Name+": "+c.Text)
		}
	}
	return lines
}

// The changed trail of the story is of good form, and refused for the ballot that was
// changed.
func TestOtherBallot(t *testing.T) {
	data, err := os.ReadFile("../../docs/formats/vectors/trail.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Policy json.RawMessage
		Trails []struct{ Name, File string }
	}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	policy, err := log.ParsePolicy(v.Policy)
	if err != nil {
		t.Fatal(err)
	}
	for _, good := range v.Trails[:2] {
		t.Run(good.Name, func(t *testing.T) {
			forged, key, err := story.OtherBallot([]byte(good.File))
			if err != nil {
				t.Fatal(err)
			}
			made, err := log.ParseTrail(forged)
			if err != nil {
				t.Fatalf("it fails at its form: %v", err)
			}
			if got, want := failed(made.Verify(policy)), []string{"link " + key + ": the write is not in the transaction"}; !slices.Equal(got, want) {
				t.Errorf("by the signatures %q fail, want %q", got, want)
			}
			if got := failed(trail.Check(made, policy)); len(got) == 0 || !strings.HasPrefix(got[0], "ballots: the commitment of ") {
				t.Errorf("by the content %q fail, want the ballot's commitment first", got)
			}
			if !strings.HasPrefix(key, "reveal/") {
				t.Errorf("the link is %s", key)
			}
		})
	}
	if _, _, err := story.OtherBallot([]byte(v.Trails[len(v.Trails)-1].File)); err == nil {
		t.Error("a trail without ballots got another one")
	}
	if _, _, err := story.OtherBallot([]byte("x")); err == nil {
		t.Error("what is no trail got another ballot")
	}
}
