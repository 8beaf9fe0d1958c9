package api

import (
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/killick-ledger/killick/gateway/submit"
)

// metrics answers in the Prometheus text format. Labels are bounded: le has fixed
// bounds, organisation the members.
func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	status := s.cfg.Submitter.Status()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	for _, m := range []struct {
		name, kind, help string
		value            uint64
	}{
		{"operations_accepted_total", "counter", "Operations written to the journal.", status.Accepted},
		{"operations_repeated_total", "counter", "Submissions of operations that were known.", status.Repeated},
		{"operations_done_total", "counter", "Operations that the ledger executed.", status.Done},
		{"operations_refused_total", "counter", "Operations that the ledger refused.", status.Refused},
		{"operations_overloaded_total", "counter", "Operations that there was no room for.", status.Overloaded},
		{"operations_forged_total", "counter", "Operations that were refused here for their signature.", status.Forged},
		{"operations_retried_total", "counter", "Operations in transactions that were void; they went again.", status.Retried},
		{"batches_total", "counter", "Transactions handed to the orderers.", status.Batches},
		{"batches_void_total", "counter", "Transactions that Fabric voided; their operations went again.", status.Void},
		{"batches_lost_total", "counter", "Transactions that no node knew; their operations went again.", status.Lost},
		{"batches_unendorsed_total", "counter", "Batches that too few organisations endorsed alike; they went again.", status.Unendorsed},
		{"operations_pending", "gauge", "Operations that are not final.", uint64(status.Pending)},
		{"operations_pending_bytes", "gauge", "Size of the operations that are not final.", uint64(status.Bytes)},
		{"actors_contested", "gauge", "DIDs that are remembered for conflicts.", uint64(status.Contested)},
		{"batches_in_flight", "gauge", "Batches under way.", uint64(status.InFlight)},
		{"batch_limit", "gauge", "Operations in a batch at most, now: fewer after conflicts.", uint64(status.Limit)},
		{"event_streams", "gauge", "Clients that follow events.", uint64(s.cfg.Events.Followers())},
		{"next_block", "gauge", "Number of the block to be taken in next.", status.Next},
		{"index_next_block", "gauge", "Number of the block that the index takes in next.", s.indexed()},
	} {
		fmt.Fprintf(w, "# HELP killick_%s %s\n# TYPE killick_%s %s\nkillick_%s %d\n", m.name, m.help, m.name, m.kind, m.name, m.value)
	}
	writeHistogram(w, "operation_seconds", "Seconds from acceptance to the receipt.", status.Latency)
	writeHistogram(w, "batch_operations", "Operations in a batch.", status.Batch)
	writeHistogram(w, "batch_hold_seconds", "Seconds that the first operations of a batch waited for it.", status.Hold)
	s.divergenceMetric(w)
}

func writeHistogram(w io.Writer, name, help string, h submit.Histogram) {
	fmt.Fprintf(w, "# HELP killick_%s %s\n# TYPE killick_%s histogram\n", name, help, name)
	total := uint64(0)
	for i, n := range h.Counts {
		total += n
		bound := "+Inf"
		if i < len(h.Bounds) {
			bound = strconv.FormatFloat(h.Bounds[i], 'g', -1, 64)
		}
		fmt.Fprintf(w, "killick_%s_bucket{le=%q} %d\n", name, bound, total)
	}
	fmt.Fprintf(w, "killick_%s_sum %g\nkillick_%s_count %d\n", name, h.Sum, name, total)
}

// indexed is how far the index is, 0 without one.
func (s *Server) indexed() uint64 {
	if s.cfg.Index == nil {
		return 0
	}
	return s.cfg.Index.Next()
}
