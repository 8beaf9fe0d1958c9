package attest_test

import (
	"testing"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// BenchmarkClose closes a round of 200 seats of which every one has voted, and reports
// what the transaction reads and writes.
func BenchmarkClose(b *testing.B) {
	j := opstest.NewJobs(b, 50)
	job := j.ToCommit("200 seats")
	drawn := j.Drawn(job)
	if len(drawn) != 200 {
		b.Fatalf("%d seats", len(drawn))
	}
	ballots := make([]attest.Verdict, len(drawn))
	for i := range ballots {
		ballots[i] = valid
	}
	j.Vote(job, ballots...)
	arg := []byte(j.JSON(attest.Close{Job: job.String()}))
	b.ReportAllocs()
	for b.Loop() {
		tx := ledger.Begin(j.Store, j.Now, j.Members[0].Caller())
		if _, err := j.Engine.Invoke(tx, "attest:Close", [][]byte{arg}); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(tx.Seen())), "reads/op")
		b.ReportMetric(float64(len(tx.Changes())), "writes/op")
	}
}
