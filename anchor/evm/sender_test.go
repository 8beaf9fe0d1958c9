package evm_test

import (
	"io"
	"log/slog"
	"math/big"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethclient"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/send"
)

// desk is a sender with a journal and a clock of its own.
type desk struct {
	*world
	path   string
	now    time.Time
	sender *send.Sender
}

func (d *desk) open() {
	d.t.Helper()
	var err error
	d.sender, err = send.Open(d.path, map[string]send.Chain{chain: d.c}, send.Config{
		Now: func() time.Time { return d.now }, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) close() {
	d.t.Helper()
	if err := d.sender.Close(); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) step() {
	d.t.Helper()
	d.now = d.now.Add(11 * time.Second) // long enough to broadcast again
	if err := d.sender.Step(d.ctx); err != nil {
		d.t.Fatal(err)
	}
}

// TestSenderOnTheChain drives the sender through lost transactions, left blocks
// and restarts: each checkpoint is anchored once.
func TestSenderOnTheChain(t *testing.T) {
	t.Parallel()
	d := &desk{world: newWorld(t), path: filepath.Join(t.TempDir(), "journal"), now: time.Unix(1_800_000_000, 0)}
	d.open()
	trouble := []func(){
		func() { d.node.Forget() },
		func() { d.blocks(1); d.fork(1); d.emptyBlocks(1); d.node.Forget() },
		func() { d.close(); d.open() },
		func() { d.close(); d.path += "-new"; d.open() }, // the journal is lost
	}
	for i, troubled := range trouble {
		in := d.intent(uint64(5 + i))
		if err := d.sender.Plan(d.ctx, chain, in); err != nil {
			t.Fatal(err)
		}
		d.step() // arms and broadcasts
		troubled()
		if err := d.sender.Plan(d.ctx, chain, in); err != nil {
			t.Fatal(err)
		}
		for rounds := 0; ; rounds++ {
			s, err := d.sender.Status(d.ctx, in.ID)
			if err != nil {
				t.Fatal(err)
			}
			if s.Phase.Done() {
				break
			}
			if rounds == 20 || s.Phase == send.PhaseStopped {
				t.Fatalf("%s is %s after %d rounds: %s", in.ID, s.Phase, rounds, s.Why)
			}
			d.step()
			d.blocks(1)
		}
		d.wantHolds(in, true, true)
	}
	d.close()
	if got := d.anchored(); len(got) != len(trouble) {
		t.Errorf("%d events for %d intents: %v", len(got), len(trouble), got)
	}
}

// anchored returns the sizes of all Anchored events.
func (d *desk) anchored() []uint64 {
	d.t.Helper()
	client, err := ethclient.Dial(d.node.URL())
	if err != nil {
		d.t.Fatal(err)
	}
	defer client.Close()
	logs, err := client.FilterLogs(d.ctx, ethereum.FilterQuery{
		FromBlock: new(big.Int), Addresses: []common.Address{common.Address(d.log)},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	var sizes []uint64
	for _, l := range logs {
		var topics [][32]byte
		for _, topic := range l.Topics {
			topics = append(topics, topic)
		}
		c, err := contracts.ParseAnchored(topics, l.Data)
		if err != nil {
			d.t.Fatal(err)
		}
		sizes = append(sizes, c.Size)
	}
	return sizes
}
