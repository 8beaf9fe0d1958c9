package campaign_test

import (
	"context"
	"crypto/sha256"
	"math/big"
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
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/signer/signertest"
	"github.com/killick-ledger/killick/anchor/tron"
	"github.com/killick-ledger/killick/anchor/tronnode/node"
	"github.com/killick-ledger/killick/anchor/tronnode/node/nodetest"
)

const (
	trx    = nodetest.TRX
	expiry = 30 * time.Second
)

// tronGround is our Tron node, whose blocks solidify when four producers have built.
type tronGround struct {
	book
	chain *node.Chain
	cfg   tron.Config
	full  api.WalletClient         // no wire
	solid api.WalletSolidityClient // no wire
	clock atomic.Int64
	token send.Address
	log   send.Address
}

// newTron has one wire to the node. cache has it remember ids of what it refused.
func newTron(t testing.TB, cache bool) *tronGround {
	t.Helper()
	g := &tronGround{}
	g.book = book{t: t, own: map[string]bool{}, seen: map[string]bool{}, ended: g.isEnded, moot: func(send.Intent) bool { return false }}
	g.clock.Store(1_800_000_000_000)
	n := nodetest.Start(t, node.Config{
		SolidifyAfter: 4, IDCache: cache, Now: g.now,
		Alloc: map[common.Address]uint64{addressOf("ours"): 1_000_000 * trx, addressOf("two"): 1_000_000 * trx},
	})
	g.chain = n.Chain
	conn, err := grpc.NewClient(n.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	g.full = api.NewWalletClient(conn)
	if conn, err = grpc.NewClient(n.Solidity, grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	g.solid = api.NewWalletSolidityClient(conn)
	g.cfg = tron.Config{GRPC: n.GRPC, Solidity: n.Solidity, Expiry: expiry, Poll: time.Millisecond}
	g.wires = []*wire{newWire(g.see)}
	for range 4 {
		g.block(true)
	}
	g.token = g.create("two", contracts.NewTestToken(big.NewInt(1e15)))
	g.log = g.create("two", contracts.NewAnchorLog(logID, memberSet))
	g.must(g.give())
	approve := append([]byte{0x09, 0x5e, 0xa7, 0xb3}, words(addressOf("two"), maxUint)...)
	g.own[g.must(g.act("ours", g.token, approve))] = true
	for range 4 {
		g.block(true)
	}
	return g
}

func (g *tronGround) must(id string, err error) string {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
	return id
}

// client is a driver without a wire.
func (g *tronGround) client(name string) *tron.Client {
	cfg := g.cfg
	cfg.Key = signertest.Key(keyOf(name))
	c, err := tron.Dial(context.Background(), cfg)
	if err != nil {
		g.t.Fatal(err)
	}
	return c
}

// create deploys a contract.
func (g *tronGround) create(name string, code []byte) send.Address {
	c := g.client(name)
	defer c.Close()
	type result struct {
		at  send.Address
		err error
	}
	done := make(chan result, 1)
	go func() {
		at, err := c.Deploy(context.Background(), code)
		done <- result{at, err}
	}()
	for {
		select {
		case r := <-done:
			if r.err != nil {
				g.t.Fatal(r.err)
			}
			return r.at
		case <-time.After(time.Millisecond):
			if g.pending() > 0 {
				for range 4 {
					g.block(true)
				}
			}
		}
	}
}

func (g *tronGround) pending() int64 {
	n, err := g.full.GetPendingSize(context.Background(), &api.EmptyMessage{})
	if err != nil {
		g.t.Fatal(err)
	}
	return n.GetNum()
}

// act makes a call at once and returns its id.
func (g *tronGround) act(name string, to send.Address, data []byte) (string, error) {
	a, err := g.armed(name, to, data)
	if err != nil {
		return "", err
	}
	c := g.client(name)
	defer c.Close()
	return string(a.ID), c.Send(context.Background(), a)
}

func (g *tronGround) armed(name string, to send.Address, data []byte) (send.Attempt, error) {
	c := g.client(name)
	defer c.Close()
	return c.Arm(context.Background(), send.Intent{To: to, Data: data}, nil, nil)
}

func (g *tronGround) give() (string, error) {
	return g.act("two", g.token, contracts.PackTransfer(addressOf("ours"), big.NewInt(1e9)))
}

func decodeTron(raw []byte) *core.Transaction {
	tx := &core.Transaction{}
	if err := proto.Unmarshal(raw, tx); err != nil {
		return nil
	}
	return tx
}

func callOfTron(tx *core.Transaction) string {
	c := &core.TriggerSmartContract{}
	if all := tx.GetRawData().GetContract(); len(all) != 1 || all[0].GetParameter().UnmarshalTo(c) != nil {
		return ""
	}
	return callOf(send.Address(c.GetContractAddress()[1:]), c.GetData())
}

func (g *tronGround) see(raw []byte) {
	tx := decodeTron(raw)
	id := node.TransactionID(tx.GetRawData())
	g.add(sent{id: string(id[:]), call: callOfTron(tx), raw: raw, until: tx.GetRawData().GetExpiration()})
}

// isEnded: failed in a solidified block, or a solidified block is past the expiration
// and the chain has none of it.
func (g *tronGround) isEnded(s sent) bool {
	_, solid := g.chain.Height()
	info, err := g.full.GetTransactionInfoById(context.Background(), &api.BytesMessage{Value: []byte(s.id)})
	if err != nil {
		return false
	}
	if len(info.GetId()) > 0 {
		return info.GetResult() == core.TransactionInfo_FAILED && uint64(info.GetBlockNumber()) <= solid
	}
	b, err := g.full.GetBlockByNum2(context.Background(), &api.NumberMessage{Num: int64(solid)})
	return err == nil && b.GetBlockHeader().GetRawData().GetTimestamp() > s.until
}

func (g *tronGround) dial() send.Chain {
	cfg := g.cfg
	cfg.Key = signertest.Key(keyOf("ours"))
	cfg.Dial = []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUnaryInterceptor(g.wires[0].intercept),
	}
	c, err := tron.Dial(context.Background(), cfg)
	if err != nil {
		g.t.Fatal(err)
	}
	return c
}

func (g *tronGround) id() string           { return g.chain.ID() }
func (g *tronGround) now() time.Time       { return time.UnixMilli(g.clock.Load()) }
func (g *tronGround) pass(d time.Duration) { g.clock.Add(d.Milliseconds()) }
func (g *tronGround) ledger() *book        { return &g.book }

func (g *tronGround) contracts() (token, log send.Address) { return g.token, g.log }

func (g *tronGround) forget() {
	if err := g.chain.Forget(); err != nil {
		g.t.Fatal(err)
	}
}

func (g *tronGround) block(full bool) {
	g.t.Helper()
	g.pass(period)
	produce := g.chain.Produce
	if !full {
		produce = g.chain.ProduceEmpty
	}
	if _, err := produce(); err != nil {
		g.t.Fatal(err)
	}
}

func (g *tronGround) depth() int {
	head, solid := g.chain.Height()
	return int(head - solid)
}

func (g *tronGround) reorg(how string, depth int) {
	g.t.Helper()
	head, _ := g.chain.Height()
	parent := head - uint64(depth)
	blocks := make([][]*core.Transaction, depth+1)
	if how == "replaced" { // other producers put it at another place
		blocks[depth] = g.waiting(parent)
	}
	g.pass(period)
	if err := g.chain.Fork(parent, blocks...); err != nil {
		g.t.Fatal(err)
	}
	if how == "dropped" {
		g.forget()
	}
}

// waiting returns our transactions that no block up to a number holds.
func (g *tronGround) waiting(above uint64) (all []*core.Transaction) {
	landed := g.landed()
	for _, s := range g.all {
		if !slices.ContainsFunc(landed, func(l landing) bool { return l.id == s.id && l.block <= above }) {
			all = append(all, decodeTron(s.raw))
		}
	}
	return all
}

// setback puts our transactions into a block behind one that takes what they need:
// our tokens, or the sun that the energy costs.
func (g *tronGround) setback(kind int) {
	g.t.Helper()
	var first *core.Transaction
	if kind == 0 {
		balance := new(big.Int).SetBytes(g.view(g.token, contracts.PackBalanceOf(addressOf("ours")), send.Latest))
		a, err := g.armed("two", g.token, append([]byte{0x23, 0xb8, 0x72, 0xdd}, append(words(addressOf("ours")), words(addressOf("two"), balance)...)...))
		if err != nil {
			g.t.Fatal(err)
		}
		first = decodeTron(a.Raw)
	} else {
		first = g.coins("ours", "two", g.balance("ours")-2*trx)
		id := node.TransactionID(first.GetRawData())
		g.own[string(id[:])] = true
	}
	head, _ := g.chain.Height()
	g.pass(period)
	if err := g.chain.Fork(head, append([]*core.Transaction{first}, g.waiting(head)...)); err != nil {
		g.t.Fatal(err)
	}
}

func wireAddress(name string) []byte {
	a := addressOf(name)
	return append([]byte{0x41}, a[:]...)
}

func (g *tronGround) balance(name string) int64 {
	a, err := g.full.GetAccount(g.t.Context(), &core.Account{Address: wireAddress(name)})
	if err != nil {
		g.t.Fatal(err)
	}
	return a.GetBalance()
}

// coins signs a transfer of sun.
func (g *tronGround) coins(from, to string, sun int64) *core.Transaction {
	g.t.Helper()
	x, err := g.full.CreateTransaction2(g.t.Context(), &core.TransferContract{OwnerAddress: wireAddress(from), ToAddress: wireAddress(to), Amount: max(sun, 1)})
	if err != nil {
		g.t.Fatal(err)
	}
	tx := x.GetTransaction()
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(tx.GetRawData())
	if err != nil {
		g.t.Fatal(err)
	}
	id := sha256.Sum256(raw)
	sig, err := crypto.Sign(id[:], keyOf(from))
	if err != nil {
		g.t.Fatal(err)
	}
	tx.Signature = [][]byte{sig}
	return tx
}

func (g *tronGround) heal() {
	if g.balance("ours") < 1000*trx {
		if r := g.chain.Broadcast(g.coins("two", "ours", 10_000*trx)); r != nil {
			g.t.Fatal(r)
		}
	}
	g.must(g.give())
}

// spike: producers make no blocks in their turns for a time, and transactions wait.
func (g *tronGround) spike(blocks int) {
	for range blocks {
		g.block(false)
	}
}

func (g *tronGround) foreign(bool) { // it has no nonce to take
	g.chain.Silence(1, 2, 3, 4, 5)
	g.block(true)
	g.chain.Silence()
}

func (g *tronGround) stranger(in send.Intent) { _, _ = g.act("two", in.To, in.Data) }

func (g *tronGround) again() {
	for _, s := range g.all {
		_ = g.chain.Broadcast(decodeTron(s.raw))
	}
	for range 4 {
		g.block(true)
	}
}
