package attest_test

import (
	"testing"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// emit takes the programme one step on, a day later.
func (j *jobs) emit(days uint64, step string) {
	j.t.Helper()
	head := j.Head()
	j.Checkpoint(head.Size+1, head.Time+days*86_400+1)
	var v reward.EmissionView
	j.Read("reward:Emission", reward.EmissionQuery{}, &v)
	if !v.Waiting {
		j.t.Errorf("nothing is due: %+v", v)
	}
	if got := string(j.Must(ledger.Caller{}, "reward:Emit", nil)); got != `{"step":"`+step+`","day":1}` {
		j.t.Errorf("%s, want %s", got, step)
	}
	j.Audit()
}

// RW-20, JB-14: a day's pool goes to ballots that were right, and to nothing else: having a
// licence, a seat, or a ballot that was wrong or not opened brings nothing. Pay is not for
// being there.
func TestEmissionPaysRightBallots(t *testing.T) {
	j := market(t, 2)
	j.Emission(1000)
	job := j.ToCommit("emission")
	drawn := j.Drawn(job)
	if len(drawn) != 8 {
		t.Fatalf("%d are drawn", len(drawn))
	}
	before := map[*opstest.User]reward.Amount{}
	// Six are right, one is wrong, and one does not open its ballot.
	ballots := []attest.Verdict{valid, valid, valid, valid, valid, valid, invalid, attest.Undecided}
	j.Vote(job, ballots...)
	j.Tick(100)
	j.Step(job)
	if s := j.Close(job); s.Verdict != "valid" || s.Votes.Valid != 6 {
		t.Fatalf("%+v", s)
	}
	for _, u := range j.Verifiers {
		before[u] = j.Earned(u)
	}
	residue := j.Earned(j.Residue)
	j.emit(1, "ended")
	j.emit(0, "shared")
	for i, u := range drawn {
		want := reward.Amount(0)
		if ballots[i] == valid {
			want = 1000 / 6
		}
		if got := j.Earned(u) - before[u]; got != want {
			t.Errorf("seat %d, %s: %d, want %d", i, ballots[i], got, want)
		}
	}
	if got := j.Earned(j.Residue) - residue; got != 1000%6 {
		t.Errorf("residue of %d", got)
	}
}

// JB-14: a round that judges nobody brings nobody anything, and its day's pool stays.
func TestEmissionOfNoMajority(t *testing.T) {
	j := market(t, 1)
	j.Emission(1000)
	job := j.unread("tpm")
	j.Vote(job, valid, invalid, malicious)
	j.Close(job)
	j.emit(1, "ended")
	j.emit(0, "shared")
	for _, u := range j.Verifiers {
		if got := j.Earned(u); got != 0 {
			t.Errorf("%s has %d", u.DID, got)
		}
	}
	var v reward.EmissionView
	j.Read("reward:Emission", reward.EmissionQuery{Day: 1}, &v)
	if v.Balance != 10_000 || v.Span.Paid != 0 || v.Span.Epoch == 0 {
		t.Errorf("%+v, %+v", v, v.Span)
	}
}

// RW-20: a close that was endorsed before its day ended counts for no day that is over:
// it is void, and counts for the next one.
func TestCloseAcrossADay(t *testing.T) {
	j := market(t, 1)
	j.Emission(1000)
	job := j.ToCommit("across")
	j.Vote(job, valid, valid, valid, valid)
	late := j.EndorseCall(j.Members[0].Caller(), "attest:Close", attest.Close{Job: job.String()})
	j.emit(1, "ended")
	if j.Order(late) {
		t.Error("it counted for a day that is over")
	}
	j.Close(job)
	j.emit(0, "shared")
	if got := j.Earned(j.Verifiers[0]); got != 100 {
		t.Errorf("%d, want the fee alone", got)
	}
}
