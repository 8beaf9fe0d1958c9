package log_test

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
)

// One block of four batches with 500 writes of 200 bytes each.
func BenchmarkLeaf(b *testing.B) {
	blk := &block.Block{Number: 1}
	size := 0
	for i := range 4 {
		tx := block.Tx{Index: i, Type: block.TypeEndorser, Nonce: make([]byte, 24), Envelope: make([]byte, 350_000)}
		size += len(tx.Envelope)
		for w := range 500 {
			value := make([]byte, 200)
			tx.Writes = append(tx.Writes, block.Write{
				Namespace: "killick", Key: fmt.Appendf(nil, "op/00078f3a/%064x", w), Value: value, ValueHash: sha256.Sum256(value),
			})
		}
		blk.Txs = append(blk.Txs, tx)
	}
	b.SetBytes(int64(size))
	for b.Loop() {
		if _, err := log.Leaf([32]byte{}, blk); err != nil {
			b.Fatal(err)
		}
	}
}
