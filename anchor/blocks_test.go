package main

import (
	"bytes"
	"errors"
	"iter"
	"os"
	"testing"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/block/blocktest"
)

// What is written is read as the same blocks, up to the height and to an error.
func TestWriteBlocks(t *testing.T) {
	broken := errors.New("gone")
	delivered := func(fail bool) iter.Seq2[*common.Block, error] {
		return func(yield func(*common.Block, error) bool) {
			for _, name := range []string{"0", "1", "2", "3"} {
				b := &common.Block{}
				if err := proto.Unmarshal(blocktest.Must(os.ReadFile("block/testdata/raft/"+name+".block")), b); err != nil {
					panic(err)
				}
				if fail && name == "2" {
					yield(nil, broken)
					return
				}
				if !yield(b, nil) {
					return
				}
			}
		}
	}
	for _, tt := range []struct {
		name   string
		fail   bool
		height uint64
		want   int
	}{{"all", false, 4, 4}, {"those there are", false, 3, 3}, {"those before an error", true, 4, 2}} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := writeBlocks(&out, delivered(tt.fail), tt.height); errors.Is(err, broken) != tt.fail {
				t.Error(err)
			}
			number := uint64(0)
			for s, err := range block.ReadStored(&out, "written") {
				if err != nil {
					t.Fatal(err)
				}
				if b, err := block.DecodeStored(s.Raw); err != nil || b.Number != number {
					t.Errorf("block %d: %v", number, err)
				}
				number++
			}
			if number != uint64(tt.want) {
				t.Errorf("%d blocks, want %d", number, tt.want)
			}
		})
	}
}
