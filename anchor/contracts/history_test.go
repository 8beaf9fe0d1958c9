package contracts_test

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/killick-ledger/killick/anchor/contracts"
)

// history is a log of the tests: the hashes of the tree over its leaves, as
// x/mod's tlog stores them.
type history struct {
	t      testing.TB
	hashes []tlog.Hash
}

// ReadHashes implements tlog.HashReader.
func (h *history) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range indexes {
		out = append(out, h.hashes[i])
	}
	return out, nil
}

// newHistory returns a log of n leaves. Two that fork at a leaf have those before
// it in common.
func newHistory(t testing.TB, n, fork int) *history {
	t.Helper()
	h := &history{t: t}
	for i := range n {
		leaf := fmt.Appendf(nil, "leaf %d", i)
		if i >= fork {
			leaf = fmt.Appendf(leaf, " of the fork at %d", fork)
		}
		stored, err := tlog.StoredHashes(int64(i), leaf, h)
		if err != nil {
			t.Fatal(err)
		}
		h.hashes = append(h.hashes, stored...)
	}
	return h
}

func (h *history) root(size uint64) [32]byte { return rootOf(h.t, h, size) }

// growth returns the consistency proof from a size to another one.
func (h *history) growth(old, size uint64) [][32]byte { return growthOf(h.t, h, old, size) }

// at returns the checkpoint of a size, with the size as its time.
func (h *history) at(size uint64) contracts.Checkpoint {
	return contracts.Checkpoint{Size: size, Root: h.root(size), Time: size}
}

// uniform is a log of any size whose leaves are alike, so that a hash depends on
// its level alone.
type uniform struct{}

// ReadHashes implements tlog.HashReader.
func (uniform) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var levels []tlog.Hash
	h := tlog.RecordHash([]byte("leaf"))
	for range 64 {
		levels = append(levels, h)
		h = tlog.NodeHash(h, h)
	}
	var out []tlog.Hash
	for _, i := range indexes {
		level, _ := tlog.SplitStoredHashIndex(i)
		out = append(out, levels[level])
	}
	return out, nil
}

func rootOf(t testing.TB, r tlog.HashReader, size uint64) [32]byte {
	t.Helper()
	root, err := tlog.TreeHash(int64(size), r)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func growthOf(t testing.TB, r tlog.HashReader, old, size uint64) [][32]byte {
	t.Helper()
	proof, err := tlog.ProveTree(int64(size), int64(old), r)
	if err != nil {
		t.Fatal(err)
	}
	var out [][32]byte
	for _, h := range proof {
		out = append(out, h)
	}
	return out
}

// extends is Go's answer to what the contract asks about a proof.
func extends(old uint64, oldRoot [32]byte, size uint64, root [32]byte, proof [][32]byte) bool {
	if old > 1<<62 || size > 1<<62 {
		return false
	}
	var p tlog.TreeProof
	for _, h := range proof {
		p = append(p, h)
	}
	return tlog.CheckTree(p, int64(size), root, int64(old), oldRoot) == nil
}

// stretch returns two sizes of a log whose consistency proof has n hashes: the
// larger one is a power of two and one, 2^(n-1) the smaller one, and one more hash
// where that is odd.
func stretch(t *testing.T, n int) (old, size uint64) {
	t.Helper()
	for large := uint64(3); large < 1<<40; large = large*2 + 1 {
		for _, small := range []uint64{large / 2, large - 1, large - 2, 1 << (bits.Len64(large) - 1)} {
			if small > 0 && len(growthOf(t, uniform{}, small, large)) == n {
				return small, large
			}
		}
	}
	t.Fatalf("no proof of %d hashes", n)
	return 0, 0
}

func word(n uint64) []byte { return binary.BigEndian.AppendUint64(make([]byte, 24), n) }
