package campaign_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/sqlite/sqlitetest"
)

// play is a sender at work on a ground.
type play struct {
	t       testing.TB
	g       ground
	path    string
	disk    *sqlitetest.Disk        // under the journal
	commits func() sqlitetest.Fault // what becomes of commits, except while a process starts
	skew    time.Duration           // of the sender's clock
	timeout time.Duration           // of a call; hanging nodes want it short
	mutate  func(send.Chain) send.Chain
	chain   send.Chain
	s       *send.Sender
	plans   []send.Intent
	ended   map[string]bool // intents that were seen to be final or given up
	wrong   []string
}

func newPlay(t testing.TB, g ground) *play {
	p := &play{ended: map[string]bool{}, t: t, g: g, path: filepath.Join(t.TempDir(), "send.db"), timeout: time.Minute,
		mutate: func(c send.Chain) send.Chain { return c }, commits: durable}
	p.open()
	t.Cleanup(p.close)
	return p
}

// open is what a process does that starts: a new driver, the journal on disk.
func (p *play) open() {
	p.t.Helper()
	for _, w := range p.g.ledger().wires { // dialling is for other tests
		w.mu.Lock()
		rule := w.rule
		w.rule = healthy
		defer w.set(rule)
		w.mu.Unlock()
	}
	p.disk = sqlitetest.On(p.t, p.path)
	p.chain = p.g.dial()
	s, err := send.Open(p.path, map[string]send.Chain{p.g.id(): p.mutate(p.chain)}, send.Config{
		Policy:  policy,
		Timeout: p.timeout,
		Now:     func() time.Time { return p.g.now().Add(p.skew) },
		Log:     slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.s = s
	p.disk.Set(p.commits)
}

// durable is a disk on which all commits succeed.
func durable() sqlitetest.Fault { return sqlitetest.None }

var policy = send.Policy{Resend: 6 * time.Second, Bump: 15 * time.Second, Doubt: time.Minute, Sure: 3 * period}

func (p *play) close() {
	if p.s == nil {
		return
	}
	p.disk.Set(durable)
	if err := p.s.Close(); err != nil {
		p.t.Error(err)
	}
	p.chain.(interface{ Close() }).Close()
	p.s = nil
}

func (p *play) reopen() {
	p.t.Helper()
	p.close()
	p.open()
}

// crash is what a power failure is, and the process after it.
func (p *play) crash() {
	p.t.Helper()
	image := p.disk.Image()
	p.close()
	if err := image.Restore(p.path); err != nil {
		p.t.Fatal(err)
	}
	p.open()
}

// journalled does what ends the process when the journal fails. It reports whether that
// was done.
func (p *play) journalled(do func() error) bool {
	p.t.Helper()
	failed := false
	p.disk.Set(func() sqlitetest.Fault {
		f := p.commits()
		failed = failed || f == sqlitetest.NotDone || f == sqlitetest.Done
		return f
	})
	err := do()
	if err == nil {
		return true
	}
	if !failed {
		p.t.Fatal(err)
	}
	p.crash()
	return false
}

func (p *play) plan(in send.Intent) {
	p.t.Helper()
	for !p.journalled(func() error { return p.s.Plan(context.Background(), p.g.id(), in) }) {
	}
	for _, had := range p.plans {
		if had.ID == in.ID {
			return
		}
	}
	p.plans = append(p.plans, in)
}

func (p *play) step() {
	p.t.Helper()
	p.g.ledger().look(p.plans)
	if p.journalled(func() error { return p.s.Step(context.Background()) }) {
		p.believes()
	}
}

// believes looks whether the final head shows what the sender now takes for final: later
// another one may bring what a checkpoint was to bring.
func (p *play) believes() {
	for _, in := range p.plans {
		st := p.status(in)
		switch {
		case p.ended[in.ID] || !st.Phase.Done() && st.Phase != send.PhaseOvertaken:
			continue
		case st.Phase.Done() && !p.g.holds(in, send.Final):
			p.wrong = append(p.wrong, fmt.Sprintf("%s became %s, and the contract does not show it", in.ID, st.Phase))
		case !st.Phase.Done() && !p.g.holds(late(in), send.Final):
			p.wrong = append(p.wrong, fmt.Sprintf("%s was given up, and is not too late", in.ID))
		}
		p.ended[in.ID] = true
	}
}

// round is a step and a block.
func (p *play) round() {
	p.t.Helper()
	p.step()
	p.g.block(true)
}

func (p *play) rounds(n int) {
	p.t.Helper()
	for range n {
		p.round()
	}
}

func (p *play) status(in send.Intent) send.Status {
	p.t.Helper()
	st, err := p.s.Status(context.Background(), in.ID)
	if errors.Is(err, send.ErrUnknown) && !p.g.ledger().lost {
		p.wrong = append(p.wrong, in.ID+" was planned and is forgotten")
		p.plan(in)
		return p.status(in)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return st
}

// rule has all wires do the same.
func (p *play) rule(rule func(call int, method string) fault) {
	for _, w := range p.g.ledger().wires {
		w.set(rule)
	}
}

// finish lets the world heal, runs until nothing is open any more, and returns what
// is wrong then.
func (p *play) finish() []string {
	p.t.Helper()
	p.rule(healthy)
	p.commits = durable
	p.timeout = time.Minute
	p.skew = max(p.skew, 0) // a clock that was set back is set right
	p.reopen()
	for _, in := range p.plans {
		p.plan(in) // as after a lost journal
	}
	open := 1
	// A few rounds more than it seems to need: what is stopped is taken up again when
	// the contract shows it.
	for rounds := 0; (open > 0 || rounds < 6) && rounds < 120; rounds++ {
		if rounds == 40 && len(p.plans[0].Late) > 0 {
			// As an anchor does when the head that it went on from is gone for good.
			p.plan(checkpoint(p.g, 20))
		}
		p.round()
		open = 0
		for _, in := range p.plans {
			st := p.status(in)
			if !st.Phase.Done() && st.Phase != send.PhaseOvertaken && st.Phase != send.PhaseStopped {
				open++
			}
			for _, t := range st.Tries {
				if !t.First.IsZero() && !t.Ended() {
					open++
				}
			}
		}
	}
	var wrong []string
	var journal []send.Status
	for _, in := range p.plans {
		st := p.status(in)
		journal = append(journal, st)
		if p := st.Phase; !p.Done() && p != send.PhaseOvertaken && p != send.PhaseStopped || open > 0 {
			wrong = append(wrong, fmt.Sprintf("%s is %s (%s), tries %s", st.ID, st.Phase, st.Why, tries(st)))
		}
	}
	if len(wrong) > 0 {
		alarms, err := p.s.Alarms(context.Background())
		wrong = append(wrong, fmt.Sprintf("alarms %q, %v", alarms, err))
	}
	p.g.again()
	wrong = append(wrong, p.wrong...)
	for _, st := range journal { // whoever did it
		switch {
		case st.Phase.Done() && !p.g.holds(st.Intent, send.Latest):
			wrong = append(wrong, fmt.Sprintf("%s is %s, and the contract does not show it", st.ID, st.Phase))
		case st.Phase == send.PhaseStopped:
			wrong = append(wrong, fmt.Sprintf("%s is stopped: %s", st.ID, st.Why))
		}
	}
	return append(wrong, compare(p.g.ledger(), p.g.landed(), journal)...)
}

func tries(st send.Status) (s string) {
	for _, t := range st.Tries {
		s += fmt.Sprintf("[%x nonce %d state %d final %v block %d first %v]", t.ID[:4], t.Nonce, t.Outcome.State, t.Outcome.Final, t.Outcome.Block, !t.First.IsZero())
	}
	return s
}

// sound fails the test when anything is wrong at the end.
func (p *play) sound() {
	p.t.Helper()
	for _, w := range p.finish() {
		p.t.Error(w)
	}
}

// copyJournal takes a copy of the journal of a closed sender, or brings it back.
func copyJournal(from, to string) error {
	var errs []error
	for _, suffix := range []string{"", "-wal", "-shm"} {
		data, err := os.ReadFile(from + suffix)
		if errors.Is(err, os.ErrNotExist) {
			if err := os.Remove(to + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, err)
			}
			continue
		}
		errs = append(errs, err, os.WriteFile(to+suffix, data, 0o600))
	}
	return errors.Join(errs...)
}
