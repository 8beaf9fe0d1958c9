package node_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/killick-ledger/killick/anchor/evmnode/node"
)

const childDir = "KILLICK_EVMNODE_TEST_DIR"

// TestMain also is the process that TestKill kills.
func TestMain(m *testing.M) {
	dir := os.Getenv(childDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	n, err := node.Start(config(dir))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for {
		if _, err := n.Step(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(n.Head().Number, n.Head().Hash(), n.Finalized().Number)
	}
}

var key = func() *ecdsa.PrivateKey {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("sender of the tests")))
	if err != nil {
		panic(err)
	}
	return key
}()

func config(dir string) node.Config {
	return node.Config{
		Listen: "127.0.0.1:0", ChainID: 1337, Dir: dir, Finality: 4,
		Alloc: map[common.Address]*big.Int{crypto.PubkeyToAddress(key.PublicKey): big.NewInt(1e18)},
	}
}

func start(t *testing.T, c node.Config) (*node.Node, *ethclient.Client) {
	t.Helper()
	n, err := node.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	client, err := ethclient.Dial(n.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return n, client
}

func step(t *testing.T, n *node.Node, blocks int) *types.Header {
	t.Helper()
	for range blocks {
		if _, err := n.Step(); err != nil {
			t.Fatal(err)
		}
	}
	return n.Head()
}

func send(t *testing.T, client *ethclient.Client, nonce uint64, tip int64) common.Hash {
	t.Helper()
	tx := transfer(nonce, tip, 21_000)
	if err := client.SendTransaction(context.Background(), tx); err != nil {
		t.Fatal(err)
	}
	return tx.Hash()
}

func transfer(nonce uint64, tip int64, gas uint64) *types.Transaction {
	id := big.NewInt(1337)
	return types.MustSignNewTx(key, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
		ChainID: id, Nonce: nonce, To: &common.Address{19: 1}, Value: big.NewInt(5), Gas: gas,
		GasFeeCap: big.NewInt(2e9 + tip), GasTipCap: big.NewInt(tip),
	})
}

func TestFinalityMoves(t *testing.T) {
	n, client := start(t, config(""))
	for _, tt := range []struct{ blocks, head, safe, final int64 }{
		{1, 1, 0, 0}, {3, 4, 2, 0}, {1, 5, 3, 1}, {35, 40, 38, 36},
	} {
		step(t, n, int(tt.blocks))
		for tag, want := range map[rpc.BlockNumber]int64{
			rpc.LatestBlockNumber: tt.head, rpc.SafeBlockNumber: tt.safe, rpc.FinalizedBlockNumber: tt.final,
		} {
			h, err := client.HeaderByNumber(context.Background(), big.NewInt(tag.Int64()))
			if err != nil || h.Number.Int64() != want {
				t.Errorf("after %d blocks %s is %v, %v; want %d", tt.head, tag, h, err, want)
			}
		}
	}
}

func TestFinalityZero(t *testing.T) {
	c := config("")
	c.Finality = 0
	n, _ := start(t, c)
	if head := step(t, n, 3); n.Finalized().Hash() != head.Hash() {
		t.Errorf("finalized %d at head %d", n.Finalized().Number, head.Number)
	}
}

func TestNamesItself(t *testing.T) {
	_, client := start(t, config(""))
	var name string
	if err := client.Client().Call(&name, "web3_clientVersion"); err != nil {
		t.Fatal(err)
	}
	if want := "killick-evmnode/test-node/geth-v1.17.8/"; !strings.HasPrefix(name, want) {
		t.Errorf("client version %q, want %q...", name, want)
	}
	for _, method := range []string{"admin_nodeInfo", "debug_setHead", "engine_forkchoiceUpdatedV3", "personal_listAccounts", "miner_start"} {
		if err := client.Client().Call(new(any), method); err == nil || !strings.Contains(err.Error(), "does not exist") {
			t.Errorf("%s: %v", method, err)
		}
	}
}

// Web pages may call, whatever their origin, as they may public endpoints.
func TestPagesMayCall(t *testing.T) {
	n, _ := start(t, config(t.TempDir()))
	req, err := http.NewRequest(http.MethodOptions, n.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "null")
	req.Header.Set("Access-Control-Request-Method", http.MethodPost)
	req.Header.Set("Access-Control-Request-Headers", "content-type")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode >= 300 || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%s, %v", resp.Status, resp.Header)
	}
}

func TestOsakaRules(t *testing.T) {
	n, client := start(t, config(""))
	err := client.SendTransaction(context.Background(), transfer(0, 1e6, 1<<24+1))
	if err == nil || !strings.Contains(err.Error(), "16777216") {
		t.Errorf("gas above the cap: %v", err)
	}
	// A new storage slot costs 22,100: the creation code 6001600055 sets one.
	id := big.NewInt(1337)
	tx := types.MustSignNewTx(key, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
		ChainID: id, Data: common.FromHex("6001600055"), Gas: 1_000_000, GasFeeCap: big.NewInt(2e9), GasTipCap: big.NewInt(1e6),
	})
	if err := client.SendTransaction(context.Background(), tx); err != nil {
		t.Fatal(err)
	}
	step(t, n, 1)
	receipt, err := client.TransactionReceipt(context.Background(), tx.Hash())
	if err != nil {
		t.Fatal(err)
	}
	// 53,000 to create, 4 bytes of data not zero and 1 zero, 2 for the word of
	// code, 2 pushes, the slot.
	if want := uint64(53_000 + 4*16 + 4 + 2 + 2*3 + 22_100); receipt.GasUsed != want {
		t.Errorf("gas used %d, want %d", receipt.GasUsed, want)
	}
}

func TestReorg(t *testing.T) {
	n, client := start(t, config(""))
	ctx := context.Background()
	base := step(t, n, 5)
	moved := send(t, client, 0, 1e6)
	lost := step(t, n, 1)
	block := func(tx common.Hash) uint64 {
		t.Helper()
		r, err := client.TransactionReceipt(ctx, tx)
		if err != nil {
			t.Fatal(err)
		}
		return r.BlockNumber.Uint64()
	}
	if got := block(moved); got != 6 {
		t.Errorf("mined in block %d, want 6", got)
	}
	// The transaction goes back to the pool and into a later block.
	if err := n.Fork(base.Hash()); err != nil {
		t.Fatal(err)
	}
	if _, err := n.StepEmpty(); err != nil {
		t.Fatal(err)
	}
	if _, pending, err := client.TransactionByHash(ctx, moved); err != nil || !pending {
		t.Errorf("after the fork: pending %v, %v", pending, err)
	}
	step(t, n, 1)
	if got := block(moved); got != 7 {
		t.Errorf("mined in block %d, want 7", got)
	}
	if h, err := client.HeaderByNumber(ctx, lost.Number); err != nil || h.Hash() == lost.Hash() {
		t.Errorf("block %d is still the one that was left, %v", lost.Number, err)
	}
	// Another with the same nonce takes its place.
	if err := n.Fork(base.Hash()); err != nil {
		t.Fatal(err)
	}
	replacement := send(t, client, 0, 3e8)
	step(t, n, 3)
	if got := block(replacement); got != 6 {
		t.Errorf("replacement mined in block %d, want 6", got)
	}
	if _, err := client.TransactionReceipt(ctx, moved); err == nil {
		t.Error("the replaced transaction still has a receipt")
	}
}

func TestForkRefuses(t *testing.T) {
	n, _ := start(t, config(""))
	old := step(t, n, 2)
	step(t, n, 8)
	if err := n.Fork(old.Hash()); err == nil || !strings.Contains(err.Error(), "block 6 is finalized") {
		t.Errorf("fork before the finalized block: %v", err)
	}
	if err := n.Fork(common.Hash{1}); err == nil {
		t.Error("fork at an unknown block")
	}
	if err := n.Fork(n.Finalized().Hash()); err != nil {
		t.Errorf("fork at the finalized block: %v", err)
	}
	if step(t, n, 1); n.Head().Number.Int64() != 7 || n.Finalized().Number.Int64() != 6 {
		t.Errorf("head %d, finalized %d", n.Head().Number, n.Finalized().Number)
	}
}

func TestForget(t *testing.T) {
	n, client := start(t, config(""))
	tx := send(t, client, 0, 1e6)
	n.Forget()
	step(t, n, 1)
	if _, _, err := client.TransactionByHash(context.Background(), tx); err == nil {
		t.Error("the node still knows the transaction")
	}
}

func TestRestart(t *testing.T) {
	c := config(t.TempDir())
	n, client := start(t, c)
	tx := send(t, client, 0, 1e6)
	head := step(t, n, 10)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n, client = start(t, c)
	if n.Head().Hash() != head.Hash() || n.Finalized().Number.Int64() != 6 {
		t.Errorf("head %d, finalized %d after a restart", n.Head().Number, n.Finalized().Number)
	}
	if _, err := client.TransactionReceipt(context.Background(), tx); err != nil {
		t.Errorf("receipt after a restart: %v", err)
	}
	if step(t, n, 1).ParentHash != head.Hash() {
		t.Error("the chain does not go on")
	}
	if _, err := node.Start(c); err == nil || !strings.Contains(err.Error(), c.Dir) {
		t.Errorf("second node in one directory: %v", err)
	}
}

// After kill -9 the chain holds every block that the process spoke of.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	blocks := int64(0)
	for range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		var number, final int64
		var hash string
		for range 20 {
			lines.Scan()
			if _, err := fmt.Sscan(lines.Text(), &number, &hash, &final); err != nil {
				t.Fatalf("%q: %v", lines.Text(), err)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		if number < blocks+20 {
			t.Errorf("block %d after %d", number, blocks)
		}
		blocks = number
		n, client := start(t, config(dir))
		h, err := client.HeaderByNumber(context.Background(), big.NewInt(number))
		if err != nil || h.Hash().Hex() != hash {
			t.Errorf("block %d %s is gone: %v, %v", number, hash, h, err)
		}
		if n.Finalized().Number.Int64() < final {
			t.Errorf("finalized %d, was %d", n.Finalized().Number, final)
		}
		// The state is there too, not only the blocks.
		if _, err := client.BalanceAt(context.Background(), common.Address{}, big.NewInt(number)); err != nil {
			t.Error(err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestRun(t *testing.T) {
	n, _ := start(t, config(""))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx, time.Hour) }()
	// The first block does not wait for the period.
	for n.Head().Number.Sign() == 0 {
		select {
		case err := <-done:
			t.Fatal(err)
		default:
			runtime.Gosched()
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestBusyPort(t *testing.T) {
	n, _ := start(t, config(""))
	c := config("")
	c.Listen = strings.TrimPrefix(n.URL(), "http://")
	if _, err := node.Start(c); err == nil || !strings.Contains(err.Error(), c.Listen) {
		t.Errorf("got %v", err)
	}
}

func TestAnotherGenesis(t *testing.T) {
	c := config(t.TempDir())
	n, _ := start(t, c)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	c.Alloc = nil
	if _, err := node.Start(c); err == nil || !strings.Contains(err.Error(), "genesis") {
		t.Errorf("got %v", err)
	}
}
