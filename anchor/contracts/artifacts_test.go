package contracts_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

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

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no %s: %v", pattern, err)
	}
	return paths
}
