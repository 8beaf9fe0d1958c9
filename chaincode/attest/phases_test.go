package attest_test

import (
	"testing"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// moves are what one may try in every phase, in the order of the columns of the table
// below.
var moves = []string{"accept", "cancel", "evidence", "commit", "reveal", "step", "close"}

// move tries one of them.
func (j *jobs) move(name string, job ledger.Reference, want fault.Code) {
	j.t.Helper()
	verifier := j.Verifiers[0]
	switch name {
	case "accept":
		j.try(j.Operator, j.AcceptBody(job), want)
	case "cancel":
		j.try(j.Consumer, &attest.Cancel{Job: job.String()}, want)
	case "evidence":
		j.try(j.Operator, j.EvidenceBody(job, j.Platform, opstest.OutputOf("one")), want)
	case "commit":
		j.try(verifier, j.CommitBody(job, verifier, valid), want)
	case "reveal":
		j.try(verifier, j.RevealBody(job, verifier, valid), want)
	case "step":
		request := attest.Step{Job: job.String(), Checkpoint: j.Head().Number}
		j.clone(j.t).call("attest:Step", request, want)
		j.try(j.Consumer, &request, want)
	case "close":
		request := attest.Close{Job: job.String()}
		j.clone(j.t).call("attest:Close", request, want)
		j.try(j.Consumer, &request, want)
	}
}

// Ways to phases.

func accepted(j *jobs) ledger.Reference {
	job := j.Open("p")
	j.Accept(job)
	return job
}

func shown(j *jobs) ledger.Reference {
	job := accepted(j)
	j.Show(job)
	return job
}

func commits(j *jobs) ledger.Reference {
	return j.ToCommit("p")
}

func reveals(j *jobs) ledger.Reference {
	job := commits(j)
	j.Do(j.Verifiers[0], j.CommitBody(job, j.Verifiers[0], valid), "")
	j.Tick(100)
	j.Step(job)
	return job
}

func lapsed(j *jobs) ledger.Reference {
	job := j.Open("p")
	head := j.Head()
	j.Checkpoint(head.Size+1, j.Now+7201)
	return job
}

// JB-3: in every phase exactly the moves of docs/formats/job.md are made, and the others
// are refused with a code that says so and change nothing.
func TestPhases(t *testing.T) {
	const (
		ok, wrong, early, done = fault.OK, fault.WrongPhase, fault.NotDue, fault.AlreadyDone
	)
	start := market(t, 1)
	begin := func(prepare func(j *jobs) ledger.Reference) func(*testing.T) (*jobs, ledger.Reference) {
		return func(t *testing.T) (*jobs, ledger.Reference) {
			j := start.clone(t)
			return j, prepare(j)
		}
	}
	for _, tt := range []struct {
		name    string
		phase   string
		prepare func(*testing.T) (*jobs, ledger.Reference)
		want    [7]fault.Code // accept, cancel, evidence, commit, reveal, step, close
	}{
		{"open", "open", begin(func(j *jobs) ledger.Reference { return j.Open("p") }), [7]fault.Code{ok, ok, wrong, wrong, wrong, early, early}},
		{"open, past its time", "open", begin(lapsed), [7]fault.Code{ok, ok, wrong, wrong, wrong, ok, early}},
		{"lapsed", "lapsed", begin(func(j *jobs) ledger.Reference { job := lapsed(j); j.Step(job); return job }), [7]fault.Code{wrong, wrong, wrong, wrong, wrong, wrong, ok}},
		{"accepted", "accepted", begin(accepted), [7]fault.Code{wrong, wrong, ok, wrong, wrong, early, early}},
		{"accepted, past its time", "accepted", begin(func(j *jobs) ledger.Reference { job := accepted(j); j.Tick(100); return job }),
			[7]fault.Code{wrong, wrong, fault.TooLate, wrong, wrong, ok, early}},
		{"overdue", "overdue", begin(func(j *jobs) ledger.Reference { job := accepted(j); j.Tick(100); j.Step(job); return job }),
			[7]fault.Code{wrong, wrong, wrong, wrong, wrong, wrong, ok}},
		{"drawing, no draw", "drawing", begin(shown), [7]fault.Code{wrong, wrong, done, wrong, wrong, early, early}},
		{"drawing", "drawing", begin(func(j *jobs) ledger.Reference { job := shown(j); j.Draw(job); return job }),
			[7]fault.Code{wrong, wrong, done, wrong, wrong, ok, early}},
		{"drawing, for nothing", "drawing", begin(func(j *jobs) ledger.Reference {
			job := shown(j)
			j.Tick(1)
			j.AdvanceTo(j.Round(job).Draw + 3)
			return job
		}),
			[7]fault.Code{wrong, wrong, done, wrong, wrong, early, ok}},
		{"commit", "commit", begin(commits), [7]fault.Code{wrong, wrong, done, ok, wrong, early, early}},
		{"commit, past its time", "commit", begin(func(j *jobs) ledger.Reference { job := commits(j); j.Tick(100); return job }),
			[7]fault.Code{wrong, wrong, done, ok, wrong, ok, early}},
		{"reveal", "reveal", begin(reveals), [7]fault.Code{wrong, wrong, wrong, wrong, ok, early, early}},
		{"reveal, past its time", "reveal", begin(func(j *jobs) ledger.Reference { job := reveals(j); j.Tick(100); return job }),
			[7]fault.Code{wrong, wrong, wrong, wrong, ok, ok, early}},
		{"reveal, all of them", "reveal", begin(func(j *jobs) ledger.Reference {
			job := reveals(j)
			j.Do(j.Verifiers[0], j.RevealBody(job, j.Verifiers[0], valid), "")
			return job
		}), [7]fault.Code{wrong, wrong, wrong, wrong, done, early, ok}},
		{"counting", "counting", begin(func(j *jobs) ledger.Reference { job := reveals(j); j.Tick(100); j.Step(job); return job }),
			[7]fault.Code{wrong, wrong, wrong, wrong, wrong, wrong, ok}},
		{"closed", "closed", begin(func(j *jobs) ledger.Reference {
			job := j.Open("p")
			j.try(j.Consumer, &attest.Cancel{Job: job.String()}, ok)
			return job
		}),
			[7]fault.Code{wrong, wrong, wrong, wrong, wrong, wrong, done}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j, job := tt.prepare(t)
			if got := j.Round(job).Phase; got != tt.phase {
				t.Fatalf("the phase is %s, want %s", got, tt.phase)
			}
			for i, name := range moves {
				t.Run(name, func(t *testing.T) { j.clone(t).move(name, job, tt.want[i]) })
			}
		})
	}
}

// A step that begins a window names the newest checkpoint; one that ends one names any
// that is past it.
func TestStepsNameCheckpoints(t *testing.T) {
	j := market(t, 1)
	job := j.Open("one")
	j.Accept(job)
	step := func(number uint64, want fault.Code) {
		t.Helper()
		j.call("attest:Step", attest.Step{Job: job.String(), Checkpoint: number}, want)
	}
	j.Show(job)
	j.Draw(job)
	before := j.Head().Number
	j.Tick(1)
	step(before, fault.NotDue)
	step(before+5, fault.NotFound)
	step(before+1, fault.OK) // drawing ends
	j.Tick(100)
	past := j.Head().Number
	j.Tick(1)
	step(before+1, fault.NotDue)
	step(past, fault.NotDue) // past the end, and not the newest
	step(past+1, fault.OK)   // the commitments end
	if r := j.Round(job); r.Phase != "reveal" || r.Judged != past+1 {
		t.Errorf("%+v", r)
	}
	j.Tick(99)
	step(j.Head().Number, fault.NotDue)
	j.Tick(1)
	past = j.Head().Number
	j.Tick(1)
	step(past, fault.OK) // an older one does
	if r := j.Round(job); r.Phase != "counting" {
		t.Errorf("%+v", r)
	}
}

// JB-4: ballots of different verifiers in one block stand beside each other; a step in
// the same block voids those that belong to the phase before it.
func TestBallotsInOneBlock(t *testing.T) {
	j := market(t, 1)
	job := j.ToCommit("block")
	var endorsed []*opstest.Endorsed
	for _, u := range j.Drawn(job) {
		item, _ := j.Sign(u, j.CommitBody(job, u, valid), "")
		endorsed = append(endorsed, j.Endorse(item))
	}
	for i, e := range endorsed[:3] {
		if !j.Order(e) {
			t.Errorf("commitment %d is void", i)
		}
	}
	j.Tick(100)
	step := j.EndorseCall(j.Members[0].Caller(), "attest:Step", attest.Step{Job: job.String(), Checkpoint: j.Head().Number})
	if !j.Order(step) {
		t.Fatal("the step is void")
	}
	if j.Order(endorsed[3]) {
		t.Error("a commitment was ordered after the commitments had ended")
	}
	endorsed = nil
	for _, u := range j.Drawn(job)[:3] {
		item, _ := j.Sign(u, j.RevealBody(job, u, valid), "")
		endorsed = append(endorsed, j.Endorse(item))
	}
	for i, e := range endorsed {
		if !j.Order(e) {
			t.Errorf("ballot %d is void", i)
		}
	}
	if s := j.Close(job); s.Verdict != "valid" {
		t.Errorf("%+v", s)
	}
	j.Audit()
}
