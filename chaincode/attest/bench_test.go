package attest_test

import (
	"testing"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// BenchmarkClose closes a round of 200 seats of which every one has voted, and reports
// what the transaction reads and writes; without an emission programme, and while one
// counts right ballots.
func BenchmarkClose(b *testing.B) {
	b.Run("fees", func(b *testing.B) { benchmarkClose(b, false) })
	b.Run("emission", func(b *testing.B) { benchmarkClose(b, true) })
}

func benchmarkClose(b *testing.B, emission bool) {
	j := opstest.NewJobs(b, 50)
	if emission {
		j.Emission(1000)
	}
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
	report := opstest.MeasureCPU(b)
	for b.Loop() {
		tx := ledger.Begin(j.Store, j.Now, j.Members[0].Caller())
		if _, err := j.Engine.Invoke(tx, "attest:Close", [][]byte{arg}); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(tx.Seen())), "reads/op")
		b.ReportMetric(float64(len(tx.Changes())), "writes/op")
	}
	report()
}
