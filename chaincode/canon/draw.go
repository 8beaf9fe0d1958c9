package canon

import (
	"crypto/sha256"
	"encoding/binary"
)

// ChainWalk hashes an element of a member's chain for draws so many times, each time to
// the element before it (docs/formats/checkpoint.md). What is hashed names the ledger and
// the member, so nobody can pass another's chain for its own.
func ChainWalk(network, msp string, element [32]byte, steps uint64) [32]byte {
	b := append(domainOf("killick.chain.v1", network, msp), element[:]...)
	at := b[len(b)-len(element):]
	for range steps {
		element = sha256.Sum256(b)
		copy(at, element[:])
	}
	return element
}

// DrawSeed is what the elements of a draw make, in the order of members, zeros for those
// that are absent (docs/formats/checkpoint.md).
func DrawSeed(network string, number uint64, elements [][32]byte) [32]byte {
	b := binary.BigEndian.AppendUint64(domainOf("killick.draw.v1", network), number)
	for _, e := range elements {
		b = append(b, e[:]...)
	}
	return Sum(b)
}

// domainOf begins what is hashed: the domain, then names of at most 255 bytes, each after
// its length.
func domainOf(domain string, names ...string) []byte {
	b := append(make([]byte, 0, 256), domain...)
	for _, name := range names {
		b = append(append(b, byte(len(name))), name...)
	}
	return b
}
