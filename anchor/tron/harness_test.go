package tron_test

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"math/big"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/signer/signertest"
	"github.com/killick-ledger/killick/anchor/sqlite/sqlitetest"
	"github.com/killick-ledger/killick/anchor/tron"
	"github.com/killick-ledger/killick/anchor/tronnode/node"
	"github.com/killick-ledger/killick/anchor/tronnode/node/nodetest"
)

func TestMain(m *testing.M) {
	sqlitetest.InMemory()
	os.Exit(m.Run())
}

// network is a node whose blocks the test makes, and a driver of it for alice.
// Extra sun makes it another network.
type network struct {
	*tron.Client
	t     *testing.T
	chain *node.Chain
	cfg   tron.Config
	clock *atomic.Int64 // of the node, in ms
}

func start(t *testing.T, extra ...uint64) *network {
	t.Helper()
	return startWith(t, func(c *node.Config) {
		for _, e := range extra {
			c.Alloc[nodetest.Address("poor")] += e
		}
	})
}

func startWith(t *testing.T, change func(*node.Config)) *network {
	t.Helper()
	clock := &atomic.Int64{}
	clock.Store(1_700_000_000_000)
	conf := node.Config{
		SolidifyAfter: 3, Now: func() time.Time { return time.UnixMilli(clock.Load()) },
		Alloc: map[common.Address]uint64{
			nodetest.Address("alice"): 100_000 * nodetest.TRX,
			nodetest.Address("poor"):  nodetest.TRX / 100,
		},
	}
	change(&conf)
	served := nodetest.Start(t, conf)
	n := &network{t: t, chain: served.Chain, clock: clock, cfg: tron.Config{
		GRPC: served.GRPC, Solidity: served.Solidity, Key: signertest.Key(nodetest.Key("alice")), Poll: time.Millisecond}}
	n.produce(3)
	n.Client = n.dial()
	return n
}

// dial opens another driver of the network.
func (n *network) dial(change ...func(*tron.Config)) *tron.Client {
	n.t.Helper()
	cfg := n.cfg
	for _, c := range change {
		c(&cfg)
	}
	c, err := tron.Dial(n.t.Context(), cfg)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(c.Close)
	return c
}

func (n *network) produce(blocks int) {
	n.t.Helper()
	for range blocks {
		if _, err := n.chain.Produce(); err != nil {
			n.t.Fatal(err)
		}
	}
}

// running makes blocks until the test ends, so that calls that wait can end.
func (n *network) running() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if _, err := n.chain.Produce(); err != nil {
				n.t.Errorf("make block: %v", err)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	n.t.Cleanup(func() { cancel(); <-done })
}

func (n *network) arm(in send.Intent, earlier ...send.Attempt) send.Attempt {
	n.t.Helper()
	a, err := n.Arm(n.t.Context(), in, earlier, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	return a
}

func (n *network) send(a send.Attempt) {
	n.t.Helper()
	if err := n.Send(n.t.Context(), a); err != nil {
		n.t.Fatal(err)
	}
}

// look wants a state and returns the outcome.
func (n *network) look(a send.Attempt, want send.State, final bool) send.Outcome {
	n.t.Helper()
	o, err := n.Look(n.t.Context(), a)
	if err != nil {
		n.t.Fatal(err)
	}
	if o.State != want || o.Final != final {
		n.t.Fatalf("state %d final %v, want %d %v", o.State, o.Final, want, final)
	}
	return o
}

func (n *network) holds(in send.Intent, at send.Head, want bool) {
	n.t.Helper()
	got, err := n.Holds(n.t.Context(), in, at)
	if err != nil || got != want {
		n.t.Fatalf("holds at %d: %v, %v; want %v", at, got, err, want)
	}
}

// patient has transactions not expire while blocks of three seconds are made as fast
// as they can be.
func patient(c *tron.Config) { c.Expiry = 12 * time.Hour }

// install deploys code by hand, a block at a time, and makes it final.
func (n *network) install(code []byte) send.Address {
	n.t.Helper()
	done := make(chan struct{})
	var at send.Address
	var err error
	by := n.dial(patient)
	go func() { defer close(done); at, err = by.Deploy(n.t.Context(), code) }()
	for {
		select {
		case <-done:
			if err != nil {
				n.t.Fatal(err)
			}
			return at
		case <-time.After(time.Millisecond):
			n.produce(1)
		}
	}
}

// anchorLog deploys an AnchorLog of members of whom k sign.
func (n *network) anchorLog() send.Address {
	return n.install(contracts.NewAnchorLog(logID, memberSet()))
}

var (
	logID   = [32]byte{1, 2, 3}
	members = sorted("m1", "m2", "m3")
)

// sorted are the keys of people in the order of their addresses.
func sorted(names ...string) (keys []*ecdsa.PrivateKey) {
	slices.SortFunc(names, func(a, b string) int { return nodetest.Address(a).Cmp(nodetest.Address(b)) })
	for _, name := range names {
		keys = append(keys, nodetest.Key(name))
	}
	return keys
}

func memberSet() contracts.Set {
	set := contracts.Set{Version: 1, K: 2}
	for _, m := range members {
		set.Members = append(set.Members, crypto.PubkeyToAddress(m.PublicKey))
	}
	return set
}

// anchor is the intent to anchor a checkpoint of a size.
func (n *network) anchor(log send.Address, size uint64) send.Intent {
	n.t.Helper()
	cp := contracts.Checkpoint{Size: size, Root: [32]byte{byte(size)}, Time: 1_700_000_000 + size}
	digest, err := n.Call(n.t.Context(), log, contracts.PackCheckpointDigest(1, cp), send.Latest)
	if err != nil {
		n.t.Fatal(err)
	}
	sigs := contracts.Signatures{Set: memberSet(), Signers: big.NewInt(0b011)}
	for _, m := range members[:2] {
		sig, err := crypto.Sign(digest, m)
		if err != nil {
			n.t.Fatal(err)
		}
		sig[64] += 27
		sigs.Bytes = append(sigs.Bytes, sig...)
	}
	return send.Intent{
		ID: "anchor", To: log, Data: contracts.PackSubmit(cp, nil, sigs),
		Check: contracts.PackSizeReached(size), Want: contracts.True(),
	}
}

// laggard is a solidity node that stands still at the block where it was made,
// until it catches up.
type laggard struct {
	api.UnimplementedWalletSolidityServer
	real   api.WalletSolidityClient
	addr   string
	at     *api.BlockExtention
	caught atomic.Bool
	// network is 0 for the real one, 1 for an error, 2 for another one.
	network atomic.Int32
}

func startLagging(t *testing.T, n *network) *laggard {
	t.Helper()
	conn, err := grpc.NewClient(n.cfg.Solidity, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	l := &laggard{real: api.NewWalletSolidityClient(conn)}
	if l.at, err = l.real.GetNowBlock2(t.Context(), &api.EmptyMessage{}); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.addr = socket.Addr().String()
	server := grpc.NewServer()
	api.RegisterWalletSolidityServer(server, l)
	done := make(chan error, 1)
	go func() { done <- server.Serve(socket) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
		conn.Close()
	})
	return l
}

func (l *laggard) catchUp() { l.caught.Store(true) }

func (l *laggard) GetNowBlock2(ctx context.Context, m *api.EmptyMessage) (*api.BlockExtention, error) {
	if !l.caught.Load() {
		return l.at, nil
	}
	return l.real.GetNowBlock2(ctx, m)
}

func (l *laggard) GetTransactionInfoById(ctx context.Context, m *api.BytesMessage) (*core.TransactionInfo, error) {
	if !l.caught.Load() {
		return &core.TransactionInfo{}, nil
	}
	return l.real.GetTransactionInfoById(ctx, m)
}

func (l *laggard) TriggerConstantContract(ctx context.Context, m *core.TriggerSmartContract) (*api.TransactionExtention, error) {
	if !l.caught.Load() {
		return &api.TransactionExtention{Result: &api.Return{Result: true}, ConstantResult: [][]byte{make([]byte, 32)}}, nil
	}
	return l.real.TriggerConstantContract(ctx, m)
}

func (l *laggard) GetBlockByNum2(ctx context.Context, m *api.NumberMessage) (*api.BlockExtention, error) {
	switch l.network.Load() {
	case 1:
		return nil, errors.New("starting")
	case 2:
		return &api.BlockExtention{Blockid: make([]byte, 32)}, nil
	}
	return l.real.GetBlockByNum2(ctx, m)
}
