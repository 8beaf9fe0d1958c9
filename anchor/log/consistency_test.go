package log_test

import (
	"slices"
	"testing"

	"github.com/killick-ledger/killick/anchor/log"
)

// naiveGrowth is PROOF and SUBPROOF of RFC 6962, section 2.1.2, word for word.
func naiveGrowth(m int, leaves [][]byte, whole bool) [][32]byte {
	n := len(leaves)
	if m == n {
		if whole {
			return nil
		}
		return [][32]byte{naiveRoot(leaves)}
	}
	k := 1
	for k*2 < n {
		k *= 2
	}
	if m <= k {
		return append(naiveGrowth(m, leaves[:k], whole), naiveRoot(leaves[k:]))
	}
	return append(naiveGrowth(m-k, leaves[k:], false), naiveRoot(leaves[:k]))
}

func TestGrowth(t *testing.T) {
	const n = 40
	l := open(t, t.TempDir())
	if err := l.Append(chain(n)...); err != nil {
		t.Fatal(err)
	}
	var leaves [][]byte
	roots := [][32]byte{naiveRoot(nil)}
	for i := range uint64(n) {
		leaf, err := l.Leaf(i)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leaf.Bytes())
		roots = append(roots, naiveRoot(leaves))
	}
	for size := uint64(1); size <= n; size++ {
		for old := uint64(1); old <= size; old++ {
			proof, err := l.ProveGrowth(size, old)
			if err != nil || !slices.Equal(proof, naiveGrowth(int(old), leaves[:size], true)) {
				t.Fatalf("%d to %d: %x, %v", old, size, proof, err)
			}
			if err := log.CheckGrowth(old, roots[old], size, roots[size], proof); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := l.ProveGrowth(5, 0); err == nil {
		t.Error("a proof from size 0")
	}
	if _, err := l.ProveGrowth(n+1, 5); err == nil {
		t.Error("a proof beyond the log")
	}
}

func TestGrowthRefuses(t *testing.T) {
	l := open(t, t.TempDir())
	if err := l.Append(chain(12)...); err != nil {
		t.Fatal(err)
	}
	root := func(size uint64) [32]byte {
		r, err := l.Root(size)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	good, err := l.ProveGrowth(11, 6)
	if err != nil {
		t.Fatal(err)
	}
	type claim struct {
		old, size     uint64
		oldRoot, root [32]byte
		proof         [][32]byte
	}
	tests := map[string]func(c *claim){
		"another old size": func(c *claim) { c.old = 5 },
		// Size 12 has the same shape above the first 8 leaves, so that the proof alone
		// does not tell it from 11: what binds size and root to each other is signed.
		"a size of another shape": func(c *claim) { c.size = 17 },
		"another old root":        func(c *claim) { c.oldRoot[0]++ },
		"another root":            func(c *claim) { c.root[0]++ },
		"roots swapped":           func(c *claim) { c.oldRoot, c.root = c.root, c.oldRoot },
		"m > n":                   func(c *claim) { c.old, c.size, c.oldRoot, c.root = 11, 6, c.root, c.oldRoot },
		"from 0":                  func(c *claim) { c.old, c.oldRoot, c.proof = 0, root(0), nil },
		"to 0":                    func(c *claim) { c.old, c.size, c.proof = 0, 0, nil },
		"beyond 2^62":             func(c *claim) { c.size = 1<<62 + 1 },
		"truncated":               func(c *claim) { c.proof = c.proof[:len(c.proof)-1] },
		"without its first":       func(c *claim) { c.proof = c.proof[1:] },
		"hashes swapped":          func(c *claim) { c.proof[0], c.proof[1] = c.proof[1], c.proof[0] },
		"a hash more":             func(c *claim) { c.proof = append(c.proof, c.proof[0]) },
		"another hash":            func(c *claim) { c.proof[2][0]++ },
		"none":                    func(c *claim) { c.proof = nil },
		"a hash, equal sizes":     func(c *claim) { c.old, c.oldRoot, c.proof = 11, c.root, c.proof[:1] },
		"equal sizes, no root":    func(c *claim) { c.old, c.proof = 11, nil },
	}
	for name, edit := range tests {
		t.Run(name, func(t *testing.T) {
			c := claim{6, 11, root(6), root(11), slices.Clone(good)}
			if err := log.CheckGrowth(c.old, c.oldRoot, c.size, c.root, c.proof); err != nil {
				t.Fatal(err)
			}
			edit(&c)
			if err := log.CheckGrowth(c.old, c.oldRoot, c.size, c.root, c.proof); err == nil {
				t.Error("accepted")
			}
		})
	}
}
