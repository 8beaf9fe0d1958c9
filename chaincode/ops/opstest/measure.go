//go:build unix

package opstest

import (
	"syscall"
	"testing"
	"time"
)

// CPU is the processor time that the process has used: what a busy machine changes
// least of a measurement.
func CPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// MeasureCPU begins to measure and returns what reports cpu-us/op, of each iteration
// until then.
func MeasureCPU(b *testing.B) (report func()) {
	begin := CPU()
	return func() { b.ReportMetric(float64((CPU()-begin).Nanoseconds())/1000/float64(b.N), "cpu-us/op") }
}
