package attest_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

// outdated is a genuine platform that is below the policy.
func outdated() *simulated.Platform {
	s := simulated.Default(tee.SGX, "jobs", opstest.Start)
	s.Components = [16]uint8{5, 5, 2, 2, 4, 1, 0, 5}
	return simulated.New(s)
}

// batch applies a close and second quotes in one transaction.
func (j *jobs) batch(want []fault.Code, bodies ...ops.Body) {
	j.t.Helper()
	var items []ops.Item
	for _, b := range bodies {
		item, _ := j.Sign(j.Consumer, b, "")
		items = append(items, item)
	}
	got := j.Batch(items...)
	for i, code := range want {
		if fault.Code(got[i]) != code {
			j.t.Errorf("item %d: %v, want %v", i, fault.Code(got[i]), code)
		}
	}
	j.Audit()
}

// JB-17: a second quote takes what a settlement left of the deposit, whatever the verdict,
// in a transaction of its own and in that of the close, and only after it.
func TestLateQuoteTakesTheRest(t *testing.T) {
	start := market(t, 1)
	good := start.Platform
	start.Platform = outdated()
	job := start.ToCommit("old")
	start.Platform = good
	start.Vote(job, invalid, invalid, invalid, valid)
	end := &ops.AttestClose{Job: job.String()}
	two, three := start.EvidenceBody(job, good, opstest.OutputOf("two")), start.EvidenceBody(job, good, opstest.OutputOf("three"))
	start.try(start.Consumer, two, fault.WrongPhase) // ballots are being revealed
	for name, run := range map[string]func(*jobs){
		"apart":           func(j *jobs) { j.Close(job); j.try(j.Consumer, two, fault.OK) },
		"at once":         func(j *jobs) { j.batch([]fault.Code{fault.OK, fault.OK, fault.AlreadyDone}, end, two, three) },
		"quote, end, two": func(j *jobs) { j.batch([]fault.Code{fault.WrongPhase, fault.OK, fault.OK}, two, end, three) },
	} {
		t.Run(name, func(t *testing.T) {
			j := start.clone(t)
			treasury := j.Earned(j.Treasury)
			run(j)
			s := j.Settlement(job)
			if paid := sums(s); s.Reason != "below_policy" || s.Returned != atStake-800 || paid["owner from deposit"] != 500 || paid["verifier from deposit"] != 300 {
				t.Errorf("%+v", s)
			}
			if consumer, operator := j.back(job); consumer != charged || operator != 0 {
				t.Errorf("%d and %d come back", consumer, operator)
			}
			if got := j.Earned(j.Treasury); got != treasury+atStake-800 {
				t.Errorf("the treasury has %d, had %d", got, treasury)
			}
		})
	}
}

// JB-17: only a genuine quote that chaincode reads counts, and only against one that it read.
func TestLateQuoteRefused(t *testing.T) {
	j := market(t, 1)
	job := j.done("one")
	tpm := &ops.AttestEvidence{Job: job.String(), Platform: "tpm", Output: opstest.OutputOf("two"), Digest: canon.Hex(opstest.Seed("tpm"))}
	j.try(j.Consumer, j.EvidenceBody(job, outdated(), opstest.OutputOf("two")), fault.BadProof)
	j.try(j.Consumer, tpm, fault.AlreadyDone)
	unread := j.unread("tpm")
	j.Vote(unread, valid, valid, valid, valid)
	j.Close(unread)
	j.try(j.Consumer, j.EvidenceBody(unread, j.Platform, opstest.OutputOf("two")), fault.AlreadyDone)
	for _, job := range []ledger.Reference{job, unread} {
		if j.Round(job).Late != nil {
			t.Errorf("%s: its deposit is taken", job)
		}
		if _, operator := j.back(job); operator != atStake {
			t.Errorf("%s: %d come back", job, operator)
		}
	}
}

// A deposit that nobody could be credited with at the settlement is taken later, by the same
// quote, once somebody can: the one before the verdict is another matter.
func TestLateQuoteAfterARival(t *testing.T) {
	j := market(t, 1)
	job := j.ToCommit("one")
	two := j.EvidenceBody(job, j.Platform, opstest.OutputOf("two"))
	j.try(j.Consumer, two, fault.OK)
	j.Vote(job, malicious, malicious, malicious, malicious)
	j.Decide("bound", `["usd"]`)
	j.Close(job)
	if s := j.Settlement(job); s.Reason != "two_outputs" || s.Returned != atStake {
		t.Errorf("%+v", s)
	}
	j.Decide("bound", `[]`)
	j.try(j.Consumer, two, fault.OK)
	if r := j.Round(job); r.Rival == nil || r.Late == nil || r.Late.Amount != atStake {
		t.Errorf("%+v, %+v", r.Rival, r.Late)
	}
}

// RW-13: what is due at once is given back without a look at the clock, so that no new
// checkpoint voids it; what is not looks.
func TestReturnReadsTheClock(t *testing.T) {
	j := market(t, 1)
	job := j.done("one")
	deposit := j.Round(job).Accepted
	j.Wait(job)
	few := j.ToCommit("few")
	j.Close(j.voteTwo(few))
	for hold, looks := range map[string]bool{few.String(): false, deposit: true} {
		back := j.EndorseCall(j.Members[0].Caller(), "reward:Return", reward.HoldQuery{Hold: hold})
		if _, reads := back.Reads[checkpoint.HeadKey]; reads != looks {
			t.Errorf("%s: reads the clock: %v", hold, reads)
		}
	}
}

// voteTwo has two of four vote, which is no majority.
func (j *jobs) voteTwo(job ledger.Reference) ledger.Reference {
	j.t.Helper()
	j.Vote(job, valid, valid)
	j.Tick(100)
	j.Step(job)
	return job
}

// No deposit is taken of which nothing was left.
func TestDecodeLate(t *testing.T) {
	shown := attest.Shown{Platform: attest.SGX, Digest: canon.Sum([]byte("quote")), Quote: []byte("quote")}
	good := (&attest.Late{Payee: ledger.ID{1}, Amount: 1, Epoch: 2, Shown: &shown}).Encode()
	if l, err := attest.DecodeLate(good); err != nil || !bytes.Equal(l.Encode(), good) {
		t.Errorf("%+v, %v", l, err)
	}
	for name, bad := range map[string][]byte{
		"of nothing":  (&attest.Late{Payee: ledger.ID{1}, Epoch: 2, Shown: &shown}).Encode(),
		"no evidence": canon.NewRecord(0x5c).Fixed(make([]byte, 20)).U64(1).U64(2).Var16(nil).Bytes(),
	} {
		if _, err := attest.DecodeLate(bad); fault.Of(err) != fault.Malformed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The audit finds what was taken of no deposit, of another than was left, and before a
// settlement. (JB-16)
func TestAuditFindsStrayLateQuotes(t *testing.T) {
	j := market(t, 1)
	job := j.done("one")
	cancelled := j.Open("cancelled")
	j.try(j.Consumer, &ops.AttestCancel{Job: cancelled.String()}, fault.OK)
	open := j.Open("open")
	j.try(j.Consumer, j.EvidenceBody(job, j.Platform, opstest.OutputOf("two")), fault.OK)
	late, err := j.Store.Get(attest.LateKey(job.String()))
	if err != nil {
		t.Fatal(err)
	}
	stored, err := j.Store.Get(attest.SettlementKey(job.String()))
	if err != nil {
		t.Fatal(err)
	}
	s, err := attest.DecodeSettlement(stored)
	if err != nil {
		t.Fatal(err)
	}
	s.Returned--
	for name, c := range map[string]struct {
		key   string
		value []byte
		want  string
	}{
		"of no deposit":        {attest.LateKey(cancelled.String()), late, "and there was none"},
		"before a settlement":  {attest.LateKey(open.String()), late, "which is not settled"},
		"of more than is left": {attest.SettlementKey(job.String()), s.Encode(), "are taken later"},
	} {
		store := j.Store.Clone()
		if err := store.Put(c.key, c.value); err != nil {
			t.Fatal(err)
		}
		if found := attest.Audit(ledger.Begin(store, j.Now, ledger.Caller{})); found == nil || !strings.Contains(found.Error(), "JB-16") || !strings.Contains(found.Error(), c.want) {
			t.Errorf("%s: %v", name, found)
		}
	}
}
