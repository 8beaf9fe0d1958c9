package attest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// Shorter names of ballots.
const (
	valid     = attest.Valid
	invalid   = attest.Invalid
	malicious = attest.Malicious
	silent    = attest.Undecided // commits, and does not reveal
)

// jobs is a ledger with jobs and what tests ask of it.
type jobs struct {
	*opstest.Jobs
	t *testing.T
}

func market(t *testing.T, each int) *jobs { return &jobs{opstest.NewJobs(t, each), t} }

func (j *jobs) clone(t *testing.T) *jobs { return &jobs{j.Jobs.Clone(t), t} }

// try applies an operation alone and wants the code.
func (j *jobs) try(by *opstest.User, body ops.Body, want fault.Code) ledger.Reference {
	j.t.Helper()
	item, ref := j.Sign(by, body, "")
	if got := fault.Code(j.Batch(item)[0]); got != want {
		var check ops.CheckView
		j.Read("ops:Check", item.Compact(), &check)
		j.t.Errorf("%T: %v, want %v (now %s: %s)", body, got, want, check.Name, check.Text)
	}
	j.Audit()
	return ref
}

// call runs a function and wants the code.
func (j *jobs) call(name string, request any, want fault.Code) {
	j.t.Helper()
	if _, err := j.Invoke(j.Members[3].Caller(), name, request); fault.Of(err) != want {
		j.t.Errorf("%s: %v, want %v", name, err, want)
	}
	j.Audit()
}

// sums are what a settlement pays, by role.
func sums(s attest.SettlementView) map[string]reward.Amount {
	m := map[string]reward.Amount{}
	for _, l := range s.Lines {
		if l.Amount > 0 {
			m[l.Role+" from "+l.From] += l.Amount
		}
	}
	return m
}

// back returns what hold and deposit have left to their owners, and looks that it reaches
// their balances, once, and that of the deposit no sooner than it is due.
func (j *jobs) back(job ledger.Reference) (consumer, operator reward.Amount) {
	j.t.Helper()
	round := j.Round(job)
	give := func(hold string, u *opstest.User) reward.Amount {
		before := j.Balance(u).Balance
		j.call("reward:Return", reward.HoldQuery{Hold: hold}, fault.OK)
		j.call("reward:Return", reward.HoldQuery{Hold: hold}, fault.AlreadyDone)
		return j.Balance(u).Balance - before
	}
	consumer = give(job.String(), j.Consumer)
	if round.Accepted != "" {
		if round.Due > j.Head().Elapsed {
			j.call("reward:Return", reward.HoldQuery{Hold: round.Accepted}, fault.NotDue)
			j.Wait(job)
		}
		operator = give(round.Accepted, j.Operator)
	}
	return consumer, operator
}

// JB-1: a job that is done well pays everyone, out of what the consumer set aside and in
// the transaction that closes it, and what the ledger keeps of it says why.
func TestJob(t *testing.T) {
	j := market(t, 1)
	job := j.ToCommit("good")
	if got := j.Balance(j.Consumer).Balance; got != 1_000_000-2*opstest.OwnerPrice-opstest.TEEFee-opstest.VerificationFee {
		t.Errorf("the consumer has %d left", got)
	}
	j.Audit()
	j.Vote(job, valid, valid, valid, valid)
	j.Audit()
	s := j.Close(job)
	j.Audit()
	want := map[string]reward.Amount{
		"owner from hold": 500, "verifier from hold": 400, "operator from hold": 967, "treasury from hold": 33, "residue from hold": 1,
	}
	if diff := cmp.Diff(want, sums(s)); diff != "" || s.Verdict != "valid" || s.Reason != "agreed" || s.Finding.Verdict != "valid" || s.Epoch != 2 {
		t.Errorf("%+v\n%s", s, diff)
	}
	if s.Votes != (attest.VotesView{Valid: 4}) || s.Refund != 0 || s.Returned != 2*opstest.OwnerPrice+opstest.VerificationFee || s.Seats != 4 || s.K != 3 {
		t.Errorf("%+v", s)
	}
	for u, want := range map[*opstest.User]reward.Amount{
		j.Owners[0]: 250, j.Owners[1]: 250, j.Operator: 967, j.Treasury: 33, j.Residue: 1, j.Verifiers[0]: 100, j.Verifiers[3]: 100, j.Consumer: 0,
	} {
		if got := j.Earned(u); got != want {
			t.Errorf("%s has earned %d, want %d", u.DID, got, want)
		}
	}
	if consumer, operator := j.back(job); consumer != 0 || operator != s.Returned {
		t.Errorf("%d go back to the consumer, %d to the operator", consumer, operator)
	}
	if j.Balance(j.Operator).Balance != 1_000_000 {
		t.Error("the operator has not got its deposit back")
	}
	r := j.Round(job)
	if r.Phase != "closed" || r.Evidence == nil || r.Finding.Verdict != "valid" || len(r.Committee.Benches) != 4 {
		t.Errorf("%+v", r)
	}
	var v attest.JobView
	j.Read("attest:Job", attest.JobQuery{Job: job.String()}, &v)
	if v.Phase != "closed" || v.Consumer != j.Consumer.DID || len(v.Lines) != 2 || v.AtStake != 901 || v.Lines[1].Owner != j.Owners[1].DID || v.Policy != 1 {
		t.Errorf("%+v", v)
	}
	var result ops.ResultView
	j.Read("ops:Operation", job.String(), &result)
	if result.Op != "attest.open" || result.Actor != j.Consumer.DID || result.Created != "job/"+job.String() {
		t.Errorf("%+v", result)
	}
}

// No funds, no job; and what a job states is what the grants, the policy and the records
// say.
func TestOpenRefuses(t *testing.T) {
	j := market(t, 1)
	uses := uint64(1)
	limited := j.Grant(j.Owners[0], &uses)
	other := j.Do(j.Owners[0], &ops.RecordAllow{
		Record: j.Grants[0].Record, Client: j.Consumer.DID, Operation: "job.median", Scope: []string{"/"}, Asset: "usd", Price: 250, Expires: j.Now + 86400,
	}, "")
	brief := j.Do(j.Owners[0], &ops.RecordAllow{
		Record: j.Grants[0].Record, Client: j.Consumer.DID, Operation: "job.mean", Scope: []string{"/"}, Asset: "usd", Price: 250, Expires: j.Now + 7000,
	}, "")
	line := func(o *ops.AttestOpen, change func(*attest.OpenLine)) {
		o.Lines = append([]attest.OpenLine{}, o.Lines...)
		change(&o.Lines[0])
	}
	for name, c := range map[string]struct {
		change func(*ops.AttestOpen)
		code   fault.Code
	}{
		"funds":            {func(o *ops.AttestOpen) { o.TEEFee = 1_000_000 }, fault.InsufficientFunds},
		"sum":              {func(o *ops.AttestOpen) { o.TEEFee = 1<<63 - 1 }, fault.Overflow},
		"TEE fee":          {func(o *ops.AttestOpen) { o.TEEFee = 9 }, fault.AmountTooLow},
		"verification fee": {func(o *ops.AttestOpen) { o.VerificationFee = 9 }, fault.AmountTooLow},
		"late":             {func(o *ops.AttestOpen) { o.Expires += 7200 }, fault.InvalidValue},
		"early":            {func(o *ops.AttestOpen) { o.Expires -= 7200 }, fault.NumberRange},
		"no job":           {func(o *ops.AttestOpen) { o.Operation = "read" }, fault.InvalidValue},
		"operation":        {func(o *ops.AttestOpen) { o.Operation = "job.sum" }, fault.NotGranted},
		"other operation":  {func(o *ops.AttestOpen) { line(o, func(l *attest.OpenLine) { l.Grant = other.String() }) }, fault.NotGranted},
		"grant ends":       {func(o *ops.AttestOpen) { line(o, func(l *attest.OpenLine) { l.Grant = brief.String() }) }, fault.GrantExpired},
		"asset":            {func(o *ops.AttestOpen) { o.Asset = "pts" }, fault.GrantDiffers},
		"price":            {func(o *ops.AttestOpen) { line(o, func(l *attest.OpenLine) { l.Price = 1 }) }, fault.GrantDiffers},
		"owner":            {func(o *ops.AttestOpen) { line(o, func(l *attest.OpenLine) { l.Owner = j.Owners[1].DID }) }, fault.GrantDiffers},
		"record":           {func(o *ops.AttestOpen) { line(o, func(l *attest.OpenLine) { l.Record = j.Grants[1].Record }) }, fault.GrantDiffers},
		"version":          {func(o *ops.AttestOpen) { line(o, func(l *attest.OpenLine) { l.Version = 2 }) }, fault.VersionChanged},
		"own record":       {func(o *ops.AttestOpen) { line(o, func(l *attest.OpenLine) { l.Owner = j.Consumer.DID }) }, fault.InvalidValue},
		"no line":          {func(o *ops.AttestOpen) { o.Lines = nil }, fault.InvalidValue},
		"grant twice":      {func(o *ops.AttestOpen) { o.Lines = append(o.Lines, o.Lines[0]) }, fault.InvalidValue},
		"key":              {func(o *ops.AttestOpen) { o.Key = "00" }, fault.InvalidValue},
		"nonce":            {func(o *ops.AttestOpen) { o.Nonce = "" }, fault.InvalidValue},
		"65 lines": {func(o *ops.AttestOpen) {
			for i := range 65 {
				l := o.Lines[0]
				l.Grant = ledger.Reference{Expiry: uint32(i)}.String()
				o.Lines = append(o.Lines, l)
			}
		}, fault.InvalidValue},
	} {
		t.Run(name, func(t *testing.T) {
			w := j.clone(t)
			body := w.OpenBody(name)
			c.change(body)
			w.try(w.Consumer, body, c.code)
		})
	}
	j.try(j.Operator, j.OpenBody("not mine"), fault.NotGrantee)
	// Of a grant with one use one job takes it, and gets it back when nobody accepts.
	once := j.OpenBody("once")
	once.Lines = []attest.OpenLine{limited}
	first := j.try(j.Consumer, once, fault.OK)
	again := j.OpenBody("again")
	again.Lines = once.Lines
	j.try(j.Consumer, again, fault.GrantUsedUp)
	j.try(j.Operator, &ops.AttestCancel{Job: first.String()}, fault.NotParty)
	j.try(j.Consumer, &ops.AttestCancel{Job: first.String()}, fault.OK)
	if got := j.Balance(j.Consumer).Balance; got != 1_000_000 {
		t.Errorf("after cancelling the consumer has %d", got)
	}
	again.Nonce = opstest.OutputOf("third")
	j.try(j.Consumer, again, fault.OK)
}

// 64 grants are one job.
func TestLargestJob(t *testing.T) {
	j := market(t, 1)
	body := j.OpenBody("large")
	body.Lines = nil
	for range attest.MaxLines {
		body.Lines = append(body.Lines, j.Grant(j.Owners[len(body.Lines)%2], nil))
	}
	job := j.try(j.Consumer, body, fault.OK)
	accept := j.AcceptBody(job)
	j.try(j.Operator, accept, fault.AmountTooLow)
	accept.Deposit = 64*opstest.OwnerPrice + opstest.VerificationFee
	j.try(j.Operator, accept, fault.OK)
	j.Show(job)
	j.Draw(job)
	j.Step(job)
	j.Vote(job, valid, valid, valid)
	if s := j.Close(job); s.Verdict != "valid" || len(s.Lines) != 64+4+3 || sums(s)["owner from hold"] != 64*opstest.OwnerPrice {
		t.Errorf("%+v", s)
	}
	j.Audit()
}

// JB-2: whoever is licensed for nothing, comes late, or has seen a grant end, accepts no
// job.
func TestAcceptRefuses(t *testing.T) {
	j := market(t, 1)
	job := j.Open("one")
	for name, c := range map[string]struct {
		by     *opstest.User
		change func(*ops.AttestAccept)
		before func(*jobs)
		code   fault.Code
	}{
		"no operator":   {by: j.Consumer, code: fault.NotAccredited},
		"deposit":       {change: func(a *ops.AttestAccept) { a.Deposit-- }, code: fault.AmountTooLow},
		"funds":         {change: func(a *ops.AttestAccept) { a.Deposit = 2_000_000 }, code: fault.InsufficientFunds},
		"asset":         {change: func(a *ops.AttestAccept) { a.Asset = "pts" }, code: fault.InvalidValue},
		"checkpoint":    {change: func(a *ops.AttestAccept) { a.Checkpoint += 1000 }, code: fault.NotFound},
		"another job":   {change: func(a *ops.AttestAccept) { a.Job = j.Grants[0].Grant }, code: fault.NotFound},
		"no reference":  {change: func(a *ops.AttestAccept) { a.Job = "x" }, code: fault.InvalidValue},
		"too late":      {before: func(w *jobs) { w.Now += 3700 }, code: fault.TooLate},
		"grant ended":   {before: func(w *jobs) { w.try(w.Owners[1], &ops.RecordWithdraw{Grant: w.Grants[1].Grant}, fault.OK) }, code: fault.GrantWithdrawn},
		"record gone":   {before: func(w *jobs) { w.Delete(w.Owners[1], w.Grants[1].Record) }, code: fault.Deleted},
		"as it is":      {code: fault.OK},
		"not bound":     {before: func(w *jobs) { w.Decide("bound", `["usd"]`) }, code: fault.NotBound},
		"no accredited": {before: func(w *jobs) { w.Decide("operator/"+w.Operator.ID.String(), "{}") }, code: fault.NotAccredited},
	} {
		t.Run(name, func(t *testing.T) {
			w := j.clone(t)
			if c.before != nil {
				c.before(w)
			}
			body, by := w.AcceptBody(job), w.Operator
			if c.change != nil {
				c.change(body)
			}
			if c.by != nil {
				by = c.by
			}
			w.try(by, body, c.code)
		})
	}
}

func TestJobQueriesRefuse(t *testing.T) {
	j := market(t, 1)
	unknown := ledger.Reference{Expiry: 1}.String()
	for _, function := range []string{"attest:Job", "attest:Round", "attest:Settlement", "attest:Close"} {
		for ref, code := range map[string]fault.Code{"": fault.InvalidValue, unknown: fault.NotFound} {
			j.call(function, attest.JobQuery{Job: ref}, code)
		}
	}
	j.call("attest:Step", attest.Step{Job: unknown, Checkpoint: 1}, fault.NotFound)
	j.call("attest:Step", attest.Step{Job: "x", Checkpoint: 1}, fault.InvalidValue)
	j.call("attest:Settlement", attest.JobQuery{Job: j.Open("open").String()}, fault.NotFound)
	j.call("attest:Standing", attest.StandingQuery{DID: "x"}, fault.InvalidValue)
	var s attest.StandingView
	if j.Read("attest:Standing", attest.StandingQuery{DID: j.Consumer.DID}, &s); s != (attest.StandingView{DID: j.Consumer.DID}) {
		t.Errorf("%+v", s)
	}
}
