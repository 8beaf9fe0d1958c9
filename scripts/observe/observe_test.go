package observe_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/scripts/observe"
)

// A peer whose block, or whose commit hash, is not that of the others is named.
func TestAlike(t *testing.T) {
	owners := []string{"org1", "org2", "org3"}
	for _, tt := range []struct {
		name, want string
		change     func(b []*block.Block)
	}{
		{"equal", "", func([]*block.Block) {}},
		{"another block", "org3 has hash 09", func(b []*block.Block) { b[2].HeaderHash[0] = 9 }},
		{"another commit hash", "org2 has hash 01", func(b []*block.Block) { b[1].CommitHash[31] ^= 1 }},
		{"no commit hash", "org3", func(b []*block.Block) { b[2].CommitHash = nil }},
		{"none has one", "org1", func(b []*block.Block) {
			for _, one := range b {
				one.CommitHash = nil
			}
		}},
	} {
		var blocks []*block.Block
		for range owners {
			blocks = append(blocks, &block.Block{Number: 7, HeaderHash: [32]byte{1}, CommitHash: bytes.Repeat([]byte{2}, 32)})
		}
		tt.change(blocks)
		err := observe.Alike(owners, blocks)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), "block 7: "+tt.want) {
			t.Errorf("%s: %v, want %q in it", tt.name, err, tt.want)
		}
	}
}
