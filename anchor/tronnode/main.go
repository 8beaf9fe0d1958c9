// Command killick-tronnode is a Tron node for tests and demonstrations: Tron's
// own gRPC and HTTP API over block producers that it plays itself (package node). It is
// no java-tron and has no peers; it names itself a test node wherever it is
// asked.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/killick-ledger/killick/anchor/tronnode/node"
	"github.com/killick-ledger/killick/network/configuration"
	"golang.org/x/sync/errgroup"
)

const usage = `killick-tronnode serves a Tron network whose 27 producers it plays itself, for tests.

usage: killick-tronnode --config FILE

The file is YAML:
  grpc: 127.0.0.1:50051      # Tron's gRPC API (protocol.Wallet)
  solidity: 127.0.0.1:50061  # the same reads at the solidified block (protocol.WalletSolidity)
  http: 127.0.0.1:8090       # /jsonrpc, /wallet and /walletsolidity
  dir: ./tron                # the blocks; made when missing
  period: 3s                 # time between blocks; 3s when left out, as on Tron
  solidify_after: 19         # producers of 27 that must have built on a block, its own
                             # included; 19 when left out, as on Tron
  tx_cache: false            # remember every id that was broadcast for an hour and answer
                             # DUP_TRANSACTION_ERROR, whatever became of it
  alloc:                     # sun of accounts in block 0; the network's id depends on it
    TExampleAddressOrHexadecimal: "1000000000000"

Log lines, "ready" among them, go to stderr as JSON. SIGINT and SIGTERM end it.
`

func main() {
	path := flag.String("config", "", "configuration file")
	flag.Usage = func() { fmt.Fprint(flag.CommandLine.Output(), usage) }
	flag.Parse()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	slog.SetDefault(log)
	if *path == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *path, log); err != nil {
		log.Error("stopped", "error", err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context, path string, log *slog.Logger) (err error) {
	cfg := &config{}
	if err := configuration.Read(path, cfg); err != nil {
		return err
	}
	var sockets node.Listen
	for _, s := range []struct {
		name, addr string
		to         *net.Listener
	}{
		{"grpc", cfg.GRPC, &sockets.GRPC}, {"solidity", cfg.Solidity, &sockets.Solidity}, {"http", cfg.HTTP, &sockets.HTTP},
	} {
		if *s.to, err = new(net.ListenConfig).Listen(ctx, "tcp", s.addr); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	chain, err := node.Open(cfg.chain(log))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, chain.Close()) }()
	// A fresh block before anyone asks: an old head, or the genesis block, would
	// refuse transactions as expired.
	head, err := chain.Produce()
	if err != nil {
		return err
	}
	log.Info("ready", "node", node.Version, "chain", chain.ID(), "head", head,
		"grpc", sockets.GRPC.Addr().String(), "solidity", sockets.Solidity.Addr().String(),
		"http", sockets.HTTP.Addr().String())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return node.Serve(ctx, chain, sockets) })
	group.Go(func() error { return node.Run(ctx, chain) })
	return group.Wait()
}
