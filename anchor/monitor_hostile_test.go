package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/killick-ledger/killick/anchor/log"
)

func TestWatchFollowsRotations(t *testing.T) {
	t.Parallel()
	o := watched(t)
	o.look()
	o.world.members[1].coming("second")
	o.decide("members", o.membership(3, o.world.members...))
	o.rotated(2)
	o.cutRecord()
	o.tickFor(70 * time.Second)
	if got := o.look(); got != "" || len(o.m.sets) != 2 {
		t.Errorf("alarms %+v, %d sets", o.m.state.alarms(), len(o.m.sets))
	}
	newest := o.m.sets[1]
	if o.m.state.copy().Ledger.Size < newest.From {
		t.Error("no checkpoint of the new set was seen")
	}
	// The old members hand over to other ones as well, and an anchor serves those.
	old := o.policy().Set()
	other, err := log.NewSet(network, old.LogID, 2, newest.From, 4, old.Members)
	if err != nil {
		t.Fatal(err)
	}
	by := map[string][65]byte{}
	for _, m := range o.world.members {
		if by[m.keys.msp], err = m.keys.attest.Sign(t.Context(), old.RotationDigest(other)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := old.HandOver(other, by)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := log.MarshalRotations(network, []log.Rotation{r})
	if err != nil {
		t.Fatal(err)
	}
	o.served[1], o.rotations = func() []byte { return o.note(o.head().Size, [32]byte{1}) }, twice
	if got := o.look(); got != "anchor 2, fork" {
		t.Fatalf("alarms %+v", o.m.state.alarms())
	}
	if e := o.m.state.alarms()[1].Evidence; len(e) != 2 || e[1] != string(twice) || e[0] == e[1] {
		t.Errorf("evidence %q", e)
	}
	if err := (&reporter{monitorLook: newLook(o.m)}).read(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "AnchorLog takes no proof of that") {
		t.Errorf("to report it: %v", err)
	}
}

// An anchor that answers nothing about tiles holds up a look once.
func TestWatchSlowAnchor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := watched(t)
		o.look()
		o.cutRecord()
		o.tickFor(70 * time.Second)
		o.slow, o.tiles = true, 0
		began := time.Now()
		if got := o.look(); got != "" {
			t.Errorf("alarms %q", got)
		}
		if took := time.Since(began); took != chainTimeout || o.tiles != 1 {
			t.Errorf("the look took %v, and asked for %d tiles", took, o.tiles)
		}
	})
}

// What an anchor says fills neither log nor disk.
func TestWatchTextsAreShort(t *testing.T) {
	t.Parallel()
	o := watched(t)
	o.look()
	o.served[0] = func() []byte { return bytes.Repeat([]byte("long\x00\n\n\n"), 1<<16) }
	o.served[1] = func() []byte { return []byte(strings.Repeat("ä", 1<<18) + "\n\n\n\n\n\n") }
	if got := o.look(); got != "anchor 1, anchor 2" {
		t.Errorf("alarms %q", got)
	}
	for _, a := range o.m.state.alarms() {
		if len(a.Text) > 2003 {
			t.Errorf("%s: a text of %d bytes", a.Topic, len(a.Text))
		}
	}
}

// What a node says fills neither log nor status.
func TestAlarmsAreShort(t *testing.T) {
	a := newAlarms()
	a.set("chain", errors.New(strings.Repeat("long", 1<<20)))
	if text := strings.Join(a.list(), ""); len(text) > 2100 || !strings.HasSuffix(text, "long...") {
		t.Errorf("a text of %d bytes", len(text))
	}
}

// An anchor that is no longer asked has no alarm; a fork that a chain showed stays, and is
// in the metrics, when that chain is no longer asked.
func TestWatchForgetsWhatIsNotAsked(t *testing.T) {
	t.Parallel()
	o := watched(t)
	state := filepath.Join(t.TempDir(), "watch.json")
	id := o.policy().LogID()
	if err := os.WriteFile(state, fmt.Appendf(nil, `{"log":"%x","alarms":[{"topic":"anchor 3"},{"topic":"fork eip155:1"}]}`, id), 0o600); err != nil {
		t.Fatal(err)
	}
	o.open(state)
	if err := o.m.step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := o.m.state.alarms(); len(a) != 1 || a[0].Topic != "fork eip155:1" {
		t.Errorf("alarms %+v", a)
	}
	if text := o.m.measure().String(); !strings.Contains(text, `killick_watch_alarm{topic="fork eip155:1"} 1`) {
		t.Error(text)
	}
}

// Who has looked at why a contract lost what it had can have the watch go on from there.
func TestWatchGoesOnAfterBack(t *testing.T) {
	t.Parallel()
	o := watched(t)
	troubles["a root is gone"].begin(o)
	for range 2 {
		if got := o.look(); got != "back eip155:1337" {
			t.Fatalf("alarms %q", got)
		}
	}
	if err := o.m.state.forget("back eip155:1337"); err != nil {
		t.Fatal(err)
	}
	if got := o.look(); got != "" {
		t.Errorf("alarms %q afterwards", got)
	}
}

// An anchor that shows what nobody can prove does not end the alarm by silence.
func TestWatchSilenceProvesNothing(t *testing.T) {
	t.Parallel()
	o := watched(t)
	o.look()
	end := troubles["a longer history that no tiles prove"].begin(o)
	o.look()
	o.served[1] = func() []byte { return nil }
	if got := o.look(); got != "anchor 2, tiles" {
		t.Errorf("alarms %q", got)
	}
	end()
	if got := o.look(); got != "" {
		t.Errorf("alarms %q in the end", got)
	}
}

// A set far beyond all that anchors show is one that nobody shows; and that a node says
// nothing about sets hides no root.
func TestWatchSetsOfAContract(t *testing.T) {
	t.Parallel()
	o := watched(t)
	ch := o.chains[0]
	for _, version := range []uint64{9, 1 << 63, 1<<64 - 1} {
		end := ch.change(func(b *chainBlock) { b.sets[0].Version = version })
		if got := o.look(); got != "members eip155:1337" {
			t.Errorf("alarms %q about version %d", got, version)
		}
		end()
		if got := o.look(); got != "" {
			t.Errorf("alarms %q after version %d", got, version)
		}
	}
	ch.change(func(b *chainBlock) { b.head.Root[0] ^= 1; b.sets[0].Version = 0 }) // no answer has it
	if got := o.look(); got != "chain eip155:1337, fork eip155:1337, fork tron:0x2b6653dc" {
		t.Errorf("alarms %q", got)
	}
}

// cutter ends a look at one of its questions to anchors.
type cutter struct {
	*outside
	left int
	cut  func()
}

// RoundTrip implements http.RoundTripper.
func (c *cutter) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.left--; c.left == 0 {
		c.cut()
		return nil, context.Canceled
	}
	return c.outside.RoundTrip(r)
}

// WA-8: wherever a look is cut off, the state stays what the last finished one left, in
// memory and on disk.
func TestWatchIsCutOff(t *testing.T) {
	t.Parallel()
	o := watched(t)
	o.look()
	o.cutRecord()
	o.tickFor(70 * time.Second)
	before := o.m.state.copy()
	disk := func() string {
		data, err := os.ReadFile(o.m.cfg.State)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	written := disk()
	for questions := 1; ; questions++ {
		ctx, cut := context.WithCancel(t.Context())
		o.m.http.Transport = &cutter{o, questions, cut}
		err := o.m.step(ctx)
		finished := ctx.Err() == nil
		cut()
		if err != nil {
			t.Fatal(err)
		}
		if now := o.m.state.copy(); finished {
			if questions < 4 || now.Ledger.Size <= before.Ledger.Size || disk() == written {
				t.Errorf("finished after %d questions: %+v was %+v", questions, now, before)
			}
			return
		} else if !reflect.DeepEqual(now, before) || disk() != written {
			t.Errorf("cut off at question %d: %+v was %+v", questions, now, before)
		}
	}
}
