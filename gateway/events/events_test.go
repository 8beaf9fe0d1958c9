package events_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/events"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

const network = submittest.Network

// chain is a ledger with a history of every kind of operation and outcome.
type chain struct {
	*submittest.Ledger
	alice, bob *submittest.Person
}

func newChain(t testing.TB) *chain {
	t.Helper()
	c := &chain{submittest.New(), submittest.NewPerson("alice"), submittest.NewPerson("bob")}
	if err := c.Found(c.alice); err != nil {
		t.Fatal(err)
	}
	create := c.alice.Create()
	c.batch(t, submittest.None, create, c.bob.Create())
	if err := c.Fund("alice", c.alice, 100); err != nil {
		t.Fatal(err)
	}
	record, _ := c.alice.Record("one")
	again, _ := c.bob.Record("two")
	c.batch(t, submittest.None, c.alice.Pay(10, c.bob), record, c.bob.Pay(1000, c.alice), record, create)
	c.batch(t, submittest.Conflict, c.alice.Pay(11, c.bob))
	c.batch(t, submittest.Copied, again)
	for i := range 5 {
		jws, _ := c.alice.Record(fmt.Sprint("more", i))
		other, _ := c.bob.Record(fmt.Sprint("other", i))
		c.batch(t, submittest.None, jws, other)
	}
	return c
}

// batch puts operations into a block.
func (c *chain) batch(t testing.TB, f submittest.Fault, jws ...string) {
	t.Helper()
	items := make([]ops.Item, len(jws))
	for i, text := range jws {
		item, err := ops.ParseCompact(text)
		if err != nil {
			t.Fatal(err)
		}
		items[i] = item
	}
	frame, err := ops.EncodeFrame(items)
	if err != nil {
		t.Fatal(err)
	}
	if f != submittest.None {
		c.Inject(f)
	}
	tx, err := c.Prepare(frame, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Endorse(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := tx.Submit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// gateway is a stream over the chain, and a submitter that reads its blocks.
func (c *chain) gateway(t testing.TB, configure ...func(*events.Config)) *events.Stream {
	t.Helper()
	cfg := events.Config{Ledger: c.Ledger, Network: network, Log: slog.New(slog.DiscardHandler)}
	for _, f := range configure {
		f(&cfg)
	}
	s := events.New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		for _, err := range s.Watch(c.Ledger).Blocks(ctx, 0) {
			if err != nil {
				return
			}
		}
	})
	t.Cleanup(func() { s.Close(); cancel(); running.Wait() })
	return s
}

// line is an event as these tests compare it.
func line(e events.Event) string {
	return fmt.Sprintf("%s %s %s %s %s %s", e.Next.Cursor(network), e.Transaction[60:], e.Result.Reference, e.Result.Op, e.Result.Actor, e.Result.Code)
}

// collect follows until there are n events.
func collect(ctx context.Context, s *events.Stream, r events.Request, n int) ([]string, error) {
	var got []string
	for page, err := range s.Follow(ctx, r) {
		if err != nil {
			return got, err
		}
		for _, e := range page.Events {
			if got = append(got, line(e)); len(got) == n {
				return got, nil
			}
		}
		if n == 0 {
			return got, nil
		}
	}
	return got, errors.New("the stream ended without a reason")
}

// whole is every event of the chain, and its cursor.
func (c *chain) whole(t testing.TB) (lines, cursors []string) {
	t.Helper()
	for _, b := range c.Chain() {
		for i := range b.Transactions {
			found, err := events.Of(b.Number, &b.Transactions[i])
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range found {
				lines, cursors = append(lines, line(e)), append(cursors, e.Next.Cursor(network))
			}
		}
	}
	return lines, cursors
}

// EV-1: what ran is an event, once, in the order in which it ran; replayed items,
// void transactions and copies are none.
func TestOf(t *testing.T) {
	c := newChain(t)
	var got []string
	for _, b := range c.Chain() {
		for i := range b.Transactions {
			found, err := events.Of(b.Number, &b.Transactions[i])
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range found {
				got = append(got, fmt.Sprint(e.Next, e.Result.Op, e.Result.Code))
			}
		}
	}
	want := []string{
		"{2 0 1}did.createok", "{2 0 2}did.createok",
		"{4 0 1}reward.payok", "{4 0 2}record.submitok", "{4 0 3}reward.payinsufficient_funds",
		"{6 1 1}record.submitok",
	}
	for i := range 5 {
		want = append(want, fmt.Sprintf("{%d 0 1}record.submitok", 7+i), fmt.Sprintf("{%d 0 2}record.submitok", 7+i))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// EV-2: wherever a stream is cut, here or at another gateway, what follows after
// the last cursor completes it.
func TestResumeAtEveryCut(t *testing.T) {
	c := newChain(t)
	whole, cursors := c.whole(t)
	one, two := c.gateway(t), c.gateway(t, func(cfg *events.Config) { cfg.Recent = 1 })
	got, err := collect(t.Context(), one, events.Request{}, len(whole))
	if diff := cmp.Diff(whole, got); err != nil || diff != "" {
		t.Fatalf("from the beginning: %v\n%s", err, diff)
	}
	for i := range len(whole) - 1 {
		for _, s := range []*events.Stream{one, two} {
			rest, err := collect(t.Context(), s, events.Request{Cursor: cursors[i]}, len(whole)-i-1)
			if diff := cmp.Diff(whole[i+1:], rest); err != nil || diff != "" {
				t.Fatalf("cut after %d: %v\n%s", i, err, diff)
			}
		}
	}
	block := uint64(7)
	got, err = collect(t.Context(), one, events.Request{Block: &block}, 10)
	if diff := cmp.Diff(whole[len(whole)-10:], got); err != nil || diff != "" {
		t.Errorf("from block 7: %v\n%s", err, diff)
	}
}

// EV-3: who reads old blocks while new ones come misses none at the change, nor
// does who is slow.
func TestLiveAfterOld(t *testing.T) {
	c := newChain(t)
	s := c.gateway(t, func(cfg *events.Config) { cfg.Recent = 4000 }) // a few blocks
	const more = 60
	var all sync.WaitGroup
	have, _ := c.whole(t)
	total := len(have) + 2*more
	got := make([][]string, 4)
	errs := make([]error, 4)
	gate := make(chan struct{})
	for k := range got {
		all.Go(func() {
			for page, err := range s.Follow(t.Context(), events.Request{}) {
				if errs[k] = err; err != nil {
					return
				}
				for _, e := range page.Events {
					got[k] = append(got[k], line(e))
				}
				if k == 0 { // slow: it takes its second page when all is over
					<-gate
				}
				if len(got[k]) == total {
					return
				}
			}
		})
	}
	for i := range more {
		a, _ := c.alice.Record(fmt.Sprint("live", i))
		b, _ := c.bob.Record(fmt.Sprint("live too", i))
		c.batch(t, submittest.None, a, b)
	}
	close(gate)
	all.Wait()
	want, _ := c.whole(t)
	for k := range got {
		if diff := cmp.Diff(want, got[k]); errs[k] != nil || diff != "" {
			t.Errorf("follower %d: %v\n%s", k, errs[k], diff)
		}
	}
	if n := s.Followers(); n != 0 {
		t.Errorf("%d follow after all have left", n)
	}
}

func TestFilterAndRequests(t *testing.T) {
	c := newChain(t)
	s := c.gateway(t)
	got, err := collect(t.Context(), s, events.Request{Actors: []string{c.bob.DID}, Operations: []string{"reward.pay", "did.create"}}, 2)
	if err != nil || len(got) != 2 {
		t.Fatalf("%v %v", got, err)
	}
	far, block := "7-0-0", uint64(3)
	cursor := events.Position{Block: 3}.Cursor(network)
	tests := []struct {
		name string
		r    events.Request
		code fault.Code
	}{
		{"no cursor", events.Request{Cursor: "x"}, fault.InvalidValue},
		{"leading zero", events.Request{Cursor: cursor[:9] + "0" + cursor[9:]}, fault.InvalidValue},
		{"a part too few", events.Request{Cursor: cursor[:9] + "3-0"}, fault.InvalidValue},
		{"another ledger", events.Request{Cursor: "00000000-" + far}, fault.WrongNetwork},
		{"two beginnings", events.Request{Cursor: cursor, Block: &block}, fault.InvalidValue},
		{"unknown operation", events.Request{Operations: []string{"record.submitt"}}, fault.UnknownOperation},
		{"no DID", events.Request{Actors: []string{"bob"}}, fault.InvalidValue},
		{"too many actors", events.Request{Actors: make([]string, 101)}, fault.InvalidValue},
	}
	for _, tt := range tests {
		if _, err := collect(t.Context(), s, tt.r, 1); fault.Of(err) != tt.code {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.code)
		}
	}
}

// What takes time: marks in silence, the place of "now", cursors that are ahead.
func TestTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t)
		s := c.gateway(t)
		synctest.Wait()
		next, stop := iter.Pull2(s.Follow(t.Context(), events.Request{Now: true, Operations: []string{"did.create"}}))
		defer stop()
		page, err, _ := next()
		if err != nil || len(page.Events) != 0 || page.Next.Block != 12 {
			t.Fatalf("now: %+v %v", page, err)
		}
		begun := time.Now()
		whole, leave := iter.Pull2(s.Follow(t.Context(), events.Request{}))
		defer leave()
		if page, err, _ = whole(); err != nil || len(page.Events) == 0 {
			t.Fatalf("all there was: %+v %v", page, err)
		}
		if page, err, _ = whole(); err != nil || len(page.Events) != 0 || page.Next.Block != 12 || time.Since(begun) != 0 {
			t.Errorf("that this was all: %+v %v after %s", page, err, time.Since(begun))
		}
		leave()
		jws, _ := c.alice.Record("not asked for")
		c.batch(t, submittest.None, jws)
		begun = time.Now()
		page, err, _ = next()
		if err != nil || len(page.Events) != 0 || page.Next.Block != 13 || time.Since(begun) != 10*time.Second {
			t.Errorf("mark: %+v %v after %s", page, err, time.Since(begun))
		}
		ahead := events.Position{Block: 14, Tx: 0, Item: 1}.Cursor(network)
		if _, err := collect(t.Context(), s, events.Request{Cursor: ahead}, 1); fault.Of(err) != fault.InvalidValue {
			t.Errorf("beyond the ledger: %v", err)
		}
		var got []string
		var running sync.WaitGroup
		running.Go(func() { got, err = collect(t.Context(), s, events.Request{Cursor: ahead}, 1) })
		for i := range 3 {
			jws, _ := c.alice.Record(fmt.Sprint("ahead", i))
			c.batch(t, submittest.None, jws)
		}
		running.Wait()
		if whole, _ := c.whole(t); err != nil || got[0] != whole[len(whole)-1] {
			t.Errorf("a little ahead: %v %v", got, err)
		}
		s.Close()
		for err == nil { // what had come before the end may come first
			_, err, _ = next()
		}
		if _, _, more := next(); fault.Of(err) != fault.Unavailable || more {
			t.Errorf("at the end: %v, more: %v", err, more)
		}
		if _, err := collect(t.Context(), s, events.Request{}, 1); fault.Of(err) != fault.Unavailable {
			t.Errorf("closed: %v", err)
		}
	})
}

// stuck is a ledger whose old blocks do not come.
type stuck struct{ submit.Ledger }

func (stuck) Blocks(ctx context.Context, _ uint64) iter.Seq2[submit.Block, error] {
	return func(yield func(submit.Block, error) bool) {
		<-ctx.Done()
		yield(submit.Block{}, ctx.Err())
	}
}

// EV-4: followers, and those of them who read old blocks, are limited; a ledger
// that does not answer is an error in time; stopping ends all.
func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t)
		s := c.gateway(t, func(cfg *events.Config) { cfg.Ledger, cfg.Followers, cfg.Readers = stuck{c.Ledger}, 3, 1 })
		synctest.Wait()
		errs := make([]error, 3)
		var running sync.WaitGroup
		for i := range 2 {
			running.Go(func() { _, errs[i] = collect(t.Context(), s, events.Request{}, 1) })
		}
		running.Go(func() { _, errs[2] = collect(t.Context(), s, events.Request{Now: true}, 1) })
		synctest.Wait()
		if _, err := collect(t.Context(), s, events.Request{Now: true}, 1); fault.Of(err) != fault.Overloaded {
			t.Errorf("a fourth follower: %v", err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		codes := map[fault.Code]bool{fault.Of(errs[0]): true, fault.Of(errs[1]): true}
		if !codes[fault.Overloaded] || !codes[fault.Unavailable] {
			t.Errorf("old blocks: %v", errs)
		}
		s.Close()
		running.Wait()
		if fault.Of(errs[2]) != fault.Unavailable {
			t.Errorf("stopped: %v", errs[2])
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add(events.Position{Block: 1, Tx: 2, Item: 3}.Cursor(network))
	f.Add("00000000-1-2-3")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := events.ParseCursor(network, text); err == nil && p.Cursor(network) != text {
			t.Errorf("%q is read as %v, whose cursor is %q", text, p, p.Cursor(network))
		}
	})
}

// docs/formats/events.md states this cursor.
func TestCursorVector(t *testing.T) {
	const want = "dec2c50e-42-1-7"
	if got := (events.Position{Block: 42, Tx: 1, Item: 7}).Cursor("main-0011223344556677"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
