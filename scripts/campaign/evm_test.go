package campaign_test

import (
	"context"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/evm"
	"github.com/killick-ledger/killick/anchor/evmnode/node"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/signer/signertest"
)

const (
	evmChain    = "eip155:1337"
	evmFinality = 3
	fullGas     = 1 << 24 // the most that one transaction may use
)

// evmGround is go-ethereum's node.
type evmGround struct {
	book
	n     *node.Node
	api   *ethclient.Client // no wire
	urls  []string          // through the wires
	clock time.Time
	token send.Address
	log   send.Address
	tip   *big.Int // of the harness
}

// newEVM has one wire for each endpoint of the driver.
func newEVM(t testing.TB, endpoints int) *evmGround {
	t.Helper()
	alloc := map[common.Address]*big.Int{}
	for _, name := range []string{"ours", "two", "burner"} {
		alloc[addressOf(name)], _ = new(big.Int).SetString("1000000000000000000000000", 10)
	}
	n, err := node.Start(node.Config{Listen: "127.0.0.1:0", ChainID: 1337, Finality: evmFinality, Alloc: alloc})
	if err != nil {
		t.Fatal(err)
	}
	g := &evmGround{n: n, clock: time.Unix(1_800_000_000, 0)}
	g.book = book{t: t, own: map[string]bool{}, seen: map[string]bool{}, ended: g.isEnded, moot: g.isMoot}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	if g.api, err = ethclient.Dial(n.URL()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.api.Close)
	handler, err := n.Handler()
	if err != nil {
		t.Fatal(err)
	}
	for range endpoints {
		w := newWire(g.see)
		g.wires = append(g.wires, w)
		g.urls = append(g.urls, jsonWire(t, w, handler))
	}
	two := addressOf("two")
	g.token, g.log = send.Address(crypto.CreateAddress(two, 0)), send.Address(crypto.CreateAddress(two, 1))
	g.act("two", nil, contracts.NewTestToken(big.NewInt(1e15)), 3_000_000)
	g.act("two", nil, contracts.NewAnchorLog(logID, memberSet), 3_000_000)
	g.give()
	g.own[g.act("ours", &g.token, append([]byte{0x09, 0x5e, 0xa7, 0xb3}, words(two, maxUint)...), 100_000)] = true
	for range evmFinality + 1 { // no reorg takes this back
		g.block(true)
	}
	for _, at := range []send.Address{g.token, g.log} {
		if code, err := g.api.CodeAt(t.Context(), common.Address(at), nil); err != nil || len(code) == 0 {
			t.Fatalf("no contract: %v", err)
		}
	}
	return g
}

var maxUint = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))

// words encodes an address and numbers as the ABI does.
func words(a common.Address, numbers ...*big.Int) []byte {
	out := append(make([]byte, 12), a[:]...)
	for _, n := range numbers {
		out = append(out, common.BigToHash(n).Bytes()...)
	}
	return out
}

// act signs and sends a transaction at once, with a tip above all others, and returns
// its id. Nobody but the harness uses it.
func (g *evmGround) act(name string, to *send.Address, data []byte, gas uint64) string {
	g.t.Helper()
	if name != "burner" {
		g.outbid()
	}
	nonce, err := g.api.PendingNonceAt(g.t.Context(), addressOf(name))
	if err != nil {
		g.t.Fatal(err)
	}
	tx := g.sign(name, nonce, to, data, gas)
	if err := g.api.SendTransaction(g.t.Context(), tx); err != nil {
		g.t.Fatal(err)
	}
	// The pool counts it a little later than it takes it.
	for next := nonce; err == nil && next == nonce; next, err = g.api.PendingNonceAt(g.t.Context(), addressOf(name)) {
	}
	return string(tx.Hash().Bytes())
}

// outbid sets the harness's tip above the one that the driver is going to be told,
// which follows what was paid before.
func (g *evmGround) outbid() {
	g.t.Helper()
	tip, err := g.api.SuggestGasTipCap(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	g.tip = new(big.Int).Div(new(big.Int).Mul(tip, big.NewInt(3)), big.NewInt(2))
}

func (g *evmGround) sign(name string, nonce uint64, to *send.Address, data []byte, gas uint64) *types.Transaction {
	id := big.NewInt(1337)
	tx := &types.DynamicFeeTx{ChainID: id, Nonce: nonce, Data: data, Gas: gas, GasFeeCap: big.NewInt(55e9), GasTipCap: g.tip}
	if to != nil {
		tx.To = (*common.Address)(to)
	}
	return types.MustSignNewTx(keyOf(name), types.LatestSignerForChainID(id), tx)
}

func (g *evmGround) give() {
	g.act("two", &g.token, contracts.PackTransfer(addressOf("ours"), big.NewInt(1e9)), 100_000)
}

// see writes down a transaction that reaches the node.
func (g *evmGround) see(raw []byte) {
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(raw); err != nil {
		return
	}
	g.add(sent{id: string(tx.Hash().Bytes()), call: callOf(send.Address(*tx.To()), tx.Data()), nonce: tx.Nonce(), raw: raw})
}

func (g *evmGround) isEnded(s sent) bool {
	ctx := context.Background()
	final := g.n.Finalized().Number
	r, err := g.api.TransactionReceipt(ctx, common.BytesToHash([]byte(s.id)))
	if err == nil {
		return r.Status == 0 && r.BlockNumber.Cmp(final) <= 0
	}
	used, err := g.api.NonceAt(ctx, addressOf("ours"), final)
	return err == nil && used > s.nonce
}

func (g *evmGround) holds(in send.Intent, at send.Head) bool {
	to, block := common.Address(in.To), g.n.Head().Number
	if at == send.Final {
		block = g.n.Finalized().Number
	}
	out, err := g.api.CallContract(context.Background(), ethereum.CallMsg{To: &to, Data: in.Check}, block)
	return err == nil && string(out) == string(in.Want)
}

func (g *evmGround) isMoot(in send.Intent) bool {
	return g.holds(in, send.Latest) || len(in.Late) > 0 && g.holds(late(in), send.Latest)
}

func (g *evmGround) dial() send.Chain {
	c, err := evm.Dial(context.Background(), evm.Config{Chain: evmChain, URLs: g.urls, Key: signertest.Key(keyOf("ours"))})
	if err != nil {
		g.t.Fatal(err)
	}
	return c
}

func (g *evmGround) id() string           { return evmChain }
func (g *evmGround) now() time.Time       { return g.clock }
func (g *evmGround) pass(d time.Duration) { g.clock = g.clock.Add(d) }
func (g *evmGround) forget()              { g.n.Forget() }
func (g *evmGround) ledger() *book        { return &g.book }

func (g *evmGround) contracts() (token, log send.Address) { return g.token, g.log }

func (g *evmGround) block(full bool) {
	g.t.Helper()
	g.pass(period)
	step := g.n.Step
	if !full {
		step = g.n.StepEmpty
	}
	if _, err := step(); err != nil {
		g.t.Fatal(err)
	}
}

func (g *evmGround) depth() int {
	return int(g.n.Head().Number.Uint64() - g.n.Finalized().Number.Uint64())
}

func (g *evmGround) reorg(how string, depth int) {
	g.t.Helper()
	left := g.mine(g.n.Head().Number.Uint64() - uint64(depth) + 1)
	var parent struct{ Hash common.Hash }
	number := new(big.Int).Sub(g.n.Head().Number, big.NewInt(int64(depth)))
	err := g.api.Client().CallContext(g.t.Context(), &parent, "eth_getBlockByNumber", (*hexutil.Big)(number), false)
	if err == nil {
		err = g.n.Fork(parent.Hash)
	}
	if err != nil {
		g.t.Fatal(err)
	}
	switch how {
	case "dropped":
		g.n.Forget()
	case "replaced":
		g.n.Forget()
		g.replace(left)
	}
	for i := range depth + 1 {
		g.block(how == "replaced" && i == 0)
	}
}

// replace sends another transaction of the nonce of the first one that was left:
// another attempt of the same intent, or one that nobody knows of.
func (g *evmGround) replace(left []landing) {
	if len(left) == 0 {
		return
	}
	all := g.all
	first := slices.IndexFunc(all, func(s sent) bool { return s.id == left[0].id })
	if first < 0 {
		return
	}
	for _, s := range all {
		if s.nonce == all[first].nonce && s.id != left[0].id && s.call == all[first].call {
			g.submit(s.raw)
			return
		}
	}
	g.outbid()
	ours := send.Address(addressOf("ours"))
	tx := g.sign("ours", all[first].nonce, &ours, nil, 21_000)
	g.own[string(tx.Hash().Bytes())] = true
	_ = g.api.SendTransaction(g.t.Context(), tx)
}

// submit sends bytes to the node, which may refuse them.
func (g *evmGround) submit(raw []byte) {
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(raw); err != nil {
		g.t.Fatal(err)
	}
	_ = g.api.SendTransaction(g.t.Context(), tx)
}

func (g *evmGround) setback(int) {
	balance, err := g.api.CallContract(g.t.Context(), ethereum.CallMsg{To: (*common.Address)(&g.token), Data: contracts.PackBalanceOf(addressOf("ours"))}, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	// Its tip is above ours: it comes first in the block.
	g.act("two", &g.token, append([]byte{0x23, 0xb8, 0x72, 0xdd}, append(words(addressOf("ours")), words(addressOf("two"), new(big.Int).SetBytes(balance))...)...), 100_000)
}

func (g *evmGround) heal() { g.give() }

// spike fills blocks: code that is not there uses all gas at once.
func (g *evmGround) spike(blocks int) {
	g.outbid()
	for range blocks {
		for _, gas := range []uint64{fullGas, fullGas, fullGas, 60_000_000 - 3*fullGas - 1000} {
			g.act("burner", nil, []byte{0xfe}, gas)
		}
		g.block(true)
	}
}

func (g *evmGround) foreign(gap bool) {
	g.outbid()
	nonce, err := g.api.NonceAt(g.t.Context(), addressOf("ours"), nil)
	if err != nil {
		g.t.Fatal(err)
	}
	if gap {
		nonce += 2
	}
	ours := send.Address(addressOf("ours"))
	tx := g.sign("ours", nonce, &ours, nil, 21_000)
	g.own[string(tx.Hash().Bytes())] = true
	if err := g.api.SendTransaction(g.t.Context(), tx); err != nil {
		g.t.Logf("foreign use of the key: %v", err)
	}
}

func (g *evmGround) stranger(in send.Intent) { g.act("two", &in.To, in.Data, 1_000_000) }

func (g *evmGround) head() contracts.Checkpoint {
	out, err := g.api.CallContract(g.t.Context(), ethereum.CallMsg{To: (*common.Address)(&g.log), Data: contracts.PackHead()}, nil)
	c, err2 := contracts.UnpackHead(out)
	if err := errors.Join(err, err2); err != nil {
		g.t.Fatal(err)
	}
	return c
}

func (g *evmGround) landed() []landing { return g.mine(0) }

// mine reads our transactions in the blocks from a number on.
func (g *evmGround) mine(from uint64) (all []landing) {
	g.t.Helper()
	signer := types.LatestSignerForChainID(big.NewInt(1337))
	for n := from; n <= g.n.Head().Number.Uint64(); n++ {
		b, err := g.api.BlockByNumber(g.t.Context(), new(big.Int).SetUint64(n))
		if err != nil {
			g.t.Fatal(err)
		}
		for _, tx := range b.Transactions() {
			by, err := types.Sender(signer, tx)
			if err != nil {
				g.t.Fatal(err)
			}
			if by != addressOf("ours") {
				continue
			}
			r, err := g.api.TransactionReceipt(g.t.Context(), tx.Hash())
			if err != nil {
				g.t.Fatal(err)
			}
			fee := new(big.Int).Mul(r.EffectiveGasPrice, new(big.Int).SetUint64(r.GasUsed))
			all = append(all, landing{id: string(tx.Hash().Bytes()), call: callOf(send.Address(*tx.To()), tx.Data()), ok: r.Status == 1,
				block: n, hash: r.BlockHash.Bytes(), cost: r.GasUsed, fee: fee.String()})
		}
	}
	return all
}

func (g *evmGround) again() {
	for _, s := range g.all {
		g.submit(s.raw)
	}
	for range evmFinality {
		g.block(true)
	}
}
