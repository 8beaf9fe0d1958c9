package attest_test

import (
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

// done is a job that was found valid and settled, whose deposit waits.
func (j *jobs) done(nonce string) ledger.Reference {
	j.t.Helper()
	job := j.ToCommit(nonce)
	j.Vote(job, valid, valid, valid, valid)
	j.Close(job)
	return job
}

// elsewhere is a good platform of the same vendor, which is not the operator's.
func elsewhere() *simulated.Platform {
	s := simulated.Default(tee.SGX, "jobs", opstest.Start)
	s.Machine = "of somebody else"
	return simulated.New(s)
}

// JB-17: a deposit is given back so long after the evidence as the policy said when the job
// was opened, no second sooner, whoever asks and whatever the members decide meanwhile.
func TestDepositIsKept(t *testing.T) {
	j := market(t, 1)
	short := opstest.JobsPolicy(4, j.Treasury, j.Residue)
	short.DepositSeconds = 1
	job := j.Open("one")
	j.Decide("jobs", j.JSON(short))
	j.Accept(job)
	shown := j.Head().Elapsed
	j.Show(job)
	j.Draw(job)
	j.Step(job)
	j.Vote(job, valid, valid, valid, valid)
	r := j.Round(job)
	deposit := reward.HoldQuery{Hold: r.Accepted}
	if r.Due != shown+300 {
		t.Errorf("the deposit is due at %d, the evidence came at %d", r.Due, shown)
	}
	j.call("reward:Return", deposit, fault.NotDue)
	j.Close(job)
	j.Decide("operator/"+j.Operator.ID.String(), `{}`) // it leaves
	j.call("reward:Return", deposit, fault.NotDue)
	for j.Head().Elapsed < r.Due-1 {
		j.Tick(min(100, r.Due-1-j.Head().Elapsed))
	}
	j.call("reward:Return", deposit, fault.NotDue)
	if got := j.Balance(j.Operator).Balance; got != 1_000_000-atStake {
		t.Errorf("the operator has %d", got)
	}
	j.Tick(1)
	j.call("reward:Return", deposit, fault.OK)
	j.call("reward:Return", deposit, fault.AlreadyDone)
	if got := j.Balance(j.Operator).Balance; got != 1_000_000 {
		t.Errorf("the operator has %d", got)
	}
	// What is decided meanwhile is for later jobs, and without evidence nothing has to wait.
	j.Decide("operator/"+j.Operator.ID.String(), `{"organisation":"Org1MSP"}`)
	next := j.done("next")
	if r := j.Round(next); r.Due > j.Head().Elapsed {
		t.Errorf("due at %d of %d", r.Due, j.Head().Elapsed)
	}
	j.call("reward:Return", reward.HoldQuery{Hold: j.Round(next).Accepted}, fault.OK)
	j.Decide("jobs", j.JSON(opstest.JobsPolicy(4, j.Treasury, j.Residue)))
	silent := j.Open("silent")
	j.Accept(silent)
	j.Tick(100)
	j.Step(silent)
	j.Close(silent)
	j.call("reward:Return", reward.HoldQuery{Hold: j.Round(silent).Accepted}, fault.OK)
}

// JB-17: until its deposit is given back an operator loses it for a second genuine quote of
// the job, whoever brings it, although the job was found valid and it has left meanwhile;
// those who were paid keep what they have.
func TestLateQuote(t *testing.T) {
	start := market(t, 1)
	job := start.done("one")
	before := start.Settlement(job)
	other := start.EvidenceBody(job, start.Platform, opstest.OutputOf("two"))
	treasury := start.Earned(start.Treasury)

	t.Run("takes the deposit", func(t *testing.T) {
		j := start.clone(t)
		j.Decide("operator/"+j.Operator.ID.String(), `{}`)
		by := j.try(j.Consumer, other, fault.OK)
		j.try(j.Consumer, j.EvidenceBody(job, j.Platform, opstest.OutputOf("three")), fault.AlreadyDone)
		r := j.Round(job)
		if r.Late == nil || r.Late.Amount != atStake || r.Late.Payee != j.Treasury.DID || r.Late.Epoch == 0 || r.Late.Evidence.By != by.String() || r.Rival != nil {
			t.Errorf("%+v", r.Late)
		}
		if got := j.Earned(j.Treasury); got != treasury+atStake {
			t.Errorf("the treasury has %d, had %d", got, treasury)
		}
		if after := j.Settlement(job); after.Verdict != "valid" || len(after.Lines) != len(before.Lines) || after.Returned != before.Returned {
			t.Errorf("%+v, was %+v", after, before)
		}
		j.Wait(job)
		j.call("reward:Return", reward.HoldQuery{Hold: r.Accepted}, fault.OK) // nothing
		if got := j.Balance(j.Operator).Balance; got != 1_000_000-atStake {
			t.Errorf("the operator has %d", got)
		}
	})
	t.Run("is refused", func(t *testing.T) {
		j := start.clone(t)
		forged := simulated.Default(tee.SGX, "jobs", opstest.Start)
		forged.Forge = []tee.Part{tee.InQuote}
		debug := simulated.Default(tee.SGX, "jobs", opstest.Start)
		debug.SGX.Attributes[0] |= 2
		unlike := *other
		unlike.Output = opstest.OutputOf("three")
		for _, c := range []struct {
			body ops.Body
			code fault.Code
		}{
			{j.EvidenceBody(job, simulated.New(forged), opstest.OutputOf("two")), fault.BadProof},
			{j.EvidenceBody(job, simulated.New(debug), opstest.OutputOf("two")), fault.BadProof},
			{j.EvidenceBody(job, j.Platform, opstest.OutputOf("one")), fault.AlreadyDone}, // the same output
			{j.EvidenceBody(job, elsewhere(), opstest.OutputOf("two")), fault.EvidenceUnbound},
			{&unlike, fault.EvidenceUnbound},
		} {
			j.try(j.Consumer, c.body, c.code)
		}
		if got := j.Earned(j.Treasury); got != treasury {
			t.Errorf("the treasury has %d, had %d", got, treasury)
		}
		j.Wait(job)
		j.try(j.Consumer, other, fault.WrongPhase) // it is due, though nobody has asked for it
		j.back(job)
		j.try(j.Consumer, other, fault.WrongPhase)
	})
	t.Run("finds nothing", func(t *testing.T) { // of a deposit that was taken whole
		j := start.clone(t)
		debug := simulated.Default(tee.SGX, "jobs", opstest.Start)
		debug.SGX.Attributes[0] |= 2
		bad := j.Open("bad")
		j.Accept(bad)
		j.try(j.Operator, j.EvidenceBody(bad, simulated.New(debug), opstest.OutputOf("one")), fault.OK)
		j.Draw(bad)
		j.Step(bad)
		j.Vote(bad, malicious, malicious, malicious, malicious)
		j.Close(bad)
		j.try(j.Consumer, j.EvidenceBody(bad, j.Platform, opstest.OutputOf("two")), fault.AlreadyDone)
		silent := j.Open("silent") // and of a job without evidence
		j.Accept(silent)
		j.Tick(100)
		j.Step(silent)
		j.Close(silent)
		j.try(j.Consumer, j.EvidenceBody(silent, j.Platform, opstest.OutputOf("two")), fault.WrongPhase)
	})
	t.Run("against a return in one block", func(t *testing.T) {
		j := start.clone(t)
		for r := j.Round(job); j.Head().Elapsed < r.Due-1; {
			j.Tick(min(100, r.Due-1-j.Head().Elapsed))
		}
		item, _ := j.Sign(j.Consumer, other, "")
		late := j.Endorse(item) // in time, and ordered after the checkpoint at which it is not
		j.Tick(1)
		back := j.EndorseCall(j.Members[0].Caller(), "reward:Return", reward.HoldQuery{Hold: j.Round(job).Accepted})
		if late.Response[0] != 0 || j.Order(late) || !j.Order(back) {
			t.Error("a deposit was taken after it was due")
		}
		j.Audit()
	})
}

// Nobody is credited whom the consortium does not let earn: the residue account has what the
// treasury may not, and where neither may, the deposit stays.
func TestLateQuotePays(t *testing.T) {
	j := market(t, 1)
	job := j.done("one")
	other := j.EvidenceBody(job, j.Platform, opstest.OutputOf("two"))
	residue := j.clone(t)
	residue.Bind(residue.Residue)
	residue.Decide("bound", `["usd"]`)
	had := residue.Earned(residue.Residue)
	residue.try(residue.Consumer, other, fault.OK)
	if got := residue.Earned(residue.Residue); got != had+atStake || residue.Round(job).Late.Payee != residue.Residue.DID {
		t.Errorf("the residue account has %d, had %d", got, had)
	}
	j.Decide("bound", `["usd"]`)
	j.try(j.Consumer, other, fault.NotBound)
	if j.Round(job).Late != nil {
		t.Error("it is kept all the same")
	}
}

// What was taken after a settlement is part of the audit. (JB-16)
func TestAuditFindsLateQuotes(t *testing.T) {
	j := market(t, 1)
	job := j.done("one")
	j.try(j.Consumer, j.EvidenceBody(job, j.Platform, opstest.OutputOf("two")), fault.OK)
	key := attest.LateKey(job.String())
	was, err := j.Store.Get(key)
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*attest.Late){
		"more":          func(l *attest.Late) { l.Amount++ },
		"less":          func(l *attest.Late) { l.Amount-- },
		"another payee": func(l *attest.Late) { l.Payee = ledger.ID{1} },
		"another epoch": func(l *attest.Late) { l.Epoch++ },
	} {
		l, err := attest.DecodeLate(was)
		if err != nil {
			t.Fatal(err)
		}
		change(l)
		store := j.Store.Clone()
		if err := store.Put(key, l.Encode()); err != nil {
			t.Fatal(err)
		}
		if found := attest.Audit(ledger.Begin(store, j.Now, ledger.Caller{})); found == nil || !strings.Contains(found.Error(), "JB-16") {
			t.Errorf("%s: %v", what, found)
		}
	}
	store := j.Store.Clone()
	if err := store.Delete(key); err != nil {
		t.Fatal(err)
	}
	if found := attest.Audit(ledger.Begin(store, j.Now, ledger.Caller{})); found == nil {
		t.Error("a deposit that nothing says was taken is not found")
	}
}
