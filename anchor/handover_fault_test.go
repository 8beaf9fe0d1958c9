package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/signer/signertest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// RO-11: every member is killed once before and once after each thing that it does, from
// the decision to the chains. What it signed is on disk by then, and signed once.
func TestKilledWhileHandingOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.recorded()
	w.members[2].coming("second")
	killed := map[string]bool{}
	w.border = func(msp, at string) {
		if border := msp + " " + at; !killed[border] {
			killed[border] = true
			panic(errKilled)
		}
	}
	value := w.membership(3, w.members...)
	from := len(w.blocks)
	w.decide("members", value)
	w.rotated(2)
	after := w.recorded()
	w.border = nil
	w.tickFor(5 * time.Second)
	w.quiet()
	if not := w.verdicts(w.members[2], after, w.policy()); len(not) > 0 {
		t.Errorf("%q", not)
	}
	done := map[string]int{}
	for _, b := range w.blocks[from:] {
		for _, wr := range b.Txs[0].Writes {
			if key, _, _ := strings.Cut(string(wr.Key), "/"); key == "rotationsig" || key == "rotation" && b.Txs[0].Code == 0 {
				done[string(wr.Key)]++
			}
		}
	}
	// The set that waits is written and removed.
	for key, n := range done {
		if want := map[bool]int{true: 2, false: 1}[key == "rotation/next"]; n != want {
			t.Errorf("%s was written %d times, want %d", key, n, want)
		}
	}
	for _, ch := range w.chains {
		if ch.reverted > 0 {
			t.Errorf("%s: %d transactions failed", ch.id, ch.reverted)
		}
	}
	for _, what := range []string{"checkpoint:SignRotation", "checkpoint:Rotate", "checkpoint:Cosign", "checkpoint:Accept", "submit", "rotate"} {
		for _, when := range []string{"before ", "after "} {
			if !slices.ContainsFunc(w.members, func(m *fakeMember) bool { return killed[m.keys.msp+" "+when+what] }) {
				t.Errorf("nobody was killed %s%s: %v", when, what, killed)
			}
		}
	}
}

// RO-10: a hand-over that K members signed and that never comes is an alarm too, whatever
// peers answer.
func TestHandOverNeverComes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.until("a checkpoint", 20*time.Second, func() bool { return w.head().Number > 0 })
	w.members[0].coming("second")
	w.failing, w.failure = "checkpoint:Rotate", fault.New(fault.NoQuorum, "Org1MSP has not signed")
	w.decide("members", w.membership(3, w.members...))
	w.tickFor(rotateWithin + 5*time.Second)
	for _, m := range w.members {
		if a := strings.Join(m.alarms.list(), "\n"); !strings.Contains(a, "member set 2 waits, and no checkpoint is made: 4 members have signed") {
			t.Errorf("%s: alarms %q", m.keys.msp, a)
		}
	}
	w.failing = ""
	w.until("in force", time.Minute, func() bool { return w.inForce().SetVersion == 2 })
	w.tickFor(3 * time.Second)
	w.quiet()
}

// RO-14: what an endpoint says of members that can be no member set of this ledger, or is
// none yet, is an alarm as long as it says so, and brings nothing down.
func TestEndpointLiesAboutMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.recorded()
	ch := w.chains[0]
	set1 := ch.blocks[0].sets[0]
	for alarm, sets := range map[string][]contracts.Newest{
		"version 0; they count from 1":                                     {{}},
		"has member set 2, the own peer's blocks have none after set 1":    {set1, {Version: 2, From: 1 << 40}},
		"has member set 9999, the own peer's blocks have none after set 1": {set1, {Version: 9999, From: 1 << 40}},
	} {
		ch.says = sets
		w.tickFor(2 * time.Second)
		for _, m := range w.members {
			if a := strings.Join(m.alarms.list(), "\n"); !strings.Contains(a, alarm) || strings.Contains(a, "halted") {
				t.Errorf("%s: alarms %q, want %q", m.keys.msp, a, alarm)
			}
		}
		ch.says = nil
		w.tickFor(2 * time.Second)
		w.quiet()
	}
	w.recorded()
}

// RO-18: nothing is planned with a signature that the contract would refuse: not of
// another set, not of another member, not damaged. K good ones are enough.
func TestCollectGoodSignatures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := w.policy().Set()
	digest := canon.Sum([]byte("what is signed"))
	sign := func(m *fakeMember, digest [32]byte) [65]byte { return signertest.Sign(m.keys.attest, digest) }
	damaged := sign(w.members[1], digest)
	damaged[3]++
	for name, bad := range map[string][65]byte{
		"of another digest": sign(w.members[1], canon.Sum([]byte("of another set"))),
		"of another member": sign(w.members[0], digest),
		"damaged":           damaged,
		"empty":             {},
	} {
		by := map[string][65]byte{"Org1MSP": sign(w.members[0], digest), "Org2MSP": bad, "Org3MSP": sign(w.members[2], digest)}
		if s, err := collect(set, digest, by); err == nil {
			t.Errorf("%s: %+v with two good ones", name, s)
		}
		by["Org4MSP"] = sign(w.members[3], digest)
		s, err := collect(set, digest, by)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_, msps := onContracts(set)
		at := 0
		for i, msp := range msps {
			if s.Signers.Bit(i) == 0 {
				continue
			}
			if want := by[msp]; msp == "Org2MSP" || string(s.Bytes[at:at+65]) != string(want[:]) {
				t.Errorf("%s: signature %d is not that of %s", name, at/65, msp)
			}
			at += 65
		}
		if at != 3*65 || len(s.Bytes) != at {
			t.Errorf("%s: %d bytes", name, len(s.Bytes))
		}
	}
}

// RO-18: a poster that knows of a set before only, while the index is further, plans
// nothing for the chain that could never work, and goes on with the set in force.
func TestPostUnderTheSetBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.recorded()
	m := w.members[0]
	before := m.members()
	w.members[1].coming("second")
	w.decide("members", w.membership(3, w.members...))
	w.rotated(2)
	anchored := w.recorded()
	w.tickFor(m.cfg.Cadence.Post)
	for _, ch := range w.chains {
		ch.down = true
	}
	w.cutRecord()
	var want point
	w.until("a checkpoint to be anchored", time.Minute, func() (ok bool) {
		var err error
		want, ok, err = m.index.toPost(t.Context())
		return err == nil && ok && want.Size > anchored+1 && !w.anchored(want.Size)
	})
	for _, ch := range w.chains {
		ch.down = false
	}
	p, now := newPoster(m.anchor), m.members()
	m.roster.now.Store(before)
	var err error
	for range 2 {
		err = p.step(t.Context())
		w.now = w.now.Add(time.Duration(len(w.members)) * takeover)
	}
	if err == nil || !strings.Contains(err.Error(), "good signatures of member set 1, want 3") {
		t.Errorf("under set 1: %v", err)
	}
	m.roster.now.Store(now)
	for _, other := range w.members[1:] {
		other.asleep = true
	}
	w.until("anchored by this member", time.Minute, func() bool { return w.anchored(want.Size) })
}

// CP-4: an anchor whose log was lost, and whose peer hides a signature by which members handed
// over, says so and signs nothing, also when the peer is right again; with a log made anew it
// goes on.
func TestPeerHidesAHandOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.recorded()
	w.members[2].coming("second")
	w.decide("members", w.membership(3, w.members...))
	w.rotated(2)
	at := slices.IndexFunc(w.blocks, func(b *block.Block) bool {
		return slices.ContainsFunc(b.Txs[0].Writes, func(wr block.Write) bool { return strings.HasPrefix(string(wr.Key), "rotationsig/") })
	})
	m, good := w.members[1], w.blocks[at]
	forged := *good
	forged.Txs = slices.Clone(good.Txs)
	forged.Txs[0].Writes = nil
	m.stop()
	m.forget()
	m.start()
	before := w.noForks("Org2MSP")
	w.blocks[at] = &forged
	m.step()
	w.blocks[at] = good
	for range 2 {
		if a := strings.Join(m.alarms.list(), "\n"); !strings.Contains(a, "rotation to set 2: 2 of 4 members of set 1 signed, want 3") {
			t.Errorf("alarms %q", a)
		}
		m.asleep = true
		w.checkpoints(2)
		m.asleep = false
		m.step()
	}
	if now := w.noForks("Org2MSP"); now != before {
		t.Errorf("%d signatures on another history", now-before)
	}
	m.stop()
	m.forget()
	m.start()
	w.checkpoints(2)
	w.tickFor(5 * time.Second)
	w.quiet()
	if w.noForks("Org2MSP") <= before {
		t.Error("it signs no more")
	}
}
