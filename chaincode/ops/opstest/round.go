package opstest

import (
	"encoding/json"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
)

// Round returns how far a job is.
func (j *Jobs) Round(job ledger.Reference) attest.RoundView {
	j.t.Helper()
	var v attest.RoundView
	j.Read("attest:Round", attest.RoundQuery{Job: job.String(), Explain: true}, &v)
	return v
}

// Draw makes the draw of a job, without the elements of members in withheld.
func (j *Jobs) Draw(job ledger.Reference, withheld ...string) {
	j.t.Helper()
	draw := j.Round(job).Draw
	j.AdvanceTo(draw)
	absent := map[string]bool{}
	for _, msp := range withheld {
		absent[msp] = true
	}
	for _, c := range j.Chains {
		if absent[c.By.MSP] {
			continue
		}
		if err := j.Publish(c, draw); err != nil {
			j.t.Fatal(err)
		}
	}
	if len(withheld) > 0 {
		j.AdvanceTo(draw + govern.Reach)
	}
	j.Must(j.Members[0].Caller(), "checkpoint:Draw", checkpoint.Draw{Draw: draw})
}

// Tick has a checkpoint accepted by which the clock counts so many seconds more, at most
// two heartbeats.
func (j *Jobs) Tick(seconds uint64) {
	j.t.Helper()
	head := j.Head()
	j.Checkpoint(head.Size+1, head.Time+seconds)
}

// Wait lets the clock pass until a job's deposit is due.
func (j *Jobs) Wait(job ledger.Reference) {
	j.t.Helper()
	due := j.Round(job).Due
	for now := j.Head().Elapsed; now < due; now = j.Head().Elapsed {
		j.Tick(min(100, due-now)) // of more than that between two checkpoints not all counts
	}
}

// Step takes a job's next step, naming the newest checkpoint.
func (j *Jobs) Step(job ledger.Reference) string {
	j.t.Helper()
	var s attest.Stepped
	answer := j.Must(j.Members[0].Caller(), "attest:Step", attest.Step{Job: job.String(), Checkpoint: j.Head().Number})
	if err := json.Unmarshal(answer, &s); err != nil {
		j.t.Fatal(err)
	}
	return s.Phase
}

// Close closes a job.
func (j *Jobs) Close(job ledger.Reference) attest.SettlementView {
	j.t.Helper()
	j.Must(j.Members[0].Caller(), "attest:Close", attest.Close{Job: job.String()})
	return j.Settlement(job)
}

// Settlement returns what became of a job.
func (j *Jobs) Settlement(job ledger.Reference) attest.SettlementView {
	j.t.Helper()
	var v attest.SettlementView
	j.Read("attest:Settlement", attest.JobQuery{Job: job.String()}, &v)
	return v
}

// Drawn are the verifiers of a job's committee, in the order of its seats.
func (j *Jobs) Drawn(job ledger.Reference) []*User {
	j.t.Helper()
	byDID := map[string]*User{}
	for _, u := range j.Verifiers {
		byDID[u.DID] = u
	}
	var drawn []*User
	for _, b := range j.Round(job).Committee.Benches {
		for _, s := range b.Taken {
			drawn = append(drawn, byDID[s.Verifier])
		}
	}
	return drawn
}

// SaltOf is the salt of every ballot of a verifier.
func SaltOf(u *User) string { return canon.Hex(Seed("salt of " + u.DID)) }

// CommitBody commits a verifier to a ballot.
func (j *Jobs) CommitBody(job ledger.Reference, u *User, ballot attest.Verdict) *ops.AttestCommit {
	digest := canon.BallotDigest(j.Name, job.ID, u.ID, byte(ballot), [32]byte(Seed("salt of "+u.DID)))
	return &ops.AttestCommit{Job: job.String(), Commitment: canon.Hex(digest[:])}
}

// RevealBody reveals it.
func (j *Jobs) RevealBody(job ledger.Reference, u *User, ballot attest.Verdict) *ops.AttestReveal {
	return &ops.AttestReveal{Job: job.String(), Ballot: ballot.String(), Salt: SaltOf(u)}
}

// ToCommit takes a job from nothing to its ballots.
func (j *Jobs) ToCommit(nonce string, withheld ...string) ledger.Reference {
	j.t.Helper()
	job := j.Open(nonce)
	j.Accept(job)
	j.Show(job)
	j.Draw(job, withheld...)
	j.Step(job)
	return job
}

// Vote has those who were drawn commit to ballots, ends that, and has them reveal all
// that are not Undecided. Seats beyond the ballots miss their vote.
func (j *Jobs) Vote(job ledger.Reference, ballots ...attest.Verdict) {
	j.t.Helper()
	drawn := j.Drawn(job)
	for i, b := range ballots {
		j.Do(drawn[i], j.CommitBody(job, drawn[i], max(b, attest.Valid)), "")
	}
	j.Tick(100)
	j.Step(job)
	for i, b := range ballots {
		if b != attest.Undecided {
			j.Do(drawn[i], j.RevealBody(job, drawn[i], b), "")
		}
	}
}
