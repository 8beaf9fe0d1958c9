// Package nodetest serves Tron nodes on loopback, for tests of what speaks to one.
package nodetest

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"log/slog"
	"net"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"golang.org/x/sync/errgroup"

	"github.com/killick-ledger/killick/anchor/tronnode/node"
)

// TRX is one TRX in sun.
const TRX = 1_000_000

// Node is a node on ports that were free.
type Node struct {
	Chain    *node.Chain
	GRPC     string // host:port
	Solidity string // host:port
	URL      string // of HTTP, without a path

	t      testing.TB
	ctx    context.Context
	cancel context.CancelFunc
	group  errgroup.Group
	closed bool
}

// Start serves a node until Stop, or the test's end. Without a folder it has one of its
// own, and it logs nothing. Its blocks are made by whoever calls Produce of its chain,
// or by Run.
func Start(t testing.TB, cfg node.Config) *Node {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	cfg.Log = slog.New(slog.DiscardHandler)
	chain, err := node.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	sockets := node.Listen{GRPC: listen(), Solidity: listen(), HTTP: listen()}
	n := &Node{
		Chain: chain, t: t,
		GRPC: sockets.GRPC.Addr().String(), Solidity: sockets.Solidity.Addr().String(), URL: "http://" + sockets.HTTP.Addr().String(),
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.group.Go(func() error { return node.Serve(n.ctx, chain, sockets) })
	t.Cleanup(n.Stop)
	return n
}

// Run makes a block at once, since no transaction can rest on block 0, whose time is long
// past, and one every period of the configuration until Stop.
func (n *Node) Run() {
	n.t.Helper()
	if _, err := n.Chain.Produce(); err != nil {
		n.t.Fatal(err)
	}
	n.group.Go(func() error { return node.Run(n.ctx, n.Chain) })
}

// Stop ends the node. The second time it does nothing.
func (n *Node) Stop() {
	if n.closed {
		return
	}
	n.closed = true
	n.cancel()
	if err := n.group.Wait(); err != nil {
		n.t.Errorf("serve: %v", err)
	}
	if err := n.Chain.Close(); err != nil {
		n.t.Errorf("close: %v", err)
	}
}

// Key returns the key of somebody with a name.
func Key(name string) *ecdsa.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	key, err := crypto.ToECDSA(seed[:])
	if err != nil {
		panic(err)
	}
	return key
}

// Address returns the address of the key of somebody with a name.
func Address(name string) common.Address { return crypto.PubkeyToAddress(Key(name).PublicKey) }
