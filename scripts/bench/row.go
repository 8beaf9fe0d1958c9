package main

import (
	"fmt"
	"slices"
	"time"
)

// count is what committed blocks say of a load.
type count struct {
	valid      int // operations that took effect
	refused    int // operations of valid transactions that were refused, replays among them
	void       int // transactions that took no effect
	writes     int // keys written by valid transactions
	writeBytes int // their keys and values
	blockBytes int
}

// row is one line of the table: what was measured between the first block after
// the warm-up and the last one.
type row struct {
	spec
	count
	window    time.Duration
	offered   float64         // operations a second that a paced row was sent at
	all       int             // operations that took effect before, in and after the window
	latencies []time.Duration // sorted; of transactions or requests, from submit to committed receipt
	cpu       usage
	memory    map[string]uint64 // largest resident memory of each program by its name, bytes
	failed    int               // transactions or requests without a receipt
	failure   error             // the last of them
	pending   int               // of a full queue: operations that the gateway holds
	err       error             // why there is no result
}

func (r row) perSecond() float64 {
	if r.window <= 0 {
		return 0
	}
	return float64(r.valid) / r.window.Seconds()
}

// percentile is the smallest latency that at least the share p of all do not
// exceed; 0 when there are none.
func (r row) percentile(p float64) time.Duration {
	n := len(r.latencies)
	if n == 0 {
		return 0
	}
	i := int(p * float64(n))
	if float64(i) < p*float64(n) {
		i++
	}
	return r.latencies[min(max(i, 1), n)-1]
}

// cpuPerOp is the CPU time of all programs for one valid operation.
func (r row) cpuPerOp() time.Duration { return r.cpu.total() / time.Duration(max(r.valid, 1)) }

// check says what makes a row worthless: nothing took effect, much was refused that
// is not bad by intention or little that is, or it was measured for a part of the
// time only.
func (r row) check(asked time.Duration) error {
	if r.valid == 0 {
		if r.failure != nil {
			return fmt.Errorf("nothing took effect; the last error: %w", r.failure)
		}
		return fmt.Errorf("nothing took effect, %d operations were refused", r.refused)
	}
	if r.plain == "" && r.refused*100 > 3*(r.valid+r.refused) {
		return fmt.Errorf("%d of %d operations were refused", r.refused, r.valid+r.refused)
	}
	if r.bad > 0 && (r.refused+1)*2*r.bad < r.valid+r.refused {
		return fmt.Errorf("%d of %d operations were refused, though one in %d is bad", r.refused, r.valid+r.refused, r.bad)
	}
	if r.window < asked/2 {
		return fmt.Errorf("blocks came for %s of %s", r.window.Round(time.Millisecond), asked)
	}
	return nil
}

// finish sorts what was collected.
func (r *row) finish() { slices.Sort(r.latencies) }

// better returns the row with the higher rate of those that match; nil when none
// does.
func better(rows []row, match func(row) bool) *row {
	var best *row
	for i, r := range rows {
		if r.err == nil && match(r) && (best == nil || r.perSecond() > best.perSecond()) {
			best = &rows[i]
		}
	}
	return best
}
