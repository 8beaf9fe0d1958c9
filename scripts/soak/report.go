package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/killick-ledger/killick/scripts/reconcile"
)

// shown is how many differences are printed.
const shown = 40

// report prints what was done and what was found.
func (w *world) report(n reconcile.Counts, c *chain, found []reconcile.Difference) {
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	line := func(what string, format string, args ...any) {
		fmt.Fprintf(t, "  %s\t%s\n", what, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(t, "\nsoak of %s, ordering %s, seed %d, %.0f s in all\n", w.length, w.ordering, w.seed, time.Since(w.begun).Seconds())
	w.faultLines(line)
	line("operations signed", "%d", n.Signed)
	line("told done", "%d", n.ToldDone)
	line("told refused by the ledger", "%d", n.ToldRefused)
	line("told expired", "%d", n.ToldExpired)
	line("no receipt, done all the same", "%d", n.UntoldDone)
	line("no receipt, refused by the ledger", "%d", n.UntoldRefused)
	line("no receipt, expired", "%d", n.UntoldExpired)
	line("no receipt, never arrived", "%d", n.NeverArrived)
	line("receipts", "%d, of which %d say something else than the ledger", n.Receipts, n.Contradicted)
	line("results on the ledger", "%d, in %d transactions of %d blocks; void transactions by code: %v", n.Results, c.txs, c.blocks, c.void)
	for _, gateway := range slices.Sorted(maps.Keys(n.Submissions)) {
		line("journal of "+gateway, "%d operations taken, %d results known", n.Submissions[gateway], n.Entries[gateway])
	}
	line("peers", "%d have the same %d blocks, the last with commit hash %x", len(w.Own), c.blocks, c.tip[:8])
	for _, r := range w.memory.rows() {
		line("memory of "+r.kind, "%d MB in the first quarter, %d MB in the last, %d MB at most (mean of its processes)", r.first, r.last, r.most)
	}
	t.Flush()
	if len(found) == 0 {
		fmt.Println("receipts = journals = ledger")
		return
	}
	fmt.Printf("\n%d DIFFERENCES (logs in %s, journals in %s)\n", len(found), w.Cluster.LogDir(), w.doors[0].journal)
	for i, d := range found {
		if i == shown {
			fmt.Printf("  and %d more\n", len(found)-shown)
			break
		}
		fmt.Printf("  %s %s\n", d.Op, d.What)
		for _, side := range d.Sides {
			fmt.Printf("      %s\n", side)
		}
	}
}

// faultLines print what was done to the network and how it recovered.
func (w *world) faultLines(line func(string, string, ...any)) {
	f := w.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	line("killed", "%s", byKind(f.kills))
	line("frozen", "%s", byKind(f.frozen))
	line("a fault began until operations commit", "%s", spread(f.commits))
	line("a fault ended until all had caught up", "%s", spread(f.ready))
}

func byKind(counts map[string]int) string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", kind, counts[kind]))
	}
	return fmt.Sprintf("%d: %s", sum(counts), strings.Join(parts, ", "))
}

// spread is the median and the largest of durations.
func spread(all []time.Duration) string {
	if len(all) == 0 {
		return "-"
	}
	all = slices.Sorted(slices.Values(all))
	return fmt.Sprintf("median %.1f s, at most %.1f s", all[len(all)/2].Seconds(), all[len(all)-1].Seconds())
}
