package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/govern"
	mem "github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// roundsWorld is a consortium whose anchors have chains for draws, and users who do jobs.
type roundsWorld struct {
	*world
	jobs *opstest.Jobs
}

// newRoundsWorld registers a chain of each member. Those named in without lose the secret
// of theirs afterwards.
func newRoundsWorld(t *testing.T, without ...int) *roundsWorld {
	w := newWorld(t)
	u := opstest.NewUser("first")
	w.do(u, &ops.DIDCreate{Document: u.Doc})
	w.until("a checkpoint", time.Minute, func() bool { return w.head().Number > 0 })
	over := opstest.On(t, w.store, w.engine, uint64(w.now.Unix()), w.invokeAs)
	r := &roundsWorld{w, opstest.NewJobsOn(over, 1)}
	from, last := w.head().Number+govern.Reach+3, uint64(0)
	for i, m := range w.members {
		m.cfg.Keys.Draws = filepath.Join(t.TempDir(), "draws")
		if err := makeDice(m.cfg.Keys.Draws); err != nil {
			t.Fatal(err)
		}
		var line bytes.Buffer
		if err := printChain(&line, m.cfg, from, 50); err != nil {
			t.Fatal(err)
		}
		r.jobs.Decide("chain/"+m.keys.msp, strings.TrimSpace(line.String()))
		d, err := readDice(network, m.keys.msp, m.cfg.Keys.Draws)
		if err != nil {
			t.Fatal(err)
		}
		m.dice = d
		for _, j := range without {
			if i == j {
				m.dice = nil
			}
		}
	}
	r.until("checkpoints for which there are elements", time.Hour, func() bool {
		if number := w.head().Number; number != last { // something to checkpoint
			last = number
			r.act(func(j *opstest.Jobs) { j.Fund(j.Consumer, 1) })
		}
		return w.head().Number >= from
	})
	return r
}

// until waits as the world does, in longer steps: rounds take minutes.
func (r *roundsWorld) until(what string, limit time.Duration, so func() bool) {
	r.t.Helper()
	r.world.until(what, limit, func() bool {
		if so() {
			return true
		}
		r.now = r.now.Truncate(time.Second).Add(1800 * time.Millisecond) // and the tick's 200
		return false
	})
}

// act runs what users do at the present time.
func (r *roundsWorld) act(do func(j *opstest.Jobs)) {
	r.jobs.Now = uint64(r.now.Unix())
	do(r.jobs)
}

func (r *roundsWorld) phase(job mem.Reference) string { return r.jobs.Round(job).Phase }

// shown opens a job that has evidence.
func (r *roundsWorld) shown(nonce string) (job mem.Reference) {
	r.act(func(j *opstest.Jobs) {
		job = j.Open(nonce)
		j.Accept(job)
		j.Show(job)
	})
	return job
}

// settled waits until a job is closed and nothing of its money is left anywhere, and checks
// the books and that nobody raises an alarm.
func (r *roundsWorld) settled(job mem.Reference, verdict, reason string) {
	r.t.Helper()
	r.until("closed", 10*time.Minute, func() bool { return r.phase(job) == "closed" })
	if s := r.jobs.Settlement(job); s.Verdict != verdict || s.Reason != reason {
		r.t.Errorf("%s, %s, want %s, %s", s.Verdict, s.Reason, verdict, reason)
	}
	r.until("returned", 10*time.Minute, func() bool { return len(r.owed()) == 0 })
	r.jobs.Audit()
	r.tickFor(2 * time.Second)
	for _, m := range r.members {
		open, err := m.index.openJobs(r.t.Context())
		owed, stateErr := m.index.states(r.t.Context(), "hold/")
		if err != nil || stateErr != nil || len(open) != 0 || len(owed) != 0 {
			r.t.Errorf("%s keeps jobs %v and holds %v: %v, %v", m.keys.msp, open, owed, err, stateErr)
		}
	}
}

// owed are the holds of which something is left.
func (r *roundsWorld) owed() (holds []string) {
	for _, e := range r.store.Entries() {
		if !strings.HasPrefix(e.Key, "hold/") {
			continue
		}
		h, err := reward.DecodeHold(e.Value)
		if err != nil {
			r.t.Fatal(err)
		}
		if h.Left() > 0 {
			holds = append(holds, e.Key)
		}
	}
	return holds
}

// quiet checks that members raise no alarm.
func (r *roundsWorld) quiet() {
	r.t.Helper()
	for _, m := range r.members {
		if m.anchor == nil || m.asleep {
			continue
		}
		if a := m.alarms.list(); len(a) > 0 {
			r.t.Errorf("%s: alarms %q", m.keys.msp, a)
		}
	}
}

// vote has those who were drawn commit to ballots, and reveal them in their window.
func (r *roundsWorld) vote(job mem.Reference, ballot attest.Verdict) {
	r.t.Helper()
	r.until("drawn", 2*time.Minute, func() bool { return r.phase(job) == "commit" })
	drawn := r.jobs.Drawn(job)
	for _, u := range drawn {
		r.act(func(j *opstest.Jobs) { j.Do(u, j.CommitBody(job, u, ballot), "") })
	}
	r.until("to be revealed", 10*time.Minute, func() bool { return r.phase(job) == "reveal" })
	for _, u := range drawn {
		r.act(func(j *opstest.Jobs) { j.Do(u, j.RevealBody(job, u, ballot), "") })
	}
}

// AR-1: from evidence to money nobody but the users and the anchors does anything: elements
// are published, the draw is made, phases pass, the job is closed and the rest returned.
func TestRounds(t *testing.T) {
	t.Parallel()
	r := newRoundsWorld(t)
	job := r.shown("one")
	r.vote(job, attest.Valid)
	before := r.now
	r.until("closed", time.Minute, func() bool { return r.phase(job) == "closed" })
	if took := r.now.Sub(before); took > 30*time.Second {
		t.Errorf("closing with all ballots open took %v", took)
	}
	r.settled(job, "valid", "agreed")
	r.quiet()
}

// AR-1: the deposit of a job is asked for once it is due, and not before.
func TestRoundsWaitForDeposits(t *testing.T) {
	t.Parallel()
	r := newRoundsWorld(t)
	due, asked := uint64(0), 0
	r.border = func(_, when string) {
		if when != "before reward:Return" {
			return
		}
		if asked++; r.jobs.Head().Elapsed < due || due == 0 {
			t.Errorf("asked at %d of the clock, it is due at %d", r.jobs.Head().Elapsed, due)
		}
	}
	job := r.shown("one")
	due = r.jobs.Round(job).Due
	r.vote(job, attest.Valid)
	r.until("closed", time.Minute, func() bool { return r.phase(job) == "closed" })
	r.settled(job, "valid", "agreed")
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	r.quiet()
}

// AR-2: one member that sleeps, or withholds its element, holds nothing up.
func TestRoundsWithoutOne(t *testing.T) {
	t.Parallel()
	t.Run("withholds", func(t *testing.T) {
		r := newRoundsWorld(t, 2)
		job := r.shown("one")
		r.until("drawn", 10*time.Minute, func() bool { return r.phase(job) == "commit" })
		if v := r.jobs.Round(job); !v.Committee.Benches[2].Withheld || len(v.Committee.Benches[2].Taken) != 0 {
			t.Errorf("%+v", v.Committee)
		}
		r.vote(job, attest.Valid)
		r.settled(job, "valid", "agreed")
		r.quiet()
	})
	for _, i := range []int{0, 2} {
		t.Run("sleeps", func(t *testing.T) {
			r := newRoundsWorld(t)
			r.members[i].asleep = true
			job := r.shown("one")
			r.vote(job, attest.Invalid) // against what chaincode finds: no majority for the truth
			r.until("closed", 10*time.Minute, func() bool { return r.phase(job) == "closed" })
			if s := r.jobs.Settlement(job); s.Verdict != "expired" || s.Reason != "no_majority" {
				t.Errorf("%s, %s", s.Verdict, s.Reason)
			}
			r.jobs.Audit()
			r.quiet()
		})
	}
}

// AR-3: what nobody goes on with ends by itself, and everybody has what is due to them: a
// job that nobody accepts, one without evidence, one whose draw never comes.
func TestRoundsEnd(t *testing.T) {
	t.Parallel()
	t.Run("not accepted", func(t *testing.T) {
		r := newRoundsWorld(t)
		var job mem.Reference
		r.act(func(j *opstest.Jobs) { job = j.Open("one") })
		r.now = r.now.Add(3 * time.Hour)
		r.settled(job, "cancelled", "not_accepted")
	})
	t.Run("no evidence", func(t *testing.T) {
		r := newRoundsWorld(t)
		var job mem.Reference
		r.act(func(j *opstest.Jobs) { job = j.Open("one"); j.Accept(job) })
		r.settled(job, "expired", "no_evidence")
		r.quiet()
	})
	t.Run("no draw", func(t *testing.T) {
		r := newRoundsWorld(t, 0, 3)
		job := r.shown("one")
		r.settled(job, "expired", "no_draw")
	})
}

// AR-4: each way in which transactions of rounds fail, with and without effect, ends in
// the same settlement.
func TestRoundsFail(t *testing.T) {
	t.Parallel()
	t.Run("done", func(t *testing.T) {
		r := newRoundsWorld(t)
		r.failing, r.done = "checkpoint:Element checkpoint:Draw attest:Step attest:Close reward:Return", true
		job := r.shown("one")
		r.vote(job, attest.Valid)
		r.settled(job, "valid", "agreed")
		r.failing = ""
		r.calm()
	})
	t.Run("not done", func(t *testing.T) {
		r := newRoundsWorld(t)
		job := r.shown("one")
		// fail has a function fail from when it is due for longer than a pause.
		fail := func(function string, due func() bool) {
			t.Helper()
			r.failing, r.done = function, false
			r.until(function+" fails", 10*time.Minute, func() bool { return strings.Contains(r.alarms(), "no orderer answers") })
			for range 10 {
				r.now = r.now.Truncate(time.Second).Add(1800 * time.Millisecond)
				r.tick()
			}
			if !due() {
				t.Errorf("%s is not due any more", function)
			}
			r.failing = ""
		}
		draw := r.jobs.Round(job).Draw
		absent := func(key string) func() bool {
			return func() bool {
				value, err := r.store.Get(key)
				return value == nil && err == nil
			}
		}
		fail("checkpoint:Element", absent(checkpoint.ElementKey(draw, "Org4MSP")))
		fail("checkpoint:Draw", absent(checkpoint.DrawKey(draw)))
		fail("attest:Step", func() bool { return r.phase(job) == "drawing" })
		r.vote(job, attest.Valid)
		fail("attest:Close", func() bool { return r.phase(job) == "reveal" })
		fail("reward:Return", func() bool { return len(r.owed()) > 0 })
		r.settled(job, "valid", "agreed")
		r.calm()
	})
}

// alarms are those of all members.
func (r *roundsWorld) alarms() string {
	var all []string
	for _, m := range r.members {
		all = append(all, m.alarms.list()...)
	}
	return strings.Join(all, " ")
}

// calm waits until no alarm lasts.
func (r *roundsWorld) calm() {
	r.t.Helper()
	r.until("no alarms", 2*again, func() bool { return r.alarms() == "" })
}

// AR-5: a secret that is lost or another one is an alarm when an element is due, and no
// element of it leaves.
func TestRoundsWithoutSecret(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(m *fakeMember){
		"lost": func(m *fakeMember) { m.dice = nil },
		"another": func(m *fakeMember) {
			m.dice = &dice{network: network, msp: m.keys.msp, secret: [32]byte{1}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoundsWorld(t)
			m := r.members[1]
			lose(m)
			job := r.shown("one")
			draw := r.jobs.Round(job).Draw
			r.until("an alarm", time.Minute, func() bool { return strings.Contains(strings.Join(m.alarms.list(), " "), "keys.draws") })
			if got, err := r.store.Get(checkpoint.ElementKey(draw, m.keys.msp)); got != nil || err != nil {
				t.Errorf("published %s, %v", got, err)
			}
			r.until("drawn", 10*time.Minute, func() bool { return r.phase(job) == "commit" })
			r.tickFor(2 * time.Second)
			r.quiet()
		})
	}
}

// Files of secrets: made once, read strictly.
func TestDice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "draws")
	for range 2 {
		if err := makeDice(path); err != nil {
			t.Fatal(err)
		}
	}
	d, err := readDice(network, "Org1MSP", path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.chain(10, 20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[[32]byte]bool{}
	for draw := uint64(10); draw < 30; draw++ {
		e, err := d.element(c, draw)
		if err != nil || seen[e] {
			t.Errorf("draw %d: %x, %v", draw, e, err)
		}
		seen[e] = true
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	for _, text := range []string{"", "00", strings.Repeat("g", 64), strings.Repeat("a", 66)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readDice(network, "Org1MSP", path); err == nil {
			t.Errorf("%q is taken for a secret", text)
		}
	}
	if _, err := readDice(network, "Org1MSP", strings.Repeat("ab", 32)); err == nil {
		t.Error("a secret is taken for a file's name")
	}
}
