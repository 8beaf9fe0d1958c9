package log_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// third is a set after the next one, from size 7 on, of the first members: A to B to A.
func (l *fixture) third(t testing.TB) consortium { return consortiumOf(t, l.id, 3, 3, 0, 1, 2, 3) }

// forgery is a bundle of size 7 that somebody makes who has keys of former members,
// or too few of the present ones.
type forgery struct {
	name, failed string // the first check that fails
	bundle       func(t testing.TB, l *fixture) *log.Bundle
}

func forgeries() []forgery {
	rotation := func(f func(t testing.TB, l *fixture, e *log.Evidence)) func(testing.TB, *fixture) *log.Bundle {
		return func(t testing.TB, l *fixture) *log.Bundle {
			return l.rotated(t, 0, func(e *log.Evidence) {
				e.Rotations = slices.Clone(e.Rotations)
				f(t, l, e)
			})
		}
	}
	return []forgery{
		{"former members after the rotation", "chain " + evm, rotation(func(t testing.TB, l *fixture, e *log.Evidence) {
			e.SetVersion, e.Rotations, e.Note = 1, nil, l.consortium.note(t, l.checkpoint(7), 0, 1, 3)
		})},
		{"former members in the name of the next set", "cosignatures", rotation(func(t testing.TB, l *fixture, e *log.Evidence) {
			e.Note = consortiumOf(t, l.id, 2, 3, 0, 1, 2, 3).note(t, l.checkpoint(7), 0, 1, 3)
		})},
		{"no rotation", "members", rotation(func(_ testing.TB, _ *fixture, e *log.Evidence) { e.Rotations = nil })},
		{"skipped rotation", "members", rotation(func(t testing.TB, l *fixture, e *log.Evidence) {
			a := l.third(t)
			e.SetVersion, e.Rotations, e.Note = 3, []log.Rotation{l.next.handOver(t, a, 7, 0, 1, 2)}, a.note(t, l.checkpoint(7), 0, 1, 3)
		})},
		{"skipped version", "members", rotation(func(t testing.TB, l *fixture, e *log.Evidence) {
			a := l.third(t)
			e.SetVersion, e.Rotations, e.Note = 3, []log.Rotation{l.consortium.handOver(t, a, 7, 0, 1, 2)}, a.note(t, l.checkpoint(7), 0, 1, 3)
		})},
		{"replayed rotation", "members", rotation(func(t testing.TB, l *fixture, e *log.Evidence) {
			again := l.rotation
			again.Version, again.From = 3, 7
			e.SetVersion, e.Rotations = 3, append(e.Rotations, again)
			e.Note = consortiumOf(t, l.id, 3, 3, 0, 1, 2, 4).note(t, l.checkpoint(7), 0, 1, 2)
		})},
		{"the same rotation twice", "form", rotation(func(_ testing.TB, l *fixture, e *log.Evidence) {
			e.Rotations = append(e.Rotations, l.rotation)
		})},
		{"A to B to A by the keys of A", "members", rotation(func(t testing.TB, l *fixture, e *log.Evidence) {
			a := l.third(t)
			back := l.next.handOver(t, a, 7)
			set, err := log.NewSet(network, l.id, 3, 7, 3, a.Members)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range []int{0, 1, 3} {
				back.Signatures = append(back.Signatures, canon.SignDigest(l.secp[i], l.next.Set().RotationDigest(set)))
			}
			e.SetVersion, e.Rotations, e.Note = 3, append(e.Rotations, back), a.note(t, l.checkpoint(7), 0, 1, 3)
		})},
		{"rotation by K - 1", "members", rotation(func(t testing.TB, l *fixture, e *log.Evidence) {
			e.Rotations[0] = l.consortium.handOver(t, l.next, 6, 0, 1)
		})},
		{"rotation by one member twice", "members", rotation(func(t testing.TB, l *fixture, e *log.Evidence) {
			e.Rotations[0] = l.consortium.handOver(t, l.next, 6, 0, 1, 1)
		})},
		{"signatures out of member order", "members", rotation(func(t testing.TB, l *fixture, e *log.Evidence) {
			e.Rotations[0] = l.consortium.handOver(t, l.next, 6, 1, 0, 2)
		})},
		{"rotation from another size than signed", "members", rotation(func(_ testing.TB, _ *fixture, e *log.Evidence) { e.Rotations[0].From = 7 })},
		{"rotation to another k than signed", "members", rotation(func(_ testing.TB, _ *fixture, e *log.Evidence) { e.Rotations[0].K = 2 })},
		{"rotation to another Ed25519 key than signed", "members", rotation(func(t testing.TB, l *fixture, e *log.Evidence) {
			members := slices.Clone(l.rotation.Members)
			other := consortiumOf(t, l.id, 2, 1, 9).Members[0].Cosign
			members[3].Cosign = cosigner(t, members[3].MSP, strings.SplitN(other, "+", 3)[2])
			e.Rotations[0].Members = members
		})},
		{"rotation that states the keys of who keeps them", "members", rotation(func(_ testing.TB, l *fixture, e *log.Evidence) {
			e.Rotations[0].Members = l.next.Members
		})},
		{"rotation without the keys of who joins", "members", rotation(func(_ testing.TB, l *fixture, e *log.Evidence) {
			e.Rotations[0].Members = append(slices.Clone(l.rotation.Members[:3]), log.Member{MSP: l.rotation.Members[3].MSP})
		})},
		{"rotation of members in another order than signed", "members", rotation(func(_ testing.TB, l *fixture, e *log.Evidence) {
			e.Rotations[0].Members = []log.Member{l.rotation.Members[1], l.rotation.Members[0], l.rotation.Members[2], l.rotation.Members[3]}
		})},
		{"rotation of another log", "members", rotation(func(t testing.TB, l *fixture, e *log.Evidence) {
			id := [32]byte{7}
			e.Rotations[0] = newConsortium(t, id, 4, 3).handOver(t, consortiumOf(t, id, 2, 3, 0, 1, 2, 4), 6, 0, 1, 3)
		})},
		{"rotation that the chain did not take", "chain " + evm, rotation(func(t testing.TB, l *fixture, e *log.Evidence) {
			other := consortiumOf(t, l.id, 2, 3, 0, 1, 2, 5)
			e.Rotations, e.Note = []log.Rotation{l.consortium.handOver(t, other, 6, 0, 1, 3)}, other.note(t, l.checkpoint(7), 0, 1, 3)
		})},
		{"rotation from a size that the chain did not take", "chain " + evm, rotation(func(t testing.TB, l *fixture, e *log.Evidence) {
			e.Rotations[0] = l.consortium.handOver(t, l.next, 7, 0, 1, 3)
		})},
		{"checkpoint below the set's first size", "cosignatures", rotation(func(t testing.TB, l *fixture, e *log.Evidence) {
			e.Note, e.Anchors = l.next.note(t, l.checkpoint(5), 0, 1, 2), l.anchors(5)
		})},
	}
}

// cosigner is the verifier key of a member with another's key.
func cosigner(t testing.TB, msp, encoded string) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return log.CosignerKey(msp, network, raw[1:])
}

func TestForgedRotations(t *testing.T) {
	l := newFixture(t)
	for _, f := range forgeries() {
		t.Run(f.name, func(t *testing.T) {
			data := marshal(t, f.bundle(t, l))
			b, err := log.ParseBundle(data)
			if err != nil {
				if f.failed != "form" {
					t.Error(err)
				}
				return
			}
			for _, c := range l.checks(b, l.Policy) {
				if c.Status == log.Failed {
					if c.Name != f.failed {
						t.Errorf("failed at %s, want %s: %s", c.Name, f.failed, c.Text)
					}
					return
				}
			}
			t.Error("nothing failed")
		})
	}
}

// The policies of before and after, and one of a set that never was.
func TestRotatedBundle(t *testing.T) {
	l := newFixture(t)
	later := func(b *log.Bundle) *log.Bundle { // the same by the third set
		third := l.third(t)
		root := l.checkpoint(7)
		b.SetVersion, b.Rotations = 3, append(slices.Clone(b.Rotations), l.next.handOver(t, third, 7, 0, 1, 2))
		n, err := log.ParseNote(third.note(t, root, 0, 1, 2))
		if err != nil {
			t.Fatal(err)
		}
		b.Note = *n
		return b
	}
	pinned := func(version uint64, members ...int) *log.Policy {
		return consortiumOf(t, l.id, version, 3, members...).Policy
	}
	tests := []struct {
		name   string
		policy *log.Policy
		bundle *log.Bundle
		want   log.Status
		text   string
	}{
		{"policy of before", l.Policy, l.rotated(t, 0), log.Passed, "handed over from set 1"},
		{"policy of the set", l.next.Policy, l.rotated(t, 0), log.Passed, "which the policy pins"},
		{"policy of the set, no rotations", l.next.Policy, l.rotated(t, 0, func(e *log.Evidence) { e.Rotations = nil }), log.Passed, "which the policy pins"},
		{"policy of other members", pinned(2, 0, 1, 2, 3), l.rotated(t, 0), log.Failed, "signature of Org1MSP does not verify"},
		{"policy of later", pinned(3, 0, 1, 2, 3), l.rotated(t, 0), log.Unchecked, "older ones cannot be checked"},
		{"bundle of before, policy of later", l.next.Policy, l.bundle(t, 2, 1, 0), log.Unchecked, "older ones cannot be checked"},
		{"two rotations", l.Policy, later(l.rotated(t, 0)), log.Passed, "2 handed over from set 1"},
		{"two rotations, policy between them", l.next.Policy, later(l.rotated(t, 0)), log.Passed, "1 handed over from set 2"},
		{"two rotations, policy of other members between them", pinned(2, 0, 1, 2, 3), later(l.rotated(t, 0)), log.Failed, "are those of set 2"},
		{"two rotations, policy of the last", l.third(t).Policy, later(l.rotated(t, 0)), log.Passed, "which the policy pins"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data := marshal(t, tt.bundle)
			b, err := log.ParseBundle(data)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.bundle, b); d != "" {
				t.Error(d)
			}
			checks := b.Verify(tt.policy)
			if log.Worst(checks) != tt.want || !strings.Contains(fmt.Sprint(checks), tt.text) {
				t.Errorf("got %v", checks)
			}
		})
	}
	// On a chain, too, a newer policy leaves an older bundle open.
	checks := l.checks(l.bundle(t, 2, 1, 0), l.next.Policy)
	if log.Worst(checks) != log.Unchecked || !strings.Contains(fmt.Sprint(checks), "member set 1 is not known here") {
		t.Errorf("got %v", checks)
	}
}

// What a bundle says of later sets beyond their addresses and K rests on the members
// before them alone: K former ones can give the members of a set other names, though
// nothing that these have not signed.
func TestNamesOfLaterSets(t *testing.T) {
	l := newFixture(t)
	b := l.rotated(t, 0)
	members := slices.Clone(l.next.Members)
	ed25519 := map[string][64]byte{}
	for i := range members {
		c := consortiumOf(t, l.id, 2, 1, 20+i)
		n, err := log.ParseNote(c.note(t, b.Note.Checkpoint, 0))
		if err != nil {
			t.Fatal(err)
		}
		name := "Other" + members[i].MSP
		ed25519[name] = n.Lines[0].Ed25519
		members[i].MSP, members[i].Cosign = name, cosigner(t, name, strings.SplitN(c.Members[0].Cosign, "+", 3)[2])
	}
	set, err := log.NewSet(network, l.id, 2, 6, 3, members)
	if err != nil {
		t.Fatal(err)
	}
	former := map[string][65]byte{}
	for _, i := range []int{0, 1, 3} {
		former[l.Members[i].MSP] = canon.SignDigest(l.secp[i], l.Set().RotationDigest(set))
	}
	r, err := l.Set().HandOver(set, former)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(c log.Checkpoint) ([]byte, error) {
		var cosignatures []log.Cosignature
		for _, line := range b.Note.Lines {
			name := "Other" + line.MSP
			cosignatures = append(cosignatures, log.Cosignature{MSP: name, Ed25519: ed25519[name], Secp256k1: line.Secp256k1})
		}
		return set.Note(c, cosignatures)
	}
	note, err := sign(b.Note.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	n, err := log.ParseNote(note)
	if err != nil {
		t.Fatal(err)
	}
	b.Rotations, b.Note = []log.Rotation{r}, *n
	if got := l.judge(marshal(t, b)); got != log.Passed {
		t.Error(got)
	}
	other := n.Checkpoint
	other.Root[0] ^= 1
	if _, err := sign(other); err == nil {
		t.Error("members of the set have signed another root")
	}
}

func TestHandOver(t *testing.T) {
	l := newFixture(t)
	r := l.rotation
	next, err := log.NewSet(network, l.id, r.Version, r.From, r.K, l.next.Members)
	if err != nil {
		t.Fatal(err)
	}
	signatures := map[string][65]byte{"Org9MSP": {1}, "Org3MSP": {1}}
	for i, at := range []int{0, 1, 3} {
		signatures[l.Members[at].MSP] = r.Signatures[i]
	}
	got, err := l.Set().HandOver(next, signatures)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(r, got); d != "" {
		t.Error(d)
	}
	sets := log.Sets{l.Set(), next}
	for size, want := range map[uint64]*log.Set{0: nil, 1: l.Set(), 5: l.Set(), 6: next, 1 << 60: next} {
		if got := sets.At(size); got != want {
			t.Errorf("size %d: %v", size, got)
		}
	}
	delete(signatures, l.Members[1].MSP)
	if _, err := l.Set().HandOver(next, signatures); err == nil {
		t.Error("handed over by two")
	}
	for name, edit := range map[string]func(s *log.Set){
		"no members": func(s *log.Set) { s.Members = nil }, "k": func(s *log.Set) { s.K = 5 }, "version": func(s *log.Set) { s.Version = 0 },
	} {
		s := log.Set{Version: 2, From: 6, K: 3, Members: l.next.Members}
		edit(&s)
		if _, err := log.NewSet(network, l.id, s.Version, s.From, s.K, s.Members); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// What a bundle weighs with 5 of 7 cosignatures and one rotation, in which one member
// joins, in a log of half a million blocks, in blocks of 16 transactions of 500 writes,
// to 4,000 payees.
func TestBundleSize(t *testing.T) {
	l := newFixture(t)
	l.consortium = newConsortium(t, l.id, 7, 5)
	l.next = consortiumOf(t, l.id, 2, 5, 0, 1, 2, 3, 4, 5, 7)
	l.rotation = l.handOver(t, l.next, 6, 0, 1, 2, 3, 4)
	l.later = l.next.note(t, l.checkpoint(7), 0, 1, 2, 3, 4)
	path := func(n int) (out []log.Hash) {
		for i := range n {
			out = append(out, canon.Sum([]byte{byte(i)}))
		}
		return out
	}
	for w, write := range l.blocks[2].Txs[1].Writes {
		if w == 8 {
			continue // makes no claim
		}
		b := l.rotated(t, w)
		if w == 7 {
			b.Payout = l.bundle(t, 2, 1, 7).Payout
			for len(b.Payout.Levels) < 12 {
				b.Payout.Levels = append(b.Payout.Levels, b.Payout.Levels[0])
			}
		}
		if got := b.Verify(l.Policy); w != 7 && log.Worst(got) != log.Passed {
			t.Errorf("%v", got)
		}
		b.Write.Path, b.TxPath, b.Path = path(9), path(4), path(19)
		if w == 7 {
			b.Write.Path = path(3) // a root is not written by a batch
		}
		size := len(marshal(t, b))
		t.Logf("%.40s: %d bytes", write.Key, size)
		if size > 6<<10 {
			t.Errorf("%s: %d bytes", write.Key, size)
		}
	}
}
