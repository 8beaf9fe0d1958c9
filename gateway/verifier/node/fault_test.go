package node_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
)

var errKilled = errors.New("killed here")

// Wherever a node ends, the next one on its folder commits to the same ballot once, and
// reveals it within the window. (VN-1)
func TestKilledAnywhere(t *testing.T) {
	for _, point := range []string{"before the ballot", "after the ballot", "before commit", "after commit", "before reveal", "after reveal"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			w := begin(t, 1)
			job := w.toCommit(point)
			files := map[string]bool{}
			life := func(killed bool) {
				n := w.node()
				if killed {
					n.Crash(func(at string) error {
						if at == point {
							return errKilled
						}
						return nil
					})
				}
				w.pass(n)
				w.ballots(files)
			}
			life(true)
			life(true) // and again at the same point
			life(false)
			committed := w.seat(job).Commitment
			if committed == "" {
				t.Fatalf("no commitment: %s", w.logged)
			}
			w.toReveal(job)
			life(true)
			life(true)
			life(false)
			if seat := w.seat(job); seat.Ballot != "valid" || seat.Commitment != committed {
				t.Errorf("%+v: %s", seat, w.logged)
			}
			if len(files) != 1 {
				t.Errorf("%d ballots were written", len(files))
			}
		})
	}
}

// Who has gateways of fewer than N - K + 1 organisations is told, and who has them is not.
// (VN-2)
func TestTooFewGateways(t *testing.T) {
	for gateways, few := range map[int]bool{1: true, 2: false} { // N is 4, K is 3
		w := begin(t, gateways)
		job := w.toCommit("one")
		w.pass(w.node())
		if w.seat(job).Commitment == "" || strings.Contains(w.logged.String(), "too few gateways") != few {
			t.Errorf("%d gateways: %s", gateways, w.logged)
		}
	}
}

// ballots notes the contents of the ballot files that there are.
func (w *world) ballots(into map[string]bool) {
	w.t.Helper()
	for _, pattern := range []string{"*.ballot", "done/*.ballot"} {
		found, err := filepath.Glob(filepath.Join(w.config.Dir, pattern))
		if err != nil {
			w.t.Fatal(err)
		}
		for _, path := range found {
			data, err := os.ReadFile(path)
			if err != nil {
				w.t.Fatal(err)
			}
			into[string(data)] = true
		}
	}
}

// A vote reaches the ledger once whatever becomes of the answer, and whichever of the
// gateways is silent, refuses, or says that it was done and lies; it is one and the same
// operation at all of them, and the ballot is on disk when it leaves. (VN-2)
func TestSubmissions(t *testing.T) {
	lost := fault.New(fault.Unavailable, "the line broke")
	done := &killickv1.Operation{State: "done", Code: "ok"}
	for name, c := range map[string]struct {
		gateways int
		errors   int // of the node at most: none where each vote leaves at the first attempt
		faults   func(w *world)
	}{
		"not done": {1, 2, func(w *world) {
			w.gateways[0].submit = once(func(string, func() (*killickv1.Operation, error)) (*killickv1.Operation, error) { return nil, lost })
		}},
		"done although it failed": {1, 2, func(w *world) {
			w.gateways[0].submit = once(func(_ string, forward func() (*killickv1.Operation, error)) (*killickv1.Operation, error) {
				_, _ = forward()
				return nil, lost
			})
		}},
		"one is silent":        {2, 99, func(w *world) { w.gateways[0].silent = true }},
		"the other is silent":  {2, 99, func(w *world) { w.gateways[1].silent = true }},
		"one refuses":          {2, 0, func(w *world) { w.gateways[0].refuses = true }},
		"two of three refuse":  {3, 99, func(w *world) { w.gateways[0].refuses, w.gateways[1].silent = true, true }},
		"one refuses to write": {2, 0, func(w *world) { w.gateways[0].submit = refuse(fault.NotDrawn) }},
		"one says it is done": {2, 0, func(w *world) {
			w.gateways[0].submit = func(string, func() (*killickv1.Operation, error)) (*killickv1.Operation, error) { return done, nil }
		}},
		"one tells of no jobs": {2, 0, func(w *world) { w.gateways[0].list = func(p *killickv1.JobPage) { p.Jobs = nil } }},
		"one of three lies of the round": {3, 0, func(w *world) {
			w.gateways[1].round = func(r *killickv1.Round) { r.Phase, r.Evidence = "reveal", nil }
		}},
		"one of three lies of the quote": {3, 0, func(w *world) {
			w.gateways[0].round = func(r *killickv1.Round) {
				if r.Basis != nil {
					r.Basis.Measurements = nil
				}
				r.Rival = r.Evidence
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t, c.gateways)
			c.faults(w)
			for _, g := range w.gateways {
				if g.silent {
					w.config.Patience = time.Second
				}
			}
			w.keptFirst()
			job := w.toCommit(name)
			n := w.node()
			for range 20 {
				if w.pass(n); w.seat(job).Commitment != "" {
					break
				}
			}
			w.toReveal(job)
			for range 20 {
				if w.pass(n); w.seat(job).Ballot != "" {
					break
				}
			}
			if s := n.Status(); s.Errors > uint64(c.errors) {
				t.Errorf("%+v: %s", s, w.logged)
			}
			if seat := w.seat(job); seat.Ballot != "valid" {
				t.Errorf("%+v: %s", seat, w.logged)
			}
			w.once(job)
		})
	}
}

// What gateways may differ in although none lies, one of three cannot use either: its time
// and its licences turn no vote, and cost none, also when it is the one that makes a
// majority. (VN-3)
func TestOneLiesAboutTheRest(t *testing.T) {
	for name, lie := range map[string]func(*killickv1.Round){
		"an early time": func(r *killickv1.Round) { r.Basis.Time = 1 },
		"a late time":   func(r *killickv1.Round) { r.Basis.Time = 1 << 40 },
		"no licences": func(r *killickv1.Round) {
			for _, b := range r.Committee.Benches {
				for _, o := range b.Order {
					o.Verifier = b.Order[0].Verifier
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t, 3)
			job := w.toCommit(name)
			// The second to answer is the liar.
			first, second := make(chan bool, 99), make(chan bool, 99)
			in := func(before, after chan bool, change func(*killickv1.Round)) func(*killickv1.Round) {
				return func(r *killickv1.Round) {
					if r.Basis == nil {
						return
					}
					if before != nil {
						<-before
					}
					change(r)
					if after != nil {
						after <- true
					}
				}
			}
			keep := func(*killickv1.Round) {}
			w.gateways[0].round, w.gateways[1].round, w.gateways[2].round = in(nil, first, keep), in(first, second, lie), in(second, nil, keep)
			n := w.node()
			for range 5 {
				if w.pass(n); w.seat(job).Commitment != "" {
					break
				}
			}
			if s := n.Status(); w.seat(job).Commitment == "" || s.Ballots[attest.Valid] != 1 || s.WrongCommittees != 0 {
				t.Errorf("%+v: %s", s, w.logged)
			}
		})
	}
}

// once has the first submission fail.
func once(f func(string, func() (*killickv1.Operation, error)) (*killickv1.Operation, error)) func(string, func() (*killickv1.Operation, error)) (*killickv1.Operation, error) {
	failed := map[bool]bool{}
	return func(jws string, forward func() (*killickv1.Operation, error)) (*killickv1.Operation, error) {
		if !failed[true] {
			failed[true] = true
			return f(jws, forward)
		}
		return forward()
	}
}

func refuse(code fault.Code) func(string, func() (*killickv1.Operation, error)) (*killickv1.Operation, error) {
	return func(string, func() (*killickv1.Operation, error)) (*killickv1.Operation, error) {
		return nil, fault.New(code, "so it says")
	}
}

// keptFirst wants the ballot on disk whenever something leaves.
func (w *world) keptFirst() {
	for _, g := range w.gateways {
		submit := g.submit
		g.submit = func(jws string, forward func() (*killickv1.Operation, error)) (*killickv1.Operation, error) {
			files := map[string]bool{}
			if w.ballots(files); len(files) != 1 {
				w.t.Errorf("%d ballots are on disk when the vote leaves", len(files))
			}
			if submit != nil {
				return submit(jws, forward)
			}
			return forward()
		}
	}
}

// once wants one commitment and one reveal of the node, through whichever gateways.
func (w *world) once(ledger.Reference) {
	w.t.Helper()
	distinct := map[string]bool{}
	for _, g := range w.gateways {
		for _, jws := range g.submitted {
			distinct[jws] = true
		}
	}
	if len(distinct) != 2 {
		w.t.Errorf("%d operations were signed, want a commitment and a reveal", len(distinct))
	}
}

// Two gateways that say different things are both not believed: there is no vote, and no
// early reveal. (VN-3)
func TestLies(t *testing.T) {
	for name, lie := range map[string]func(*killickv1.Round){
		"the phase":     func(r *killickv1.Round) { r.Phase = "reveal" },
		"the end":       func(r *killickv1.Round) { r.Phase = "closed" },
		"the evidence":  func(r *killickv1.Round) { r.Evidence.Output = strings.Repeat("0", 64) },
		"a rival":       func(r *killickv1.Round) { r.Rival = r.Evidence },
		"the committee": func(r *killickv1.Round) { r.Committee.Seed = strings.Repeat("5", 64) },
		"the operator":  func(r *killickv1.Round) { r.Operator = r.Committee.Benches[1].Taken[0].Verifier },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t, 2)
			job := w.toCommit(name)
			n := w.node()
			w.gateways[1].round = lie
			w.pass(n)
			if len(w.gateways[0].submitted)+len(w.gateways[1].submitted) > 0 || n.Status().Disagreements == 0 {
				t.Errorf("something left, or nobody noticed: %+v", n.Status())
			}
			w.gateways[1].round = nil
			w.pass(n)
			if w.seat(job).Commitment == "" {
				t.Errorf("no commitment once they agree: %s", w.logged)
			}
			w.gateways[1].round = func(r *killickv1.Round) { r.Phase = "reveal" }
			sent := len(w.gateways[0].submitted) + len(w.gateways[1].submitted)
			w.pass(n)
			if len(w.gateways[0].submitted)+len(w.gateways[1].submitted) != sent {
				t.Error("a ballot left while others still commit to theirs")
			}
		})
	}
}

// Jobs that a gateway makes up cost one look each, and do not keep the node from others.
func TestInventedJobs(t *testing.T) {
	w := begin(t, 2)
	job := w.toCommit("one")
	w.gateways[0].list = func(p *killickv1.JobPage) {
		p.Jobs = nil
		for i := range 50 {
			p.Jobs = append(p.Jobs, &killickv1.ListedJob{Id: fmt.Sprintf("%08x-%064x", i, i)}, &killickv1.ListedJob{Id: fmt.Sprint("../", i)})
		}
	}
	n := w.node()
	w.pass(n)
	if w.seat(job).Commitment == "" || n.Tasks() != 1 || n.Status().Errors != 0 {
		t.Errorf("%d jobs are attended to, %+v: %s", n.Tasks(), n.Status(), w.logged)
	}
	w.pass(n)
	if n.Tasks() != 1 {
		t.Error("they come again")
	}
}

// On a committee that the seed does not draw nobody votes, whoever tells of it.
func TestWrongCommittee(t *testing.T) {
	w := begin(t, 1)
	job := w.toCommit("one")
	w.gateways[0].round = func(r *killickv1.Round) {
		b := r.GetCommittee().GetBenches()
		b[1].Taken, b[2].Taken = b[2].Taken, b[1].Taken
	}
	n := w.node()
	w.pass(n)
	if s := n.Status(); s.WrongCommittees != 1 || s.Ballots != [attest.Malicious + 1]uint64{} || w.seat(job).Commitment != "" || !strings.Contains(w.logged.String(), "not the one that the seed draws") {
		t.Errorf("%+v: %s", s, w.logged)
	}
}
