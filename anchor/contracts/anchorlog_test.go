package contracts_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/chaincode/canon"
)

func root(text string) [32]byte { return canon.Keccak([]byte(text)) }

func topics(l *types.Log) [][32]byte {
	var out [][32]byte
	for _, topic := range l.Topics {
		out = append(out, topic)
	}
	return out
}

func TestAnchorLogDigests(t *testing.T) {
	c, m := newChain(t), newMembers(4, 3)
	log := c.deploy(contracts.NewAnchorLog(logID, m.Set))
	cp := contracts.Checkpoint{Size: 1<<64 - 1, Root: root("r"), Time: 1<<63 + 5}
	for _, tt := range []struct {
		name string
		view []byte
		want [32]byte
	}{
		{"log id", contracts.PackLogID(), logID},
		{"founding set", contracts.PackSetHash(1), m.Hash()},
		{"set to come", contracts.PackSetHash(2), [32]byte{}},
		{"from of the founding set", contracts.PackFromOf(1), [32]byte{31: 1}},
		{"from of the set to come", contracts.PackFromOf(2), [32]byte{}},
		{"checkpoint", contracts.PackCheckpointDigest(1, cp), m.digest(cp)},
	} {
		if got := c.view(log, tt.view); !bytes.Equal(got, tt.want[:]) {
			t.Errorf("%s: got %x, want %x", tt.name, got, tt.want)
		}
	}
}

// logOf is a new AnchorLog with what the tests ask of it.
type logOf struct {
	*chain
	address [20]byte
}

func (l logOf) head() contracts.Checkpoint {
	l.t.Helper()
	data := l.view(l.address, contracts.PackHead())
	h, err := contracts.UnpackHead(data)
	if err != nil || !bytes.Equal(contracts.HeadResult(h), data) {
		l.t.Fatalf("head %+v, %v, from %x", h, err, data)
	}
	return h
}

func (l logOf) newest() contracts.Newest {
	l.t.Helper()
	n, err := contracts.UnpackNewest(l.view(l.address, contracts.PackNewest()))
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

// wantEvent compares the only event of a transaction: its signature, what is indexed
// and its data.
func wantEvent(t *testing.T, r *types.Receipt, signature string, indexed [][]byte, data ...[]byte) {
	t.Helper()
	if len(r.Logs) != 1 {
		t.Errorf("%d events, want %s", len(r.Logs), signature)
		return
	}
	name := canon.Keccak([]byte(signature))
	want := bytes.Join(append([][]byte{name[:]}, indexed...), nil)
	var got []byte
	for _, topic := range r.Logs[0].Topics {
		got = append(got, topic[:]...)
	}
	if !bytes.Equal(got, want) || !bytes.Equal(r.Logs[0].Data, bytes.Join(data, nil)) {
		t.Errorf("topics %x, data %x; want %s: %x, %x", got, r.Logs[0].Data, signature, want, data)
	}
}

func TestSubmit(t *testing.T) {
	c, m, h := newChain(t), newMembers(4, 3), newHistory(t, 20, 20)
	l := logOf{c, c.deploy(contracts.NewAnchorLog(logID, m.Set))}
	if got := l.head(); got != (contracts.Checkpoint{}) {
		t.Errorf("head before the first: %+v", got)
	}
	before := uint64(0)
	for _, step := range []struct {
		size uint64
		who  []int
	}{{7, []int{0, 2, 3}}, {8, []int{0, 1, 2, 3}}} {
		receipt := c.run(l.address, m.submit(h, before, step.size, step.who...))
		if len(receipt.Logs) != 1 {
			t.Fatalf("%d events", len(receipt.Logs))
		}
		event, err := contracts.ParseAnchored(topics(receipt.Logs[0]), receipt.Logs[0].Data)
		if err != nil || event != h.at(step.size) {
			t.Errorf("event %+v, %v; want %+v", event, err, h.at(step.size))
		}
		if got := l.head(); got != h.at(step.size) {
			t.Errorf("head %+v, want %+v", got, h.at(step.size))
		}
		before = step.size
	}
	for size, want := range map[uint64][32]byte{0: {}, 7: h.root(7), 8: h.root(8), 9: {}} {
		if got := c.view(l.address, contracts.PackRootAt(size)); !bytes.Equal(got, want[:]) {
			t.Errorf("root at %d: %x, want %x", size, got, want)
		}
	}
	for size, want := range map[uint64]bool{7: true, 8: true, 9: false} {
		if got := bytes.Equal(c.view(l.address, contracts.PackSizeReached(size)), contracts.True()); got != want {
			t.Errorf("reached %d: %v, want %v", size, got, want)
		}
	}
	for _, size := range []uint64{7, 8} {
		// Neither signatures nor a proof are needed: nothing changes.
		if receipt := c.run(l.address, contracts.PackSubmit(h.at(size), nil, contracts.Signatures{})); len(receipt.Logs) != 0 {
			t.Errorf("replay of size %d made an event", size)
		}
	}
	if got := l.head(); got != h.at(8) {
		t.Errorf("head after replays: %+v", got)
	}
}

func TestRotate(t *testing.T) {
	c, a, b := newChain(t), newMembers(4, 3), newSet(2, 7, 5, "second")
	l := logOf{c, c.deploy(contracts.NewAnchorLog(logID, a.Set))}
	if got, want := l.newest(), (contracts.Newest{Version: 1, Hash: a.Hash(), From: 1}); got != want {
		t.Errorf("newest set %+v, want %+v", got, want)
	}
	next := b.Hash()
	wantEvent(t, c.run(l.address, a.rotate(b, 12, 0, 1, 2)), "Rotated(uint256,uint64,bytes32,bytes32)",
		[][]byte{word(2)}, word(12), next[:], list[:])
	if receipt := c.run(l.address, a.rotate(b, 12)); len(receipt.Logs) != 0 {
		t.Error("the replay made an event")
	}
	if got, want := l.newest(), (contracts.Newest{Version: 2, Hash: b.Hash(), From: 12}); got != want {
		t.Errorf("newest set %+v, want %+v", got, want)
	}
	for version, want := range map[uint64]struct {
		hash [32]byte
		from uint64
	}{1: {a.Hash(), 1}, 2: {b.Hash(), 12}, 3: {}} {
		if got := c.view(l.address, contracts.PackSetHash(version)); !bytes.Equal(got, want.hash[:]) {
			t.Errorf("set %d: %x, want %x", version, got, want.hash)
		}
		if got := c.view(l.address, contracts.PackFromOf(version)); !bytes.Equal(got, word(want.from)) {
			t.Errorf("set %d from %x, want %d", version, got, want.from)
		}
	}
}

func TestFrozenLogIsRead(t *testing.T) {
	c, m, h, fork := newChain(t), newMembers(4, 3), newHistory(t, 20, 20), newHistory(t, 20, 3)
	l := logOf{c, c.deploy(contracts.NewAnchorLog(logID, m.Set))}
	c.run(l.address, m.submit(h, 0, 9, 0, 1, 2))
	report := contracts.PackReport(anchored(h.at(9)), m.states(fork.at(9), 1, 2, 3), fork.root(9), nil)
	wantEvent(t, c.run(l.address, report), "Equivocation(uint64,bytes32,uint64,bytes32)",
		nil, word(9), rootBytes(h, 9), word(9), rootBytes(fork, 9))
	for name, data := range map[string][]byte{
		"the same report": report, "a report of nothing": contracts.PackReport(contracts.Statement{}, contracts.Statement{}, root("x"), nil),
	} {
		if receipt := c.run(l.address, data); len(receipt.Logs) != 0 {
			t.Errorf("%s, once frozen, made an event", name)
		}
	}
	if !l.newest().Frozen || l.head() != h.at(9) {
		t.Errorf("newest %+v, head %+v", l.newest(), l.head())
	}
	if got := c.view(l.address, contracts.PackRootAt(9)); !bytes.Equal(got, rootBytes(h, 9)) {
		t.Errorf("root %x", got)
	}
}

func rootBytes(h *history, size uint64) []byte {
	r := h.root(size)
	return r[:]
}

func TestNewAnchorLogRefuses(t *testing.T) {
	c := newChain(t)
	m := newMembers(4, 3)
	swapped := slices.Clone(m.Members)
	swapped[1], swapped[2] = swapped[2], swapped[1]
	for _, tt := range []struct {
		name, want string
		members    [][20]byte
		k          uint
	}{
		{"no members", "NoMembers", nil, 0},
		{"k 0", "BadThreshold[0 4]", m.Members, 0},
		{"k above n", "BadThreshold[5 4]", m.Members, 5},
		{"unsorted", "MembersNotAscending[2]", swapped, 3},
		{"duplicate", "MembersNotAscending[1]", [][20]byte{m.Members[0], m.Members[0]}, 1},
		{"zero address", "MembersNotAscending[0]", slices.Concat([][20]byte{{}}, m.Members), 3},
		{"257 members", "TooManyMembers[257]", make([][20]byte, 257), 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set := contracts.Set{Version: 1, K: tt.k, Members: tt.members}
			if got := c.refusal(nil, contracts.NewAnchorLog(logID, set)); !strings.HasPrefix(got, tt.want) {
				t.Errorf("refused with %q, want %q", got, tt.want)
			}
		})
	}
}

// The bitmap's last bit is a member like any other.
func TestSubmitWith256Members(t *testing.T) {
	c, m, h := newChain(t), newMembers(256, 2), newHistory(t, 2, 2)
	log := c.deploy(contracts.NewAnchorLog(logID, m.Set))
	c.run(log, m.submit(h, 0, 1, 0, 255))
	if got := c.refusal(&log, m.submit(h, 1, 2, 255)); got != "TooFewSignatures[1 2]" {
		t.Errorf("refused with %q", got)
	}
}

// Every proof between two sizes of a small log is taken, by the contract as by Go.
func TestEveryGrowth(t *testing.T) {
	m, h, v := newMembers(1, 1), newHistory(t, 20, 20), newTVM(t)
	for old := uint64(1); old < 20; old++ {
		log := v.create(contracts.NewAnchorLog(logID, m.Set))
		if got := outcome(v.call(log, m.submit(h, 0, old, 0))); got != "" {
			t.Fatal(got)
		}
		for size := old + 1; size <= 20; size++ {
			if got := outcome(v.copy().call(log, m.submit(h, old, size, 0))); got != "" {
				t.Errorf("from %d to %d: %s", old, size, got)
			}
			if !extends(old, h.root(old), size, h.root(size), h.growth(old, size)) {
				t.Errorf("from %d to %d: not for Go", old, size)
			}
		}
	}
}

// The contract and Go's tlog agree about proofs that are right, wrong or nonsense.
func FuzzGrowth(f *testing.F) {
	f.Add(uint8(13), uint8(22), uint8(0), uint8(0), uint8(0))
	for edit := range uint8(6) {
		f.Add(uint8(8), uint8(13), edit, uint8(1), uint8(7))
	}
	all := newHistory(f, 256, 256)
	m := newMembers(1, 1)
	f.Fuzz(func(t *testing.T, old, size, edit, at, by uint8) {
		if old == 0 || size <= old {
			return
		}
		v, h := newTVM(t), &history{t, all.hashes}
		log := v.create(contracts.NewAnchorLog(logID, m.Set))
		v.call(log, m.submit(h, 0, uint64(old), 0))
		proof, c := h.growth(uint64(old), uint64(size)), h.at(uint64(size))
		i := int(at) % len(proof)
		switch edit % 7 {
		case 1:
			proof[i][by%32] ^= by | 1
		case 2:
			proof = slices.Delete(proof, i, i+1)
		case 3:
			proof = slices.Insert(proof, i, h.root(uint64(by)+1))
		case 4:
			j := int(by) % len(proof)
			proof[i], proof[j] = proof[j], proof[i]
		case 5:
			proof = h.growth(min(uint64(by)+1, c.Size), c.Size)
		case 6:
			c.Size += uint64(by)
		}
		want := extends(uint64(old), h.root(uint64(old)), c.Size, c.Root, proof)
		got := outcome(v.call(log, contracts.PackSubmit(c, proof, m.sign(m.digest(c), 0))))
		if want != (got == "") || got != "" && !strings.HasPrefix(got, "Inconsistent") {
			t.Errorf("from %d to %d: Go says %v, the contract %q", old, c.Size, want, got)
		}
	})
}
