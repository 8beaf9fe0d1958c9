package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/send"
)

// signed is a note as contracts take it.
func (o *outside) signed(note []byte) contracts.Statement {
	o.t.Helper()
	s, err := (&reporter{monitorLook: newLook(o.m)}).statement(note)
	if err != nil {
		o.t.Fatal(err)
	}
	return s
}

// newest is the newest checkpoint, with the members' signatures.
func (o *outside) newest() []byte {
	o.t.Helper()
	data, err := o.world.members[0].note(context.Background(), o.point(int(o.head().Number)))
	if err != nil {
		o.t.Fatal(err)
	}
	return data
}

// The calldata of a report is the proof that AnchorLog takes (anchor/contracts plays that),
// for whatever sizes the two histories have, from whatever holds them; checkpoints of one
// history, or too few signatures, are not even sent.
func TestReport(t *testing.T) {
	t.Parallel()
	o := watched(t)
	o.cutRecord()
	o.tickFor(8 * time.Second) // a checkpoint that no chain has yet
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	head, newest := o.head(), o.newest()
	other, shorter, longer := o.note(head.Size, [32]byte{1}), o.note(head.Size-3, [32]byte{2}), o.note(head.Size+5, [32]byte{3})
	bundle, err := o.world.members[0].bundle(t.Context(), place{block: 1, n: log.NoWrite}, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	old, err := o.world.members[0].note(t.Context(), o.point(1))
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(other, []byte("\n"))
	few := bytes.Join(lines[:len(lines)-3], nil)
	forked := o.note(o.signed(bundle).Size, [32]byte{1}) // of the bundle's checkpoint
	same := contracts.PackReport(o.signed(newest), o.signed(other), [32]byte{1}, nil)
	apart := contracts.PackReport(o.signed(shorter), o.signed(newest), o.rootAt(head.Size-3), o.growth(head.Size, head.Size-3))
	bundled := contracts.PackReport(o.signed(bundle), o.signed(forked), [32]byte{1}, nil)
	anchored := contracts.Statement{Checkpoint: o.chains[1].block(send.Final).head}
	anchored.Root[0] ^= 1
	if anchored.Size >= head.Size {
		t.Fatalf("size %d is anchored, the newest is %d", anchored.Size, head.Size)
	}

	t.Run("nothing, and then without a key", func(t *testing.T) { o.prints(t) })
	for _, tc := range []struct {
		name   string
		files  [][]byte
		begin  func() (end func())
		want   [2][]byte // by chain
		err    string
		output string
	}{
		{name: "one size", files: [][]byte{newest, other}, want: [2][]byte{same, same}},
		{name: "the evidence of the watch", begin: func() func() {
			o.served[1] = func() []byte { return other }
			o.look()
			return func() { clear(o.served) }
		}, want: [2][]byte{same, same}},
		{name: "a shorter one", files: [][]byte{newest, shorter}, want: [2][]byte{apart, apart}},
		{name: "a longer one that nobody proves", files: [][]byte{newest, longer}, err: "no anchor's tiles prove"},
		{name: "a bundle", files: [][]byte{bundle, forked}, want: [2][]byte{bundled, bundled}},
		{name: "one history", files: [][]byte{newest, old}, err: "one history"},
		{name: "one checkpoint twice", files: [][]byte{newest, newest}, err: "one history"},
		{name: "too few signatures", files: [][]byte{newest, few}, err: "2 of 4 members signed, want 3"},
		{name: "neither a note nor a bundle", files: [][]byte{newest, []byte("x\n")}, err: "neither a note nor a bundle"},
		{name: "against what a contract holds", files: [][]byte{newest}, begin: func() func() {
			return o.chains[1].change(func(b *chainBlock) { b.head.Root[0] ^= 1 })
		}, want: [2][]byte{nil, contracts.PackReport(anchored, o.signed(newest), o.rootAt(anchored.Size), o.growth(head.Size, anchored.Size))},
			output: "eip155:1337: AnchorLog holds the same history"},
		{name: "one is frozen already", files: [][]byte{newest, other}, begin: func() func() {
			return o.chains[0].change(func(b *chainBlock) { b.sets[0].Frozen = true })
		}, want: [2][]byte{nil, same}, output: "eip155:1337: AnchorLog is frozen already"},
		{name: "frozen in a block that may be dropped", files: [][]byte{newest, other}, begin: func() func() {
			last := &o.chains[0].blocks[len(o.chains[0].blocks)-1]
			was := last.sets
			last.sets = slices.Clone(was)
			last.sets[0].Frozen = true
			return func() { last.sets = was }
		}, want: [2][]byte{same, same}},
		{name: "one of several nodes answers", files: [][]byte{newest, other}, begin: func() func() {
			c := o.m.chains[0]
			all := c.driver
			c.driver = alone{all}
			return func() { c.driver = all }
		}, want: [2][]byte{same, same}},
		{name: "a node is away", files: [][]byte{newest, other}, begin: func() func() {
			o.chains[0].down = true
			return func() { o.chains[0].down = false }
		}, want: [2][]byte{nil, same}, err: "eip155:1337: the chain's node is down"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.begin != nil {
				defer tc.begin()()
			}
			var out strings.Builder
			got := map[string][]byte{}
			r := &reporter{monitorLook: newLook(o.m), out: &out, send: func(_ context.Context, c *publicChain, data []byte) (send.Outcome, error) {
				got[c.cfg.ID] = data
				return send.Outcome{Block: 7, Fee: "8"}, nil
			}}
			var names []string
			for i, data := range tc.files {
				names = append(names, file(string(rune('a'+i)), data))
			}
			err := r.read(t.Context(), names)
			if err == nil {
				err = r.report(t.Context())
			}
			if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("%v, want %q", err, tc.err)
			}
			for i, ch := range o.chains {
				if !bytes.Equal(got[ch.id], tc.want[i]) {
					t.Errorf("to %s: %x, want %x", ch.id, got[ch.id], tc.want[i])
				}
				if said := strings.Contains(out.String(), ch.id+": frozen in block 7, for 8 wei"); said != (tc.want[i] != nil) {
					t.Errorf("printed %s", out.String())
				}
			}
			if !strings.Contains(out.String(), tc.output) {
				t.Errorf("printed %s, want %q", out.String(), tc.output)
			}
		})
	}
}

// Whatever alarms stand, the first whose evidence proves something to a contract is
// reported there, and which ones were passed over is said.
func TestReportOfAlarms(t *testing.T) {
	t.Parallel()
	o := watched(t)
	head, newest := o.head(), string(o.newest())
	other := string(o.note(head.Size, [32]byte{1}))
	longer := string(o.note(head.Size+5, [32]byte{3})) // nobody has tiles of it
	proved := contracts.PackReport(o.signed([]byte(newest)), o.signed([]byte(other)), [32]byte{1}, nil)
	const here, there = "fork eip155:1337", "fork tron:0x2b6653dc"
	alarm := func(topic string, evidence ...string) raised { return raised{Topic: topic, Evidence: evidence} }
	for _, tc := range []struct {
		name   string
		alarms []raised
		want   []byte // to each chain
		err    []string
		output []string
	}{
		{name: "of another kind", alarms: []raised{alarm("frozen eip155:1337")}, err: []string{"no alarm of a fork stands"}},
		{name: "without evidence", alarms: []raised{alarm(here), alarm(there)},
			err: []string{"no alarm in ", "name the files of two checkpoints", `the alarm "fork eip155:1337": it kept no checkpoint`, there}},
		{name: "with an empty note", alarms: []raised{alarm(here, "")}, err: []string{`the alarm "fork eip155:1337": a note is empty`}},
		{name: "with nonsense", alarms: []raised{alarm("fork", "x", "y")}, err: []string{`the alarm "fork": neither a note nor a bundle`}},
		{name: "one of several", alarms: []raised{alarm("fork"), alarm(here, ""), alarm(there, newest, other)}, want: proved,
			output: []string{`passed over: the alarm "fork": it kept no checkpoint`, `passed over: the alarm "fork eip155:1337": a note is empty`}},
		{name: "the first proves nothing", alarms: []raised{alarm("fork", newest, longer), alarm(here, newest), alarm(there, newest, other)}, want: proved,
			output: []string{`eip155:1337: passed over: the alarm "fork": no anchor's tiles prove`}},
		{name: "one history", alarms: []raised{alarm(here, newest), alarm(there, newest)},
			output: []string{"eip155:1337: AnchorLog holds the same history", "tron:0x2b6653dc: AnchorLog holds the same history"}},
		{name: "one history, and no proof", alarms: []raised{alarm("fork", newest, longer), alarm(here, newest)}, err: []string{"no anchor's tiles prove"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o.m.state.state.Alarms = tc.alarms
			var out strings.Builder
			sent := 0
			r := &reporter{monitorLook: newLook(o.m), out: &out, send: func(_ context.Context, c *publicChain, data []byte) (send.Outcome, error) {
				if sent++; !bytes.Equal(data, tc.want) {
					t.Errorf("to %s: %x", c.cfg.ID, data)
				}
				return send.Outcome{Block: 7, Fee: "8"}, nil
			}}
			err := r.read(t.Context(), nil)
			if err == nil {
				err = r.report(t.Context())
			}
			if (err != nil) != (len(tc.err) > 0) || sent > 0 != (tc.want != nil) || sent != 0 && sent != len(o.chains) {
				t.Errorf("%v, %d sent", err, sent)
			}
			for _, want := range tc.err {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v, want %q", err, want)
				}
			}
			for _, want := range tc.output {
				if !strings.Contains(out.String(), want) {
					t.Errorf("printed %q, want %q", out.String(), want)
				}
			}
		})
	}
}

// A fork that was first seen without a checkpoint that shows it gets one when there is one.
func TestEvidenceComesLater(t *testing.T) {
	t.Parallel()
	o := watched(t)
	end := o.chains[1].change(func(b *chainBlock) { b.sets[0].Hash[0] ^= 1 })
	topic := "fork " + o.chains[1].id
	if got := o.look(); got != topic {
		t.Fatalf("alarms %q", got)
	}
	end()
	o.chains[1].change(func(b *chainBlock) { b.head.Root[0] ^= 1 })
	o.look()
	for _, a := range o.m.state.alarms() {
		if a.Topic == topic && (len(a.Evidence) != 1 || !strings.Contains(a.Text, "AnchorLog holds root")) {
			t.Errorf("%+v", a)
		}
	}
	// A look that knows no checkpoint keeps none.
	l := newLook(o.m)
	has := l.head(t, o.m.chains[1])
	l.newest, l.seen.Chains[o.chains[1].id] = served{}, seen{Size: has.Size, Root: strings.Repeat("0", 64)}
	l.compare(t.Context(), o.m.chains[1], has)
	if l.raised[topic] == "" || l.evidence[topic] != nil {
		t.Errorf("%q with evidence %q", l.raised[topic], l.evidence[topic])
	}
}

// head is what a chain's contract has.
func (l *monitorLook) head(t *testing.T, c *publicChain) point {
	t.Helper()
	head, err := c.anchored(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return point{Size: head.Size, Root: head.Root, Time: head.Time}
}

// alone is a chain of which one of several nodes answers.
type alone struct{ chainDriver }

func (a alone) Call(ctx context.Context, to send.Address, data []byte, at send.Head) ([]byte, error) {
	if at == send.Final {
		return nil, send.ErrAlone
	}
	return a.chainDriver.Call(ctx, to, data, at)
}

// rootAt and growth are what the true log says.
func (o *outside) rootAt(size uint64) [32]byte {
	root, err := o.world.members[0].log.Root(size)
	if err != nil {
		o.t.Fatal(err)
	}
	return root
}

func (o *outside) growth(size, old uint64) [][32]byte {
	proof, err := o.world.members[0].log.ProveGrowth(size, old)
	if err != nil {
		o.t.Fatal(err)
	}
	return proof
}

// prints has the calldata printed, as it is without a key, and nothing without evidence.
func (o *outside) prints(t *testing.T) {
	t.Helper()
	var out strings.Builder
	r := &reporter{monitorLook: newLook(o.m), out: &out}
	if err := r.read(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "no alarm of a fork stands") {
		t.Errorf("%v", err)
	}
	r.cases = []histories{{notes: []contracts.Statement{o.signed(o.newest()), o.signed(o.note(o.head().Size, [32]byte{1}))}}}
	if err := r.report(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines := slices.Collect(strings.Lines(out.String()))
	for i, ch := range o.chains {
		if len(lines) != 2 || !strings.HasPrefix(lines[i], ch.anchorLog.String()+" 0xe2b86214") {
			t.Errorf("printed %s", out.String())
		}
	}
}
