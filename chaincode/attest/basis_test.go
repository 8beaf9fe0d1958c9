package attest_test

import (
	"testing"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

// Whoever asks what a quote is judged by finds what chaincode finds.
func TestBasis(t *testing.T) {
	start := market(t, 1)
	for name, c := range map[string]struct {
		spec   func(*simulated.Spec)
		later  func(j *jobs) // what becomes of the ledger before the commitments end
		reason string
	}{
		"good":         {reason: "none"},
		"forged chain": {spec: func(s *simulated.Spec) { s.Forge = []tee.Part{tee.InPCK} }, reason: "forged_chain"},
		"debug":        {spec: func(s *simulated.Spec) { s.SGX.Attributes[0] |= 2 }, reason: "debug_enclave"},
		"unlisted":     {spec: func(s *simulated.Spec) { s.SGX.MREnclave[5]++ }, reason: "unlisted_measurement"},
		"no measurement any more": {
			later: func(j *jobs) { j.Decide("tee/measurements", `[]`) }, reason: "no_roots",
		},
		"no root any more": {later: func(j *jobs) { j.Decide("tee/roots", `[]`) }, reason: "no_roots"},
		"newer collateral is asked for": {
			later:  func(j *jobs) { j.Decide("tee/policy", `{"statuses":["UpToDate"],"minEvaluation":1000}`) },
			reason: "no_collateral",
		},
	} {
		t.Run(name, func(t *testing.T) {
			j := start.clone(t)
			if c.spec != nil {
				s := simulated.Default(tee.SGX, "jobs", opstest.Start)
				c.spec(s)
				j.Platform = simulated.New(s)
			}
			job := j.ToCommit(name)
			if c.later != nil {
				c.later(j)
			}
			j.Tick(100)
			view := j.Round(job)
			quote, err := canon.UnB64(view.Evidence.Quote)
			if err != nil {
				t.Fatal(err)
			}
			got, err := view.Basis.Judge(quote)
			if err != nil {
				t.Fatal(err)
			}
			j.Step(job)
			found := j.Round(job).Finding
			if got.Reason.String() != c.reason || *found != (attest.FindingView{Verdict: got.Verdict.String(), Reason: got.Reason.String()}) {
				t.Errorf("found %v, chaincode %v, want %s", got, found, c.reason)
			}
		})
	}
	j := start.clone(t)
	if v := j.Round(j.unread("tpm")); v.Basis != nil {
		t.Errorf("chaincode judges no TPM, and has a basis: %+v", v.Basis)
	}
	v := start.Round(start.ToCommit("damaged")).Basis
	v.Collateral = "AAAA"
	if _, err := v.Judge(simulated.New(simulated.Default(tee.SGX, "jobs", opstest.Start)).Quote([64]byte{})); err == nil {
		t.Error("a damaged basis was judged by")
	}
}
