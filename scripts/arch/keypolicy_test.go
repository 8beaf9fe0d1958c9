package arch_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// Killick's chaincode sets no endorsement policy of a key: one use of them makes
// every peer look for the policy of every key that any transaction writes, for
// ever. No file of it names a method of the shim that could.
func TestNoKeyLevelPolicies(t *testing.T) {
	files := 0
	err := filepath.WalkDir(filepath.Join(root, "chaincode"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files++
		ast.Inspect(file, func(n ast.Node) bool {
			if name, ok := n.(*ast.Ident); ok && (strings.Contains(name.Name, "ValidationParameter") || name.Name == "statebased") {
				t.Errorf("%s uses %s", path, name.Name)
			}
			return true
		})
		for _, i := range file.Imports {
			if strings.Contains(i.Path.Value, "statebased") {
				t.Errorf("%s imports %s", path, i.Path.Value)
			}
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Fatalf("read %d files: %v", files, err)
	}
}
