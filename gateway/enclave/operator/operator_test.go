package operator_test

import (
	"fmt"
	"testing"

	"github.com/killick-ledger/killick/gateway/enclave/analysis"
)

const meanOfPulse = `{"contributors":2,"field":"/pulse"}`

// A job's way: ordered, accepted, records let in, run, proven, delivered, settled.
func TestJob(t *testing.T) {
	t.Parallel()
	s := begin(t, analysis.Mean, `{"pulse":60}`, `{"pulse":71}`, `[{"pulse":80},{"pulse":82.5}]`)
	job := s.open(analysis.Mean, meanOfPulse)
	s.pass()
	if got := s.state(job); got != "accepted" {
		t.Fatalf("after the first pass it is %q: %s", got, s.log)
	}
	s.release(job, s.owners...)
	s.pass()
	if got := s.state(job); got != "proven" {
		t.Fatalf("with all records it is %q: %s", got, s.log)
	}
	v := s.result(job)
	if got := fmt.Sprint(v["result"]); got != "map[contributors:3 mean:73.375 values:4]" || v["job"] != job || fmt.Sprint(v["absent"]) != "[]" {
		t.Errorf("output %v", v)
	}
}
