package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/log"
)

// troubles are causes of alarms: each begins, is seen, and ends.
var troubles = map[string]struct {
	begin func(o *outside) (end func())
	want  string // topics while it lasts
	after string // topics afterwards
}{
	"missed heartbeat": {func(o *outside) func() {
		was := o.now
		o.now = o.now.Add(4 * time.Minute)
		return func() { o.now = was }
	}, "heartbeat", ""},
	"own clock": {func(o *outside) func() {
		was := o.now
		o.now = o.now.Add(-4 * time.Minute)
		return func() { o.now = was }
	}, "clock", ""},
	"an anchor is away": {func(o *outside) func() {
		url := o.m.cfg.Anchors[1]
		o.m.cfg.Anchors[1] = "http://127.0.0.1:1"
		return func() { o.m.cfg.Anchors[1] = url }
	}, "anchor 2", ""},
	"an anchor serves nonsense": {func(o *outside) func() {
		o.served[0] = func() []byte { return []byte("checkpoint\n") }
		return func() { o.served[0] = nil }
	}, "anchor 1", ""},
	"an anchor serves a size that nobody signs": {func(o *outside) func() {
		o.served[0] = func() []byte {
			return log.Note{Checkpoint: log.Checkpoint{Network: network, LogID: o.blocks[0].HeaderHash}, Lines: nil}.Marshal()
		}
		return func() { o.served[0] = nil }
	}, "anchor 1", ""},
	"a note with too few signatures": {func(o *outside) func() {
		o.served[0] = func() []byte {
			lines := strings.SplitAfter(string(o.note(o.head().Size, [32]byte{1})), "\n")
			return []byte(strings.Join(lines[:len(lines)-3], ""))
		}
		return func() { o.served[0] = nil }
	}, "anchor 1", ""},
	"members sign two histories": {func(o *outside) func() {
		o.served[1] = func() []byte { return o.note(o.head().Size, [32]byte{1}) }
		return func() { o.served[1] = nil }
	}, "fork", "fork"},
	"members sign a shorter history": {func(o *outside) func() {
		o.served[1] = func() []byte { return o.note(o.head().Size-1, [32]byte{1}) }
		return func() { o.served[1] = nil }
	}, "fork", "fork"},
	"a longer history that no tiles prove": {func(o *outside) func() {
		o.served[1] = func() []byte { return o.note(o.head().Size+5, [32]byte{1}) }
		return func() { o.served[1] = nil }
	}, "tiles", ""},
	"a node is away": {func(o *outside) func() {
		o.chains[0].down = true
		return func() { o.chains[0].down = false }
	}, "chain eip155:1337", ""},
	"a contract is frozen": {func(o *outside) func() {
		return o.chains[1].change(func(b *chainBlock) { b.sets[0].Frozen = true })
	}, "frozen tron:0x2b6653dc", ""},
	"a contract has other members": {func(o *outside) func() {
		return o.chains[1].change(func(b *chainBlock) { b.sets[0].Hash[0] ^= 1 })
	}, "fork tron:0x2b6653dc", "fork tron:0x2b6653dc"},
	"a contract has a set that nobody shows": {func(o *outside) func() {
		return o.chains[0].change(func(b *chainBlock) { b.sets[0].Version = 9 })
	}, "members eip155:1337", ""},
	"a contract holds another root": {func(o *outside) func() {
		return o.chains[0].change(func(b *chainBlock) {
			b.head.Root[0] ^= 1
			for i := range b.events {
				b.events = slices.Clone(b.events)
				b.events[i].Root[0] ^= 1
			}
		})
	}, "fork eip155:1337, fork tron:0x2b6653dc", "fork eip155:1337, fork tron:0x2b6653dc"},
	"final blocks are left": {func(o *outside) func() {
		o.look()
		return o.chains[0].change(func(b *chainBlock) { b.head.Size-- })
	}, "back eip155:1337, fork eip155:1337", "fork eip155:1337"},
	"a root is gone": {func(o *outside) func() {
		o.look()
		had := o.m.state.copy().Chains["eip155:1337"].Size
		o.cutRecord()
		o.tickFor(70 * time.Second)
		return o.chains[0].change(func(b *chainBlock) {
			b.events = slices.DeleteFunc(slices.Clone(b.events), func(e event) bool { return e.Number == had })
		})
	}, "back eip155:1337", ""},
	"one chain gets nothing": {func(o *outside) func() {
		o.chains[1].full = true
		for range 2 { // each is anchored on the other one
			o.cutRecord()
			o.tickFor(61 * time.Second)
		}
		return func() {
			o.chains[1].full = false
			o.tickFor(30 * time.Second)
		}
	}, "behind tron:0x2b6653dc", ""},
	"one chain gets nothing, the other one more and more": {func(o *outside) func() {
		o.m.cfg.Lag = 90 * time.Second // its newest is never that old
		o.chains[1].full = true
		for i := range 3 {
			o.cutRecord()
			o.tickFor(61 * time.Second)
			if got := o.look(); i == 0 && got != "" {
				o.t.Errorf("alarms %q at once", got)
			}
		}
		o.chains[0].down = true // what it had is known
		if got := o.look(); got != "behind tron:0x2b6653dc, chain eip155:1337" {
			o.t.Errorf("alarms %q while the other one is away", got)
		}
		o.chains[0].down = false
		return func() {
			o.chains[1].full = false
			o.tickFor(30 * time.Second)
		}
	}, "behind tron:0x2b6653dc", ""},
	"nothing is anchored": {func(o *outside) func() {
		o.m.cfg.Stale = 50 * time.Second
		for _, ch := range o.chains {
			ch.full = true
		}
		o.cutRecord()
		o.tickFor(time.Minute)
		return func() {
			for _, ch := range o.chains {
				ch.full = false
			}
			o.tickFor(30 * time.Second)
		}
	}, "stale eip155:1337, stale tron:0x2b6653dc", ""},
	"nothing was ever anchored": {func(o *outside) func() {
		var ends []func()
		for _, ch := range o.chains {
			ends = append(ends, ch.change(func(b *chainBlock) { b.head, b.events = contracts.Checkpoint{}, nil }))
		}
		o.open(filepath.Join(o.t.TempDir(), "watch.json"))
		o.m.cfg.Stale = time.Minute
		if got := o.look(); got != "" {
			o.t.Errorf("alarms %q at once", got)
		}
		was := o.now
		o.now = o.now.Add(61 * time.Second)
		return func() {
			o.now = was
			for _, end := range ends {
				end()
			}
			o.m.cfg.Stale = time.Hour
		}
	}, "stale eip155:1337, stale tron:0x2b6653dc", ""},
	"a contract is ahead of what anchors show": {func(o *outside) func() {
		old, err := o.world.members[0].note(context.Background(), o.point(1))
		if err != nil {
			o.t.Fatal(err)
		}
		o.open(filepath.Join(o.t.TempDir(), "watch.json"))
		for i := range o.served {
			o.served[i] = func() []byte { return old }
		}
		o.cutRecord()
		o.tickFor(70 * time.Second)
		o.m.cfg.Late = time.Second
		return func() {
			o.m.cfg.Late = time.Hour
			clear(o.served)
		}
	}, "ahead eip155:1337, ahead tron:0x2b6653dc, heartbeat", ""},
}
