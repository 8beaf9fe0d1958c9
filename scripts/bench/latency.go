package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// latencyWindow is how long each row of -latency is measured: some 150 batches or
// more, so that one slow batch is not its p99.
const latencyWindow = 20 * time.Second

// soonerBlocks is the other block interval of -latency.
const soonerBlocks = 50 * time.Millisecond

// latencyPlan is the rows of -latency: four batches of 500 in flight, as the target has
// them, and what could lower their latency: smaller batches, fewer in flight, blocks cut
// sooner. Last of each load the paced row, which takes its rate from them.
func latencyPlan(networks []consortium, accounts int) []spec {
	var rows []spec
	for _, n := range networks {
		for _, interval := range []time.Duration{0, soonerBlocks} {
			n.interval = interval
			for _, load := range []string{records, transfers} {
				row := func(batch, inFlight int, pace float64) spec {
					return spec{consortium: n, load: load, algorithm: edDSA, accounts: accounts, batch: batch, inFlight: inFlight, pace: pace, quick: true}
				}
				rows = append(rows, row(500, 4, 0), row(250, 4, 0))
				if interval == 0 {
					rows = append(rows, row(500, 2, 0))
				}
				rows = append(rows, row(500, 16, 0.7))
			}
		}
	}
	return rows
}

// renderLatency is the table of -latency, the rows of one ordering and load together.
func (r *results) renderLatency() string {
	var b strings.Builder
	b.WriteString(r.conditions())
	b.WriteString("\n| ordering | load | blocks of | batch | in flight | valid/s | batches | p50 ms | p95 ms | p99 ms | wanted | | CPU ms/op |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	rows := slices.Clone(r.rows)
	slices.SortStableFunc(rows, func(a, b row) int {
		return 2*strings.Compare(b.ordering, a.ordering) + strings.Compare(a.load, b.load)
	})
	for _, row := range rows {
		interval := "default"
		if d, err := row.describe(); err == nil {
			interval = d.Block.Interval.String()
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %s | ", row.ordering, row.load, interval, row.batch, row.sent())
		if row.err != nil {
			fmt.Fprintf(&b, "FAILED: %s |\n", oneLine(row.err))
			continue
		}
		want := fourP99
		if row.pace > 0 {
			want = pacedP99
		}
		verdict := "MISSED"
		if row.percentile(.99) < want {
			verdict = "met"
		}
		ms := func(p float64) int64 { return row.percentile(p).Milliseconds() }
		fmt.Fprintf(&b, "%.0f | %d | %d | %d | %d | < %d | %s | %.3f |\n", row.perSecond(), len(row.latencies), ms(.5), ms(.95), ms(.99),
			want.Milliseconds(), verdict, float64(row.cpuPerOp().Microseconds())/1000)
	}
	return b.String()
}
