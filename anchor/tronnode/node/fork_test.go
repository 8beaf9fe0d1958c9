package node_test

import (
	"context"
	"encoding/json"
	"math/big"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/tronnode/node"
)

// fork has a side chain overtake that leaves the last blocks.
func (n *network) fork(leave uint64, blocks ...[]*core.Transaction) {
	n.t.Helper()
	head, _ := n.chain.Height()
	if err := n.chain.Fork(head-leave, blocks...); err != nil {
		n.t.Fatal(err)
	}
}

// known reports where a transaction is: in a block, waiting, or nowhere.
func (n *network) known(tx *core.Transaction) string {
	n.t.Helper()
	id := node.TransactionID(tx.GetRawData())
	m := &api.BytesMessage{Value: id[:]}
	ctx := context.Background()
	info, err := n.Client.GetTransactionInfoById(ctx, m)
	if err != nil {
		n.t.Fatal(err)
	}
	if len(info.GetId()) > 0 {
		return "mined"
	}
	waits, err := n.Client.GetTransactionFromPending(ctx, m)
	if err != nil {
		n.t.Fatal(err)
	}
	if waits.GetRawData() != nil {
		return "waits"
	}
	found, err := n.Client.GetTransactionById(ctx, m)
	if err != nil || found.GetRawData() != nil {
		n.t.Errorf("neither mined nor waiting, and found %v, %v", found, err)
	}
	return "unknown"
}

func (n *network) logs() int {
	n.t.Helper()
	resp, err := http.Post(n.http+"/jsonrpc", "application/json",
		strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"eth_getLogs","params":[{"fromBlock":"0x0","toBlock":"latest"}]}`))
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	var out struct{ Result []json.RawMessage }
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		n.t.Fatal(err)
	}
	return len(out.Result)
}

// TestForkMovesTransactions: what the side chain left out waits again and comes
// into a later block, with another id and time of its block.
func TestForkMovesTransactions(t *testing.T) {
	n := start(t, t.TempDir())
	token := n.token()
	n.produce(3)
	before := n.logs()
	tx := sign(n.trigger(token, contracts.PackTransfer(bob.address(), big.NewInt(500)), 100*trx), alice)
	old := n.land(tx)
	if got := n.logs(); got != before+1 {
		t.Fatalf("%d logs, want %d", got, before+1)
	}
	oldBlock, err := n.GetBlockByNum(old.GetBlockNumber())
	if err != nil {
		t.Fatal(err)
	}
	n.fork(1, nil, nil)
	if got := n.known(tx); got != "waits" || n.logs() != before {
		t.Errorf("after the fork it is %s, with %d logs of %d", got, n.logs(), before)
	}
	held, err := n.TRC20ContractBalance(bob.base58(), node.Base58(token))
	if err != nil || held.Sign() != 0 {
		t.Errorf("bob holds %v after the fork, %v", held, err)
	}
	if b, err := n.GetBlockByID(common.Bytes2Hex(oldBlock.GetBlockid())); err == nil && b.GetBlockHeader() != nil {
		t.Error("the block that was left is still found")
	}
	n.produce(1)
	moved := n.info(tx)
	if moved.GetBlockNumber() != old.GetBlockNumber()+2 || n.logs() != before+1 {
		t.Errorf("in block %d, it was in %d; %d logs", moved.GetBlockNumber(), old.GetBlockNumber(), n.logs())
	}
	n.restart()
	if got := n.info(tx).GetBlockNumber(); got != moved.GetBlockNumber() {
		t.Errorf("in block %d after a restart, it was in %d", got, moved.GetBlockNumber())
	}
}

// TestForkWithTheSameTransaction: the side chain has it too, with another
// outcome because of what goes before.
func TestForkWithTheSameTransaction(t *testing.T) {
	n := start(t, t.TempDir())
	token := n.token()
	n.produce(3)
	all := sign(n.trigger(token, contracts.PackTransfer(bob.address(), big.NewInt(1_000_000_000)), 100*trx), alice)
	rival := sign(n.trigger(token, contracts.PackTransfer(carol.address(), big.NewInt(1)), 100*trx), alice)
	if r := n.land(all).GetReceipt().GetResult(); r != core.Transaction_Result_SUCCESS {
		t.Fatal(r)
	}
	n.fork(1, []*core.Transaction{rival}, []*core.Transaction{all})
	if r := n.info(all).GetReceipt().GetResult(); r != core.Transaction_Result_REVERT {
		t.Errorf("on the side chain: %v", r)
	}
	if size, err := n.GetPendingSize(); err != nil || size.GetNum() != 0 {
		t.Errorf("%v wait, %v", size, err)
	}
	n.send(all, api.Return_DUP_TRANSACTION_ERROR)
}

// TestForkDropsTransactions: what refers to a block that was left, or is no
// longer paid for, is in no block and waits no more.
func TestForkDropsTransactions(t *testing.T) {
	n := start(t, t.TempDir())
	n.produce(3)
	n.land(sign(n.transfer(alice, carol, 2*trx), alice))
	tapos := sign(n.transfer(alice, bob, 1), alice) // refers to the head, which is left
	spent := sign(n.transfer(carol, bob, 2*trx), carol)
	n.send(tapos, api.Return_SUCCESS)
	n.send(spent, api.Return_SUCCESS)
	n.produce(1)
	if n.known(tapos) != "mined" || n.known(spent) != "mined" {
		t.Fatal("not in a block")
	}
	n.fork(2, nil, nil, nil)
	if got := n.known(tapos); got != "unknown" {
		t.Errorf("what refers to the block that was left: %s", got)
	}
	if got := n.known(spent); got != "unknown" {
		t.Errorf("what carol has not got on the side chain: %s", got)
	}
	n.send(tapos, api.Return_TAPOS_ERROR)
}

func TestForkForgetsContracts(t *testing.T) {
	n := start(t, t.TempDir())
	n.produce(3)
	at := n.token()
	n.fork(1, nil, nil)
	s, err := n.Client.GetContract(context.Background(), &api.BytesMessage{Value: wire(at)})
	if err != nil || len(s.GetContractAddress()) != 0 {
		t.Errorf("contract %v, %v", s, err)
	}
	n.produce(1)
	s, err = n.Client.GetContract(context.Background(), &api.BytesMessage{Value: wire(at)})
	if err != nil || len(s.GetContractAddress()) == 0 {
		t.Errorf("deployed again, contract %v, %v", s, err)
	}
}

func TestForkLimits(t *testing.T) {
	n := start(t, t.TempDir())
	n.produce(5)
	head, solid := n.chain.Height()
	if err := n.chain.Fork(head-1, nil); err == nil {
		t.Error("a side chain that is not longer overtook")
	}
	if err := n.chain.Fork(solid-1, nil, nil, nil, nil, nil); err == nil {
		t.Error("a side chain left the solidified block")
	}
	if err := n.chain.Fork(solid, nil, nil, nil); err != nil {
		t.Error(err)
	}
	bad := sign(n.transfer(alice, bob, 1), bob)
	head, _ = n.chain.Height()
	if err := n.chain.Fork(head, []*core.Transaction{bad}); err != nil || n.known(bad) != "unknown" {
		t.Errorf("a side chain holds what is signed by another: %v", err)
	}
}

// TestForkOnDisk cuts the file within the side chain: until its last block is
// written, a restart has the chain as it was.
func TestForkOnDisk(t *testing.T) {
	n := start(t, t.TempDir())
	n.produce(5)
	ids := func() (out []string) {
		t.Helper()
		chain, err := node.Open(n.cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer chain.Close()
		head, _ := chain.Height()
		for i := range head + 1 {
			out = append(out, chain.BlockID(i).Hex())
		}
		return out
	}
	n.stop()
	before := ids()
	n.open()
	n.fork(1, nil, nil, nil)
	n.fork(1, nil, nil) // and once more, on top of it
	n.stop()
	after := ids()
	whole, err := os.ReadFile(n.blockFile())
	if err != nil {
		t.Fatal(err)
	}
	if len(after) != len(before)+3 || after[len(before)-2] != before[len(before)-2] || after[len(before)-1] == before[len(before)-1] {
		t.Fatalf("%d blocks, were %d", len(after), len(before))
	}
	steps := map[string]bool{}
	for cut := len(whole); ; cut-- {
		if err := os.WriteFile(n.blockFile(), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		got := ids()
		steps[got[len(got)-1]] = true
		if len(got) == len(before) && got[len(got)-1] == before[len(before)-1] {
			break
		}
	}
	// The heads: the second side chain's, the first one's, its block before, and the
	// old one's.
	if len(steps) != 4 {
		t.Errorf("%d different heads while the file grew", len(steps))
	}
}

func TestSolidifiedNeedsNineteen(t *testing.T) {
	for _, tt := range []struct {
		silent int
		moves  bool
	}{{0, true}, {8, true}, {9, false}} {
		n := start(t, t.TempDir(), func(c *node.Config) { c.SolidifyAfter = 0 })
		n.produce(60)
		_, before := n.chain.Height()
		var silent []int
		for i := range tt.silent {
			silent = append(silent, i*2)
		}
		n.chain.Silence(silent...)
		n.produce(60)
		head, solid := n.chain.Height()
		// Blocks of producers that are silent by now still count for what they built on.
		if moved := solid > before+node.Producers; moved != tt.moves {
			t.Errorf("%d silent: solidified %d of %d, was %d", tt.silent, solid, head, before)
		}
		if tt.moves && head-solid != 18 {
			t.Errorf("%d silent: %d blocks after the solidified one", tt.silent, head-solid)
		}
		n.chain.Silence()
		n.produce(30)
		if head, solid := n.chain.Height(); head-solid != 18 {
			t.Errorf("all are back: %d blocks after the solidified one", head-solid)
		}
		n.restart()
		if _, again := n.chain.Height(); again < solid {
			t.Errorf("solidified %d after a restart, was %d", again, solid)
		}
	}
	n := start(t, t.TempDir())
	all := make([]int, node.Producers)
	for i := range all {
		all[i] = i
	}
	n.chain.Silence(all...)
	if _, err := n.chain.Produce(); err == nil {
		t.Error("a block although all are silent")
	}
}

func TestProducersTakeTurns(t *testing.T) {
	n := start(t, t.TempDir())
	seen := map[string]int{}
	for range 2 * node.Producers {
		b, err := n.GetNowBlock()
		if err != nil {
			t.Fatal(err)
		}
		seen[string(b.GetBlockHeader().GetRawData().GetWitnessAddress())]++
		n.produce(1)
	}
	if len(seen) != node.Producers {
		t.Errorf("%d producers", len(seen))
	}
	for _, times := range seen {
		if times != 2 {
			t.Errorf("a producer made %d blocks of %d", times, 2*node.Producers)
		}
	}
}

// TestPendingIsDroppedAfterAMinute, by the node's clock.
func TestPendingIsDroppedAfterAMinute(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	n := start(t, t.TempDir(), func(c *node.Config) { c.Now = func() time.Time { return now } })
	n.produce(3)
	tx := n.transfer(alice, bob, 1)
	tx.RawData.Expiration += 3_600_000
	sign(tx, alice)
	n.send(tx, api.Return_SUCCESS)
	empty := func() {
		t.Helper()
		if _, err := n.chain.ProduceEmpty(); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(59*time.Second + 999*time.Millisecond)
	empty()
	if got := n.known(tx); got != "waits" {
		t.Errorf("before a minute: %s", got)
	}
	now = now.Add(time.Millisecond)
	empty()
	if got := n.known(tx); got != "unknown" {
		t.Errorf("after a minute: %s", got)
	}
	// It is still good: whoever has it may send it again.
	n.send(tx, api.Return_SUCCESS)
	n.produce(1)
	if got := n.known(tx); got != "mined" {
		t.Errorf("sent again: %s", got)
	}
	// A fork begins the minute anew.
	now = now.Add(time.Hour / 2)
	n.fork(1, nil, nil)
	if got := n.known(tx); got != "waits" {
		t.Errorf("after a fork: %s", got)
	}
	if err := n.chain.Forget(); err != nil {
		t.Fatal(err)
	}
	if got := n.known(tx); got != "unknown" {
		t.Errorf("forgotten: %s", got)
	}
}
