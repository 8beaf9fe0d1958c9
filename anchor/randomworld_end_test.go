package main

import (
	"os"
	"slices"
	"strings"
	"time"

	"github.com/killick-ledger/killick/anchor/send"
)

// heal ends all faults but those of who is bad for good.
func (rw *randomWorld) heal() {
	rw.tells("all faults end")
	rw.ill, rw.kills, rw.ordered, rw.border = 0, 0, "", nil
	for _, ch := range rw.chains {
		ch.down, ch.mute, ch.lags, ch.full, ch.lie = false, false, false, false, event{}
	}
	for _, o := range rw.order {
		wrong := o.skew != 0
		if o.bad == "" {
			o.forged = 0
		}
		o.device, o.away, o.lies, o.lag, o.slow = "", false, false, 0, false
		o.skew = time.Duration(rw.r.IntN(5)-2) * time.Second // clocks never agree
		for _, m := range o.at {
			m.height = -1
			if o.bad == "hostile" || o.bad == "silent" {
				continue
			}
			m.asleep = false
			if err := os.RemoveAll(m.path("signed.json.new")); err != nil {
				rw.t.Fatal(err)
			}
			switch {
			case o.taint: // what an operator does, by docs/operations.md
				rw.restart(m, m.forget)
			case m.anchor == nil || wrong:
				rw.restart(m, nil)
			}
		}
	}
}

// until lets time pass until something is so.
func (rw *randomWorld) until(what string, limit time.Duration, so func() bool) {
	rw.t.Helper()
	for end := rw.now.Add(limit); rw.now.Before(end); rw.tick() {
		if so() {
			rw.tells("%s", what)
			return
		}
	}
	for _, m := range rw.members {
		if m.anchor != nil {
			rw.tells("%s (%s): alarms %q", m.keys.msp, rw.orgs[m.keys.msp].bad, m.alarms.list())
		}
	}
	rw.t.Fatalf("after %v: not %s", limit, what)
}

// goesOn wants all that the ledger has on the ledger's checkpoints and on the chains that
// are not frozen, the members in force who are in force, and every honest one at work.
func (rw *randomWorld) goesOn() {
	rw.t.Helper()
	from := len(rw.blocks)
	rw.cutRecord()
	of := uint64(len(rw.blocks))
	rw.until("a checkpoint again", 3*time.Minute, func() bool { return !rw.waits() && rw.head().Size >= of })
	rw.until("at work all honest members", 5*time.Minute, func() bool {
		if rw.now.Second()%10 == 0 && rw.now.Nanosecond() == 0 {
			rw.cutRecord()
		}
		return len(rw.idle(from)) == 0
	})
	rw.tick()
	rw.cutRecord()
	of = uint64(len(rw.blocks))
	version := rw.inForce().SetVersion
	rw.until("anchored", 15*time.Minute, func() bool {
		if rw.now.Second() == 0 && rw.now.Nanosecond() == 0 {
			rw.cutRecord() // what is new is anchored; nobody would anchor what nothing follows
		}
		for _, ch := range rw.chains {
			b := ch.block(send.Final)
			if latest := ch.block(send.Latest).newest(); latest.Frozen {
				continue
			}
			if b.head.Size < of || b.newest().Version < version {
				return false
			}
		}
		return true
	})
	if rw.last = of - 1; !rw.frozen() {
		rw.proven()
	}
	rw.tick()
	rw.cutRecord()
	of = uint64(len(rw.blocks))
	rw.until("a checkpoint in time", 30*time.Second, func() bool { return rw.head().Size >= of })
}

// proven waits until all honest anchors can prove the last block that is anchored.
func (rw *randomWorld) proven() {
	rw.t.Helper()
	rw.until("proved", 10*time.Minute, func() bool {
		if rw.now.Second() == 0 && rw.now.Nanosecond() == 0 {
			rw.cutRecord() // a bundle needs one checkpoint on all chains
		}
		return !slices.ContainsFunc(rw.members, func(m *fakeMember) bool {
			if rw.orgs[m.keys.msp].bad != "" {
				return false
			}
			_, _, err := m.anchorsOf(rw.t.Context(), rw.last, false)
			return err != nil
		})
	})
}

// frozen reports whether a chain's contract is.
func (rw *randomWorld) frozen() bool {
	return slices.ContainsFunc(rw.chains, func(ch *fakeChain) bool { return ch.block(send.Latest).newest().Frozen })
}

// cutRecord makes something happen on the ledger, unless it did just now.
func (rw *randomWorld) cutRecord() {
	if rw.now != rw.cutAt {
		rw.cutAt = rw.now
		rw.world.cutRecord()
	}
}

// idle are the honest members in force that have cosigned nothing since a block.
func (rw *randomWorld) idle(from int) (idle []string) {
	at := map[string]bool{}
	for _, b := range rw.blocks[from:] {
		for _, wr := range b.Txs[0].Writes {
			if key := strings.Split(string(wr.Key), "/"); key[0] == "cosig" {
				at[key[len(key)-1]] = true
			}
		}
	}
	for _, m := range rw.inForce().Members {
		if rw.orgs[m.MSP].bad == "" && !at[m.MSP] {
			idle = append(idle, m.MSP)
		}
	}
	slices.Sort(idle)
	return idle
}
