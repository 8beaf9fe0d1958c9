package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// happen lets something happen, and then time pass.
func (rw *randomWorld) happen() {
	for range 1 + rw.r.IntN(2) {
		rw.event()
	}
	if rw.r.IntN(3) > 0 {
		rw.cutRecord()
	}
	rw.tickFor(time.Duration(1+rw.r.IntN(7)) * time.Second)
}

func (rw *randomWorld) event() {
	switch rw.r.IntN(12) {
	case 0, 1, 2, 3:
		if o := rw.honest(); o != nil {
			rw.anchorEvent(o, o.at[rw.r.IntN(len(o.at))])
		}
	case 4, 5:
		if o := rw.honest(); o != nil {
			rw.peerEvent(o)
		}
	case 6, 7, 8:
		rw.chainEvent(rw.chains[rw.r.IntN(len(rw.chains))])
	case 9:
		rw.handOver()
	case 10:
		if rw.r.IntN(3) == 0 {
			rw.accuse(rw.chains[rw.r.IntN(len(rw.chains))])
		}
	default:
		rw.callEvent()
	}
}

// anchorEvent: an anchor of an honest organisation stops, hangs, dies, or loses its disk.
func (rw *randomWorld) anchorEvent(o *organisation, m *fakeMember) {
	switch kind := rw.r.IntN(10); {
	case m.anchor == nil:
		m.start()
		rw.tells("%s's anchor starts", o.msp)
	case kind == 0:
		m.stop()
		rw.tells("%s's anchor is stopped", o.msp)
	case kind == 1:
		m.asleep = !m.asleep
		rw.tells("%s's anchor hangs: %v", o.msp, m.asleep)
	case kind == 2:
		o.slow = !o.slow
		rw.tells("%s's anchors are slow: %v", o.msp, o.slow)
	case kind == 3 || kind == 4:
		rw.loses(o, m)
	case kind == 5:
		rw.backup(o, m)
	case kind == 6:
		o.device = []string{"", "away", "wrong"}[rw.r.IntN(3)]
		rw.tells("%s's signer is %q", o.msp, o.device)
	case kind == 7:
		// replaceFile writes a file of this name first.
		if err := os.MkdirAll(m.path("signed.json.new"), 0o755); err != nil {
			rw.t.Fatal(err)
		}
		rw.tells("%s cannot write down what it signs", o.msp)
	case kind == 8:
		rw.clock(o)
	case kind == 9 && len(o.at) == 1 && m.first == 0:
		rw.twin(o, m)
	default:
		rw.restart(m, nil)
		rw.tells("%s's anchor is started again", o.msp)
	}
}

// restart stops an anchor, if it runs, and starts it after something was done to its disk.
func (rw *randomWorld) restart(m *fakeMember, meanwhile func()) {
	m.stop()
	if meanwhile != nil {
		meanwhile()
	}
	m.start()
}

// loses removes a part of an anchor's directory. What a peer from a snapshot cannot give
// back, docs/operations.md says, is to be restored by hand: it is not lost here.
func (rw *randomWorld) loses(o *organisation, m *fakeMember) {
	parts := [][]string{{"send.db", "send.db-wal", "send.db-shm"}, {"signed.json"}}
	if parts = append(parts, []string{"index.db", "index.db-wal", "index.db-shm"}); m.first == 0 {
		parts = append(parts, []string{"log"})
	}
	from := rw.r.IntN(len(parts))
	to := from + 1 + rw.r.IntN(len(parts)-from)
	rw.restart(m, func() {
		for _, files := range parts[from:to] {
			for _, name := range files {
				if err := os.RemoveAll(m.path(name)); err != nil {
					rw.t.Fatal(err)
				}
			}
		}
	})
	if from == 0 {
		o.lost++
	}
	o.forgot = o.forgot || from <= 1 && 1 < to
	rw.tells("%s loses %v", o.msp, parts[from:to])
}

// backup takes a copy of an anchor's directory, or brings it back.
func (rw *randomWorld) backup(o *organisation, m *fakeMember) {
	had, ok := o.saved[m]
	switch {
	case !ok:
		had = filepath.Join(rw.t.TempDir(), "copy")
		rw.restart(m, func() { m.replace(had, m.dir) })
		o.saved[m] = had
		rw.tells("%s takes a backup", o.msp)
	case m.first == 0:
		rw.restart(m, func() {
			m.replace(m.dir, had)
			if err := os.RemoveAll(m.path("signed.json.new")); err != nil {
				rw.t.Fatal(err)
			}
		})
		o.lost++
		o.forgot = true
		rw.tells("%s restores its backup", o.msp)
	}
}

// clock sets an organisation's clock off. Only as many as may be bad have one that others
// refuse to follow: together with them, who is bad would be too many.
func (rw *randomWorld) clock(o *organisation) {
	skews := []time.Duration{0, 5 * time.Second, -5 * time.Second, 20 * time.Second, -20 * time.Second}
	if o.skew = 0; rw.mayFail() {
		skews = append(skews, time.Hour, -time.Hour, 24*time.Hour, -24*time.Hour)
	}
	o.skew = skews[rw.r.IntN(len(skews))]
	for _, m := range o.at {
		rw.restart(m, nil)
	}
	rw.tells("%s's clock is off by %v", o.msp, o.skew)
}

// mayFail reports whether one more organisation may be bad.
func (rw *randomWorld) mayFail() bool {
	bad := 0
	for _, o := range rw.order {
		if o.bad != "" || o.skew.Abs() > time.Minute {
			bad++
		}
	}
	return bad < (len(rw.inForce().Members)-1)/3
}

// twin starts a second anchor of an organisation on a directory of its own.
func (rw *randomWorld) twin(o *organisation, m *fakeMember) {
	cfg := *m.cfg
	cfg.Dir = rw.t.TempDir()
	twin := &fakeMember{w: rw.world, seed: m.seed, dir: cfg.Dir, cfg: &cfg, keys: m.keys, height: m.height}
	twin.start()
	rw.members, o.at = append(rw.members, twin), append(o.at, twin)
	o.lost++
	o.forgot = true
	rw.tells("%s runs a second anchor", o.msp)
}

// peerEvent: an organisation's peer is down, behind, lies, or comes from a snapshot.
func (rw *randomWorld) peerEvent(o *organisation) {
	set := func(height int) {
		for _, m := range o.at {
			m.height = height
		}
	}
	n := len(rw.blocks)
	switch rw.r.IntN(8) {
	case 0:
		if o.away = !o.away; o.away {
			set(n)
		} else {
			set(-1)
		}
		rw.tells("%s's peer is down: %v", o.msp, o.away)
	case 1:
		back := rw.r.IntN(n)
		set(n - back)
		rw.tells("%s's peer is rolled back by %d", o.msp, back)
	case 2:
		o.lag = rw.r.IntN(6)
		set(n - o.lag)
		rw.tells("%s's peer lags by %d", o.msp, o.lag)
	case 3:
		o.lies = !o.lies
		rw.tells("%s's peer lies about the head: %v", o.msp, o.lies)
	case 4:
		rw.snapshot(o)
	case 5:
		rw.fork(o)
	default:
		o.away, o.lag, o.lies, o.forged = false, 0, false, 0
		set(-1)
		rw.tells("%s's peer is well", o.msp)
	}
}

// fork gives an organisation's peer another history of what all others have had signed. Of
// its anchors, one may have to make its log of that.
func (rw *randomWorld) fork(o *organisation) {
	m := o.at[rw.r.IntN(len(o.at))]
	if m.first > 0 || m.anchor == nil {
		return
	}
	o.forged, o.taint = 1+rw.r.Uint64N(rw.head().Size-1), true
	loses := rw.r.IntN(2) == 0
	if loses {
		rw.restart(m, func() { m.forget() })
	}
	rw.tells("%s's peer shows another block %d; an anchor lost its log: %v", o.msp, o.forged, loses)
}

// forget removes what an anchor makes of its peer's blocks.
func (m *fakeMember) forget() {
	for _, name := range []string{"index.db", "index.db-wal", "index.db-shm", "log"} {
		if err := os.RemoveAll(m.path(name)); err != nil {
			m.w.t.Fatal(err)
		}
	}
}

// snapshot replaces an organisation's peer by one from a snapshot, which has the last few
// blocks of the anchors' logs.
func (rw *randomWorld) snapshot(o *organisation) {
	first := uint64(1 << 62)
	for _, m := range o.at {
		if m.anchor == nil || o.taint {
			return
		}
		size, err := m.size(rw.t.Context())
		if err != nil {
			rw.t.Fatal(err)
		}
		first = min(first, size)
	}
	if first < 4 {
		return
	}
	first -= rw.r.Uint64N(3)
	o.away, o.lag = false, 0
	for _, m := range o.at {
		m.first, m.height = first, -1
	}
	rw.tells("%s's peer joined from a snapshot, its first block is %d", o.msp, first)
	if rw.r.IntN(4) > 0 || !rw.mayFail() {
		return
	}
	for _, m := range o.at {
		rw.restart(m, func() { m.replace(m.dir, "") })
	}
	o.mute = rw.triedBy(o)
	rw.spoil(o, "bereft")
}

// triedBy is how many cosignatures an organisation's anchors made.
func (rw *randomWorld) triedBy(o *organisation) (n int) {
	for _, c := range rw.tried {
		if c.msp == o.msp {
			n++
		}
	}
	return n
}

// chainEvent: a chain's nodes fail, it loses blocks, or a stranger is there.
func (rw *randomWorld) chainEvent(ch *fakeChain) {
	switch rw.r.IntN(10) {
	case 0, 1:
		ch.down = !ch.down
		rw.tells("%s is down: %v", ch.id, ch.down)
	case 2:
		ch.mute = !ch.mute
		rw.tells("%s serves no events: %v", ch.id, ch.mute)
	case 3:
		ch.lags = !ch.lags
		rw.tells("%s shows no events: %v", ch.id, ch.lags)
	case 4:
		ch.full = !ch.full
		rw.tells("%s is full: %v", ch.id, ch.full)
	case 5:
		if ch.lie = (event{}); rw.r.IntN(2) == 0 {
			ch.lie = event{Contract: ch.anchorLog, Number: 1 + rw.r.Uint64N(uint64(len(rw.blocks))), Root: [32]byte{6}, Landing: log.Landing{Block: 1}}
		}
		rw.tells("%s shows an event that never was: %d", ch.id, ch.lie.Number)
	case 6, 7:
		rw.reorg(ch)
	case 8:
		rw.tells("%s forgets %d transactions of its pool", ch.id, len(ch.pool))
		ch.pool = nil
	default:
		rw.stranger(ch)
	}
}

// reorg takes back blocks that are not final; what was in them is in the pool again, or is
// forgotten.
func (rw *randomWorld) reorg(ch *fakeChain) {
	keep := len(ch.blocks) - 1 - rw.r.IntN(ch.depth)
	var back []chainTx
	for _, b := range ch.blocks[keep:] {
		back = append(back, b.calls...)
	}
	ch.blocks = ch.blocks[:keep:keep]
	forgets := rw.r.IntN(2) == 0
	if !forgets {
		ch.pool = append(back, ch.pool...)
	}
	rw.tells("%s drops blocks from %d on with %d transactions, forgets them: %v", ch.id, keep, len(back), forgets)
}

// stranger anchors a checkpoint that the members may not have chosen.
func (rw *randomWorld) stranger(ch *fakeChain) {
	has, sets := ch.block(send.Latest), rw.sets()
	set := sets[has.newest().Version-1]
	var all []point
	for _, p := range rw.accepted() {
		if p.Size > has.head.Size && sets.At(p.Size) == set {
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		return
	}
	p := all[rw.r.IntN(len(all))]
	c, cosignatures := rw.signed(set, p.Size, p.Root, p.Time)
	by := map[string][65]byte{}
	for _, s := range cosignatures {
		by[s.MSP] = s.Secp256k1
	}
	rw.submits(ch, set, c, by)
	rw.tells("a stranger anchors size %d on %s", p.Size, ch.id)
}

func (rw *randomWorld) submits(ch *fakeChain, set *log.Set, c log.Checkpoint, by map[string][65]byte) {
	signatures, err := collect(set, set.Digest(c), by)
	if err != nil {
		rw.t.Fatal(err)
	}
	var growth [][32]byte
	if base := ch.block(send.Latest).head.Size; base > 0 {
		if growth, err = rw.sync().ProveGrowth(c.Size, base); err != nil {
			rw.t.Fatal(err)
		}
	}
	rw.pays(ch, packSubmit(c, growth, signatures))
}

// pays has a stranger send a call, in front of all others.
func (rw *randomWorld) pays(ch *fakeChain, data []byte) {
	rw.made++
	ch.pool = append([]chainTx{{ID: canon.Sum(data, fmt.Append(nil, rw.made)), By: "stranger", To: ch.anchorLog.Address, Raw: data}}, ch.pool...)
}

// callEvent: calls fail, transactions get lost, processes die, more or less often.
func (rw *randomWorld) callEvent() {
	switch rw.r.IntN(4) {
	case 0:
		rw.ordered = []string{"", "", "not", "though"}[rw.r.IntN(4)]
		rw.tells("transactions: %q", rw.ordered)
	case 1, 2:
		rw.ill = draw(rw.r, 0, 0, 0.05, 0.2, 0.5)
		rw.tells("of calls, %v fail", rw.ill)
	default:
		rw.kills = draw(rw.r, 0, 0, 0.02, 0.1)
		rw.tells("anchors die at %v of what they do", rw.kills)
	}
}

func draw[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }
