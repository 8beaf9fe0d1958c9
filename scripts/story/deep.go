package story

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
)

// deepen verifies the payout's bundle at depths L2 and L3: with its raw block, and with
// all blocks, which a member hands out and which are trusted for nothing.
func (w *World) deepen(ctx context.Context) error {
	raw, genesis, err := w.rawBlocks(ctx, w.facts.proofs["payout"])
	if err != nil {
		return err
	}
	out, stderr, code, err := w.program(ctx, "killick-anchor", "blocks", "--config", w.Cluster.Orgs()[1].AnchorFile())
	if err == nil && code != 0 {
		err = fmt.Errorf("exit %d: %s", code, stderr)
	}
	if err != nil {
		return fmt.Errorf("killick-anchor blocks: %w", err)
	}
	w.facts.blocks = w.file("blocks")
	if err := writeFile(w.facts.blocks, []byte(out)); err != nil {
		return err
	}
	for _, depth := range []struct {
		name string
		args []string
	}{
		{"L2", []string{"--block", raw, "--config", genesis}},
		{"L3", []string{"--blocks", w.facts.blocks}},
	} {
		begun := time.Now()
		v, err := w.verify(ctx, w.facts.proofs["payout"], depth.args...)
		if err != nil {
			return err
		}
		if v.Exit != 0 || v.Depth != depth.name {
			return fmt.Errorf("the payout's bundle is not verified at depth %s: %+v", depth.name, v)
		}
		for _, check := range v.Checks {
			switch check.Name {
			case "raw block", "orderers", "endorsements", "blocks", "re-execution":
				w.say("  %-4s %-22s %s", check.Status, check.Name, check.Text)
			}
		}
		w.say("%s (depth %s, %.1f s): %s", v.Verdict, v.Depth, time.Since(begun).Seconds(), v.Sentence)
	}
	return nil
}

// rawBlocks saves the bundle's block and the genesis block as a peer gives them.
func (w *World) rawBlocks(ctx context.Context, bundle string) (raw, genesis string, err error) {
	data, err := os.ReadFile(bundle)
	if err != nil {
		return "", "", err
	}
	b, err := log.ParseBundle(data)
	if err != nil {
		return "", "", err
	}
	peer, err := fabric.Connect(w.Cluster.Client(0, topology.Admin))
	if err != nil {
		return "", "", err
	}
	defer peer.Close()
	save := func(number uint64) (string, error) {
		m, err := peer.Block(ctx, number)
		if err != nil {
			return "", err
		}
		data, err := proto.Marshal(m)
		if err != nil {
			return "", err
		}
		name := w.file(fmt.Sprintf("%d.block", number))
		return name, writeFile(name, data)
	}
	if raw, err = save(b.Block.Number); err == nil {
		genesis, err = save(0)
	}
	return raw, genesis, err
}

// revalidated is the file of blocks, in which the voided transaction is marked valid.
func (w *World) revalidated() (string, error) {
	f, err := os.Open(w.facts.blocks)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var out []byte
	found := false
	for s, err := range block.ReadStored(f, w.facts.blocks) {
		if err != nil {
			return "", err
		}
		b, err := block.DecodeStored(s.Raw)
		if err != nil {
			return "", err
		}
		if t, ok := b.Find(w.facts.voided); ok {
			b.Filter[t.Index], found = 0, true // it shares the memory of the stored bytes
		}
		out = protowire.AppendBytes(out, s.Raw)
	}
	if !found {
		return "", fmt.Errorf("transaction %s is in no block", w.facts.voided)
	}
	name := w.file("changed.blocks")
	return name, writeFile(name, out)
}
