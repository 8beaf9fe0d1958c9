// Command bench measures plain contract-api transfers against batches of signed
// transfers, on the same network settings and in one run, and writes the table
// to docs/benchmarks.md. Everything, the load generator included, shares the
// machine.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/killick-ledger/killick/network/cluster"
	"github.com/killick-ledger/killick/network/topology"
)

// settings are those of one run; they are printed with the table.
type settings struct {
	bin      string
	accounts int
	window   time.Duration
	out      string
}

func main() {
	var s settings
	flag.StringVar(&s.bin, "bin", ".killick/bin", "folder of the built programs")
	flag.IntVar(&s.accounts, "accounts", 10_000, "number of accounts that pay each other")
	flag.DurationVar(&s.window, "window", 10*time.Second, "how long each row is measured")
	flag.StringVar(&s.out, "out", "docs/benchmarks.md", "file in which the table is replaced; empty: print only")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	dir, err := os.MkdirTemp("", "killick-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	plain := filepath.Join(dir, "plain")
	if out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", plain, "./scripts/bench/plain").CombinedOutput(); err != nil {
		return fmt.Errorf("build the baseline: %w\n%s", err, out)
	}
	var rows []row
	add := func(program string, measure func(context.Context, *cluster.Cluster, settings) ([]row, error)) error {
		c, err := start(ctx, s, filepath.Join(dir, fmt.Sprint("net", len(rows))), program)
		if err != nil {
			return err
		}
		defer c.Stop()
		more, err := measure(ctx, c, s)
		rows = append(rows, more...)
		return err
	}
	if err := add(plain, measurePlain); err != nil {
		return fmt.Errorf("plain transfers: %w", err)
	}
	if err := add("", measureBatches); err != nil {
		return fmt.Errorf("batches: %w", err)
	}
	return report(rows, s)
}

// start brings up Fabric and one chaincode: both measurements run on the same
// consortium, without anchors and gateways.
func start(ctx context.Context, s settings, dir, program string) (*cluster.Cluster, error) {
	cons := topology.Default()
	cons.Ports = 0
	return cluster.Start(ctx, cluster.Options{
		Consortium: cons, Dir: dir, Bin: s.bin, Attached: true, Progress: os.Stderr,
		Parts: cluster.Fabric | cluster.Chaincode, ChaincodeProgram: program,
	})
}
