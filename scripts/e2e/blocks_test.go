//go:build e2e

package e2e_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/scripts/observe"
)

// result is a result of an operation as a block holds it.
type result struct {
	code  fault.Code
	tx    string
	block uint64
}

// history is what signed operations did in a range of blocks.
type history struct {
	results map[string][]result // by operation id
	other   []string            // keys that they wrote besides results
	answers map[string][]byte   // response of each valid transaction of operations
}

func (n *network) block(t *testing.T, from *fabric.Client, number uint64) *block.Block {
	t.Helper()
	b, err := observe.Block(t.Context(), from, number)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (n *network) height(t *testing.T) uint64 {
	t.Helper()
	h, err := n.own[0].Height(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// settled waits until the first peer has every block that another one has, and
// returns their number: receipts may come from any.
func (n *network) settled(t *testing.T) uint64 {
	t.Helper()
	all := observe.Network{Cluster: n.Cluster, Own: n.own}
	target := all.Furthest(t.Context())
	until(t, 2*time.Minute, "the first peer's blocks", func() error {
		if h := n.height(t); h < target {
			return fmt.Errorf("it has %d of %d", h, target)
		}
		return nil
	})
	return target
}

// history reads the blocks from a number on, up to the present height.
func (n *network) history(t *testing.T, from uint64) history {
	t.Helper()
	h := history{results: map[string][]result{}, answers: map[string][]byte{}}
	height := n.settled(t)
	for number := from; number < height; number++ {
		b := n.block(t, n.own[0], number)
		for _, tx := range b.Txs {
			if observe.OfOperations(tx) {
				h.answers[tx.ID] = tx.Response
			}
		}
		err := observe.Results(b, func(f observe.Found) {
			if f.Read == nil || f.Read.Created != "" {
				h.other = append(h.other, f.Key)
			}
			if f.Read != nil {
				h.results[f.ID] = append(h.results[f.ID], result{f.Result.Code, f.Result.Tx, f.Result.Block})
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// changed appends blocks of the channel to a log, as if a transaction of one were invalid.
func (n *network) changed(t *testing.T, tree *log.Log, size, number uint64) {
	t.Helper()
	var all []*block.Block
	for i := tree.Size(); i < size; i++ {
		b := n.block(t, n.own[0], i)
		if i == number {
			b.Filter = bytes.Clone(b.Filter)
			b.Filter[0], b.Txs[0].Code, b.Txs[0].Writes = 11, 11, nil
		}
		all = append(all, b)
	}
	if err := tree.Append(all...); err != nil {
		t.Fatal(err)
	}
}

func openLog(t *testing.T, dir string) *log.Log {
	t.Helper()
	tree, err := log.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	return tree
}
