//go:build unix

package log_test

import (
	"syscall"
	"testing"

	"github.com/killick-ledger/killick/anchor/log"
)

// All of depth L1 but reading files and chains: policy, bundle, claim, signatures and
// paths. cpu-µs/op is processor time, of which an auditor is promised at most 2 ms for
// a bundle with five cosignatures. The comparison with chains is 1 % of it.
func BenchmarkVerify(b *testing.B) {
	l := newFixture(b)
	seven := newConsortium(b, l.id, 7, 5)
	five, err := l.Build(l.blocks[2], 1, 2, log.Evidence{
		SetVersion: 1, Note: seven.note(b, l.checkpoint(5), 0, 1, 2, 3, 4), Anchors: l.anchors(5),
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct {
		name   string
		policy *log.Policy
		bundle *log.Bundle
	}{
		{"3 of 4", l.Policy, l.bundle(b, 2, 1, 2)},
		{"3 of 4 after a rotation", l.Policy, l.rotated(b, 2)},
		{"5 of 7", seven.Policy, five},
	} {
		b.Run(bench.name, func(b *testing.B) {
			data := marshal(b, bench.bundle)
			policy, err := bench.policy.Marshal()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			begun := processor(b)
			for b.Loop() {
				p, err := log.ParsePolicy(policy)
				if err != nil {
					b.Fatal(err)
				}
				bundle, err := log.ParseBundle(data)
				if err != nil || log.Worst(bundle.Verify(p)) != log.Passed {
					b.Fatal("not verified", err)
				}
			}
			b.ReportMetric(float64(processor(b)-begun)/float64(b.N)/1000, "cpu-µs/op")
		})
	}
}

// processor returns the nanoseconds that the process has had.
func processor(b *testing.B) int64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return r.Utime.Nano() + r.Stime.Nano()
}
