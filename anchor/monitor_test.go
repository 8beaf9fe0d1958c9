package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/send"
)

// outside is a watch over a world, with two anchors that it reads without a network.
type outside struct {
	*world
	m         *monitor
	served    []func() []byte // in place of an anchor's /checkpoint
	handlers  []http.Handler
	rotations []byte // in place of the second anchor's, if there are some
	slow      bool   // the first anchor answers nothing about tiles
	tiles     int    // that the first one was asked for
}

// watched returns a watch over a world in which something is anchored.
func watched(t *testing.T) *outside {
	t.Helper()
	w := newWorld(t)
	w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
	w.tickFor(3 * time.Second)
	o := &outside{world: w, served: make([]func() []byte, 2)}
	for i := range o.served {
		o.handlers = append(o.handlers, w.members[i].handler())
	}
	o.open(filepath.Join(t.TempDir(), "watch.json"))
	return o
}

// RoundTrip implements http.RoundTripper.
func (o *outside) RoundTrip(r *http.Request) (*http.Response, error) {
	i := slices.Index([]string{"anchor1", "anchor2"}, r.URL.Host)
	if i < 0 {
		return nil, errDown
	}
	tile := i == 0 && strings.HasPrefix(r.URL.Path, "/tile/")
	if tile {
		o.tiles++
	}
	answer := httptest.NewRecorder()
	switch f := o.served[i]; {
	case f != nil && r.URL.Path == "/checkpoint":
		_, _ = answer.Write(f())
	case i == 1 && o.rotations != nil && r.URL.Path == "/rotations":
		_, _ = answer.Write(o.rotations)
	case tile && o.slow:
		<-r.Context().Done()
		return nil, r.Context().Err()
	default:
		o.handlers[i].ServeHTTP(answer, r)
	}
	return answer.Result(), nil
}

// open starts the watch, as after a kill.
func (o *outside) open(state string) {
	o.t.Helper()
	cfg := &monitorConfig{State: state, Lag: 30 * time.Second, Anchors: []string{"http://anchor1", "http://anchor2"}}
	var chains []*publicChain
	for _, ch := range o.chains {
		c := chainConfig{ID: ch.id, Kind: "evm", RPC: []string{"http://127.0.0.1:1"}}
		cfg.Chains = append(cfg.Chains, c)
		c.AnchorLog = ch.anchorLog.String()
		p := &publicChain{cfg: c, driver: &fakeAccount{fakeChain: ch}}
		p.parse()
		chains = append(chains, p)
	}
	cfg.defaults()
	if err := cfg.check(o.policy()); err != nil {
		o.t.Fatal(err)
	}
	m, err := openMonitor(cfg, o.policy(), chains)
	if err != nil {
		o.t.Fatal(err)
	}
	m.now, m.http.Transport = func() time.Time { return o.now }, o
	o.m = m
}

// look looks once and returns the topics of the alarms that stand, in a line.
func (o *outside) look() string {
	o.t.Helper()
	if err := o.m.step(context.Background()); err != nil {
		o.t.Fatal(err)
	}
	return o.topics()
}

func (o *outside) topics() string {
	var topics []string
	for _, a := range o.m.state.alarms() {
		topics = append(topics, a.Topic)
		if !slices.Contains(o.m.topics(), a.Topic) {
			o.t.Errorf("topic %q is in no metric", a.Topic)
		}
	}
	return strings.Join(topics, ", ")
}

// change changes all blocks of a chain and returns what undoes it.
func (c *fakeChain) change(do func(b *chainBlock)) (undo func()) {
	was := slices.Clone(c.blocks)
	for i := range c.blocks {
		c.blocks[i].sets = slices.Clone(c.blocks[i].sets)
		do(&c.blocks[i])
	}
	return func() { c.blocks = was }
}

// note is a note that K members sign.
func (o *outside) note(size uint64, root [32]byte) []byte {
	o.t.Helper()
	c := log.Checkpoint{Network: network, LogID: o.blocks[0].HeaderHash, Size: size, Root: root, Time: uint64(o.now.Unix())}
	var all []log.Cosignature
	for _, m := range o.world.members[1:] {
		s, err := m.keys.sign(context.Background(), o.policy().Set(), c)
		if err != nil {
			o.t.Fatal(err)
		}
		all = append(all, s)
	}
	data, err := o.policy().Set().Note(c, all)
	if err != nil {
		o.t.Fatal(err)
	}
	return data
}

// point is an accepted checkpoint.
func (o *outside) point(number int) point {
	o.t.Helper()
	p, ok, err := o.world.members[0].index.point(context.Background(), `WHERE number = ?`, number)
	if err != nil || !ok {
		o.t.Fatal(ok, err)
	}
	return p
}

// killed has a look end before all of what it found is written down: at its end, and
// between the log and the disk.
func (o *outside) killed() {
	o.t.Helper()
	l := newLook(o.m)
	l.look(context.Background())
	if len(l.raised) == 0 {
		o.t.Fatal("nothing found")
	}
	o.m.state.path = filepath.Join(o.t.TempDir(), "none", "watch.json")
	if err := o.m.step(context.Background()); err == nil {
		o.t.Fatal("written to nowhere")
	}
	o.reopen()
}

// reopen starts another process with the same configuration.
func (o *outside) reopen() {
	o.t.Helper()
	was := *o.m.cfg
	o.open(was.State)
	*o.m.cfg = was
}

// WA-1, WA-2, WA-3: each alarm fires, is the only one, is found again by the next process
// when this one is killed before it has written it down, and ends with its cause, but for
// a fork, which stays until somebody removes it.
func TestWatch(t *testing.T) {
	t.Parallel()
	o := watched(t)
	defer func() { o.t = t }()
	for _, name := range slices.Sorted(maps.Keys(troubles)) {
		t.Run(name, func(t *testing.T) {
			o.t = t
			o.until("level", 2*time.Minute, func() bool {
				return o.chains[0].block(send.Final).head == o.chains[1].block(send.Final).head
			})
			o.open(filepath.Join(t.TempDir(), "watch.json"))
			c := troubles[name]
			if name != "a contract is ahead of what anchors show" {
				if got := o.look(); got != "" {
					t.Fatalf("%q before", got)
				}
			}
			end := c.begin(o)
			o.killed()
			if got := o.look(); got != c.want {
				t.Errorf("alarms %q of the next process, want %q", got, c.want)
			}
			o.reopen() // written down: it has them before it looks
			if got := o.topics(); got != c.want {
				t.Errorf("alarms %q on disk, want %q", got, c.want)
			}
			for range 2 {
				if got := o.look(); got != c.want {
					t.Errorf("alarms %q, want %q: %+v", got, c.want, o.m.state.alarms())
				}
			}
			if out, err := o.report(); !errors.Is(err, errAlarm) || exitCode(err) != exitAlarm || strings.Contains(out, "no alarm") {
				t.Errorf("report %q, %v", out, err)
			}
			end()
			if got := o.look(); got != c.after {
				t.Errorf("alarms %q afterwards, want %q: %+v", got, c.after, o.m.state.alarms())
			}
			for _, topic := range strings.FieldsFunc(c.after, func(r rune) bool { return r == ',' }) {
				if err := o.m.state.forget(strings.TrimSpace(topic)); err != nil {
					t.Error(err)
				}
			}
			if got := o.look(); got != "" {
				t.Errorf("alarms %q in the end", got)
			}
			if out, err := o.report(); err != nil || out != "no alarm\n" {
				t.Errorf("report %q, %v", out, err)
			}
		})
	}
}

func (o *outside) report() (string, error) {
	var out strings.Builder
	err := o.m.report(&out)
	return out.String(), err
}

// WA-4: what was seen is replaced only by what it was compared with.
func TestWatchAdvances(t *testing.T) {
	t.Parallel()
	o := watched(t)
	o.look()
	before := o.m.state.copy()
	o.cutRecord()
	o.tickFor(70 * time.Second)
	liar := func() []byte { return o.note(o.head().Size+5, [32]byte{1}) }
	o.served[0], o.served[1] = liar, liar
	o.look()
	after := o.m.state.copy()
	if after.Ledger != before.Ledger || !maps.Equal(after.Chains, before.Chains) {
		t.Errorf("%+v became %+v", before, after)
	}
	clear(o.served)
	if got := o.look(); got != "" {
		t.Errorf("alarms %q", got)
	}
	after = o.m.state.copy()
	if after.Ledger.Size <= before.Ledger.Size || after.Chains[o.chains[0].id].Size <= before.Chains[o.chains[0].id].Size {
		t.Errorf("%+v did not advance: %+v", before, after)
	}
	// Both histories are kept as evidence: the notes alone show what the members did.
	o.served[1] = func() []byte { return o.note(o.head().Size, [32]byte{1}) }
	o.look()
	alarms := o.m.state.alarms()
	if len(alarms) != 1 || len(alarms[0].Evidence) != 2 {
		t.Fatalf("%+v", alarms)
	}
	for _, e := range alarms[0].Evidence {
		if _, _, err := o.policy().Set().OpenNote([]byte(e)); err != nil {
			t.Error(err)
		}
	}
}

// What cannot be asked does not end the alarm about what it said.
func TestWatchUnasked(t *testing.T) {
	t.Parallel()
	o := watched(t)
	ch := o.chains[1]
	end := ch.change(func(b *chainBlock) { b.sets[0].Frozen = true })
	o.look()
	ch.down = true
	if got := o.look(); got != "chain "+ch.id+", frozen "+ch.id {
		t.Errorf("alarms %q while the node is away", got)
	}
	end()
	ch.down = false
	if got := o.look(); got != "" {
		t.Errorf("alarms %q in the end", got)
	}
}

func TestWatchMetrics(t *testing.T) {
	t.Parallel()
	o := watched(t)
	o.look()
	o.chains[0].down = true
	o.look()
	s := httptest.NewServer(o.m.handler())
	defer s.Close()
	_, kind, body := get(t, s.URL+"/metrics")
	for _, line := range []string{"killick_watch_alarms 1\n", `killick_watch_alarm{topic="chain eip155:1337"} 1` + "\n",
		`killick_watch_alarm{topic="heartbeat"} 0` + "\n", `killick_watch_chain_size{chain="tron:0x2b6653dc"} `, "killick_watch_looked 18"} {
		if !strings.Contains(string(body), line) {
			t.Errorf("no %q in %s", line, body)
		}
	}
	if !strings.HasPrefix(kind, "text/plain; version=0.0.4") {
		t.Error(kind)
	}
	_, _, body = get(t, s.URL+"/alarms")
	var alarms []raised
	if err := json.Unmarshal(body, &alarms); err != nil || len(alarms) != 1 || alarms[0].Topic != "chain eip155:1337" {
		t.Errorf("%s, %v", body, err)
	}
}

// The program itself: everything is away, and it says so by its exit code.
func TestWatchCommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	p, err := w.policy().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := "policy: " + write("policy.json", string(p)) + "\nstate: " + filepath.Join(dir, "watch.json") + `
anchors: ["http://127.0.0.1:1"]
chains:
- {id: "eip155:1337", kind: evm, rpc: ["http://127.0.0.1:1"]}
- {id: "tron:0x2b6653dc", kind: evm, rpc: ["http://127.0.0.1:1"]}
`
	run := func(text string, args ...string) error {
		c := watchCommand()
		c.SilenceErrors, c.SilenceUsage = true, true
		c.SetOut(io.Discard)
		c.SetArgs(append([]string{"--config", write("watch.yaml", text)}, args...))
		return c.ExecuteContext(t.Context())
	}
	if err := run(good, "--once"); exitCode(err) != exitAlarm {
		t.Errorf("everything is away: %v", err)
	}
	if err := run(good, "--forget", "fork"); err == nil || !strings.Contains(err.Error(), "no alarm") {
		t.Errorf("forget what is not there: %v", err)
	}
	if err := run(good, "--forget", "heartbeat"); err != nil {
		t.Error(err)
	}
	unlock, err := lock(filepath.Join(dir, "watch.json.lock"))
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range [][]string{{"--once"}, {"--forget", "clock"}, nil} {
		if err := run(good, flag...); err == nil || exitCode(err) != 1 || !strings.Contains(err.Error(), "another process has ") {
			t.Errorf("%q beside another one: %v", flag, err)
		}
	}
	unlock()
	for name, c := range map[string]struct{ old, new, want string }{
		"no anchors":     {`anchors: ["http://127.0.0.1:1"]`, "anchors: []", "at least one is needed"},
		"anchor's URL":   {`"http://127.0.0.1:1"]` + "\nchains", `"127.0.0.1:1"]` + "\nchains", "no http or https URL"},
		"no state":       {"state: ", "late: 1s\n#", "state is needed"},
		"unknown":        {"anchors:", "keys: x\nanchors:", "field keys not found"},
		"two documents":  {"anchors:", "---\nanchors:", "more than one document"},
		"another chain":  {"eip155:1337", "eip155:1", "no such AnchorLog"},
		"one chain less": {`- {id: "eip155:1337", kind: evm, rpc: ["http://127.0.0.1:1"]}` + "\n", "", "the policy has 2"},
		"a chain twice":  {"tron:0x2b6653dc", "eip155:1337", "stated twice"},
		"negative":       {"anchors:", "late: -1s\nanchors:", "must be positive"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(strings.Replace(good, c.old, c.new, 1), "--once"); err == nil || exitCode(err) != 1 || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	write("watch.json", `{"log":"00"}`)
	if err := run(good, "--once"); err == nil || !strings.Contains(err.Error(), "it is about log 00") {
		t.Errorf("state of another log: %v", err)
	}
}
