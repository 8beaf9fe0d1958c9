package canon_test

import (
	"crypto/sha256"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
)

// The bytes by hand, as docs/formats/checkpoint.md lists them.
func TestDraws(t *testing.T) {
	element := [32]byte{1, 2, 3}
	step := func(e [32]byte) [32]byte {
		return sha256.Sum256(append([]byte("killick.chain.v1\x06main-1\x07Org1MSP"), e[:]...))
	}
	if got := canon.ChainWalk("main-1", "Org1MSP", element, 0); got != element {
		t.Errorf("no step leads to %x", got)
	}
	if got, want := canon.ChainWalk("main-1", "Org1MSP", element, 3), step(step(step(element))); got != want {
		t.Errorf("%x, want %x", got, want)
	}
	if canon.ChainWalk("main-1", "Org2MSP", element, 1) == step(element) || canon.ChainWalk("main-2", "Org1MSP", element, 1) == step(element) {
		t.Error("a chain is good for another member or ledger")
	}
	want := sha256.Sum256(append(append([]byte("killick.draw.v1\x06main-1\x00\x00\x00\x00\x00\x00\x01\x02"), element[:]...), make([]byte, 32)...))
	if got := canon.DrawSeed("main-1", 258, [][32]byte{element, {}}); got != want {
		t.Errorf("%x, want %x", got, want)
	}
}

// The longest way that a peer is sent through a chain.
func BenchmarkChainWalk(b *testing.B) {
	for range b.N {
		canon.ChainWalk("main-0011223344556677", "Org1MSP", [32]byte{}, 1<<20)
	}
}
