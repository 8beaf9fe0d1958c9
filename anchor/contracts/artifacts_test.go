package contracts_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/google/go-cmp/cmp"
)

// TestArtifactsAreOfTheseSources fails when a source was changed and not
// compiled: run "make contracts".
func TestArtifactsAreOfTheseSources(t *testing.T) {
	for _, tt := range []struct{ sources, artifacts string }{
		{"src", "artifacts"},
		{"testdata/src", "testdata"},
	} {
		want := make(map[string]string)
		for _, path := range glob(t, tt.sources+"/*.sol") {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want[filepath.Base(path)] = fmt.Sprintf("%x", sha256.Sum256(raw))
		}
		for _, path := range glob(t, tt.artifacts+"/*.json") {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var a struct{ Sources map[string]string }
			if err := json.Unmarshal(raw, &a); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, a.Sources); diff != "" {
				t.Errorf("%s is not of these sources (-want +got):\n%s", path, diff)
			}
		}
	}
}

// The specification gives the selector of every function and the topic of every event.
func TestSpecificationHasSelectorsAndTopics(t *testing.T) {
	spec, err := os.ReadFile("../../docs/formats/contracts.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"AnchorLog", "RewardVault"} {
		raw, err := os.ReadFile("artifacts/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var a struct{ ABI abi.ABI }
		if err := json.Unmarshal(raw, &a); err != nil {
			t.Fatal(err)
		}
		for _, m := range a.ABI.Methods {
			if !strings.Contains(string(spec), "`"+m.RawName+"(") || !strings.Contains(string(spec), hexOf(m.ID)) {
				t.Errorf("no %s, %s", m.Sig, hexOf(m.ID))
			}
		}
		for _, e := range a.ABI.Events {
			if !strings.Contains(string(spec), "`"+e.RawName+"(") || !strings.Contains(string(spec), e.ID.Hex()) {
				t.Errorf("no %s, %s", e.Sig, e.ID)
			}
		}
		for _, e := range a.ABI.Errors {
			if !strings.Contains(string(spec), "`"+e.Name+"(") {
				t.Errorf("no %s", e.Sig)
			}
		}
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no %s: %v", pattern, err)
	}
	return paths
}
