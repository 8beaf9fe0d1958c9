package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// results are what one run measured.
type results struct {
	settings
	prices prices
	rows   []row
	begun  time.Time
	took   time.Duration
	setups map[consortium]string // what the networks that ran were set to
	tuning map[string]string     // of each program that ran, by its name: see tuning
}

// runAll measures the rows, network after network: the baseline's chaincode and
// ours run one after the other on consortiums of the same settings. A row or a
// network that fails does not stop the others.
func runAll(ctx context.Context, s settings, rows []spec) *results {
	r := &results{settings: s, begun: time.Now(), setups: map[consortium]string{}, tuning: map[string]string{}}
	progress("%d rows of %s; measuring what primitives take on this machine", len(rows), s.window)
	r.prices = measurePrices()
	ctx, cancel := context.WithTimeoutCause(ctx, s.limit, errors.New("the run took longer than -limit"))
	defer cancel()
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && rows[n].consortium == rows[0].consortium && (rows[n].plain == "") == (rows[0].plain == "") {
			n++
		}
		r.runNetwork(ctx, rows[:n])
		rows = rows[n:]
	}
	r.took = time.Since(r.begun)
	return r
}

// runNetwork measures the rows of one network, and every row that it does not
// come to has the reason as its error.
func (r *results) runNetwork(ctx context.Context, rows []spec) {
	first := len(r.rows)
	err := context.Cause(ctx)
	if err == nil {
		err = r.tryNetwork(ctx, rows)
	}
	if err == nil {
		return
	}
	progress("FAILED: %v", err)
	for _, s := range rows[len(r.rows)-first:] {
		r.rows = append(r.rows, row{spec: s, err: err})
	}
}

func (r *results) tryNetwork(ctx context.Context, rows []spec) (err error) {
	program := ""
	if rows[0].plain != "" {
		program = filepath.Join(r.bin, "killick-plain")
	}
	n, err := start(ctx, r.bin, program, rows[0].consortium)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.stop()) }()
	r.setups[n.consortium] = n.setup()
	maps.Copy(r.tuning, tuning(programs(n.Cluster)))
	if program != "" {
		return r.plainRows(ctx, n, rows)
	}
	var used []string
	for _, s := range rows {
		if !slices.Contains(used, s.algorithm) {
			used = append(used, s.algorithm)
		}
	}
	b, err := openBank(ctx, n, used, r.accounts)
	if err != nil {
		return err
	}
	for _, s := range rows {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := wantGateway(ctx, n, b, s.gateway); err != nil {
			return err
		}
		maps.Copy(r.tuning, tuning(programs(n.Cluster)))
		if s.load == fullQueue {
			r.add(ctx, r.fillQueue(ctx, n, b, s))
		} else {
			r.add(ctx, r.ours(ctx, n, b, s))
		}
	}
	return nil
}

// wantGateway starts or ends the gateway. One that starts reads the ledger first.
func wantGateway(ctx context.Context, n *network, b *bank, want bool) error {
	switch {
	case want && n.gateway == nil:
		if err := n.startGateway(ctx); err != nil {
			return err
		}
		// A receipt says that it has come to the block.
		a, err := newAccount(b.network, edDSA)
		if err != nil {
			return err
		}
		_, err = n.gateway.SubmitAll(ctx, a.create.Compact())
		return err
	case !want && n.gateway != nil:
		return n.killGateway()
	}
	return nil
}

// add takes a row and prints it.
func (r *results) add(ctx context.Context, got row) {
	if got.err != nil && ctx.Err() != nil {
		got.err = context.Cause(ctx)
	}
	r.rows = append(r.rows, got)
	if got.err != nil {
		progress("FAILED %s: %v", got.name(), got.err)
		return
	}
	if got.load == fullQueue {
		progress("%s: %d operations in %.1f s, gateway %d MB", got.name(), got.pending, got.window.Seconds(), largest(got.memory, "gateway")>>20)
		return
	}
	progress("%s: %.0f valid/s, p50 %d ms, p99 %d ms, %.0f us of CPU, %d refused, %d void, %d failed", got.name(), got.perSecond(),
		got.percentile(.5).Milliseconds(), got.percentile(.99).Milliseconds(), float64(got.cpuPerOp().Microseconds()), got.refused, got.void, got.failed)
}

// ours measures one row of signed operations.
func (r *results) ours(ctx context.Context, n *network, b *bank, s spec) row {
	fastest := better(r.rows, func(o row) bool {
		return o.consortium == s.consortium && o.plain == "" && o.batch >= 100 && s.batch >= 100 && (s.pace == 0 || o.load == s.load)
	})
	rate := 0.0
	if fastest != nil {
		rate = fastest.perSecond()
	}
	if s.pace > 0 && rate == 0 {
		return row{spec: s, err: errors.New("no row of the same load was measured before, whose rate it takes")}
	}
	streams, err := b.signLoad(s, s.queued(warmUp, r.window, rate))
	if err != nil {
		return row{spec: s, err: fmt.Errorf("sign: %w", err)}
	}
	if s.pace > 0 {
		streams[0].pace = time.Duration(float64(s.batch) / (s.pace * rate) * float64(time.Second))
	}
	do := direct(n)
	if s.gateway {
		do = throughGateway(n)
	}
	got := drive(ctx, n.Cluster, n.client, s, r.window, do, streams...)
	got.offered = s.pace * rate
	return got
}

// direct submits a transaction by network/fabric, as a gateway does inside.
func direct(n *network) act {
	return func(ctx context.Context, m *meter, q request, begun time.Time) error {
		return m.one(ctx, n.client, q, begun)
	}
}

// throughGateway submits a request over gRPC and waits for its receipts.
func throughGateway(n *network) act {
	return func(ctx context.Context, m *meter, q request, begun time.Time) error {
		if _, err := n.gateway.SubmitAll(ctx, q.jws...); err != nil {
			return err
		}
		m.arrived(begun)
		return nil
	}
}

// plainRows measures the baseline.
func (r *results) plainRows(ctx context.Context, n *network, rows []spec) error {
	const chunk = 500
	number := func(n int) []byte { return []byte(strconv.Itoa(n)) }
	g, minting := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for first := 0; first < r.accounts; first += chunk {
		g.Go(func() error {
			_, err := n.client.Execute(minting, "Mint", number(first), number(min(first+chunk, r.accounts)), number(1_000_000_000))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("mint: %w", err)
	}
	for _, s := range rows {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.add(ctx, drive(ctx, n.Cluster, n.client, s, r.window, direct(n), plainLoad(s, s.queued(warmUp, r.window, 0))))
	}
	return nil
}
