package contracts_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/killick-ledger/killick/anchor/contracts"
)

// sceneVectors plays the scenes and writes down what happens.
func sceneVectors(t *testing.T) (out []sceneVector) {
	t.Helper()
	v := newTVM(t)
	for _, s := range scenes(t) {
		scene := sceneVector{Name: s.name, K: int(s.set.K)}
		for _, m := range s.set.Members {
			scene.Members = append(scene.Members, hexOf(m[:]))
		}
		log := v.create(contracts.NewAnchorLog(logID, s.set.Set))
		for _, step := range s.steps {
			revert, ok := v.call(log, step.data)
			scene.Steps = append(scene.Steps, stepVector{
				Name: step.name, Calldata: hexOf(step.data), Taken: ok, Refusal: outcome(revert, ok), Revert: hexOf(revert),
			})
		}
		out = append(out, scene)
	}
	return out
}

// growthVectors are proofs that hold and everything that is near to one.
func growthVectors(t *testing.T) (out []growthVector) {
	t.Helper()
	h, fork := newHistory(t, 40, 40), newHistory(t, 40, 10)
	add := func(name string, old uint64, oldRoot [32]byte, size uint64, root [32]byte, proof ...[32]byte) {
		g := growthVector{
			Name: name, Old: fmt.Sprint(old), OldRoot: hexOf(oldRoot[:]), Size: fmt.Sprint(size), Root: hexOf(root[:]),
			Proof: []string{}, Holds: extends(old, oldRoot, size, root, proof),
		}
		for _, p := range proof {
			g.Proof = append(g.Proof, hexOf(p[:]))
		}
		out = append(out, g)
	}
	for _, sizes := range [][2]uint64{{1, 1}, {1, 2}, {1, 40}, {2, 3}, {3, 4}, {6, 8}, {7, 7}, {7, 8}, {8, 13}, {13, 22}, {32, 33}, {33, 40}, {39, 40}} {
		old, size := sizes[0], sizes[1]
		var proof [][32]byte
		if old < size {
			proof = h.growth(old, size)
		}
		add("good", old, h.root(old), size, h.root(size), proof...)
		add("extra hash", old, h.root(old), size, h.root(size), append(slices.Clone(proof), root("x"))...)
		add("another old root", old, root("x"), size, h.root(size), proof...)
		add("another root", old, h.root(old), size, root("x"), proof...)
		if len(proof) == 0 {
			continue
		}
		add("truncated", old, h.root(old), size, h.root(size), proof[:len(proof)-1]...)
		add("without its first hash", old, h.root(old), size, h.root(size), proof[1:]...)
		if old+1 < size {
			add("root and proof of another old size", old, h.root(old+1), size, h.root(size), h.growth(old+1, size)...)
		}
		if old > 10 {
			add("of a fork", old, h.root(old), size, fork.root(size), fork.growth(old, size)...)
		}
		if len(proof) > 1 {
			swapped := slices.Clone(proof)
			swapped[0], swapped[1] = swapped[1], swapped[0]
			add("swapped", old, h.root(old), size, h.root(size), swapped...)
		}
		add("m > n", size, h.root(size), old, h.root(old), proof...)
		add("wrong size", old, h.root(old), 4*size, h.root(size), proof...)
	}
	nothing := [32]byte{}
	add("m = 0", 0, nothing, 8, h.root(8))
	add("m = 0, with a proof", 0, nothing, 8, h.root(8), h.root(8))
	add("n = 0", 0, nothing, 0, nothing)
	add("n = 0, m = 1", 1, h.root(1), 0, nothing)
	return out
}
