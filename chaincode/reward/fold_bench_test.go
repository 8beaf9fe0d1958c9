package reward_test

import (
	"flag"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

var foldPayees = flag.Int("fold.payees", 100_000, "payees of BenchmarkFold")

// BenchmarkFold folds an epoch in which many payees were credited, and reports of its
// pages the largest: bytes of the read-write set, and time in the chaincode, by the wall
// and by the processor.
func BenchmarkFold(b *testing.B) {
	for _, test := range []struct {
		name     string
		together int           // payees of a transaction
		part     reward.Amount // of what is wanted, in hundredths
		full     int           // leaves in one subtree before
	}{
		{"batches", 500, 120, 0},
		{"alone", 1, 120, 0},
		{"scarce", 500, 66, 0},
		{"full-subtree", 500, 120, fullSubtree - 1000},
	} {
		b.Run(test.name, func(b *testing.B) {
			var pages int
			var bytes int
			var wall, cpu, all time.Duration
			for range b.N {
				b.StopTimer()
				c := newCrowd(b, *foldPayees, test.together)
				if test.full > 0 {
					c.fillSubtree(test.full)
				}
				c.reserve(reward.Amount(*foldPayees) * 5 * test.part)
				c.cut()
				b.StartTimer()
				for done := false; !done; pages++ {
					if _, err := c.Store.Range("a", "b", 1); err != nil { // sorts the keys, which is no part of it
						b.Fatal(err)
					}
					begun, used := time.Now(), opstest.CPU()
					m, folded := c.page()
					cpu, wall = max(cpu, opstest.CPU()-used), max(wall, time.Since(begun))
					all += opstest.CPU() - used
					bytes, done = max(bytes, m.read+m.written), folded.Done
				}
			}
			b.ReportMetric(float64(pages)/float64(b.N), "pages")
			b.ReportMetric(float64(bytes)/1000, "largest-kB")
			b.ReportMetric(float64(wall.Microseconds())/1000, "longest-ms")
			b.ReportMetric(float64(cpu.Microseconds())/1000, "longest-cpu-ms")
			b.ReportMetric(all.Seconds()/float64(b.N), "cpu-s")
		})
	}
}
