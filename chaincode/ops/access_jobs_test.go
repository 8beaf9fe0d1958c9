package ops_test

import (
	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

// jobAccesses runs every operation on jobs, done and refused.
func jobAccesses(j *opstest.Jobs, run func(opstest.Signer, ops.Body, string, fault.Code) ops.Reference) {
	j.Register()
	limit := uint64(3)
	j.Grants = append(j.Grants, j.Grant(j.Owners[0], &limit))
	run(j.Consumer, opstest.CollateralOf(j.Platform), "", fault.CollateralOlder)
	spec := simulated.Default(tee.SGX, "jobs", j.Now)
	spec.FMSPC[0]++
	run(j.Consumer, opstest.CollateralOf(simulated.New(spec)), "", fault.OK)
	cancelled := run(j.Consumer, j.OpenBody("cancelled"), "", fault.OK)
	run(j.Operator, &ops.AttestCancel{Job: cancelled.String()}, "", fault.NotParty)
	run(j.Consumer, &ops.AttestCancel{Job: cancelled.String()}, "", fault.OK)
	job := run(j.Consumer, j.OpenBody("one"), "", fault.OK)
	run(j.Consumer, deposit(j, job), "", fault.NotAccredited)
	run(j.Operator, deposit(j, job), "", fault.OK)
	run(j.Operator, j.EvidenceBody(job, j.Platform, opstest.OutputOf("one")), "", fault.OK)
	step := func(want fault.Code) {
		run(j.Consumer, &ops.AttestStep{Job: job.String(), Checkpoint: j.Head().Number}, "", want)
	}
	step(fault.NotDue)
	run(j.Consumer, &ops.AttestClose{Job: job.String()}, "", fault.NotDue)
	j.Draw(job)
	step(fault.OK)
	first := j.Drawn(job)[0]
	run(j.Consumer, j.EvidenceBody(job, j.Platform, opstest.OutputOf("one")), "", fault.AlreadyDone)
	run(j.Consumer, j.CommitBody(job, first, attest.Valid), "", fault.NotDrawn)
	run(first, j.CommitBody(job, first, attest.Valid), "", fault.OK)
	run(j.Consumer, j.EvidenceBody(job, j.Platform, opstest.OutputOf("two")), "", fault.OK)
	j.Tick(100)
	step(fault.OK)
	run(first, j.RevealBody(job, first, attest.Invalid), "", fault.BallotDiffers)
	run(first, j.RevealBody(job, first, attest.Valid), "", fault.OK)
	run(first, &ops.AttestClose{Job: job.String()}, "", fault.OK)
	lateAccesses(j, run)
	late := run(j.Consumer, j.OpenBody("late"), "", fault.OK)
	j.Checkpoint(j.Head().Size+1, max(j.Head().Time+1, j.Now+7201))
	run(j.Consumer, &ops.AttestStep{Job: late.String(), Checkpoint: j.Head().Number}, "", fault.OK)
	run(j.Consumer, &ops.AttestClose{Job: late.String()}, "", fault.OK)
}

// lateAccesses brings second quotes of a job that is settled, where only DIDs with a person
// earn and where all do.
func lateAccesses(j *opstest.Jobs, run func(opstest.Signer, ops.Body, string, fault.Code) ops.Reference) {
	job := j.Open("two outputs")
	j.Do(j.Operator, deposit(j, job), "")
	j.Show(job)
	j.Draw(job)
	j.Step(job)
	j.Vote(job, attest.Valid, attest.Valid, attest.Valid, attest.Valid)
	j.Close(job)
	run(j.Consumer, j.EvidenceBody(job, j.Platform, opstest.OutputOf("one")), "", fault.AlreadyDone)
	j.Decide("bound", `["usd"]`)
	run(j.Consumer, j.EvidenceBody(job, j.Platform, opstest.OutputOf("two")), "", fault.NotBound)
	j.Decide("bound", `[]`)
	run(j.Consumer, j.EvidenceBody(job, j.Platform, opstest.OutputOf("two")), "", fault.OK)
	run(j.Consumer, j.EvidenceBody(job, j.Platform, opstest.OutputOf("three")), "", fault.AlreadyDone)
}

// deposit is the body that accepts a job of three owners.
func deposit(j *opstest.Jobs, job ops.Reference) *ops.AttestAccept {
	a := j.AcceptBody(job)
	a.Deposit += opstest.OwnerPrice
	return a
}
