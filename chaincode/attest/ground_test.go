package attest_test

import (
	"testing"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

// JB-10: a deposit is taken on a ground that anyone finds again in the quote, whatever
// verifiers say; those who say so too are paid.
func TestGrounds(t *testing.T) {
	start := market(t, 1)
	for name, c := range map[string]struct {
		spec   func(*simulated.Spec)
		reason string
	}{
		"forged chain":     {func(s *simulated.Spec) { s.Forge = []tee.Part{tee.InPCK} }, "forged_chain"},
		"another root":     {func(s *simulated.Spec) { s.Seed = "somebody" }, "forged_chain"},
		"forged signature": {func(s *simulated.Spec) { s.Forge = []tee.Part{tee.InQuote} }, "forged_chain"},
		"debug enclave":    {func(s *simulated.Spec) { s.SGX.Attributes[0] |= 2 }, "debug_enclave"},
		"another program":  {func(s *simulated.Spec) { s.SGX.MREnclave[5]++ }, "unlisted_measurement"},
	} {
		t.Run(name, func(t *testing.T) {
			j := start.clone(t)
			s := simulated.Default(tee.SGX, "jobs", opstest.Start)
			c.spec(s)
			j.Platform = simulated.New(s)
			job := j.ToCommit(name)
			j.Vote(job, malicious, malicious, valid, valid) // half of them lie
			j.Close(job)
			j.ended(job, "malicious", c.reason, map[string]reward.Amount{
				"owner from deposit": 500, "verifier from deposit": 200, "forfeit from deposit": atStake - 700,
			}, charged, 0)
		})
	}
}

// JB-10: an operator that the members have removed takes no new job, and answers with its
// deposit for the one that it has.
func TestRemovedOperatorAnswers(t *testing.T) {
	j := market(t, 1)
	bad := simulated.Default(tee.SGX, "jobs", opstest.Start)
	bad.SGX.Attributes[0] |= 2
	job, other := j.Open("one"), j.Open("two")
	j.Accept(job)
	j.Decide("operator/"+j.Operator.ID.String(), `{}`)
	j.try(j.Operator, j.AcceptBody(other), fault.NotAccredited)
	j.call("reward:Return", reward.HoldQuery{Hold: j.Round(job).Accepted}, fault.NotDue)
	j.Platform = simulated.New(bad)
	j.Show(job)
	j.Draw(job)
	j.Step(job)
	j.Vote(job, malicious, malicious, malicious, malicious)
	j.Close(job)
	j.ended(job, "malicious", "debug_enclave", map[string]reward.Amount{"owner from deposit": 500, "verifier from deposit": 400, "forfeit from deposit": 1}, charged, 0)
}

// Evidence is bound to its job, operator and output, is brought once, by who accepted,
// and can be judged.
func TestEvidenceRefused(t *testing.T) {
	j := market(t, 1)
	first, second := j.Open("first"), j.Open("second")
	j.Accept(first)
	j.Accept(second)
	body := j.EvidenceBody(first, j.Platform, opstest.OutputOf("one"))
	for name, c := range map[string]struct {
		by     *opstest.User
		change func(*ops.AttestEvidence)
		code   fault.Code
	}{
		"of another job":    {change: func(e *ops.AttestEvidence) { e.Job = second.String() }, code: fault.EvidenceUnbound},
		"of another output": {change: func(e *ops.AttestEvidence) { e.Output = opstest.OutputOf("two") }, code: fault.EvidenceUnbound},
		"of another DID":    {by: j.Consumer, code: fault.NotParty},
		"no job":            {change: func(e *ops.AttestEvidence) { e.Job = j.Grants[0].Grant }, code: fault.NotFound},
		"no quote":          {change: func(e *ops.AttestEvidence) { e.Quote = "" }, code: fault.InvalidValue},
		"cut":               {change: func(e *ops.AttestEvidence) { e.Quote = e.Quote[:len(e.Quote)-8] }, code: fault.Malformed},
		"garbage":           {change: func(e *ops.AttestEvidence) { e.Quote = canon.B64(make([]byte, 1000)) }, code: fault.Malformed},
		"large":             {change: func(e *ops.AttestEvidence) { e.Quote = canon.B64(make([]byte, tee.MaxQuote+1)) }, code: fault.TooLarge},
		"and a digest":      {change: func(e *ops.AttestEvidence) { e.Digest = opstest.OutputOf("x") }, code: fault.InvalidValue},
		"platform":          {change: func(e *ops.AttestEvidence) { e.Platform = "tdx" }, code: fault.InvalidValue},
		"no platform":       {change: func(e *ops.AttestEvidence) { e.Platform = "arm" }, code: fault.InvalidValue},
		"output":            {change: func(e *ops.AttestEvidence) { e.Output = "1" }, code: fault.InvalidValue},
		"as it is":          {code: fault.OK},
	} {
		t.Run(name, func(t *testing.T) {
			w := j.clone(t)
			e, by := *body, w.Operator
			if c.change != nil {
				c.change(&e)
			}
			if c.by != nil {
				by = c.by
			}
			w.try(by, &e, c.code)
		})
	}
	t.Run("platform without collateral", func(t *testing.T) {
		w := j.clone(t)
		s := simulated.Default(tee.SGX, "jobs", opstest.Start)
		s.FMSPC[0]++
		p := simulated.New(s)
		w.try(w.Operator, w.EvidenceBody(first, p, opstest.OutputOf("one")), fault.CollateralMissing)
		w.try(w.Consumer, opstest.CollateralOf(p), fault.OK)
		w.try(w.Operator, w.EvidenceBody(first, p, opstest.OutputOf("one")), fault.OK)
	})
}

// The same digest for two jobs is a ground, of one operator; anyone may copy a digest.
func TestQuoteForTwoJobs(t *testing.T) {
	j := market(t, 1)
	job := j.unread("tpm")
	j.Vote(job, valid, valid, valid, valid)
	j.Close(job)
	again := j.Open("again")
	j.Accept(again)
	j.Do(j.Operator, &ops.AttestEvidence{Job: again.String(), Platform: "tpm", Output: opstest.OutputOf("other"), Digest: canon.Hex(opstest.Seed("tpm"))}, "")
	j.Draw(again)
	j.Step(again)
	j.Vote(again, valid, valid, malicious, malicious)
	j.Close(again)
	j.ended(again, "malicious", "quote_reused", map[string]reward.Amount{
		"owner from deposit": 500, "verifier from deposit": 200, "forfeit from deposit": atStake - 700,
	}, charged, 0)
	other := opstest.NewUser("other operator")
	j.Create(other)
	j.Fund(other, 10_000)
	j.Decide("operator/"+other.ID.String(), `{"organisation":"Org2MSP"}`)
	job = j.Open("copied")
	j.try(other, j.AcceptBody(job), fault.OK)
	j.try(other, &ops.AttestEvidence{Job: job.String(), Platform: "tpm", Output: opstest.OutputOf("other"), Digest: canon.Hex(opstest.Seed("tpm"))}, fault.OK)
	if r := j.Round(job); r.Finding != nil {
		t.Errorf("the copy is %+v", r.Finding)
	}
}

// A second genuine quote of a job, for another output, ends it whoever brings it; a made
// up one does nothing.
func TestTwoOutputs(t *testing.T) {
	j := market(t, 1)
	job := j.ToCommit("one")
	forged := simulated.Default(tee.SGX, "jobs", opstest.Start)
	forged.Forge = []tee.Part{tee.InQuote}
	j.try(j.Consumer, j.EvidenceBody(job, j.Platform, opstest.OutputOf("one")), fault.AlreadyDone)
	j.try(j.Consumer, j.EvidenceBody(job, simulated.New(forged), opstest.OutputOf("two")), fault.BadProof)
	debug := simulated.Default(tee.SGX, "jobs", opstest.Start)
	debug.SGX.Attributes[0] |= 2
	j.try(j.Consumer, j.EvidenceBody(job, simulated.New(debug), opstest.OutputOf("two")), fault.BadProof)
	// The listed program is public. Whoever has it run on a machine of its own, for this job
	// and in the operator's name, has a genuine quote, and proves nothing of the operator.
	j.try(j.Consumer, j.EvidenceBody(job, elsewhere(), opstest.OutputOf("two")), fault.EvidenceUnbound)
	late := j.clone(t)
	j.try(j.Consumer, j.EvidenceBody(job, j.Platform, opstest.OutputOf("two")), fault.OK)
	j.try(j.Consumer, j.EvidenceBody(job, j.Platform, opstest.OutputOf("three")), fault.AlreadyDone)
	if r := j.Round(job); r.Rival == nil || r.Rival.Output != opstest.OutputOf("two") || r.Phase != "commit" {
		t.Errorf("%+v", r)
	}
	j.Vote(job, valid, valid, malicious, invalid)
	j.Close(job)
	// Who did not know of it was right about what was to be judged.
	j.ended(job, "malicious", "two_outputs", map[string]reward.Amount{
		"owner from deposit": 500, "verifier from deposit": 300, "forfeit from deposit": atStake - 800,
	}, charged, 0)
	late.Vote(job, valid, valid, valid, valid)
	late.try(late.Consumer, late.EvidenceBody(job, late.Platform, opstest.OutputOf("two")), fault.WrongPhase)
}

// JB-11: evidence is judged by what was on the ledger when the commitments ended. What
// comes later changes nothing, and without valid collateral the round expires.
func TestWhenEvidenceIsJudged(t *testing.T) {
	j := market(t, 1)
	job := j.ToCommit("one")
	revoked := simulated.Default(tee.SGX, "jobs", opstest.Start)
	revoked.Revoke = []tee.Part{tee.InPCK}
	for _, part := range []tee.Part{tee.InRootCRL, tee.InPCKCRL, tee.InTCBInfo, tee.InQEIdentity} {
		revoked.Times[part] = simulated.Validity{From: opstest.Start - 10, Until: opstest.Start + 86400}
	}
	newer := opstest.CollateralOf(simulated.New(revoked))
	before := j.clone(t)
	before.try(before.Consumer, newer, fault.OK)
	before.Vote(job, invalid, invalid, invalid, invalid)
	if s := before.Close(job); s.Verdict != "invalid" || s.Reason != "below_policy" {
		t.Errorf("revoked before: %+v", s)
	}
	gone := j.clone(t)
	gone.Decide("tee/roots", "[]")
	gone.Vote(job, valid, valid, valid, valid)
	if s := gone.Close(job); s.Verdict != "expired" || s.Reason != "no_roots" {
		t.Errorf("without roots: %+v", s)
	}
	old := j.clone(t)
	old.Checkpoint(old.Head().Size+1, opstest.Start+40*86400) // an outage: nothing on the ledger is valid any more
	old.Vote(job, valid, valid, valid, valid)
	if s := old.Close(job); s.Verdict != "expired" || s.Reason != "no_collateral" {
		t.Errorf("with old collateral: %+v", s)
	}
	j.Vote(job, valid, valid, valid, valid)
	j.try(j.Consumer, newer, fault.OK)
	if s := j.Close(job); s.Verdict != "valid" {
		t.Errorf("revoked after: %+v", s)
	}
}

// JB-12: collateral on the ledger only gets newer, in each of its parts.
func TestCollateral(t *testing.T) {
	j := market(t, 1)
	at := func(change func(*simulated.Spec)) *ops.AttestCollateral {
		s := simulated.Default(tee.SGX, "jobs", opstest.Start)
		change(s)
		return opstest.CollateralOf(simulated.New(s))
	}
	since := func(from uint64, parts ...tee.Part) func(*simulated.Spec) {
		return func(s *simulated.Spec) {
			for _, p := range parts {
				s.Times[p] = simulated.Validity{From: from, Until: opstest.Start + 86400}
			}
		}
	}
	texts, lists := []tee.Part{tee.InTCBInfo, tee.InQEIdentity}, []tee.Part{tee.InRootCRL, tee.InPCKCRL}
	const day = 86400
	steps := []struct {
		name string
		body *ops.AttestCollateral
		code fault.Code
	}{
		{"the same", opstest.CollateralOf(j.Platform), fault.CollateralOlder},
		{"older texts", at(since(opstest.Start-6*day, texts...)), fault.CollateralOlder},
		{"older list", at(since(opstest.Start-6*day, tee.InPCKCRL)), fault.CollateralOlder},
		{"newer texts, older list", at(func(s *simulated.Spec) {
			since(opstest.Start-day, texts...)(s)
			since(opstest.Start-6*day, tee.InRootCRL)(s)
		}), fault.CollateralOlder},
		{"not valid yet", at(since(opstest.Start+2*day, texts...)), fault.BadProof},
		{"of another root", at(func(s *simulated.Spec) { s.Seed = "x" }), fault.BadProof},
		{"forged", at(func(s *simulated.Spec) { s.Forge = []tee.Part{tee.InTCBInfo} }), fault.BadProof},
		{"newer lists", at(since(opstest.Start-4*day, lists...)), fault.OK},
		{"newer texts", at(func(s *simulated.Spec) {
			since(opstest.Start-4*day, lists...)(s)
			since(opstest.Start-3*day, texts...)(s)
		}), fault.OK},
		{"newer evaluation", at(func(s *simulated.Spec) {
			since(opstest.Start-4*day, lists...)(s)
			since(opstest.Start-3*day, texts...)(s)
			s.Evaluation, s.QEEvaluation = 21, 21
		}), fault.OK},
		{"older evaluation, newer texts", at(func(s *simulated.Spec) {
			since(opstest.Start-4*day, lists...)(s)
			since(opstest.Start-2*day, texts...)(s)
		}), fault.CollateralOlder},
		{"no base64url", &ops.AttestCollateral{Collateral: "?"}, fault.InvalidValue},
		{"no collateral", &ops.AttestCollateral{Collateral: "AAAA"}, fault.Malformed},
	}
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			w := &jobs{j.Jobs, t}
			w.try(w.Verifiers[0], s.body, s.code)
		})
	}
	j.Decide("tee/roots", "[]")
	j.try(j.Consumer, opstest.CollateralOf(j.Platform), fault.NotFound)
}

func TestFindings(t *testing.T) {
	for name, c := range map[string]struct {
		in   tee.Part
		why  tee.Why
		want attest.Finding
	}{
		"expired certificate": {tee.InPCK, tee.Expired, attest.Finding{Verdict: attest.Invalid, Reason: attest.BelowPolicy}},
		"revoked certificate": {tee.InPCK, tee.Revoked, attest.Finding{Verdict: attest.Invalid, Reason: attest.BelowPolicy}},
		"withdrawn level":     {tee.InTCB, tee.Revoked, attest.Finding{Verdict: attest.Invalid, Reason: attest.BelowPolicy}},
		"level":               {tee.InTCB, tee.Level, attest.Finding{Verdict: attest.Invalid, Reason: attest.BelowPolicy}},
		"layout":              {tee.InQuote, tee.Form, attest.Finding{Verdict: attest.Invalid, Reason: attest.Unreadable}},
		"evaluation":          {tee.InCollateral, tee.Evaluation, attest.Finding{Reason: attest.NoCollateral}},
		"old TCB info":        {tee.InTCBInfo, tee.Expired, attest.Finding{Reason: attest.NoCollateral}},
		"policy":              {tee.InPolicy, tee.Form, attest.Finding{Reason: attest.NoRoots}},
		"quoting enclave":     {tee.InQE, tee.Mismatch, attest.Finding{Verdict: attest.Malicious, Reason: attest.ForgedChain}},
		"attestation key":     {tee.InKey, tee.Mismatch, attest.Finding{Verdict: attest.Malicious, Reason: attest.ForgedChain}},
	} {
		got, err := attest.Find(&tee.Refusal{In: c.in, Why: c.why})
		if err != nil || got != c.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// A domain of TDX is judged as an enclave is: by how it was built, and by as many of its
// registers as the members have listed.
func TestDomains(t *testing.T) {
	start := market(t, 1)
	start.Platform = simulated.New(simulated.Default(tee.TDX, "domains", opstest.Start))
	start.Trust(start.Platform)
	for name, c := range map[string]struct {
		spec            func(*simulated.Spec)
		verdict, reason string
	}{
		"as it is listed":        {func(*simulated.Spec) {}, "valid", "agreed"},
		"another register":       {func(s *simulated.Spec) { s.TDX.RTMR[1][0]++ }, "malicious", "unlisted_measurement"},
		"a register not listed":  {func(s *simulated.Spec) { s.TDX.RTMR[2][0]++ }, "valid", "agreed"},
		"built otherwise":        {func(s *simulated.Spec) { s.TDX.MRTD[47]++ }, "malicious", "unlisted_measurement"},
		"debugger":               {func(s *simulated.Spec) { s.TDX.Attributes[0] |= 1 }, "malicious", "debug_enclave"},
		"attributes of its host": {func(s *simulated.Spec) { s.TDX.Attributes = [8]byte{} }, "invalid", "below_policy"},
	} {
		t.Run(name, func(t *testing.T) {
			j := start.clone(t)
			s := simulated.Default(tee.TDX, "domains", opstest.Start)
			c.spec(s)
			j.Platform = simulated.New(s)
			job := j.ToCommit(name)
			j.Vote(job, valid, valid, valid, valid)
			if s := j.Close(job); s.Verdict != c.verdict || s.Reason != c.reason {
				t.Errorf("%s (%s), want %s (%s)", s.Verdict, s.Reason, c.verdict, c.reason)
			}
			j.Audit()
		})
	}
}
