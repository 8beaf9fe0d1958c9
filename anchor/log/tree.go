package log

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// memory keeps the stored hashes of a small tree, as tlog numbers them.
type memory []tlog.Hash

// ReadHashes implements tlog.HashReader.
func (m memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(m)) {
			return nil, fmt.Errorf("no hash %d", x)
		}
		out[i] = m[x]
	}
	return out, nil
}

func grow(leaves []Hash) memory {
	m := make(memory, 0, 2*len(leaves))
	for i, h := range leaves {
		stored, err := tlog.StoredHashesForRecordHash(int64(i), h, m)
		if err != nil {
			panic("log: tree in memory: " + err.Error()) // reads only what it wrote
		}
		m = append(m, stored...)
	}
	return m
}

// Tree sums up a tree of RFC 6962 to its root, leaf by leaf, and holds none of them. The
// zero value is the empty one.
type Tree struct {
	size  uint64
	roots []Hash // of the perfect subtrees, the largest first
}

// Add adds the hash of the next leaf.
func (t *Tree) Add(leaf Hash) {
	t.roots = append(t.roots, leaf)
	for n := t.size; n&1 == 1; n >>= 1 {
		last := len(t.roots) - 1
		t.roots[last-1] = tlog.NodeHash(t.roots[last-1], t.roots[last])
		t.roots = t.roots[:last]
	}
	t.size++
}

// Root returns the root over all leaves so far.
func (t *Tree) Root() Hash {
	if t.size == 0 {
		return emptyRoot
	}
	root := t.roots[len(t.roots)-1]
	for i := len(t.roots) - 2; i >= 0; i-- {
		root = tlog.NodeHash(t.roots[i], root)
	}
	return root
}

// pathOf returns the inclusion proof of one leaf hash.
func pathOf(leaves []Hash, index int) ([]Hash, error) {
	proof, err := tlog.ProveRecord(int64(len(leaves)), int64(index), grow(leaves))
	return fromTlog(proof), err
}

// included reports whether the path proves the leaf hash under root.
func included(path []Hash, size uint64, root Hash, index uint64, leaf Hash) bool {
	if size > 1<<62 || index >= size {
		return false
	}
	return tlog.CheckRecord(toTlog(path), int64(size), root, int64(index), leaf) == nil
}

// CheckGrowth reports, as an error, that a consistency proof does not show that the
// tree of size with root continues the one of old with oldRoot, 1 <= old <= size. The
// proof is that of RFC 6962, empty for equal sizes.
func CheckGrowth(old uint64, oldRoot Hash, size uint64, root Hash, proof []Hash) error {
	if old < 1 || old > size || size > 1<<62 {
		return fmt.Errorf("growth from size %d to %d: there is no such proof", old, size)
	}
	if err := tlog.CheckTree(toTlog(proof), int64(size), root, int64(old), oldRoot); err != nil {
		return fmt.Errorf("growth from size %d to %d: %w", old, size, err)
	}
	return nil
}

func fromTlog(in []tlog.Hash) []Hash {
	out := make([]Hash, len(in))
	for i, h := range in {
		out[i] = Hash(h)
	}
	return out
}

func toTlog(in []Hash) []tlog.Hash {
	out := make([]tlog.Hash, len(in))
	for i, h := range in {
		out[i] = tlog.Hash(h)
	}
	return out
}
