//go:build e2e

package e2e_test

import (
	"testing"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
	"google.golang.org/protobuf/proto"
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
	raw, err := from.Block(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	data, err := proto.Marshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	b, err := block.Decode(data)
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

// history reads the blocks from a number on, up to the present height.
func (n *network) history(t *testing.T, from uint64) history {
	t.Helper()
	h := history{results: map[string][]result{}, answers: map[string][]byte{}}
	for number := from; number < n.height(t); number++ {
		for _, tx := range n.block(t, n.own[0], number).Txs {
			if tx.Code != block.CodeValid || tx.Chaincode != topology.Chaincode || len(tx.Args) == 0 {
				continue
			}
			if f := string(tx.Args[0]); f != "ops:Batch" && f != "ops:Apply" {
				continue
			}
			h.answers[tx.ID] = tx.Response
			for _, w := range tx.Writes {
				if w.Namespace != topology.Chaincode {
					continue
				}
				r, ok, err := ops.DecodeResult(string(w.Key), w.Value)
				if err != nil {
					t.Fatalf("block %d, %s: %v", number, w.Key, err)
				}
				if !ok || r.Created != "" {
					h.other = append(h.other, string(w.Key))
				}
				if ok {
					id := canon.Hex(r.Reference.ID[:])
					h.results[id] = append(h.results[id], result{r.Code, tx.ID, number})
				}
			}
		}
	}
	return h
}
