package contracts_test

import (
	"encoding/binary"
	"math/big"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// scene is a story of calls to one AnchorLog that begins empty: what is refused
// changes nothing.
type scene struct {
	name  string
	set   members // the founding one
	steps []scenestep
}

type scenestep struct {
	name, refusal string // the error's beginning; "" for what is taken
	data          []byte
}

func (s *scene) taken(name string, data []byte) {
	s.steps = append(s.steps, scenestep{name: name, data: data})
}

func (s *scene) refused(want, name string, data []byte) {
	s.steps = append(s.steps, scenestep{name: name, refusal: want, data: data})
}

// digest is what a member of m signs for a checkpoint.
func (m members) digest(c contracts.Checkpoint) [32]byte {
	return canon.CheckpointDigest(logID, m.Version, m.Hash(), c.Size, c.Root, c.Time)
}

// submit is the calldata that anchors a checkpoint of h, whose head is head.
func (m members) submit(h *history, head, size uint64, who ...int) []byte {
	var proof [][32]byte
	if head > 0 {
		proof = h.growth(head, size)
	}
	c := h.at(size)
	return contracts.PackSubmit(c, proof, m.sign(m.digest(c), who...))
}

var list = canon.MemberListHash([]string{canon.MemberLine("Org1MSP", "a key", "an address")})

func (m members) handOver(next contracts.Set, from uint64) [32]byte {
	return canon.RotationDigest(logID, m.Hash(), next.Version, next.Hash(), list, from)
}

// rotate is the calldata by which m hands over to next.
func (m members) rotate(next members, from uint64, who ...int) []byte {
	return contracts.PackRotate(next.Set, from, list, m.sign(m.handOver(next.Set, from), who...))
}

func (m members) states(c contracts.Checkpoint, who ...int) contracts.Statement {
	return contracts.Statement{Checkpoint: c, Signatures: m.sign(m.digest(c), who...)}
}

func anchored(c contracts.Checkpoint) contracts.Statement { return contracts.Statement{Checkpoint: c} }

func scenes(t *testing.T) []scene {
	all := append([]scene{signatureScene(t), growthScene(t), rotationScene(t), equivocationScene(t)}, frozenBy(t)...)
	return append(all, twoSetsBehind(t))
}

// signatureScene has everything that is wrong with signatures and their set.
func signatureScene(t *testing.T) scene {
	m, h := newMembers(4, 3), newHistory(t, 20, 20)
	s := scene{name: "signatures", set: m}
	s.taken("the first checkpoint", m.submit(h, 0, 7, 0, 1, 2))
	next, proof := h.at(8), h.growth(7, 8)
	digest := m.digest(next)
	signed := func(change func(*contracts.Signatures)) []byte {
		g := m.sign(digest, 0, 1, 2)
		g.Members, g.Bytes = slices.Clone(g.Members), slices.Clone(g.Bytes)
		change(&g)
		return contracts.PackSubmit(next, proof, g)
	}
	over := func(digest [32]byte) []byte { return contracts.PackSubmit(next, proof, m.sign(digest, 0, 1, 2)) }
	foreign := newSet(1, 4, 3, "a stranger")
	s.refused("TooFewSignatures[2 3]", "K - 1", m.submit(h, 7, 8, 1, 3))
	s.refused("TooFewSignatures[0 3]", "none", m.submit(h, 7, 8))
	s.refused("BadSignatureLength[0 195]", "none with bits", signed(func(g *contracts.Signatures) { g.Bytes = nil }))
	s.refused("BadSignatureLength[194 195]", "one byte short", signed(func(g *contracts.Signatures) { g.Bytes = g.Bytes[:194] }))
	s.refused("BadSignatureLength[196 195]", "one byte more", signed(func(g *contracts.Signatures) { g.Bytes = append(g.Bytes, 0) }))
	s.refused("BadSignatureLength[260 195]", "one signature more", signed(func(g *contracts.Signatures) { g.Bytes = append(g.Bytes, g.Bytes[:65]...) }))
	s.refused("WrongSigner", "duplicate", signed(func(g *contracts.Signatures) { copy(g.Bytes[65:130], g.Bytes[:65]) }))
	s.refused("WrongSigner", "unsorted", signed(func(g *contracts.Signatures) {
		g.Bytes = slices.Concat(g.Bytes[65:130], g.Bytes[:65], g.Bytes[130:])
	}))
	s.refused("WrongSigner", "foreign", signed(func(g *contracts.Signatures) { copy(g.Bytes, foreign.sign(digest, 0).Bytes) }))
	s.refused("HighS[1]", "high s", signed(func(g *contracts.Signatures) { highS(g.Bytes[65:130]) }))
	s.refused("WrongSigner", "v 0", signed(func(g *contracts.Signatures) { g.Bytes[64] -= 27 }))
	s.refused("WrongSigner", "other v", signed(func(g *contracts.Signatures) { g.Bytes[64] ^= 27 ^ 28 }))
	s.refused("WrongSigner[0 0x0000000000000000000000000000000000000000]", "r 0 recovers the zero address",
		signed(func(g *contracts.Signatures) { copy(g.Bytes, make([]byte, 32)) }))
	s.refused("WrongSigner", "s 0", signed(func(g *contracts.Signatures) { copy(g.Bytes[32:64], make([]byte, 32)) }))
	s.refused("WrongSigner", "bit of another member", signed(func(g *contracts.Signatures) { g.Signers = big.NewInt(0b1110) }))
	s.refused("UnknownSigner[23 4]", "bit beyond the members", signed(func(g *contracts.Signatures) { g.Signers = big.NewInt(0b10111) }))
	s.refused("WrongSigner", "another digest", over(root("x")))
	s.refused("WrongSigner", "another log's checkpoint", over(canon.CheckpointDigest(root("other log"), 1, m.Hash(), 8, next.Root, 8)))
	s.refused("WrongSigner", "signed as the set of version 2", over(canon.CheckpointDigest(logID, 2, m.Hash(), 8, next.Root, 8)))
	s.refused("WrongMemberSet", "one member missing", signed(func(g *contracts.Signatures) { g.Members = g.Members[:3] }))
	s.refused("WrongMemberSet", "one member more", signed(func(g *contracts.Signatures) { g.Members = append(g.Members, [20]byte{0xff}) }))
	s.refused("WrongMemberSet", "members unsorted", signed(func(g *contracts.Signatures) { slices.Reverse(g.Members) }))
	s.refused("WrongMemberSet", "no members", signed(func(g *contracts.Signatures) { g.Members = nil }))
	s.refused("WrongMemberSet", "the zero address as a member", signed(func(g *contracts.Signatures) { g.Members[0] = [20]byte{} }))
	s.refused("WrongMemberSet", "another k", signed(func(g *contracts.Signatures) { g.K = 2 }))
	s.refused("WrongMemberSet", "foreign set", contracts.PackSubmit(next, proof, foreign.sign(foreign.digest(next), 0, 1, 2)))
	s.refused("WrongSetForSize[0 8]", "set version 0", signed(func(g *contracts.Signatures) { g.Version = 0 }))
	s.refused("WrongSetForSize[2 8]", "a set that is not there yet", contracts.PackSubmit(next, proof, m.as(2).sign(m.as(2).digest(next), 0, 1, 2)))
	s.taken("the unchanged checkpoint", signed(func(*contracts.Signatures) {}))
	s.taken("replay, without signatures", contracts.PackSubmit(next, nil, contracts.Signatures{}))
	return s
}

// highS turns a signature into its other valid form.
func highS(sig []byte) {
	s := new(big.Int).SetBytes(sig[32:64])
	s.Sub(crypto.S256().Params().N, s).FillBytes(sig[32:64])
	sig[64] ^= 27 ^ 28
}

// growthScene has everything that is wrong with a checkpoint and its proof.
func growthScene(t *testing.T) scene {
	m, h, fork := newMembers(4, 3), newHistory(t, 40, 40), newHistory(t, 40, 10)
	s := scene{name: "growth", set: m}
	with := func(c contracts.Checkpoint, proof ...[32]byte) []byte {
		return contracts.PackSubmit(c, proof, m.sign(m.digest(c), 0, 1, 2))
	}
	s.refused("Inconsistent[0]", "the first one with a proof", with(h.at(8), h.root(4)))
	s.refused("SizeNotLarger[0 0]", "n = 0", with(contracts.Checkpoint{Root: root("nothing"), Time: 1}))
	s.taken("the first one", with(h.at(8)))
	s.refused("Inconsistent[8]", "from a power of two without a proof", with(h.at(13)))
	s.refused("Inconsistent[8]", "another history", with(fork.at(13), fork.growth(8, 13)[1:]...))
	s.taken("from a power of two", m.submit(h, 8, 13, 1, 2, 3))
	next, proof := h.at(22), h.growth(13, 22)
	edited := func(change func(p [][32]byte) [][32]byte) []byte { return with(next, change(slices.Clone(proof))...) }
	s.refused("Inconsistent[13]", "no proof", with(next))
	s.refused("Inconsistent[13]", "truncated at the end", edited(func(p [][32]byte) [][32]byte { return p[:len(p)-1] }))
	s.refused("Inconsistent[13]", "truncated at the beginning", edited(func(p [][32]byte) [][32]byte { return p[1:] }))
	s.refused("Inconsistent[13]", "extra hash at the end", edited(func(p [][32]byte) [][32]byte { return append(p, root("x")) }))
	s.refused("Inconsistent[13]", "extra hash at the beginning", edited(func(p [][32]byte) [][32]byte { return append([][32]byte{root("x")}, p...) }))
	s.refused("Inconsistent[13]", "the first hash twice", edited(func(p [][32]byte) [][32]byte { return append(p[:1:1], p...) }))
	s.refused("Inconsistent[13]", "swapped", edited(func(p [][32]byte) [][32]byte { p[0], p[1] = p[1], p[0]; return p }))
	s.refused("Inconsistent[13]", "reversed", edited(func(p [][32]byte) [][32]byte { slices.Reverse(p); return p }))
	s.refused("Inconsistent[13]", "one bit flipped", edited(func(p [][32]byte) [][32]byte { p[2][31] ^= 1; return p }))
	s.refused("Inconsistent[13]", "the proof of an earlier head", with(next, h.growth(8, 22)...))
	s.refused("Inconsistent[13]", "the proof of a size that is larger by one", with(next, h.growth(13, 23)...))
	s.refused("Inconsistent[13]", "the proof of a smaller size", with(next, h.growth(13, 21)...))
	s.refused("Inconsistent[13]", "wrong size with the root of another", with(contracts.Checkpoint{Size: 40, Root: next.Root, Time: 40}, proof...))
	s.refused("Inconsistent[13]", "a fork with its own proof", with(fork.at(22), fork.growth(13, 22)...))
	s.refused("Inconsistent[13]", "the largest size", with(contracts.Checkpoint{Size: 1<<64 - 1, Root: next.Root, Time: 23}, proof...))
	s.refused("SizeNotLarger[12 13]", "m > n", with(h.at(12), h.growth(12, 13)...))
	s.refused("RootConflict[13", "the head's size, another root", with(fork.at(13)))
	s.refused("RootConflict[8", "an old size, another root", with(contracts.Checkpoint{Size: 8, Root: root("x"), Time: 30}))
	s.refused("TimeNotLater[13 13]", "the head's time", with(contracts.Checkpoint{Size: 22, Root: next.Root, Time: 13}, proof...))
	s.refused("TimeNotLater[12 13]", "an earlier time", with(contracts.Checkpoint{Size: 22, Root: next.Root, Time: 12}, proof...))
	s.refused("ZeroRoot[]", "root 0", with(contracts.Checkpoint{Size: 22, Time: 22}, proof...))
	data := with(next, proof...)
	s.refused("empty reason", "truncated calldata", data[:300])
	wide := slices.Clone(data)
	wide[4+23] = 1
	s.refused("empty reason", "size of 65 bits", wide)
	long := slices.Clone(data)
	binary.BigEndian.PutUint64(long[4+5*32+24:], 1<<40)
	s.refused("empty reason", "a proof longer than the calldata", long)
	s.refused("empty reason", "no such function", []byte{1, 2, 3, 4})
	s.taken("the unchanged proof", data)
	s.taken("its replay", data)
	s.taken("replay of an older one", m.submit(h, 8, 13, 1, 2, 3))
	s.taken("to a power of two", m.submit(h, 22, 32, 0, 1, 2, 3))
	s.taken("by one", m.submit(h, 32, 33, 0, 2, 3))
	return s
}

// rotationScene hands over twice and tries every way around it.
func rotationScene(t *testing.T) scene {
	h, fork := newHistory(t, 60, 60), newHistory(t, 60, 5)
	a, b, c := newMembers(4, 3), newSet(2, 4, 3, "second"), newSet(3, 5, 4, "third")
	s := scene{name: "rotation", set: a}
	s.taken("the first checkpoint", a.submit(h, 0, 9, 0, 1, 2))
	turn := func(next contracts.Set, from uint64, sign [32]byte) []byte {
		return contracts.PackRotate(next, from, list, a.sign(sign, 0, 1, 2))
	}
	changed := func(change func(*contracts.Set)) []byte {
		next := b.Set
		next.Members = slices.Clone(next.Members)
		change(&next)
		return turn(next, 20, a.handOver(next, 20))
	}
	s.refused("TooFewSignatures[2 3]", "K - 1", a.rotate(b, 20, 0, 1))
	s.refused("WrongMemberSet", "signed by the new set", b.as(1).rotate(b, 20, 0, 1, 2))
	s.refused("VersionNotNext[3 1]", "a version skipped", a.rotate(c, 20, 0, 1, 2))
	s.refused("VersionNotNext[1 1]", "the version in force", a.rotate(b.as(1), 20, 0, 1, 2))
	s.refused("VersionNotNext[0 1]", "version 0", a.rotate(b.as(0), 20, 0, 1, 2))
	s.refused("FromNotLater[1 1]", "from the first size of the set in force", a.rotate(b, 1, 0, 1, 2))
	s.refused("FromNotLater[0 1]", "from 0", a.rotate(b, 0, 0, 1, 2))
	s.refused("WrongSigner", "signed for another size", turn(b.Set, 20, a.handOver(b.Set, 21)))
	s.refused("WrongSigner", "signed for another k", func() []byte {
		next := b.Set
		next.K = 2
		return turn(next, 20, a.handOver(b.Set, 20))
	}())
	s.refused("WrongSigner", "signed for another list", turn(b.Set, 20, canon.RotationDigest(logID, a.Hash(), 2, b.Hash(), root("list"), 20)))
	s.refused("WrongSigner", "signed for another log", turn(b.Set, 20, canon.RotationDigest(root("log"), a.Hash(), 2, b.Hash(), list, 20)))
	s.refused("WrongSigner", "signed as the hand-over of another set", turn(b.Set, 20, canon.RotationDigest(logID, b.Hash(), 2, b.Hash(), list, 20)))
	s.refused("WrongSigner", "a checkpoint's signatures", turn(b.Set, 20, a.digest(h.at(20))))
	s.refused("NoMembers[]", "no members", changed(func(n *contracts.Set) { n.Members = nil }))
	s.refused("BadThreshold[0 4]", "k 0", changed(func(n *contracts.Set) { n.K = 0 }))
	s.refused("BadThreshold[5 4]", "k above n", changed(func(n *contracts.Set) { n.K = 5 }))
	s.refused("MembersNotAscending[1]", "unsorted", changed(func(n *contracts.Set) { slices.Reverse(n.Members) }))
	s.refused("MembersNotAscending[0]", "the zero address", changed(func(n *contracts.Set) { n.Members[0] = [20]byte{} }))
	s.refused("MembersNotAscending[2]", "a member twice", changed(func(n *contracts.Set) { n.Members[2] = n.Members[1] }))
	s.taken("to the second set, from a size beyond the head", a.rotate(b, 20, 0, 1, 3))
	s.taken("its replay", a.rotate(b, 20, 0, 1, 3))
	s.refused("VersionNotNext[2 2]", "another second set", turn(c.as(2).Set, 20, a.handOver(c.as(2).Set, 20)))
	s.refused("VersionNotNext[2 2]", "the second set from another size", a.rotate(b, 21, 0, 1, 2))
	s.refused("VersionNotNext[2 2]", "the second set from a smaller size", a.rotate(b, 19, 0, 1, 2))
	for k := range uint(4) { // some of these have a larger hash, and some a smaller one
		other := b.Set
		other.K = k
		if other.K != b.K {
			s.refused("VersionNotNext[2 2]", "the second set with another k", turn(other, 20, a.handOver(other, 20)))
		}
	}
	s.refused("WrongSetForSize[2 19]", "a size below: the new set is a future one", b.submit(h, 9, 19, 0, 1, 2))
	s.refused("WrongSetForSize[1 20]", "a size from there on: the old set", a.submit(h, 9, 20, 0, 1, 2))
	s.refused("WrongMemberSet", "the old members as the new version", a.as(2).submit(h, 9, 20, 0, 1, 2))
	s.taken("a size below by the old set", a.submit(h, 9, 19, 0, 1, 2))
	s.refused("WrongSetForSize[1 15]", "the old set, which has no size left, cannot freeze", contracts.PackReport(
		a.states(h.at(15), 0, 1, 2), a.states(fork.at(15), 0, 1, 2), fork.root(15), nil))
	s.taken("a size from there on by the new set", b.submit(h, 19, 30, 1, 2, 3))
	s.refused("WrongSetForSize[1 31]", "the old set after the rotation", a.submit(h, 30, 31, 0, 1, 2, 3))
	s.refused("WrongMemberSet", "the old set rotates again", a.rotate(c, 40, 0, 1, 2))
	s.refused("WrongSetForSize[1 30]", "the old set cannot freeze", contracts.PackReport(
		anchored(h.at(30)), a.states(fork.at(30), 0, 1, 2), fork.root(30), nil))
	s.refused("FromNotLater[20 20]", "the third set from the size of the second", b.rotate(c, 20, 0, 1, 2))
	back := b.rotate(a.as(3), 25, 0, 1, 2)
	s.taken("back to the first members as version 3, from a size that is anchored", back)
	s.taken("replay of the first rotation changes nothing", a.rotate(b, 20, 0, 1, 3))
	s.refused("VersionNotNext[2 3]", "A to B to A: the first rotation for another size", a.rotate(b, 40, 0, 1, 2))
	s.refused("WrongSigner", "A to B to A: the first rotation's signatures as version 4", contracts.PackRotate(
		b.as(4).Set, 40, list, a.as(3).sign(a.handOver(b.Set, 20), 0, 1, 2)))
	s.refused("WrongSigner", "A to B to A: what the first set signed as version 1", contracts.PackSubmit(
		h.at(31), h.growth(30, 31), a.as(3).sign(a.digest(h.at(31)), 0, 1, 2)))
	s.refused("WrongSetForSize[2 31]", "the second set after the third came", b.submit(h, 30, 31, 0, 1, 2))
	s.taken("the third set", a.as(3).submit(h, 30, 31, 0, 1, 2))
	s.taken("to the fourth set", a.as(3).rotate(c.as(4), 50, 0, 1, 2))
	s.taken("a size of the third", a.as(3).submit(h, 31, 49, 0, 1, 2))
	s.taken("a size of the fourth", c.as(4).submit(h, 49, 50, 0, 1, 2, 4))
	return s
}

// equivocationScene ends frozen, after everything that must not freeze.
func equivocationScene(t *testing.T) scene {
	h, fork := newHistory(t, 60, 60), newHistory(t, 60, 5)
	a, b := newMembers(4, 3), newSet(2, 4, 3, "second")
	s := scene{name: "equivocation", set: a}
	report := func(x, y contracts.Statement, other [32]byte, proof ...[32]byte) []byte {
		return contracts.PackReport(x, y, other, proof)
	}
	s.taken("anchored", a.submit(h, 0, 9, 0, 1, 2))
	s.taken("anchored", a.submit(h, 9, 14, 0, 1, 2))
	s.taken("the second set", a.rotate(b, 14, 0, 1, 2))
	s.taken("anchored by it", b.submit(h, 14, 21, 0, 1, 2))
	signed := func(of *history, size uint64) contracts.Statement { return b.states(of.at(size), 0, 1, 2) }
	honest := func(x, y uint64) []byte { return report(signed(h, x), signed(h, y), h.root(x), h.growth(x, y)...) }
	s.refused("OneHistory[]", "two honest candidates of different size", honest(25, 33))
	s.refused("OneHistory[]", "two honest candidates from a power of two", honest(32, 33))
	s.refused("OneHistory[]", "an honest candidate and a root that is anchored", report(anchored(h.at(9)), signed(h, 33), h.root(9), h.growth(9, 33)...))
	s.refused("OneHistory[]", "two that are anchored", report(anchored(h.at(9)), anchored(h.at(21)), h.root(9), h.growth(9, 21)...))
	s.refused("OneHistory[]", "one checkpoint twice", report(signed(h, 25), signed(h, 25), h.root(25)))
	later := h.at(25)
	later.Time++
	s.refused("OneHistory[]", "one root signed at two times", report(signed(h, 25), b.states(later, 1, 2, 3), h.root(25)))
	s.refused("Inconsistent[25]", "honest, with a root that is made up", report(signed(h, 25), signed(h, 33), root("x"), h.growth(25, 33)...))
	s.refused("Inconsistent[32]", "honest, a made-up root at a power of two", report(signed(h, 32), signed(h, 33), root("x"), h.growth(32, 33)...))
	s.refused("Inconsistent[25]", "honest, with the proof of the fork", report(signed(h, 25), signed(h, 33), fork.root(25), fork.growth(25, 33)...))
	s.refused("Inconsistent[25]", "honest, of one size, with another root", report(signed(h, 25), signed(h, 25), fork.root(25)))
	// Were hashes left over at the end allowed, this one would freeze honest members.
	s.refused("Inconsistent[30]", "honest, with root and proof of a size that is larger by one", report(signed(h, 30), signed(h, 32), h.root(31), h.growth(31, 32)...))
	s.refused("Inconsistent[33]", "the larger one first", report(signed(fork, 33), signed(h, 25), h.root(33), h.growth(25, 33)...))
	s.refused("WrongSetForSize[2 0]", "size 0", report(contracts.Statement{Checkpoint: contracts.Checkpoint{Root: root("0")}, Signatures: signed(h, 25).Signatures}, signed(h, 25), root("x")))
	proof := fork.growth(25, 33)
	guilty := func(p ...[32]byte) []byte { return report(signed(h, 25), signed(fork, 33), fork.root(25), p...) }
	s.refused("Inconsistent[25]", "guilty, truncated", guilty(proof[1:]...))
	s.refused("Inconsistent[25]", "guilty, extra hash", guilty(append(slices.Clone(proof), root("x"))...))
	s.refused("Inconsistent[25]", "guilty, one size, with a proof", report(signed(h, 25), signed(fork, 25), fork.root(25), root("x")))
	s.refused("TooFewSignatures[2 3]", "K - 1", report(signed(h, 25), b.states(fork.at(25), 0, 1), fork.root(25)))
	s.refused("WrongSigner", "signatures over another time", report(signed(h, 25), contracts.Statement{
		Checkpoint: contracts.Checkpoint{Size: 25, Root: fork.root(25), Time: 26}, Signatures: signed(fork, 25).Signatures}, fork.root(25)))
	s.refused("WrongSetForSize[1 25]", "signed by the old set", report(signed(h, 25), a.states(fork.at(25), 0, 1, 2), fork.root(25)))
	s.refused("WrongSetForSize[1 13]", "of the old set's sizes, by the old set", report(a.states(h.at(13), 0, 1, 2), a.states(fork.at(13), 0, 1, 2), fork.root(13)))
	s.refused("WrongSetForSize[2 13]", "a size that is not the newest set's", report(signed(h, 13), signed(fork, 13), fork.root(13)))
	s.refused("WrongSetForSize[3 25]", "a set that is not there yet", report(signed(h, 25), b.as(3).states(fork.at(25), 0, 1, 2), fork.root(25)))
	s.refused("NotAnchored[25", "unsigned, and not anchored", report(anchored(h.at(25)), signed(fork, 25), fork.root(25)))
	s.refused("NotAnchored[21", "unsigned, another root than the anchored one", report(anchored(fork.at(21)), signed(h, 33), h.root(21), h.growth(21, 33)...))
	s.refused("NotAnchored[25", "unsigned root 0", report(anchored(contracts.Checkpoint{Size: 25}), signed(h, 25), h.root(25)))
	s.taken("after all these nothing is frozen", b.submit(h, 21, 25, 0, 1, 2))
	s.taken("a size signed twice, one of them anchored", report(anchored(h.at(25)), signed(fork, 25), fork.root(25)))
	s.taken("reported again", report(anchored(h.at(25)), signed(fork, 25), fork.root(25)))
	s.refused("Frozen[]", "the next checkpoint", b.submit(h, 25, 33, 0, 1, 2))
	s.refused("Frozen[]", "a replay", b.submit(h, 21, 25, 0, 1, 2))
	s.refused("Frozen[]", "a rotation", b.rotate(a.as(3), 40, 0, 1, 2))
	return s
}

// frozenBy returns scenes of two steps: a checkpoint, and what freezes then.
func frozenBy(t *testing.T) []scene {
	h, fork := newHistory(t, 60, 60), newHistory(t, 60, 5)
	m := newMembers(4, 3)
	signed := func(of *history, size uint64) contracts.Statement { return m.states(of.at(size), 0, 1, 2) }
	var all []scene
	for _, f := range []struct {
		name string
		data []byte
	}{
		{"two roots of one size", contracts.PackReport(signed(h, 25), signed(fork, 25), fork.root(25), nil)},
		{"a larger one that extends another", contracts.PackReport(signed(h, 25), signed(fork, 33), fork.root(25), fork.growth(25, 33))},
		{"a larger one that extends another, from a power of two", contracts.PackReport(signed(h, 16), signed(fork, 33), fork.root(16), fork.growth(16, 33))},
		{"one that extends another root than the anchored one", contracts.PackReport(anchored(h.at(9)), signed(fork, 33), fork.root(9), fork.growth(9, 33))},
		{"one that the anchored root does not extend", contracts.PackReport(signed(fork, 7), anchored(h.at(9)), h.root(7), h.growth(7, 9))},
	} {
		s := scene{name: "frozen by " + f.name, set: m}
		s.taken("anchored", m.submit(h, 0, 9, 0, 1, 2))
		s.taken(f.name, f.data)
		s.refused("Frozen[]", "the next checkpoint", m.submit(h, 9, 10, 0, 1, 2))
		all = append(all, s)
	}
	return append(all, handedOver(h, fork))
}

// handedOver: a set that has handed over from a size far off goes on signing, so it
// answers for what it signs until the head has come there.
func handedOver(h, fork *history) scene {
	a, b := newMembers(4, 3), newSet(2, 4, 3, "second")
	guilty := contracts.PackReport(a.states(h.at(25), 0, 1, 2), a.states(fork.at(25), 0, 1, 2), fork.root(25), nil)
	s := scene{name: "frozen by a set that has handed over and still signs", set: a}
	s.taken("anchored", a.submit(h, 0, 9, 0, 1, 2))
	s.taken("the second set, from a size far off", a.rotate(b, 40, 0, 1, 2))
	s.refused("OneHistory[]", "two honest candidates of the first set", contracts.PackReport(
		a.states(h.at(25), 0, 1, 2), a.states(h.at(33), 0, 1, 2), h.root(25), h.growth(25, 33)))
	s.refused("OneHistory[]", "honest candidates of both sets", contracts.PackReport(
		a.states(h.at(25), 0, 1, 2), b.states(h.at(50), 0, 1, 2), h.root(25), h.growth(25, 50)))
	s.refused("WrongSetForSize[1 40]", "the first set, of a size of the second", contracts.PackReport(
		a.states(h.at(40), 0, 1, 2), a.states(fork.at(40), 0, 1, 2), fork.root(40), nil))
	s.refused("WrongSetForSize[3 25]", "a set that is not there yet", contracts.PackReport(
		a.as(3).states(h.at(25), 0, 1, 2), a.states(fork.at(25), 0, 1, 2), fork.root(25), nil))
	s.taken("two roots of one size by the first set", guilty)
	s.refused("Frozen[]", "the next checkpoint", a.submit(h, 9, 10, 0, 1, 2))
	return s
}

// twoSetsBehind: a contract that hears of two rotations before any checkpoint of theirs
// takes of each set its own sizes, from its first one to its last one.
func twoSetsBehind(t *testing.T) scene {
	h, fork := newHistory(t, 60, 60), newHistory(t, 60, 5)
	a, b, c := newMembers(4, 3), newSet(2, 4, 3, "second"), newSet(3, 5, 4, "third")
	guilty := func(m members) []byte {
		return contracts.PackReport(m.states(h.at(25), 0, 1, 2, 3), m.states(fork.at(25), 0, 1, 2, 3), fork.root(25), nil)
	}
	s := scene{name: "two sets behind", set: a}
	s.taken("anchored", a.submit(h, 0, 9, 0, 1, 2))
	s.taken("the second set", a.rotate(b, 20, 0, 1, 2))
	s.taken("the third set", b.rotate(c, 30, 0, 1, 2))
	s.refused("WrongSetForSize[2 19]", "the second set, a size below its own", b.submit(h, 9, 19, 0, 1, 2))
	s.refused("WrongSetForSize[3 19]", "the third set, a size of the first", c.submit(h, 9, 19, 0, 1, 2, 3))
	s.taken("the last size of the first set", a.submit(h, 9, 19, 0, 1, 2))
	s.refused("WrongSetForSize[1 20]", "the first set, a size of the second", a.submit(h, 19, 20, 0, 1, 2))
	s.refused("WrongSetForSize[3 29]", "the third set, a size of the second", c.submit(h, 19, 29, 0, 1, 2, 3))
	s.taken("the first size of the second set, which is not the newest one", b.submit(h, 19, 20, 0, 1, 2))
	s.refused("WrongSetForSize[2 30]", "the second set, a size of the third", b.submit(h, 20, 30, 0, 1, 2))
	s.refused("WrongSetForSize[3 25]", "the third set, two roots of a size of the second", guilty(c))
	s.refused("OneHistory[]", "two honest candidates of the second set", contracts.PackReport(
		b.states(h.at(25), 0, 1, 2), b.states(h.at(28), 0, 1, 2), h.root(25), h.growth(25, 28)))
	s.taken("all but the last size of the second set", b.submit(h, 20, 28, 0, 1, 2))
	s.taken("two roots of one size by the second set, which has one left", guilty(b))
	s.refused("Frozen[]", "that one", b.submit(h, 28, 29, 0, 1, 2))
	return s
}
