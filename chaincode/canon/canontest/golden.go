// Package canontest compares files of the repository with the bytes that the code
// makes: vectors of formats above all.
package canontest

import (
	"encoding/json"
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

// GoldenJSON is Golden for a value, written as JSON with an indent and a line break.
func GoldenJSON(t *testing.T, path, indent string, made any) {
	t.Helper()
	text, err := json.MarshalIndent(made, "", indent)
	if err != nil {
		t.Fatal(err)
	}
	Golden(t, path, append(text, '\n'))
}

// ReadJSON reads a file of JSON, members that the value does not have passed over.
func ReadJSON(t testing.TB, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
