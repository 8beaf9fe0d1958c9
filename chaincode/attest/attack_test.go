package attest_test

import (
	"testing"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

// wealth is all that a user has on the ledger: balance, credits, and what holds have left.
func (j *jobs) wealth(users ...*opstest.User) (sum reward.Amount) {
	j.t.Helper()
	for _, u := range users {
		b := j.Balance(u)
		sum += b.Balance + reward.Amount(b.Pending.Lo+b.Due.Lo)
		for _, e := range j.Store.Entries() {
			if len(e.Key) < 5 || e.Key[:5] != "hold/" {
				continue
			}
			h, err := reward.DecodeHold(e.Value)
			if err != nil {
				j.t.Fatal(err)
			}
			if h.Owner == u.ID {
				sum += h.Left()
			}
		}
	}
	return sum
}

// poor leaves a user with so much, the rest is withdrawn.
func (j *jobs) poor(u *opstest.User, left reward.Amount) {
	j.t.Helper()
	j.try(u, &ops.RewardWithdraw{Asset: "usd", Amount: j.Balance(u).Balance - left, For: "poor"}, fault.OK)
}

// JB-15: two jobs, or two deposits, for which there is money once: one has it, in one
// batch, in one block and in two, and no unit is spent twice.
func TestAttackLastFunds(t *testing.T) {
	start := market(t, 1)
	start.poor(start.Consumer, charged)
	start.poor(start.Operator, atStake)
	for _, race := range []struct {
		name  string
		who   func(*jobs) *opstest.User
		items func(*jobs) (first, second ops.Item)
	}{
		{"jobs", func(j *jobs) *opstest.User { return j.Consumer }, func(j *jobs) (ops.Item, ops.Item) {
			first, _ := j.Sign(j.Consumer, j.OpenBody("one"), "")
			second, _ := j.Sign(j.Consumer, j.OpenBody("two"), "")
			return first, second
		}},
		{"a job and a payment", func(j *jobs) *opstest.User { return j.Consumer }, func(j *jobs) (ops.Item, ops.Item) {
			first, _ := j.Sign(j.Consumer, j.OpenBody("one"), "")
			second, _ := j.Sign(j.Consumer, opstest.Pay("usd", j.Treasury, charged), "")
			return first, second
		}},
		{"a job and a withdrawal", func(j *jobs) *opstest.User { return j.Consumer }, func(j *jobs) (ops.Item, ops.Item) {
			first, _ := j.Sign(j.Consumer, j.OpenBody("one"), "")
			second, _ := j.Sign(j.Consumer, &ops.RewardWithdraw{Asset: "usd", Amount: charged}, "")
			return first, second
		}},
		{"deposits", func(j *jobs) *opstest.User { return j.Operator }, func(j *jobs) (ops.Item, ops.Item) {
			j.Fund(j.Consumer, charged)
			first, _ := j.Sign(j.Operator, j.AcceptBody(j.Open("one")), "")
			second, _ := j.Sign(j.Operator, j.AcceptBody(j.Open("two")), "")
			return first, second
		}},
	} {
		one := func(t *testing.T, play func(j *jobs, first, second ops.Item)) {
			j := start.clone(t)
			first, second := race.items(j)
			before := j.wealth(j.Consumer, j.Operator, j.Treasury)
			play(j, first, second)
			j.Audit()
			if got := j.Balance(race.who(j)).Balance; got != 0 {
				t.Errorf("%d are left of money for one", got)
			}
			if after := j.wealth(j.Consumer, j.Operator, j.Treasury); after != before {
				t.Errorf("there were %d and are %d", before, after)
			}
		}
		codes := func(t *testing.T, got []byte) {
			t.Helper()
			if got[0] != 0 || fault.Code(got[1]) != fault.InsufficientFunds {
				t.Errorf("codes %v", got)
			}
		}
		t.Run(race.name, func(t *testing.T) {
			t.Run("in one batch", func(t *testing.T) {
				one(t, func(j *jobs, first, second ops.Item) { codes(j.t, j.Batch(first, second)) })
			})
			t.Run("in one block", func(t *testing.T) {
				one(t, func(j *jobs, first, second ops.Item) {
					a, b := j.Endorse(first), j.Endorse(second) // both are endorsed: each has the money
					if a.Response[0]|b.Response[0] != 0 {
						t.Errorf("endorsed as %v and %v", a.Response, b.Response)
					}
					if !j.Order(a) || j.Order(b) {
						t.Error("not exactly the first that was ordered is valid")
					}
					codes(t, append([]byte{0}, j.Batch(second)...)) // sent again
				})
			})
			t.Run("in two blocks", func(t *testing.T) {
				one(t, func(j *jobs, first, second ops.Item) { codes(t, append(j.Batch(first), j.Batch(second)...)) })
			})
		})
	}
}

// JB-15: money that was prepaid and is not needed can be taken out, to the last unit; what
// is set aside cannot, before it is decided or twice.
func TestAttackUnusedMoney(t *testing.T) {
	j := market(t, 1)
	job := j.Open("one")
	left := j.Balance(j.Consumer).Balance
	j.try(j.Consumer, &ops.RewardWithdraw{Asset: "usd", Amount: left + 1}, fault.InsufficientFunds)
	j.try(j.Consumer, &ops.RewardWithdraw{Asset: "usd", Amount: left}, fault.OK)
	j.call("reward:Return", reward.HoldQuery{Hold: job.String()}, fault.NotDue)
	j.try(j.Consumer, &ops.AttestCancel{Job: job.String()}, fault.OK)
	j.call("reward:Return", reward.HoldQuery{Hold: job.String()}, fault.AlreadyDone)
	j.try(j.Consumer, &ops.AttestCancel{Job: job.String()}, fault.WrongPhase)
	j.try(j.Consumer, &ops.RewardWithdraw{Asset: "usd", Amount: charged, For: "rest"}, fault.OK)
	if b := j.Balance(j.Consumer); b.Balance != 0 || b.Pending != (reward.Sum{Lo: 1_000_000}) {
		t.Errorf("%+v", b)
	}
	// Two who return the same hold in one block, and a cancellation and an acceptance.
	j.Fund(j.Consumer, 2*charged)
	job = j.Open("lapses")
	cancel, _ := j.Sign(j.Consumer, &ops.AttestCancel{Job: job.String()}, "")
	accept, _ := j.Sign(j.Operator, j.AcceptBody(job), "")
	a, b := j.Endorse(accept), j.Endorse(cancel)
	if a.Response[0]|b.Response[0] != 0 || !j.Order(a) || j.Order(b) {
		t.Error("a job was accepted and cancelled in one block")
	}
	j.Tick(100)
	j.Step(job)
	j.Close(job)
	back := reward.HoldQuery{Hold: job.String()}
	first, second := j.EndorseCall(j.Members[0].Caller(), "reward:Return", back), j.EndorseCall(j.Members[1].Caller(), "reward:Return", back)
	if !j.Order(first) || j.Order(second) {
		t.Error("a hold was returned twice in one block")
	}
	j.Audit()
	if got := j.Balance(j.Consumer).Balance; got != 2*charged {
		t.Errorf("the consumer has %d", got)
	}
}

// JB-7: a consumer and an operator who are one, and fail the job once they have the data,
// pay its price in every way to fail; being paid by the ledger for nothing is impossible.
func TestAttackFreeData(t *testing.T) {
	start := market(t, 1)
	debug := simulated.Default(tee.SGX, "jobs", opstest.Start)
	debug.SGX.Attributes[0] |= 2
	old := simulated.Default(tee.SGX, "jobs", opstest.Start)
	old.Components = [16]uint8{5, 5, 2, 2, 4, 1, 0, 5}
	to := func(spec *simulated.Spec, ballots ...attest.Verdict) func(*jobs) {
		return func(j *jobs) {
			j.Platform = simulated.New(spec)
			job := j.ToCommit("free")
			j.Vote(job, ballots...)
			j.Close(job)
			j.back(job)
		}
	}
	good := simulated.Default(tee.SGX, "jobs", opstest.Start)
	for name, fail := range map[string]func(*jobs){
		"no evidence": func(j *jobs) {
			job := j.Open("free")
			j.Accept(job)
			j.Tick(100)
			j.Step(job)
			j.Close(job)
			j.back(job)
		},
		"debug enclave":   to(debug, malicious, malicious, malicious, valid),
		"out of date":     to(old, invalid, invalid, invalid, valid),
		"as it should be": to(good, valid, valid, valid, valid),
		"two outputs": func(j *jobs) {
			job := j.ToCommit("free")
			j.try(j.Operator, j.EvidenceBody(job, j.Platform, opstest.OutputOf("two")), fault.OK)
			j.Vote(job, valid, valid, valid, valid)
			j.Close(job)
			j.back(job)
		},
	} {
		t.Run(name, func(t *testing.T) {
			j := start.clone(t)
			before, owners := j.wealth(j.Consumer, j.Operator), j.wealth(j.Owners...)
			fail(j)
			j.Audit()
			if got := j.wealth(j.Owners...) - owners; got != 2*opstest.OwnerPrice {
				t.Errorf("owners were paid %d of %d", got, 2*opstest.OwnerPrice)
			}
			if lost := before - j.wealth(j.Consumer, j.Operator); lost < 2*opstest.OwnerPrice {
				t.Errorf("the data cost %d, its price is %d", lost, 2*opstest.OwnerPrice)
			}
		})
	}
}

// JB-8: whoever has voted cannot end the round before the others have, however often and
// by whatever door it is asked for, so that nobody's ballot is cut off.
func TestAttackEarlyClose(t *testing.T) {
	j := market(t, 1)
	job := j.ToCommit("early")
	drawn := j.Drawn(job)
	request := attest.Close{Job: job.String()}
	refused := func() {
		t.Helper()
		j.call("attest:Close", request, fault.NotDue)
		j.try(drawn[0], &ops.AttestClose{Job: job.String()}, fault.NotDue)
	}
	for _, u := range drawn {
		refused()
		j.Do(u, j.CommitBody(job, u, valid), "")
	}
	for range 2 {
		refused()
		j.Tick(50)
	}
	j.Step(job)
	j.Do(drawn[0], j.RevealBody(job, drawn[0], valid), "")
	for range 9 {
		refused()
		j.call("attest:Step", attest.Step{Job: job.String(), Checkpoint: j.Head().Number}, fault.NotDue)
		j.Tick(11)
	}
	for _, u := range drawn[1:] {
		j.Do(u, j.RevealBody(job, u, valid), "")
	}
	if s := j.Close(job); s.Verdict != "valid" || s.Votes.Valid != 4 {
		t.Errorf("%+v", s)
	}
	j.call("attest:Close", request, fault.AlreadyDone)
	j.Audit()
}

// JB-2: nobody pays owners, operators or verifiers in an asset that they did not ask for,
// and none turns into another on its way to a vault.
func TestAttackWorthlessAsset(t *testing.T) {
	j := market(t, 1)
	j.Must(j.Members[0].Caller(), "reward:Fund", reward.Fund{ID: canon.Hex(opstest.Seed("points")), Asset: "pts", To: j.Consumer.DID, Amount: 1_000_000})
	j.Must(j.Members[0].Caller(), "reward:Fund", reward.Fund{ID: canon.Hex(opstest.Seed("more points")), Asset: "pts", To: j.Operator.DID, Amount: 1_000_000})
	body := j.OpenBody("worthless")
	body.Asset = "pts"
	j.try(j.Consumer, body, fault.GrantDiffers)
	body.Asset = "gold"
	j.try(j.Consumer, body, fault.GrantDiffers)
	job := j.Open("usd")
	accept := j.AcceptBody(job)
	accept.Asset = "pts"
	j.try(j.Operator, accept, fault.InvalidValue)
	if _, err := j.Invoke(j.Members[0].Admin(), "govern:Propose", j.Request("assets", `["pts"]`)); fault.Of(err) != fault.InvalidValue {
		t.Errorf("an asset that is in use was to be taken away: %v", err)
	}
	for _, m := range j.Members[:3] {
		j.Must(m.Caller(), "reward:Reserve", reward.Reserve{Vault: opstest.EVMVault, Funded: 10_000_000})
	}
	saver := opstest.NewUser("saver")
	j.Create(saver, "eip155:1337")
	pay := opstest.Pay("pts", saver, 1_000_000)
	j.try(j.Consumer, pay, fault.OK)
	j.Tick(100)
	j.Must(ledger.Caller{}, "reward:Cut", nil)
	for {
		if _, err := j.Invoke(ledger.Caller{}, "reward:Fold", nil); err != nil {
			break
		}
	}
	j.Audit()
	var v reward.BalanceView
	j.Read("reward:Balance", reward.BalanceQuery{DID: saver.DID, Asset: "pts"}, &v)
	if v.Due != (reward.Sum{Lo: 1_000_000}) || v.Assigned != 0 {
		t.Errorf("%+v", v)
	}
	if b := j.Balance(saver); b.Due.Lo != 0 || b.Assigned != 0 {
		t.Errorf("points have become usd: %+v", b)
	}
}

// JB-9: a verifier that always says valid is paid where that is right and nowhere else,
// and is soon not drawn any more.
func TestAttackAlwaysValid(t *testing.T) {
	j := market(t, 1)
	lazy := j.Verifiers[3]
	debug := simulated.Default(tee.SGX, "jobs", opstest.Start)
	debug.SGX.Attributes[0] |= 2
	good, bad := j.Platform, simulated.New(debug)
	round := func(name string, p *simulated.Platform, truth attest.Verdict) (fee reward.Amount, sits bool) {
		j.Platform = p
		before := j.wealth(lazy)
		job := j.ToCommit(name)
		var ballots []attest.Verdict
		for _, u := range j.Drawn(job) {
			ballot := truth
			if u == lazy {
				ballot, sits = valid, true
			}
			ballots = append(ballots, ballot)
		}
		j.Vote(job, ballots...)
		j.Tick(100)
		if j.Round(job).Phase == "reveal" {
			j.Step(job)
		}
		j.Close(job)
		j.Audit()
		return j.wealth(lazy) - before, sits
	}
	for i, want := range []struct {
		p     *simulated.Platform
		truth attest.Verdict
		fee   reward.Amount
		sits  bool
	}{{good, valid, 100, true}, {bad, malicious, 0, true}, {bad, malicious, 0, true}, {good, valid, 0, false}} {
		if fee, sits := round(string(rune('a'+i)), want.p, want.truth); fee != want.fee || sits != want.sits {
			t.Errorf("round %d: a fee of %d, drawn %t, want %d, %t", i, fee, sits, want.fee, want.sits)
		}
	}
}
