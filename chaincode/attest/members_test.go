package attest_test

import (
	"fmt"
	"testing"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// JB-5 on ledgers of five and seven members, with ballots.
func TestOtherConsortia(t *testing.T) {
	for _, c := range []struct{ n, k int }{{5, 4}, {7, 5}} {
		t.Run(fmt.Sprintf("%d of %d", c.k, c.n), func(t *testing.T) {
			w := opstest.New(t)
			var members []opstest.Member
			for i := range c.n {
				members = append(members, opstest.NewMember(i+1))
			}
			w.Rotate(c.k, members...)
			start := &jobs{opstest.NewJobsOn(w, 2), t}
			start.Register()
			job := start.ToCommit("consortium")
			if drawn := start.Drawn(job); len(drawn) != 2*c.n {
				t.Fatalf("%d are drawn", len(drawn))
			}
			for organisations, want := range map[int]string{c.k: "valid", c.k - 1: "expired", c.n - c.k: "expired"} {
				j := start.clone(t)
				ballots := make([]attest.Verdict, 2*organisations) // seats stand by organisation
				for i := range ballots {
					ballots[i] = valid
				}
				j.Vote(job, ballots...)
				j.Tick(100)
				j.Step(job)
				s := j.Close(job)
				if s.Verdict != want || int(s.Seats) != 2*c.n || int(s.K) != c.k {
					t.Errorf("%d organisations: %s, %d seats, K %d", organisations, s.Verdict, s.Seats, s.K)
				}
				j.Audit()
			}
		})
	}
}
