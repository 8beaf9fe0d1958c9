// Command killick is the ledger's command line for people: keys, DIDs, records,
// credentials, payments, claims on public chains, and proofs.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/killick-ledger/killick/gateway/killick/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
