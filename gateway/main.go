// Command killick-gateway serves partner apps for one organisation: it takes
// signed operations over gRPC and REST, brings them onto the ledger exactly once,
// and answers queries. It speaks for its organisation through its own peer first
// and the others after, and it holds no user's key.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/killick-ledger/killick/network/configuration"
)

func main() {
	path := flag.String("config", "gateway.yaml", "configuration `file` (docs/operations.md lists its fields)")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: killick-gateway --config FILE\n\nServes the ledger to partner apps until SIGINT or SIGTERM.")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	slog.SetDefault(log)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *path, log); err != nil {
		log.Error("gateway ends", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, path string, log *slog.Logger) error {
	var cfg Config
	if err := configuration.Read(path, &cfg); err != nil {
		return err
	}
	s, err := build(cfg, log)
	if err != nil {
		return err
	}
	log.Info("gateway serves", "network", cfg.Network, "http", s.http.Addr().String(), "grpc", s.grpc.Addr().String())
	err = s.serve(ctx)
	log.Info("gateway stopped")
	return err
}
