package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
)

// Listen holds the sockets that a node serves on.
type Listen struct {
	GRPC     net.Listener // protocol.Wallet
	Solidity net.Listener // protocol.WalletSolidity
	HTTP     net.Listener // /jsonrpc, /wallet, /walletsolidity
}

// Serve answers on the sockets until ctx ends or one of them fails. It closes
// them, and does not make blocks: see Run.
func Serve(ctx context.Context, c *Chain, l Listen) error {
	full, solid := reads{view{c, false}}, reads{view{c, true}}
	walletServer, solidityServer := grpc.NewServer(), grpc.NewServer()
	api.RegisterWalletServer(walletServer, wallet{reads: full})
	// java-tron's full node serves the solidified reads on its own port too.
	api.RegisterWalletSolidityServer(walletServer, walletSolidity{reads: solid})
	api.RegisterWalletSolidityServer(solidityServer, walletSolidity{reads: solid})
	web := &http.Server{
		Handler:           handler(full, solid),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serveError("grpc", walletServer.Serve(l.GRPC)) })
	group.Go(func() error { return serveError("solidity", solidityServer.Serve(l.Solidity)) })
	group.Go(func() error { return serveError("http", web.Serve(l.HTTP)) })
	group.Go(func() error {
		<-ctx.Done()
		walletServer.Stop()
		solidityServer.Stop()
		return web.Close()
	})
	return group.Wait()
}

func serveError(what string, err error) error {
	if err == nil || errors.Is(err, http.ErrServerClosed) || errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return fmt.Errorf("serve %s: %w", what, err)
}

// Run makes a block every period, until ctx ends or a block cannot be made.
func Run(ctx context.Context, c *Chain) error {
	tick := time.NewTicker(c.cfg.Period)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if _, err := c.Produce(); err != nil {
			return fmt.Errorf("make block: %w", err)
		}
	}
}
