// Package canontest compares files of the repository with the bytes that the code
// makes: vectors of formats above all.
package canontest

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the files that tests compare with what the code makes")

// Golden wants the file to hold what the code made. With -update it writes that there
// first, for whoever looks at the difference.
func Golden(t *testing.T, path string, made []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(kept), string(made)); diff != "" {
		t.Errorf("%s is not what the code makes; if that is meant, run with -update (-file +code):\n%s", path, diff)
	}
}
