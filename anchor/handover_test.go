package main

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// RO-8: a member gets new keys while its anchor runs: nobody stops anything, and what
// was proved before and after is proved to whoever pins the set before or the next one.
func TestKeysAreReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.recorded()
	m := w.members[1]
	old := *m.keys
	m.coming("second")
	w.decide("members", w.membership(3, w.members...))
	w.rotated(2)
	after := w.recorded()
	w.tickFor(5 * time.Second)
	w.quiet()
	if v, err := m.status(t.Context()); err != nil || v.Set != 2 || v.Next != 0 || v.Chains[0].Set != 2 || v.Chains[1].Set != 2 {
		t.Errorf("status %+v, %v", v, err)
	}
	p1, p2 := w.policy(), w.policyOf(2)
	for _, m := range w.members {
		if not := append(w.verdicts(m, before, p1), w.verdicts(m, after, p1)...); len(not) > 0 {
			t.Errorf("%s, policy of set 1: %q", m.keys.msp, not)
		}
		if not := w.verdicts(m, after, p2); len(not) > 0 {
			t.Errorf("%s, policy of set 2: %q", m.keys.msp, not)
		}
	}
	for _, ch := range w.chains {
		if ch.reverted > 0 {
			t.Errorf("%s: %d transactions failed", ch.id, ch.reverted)
		}
	}
	// The old keys sign nothing that counts.
	size := w.head().Size + 1
	root, err := m.log.Root(size)
	if err != nil {
		t.Fatal(err)
	}
	c := log.Checkpoint{Network: network, LogID: w.blocks[0].HeaderHash, Size: size, Root: root, Time: uint64(w.now.Unix())}
	s, err := old.sign(t.Context(), m.members().set(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	err = w.execute(old.msp, "checkpoint:Cosign", map[string]any{
		"size": size, "root": canon.Hex(root[:]), "time": c.Time,
		"ed25519":   base64.StdEncoding.EncodeToString(s.Ed25519[:]),
		"secp256k1": base64.StdEncoding.EncodeToString(s.Secp256k1[:]),
	})
	if err == nil || !strings.Contains(err.Error(), "bad_signature") {
		t.Errorf("a cosignature by the old keys: %v", err)
	}
	// Files are renamed one after the other, with restarts anywhere.
	for _, k := range []*keys{
		{msp: old.msp, sender: old.sender, cosign: m.keys.nextCosign, attest: old.attest, nextAttest: m.keys.nextAttest},
		{msp: old.msp, sender: old.sender, cosign: m.keys.nextCosign, attest: m.keys.nextAttest},
	} {
		m.stop()
		m.keys = k
		m.start()
		w.recorded()
		w.quiet()
	}
}

// RO-9: whoever leaves follows and serves, signs nothing and says why; whoever joins
// signs once the set is in force.
func TestMemberLeavesAndJoins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.recorded()
	leaves, joins := w.members[3], w.newMember(4)
	w.members = append(w.members, joins)
	joins.cfg = w.config(0, joins.dir, leaves.cfg.Members)
	joins.cfg.Organisation, joins.cfg.Fabric.MSPID = "Org5MSP", "Org5MSP"
	joins.start()
	w.tickFor(5 * time.Second)
	if a := strings.Join(joins.alarms.list(), "\n"); !strings.Contains(a, "Org5MSP is not in member set 1") {
		t.Errorf("alarms %q before it joins", a)
	}
	w.decide("members", w.membership(3, append(slices.Clone(w.members[:3]), joins)...))
	w.rotated(2)
	after := w.recorded()
	w.quiet(leaves)
	if a := leaves.alarms.list(); len(a) != 1 || !strings.Contains(a[0], "Org4MSP is not in member set 2") {
		t.Errorf("alarms %q after it left", a)
	}
	if not := w.verdicts(leaves, after, w.policy()); len(not) > 0 {
		t.Errorf("served by whoever left: %q", not)
	}
	w.members[0].asleep = true // the others need the new one
	w.recorded()
	for _, b := range w.blocks[after:] {
		if args := b.Txs[0].Args; len(args) > 0 && string(args[0]) == "checkpoint:Accept" && strings.Contains(string(args[1]), "Org4MSP") {
			t.Errorf("block %d: %s", b.Number, args[1])
		}
	}
}

// RO-10: N - K members who are silent, or who withhold their signatures, hold up nothing;
// more of them do, which is an alarm, and nothing is in force without K.
func TestSilentMembersWhileASetWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.recorded()
	w.members[2].asleep, w.members[3].asleep = true, true
	w.members[0].coming("second")
	w.decide("members", w.membership(3, w.members...))
	from := w.head().Number
	w.tickFor(time.Minute)
	if w.inForce().SetVersion != 1 || w.head().Number != from {
		t.Fatal("two members handed over, or made a checkpoint")
	}
	if a := strings.Join(w.members[0].alarms.list(), "\n"); !strings.Contains(a, "member set 2 waits, and no checkpoint is made: 2 members have signed (Org1MSP Org2MSP), 3 have to") {
		t.Errorf("alarms %q", a)
	}
	w.members[2].asleep = false // and the fourth withholds its signature
	w.rotated(2)
	w.recorded()
	w.quiet(w.members[3])
	// The one that comes back late goes on with the others.
	w.members[3].asleep = false
	w.members[0].asleep = true
	w.recorded()
	w.quiet(w.members[0])
}

// RO-11: kills at any moment between the decision and the anchor are made up for by the
// next start: nothing is signed twice in two ways, and no rotation is paid twice.
func TestRestartsWhileHandingOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.recorded()
	w.members[2].coming("second")
	w.decide("members", w.membership(3, w.members...))
	at := 0
	w.until("all have restarted again and again until it is on the chains", 3*time.Minute, func() bool {
		m := w.members[at%4]
		m.stop()
		m.start()
		at++
		for _, ch := range w.chains {
			if ch.block(send.Final).newest().Version < 2 {
				return false
			}
		}
		return true
	})
	after := w.recorded()
	w.tickFor(5 * time.Second)
	w.quiet()
	if not := w.verdicts(w.members[2], after, w.policy()); len(not) > 0 {
		t.Errorf("%q", not)
	}
	signed := map[string]int{}
	for _, b := range w.blocks {
		for _, wr := range b.Txs[0].Writes {
			if key := string(wr.Key); strings.HasPrefix(key, "rotationsig/") {
				signed[key]++
			}
		}
	}
	if len(signed) < 3 {
		t.Errorf("signatures %v", signed)
	}
	for _, ch := range w.chains {
		if ch.reverted > 0 {
			t.Errorf("%s: %d transactions failed", ch.id, ch.reverted)
		}
	}
}

// RO-12: an answer that got lost, or a transaction that was not ordered, is made up for.
func TestHandOverAnswersAreLost(t *testing.T) {
	t.Parallel()
	for _, function := range []string{"checkpoint:SignRotation", "checkpoint:Rotate"} {
		for _, done := range []bool{false, true} {
			w := newWorld(t)
			w.until("a checkpoint", 20*time.Second, func() bool { return w.head().Number > 0 })
			w.members[0].coming("second")
			w.failing, w.done = function, done
			w.decide("members", w.membership(3, w.members...))
			w.tickFor(8 * time.Second)
			w.failing = ""
			w.until("in force", time.Minute, func() bool { return w.inForce().SetVersion == 2 })
			w.tickFor(3 * time.Second)
			w.quiet()
		}
	}
}

// RO-13: a set that another member brought to a chain, or that K members decided while a
// chain was down, goes there once and in order; checkpoints of the new set follow it.
func TestRotationsReachChains(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.recorded()
	down := w.chains[1]
	down.down = true
	for version := uint64(2); version <= 3; version++ {
		w.members[version].coming("keys " + string('0'+rune(version)))
		w.decide("members", w.membership(3, w.members...))
		w.until("in force", time.Minute, func() bool { return w.inForce().SetVersion == version })
		from := w.head().Number
		w.until("a checkpoint of its own", time.Minute, func() bool { return w.head().Number > from })
	}
	down.down = false
	w.rotated(3)
	after := w.recorded()
	if not := w.verdicts(w.members[0], after, w.policy()); len(not) > 0 {
		t.Errorf("%q", not)
	}
	paid := 0
	for _, m := range w.members {
		for _, id := range []string{rotateIntent(down.id, 2), rotateIntent(down.id, 3)} {
			if st, err := m.sender.Status(t.Context(), id); err == nil && len(st.Tries) > 0 {
				paid++
			}
		}
	}
	if paid != 2 || down.reverted > 0 {
		t.Errorf("%d rotations were paid for, %d transactions failed", paid, down.reverted)
	}
	w.tickFor(5 * time.Second)
	w.quiet()
}

// RO-14: a contract that hands over to a set that the ledger does not have, or that is
// frozen, gets nothing any more.
func TestChainHasOtherMembers(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(b *chainBlock){
		"frozen": func(b *chainBlock) { b.sets = slices.Clone(b.sets); b.sets[0].Frozen = true },
		"fork: AnchorLog has member set 1": func(b *chainBlock) {
			b.sets = slices.Clone(b.sets)
			b.sets[0].Hash[0]++
		},
	} {
		w := newWorld(t)
		w.recorded()
		ch := w.chains[0]
		for i := range ch.blocks {
			edit(&ch.blocks[i])
		}
		w.tickFor(15 * time.Second)
		fees := ch.fees()
		w.cutRecord()
		w.tickFor(2 * time.Minute)
		if ch.fees() != fees {
			t.Errorf("%s: %d transactions afterwards", name, ch.fees()-fees)
		}
		for _, m := range w.members {
			if a := strings.Join(m.alarms.list(), "\n"); !strings.Contains(a, ch.id+" is halted: "+name) {
				t.Errorf("%s: alarms %q", name, a)
			}
		}
	}
}

// RO-15: a ledger whose history was replaced gets no second set of a version signed.
func TestOneRotationForAVersion(t *testing.T) {
	s, err := openSigned(t.TempDir() + "/signed.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.rotation(2, [32]byte{1}); err != nil {
		t.Fatal(err)
	}
	if s, err = openSigned(s.path); err != nil {
		t.Fatal(err)
	}
	if err := s.rotation(2, [32]byte{1}); err != nil {
		t.Error(err)
	}
	if err := s.rotation(2, [32]byte{2}); err == nil || !strings.Contains(err.Error(), "fork") {
		t.Errorf("another set 2: %v", err)
	}
	if err := s.rotation(3, [32]byte{3}); err != nil {
		t.Error(err)
	}
	if err := s.rotation(2, [32]byte{1}); err == nil {
		t.Error("set 2 after set 3")
	}
}

// RO-16: an anchor without the keys that the set in force names says what to do, and goes
// on once they are there.
func TestKeysAreMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.recorded()
	m := w.members[1]
	had := m.keys
	m.coming("second")
	next := m.keys
	value := w.membership(3, w.members...)
	m.keys = had
	w.decide("members", value)
	w.rotated(2)
	w.tickFor(5 * time.Second)
	if a := strings.Join(m.alarms.list(), "\n"); !strings.Contains(a, "member set 2 names") || !strings.Contains(a, "no key files hold them") {
		t.Errorf("alarms %q", a)
	}
	open := m.roster.open
	m.roster.open = func() (*keys, error) { return nil, errors.New("attest.key.next can be read by others") }
	w.tickFor(2 * time.Second)
	if a := strings.Join(m.alarms.list(), "\n"); !strings.Contains(a, "no key files hold them") || !strings.Contains(a, "can be read by others") {
		t.Errorf("alarms %q", a)
	}
	m.roster.open = open
	m.keys = next
	w.members[0].asleep = true
	w.recorded()
	w.quiet(w.members[0])
}
