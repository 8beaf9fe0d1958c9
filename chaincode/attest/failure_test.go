package attest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

const (
	charged = 1901 // two prices and both fees
	atStake = 901  // two prices and the verification fee
)

// ended looks at a settlement, and at what of hold and deposit goes back.
func (j *jobs) ended(job ledger.Reference, verdict, reason string, paid map[string]reward.Amount, consumer, operator reward.Amount) attest.SettlementView {
	j.t.Helper()
	j.Audit()
	s := j.Settlement(job)
	if s.Verdict != verdict || s.Reason != reason {
		j.t.Errorf("%s (%s), want %s (%s)", s.Verdict, s.Reason, verdict, reason)
	}
	if paid == nil {
		paid = map[string]reward.Amount{}
	}
	if diff := cmp.Diff(paid, sums(s)); diff != "" {
		j.t.Errorf("lines: %s", diff)
	}
	if s.Refund != consumer || s.Returned != operator {
		j.t.Errorf("%d and %d are left, want %d and %d", s.Refund, s.Returned, consumer, operator)
	}
	if c, o := j.back(job); c != consumer || o != operator {
		j.t.Errorf("%d and %d go back, want %d and %d", c, o, consumer, operator)
	}
	j.Audit()
	return s
}

// JB-7: once data was released owners are paid, however the job fails; nobody gets data
// for nothing by failing.
func TestFailuresPayOwners(t *testing.T) {
	start := market(t, 1)
	owners := map[string]reward.Amount{"owner from deposit": 500}
	withVerifiers := map[string]reward.Amount{"owner from deposit": 500, "verifier from deposit": 300}
	t.Run("no evidence", func(t *testing.T) {
		j := start.clone(t)
		job := j.Open("one")
		j.Accept(job)
		j.Tick(100)
		j.Step(job)
		j.Close(job)
		j.ended(job, "expired", "no_evidence", owners, charged, atStake-500)
	})
	t.Run("evidence of a platform out of date", func(t *testing.T) {
		j := start.clone(t)
		s := simulated.Default(tee.SGX, "jobs", opstest.Start)
		s.Components = [16]uint8{5, 5, 2, 2, 4, 1, 0, 5}
		j.Platform = simulated.New(s)
		job := j.ToCommit("old")
		j.Vote(job, invalid, invalid, invalid, valid)
		j.Close(job)
		j.ended(job, "invalid", "below_policy", withVerifiers, charged, atStake-800)
	})
	t.Run("verifiers alone find it bad", func(t *testing.T) {
		j := start.clone(t)
		job := j.unread("tpm")
		j.Vote(job, malicious, malicious, malicious, valid)
		j.Close(job)
		// No ground that anyone could compute again: the rest of the deposit is not taken.
		j.ended(job, "malicious", "by_majority", withVerifiers, charged, atStake-800)
	})
	t.Run("verifiers alone find it good", func(t *testing.T) {
		j := start.clone(t)
		job := j.unread("sev-snp")
		j.Vote(job, valid, valid, valid, invalid)
		j.Close(job)
		j.ended(job, "valid", "by_majority", map[string]reward.Amount{
			"owner from hold": 500, "verifier from hold": 300, "operator from hold": 967, "treasury from hold": 33, "residue from hold": 101,
		}, 0, atStake)
	})
	t.Run("too few ballots", func(t *testing.T) {
		j := start.clone(t)
		job := j.ToCommit("few")
		j.Vote(job, valid, valid)
		j.Close(job)
		j.ended(job, "expired", "no_majority", nil, charged, atStake)
	})
	t.Run("no draw", func(t *testing.T) {
		j := start.clone(t)
		job := j.Open("one")
		j.Accept(job)
		j.Show(job)
		draw := j.Round(job).Draw
		j.AdvanceTo(draw + govern.Reach - 1)
		j.call("attest:Close", attest.Close{Job: job.String()}, fault.NotDue)
		j.AdvanceTo(draw + govern.Reach)
		j.Close(job)
		j.ended(job, "expired", "no_draw", nil, charged, atStake)
	})
	t.Run("no draw for two", func(t *testing.T) { // closed in one block, after which nobody waits
		j := start.clone(t)
		one, two := j.Open("one"), j.Open("two")
		j.Accept(one)
		j.Accept(two)
		j.Show(one)
		j.try(j.Operator, j.EvidenceBody(two, j.Platform, opstest.OutputOf("two")), fault.OK)
		draw := j.Round(one).Draw
		j.AdvanceTo(draw + govern.Reach)
		waits := func() (n int) {
			var open []checkpoint.DrawView
			j.Read("checkpoint:Draws", checkpoint.DrawsQuery{}, &open)
			return len(open)
		}
		if waits() != 1 || j.Round(two).Draw != draw {
			t.Errorf("%d draws are waited for, the jobs wait for %d and %d", waits(), draw, j.Round(two).Draw)
		}
		first := j.EndorseCall(j.Members[0].Caller(), "attest:Close", attest.Close{Job: one.String()})
		second := j.EndorseCall(j.Members[1].Caller(), "attest:Close", attest.Close{Job: two.String()})
		if !j.Order(first) || !j.Order(second) {
			t.Error("a close voids the other")
		}
		for _, job := range []ledger.Reference{one, two} {
			j.ended(job, "expired", "no_draw", nil, charged, atStake)
		}
		if n := waits(); n != 0 {
			t.Errorf("%d draws are waited for", n)
		}
	})
	t.Run("not accepted", func(t *testing.T) {
		j := start.clone(t)
		job := j.Open("one")
		j.Checkpoint(j.Head().Size+1, j.Now+7201)
		j.Step(job)
		j.Close(job)
		j.ended(job, "cancelled", "not_accepted", nil, charged, 0)
	})
}

// unread is a job up to its ballots whose evidence chaincode does not read.
func (j *jobs) unread(platform string) ledger.Reference {
	j.t.Helper()
	job := j.Open(platform)
	j.Accept(job)
	j.Do(j.Operator, &ops.AttestEvidence{Job: job.String(), Platform: platform, Output: opstest.OutputOf("one"), Digest: canon.Hex(opstest.Seed(platform))}, "")
	j.Draw(job)
	j.Step(job)
	return job
}

// JB-8: ballots count once, in their phase, of who was drawn, and as they were committed
// to.
func TestBallotsRefused(t *testing.T) {
	j := market(t, 2)
	j.Decide("jobs", j.JSON(opstest.JobsPolicy(4, j.Treasury, j.Residue))) // one seat each for two verifiers
	job := j.ToCommit("one")
	drawn := map[string]bool{}
	for _, u := range j.Drawn(job) {
		drawn[u.DID] = true
	}
	var left *opstest.User
	for _, u := range j.Verifiers {
		if !drawn[u.DID] {
			left = u
		}
	}
	first, second, third := j.Drawn(job)[0], j.Drawn(job)[1], j.Drawn(job)[2]
	j.try(left, j.CommitBody(job, left, valid), fault.NotDrawn)
	j.try(j.Consumer, j.CommitBody(job, j.Consumer, valid), fault.NotDrawn)
	j.try(j.Operator, j.CommitBody(job, j.Operator, valid), fault.NotDrawn)
	own := j.CommitBody(job, first, valid)
	j.try(first, own, fault.OK)
	j.try(first, own, fault.AlreadyDone)
	j.try(first, j.CommitBody(job, first, malicious), fault.AlreadyDone)
	j.try(second, own, fault.OK) // a copy
	j.try(third, j.CommitBody(job, third, invalid), fault.OK)
	j.try(first, j.RevealBody(job, first, valid), fault.WrongPhase)
	j.Tick(100)
	j.Step(job)
	j.try(j.Drawn(job)[3], j.CommitBody(job, j.Drawn(job)[3], valid), fault.WrongPhase)
	j.try(left, j.RevealBody(job, left, valid), fault.NotDrawn)
	j.try(j.Drawn(job)[3], j.RevealBody(job, j.Drawn(job)[3], valid), fault.NotFound)
	copied := j.RevealBody(job, first, valid)
	j.try(second, copied, fault.BallotDiffers)
	j.try(second, j.RevealBody(job, second, valid), fault.BallotDiffers)
	j.try(third, j.RevealBody(job, third, valid), fault.BallotDiffers)
	wrongSalt := j.RevealBody(job, third, invalid)
	wrongSalt.Salt = opstest.OutputOf("salt")
	j.try(third, wrongSalt, fault.BallotDiffers)
	j.try(third, j.RevealBody(job, third, invalid), fault.OK)
	j.try(third, j.RevealBody(job, third, invalid), fault.AlreadyDone)
	j.call("attest:Close", attest.Close{Job: job.String()}, fault.NotDue) // too early: not all are revealed
	j.try(first, j.RevealBody(job, first, valid), fault.OK)
	j.Tick(100)
	j.Step(job)
	s := j.Close(job)
	fates := map[string]int{}
	for _, l := range s.Lines {
		fates[l.Fate]++
	}
	if diff := cmp.Diff(map[string]int{"right": 1, "unrevealed": 1, "wrong": 1, "missed": 1}, fates); diff != "" || s.Votes != (attest.VotesView{Valid: 1, Invalid: 1, Unrevealed: 1}) {
		t.Errorf("%+v\n%s", s, diff)
	}
	// The lone dissent stays where anyone finds it.
	for _, b := range j.Round(job).Committee.Benches {
		for _, seat := range b.Taken {
			if seat.Verifier == third.DID && (seat.Ballot != "invalid" || seat.Commitment == "") {
				t.Errorf("%+v", seat)
			}
		}
	}
	for name, body := range map[string]ops.Body{
		"ballot":     &ops.AttestReveal{Job: job.String(), Ballot: "maybe", Salt: opstest.SaltOf(first)},
		"salt":       &ops.AttestReveal{Job: job.String(), Ballot: "valid", Salt: "0"},
		"commitment": &ops.AttestCommit{Job: job.String(), Commitment: "x"},
		"job":        &ops.AttestCommit{Job: "x", Commitment: opstest.OutputOf("x")},
	} {
		t.Run(name, func(t *testing.T) { j.clone(t).try(first, body, fault.InvalidValue) })
	}
}

// Licences count from the epoch after the one in which they were given; who is off duty,
// runs the job, or is of a member that withheld its element has no seat.
func TestWhoIsDrawn(t *testing.T) {
	start := market(t, 1)
	licences := func(j *jobs, change func(i int, l *govern.Licence)) {
		list, err := govern.Licences(ledger.Begin(j.Store, j.Now, ledger.Caller{}))
		if err != nil {
			t.Fatal(err)
		}
		for i := range list {
			change(i, &list[i])
		}
		j.SetLicences(list)
	}
	seats := func(j *jobs, job ledger.Reference) (taken, order int) {
		for _, b := range j.Round(job).Committee.Benches {
			taken, order = taken+len(b.Taken), order+len(b.Order)
		}
		return taken, order
	}
	t.Run("new", func(t *testing.T) {
		j := start.clone(t)
		licences(j, func(i int, l *govern.Licence) {
			if i == 0 {
				l.Epoch = 2
			}
		})
		if taken, order := seats(j, j.ToCommit("new")); taken != 3 || order != 4 {
			t.Errorf("%d of %d sit", taken, order)
		}
	})
	t.Run("withheld", func(t *testing.T) {
		j := start.clone(t)
		job := j.ToCommit("withheld", "Org2MSP")
		taken, _ := seats(j, job)
		if b := j.Round(job).Committee.Benches[1]; taken != 3 || !b.Withheld || len(b.Taken) != 0 {
			t.Errorf("%d sit, %+v", taken, b)
		}
		j.Vote(job, valid, valid, valid) // the empty seat counts, and the others are enough
		if s := j.Close(job); s.Verdict != "valid" || s.Seats != 4 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("operator", func(t *testing.T) {
		j := start.clone(t)
		licences(j, func(_ int, l *govern.Licence) {
			if l.DID == j.Verifiers[2].DID {
				l.DID = j.Operator.DID
			}
		})
		job := j.ToCommit("own")
		if taken, _ := seats(j, job); taken != 3 {
			t.Errorf("%d sit", taken)
		}
	})
}

// JB-9: silence costs a verifier at least what a wrong ballot costs, and who misses its
// seats is off duty for a time.
func TestStandings(t *testing.T) {
	j := market(t, 1)
	standing := func(i int) (s attest.StandingView) {
		j.Read("attest:Standing", attest.StandingQuery{DID: j.Verifiers[i].DID}, &s)
		s.DID = ""
		return s
	}
	job := j.ToCommit("one")
	fates := map[string]attest.Verdict{j.Verifiers[0].DID: valid, j.Verifiers[1].DID: invalid, j.Verifiers[2].DID: silent}
	vote := func(job ledger.Reference) {
		for _, u := range j.Drawn(job) {
			if b, ok := fates[u.DID]; ok {
				j.Do(u, j.CommitBody(job, u, max(b, valid)), "")
			}
		}
		j.Tick(100)
		j.Step(job)
		for _, u := range j.Drawn(job) {
			if b := fates[u.DID]; b != silent {
				j.Do(u, j.RevealBody(job, u, b), "")
			}
		}
		j.Tick(100)
		j.Step(job)
		j.Close(job)
	}
	vote(job)
	for i, want := range []attest.StandingView{{Score: 100, Right: 1}, {Score: 70, Wrong: 1}, {Score: 60, Unrevealed: 1, Row: 1}, {Score: 60, Missed: 1, Row: 1}} {
		if got := standing(i); got != want {
			t.Errorf("verifier %d: %+v, want %+v", i, got, want)
		}
	}
	job = j.ToCommit("two")
	vote(job)
	ended := j.Round(job)
	for i, want := range []attest.StandingView{
		{Score: 100, Right: 2}, {Score: 40, Wrong: 2}, {Score: 20, Unrevealed: 2, Row: 2}, {Score: 20, Missed: 2, Row: 2},
	} {
		got := standing(i)
		if off := got.OffUntil > 0; off != (i > 0) {
			t.Errorf("verifier %d is off duty: %t", i, off)
		}
		if got.OffUntil = 0; got != want {
			t.Errorf("verifier %d: %+v, want %+v", i, got, want)
		}
	}
	if ended.Phase != "closed" {
		t.Fatalf("%+v", ended)
	}
	job = j.ToCommit("three")
	if drawn := j.Drawn(job); len(drawn) != 1 || drawn[0] != j.Verifiers[0] {
		t.Errorf("%d are drawn", len(drawn))
	}
	for j.Head().Elapsed < standing(3).OffUntil {
		j.Tick(120)
	}
	job = j.ToCommit("four")
	if drawn := j.Drawn(job); len(drawn) != 4 {
		t.Errorf("after their leave %d are drawn", len(drawn))
	}
	fates[j.Verifiers[3].DID] = valid
	vote(job)
	if got := standing(3); got != (attest.StandingView{Score: 100, Right: 1, Missed: 2}) {
		t.Errorf("after its leave: %+v", got)
	}
}

// A payee whom the consortium does not let earn holds up nobody's settlement.
func TestSettlementWaitsForNoPayee(t *testing.T) {
	j := market(t, 1)
	job := j.ToCommit("bound")
	j.Vote(job, valid, valid, valid, valid)
	residue := j.clone(t)
	j.Decide("bound", `["usd"]`)
	j.Close(job)
	s := j.ended(job, "valid", "agreed", nil, charged, atStake)
	for _, l := range s.Lines {
		if l.Payee != "none" {
			t.Errorf("%+v", l)
		}
	}
	residue.Bind(residue.Residue)
	residue.Decide("bound", `["usd"]`)
	residue.Close(job)
	s = residue.ended(job, "valid", "agreed", map[string]reward.Amount{
		"owner from hold": 500, "verifier from hold": 400, "operator from hold": 967, "treasury from hold": 33, "residue from hold": 1,
	}, 0, atStake)
	if got := residue.Earned(residue.Residue); got != charged || s.Lines[0].Payee != residue.Residue.DID {
		t.Errorf("the residue account has %d, line %+v", got, s.Lines[0])
	}
}
