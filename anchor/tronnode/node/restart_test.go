package node_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/tronnode/node"
)

func TestRestartKeepsEverything(t *testing.T) {
	n := start(t, t.TempDir())
	token := n.token()
	good := sign(n.trigger(token, contracts.PackTransfer(bob.address(), big.NewInt(500)), 100*trx), alice)
	info := n.land(good)
	bad := n.land(sign(n.trigger(token, contracts.PackTransfer(bob.address(), big.NewInt(1<<40)), 100*trx), alice))
	if bad.GetReceipt().GetResult() != core.Transaction_Result_REVERT {
		t.Fatalf("want a failed transaction in the file, got %v", bad.GetReceipt())
	}
	n.produce(5)
	before, err := n.GetNowBlock()
	if err != nil {
		t.Fatal(err)
	}
	id, balance := n.chain.ID(), n.balance(alice)
	n.restart()
	after, err := n.GetNowBlock()
	if err != nil || !proto.Equal(before, after) {
		t.Errorf("head %x, was %x (%v)", after.GetBlockid(), before.GetBlockid(), err)
	}
	if n.chain.ID() != id || n.balance(alice) != balance {
		t.Errorf("chain %s, balance %d; were %s, %d", n.chain.ID(), n.balance(alice), id, balance)
	}
	if got := n.info(good); !proto.Equal(got, info) {
		t.Errorf("outcome %v, was %v", got, info)
	}
	held, err := n.TRC20ContractBalance(bob.base58(), node.Base58(token))
	if err != nil || held.Int64() != 500 {
		t.Errorf("bob holds %v, %v", held, err)
	}
	n.land(sign(n.trigger(token, contracts.PackTransfer(bob.address(), big.NewInt(1)), 100*trx), alice))
}

func (n *network) blockFile() string { return filepath.Join(n.dir, "blocks") }

func (n *network) reopen() error {
	chain, err := node.Open(n.cfg)
	if err == nil {
		err = chain.Close()
	}
	return err
}

func TestTornEndIsCutOff(t *testing.T) {
	n := start(t, t.TempDir())
	n.produce(3)
	n.stop()
	whole, err := os.ReadFile(n.blockFile())
	if err != nil {
		t.Fatal(err)
	}
	for cut := 1; cut < 60; cut++ {
		if err := os.WriteFile(n.blockFile(), whole[:len(whole)-cut], 0o600); err != nil {
			t.Fatal(err)
		}
		chain, err := node.Open(n.cfg)
		if err != nil {
			t.Fatalf("%d bytes cut off: %v", cut, err)
		}
		if head, _ := chain.Height(); head != 3 {
			t.Errorf("%d bytes cut off: head %d", cut, head)
		}
		if made, err := chain.Produce(); err != nil || made != 4 {
			t.Errorf("%d bytes cut off: made block %d, %v", cut, made, err)
		}
		if err := chain.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestDamageIsRefused(t *testing.T) {
	n := start(t, t.TempDir())
	n.land(sign(n.transfer(alice, bob, 1), alice))
	n.produce(1)
	n.stop()
	whole, err := os.ReadFile(n.blockFile())
	if err != nil {
		t.Fatal(err)
	}
	damaged := append([]byte(nil), whole...)
	damaged[20] ^= 1
	if err := os.WriteFile(n.blockFile(), damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := n.reopen(); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged record: %v", err)
	}
	if err := os.WriteFile(n.blockFile(), whole, 0o600); err != nil {
		t.Fatal(err)
	}
	n.cfg.Alloc = map[common.Address]uint64{alice.address(): 7}
	if err := n.reopen(); err == nil || !strings.Contains(err.Error(), "another allocation") {
		t.Errorf("another allocation: %v", err)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	n := start(t, t.TempDir())
	if err := n.reopen(); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second node on the same folder: %v", err)
	}
}

// TestKill kills a process that makes blocks, again and again: what it had
// announced is there afterwards.
func TestKill(t *testing.T) {
	if dir := os.Getenv("TRONNODE_TEST_DIR"); dir != "" {
		makeBlocks(dir)
		return
	}
	dir := t.TempDir()
	announced := uint64(0)
	for range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), "TRONNODE_TEST_DIR="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 20 {
			if !lines.Scan() {
				t.Fatal("the process ended by itself")
			}
			if announced, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
				t.Fatal(err)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed
		chain, err := node.Open(killConfig(dir))
		if err != nil {
			t.Fatal(err)
		}
		if head, _ := chain.Height(); head < announced {
			t.Errorf("head %d after block %d was announced", head, announced)
		}
		if err := chain.Close(); err != nil {
			t.Error(err)
		}
	}
}

func killConfig(dir string) node.Config {
	return node.Config{Dir: dir, Period: time.Millisecond, Log: slog.New(slog.DiscardHandler),
		Alloc: map[common.Address]uint64{alice.address(): 1}}
}

func makeBlocks(dir string) {
	chain, err := node.Open(killConfig(dir))
	if err != nil {
		fmt.Println(err)
		return
	}
	for {
		n, err := chain.Produce()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(n)
	}
}

func TestRunMakesBlocks(t *testing.T) {
	n := start(t, t.TempDir(), func(c *node.Config) { c.Period = time.Millisecond })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- node.Run(ctx, n.chain) }()
	for {
		if head, _ := n.chain.Height(); head > 5 {
			break
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
