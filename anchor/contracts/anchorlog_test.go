package contracts_test

import (
	"bytes"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/chaincode/canon"
)

func (m members) checkpoint(c contracts.Checkpoint, who ...int) []byte {
	return contracts.PackSubmit(c, m.sign(m.checkpointDigest(c), who...))
}

func (m members) checkpointDigest(c contracts.Checkpoint) [32]byte {
	return canon.CheckpointDigest(logID, 1, m.hash(), c.Size, c.Root, c.Time)
}

func root(text string) [32]byte { return canon.Keccak([]byte(text)) }

func TestAnchorLogDigests(t *testing.T) {
	c, m := newChain(t), newMembers(4, 3)
	log := c.deploy(contracts.NewAnchorLog(logID, m.addresses, m.k))
	cp := contracts.Checkpoint{Size: 1<<64 - 1, Root: root("r"), Time: 1<<63 + 5}
	for _, tt := range []struct {
		name string
		view []byte
		want [32]byte
	}{
		{"log id", contracts.PackLogID(), logID},
		{"member set", contracts.PackMembersHash(), m.hash()},
		{"checkpoint", contracts.PackCheckpointDigest(cp), m.checkpointDigest(cp)},
	} {
		if got := c.view(log, tt.view); !bytes.Equal(got, tt.want[:]) {
			t.Errorf("%s: got %x, want %x", tt.name, got, tt.want)
		}
	}
}

func TestSubmit(t *testing.T) {
	c, m := newChain(t), newMembers(4, 3)
	log := c.deploy(contracts.NewAnchorLog(logID, m.addresses, m.k))
	head := func() contracts.Checkpoint {
		h, err := contracts.UnpackHead(c.view(log, contracts.PackHead()))
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	if got := head(); got != (contracts.Checkpoint{}) {
		t.Errorf("head before the first: %+v", got)
	}
	first := contracts.Checkpoint{Size: 7, Root: root("first"), Time: 100}
	second := contracts.Checkpoint{Size: 8, Root: root("second"), Time: 101}
	for _, step := range []struct {
		cp  contracts.Checkpoint
		who []int
	}{{first, []int{0, 2, 3}}, {second, []int{0, 1, 2, 3}}} {
		receipt := c.run(log, m.checkpoint(step.cp, step.who...))
		if len(receipt.Logs) != 1 {
			t.Fatalf("%d events", len(receipt.Logs))
		}
		event, err := contracts.ParseAnchored(topics(receipt.Logs[0]), receipt.Logs[0].Data)
		if err != nil || event != step.cp {
			t.Errorf("event %+v, %v; want %+v", event, err, step.cp)
		}
		if got := head(); got != step.cp {
			t.Errorf("head %+v, want %+v", got, step.cp)
		}
	}
	for size, want := range map[uint64][32]byte{0: {}, 7: first.Root, 8: second.Root, 9: {}} {
		if got := c.view(log, contracts.PackRootAt(size)); !bytes.Equal(got, want[:]) {
			t.Errorf("root at %d: %x, want %x", size, got, want)
		}
	}
	for size, want := range map[uint64]bool{7: true, 8: true, 9: false} {
		if got := bytes.Equal(c.view(log, contracts.PackSizeReached(size)), contracts.True()); got != want {
			t.Errorf("reached %d: %v, want %v", size, got, want)
		}
	}
	for _, again := range []contracts.Checkpoint{first, second} {
		// Not even signatures are needed: nothing changes.
		if receipt := c.run(log, contracts.PackSubmit(again, m.sign([32]byte{}))); len(receipt.Logs) != 0 {
			t.Errorf("replay of size %d made an event", again.Size)
		}
	}
	if got := head(); got != second {
		t.Errorf("head after replays: %+v", got)
	}
}

func topics(l *types.Log) [][32]byte {
	var out [][32]byte
	for _, topic := range l.Topics {
		out = append(out, topic)
	}
	return out
}

func TestSubmitRefuses(t *testing.T) {
	c, m := newChain(t), newMembers(4, 3)
	log := c.deploy(contracts.NewAnchorLog(logID, m.addresses, m.k))
	old := contracts.Checkpoint{Size: 5, Root: root("old"), Time: 90}
	now := contracts.Checkpoint{Size: 7, Root: root("now"), Time: 100}
	c.run(log, m.checkpoint(old, 0, 1, 2))
	c.run(log, m.checkpoint(now, 0, 1, 2))
	next := contracts.Checkpoint{Size: 8, Root: root("next"), Time: 101}
	digest := m.checkpointDigest(next)
	with := func(change func(*contracts.Checkpoint)) []byte {
		cp := next
		change(&cp)
		return m.checkpoint(cp, 0, 1, 2)
	}
	signed := func(change func(*contracts.Signatures)) []byte {
		s := m.sign(digest, 0, 1, 2)
		change(&s)
		return contracts.PackSubmit(next, s)
	}
	for _, tt := range []struct {
		name, want string
		data       []byte
	}{
		{"zero root", "ZeroRoot", with(func(cp *contracts.Checkpoint) { cp.Root = [32]byte{} })},
		{"head's size, other root", "RootConflict", with(func(cp *contracts.Checkpoint) { cp.Size = 7 })},
		{"old size, other root", "RootConflict", with(func(cp *contracts.Checkpoint) { cp.Size = 5 })},
		{"smaller size", "SizeNotLarger", with(func(cp *contracts.Checkpoint) { cp.Size = 6 })},
		{"size 0", "SizeNotLarger", with(func(cp *contracts.Checkpoint) { cp.Size = 0 })},
		{"head's time", "TimeNotLater", with(func(cp *contracts.Checkpoint) { cp.Time = 100 })},
		{"earlier time", "TimeNotLater", with(func(cp *contracts.Checkpoint) { cp.Time = 99 })},
		{"K - 1 signatures", "TooFewSignatures[2 3]", m.checkpoint(next, 1, 3)},
		{"no signatures", "TooFewSignatures[0 3]", m.checkpoint(next)},
		{"no signatures with bits", "BadSignatureLength[0 195]", signed(func(s *contracts.Signatures) { s.Bytes = nil })},
		{"one byte short", "BadSignatureLength[194 195]", signed(func(s *contracts.Signatures) { s.Bytes = s.Bytes[:194] })},
		{"one byte more", "BadSignatureLength[196 195]", signed(func(s *contracts.Signatures) { s.Bytes = append(s.Bytes, 0) })},
		{"one signature more", "BadSignatureLength[260 195]", signed(func(s *contracts.Signatures) { s.Bytes = append(s.Bytes, s.Bytes[:65]...) })},
		{"duplicate", "WrongSigner", signed(func(s *contracts.Signatures) { copy(s.Bytes[65:130], s.Bytes[:65]) })},
		{"unsorted", "WrongSigner", signed(func(s *contracts.Signatures) {
			s.Bytes = slices.Concat(s.Bytes[65:130], s.Bytes[:65], s.Bytes[130:])
		})},
		{"high s", "HighS[1]", signed(func(s *contracts.Signatures) { highS(s.Bytes[65:130]) })},
		{"v 0", "WrongSigner", signed(func(s *contracts.Signatures) { s.Bytes[64] -= 27 })},
		{"other v", "WrongSigner", signed(func(s *contracts.Signatures) { s.Bytes[64] ^= 27 ^ 28 })},
		{"r 0: recovers the zero address", "WrongSigner[0 0x0000000000000000000000000000000000000000]",
			signed(func(s *contracts.Signatures) { copy(s.Bytes, make([]byte, 32)) })},
		{"s 0", "WrongSigner", signed(func(s *contracts.Signatures) { copy(s.Bytes[32:], make([]byte, 32)) })},
		{"other digest", "WrongSigner", contracts.PackSubmit(next, m.sign(root("x"), 0, 1, 2))},
		{"bit of another member", "WrongSigner", signed(func(s *contracts.Signatures) { s.Signers = big.NewInt(0b1110) })},
		{"bit beyond the members", "UnknownSigner[23 4]", signed(func(s *contracts.Signatures) { s.Signers = big.NewInt(0b10111) })},
		{"last bit", "UnknownSigner", signed(func(s *contracts.Signatures) { s.Signers.SetBit(s.Signers, 255, 1) })},
		{"foreign set", "WrongMemberSet", contracts.PackSubmit(next, newMembers(5, 3).sign(digest, 0, 1, 2))},
		{"set without one", "WrongMemberSet", signed(func(s *contracts.Signatures) { s.Members = s.Members[:3] })},
		{"set in other order", "WrongMemberSet", signed(func(s *contracts.Signatures) {
			s.Members = [][20]byte{s.Members[1], s.Members[0], s.Members[2], s.Members[3]}
		})},
		{"empty set", "WrongMemberSet", signed(func(s *contracts.Signatures) { s.Members = nil })},
		{"zero address in the set", "WrongMemberSet", signed(func(s *contracts.Signatures) {
			s.Members = slices.Concat([][20]byte{{}}, s.Members[1:])
		})},
		{"another log's checkpoint", "WrongSigner", contracts.PackSubmit(next, m.sign(
			canon.CheckpointDigest(root("other log"), 1, m.hash(), next.Size, next.Root, next.Time), 0, 1, 2))},
		{"a future set version", "WrongSigner", contracts.PackSubmit(next, m.sign(
			canon.CheckpointDigest(logID, 2, m.hash(), next.Size, next.Root, next.Time), 0, 1, 2))},
		{"truncated calldata", "empty reason", m.checkpoint(next, 0, 1, 2)[:200]},
		{"size of 65 bits", "empty reason", slices.Concat(selector("submit(uint64,bytes32,uint64,address[],uint256,bytes)"),
			make([]byte, 23), []byte{1}, m.checkpoint(next, 0, 1, 2)[28:])},
		{"no such function", "empty reason", []byte{1, 2, 3, 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := c.refusal(&log, tt.data); !strings.HasPrefix(got, tt.want) {
				t.Errorf("refused with %q, want %q", got, tt.want)
			}
		})
	}
	if got := c.refusal(&log, m.checkpoint(next, 0, 1, 2)); got != "" {
		t.Errorf("the unchanged checkpoint is refused: %s", got)
	}
}

// highS turns a signature into its other valid form.
func highS(sig []byte) {
	s := new(big.Int).SetBytes(sig[32:64])
	s.Sub(crypto.S256().Params().N, s).FillBytes(sig[32:64])
	sig[64] ^= 27 ^ 28
}

func TestNewAnchorLogRefuses(t *testing.T) {
	c := newChain(t)
	m := newMembers(4, 3)
	swapped := slices.Clone(m.addresses)
	swapped[1], swapped[2] = swapped[2], swapped[1]
	for _, tt := range []struct {
		name, want string
		members    [][20]byte
		k          uint
	}{
		{"no members", "NoMembers", nil, 0},
		{"k 0", "BadThreshold[0 4]", m.addresses, 0},
		{"k above n", "BadThreshold[5 4]", m.addresses, 5},
		{"unsorted", "MembersNotAscending[2]", swapped, 3},
		{"duplicate", "MembersNotAscending[1]", [][20]byte{m.addresses[0], m.addresses[0]}, 1},
		{"zero address", "MembersNotAscending[0]", slices.Concat([][20]byte{{}}, m.addresses), 3},
		{"257 members", "TooManyMembers[257]", make([][20]byte, 257), 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := c.refusal(nil, contracts.NewAnchorLog(logID, tt.members, tt.k)); !strings.HasPrefix(got, tt.want) {
				t.Errorf("refused with %q, want %q", got, tt.want)
			}
			vault := contracts.NewRewardVault(c.deploy(contracts.NewTestToken(common.Big1)), big.NewInt(chainID), logID, tt.members, tt.k)
			if got := c.refusal(nil, vault); !strings.HasPrefix(got, tt.want) {
				t.Errorf("vault refused with %q, want %q", got, tt.want)
			}
		})
	}
}

// The bitmap's last bit is a member like any other.
func TestSubmitWith256Members(t *testing.T) {
	c, m := newChain(t), newMembers(256, 2)
	log := c.deploy(contracts.NewAnchorLog(logID, m.addresses, m.k))
	c.run(log, m.checkpoint(contracts.Checkpoint{Size: 1, Root: root("a"), Time: 1}, 0, 255))
	if got := c.refusal(&log, m.checkpoint(contracts.Checkpoint{Size: 2, Root: root("b"), Time: 2}, 255)); got != "TooFewSignatures[1 2]" {
		t.Errorf("refused with %q", got)
	}
}
