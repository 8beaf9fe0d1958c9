package arch_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	invariantID = regexp.MustCompile(`^\| ([A-Z]+-[0-9]+) \|`)
	testName    = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w*`)
	testFunc    = regexp.MustCompile(`(?m)^\+?func ((?:Test|Fuzz)[A-Z]\w*)\(`) // a patch adds some to Fabric
)

// Each invariant has an id of its own, and the tests that it names are there.
func TestInvariantsAreTested(t *testing.T) {
	tests := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") && filepath.Ext(path) != ".patch" {
			return nil
		}
		source, err := os.ReadFile(path)
		for _, m := range testFunc.FindAllSubmatch(source, -1) {
			tests[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "invariants.md"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		m := invariantID.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if seen[m[1]] {
			t.Errorf("%s is there twice", m[1])
		}
		seen[m[1]] = true
		for _, name := range testName.FindAllString(line, -1) {
			if !tests[name] {
				t.Errorf("%s names %s, which is no test", m[1], name)
			}
		}
	}
	if len(seen) == 0 {
		t.Error("no invariant was read")
	}
}
