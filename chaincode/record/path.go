package record

import (
	"strings"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Whole is the path of all of a record's content.
const Whole = "/"

const maxPath = 128

// CheckPath takes Whole, or names each after a slash: "/lab/2026". What they mean is a
// matter of the record's schema. Errors: fault.InvalidValue.
func CheckPath(path string) error {
	if path == Whole {
		return nil
	}
	good := len(path) <= maxPath && strings.HasPrefix(path, "/")
	for name := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		good = good && ledger.IsName(name, maxPath) && name != "." && name != ".."
	}
	if !good {
		return fault.New(fault.InvalidValue, "path %.40q: want / for all, or names of A-Z a-z 0-9 . _ -, each after a slash, %d characters at most", path, maxPath)
	}
	return nil
}

// within says whether a path is inner or the outer one itself.
func within(inner, outer string) bool {
	return outer == Whole || inner == outer || strings.HasPrefix(inner, outer+"/")
}

// checkScope takes 1 to 8 paths of which none lies within another, so that a scope has
// no part without a meaning.
func checkScope(scope []string) error {
	if len(scope) < 1 || len(scope) > maxPaths {
		return fault.New(fault.InvalidValue, "scope: %d paths, 1 to %d are allowed", len(scope), maxPaths)
	}
	for i, path := range scope {
		if err := CheckPath(path); err != nil {
			return err
		}
		for k, other := range scope {
			if i != k && within(path, other) {
				return fault.New(fault.InvalidValue, "scope: %s lies within %s", path, other)
			}
		}
	}
	return nil
}

// Covers says whether a path lies within the grant's scope.
func (g *Grant) Covers(path string) bool {
	for _, p := range g.Scope {
		if within(path, p) {
			return true
		}
	}
	return false
}
