package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// aged says what a target allows: the rate at the end is at least this share of
// that at the start.
const aged = 0.85

// segment is how many operations are signed at a time for the filling between
// measurements.
const segment = 40_000

// turns is how often each load is measured at either end, the loads in turn: the
// median counts, as a single window is worth little on a machine whose speed moves by
// a quarter within a minute.
const turns = 3

// age measures records and transfers on a new ledger, brings operations onto it,
// half records and half transfers, and measures again; of each the median
// of its windows.
func age(ctx context.Context, s settings, c consortium) error {
	n, err := start(ctx, s.bin, "", c)
	if err != nil {
		return err
	}
	defer n.stop()
	b, err := openBank(ctx, n, []string{edDSA}, s.accounts)
	if err != nil {
		return err
	}
	r := &results{settings: s, begun: time.Now()}
	done := 0
	measure := func(load string, window time.Duration) (row, error) {
		r.window = window
		got := r.ours(ctx, n, b, spec{consortium: c, load: load, algorithm: edDSA, accounts: s.accounts, batch: 500, inFlight: 8})
		r.rows = append(r.rows, got) // so that no more is signed than the next one can take
		done += got.all
		return got, got.err
	}
	both := func(when string) (map[string]row, error) {
		found := map[string][]row{}
		for range turns {
			for _, load := range []string{records, transfers} {
				got, err := measure(load, s.window)
				if err != nil {
					return nil, err
				}
				found[load] = append(found[load], got)
				progress("%s, %s, after %d operations: %.0f valid/s, %d us of CPU, p99 %d ms", when, load, done, got.perSecond(), got.cpuPerOp().Microseconds(), got.percentile(.99).Milliseconds())
			}
		}
		median := map[string]row{}
		for load, rows := range found {
			slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.perSecond(), b.perSecond()) })
			median[load] = rows[len(rows)/2]
		}
		return median, nil
	}
	before, err := n.stored()
	if err != nil {
		return err
	}
	first, err := both("start")
	if err != nil {
		return err
	}
	for i := 0; done < s.age; i++ {
		load := []string{records, transfers}[i%2]
		// As long as a segment takes; the load ends when it runs dry.
		got, err := measure(load, time.Duration(segment/first[load].perSecond()*float64(time.Second)))
		if err != nil {
			return err
		}
		progress("%s, after %d operations: %.0f valid/s, %d us of CPU", load, done, got.perSecond(), got.cpuPerOp().Microseconds())
	}
	last, err := both("end")
	if err != nil {
		return err
	}
	growth, err := n.growth(before, done)
	if err != nil {
		return err
	}
	fmt.Printf("\n%s, ledger of %d operations:\n\n| load | valid/s at the start | at the end | share | CPU us/op at the start | at the end | target |\n|---|---|---|---|---|---|---|\n", c, done)
	for _, load := range []string{records, transfers} {
		share := last[load].perSecond() / first[load].perSecond()
		verdict := "MISSED"
		if share >= aged {
			verdict = "met"
		}
		fmt.Printf("| %s | %.0f | %.0f | %.0f %% | %d | %d | >= %.0f %%: %s |\n", load, first[load].perSecond(), last[load].perSecond(), 100*share,
			first[load].cpuPerOp().Microseconds(), last[load].cpuPerOp().Microseconds(), 100*aged, verdict)
	}
	fmt.Print(growth)
	return nil
}
