package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// check returns what is wrong with what the ledger and the chains have in the end.
func (rw *randomWorld) check() (wrong []string) {
	rw.t.Helper()
	rw.sync()
	wrong = slices.Concat(rw.checkSigned(), rw.checkAccepted(), rw.checkRotations())
	for _, ch := range rw.chains {
		wrong = append(wrong, rw.checkChain(ch)...)
	}
	return append(wrong, rw.checkServed()...)
}

// written calls do with each value that was put on the ledger under a key that begins so.
func (rw *randomWorld) written(prefix string, do func(b *block.Block, key []string, value []byte)) {
	for _, b := range rw.blocks {
		for _, wr := range b.Txs[0].Writes {
			if key := strings.Split(string(wr.Key), "/"); key[0] == prefix && wr.Delete == block.Put {
				do(b, key, wr.Value)
			}
		}
	}
}

// checkSigned wants each root that an honest organisation signed to be that of the one
// history, whether the signature got to the ledger or not, at a time that its clock shows
// or nearly, and none after a larger one; and none of one that has lost its log for good.
func (rw *randomWorld) checkSigned() (wrong []string) {
	signs := func(where, msp string, size uint64, root string) {
		if bad := rw.orgs[msp].bad; bad == "hostile" || bad == "forked" {
			return
		}
		if want, err := rw.tree.Root(size); err != nil || canon.Hex(want[:]) != root {
			wrong = append(wrong, fmt.Sprintf("%s: %s signed root %s for size %d, the history has %x, %v", where, msp, root, size, want, err))
		}
	}
	last := map[string]uint64{}
	for _, c := range rw.tried {
		signs("an anchor", c.msp, c.size, c.root)
		if c.size < last[c.msp] && !rw.orgs[c.msp].forgot {
			wrong = append(wrong, fmt.Sprintf("%s signed size %d after size %d", c.msp, c.size, last[c.msp]))
		}
		last[c.msp] = c.size
		if c.off.Abs() > 30*time.Second {
			wrong = append(wrong, fmt.Sprintf("%s signed size %d at a time that is %v from its clock", c.msp, c.size, c.off))
		}
	}
	rw.written("cosig", func(b *block.Block, key []string, _ []byte) {
		size, err := strconv.ParseUint(key[1], 16, 64)
		if err != nil {
			rw.t.Fatal(err)
		}
		signs(fmt.Sprint("block ", b.Number), key[len(key)-1], size, key[2])
	})
	for _, o := range rw.order {
		if n := rw.triedBy(o); o.bad == "bereft" && n > o.mute {
			wrong = append(wrong, fmt.Sprintf("%s signed %d times without a log", o.msp, n-o.mute))
		}
	}
	return wrong
}

// accepted are the checkpoints on the ledger.
func (rw *randomWorld) accepted() (all []point) {
	rw.written("checkpoint", func(_ *block.Block, key []string, value []byte) {
		var c struct {
			Number, Size, Time uint64
			Root               string
			Signers            []string
		}
		if len(key) != 2 || key[1] == "head" {
			return
		}
		decodeJSON(rw.t, value, &c)
		root, err := canon.UnHex32(c.Root)
		if err != nil {
			rw.t.Fatal(err)
		}
		all = append(all, point{Number: c.Number, Size: c.Size, Root: root, Time: c.Time, Signers: c.Signers})
	})
	return all
}

// checkAccepted wants the checkpoints in order, each of the one history and by K members of
// the set of its size.
func (rw *randomWorld) checkAccepted() (wrong []string) {
	last, sets := point{}, rw.sets()
	for _, p := range rw.accepted() {
		if p.Number != last.Number+1 || p.Size <= last.Size || p.Time <= last.Time {
			wrong = append(wrong, fmt.Sprintf("checkpoint %d of size %d at %d after %d of size %d at %d", p.Number, p.Size, p.Time, last.Number, last.Size, last.Time))
		}
		if p.Root != rw.root(p.Size) {
			wrong = append(wrong, fmt.Sprintf("checkpoint %d has another root than the history of size %d", p.Number, p.Size))
		}
		set, by := sets.At(p.Size), map[string]bool{}
		for _, msp := range p.Signers {
			by[msp] = placeIn(set, msp) >= 0
		}
		if uint64(len(by)) < set.K || slices.ContainsFunc(p.Signers, func(msp string) bool { return !by[msp] }) {
			wrong = append(wrong, fmt.Sprintf("checkpoint %d by %q, set %d signs it", p.Number, p.Signers, set.Version))
		}
		last = p
	}
	return wrong
}

// checkRotations wants each version once, after the one before, each signature written once.
func (rw *randomWorld) checkRotations() (wrong []string) {
	version, signed := uint64(1), map[string]int{}
	rw.written("rotation", func(b *block.Block, key []string, _ []byte) {
		if key[1] == "next" || key[1] == "0000000000000001" {
			return
		}
		if version++; key[1] != fmt.Sprintf("%016x", version) {
			wrong = append(wrong, fmt.Sprintf("block %d: set %s in place of %d", b.Number, key[1], version))
		}
	})
	rw.written("rotationsig", func(b *block.Block, key []string, _ []byte) {
		if signed[key[1]+key[2]]++; signed[key[1]+key[2]] > 1 {
			wrong = append(wrong, fmt.Sprintf("block %d: %s signs set %s again", b.Number, key[2], key[1]))
		}
	})
	return wrong
}

// checkChain replays a chain's calls from zero, with all signatures checked.
func (rw *randomWorld) checkChain(ch *fakeChain) (wrong []string) {
	bad := func(format string, args ...any) {
		wrong = append(wrong, ch.id+": "+fmt.Sprintf(format, args...))
	}
	c, sets := newAnchorLog(rw.blocks[0].HeaderHash, ch.blocks[0].sets[0]), rw.sets()
	done, paid := map[deed]int{}, map[string]int{}
	for number, b := range ch.blocks {
		for _, t := range b.calls {
			paid[t.By]++
			err := c.call(t.Raw)
			if ok := b.txs[t.ID]; ok != (err == nil) {
				bad("block %d: %s of %s went through: %v, AnchorLog says %v", number, kindOf(t.Raw), t.By, ok, err)
			}
			if err == nil {
				done[deed{t.By, kindOf(t.Raw), calldata(t.Raw[4:]).number(0)}]++
			} else if t.By != "stranger" && !errors.Is(err, errFrozenLog) && !errors.Is(err, errOtherFirst) {
				bad("block %d: %s paid for a %s that could never go through: %v", number, t.By, kindOf(t.Raw), err)
			}
		}
		if now := b.newest(); b.head != c.head || now.Frozen != c.frozen || now.Version != uint64(len(c.sets)) {
			bad("block %d has size %d, set %d, frozen %v; from zero it is size %d, set %d, frozen %v", number,
				b.head.Size, now.Version, now.Frozen, c.head.Size, len(c.sets), c.frozen)
		}
	}
	for size, root := range c.roots {
		if want, err := rw.tree.Root(size); err != nil || want != root {
			bad("size %d is anchored with root %x, the history has %x, %v", size, root, want, err)
		}
	}
	for i, s := range c.sets {
		if i >= len(sets) || s.Hash != sets[i].Hash() || s.From != sets[i].From {
			bad("set %d from size %d is not the ledger's", i+1, s.From)
		}
	}
	rw.checkPaid(done, paid, bad)
	return wrong
}

// deed is what somebody paid a chain for.
type deed struct {
	by, what string
	of       uint64
}

// checkPaid wants nobody who forgot nothing to have paid twice for something, or more than
// its budget.
func (rw *randomWorld) checkPaid(done map[deed]int, paid map[string]int, bad func(string, ...any)) {
	for d, n := range done {
		if o := rw.orgs[d.by]; o != nil && n > 1+o.lost {
			bad("%s paid %d times for %s of %d, and lost what it had sent %d times", d.by, n, d.what, d.of, o.lost)
		}
	}
	for _, o := range rw.order {
		if o.budget > 0 && o.lost == 0 && paid[o.msp] > o.budget {
			bad("%s paid for %d transactions, %d were its budget", o.msp, paid[o.msp], o.budget)
		}
	}
}

// checkServed wants good notes of each honest anchor, what is frozen left alone by it, and
// good bundles of two.
func (rw *randomWorld) checkServed() (wrong []string) {
	bundles := 2
	for _, m := range rw.members {
		if m.anchor == nil || rw.orgs[m.keys.msp].bad != "" {
			continue
		}
		wrong = append(wrong, rw.checkNotes(m)...)
		wrong = append(wrong, rw.checkHalts(m)...)
		if bundles--; bundles >= 0 {
			wrong = append(wrong, rw.checkBundles(m)...)
		}
	}
	return wrong
}

// checkHalts wants an anchor to send nothing any more to contracts that are frozen, and to no
// others.
func (rw *randomWorld) checkHalts(m *fakeMember) (wrong []string) {
	alarms, err := m.sender.Alarms(rw.t.Context())
	if err != nil {
		rw.t.Fatal(err)
	}
	for _, ch := range rw.chains {
		halted := slices.ContainsFunc(alarms, func(a string) bool { return strings.HasPrefix(a, ch.id+" is halted: frozen") })
		if frozen := ch.block(send.Final).newest().Frozen; frozen != halted {
			wrong = append(wrong, fmt.Sprintf("%s: %s is frozen: %v, alarms %q", m.keys.msp, ch.id, frozen, alarms))
		}
	}
	return wrong
}

// checkNotes wants the notes of the newest checkpoint and of what is anchored to hold under
// the set of their size.
func (rw *randomWorld) checkNotes(m *fakeMember) (wrong []string) {
	p, err := m.index.head(rw.t.Context())
	if err != nil {
		rw.t.Fatal(err)
	}
	points, sets := []point{p}, rw.sets()
	for _, ch := range rw.chains {
		p, ok, err := m.index.point(rw.t.Context(), `WHERE size <= ? AND post = 1 ORDER BY number DESC LIMIT 1`, int64(ch.block(send.Final).head.Size))
		if err != nil {
			rw.t.Fatal(err)
		}
		if ok {
			points = append(points, p)
		}
	}
	for _, p := range points {
		data, err := m.note(rw.t.Context(), p)
		if err == nil {
			_, _, err = sets.At(p.Size).OpenNote(data)
		}
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%s's note of size %d: %v", m.keys.msp, p.Size, err))
		}
	}
	return wrong
}

// checkBundles wants bundles of old and new blocks to hold under the first set and under
// the newest.
func (rw *randomWorld) checkBundles(m *fakeMember) (wrong []string) {
	if rw.frozen() {
		return nil // no checkpoint is on all chains
	}
	sets, last := rw.sets(), rw.last
	first, newest := rw.policy(), rw.policy()
	newest.SetVersion = uint64(len(sets))
	newest.K, newest.Members = sets[len(sets)-1].K, sets[len(sets)-1].Members
	if err := newest.Check(); err != nil {
		rw.t.Fatal(err)
	}
	for _, of := range []struct {
		block uint64
		p     *log.Policy
	}{{1, first}, {last / 2, first}, {last, first}, {last, newest}} {
		if not := rw.verdicts(m, of.block, of.p); len(not) > 0 {
			wrong = append(wrong, fmt.Sprintf("%s's bundle of block %d under set %d: %q", m.keys.msp, of.block, of.p.SetVersion, not))
		}
	}
	return wrong
}
