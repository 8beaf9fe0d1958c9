package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/chaincode/govern"
)

// handOver has members decide on another member set: new keys, one for another, one more or
// one less. Never are more of it bad than may be.
func (rw *randomWorld) handOver() {
	sets := rw.sets()
	set := sets[len(sets)-1]
	if rw.waits() || rw.head().Size < set.From {
		return // one waits, or this one has no checkpoint of its own yet
	}
	rw.ours = true
	defer func() { rw.ours = false }()
	rw.promote(set)
	var next []*fakeMember
	for _, m := range set.Members {
		next = append(next, rw.orgs[m.MSP].at[0])
	}
	at := 1 + rw.r.IntN(len(next)-1) // the first is the treasury, and stays
	what := ""
	switch kind := rw.r.IntN(6); {
	case kind == 0 && len(next) > 4:
		what = next[at].keys.msp + " leaves"
		next = slices.Delete(next, at, at+1)
	case kind == 1 && len(next) < 7 && len(rw.order) < 8:
		next = append(next, rw.joins())
		what = next[len(next)-1].keys.msp + " joins"
	case kind == 2 && len(rw.order) < 8:
		left := next[at].keys.msp
		next[at] = rw.joins()
		what = next[at].keys.msp + " takes the place of " + left
	default:
		at = rw.r.IntN(len(next))
		rw.rekey(rw.orgs[next[at].keys.msp])
		what = next[at].keys.msp + " gets new keys"
	}
	bad := 0
	for _, m := range next {
		if rw.orgs[m.keys.msp].bad != "" {
			bad++
		}
	}
	if f := (len(next) - 1) / 3; bad <= f {
		rw.decided(set, rw.membership(len(next)-f, next...))
		rw.tells("set %d is decided: %s", set.Version+1, what)
	}
}

// promote renames the files of coming keys that are in force.
func (rw *randomWorld) promote(set *log.Set) {
	for _, m := range rw.members {
		if m.keys.nextAttest == nil || placeIn(set, m.keys.msp) < 0 {
			continue
		}
		if in, err := m.keys.in(set); err == nil {
			m.keys = in
		}
	}
}

// rekey gives all anchors of an organisation the files of coming keys.
func (rw *randomWorld) rekey(o *organisation) {
	rw.made++
	name := fmt.Sprint("keys ", rw.made)
	m := o.at[0]
	m.coming(name)
	m.keys.nextAttest = rw.device(o, sha256.Sum256([]byte(o.msp+name)))
	for _, twin := range o.at[1:] {
		twin.keys = m.keys
	}
	o.keys = append(o.keys, m.keys)
}

// joins starts the anchor of an organisation that is to join.
func (rw *randomWorld) joins() *fakeMember {
	m := rw.newMember(len(rw.order))
	m.cfg = rw.config(0, m.dir, rw.members[0].cfg.Members)
	m.cfg.Organisation, m.cfg.Fabric.MSPID = m.keys.msp, m.keys.msp
	m.start()
	rw.known(m)
	rw.members = append(rw.members, m)
	return m
}

// decided has the first K members of a set decide on the next one.
func (rw *randomWorld) decided(set *log.Set, value string) {
	ref := rw.propose("members", value, 0)
	var approvals []string
	for _, m := range set.Members[:set.K] {
		approvals = append(approvals, m.MSP)
	}
	for _, msp := range approvals[1:] {
		rw.admin(msp, "govern:Approve", govern.Approve{Proposal: ref})
	}
	rw.admin("Org1MSP", "govern:Enact", govern.Enact{Proposal: ref, Approvals: approvals})
}

func packSubmit(c log.Checkpoint, growth [][32]byte, s contracts.Signatures) []byte {
	return contracts.PackSubmit(contracts.Checkpoint{Size: c.Size, Root: c.Root, Time: c.Time}, growth, s)
}

// accuse reports to a chain's contract that its members signed two histories: it is so, or
// somebody only says so.
func (rw *randomWorld) accuse(ch *fakeChain) {
	sets := rw.sets()
	has := ch.block(send.Latest)
	set, top := sets[has.newest().Version-1], rw.head().Size
	if v := int(set.Version); v < len(sets) {
		top = min(top, sets[v].From-1)
	}
	if has.newest().Frozen || top < set.From {
		return
	}
	time := uint64(rw.now.Unix())
	short := set.From + rw.r.Uint64N(top-set.From+1)
	if rw.r.IntN(3) > 0 {
		c := contracts.Checkpoint{Size: top, Root: [32]byte{6}, Time: time}
		good := contracts.Statement{Checkpoint: has.head}
		rw.pays(ch, contracts.PackReport(good, contracts.Statement{Checkpoint: c}, c.Root, nil))
		files := rw.files(set, short, rw.root(short), top, rw.root(top), time)
		err := rw.report(ch, files)
		if rw.tells("%s is shown one history twice: %v", ch.id, err); err == nil {
			rw.t.Error("two checkpoints of one history were reported")
		}
		return
	}
	if rw.r.IntN(2) == 0 {
		rw.crowded(ch)
	}
	rw.made++
	another := sha256.Sum256(fmt.Append(nil, "another", rw.made))
	err := rw.report(ch, rw.files(set, short, another, top, rw.root(top), time))
	rw.tells("%s is shown two histories of sizes %d and %d: %v", ch.id, short, top, err)
}

// crowded waits until members' transactions are in a chain's pool, for a while; they stay
// there until the next block.
func (rw *randomWorld) crowded(ch *fakeChain) {
	ch.full = true
	for range 80 {
		if rw.now.Nanosecond() == 0 {
			rw.cutRecord()
		}
		if len(ch.pool) > 0 {
			break
		}
		rw.tick()
	}
	ch.full = false
	rw.tells("%d transactions are in the pool of %s", len(ch.pool), ch.id)
}

// files are the notes of two checkpoints.
func (rw *randomWorld) files(set *log.Set, short uint64, a [32]byte, long uint64, b [32]byte, time uint64) (names []string) {
	dir := rw.t.TempDir()
	for i, p := range []point{{Size: short, Root: a}, {Size: long, Root: b}} {
		c, all := rw.signed(set, p.Size, p.Root, time)
		note, err := set.Note(c, all)
		if err != nil {
			rw.t.Fatal(err)
		}
		names = append(names, filepath.Join(dir, fmt.Sprint(i)))
		if err := os.WriteFile(names[i], note, 0o600); err != nil {
			rw.t.Fatal(err)
		}
	}
	return names
}

// report does what the program does with two files, for one chain.
func (rw *randomWorld) report(ch *fakeChain, files []string) error {
	o := &outside{world: rw.world, served: make([]func() []byte, 2)}
	for _, m := range rw.members {
		if m.anchor != nil && rw.orgs[m.keys.msp].bad == "" && len(o.handlers) < 2 {
			o.handlers = append(o.handlers, m.handler())
		}
	}
	for len(o.handlers) < 2 {
		o.handlers = append(o.handlers, http.NotFoundHandler())
	}
	o.open(filepath.Join(rw.t.TempDir(), "watch.json"))
	r := &reporter{monitorLook: newLook(o.m), out: io.Discard, send: func(_ context.Context, _ *publicChain, data []byte) (send.Outcome, error) {
		rw.pays(ch, data)
		return send.Outcome{Fee: "1"}, nil
	}}
	if err := r.read(rw.t.Context(), files); err != nil {
		return err
	}
	at := slices.IndexFunc(r.chains, func(c *publicChain) bool { return c.cfg.ID == ch.id })
	return r.reportTo(rw.t.Context(), r.chains[at])
}
