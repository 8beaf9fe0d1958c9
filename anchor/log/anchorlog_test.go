package log_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"math/bits"
	"os"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// The rules of AnchorLog in Go, written from docs/formats/contracts.md on the functions
// that verifiers of this repository use. It takes and refuses what the contract does.
type anchorLog struct {
	logID      log.Hash
	size, time uint64
	version    uint64
	from       map[uint64]uint64   // by version
	sets       map[uint64]log.Hash // by version
	roots      map[uint64]log.Hash // by size
	frozen     bool
}

// refusal is the name of an error of the contract; it ends a call that changed nothing.
type refusal string

func refuseIf(wrong bool, name refusal) {
	if wrong {
		panic(name)
	}
}

// malformed is what calldata that is not of the function's types ends with.
const malformed refusal = "empty reason"

// tuple reads the values of a tuple, ABI encoded.
type tuple []byte

func (t tuple) word(i uint64) (w [32]byte) {
	refuseIf(i >= uint64(len(t))/32, malformed)
	return [32]byte(t[32*i:])
}

// number reads an integer of at most that many bits.
func (t tuple) number(i uint64, size int) uint64 {
	w := t.word(i)
	n := binary.BigEndian.Uint64(w[24:])
	refuseIf(!bytes.Equal(w[:24], make([]byte, 24)) || bits.Len64(n) > size, malformed)
	return n
}

// wide reads an integer of 256 bits; those that no version or k can be are the largest.
func (t tuple) wide(i uint64) uint64 {
	w := t.word(i)
	if !bytes.Equal(w[:24], make([]byte, 24)) {
		return math.MaxUint64
	}
	return binary.BigEndian.Uint64(w[24:])
}

// at follows the offset in a word.
func (t tuple) at(i uint64) tuple {
	n := t.number(i, 32)
	refuseIf(n > uint64(len(t)), malformed)
	return t[n:]
}

func (t tuple) hashes(i uint64) (out []log.Hash) {
	list := t.at(i)
	n := list.number(0, 32)
	refuseIf(n > uint64(len(list))/32-1, malformed)
	for j := range n {
		out = append(out, list.word(j+1))
	}
	return out
}

func (t tuple) members(i uint64) (out [][20]byte) {
	for _, w := range t.hashes(i) {
		out = append(out, [20]byte(w[12:]))
	}
	return out
}

func (t tuple) octets(i uint64) []byte {
	b := t.at(i)
	n := b.number(0, 32)
	refuseIf(n > uint64(len(b))-32, malformed)
	return b[32 : 32+n]
}

// signed is what members of a set signed.
type signed struct {
	version, k uint64
	members    [][20]byte
	signers    [32]byte
	bytes      []byte
}

func (t tuple) signed(i uint64) signed {
	s := t.at(i)
	return signed{s.wide(0), s.wide(1), s.members(2), s.word(3), s.octets(4)}
}

func (s signed) has(i int) bool { return s.signers[31-i/8]>>(i%8)&1 == 1 }

// check refuses unless K of the set's members signed.
func (s signed) check(set, digest log.Hash) {
	refuseIf(canon.MemberSetHash(s.version, s.k, s.members) != set, "WrongMemberSet")
	count := uint64(0)
	for i := range 256 {
		if s.has(i) {
			refuseIf(i >= len(s.members), "UnknownSigner")
			count++
		}
	}
	refuseIf(count < s.k, "TooFewSignatures")
	refuseIf(uint64(len(s.bytes)) != 65*count, "BadSignatureLength")
	rest := s.bytes
	for i, member := range s.members {
		if !s.has(i) {
			continue
		}
		half, _ := hex.DecodeString("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0")
		refuseIf(bytes.Compare(rest[32:64], half) > 0, "HighS")
		who, err := canon.Recover(digest, rest[:65])
		refuseIf(err != nil || who != member, "WrongSigner")
		rest = rest[65:]
	}
}

func checkSet(k uint64, members [][20]byte) {
	refuseIf(len(members) == 0, "NoMembers")
	refuseIf(k == 0 || k > uint64(len(members)), "BadThreshold")
	last := [20]byte{}
	for _, m := range members {
		refuseIf(bytes.Compare(m[:], last[:]) <= 0, "MembersNotAscending")
		last = m
	}
}

func newAnchorLog(logID log.Hash, k uint64, members [][20]byte) *anchorLog {
	return &anchorLog{
		logID: logID, version: 1, from: map[uint64]uint64{1: 1}, roots: map[uint64]log.Hash{},
		sets: map[uint64]log.Hash{1: canon.MemberSetHash(1, k, members)},
	}
}

// call runs a transaction and names what it is refused with, "" when it is taken.
func (a *anchorLog) call(data []byte) (name string) {
	defer func() {
		if p := recover(); p != nil {
			name = string(p.(refusal))
		}
	}()
	const signatures, statement = "(uint256,uint256,address[],uint256,bytes)", "(uint64,bytes32,uint64,(uint256,uint256,address[],uint256,bytes))"
	for signature, run := range map[string]func(tuple){
		"submit(uint64,bytes32,uint64,bytes32[]," + signatures + ")":                          a.submit,
		"rotate(uint32,uint256,address[],uint64,bytes32," + signatures + ")":                  a.rotate,
		"reportEquivocation(" + statement + "," + statement + "," + "bytes32,bytes32[]" + ")": a.report,
	} {
		if h := canon.Keccak([]byte(signature)); bytes.HasPrefix(data, h[:4]) {
			run(tuple(data[4:]))
			return ""
		}
	}
	return string(malformed)
}

func (a *anchorLog) submit(t tuple) {
	size, root, time, proof, s := t.number(0, 64), log.Hash(t.word(1)), t.number(2, 64), t.hashes(3), t.signed(4)
	refuseIf(a.frozen, "Frozen")
	refuseIf(root == log.Hash{}, "ZeroRoot")
	stored, ok := a.roots[size]
	if stored == root {
		return
	}
	refuseIf(ok, "RootConflict")
	refuseIf(size <= a.size, "SizeNotLarger")
	refuseIf(time <= a.time, "TimeNotLater")
	if a.size == 0 {
		refuseIf(len(proof) > 0, "Inconsistent")
	} else {
		refuseIf(log.CheckGrowth(a.size, a.roots[a.size], size, root, proof) != nil, "Inconsistent")
	}
	a.checkSigned(size, root, time, s)
	a.size, a.time, a.roots[size] = size, time, root
}

// checkSigned refuses unless K members of the set to which the size belongs signed.
func (a *anchorLog) checkSigned(size uint64, root log.Hash, time uint64, s signed) {
	from, known := a.from[s.version]
	next, over := a.from[s.version+1]
	refuseIf(!known || size < from || over && size >= next, "WrongSetForSize")
	set := a.sets[s.version]
	s.check(set, canon.CheckpointDigest(a.logID, s.version, set, size, root, time))
}

func (a *anchorLog) rotate(t tuple) {
	version, k, members, from, list, s := t.number(0, 32), t.wide(1), t.members(2), t.number(3, 64), log.Hash(t.word(4)), t.signed(5)
	refuseIf(a.frozen, "Frozen")
	next := canon.MemberSetHash(version, k, members)
	if a.sets[version] == next && a.from[version] == from {
		return
	}
	refuseIf(version != a.version+1, "VersionNotNext")
	refuseIf(from <= a.from[a.version], "FromNotLater")
	checkSet(k, members)
	old := a.sets[a.version]
	s.check(old, canon.RotationDigest(a.logID, old, version, next, list, from))
	a.version, a.sets[version], a.from[version] = version, next, from
}

func (a *anchorLog) report(t tuple) {
	one, two, other, proof := t.at(0), t.at(1), log.Hash(t.word(2)), t.hashes(3)
	if a.frozen {
		return
	}
	a.checkStatement(one)
	a.checkStatement(two)
	refuseIf(other == log.Hash(one.word(1)), "OneHistory")
	refuseIf(log.CheckGrowth(one.number(0, 64), other, two.number(0, 64), two.word(1), proof) != nil, "Inconsistent")
	a.frozen = true
}

// checkStatement refuses unless the checkpoint is anchored, or signed by a set that can
// still anchor something.
func (a *anchorLog) checkStatement(t tuple) {
	size, root, time, s := t.number(0, 64), log.Hash(t.word(1)), t.number(2, 64), t.signed(3)
	if s.signers == [32]byte{} {
		refuseIf(root == log.Hash{} || a.roots[size] != root, "NotAnchored")
		return
	}
	next, over := a.from[s.version+1]
	refuseIf(over && next <= a.size+1, "WrongSetForSize")
	a.checkSigned(size, root, time, s)
}

// The stories that the contract's vectors tell are the same here: signatures, growth,
// rotations and equivocation, and everything in them that must be refused.
func TestAnchorLogVectors(t *testing.T) {
	data, err := os.ReadFile("../../docs/formats/vectors/contracts.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		LogID     string `json:"log_id"`
		AnchorLog []struct {
			Name    string
			K       uint64
			Members []string
			Steps   []struct {
				Name, Calldata, Refusal string
				Taken                   bool
			}
		} `json:"anchor_log"`
	}
	if err := json.Unmarshal(data, &v); err != nil || len(v.AnchorLog) == 0 {
		t.Fatalf("%d stories, %v", len(v.AnchorLog), err)
	}
	octets := func(text string) []byte {
		b, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, story := range v.AnchorLog {
		t.Run(story.Name, func(t *testing.T) {
			var members [][20]byte
			for _, m := range story.Members {
				members = append(members, [20]byte(octets(m)))
			}
			a := newAnchorLog(log.Hash(octets(v.LogID)), story.K, members)
			for _, s := range story.Steps {
				want, _, _ := strings.Cut(s.Refusal, "[")
				if got := a.call(octets(s.Calldata)); got != want || (got == "") != s.Taken {
					t.Fatalf("%s: refused with %q, want %q", s.Name, got, want)
				}
			}
		})
	}
}
