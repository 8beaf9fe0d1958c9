package fabric_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/network/fabric"
)

func TestBlocks(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		blocks [][]uint64 // by peer; a peer without ends its streams at once
		want   []uint64
		err    string
	}{
		{"from one peer", [][]uint64{{0, 1, 2, 3, 4}}, []uint64{2, 3, 4}, "context canceled"},
		{"on from another peer", [][]uint64{{0, 1, 2}, {0, 1, 2, 3, 4}, {0, 1, 2, 3, 4}}, []uint64{2, 3, 4}, "context canceled"},
		{"a gap", [][]uint64{{2, 4}}, []uint64{2}, "sent block 4 in place of 3"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var ps []*fakePeer
			for i := range organisations {
				p := &fakePeer{}
				if i < len(tc.blocks) {
					p.blocks = tc.blocks[i]
				}
				ps = append(ps, p)
			}
			c := client(t, ps, orderers(allTake...))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var got []uint64
			var last error
			for block, err := range c.Blocks(ctx, 2) {
				if err != nil {
					last = err
					break
				}
				got = append(got, block.GetHeader().GetNumber())
				if len(got) == 3 {
					cancel()
				}
			}
			if !slices.Equal(got, tc.want) || last == nil || !strings.Contains(last.Error(), tc.err) {
				t.Errorf("blocks %v, then %v; want %v, then %q", got, last, tc.want, tc.err)
			}
		})
	}
}

// While the own peer is down one lying peer can neither make a block up nor hold
// the true ones back.
func TestBlocksOfALiar(t *testing.T) {
	t.Parallel()
	for name, liar := range map[string]*fakePeer{
		"makes blocks up": {blocks: []uint64{0, 1, 2}, liar: true},
		"sends others":    {blocks: []uint64{7}},
		"says nothing":    {silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			honest := func() *fakePeer { return &fakePeer{blocks: []uint64{0, 1, 2}} }
			c := client(t, []*fakePeer{nil, liar, honest(), honest()}, orderers(allTake...))
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			var got []uint64
			for block, err := range c.Blocks(ctx, 0) {
				if err != nil {
					t.Fatal(err)
				}
				if len(block.GetData().GetData()) > 0 {
					t.Fatalf("block %d is made up", block.GetHeader().GetNumber())
				}
				if got = append(got, block.GetHeader().GetNumber()); len(got) == 3 {
					break
				}
			}
			if !slices.Equal(got, []uint64{0, 1, 2}) {
				t.Errorf("blocks %v", got)
			}
		})
	}
}

// The own peer answers and is far behind the others, or its stream is stuck: blocks
// go on from others, as they do when it is down.
func TestBlocksOfAPeerThatLags(t *testing.T) {
	t.Parallel()
	height := func(n uint64) map[string]func() proto.Message {
		return map[string]func() proto.Message{"GetChainInfo": func() proto.Message { return &common.BlockchainInfo{Height: n} }}
	}
	most := []uint64{0, 1, 2, 3}
	for _, tc := range []struct {
		name  string
		peers []*fakePeer
		want  []uint64
	}{
		{"others go on", []*fakePeer{
			{blocks: []uint64{0, 1}, silent: true, ledger: height(2)}, {blocks: most, silent: true, ledger: height(4)},
			{blocks: most, silent: true, ledger: height(4)}, {blocks: most, silent: true, ledger: height(4)},
		}, most},
		{"its stream is stuck", []*fakePeer{
			{silent: true, ledger: height(4)}, {blocks: most, silent: true, ledger: height(4)}, nil, {blocks: most, silent: true, ledger: height(4)},
		}, most},
		{"one alone says that there is more", []*fakePeer{
			{blocks: most, silent: true, ledger: height(4)}, {blocks: []uint64{4}, silent: true, ledger: height(9)},
			{silent: true, ledger: height(4)}, {silent: true, ledger: height(4)},
		}, most},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := client(t, tc.peers, orderers(allTake...))
			fabric.Quicken(c, 10)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var got []uint64
			for block, err := range c.Blocks(ctx, 0) {
				if err != nil {
					if !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
					break
				}
				if got = append(got, block.GetHeader().GetNumber()); len(got) == len(tc.want) {
					time.AfterFunc(time.Second, cancel) // for what must not come
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("blocks %v; want %v", got, tc.want)
			}
		})
	}
}

// A peer that takes the question and never answers holds nobody up.
func TestBlockOfASilentPeer(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	defer close(over)
	hangs := &fakePeer{ledger: map[string]func() proto.Message{"GetBlockByNumber": func() proto.Message { <-over; return &common.Block{} }}}
	for i := range 3 { // each time another one is the first to be asked
		peers := []*fakePeer{{}, {}, {}, {blocks: []uint64{3}}}
		peers[i] = hangs
		c := client(t, peers, orderers(allTake...))
		fabric.Quicken(c, 10)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		for range 3 {
			if b, err := c.Block(ctx, 3); err != nil || b.GetHeader().GetNumber() != 3 {
				t.Errorf("peer %d hangs: %v, %v", i, b, err)
			}
		}
		cancel()
	}
}

// A block that the own peer does not have, as after it joined from a snapshot, comes from
// a peer that has it.
func TestBlock(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		peers []*fakePeer
		err   string
	}{
		{"the own peer has it", []*fakePeer{{blocks: []uint64{3}}, {blocks: []uint64{3}, liar: true}}, ""},
		{"the own peer does not", []*fakePeer{{}, {blocks: []uint64{3}}}, ""},
		{"nor do others", []*fakePeer{{}, nil, {}, {blocks: []uint64{3}}}, ""},
		{"the own peer is down", []*fakePeer{nil, {blocks: []uint64{3}}}, ""},
		{"nobody has", []*fakePeer{{}, {}}, "no such block"},
		{"who answers does not have it", []*fakePeer{{}, nil}, "no such block"},
		{"others make one up", []*fakePeer{{}, {blocks: []uint64{3}, liar: true}, {blocks: []uint64{3}, liar: true}, {blocks: []uint64{3}}}, ""},
		{"the own peer makes one up", []*fakePeer{{blocks: []uint64{3}, liar: true}, {}, {blocks: []uint64{3}}}, ""},
		{"nobody has a good one", []*fakePeer{{}, {blocks: []uint64{3}, liar: true}, {}, nil}, "made up"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := client(t, tc.peers, orderers(allTake...))
			b, err := c.BlockThat(t.Context(), 3, func(b *common.Block) error {
				if len(b.GetData().GetData()) > 0 {
					return errors.New("made up")
				}
				return nil
			})
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("got %v, want %q", err, tc.err)
				}
				return
			}
			if err != nil || b.GetHeader().GetNumber() != 3 || len(b.GetData().GetData()) > 0 {
				t.Errorf("got %v, %v", b, err)
			}
		})
	}
}
