// Package arch holds the checks of the house's structure: the package table of
// docs/architecture.md against the imports, what programs must not link, and
// the links of the documentation.
package arch_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/killick-ledger/killick"
	root   = "../.."
)

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// goList runs the go command, which reads the module cache only.
func goList(t *testing.T, args ...string) map[string]listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Deps"}, args...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOPROXY=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	found := map[string]listed{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		found[p.ImportPath] = p
	}
}

type rule struct {
	job     string
	command bool
	allowed []string
}

// table reads the rows of the package table.
func table(t *testing.T) map[string]rule {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs/architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(text), "| package | its one job | may import |")
	if !ok {
		t.Fatal("docs/architecture.md has no package table")
	}
	rules := map[string]rule{}
	for _, line := range strings.Split(after, "\n")[2:] {
		if !strings.HasPrefix(line, "|") {
			break
		}
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if len(cells) != 3 {
			t.Fatalf("a row of the package table has %d cells: %s", len(cells), line)
		}
		name, command := strings.CutSuffix(cells[0], " (cmd)")
		r := rule{job: cells[1], command: command}
		if cells[2] != "-" {
			r.allowed = strings.Split(cells[2], ", ")
		}
		rules[name] = r
	}
	return rules
}

func TestImportsFollowTheTable(t *testing.T) {
	rules := table(t)
	packages := goList(t, "./...")
	for path, p := range packages {
		name := strings.TrimPrefix(path, module+"/")
		if strings.HasPrefix(name, "scripts/") {
			continue
		}
		if filepath.Base(name) == filepath.Base(filepath.Dir(name))+"test" {
			continue // a harness, which no row allows anyone to import
		}
		r, owner := owning(rules, name)
		if owner == "" {
			t.Errorf("%s is not in the package table", name)
			continue
		}
		for _, imported := range p.Imports {
			of, ours := strings.CutPrefix(imported, module+"/")
			if !ours || of == "chaincode/fault" || of == "chaincode/canon" || strings.HasPrefix(of, owner+"/") && owner != topLevel(owner) {
				continue
			}
			if !slices.Contains(r.allowed, of) {
				t.Errorf("%s imports %s, which the table does not allow", name, of)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		if _, ok := packages[module+"/"+name]; !ok {
			t.Errorf("the table names %s, which does not exist", name)
		}
	}
}

// owning returns the rule for a package: its own row, or that of the command
// whose folder it lies in (a command may be split into packages of its own).
func owning(rules map[string]rule, name string) (rule, string) {
	if r, ok := rules[name]; ok {
		return r, name
	}
	parent := filepath.Dir(name)
	if r, ok := rules[parent]; ok && r.command && strings.Contains(parent, "/") {
		return r, parent
	}
	return rule{}, ""
}

func topLevel(name string) string {
	top, _, _ := strings.Cut(name, "/")
	return top
}

func TestForbiddenLinks(t *testing.T) {
	tests := []struct {
		program   string
		forbidden []string
		why       string
	}{
		{"chaincode", []string{"github.com/ethereum/go-ethereum", "github.com/hyperledger/fabric-gateway", "database/sql", "modernc.org/sqlite", module + "/chaincode/tee/simulated"},
			"endorsers run it: it stays small and pure"},
		{"anchor/verify", []string{"google.golang.org/grpc", "github.com/ethereum/go-ethereum", "github.com/fbsobreira/gotron-sdk",
			module + "/gateway/client", module + "/anchor/send", module + "/network/fabric", "database/sql"},
			"an auditor reads it, and it holds no keys"},
	}
	for _, tt := range tests {
		for _, p := range goList(t, "./"+tt.program) {
			for _, dep := range p.Deps {
				for _, f := range tt.forbidden {
					if dep == f || strings.HasPrefix(dep, f+"/") {
						t.Errorf("%s links %s: %s", tt.program, dep, tt.why)
					}
				}
			}
		}
	}
}

// The modules that judge quotes of AMD and of TPMs are for verifier nodes: no other program
// carries them.
func TestOneProgramJudgesQuotes(t *testing.T) {
	packages := goList(t, "./...")
	for judge, library := range map[string]string{
		"gateway/verifier/snp": "github.com/google/go-sev-guest", "gateway/verifier/tpm": "github.com/google/go-tpm",
	} {
		linked := false
		for path, p := range packages {
			name := strings.TrimPrefix(path, module+"/")
			for _, dep := range p.Deps {
				if dep != library && !strings.HasPrefix(dep, library+"/") {
					continue
				}
				linked = true
				if name != "gateway/verifier" && name != judge {
					t.Errorf("%s links %s", name, dep)
				}
			}
		}
		if !linked {
			t.Errorf("nothing links %s", library)
		}
	}
}

// Domain packages are pure: no clock, environment, log, file, network or
// randomness can be reached from them.
func TestDomainPackagesArePure(t *testing.T) {
	domain := []string{"did", "govern", "credential", "record", "checkpoint", "reward", "attest", "ledger", "tee"}
	forbidden := []string{"time", "os", "log", "log/slog", "net", "net/http", "math/rand", "math/rand/v2", "crypto/rand", "sync", "io/fs"}
	for _, d := range domain {
		for _, p := range goList(t, "./chaincode/"+d) {
			for _, imported := range p.Imports {
				if slices.Contains(forbidden, imported) || strings.Contains(imported, "fabric") {
					t.Errorf("chaincode/%s imports %s", d, imported)
				}
			}
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#: ]+)(#[^)]*)?\)`)

func TestDocumentationLinksExist(t *testing.T) {
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s links %s, which does not exist", path, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTopLevelIsFixed(t *testing.T) {
	want := []string{"CHANGELOG.md", "LICENSE", "Makefile", "README.md", "SECURITY.md", "anchor", "chaincode", "docs", "gateway", "go.mod", "go.sum", "network", "scripts"}
	cmd := exec.Command("git", "ls-files")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("not a git checkout: %v", err)
	}
	for _, f := range strings.Fields(string(out)) {
		if top := topLevel(f); !strings.HasPrefix(top, ".") && !slices.Contains(want, top) {
			t.Errorf("%s is not part of the fixed top level", top)
		}
	}
}
