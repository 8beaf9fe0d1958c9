package block_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/killick-ledger/killick/anchor/block"
)

// mutate flips bits of a block and may cut it off.
func mutate(r *rand.Rand, block []byte) []byte {
	out := bytes.Clone(block)
	for range 1 + r.IntN(3) {
		out[r.IntN(len(out))] ^= 1 << r.IntN(8)
	}
	if r.IntN(4) == 0 {
		out = out[:r.IntN(len(out))]
	}
	return out
}

// No change of a recorded block makes anything panic that reads blocks. "make browser"
// runs this as WebAssembly too.
func TestMutations(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"0.block", "1.block", "12.block", "raft/0.block", "raft/2.block", "private/18.block"} {
		good, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		stored := asStored(t, good)
		for range 150 {
			block.DecodeStored(mutate(r, stored))
			b, err := block.Decode(mutate(r, good))
			if err != nil {
				continue
			}
			if signers, ok, err := b.Signers(); err == nil && ok {
				signers.Check(b)
			}
			members, _ := b.Members()
			for i := range b.Txs {
				members.Endorsers(&b.Txs[i])
			}
		}
	}
}
