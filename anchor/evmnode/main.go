// Command killick-evmnode is an EVM test network of one node: go-ethereum's own
// node with a block every period, for a consortium that runs on one machine. It
// is reached over JSON-RPC as any endpoint of a public chain is.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	gethlog "github.com/ethereum/go-ethereum/log"

	"github.com/killick-ledger/killick/anchor/evmnode/node"
)

func main() {
	config := flag.String("config", "", "configuration `file` (YAML), required")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "Usage: killick-evmnode --config FILE")
		fmt.Fprintln(os.Stderr, "An EVM test node; its coins have no value.")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *config == "" || flag.NArg() != 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *config, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "killick-evmnode:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, config string, logs io.Writer) error {
	f, err := os.Open(config)
	if err != nil {
		return fmt.Errorf("open configuration: %w", err)
	}
	defer f.Close()
	c, err := node.Parse(f)
	if err != nil {
		return fmt.Errorf("configuration %s:\n%w", config, err)
	}
	log := slog.New(slog.NewJSONHandler(logs, nil))
	// go-ethereum's own lines, from warnings on.
	gethlog.SetDefault(gethlog.NewLogger(slog.NewJSONHandler(logs, &slog.HandlerOptions{Level: slog.LevelWarn})))
	slog.SetDefault(log)

	n, err := node.Start(c.Config)
	if err != nil {
		return err
	}
	log.Info("evm test node is up; its coins have no value", "url", n.URL(), "chain_id", c.ChainID,
		"dir", c.Dir, "period", c.Period.String(), "finality", c.Finality,
		"head", n.Head().Number.Uint64(), "finalized", n.Finalized().Number.Uint64())
	err = n.Run(ctx, c.Period)
	log.Info("evm test node stops", "head", n.Head().Number.Uint64())
	return errors.Join(err, n.Close())
}
