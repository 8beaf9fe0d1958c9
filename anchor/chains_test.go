package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/killick-ledger/killick/anchor/contracts"
	evmnode "github.com/killick-ledger/killick/anchor/evmnode/node"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/signer/signertest"
	tronnode "github.com/killick-ledger/killick/anchor/tronnode/node"
	"github.com/killick-ledger/killick/anchor/tronnode/node/nodetest"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// period is how often the nodes make a block.
const period = 10 * time.Millisecond

// nodes are an EVM node and a Tron node in this process.
func nodes(t *testing.T, payers ...[20]byte) []chainConfig {
	t.Helper()
	wei, sun := map[common.Address]*big.Int{}, map[common.Address]uint64{}
	for _, p := range payers {
		wei[p], sun[p] = big.NewInt(1e18), 1e12
	}
	evm, err := evmnode.Start(evmnode.Config{Listen: "127.0.0.1:0", ChainID: 1337, Finality: 3, Alloc: wei})
	if err != nil {
		t.Fatal(err)
	}
	// The chain's clock must not run ahead: transactions would expire on a slow machine.
	tron := nodetest.Start(t, tronnode.Config{SolidifyAfter: 3, Now: time.Now, Period: period, Alloc: sun})
	tron.Run()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- evm.Run(ctx, period) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, evm.Close()); err != nil {
			t.Error(err)
		}
	})
	return []chainConfig{
		{ID: "eip155:1337", Kind: "evm", RPC: []string{evm.URL()}},
		{ID: tron.Chain.ID(), Kind: "tron", RPC: []string{tron.URL + "/jsonrpc"}, GRPC: tron.GRPC, Solidity: tron.Solidity},
	}
}

// TestOnRealChains deploys the contracts on both nodes, has two members take the
// same checkpoint and payout there, and reads where they landed.
func TestOnRealChains(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two := w.members[0].keys.sender, w.members[1].keys.sender
	chains := nodes(t, one.Address(), two.Address())
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "sender.key")
	if err := createSecret(keyFile, canon.Hex(w.members[0].seed[:])+"\n"); err != nil {
		t.Fatal(err)
	}
	cfg := &deployConfig{
		Network: network, LogID: w.members[0].cfg.LogID, K: 3, Members: w.members[0].cfg.Members, Sender: keyFile,
		Chains: chains, Asset: "usd", Supply: 1_000_000, Out: filepath.Join(dir, "deployments.json"), Policy: filepath.Join(dir, "policy.json"),
	}
	if err := deploy(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	first := readFile(t, cfg.Out)
	if err := deploy(t.Context(), cfg); err != nil || readFile(t, cfg.Out) != first {
		t.Errorf("a second deployment changed something: %v", err)
	}
	if _, err := log.ParsePolicy([]byte(readFile(t, cfg.Policy))); err != nil {
		t.Error(err)
	}
	var d deployments
	if err := json.Unmarshal([]byte(first), &d); err != nil || len(d.Chains) != 2 {
		t.Fatalf("%s: %v", first, err)
	}
	for i := range chains {
		chains[i].AnchorLog, chains[i].Vaults = d.Chains[i].AnchorLog, d.Chains[i].Vaults
	}
	for i, c := range chains {
		t.Run(c.Kind, func(t *testing.T) { w.onRealChain(t, newPublicChain(c, one), newPublicChain(c, two), d.Chains[i]) })
	}
}

func (w *world) onRealChain(t *testing.T, mine, theirs *publicChain, on deployed) {
	ctx := t.Context()
	defer mine.close()
	defer theirs.close()
	watcher := &watch{anchor: w.members[0].anchor, chain: mine}
	until(t, "the vault is funded", func() bool {
		funded, err := watcher.funded(ctx, mine.vaults[0])
		return err == nil && funded == 1_000_000
	})
	checkpoint := contracts.Checkpoint{Size: 7, Root: [32]byte{7}, Time: 1_700_000_000}
	epoch := contracts.Epoch{Number: 2, Root: [32]byte{8}, Total: big.NewInt(1000)}
	number, err := canon.ChainNumber(on.ID)
	if err != nil {
		t.Fatal(err)
	}
	p, logID := w.policy(), w.blocks[0].HeaderHash
	anchors := p.Set().Digest(log.Checkpoint{LogID: logID, Network: network, Size: 7, Root: checkpoint.Root, Time: checkpoint.Time})
	pays := canon.PayoutDigest(number, mine.vaults[0].Address, logID, 1, p.Set().Hash(), 2, epoch.Root, 1000)
	intents := []send.Intent{
		{ID: "anchor", To: mine.anchorLog.Address, Data: contracts.PackSubmit(checkpoint, nil, w.signatures(t, anchors)),
			Check: contracts.PackSizeReached(7), Want: contracts.True()},
		{ID: "payout", To: mine.vaults[0].Address, Data: contracts.PackActivate(epoch, w.signatures(t, pays)),
			Check: contracts.PackEpochReached(2), Want: contracts.True()},
		w.rotation(t, mine),
	}
	first := w.deliver(t, mine, intents)
	second := w.deliver(t, theirs, intents)
	for i := range intents {
		try, ours := first[i].Landed()
		if !ours || try.Outcome.Cost == 0 || try.Outcome.Fee == "" {
			t.Errorf("%s by the first: %+v", intents[i].ID, try.Outcome)
		}
		if len(second[i].Tries) != 0 {
			t.Errorf("%s: the second paid for what was there", intents[i].ID)
		}
	}
	var events []event
	until(t, "two final events", func() bool {
		at, err := mine.events.final(ctx)
		if err == nil {
			var got shown
			got, err = mine.events.read(ctx, 0, at.least, []canon.Account{mine.anchorLog, mine.vaults[0]})
			events = got.events
		}
		return err == nil && len(events) == 2
	})
	for i, e := range events {
		try, _ := first[i].Landed()
		if !bytes.Equal(e.Tx[:], try.ID) || e.Block != try.Outcome.Block || !bytes.Equal(e.BlockHash[:], try.Outcome.BlockHash) {
			t.Errorf("event %d is at %s, the sender says %x in block %d", i, e.Landing, try.ID, try.Outcome.Block)
		}
	}
	if newest, err := mine.members(ctx); err != nil || newest.Version != 2 || newest.From != 8 || newest.Frozen {
		t.Errorf("members: %+v, %v", newest, err)
	}
	if head, err := mine.anchored(ctx); err != nil || head != checkpoint {
		t.Errorf("anchored: %+v, %v", head, err)
	}
	var two [2]contracts.Statement // of the set that has no size left
	for i := range two {
		c := log.Checkpoint{LogID: logID, Network: network, Size: 7, Root: [32]byte{byte(i + 1)}, Time: checkpoint.Time}
		two[i] = contracts.Statement{Checkpoint: contracts.Checkpoint{Size: 7, Root: c.Root, Time: c.Time}, Signatures: w.signatures(t, p.Set().Digest(c))}
	}
	r := &reporter{out: io.Discard, send: func(ctx context.Context, c *publicChain, data []byte) (send.Outcome, error) {
		d, err := c.driver.(*chain).get(ctx)
		if err != nil {
			return send.Outcome{}, err
		}
		return d.Transact(ctx, c.anchorLog.Address, data)
	}}
	err = r.bring(ctx, mine, contracts.PackReport(two[0], two[1], two[1].Root, nil))
	if err == nil || !strings.Contains(err.Error(), "AnchorLog refuses the report, nothing is paid: a checkpoint is of a member set that can sign nothing there") ||
		!strings.Contains(err.Error(), "WrongSetForSize[1 7]") {
		t.Errorf("a report of an old set: %v", err)
	}
}

// rotation is the intent to hand over to a set without the last member.
func (w *world) rotation(t *testing.T, c *publicChain) send.Intent {
	t.Helper()
	old := w.policy().Set()
	next, err := log.NewSet(old.Network, old.LogID, 2, 8, 2, old.Members[:3])
	if err != nil {
		t.Fatal(err)
	}
	set, _ := onContracts(next)
	hash := next.Hash()
	return send.Intent{
		ID: "rotate", To: c.anchorLog.Address,
		Data:  contracts.PackRotate(set, next.From, next.ListHash(), w.signatures(t, old.RotationDigest(next))),
		Check: contracts.PackSetHash(2), Want: hash[:],
	}
}

// signatures are those of K members over a digest.
func (w *world) signatures(t *testing.T, digest [32]byte) contracts.Signatures {
	t.Helper()
	by := map[string][65]byte{}
	for _, m := range w.members {
		by[m.keys.msp] = signertest.Sign(m.keys.attest, digest)
	}
	s, err := collect(w.policy().Set(), digest, by)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// deliver runs a sender of its own until the intents are final.
func (w *world) deliver(t *testing.T, c *publicChain, intents []send.Intent) (all []send.Status) {
	t.Helper()
	s, err := send.Open(filepath.Join(t.TempDir(), "send.db"), map[string]send.Chain{c.cfg.ID: c.driver},
		send.Config{Policy: send.Policy{Sure: period}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, in := range intents {
		if err := s.Plan(t.Context(), c.cfg.ID, in); err != nil {
			t.Fatal(err)
		}
	}
	for _, in := range intents {
		var st send.Status
		until(t, in.ID+" final", func() bool {
			if err := s.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
			st, err = s.Status(t.Context(), in.ID)
			return err == nil && st.Phase == send.PhaseFinal
		})
		all = append(all, st)
	}
	return all
}

// until waits until something is so: the nodes make blocks by themselves.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(period / 2)
	defer tick.Stop()
	for end := time.Now().Add(2 * time.Minute); !so(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}
