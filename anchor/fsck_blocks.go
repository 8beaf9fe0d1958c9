package main

import (
	"context"
	"fmt"
	"iter"
	"os"
	"regexp"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/network/fabric"
)

// piece is a block as it was read. Decoding is left to whoever has a core for it.
type piece struct {
	size   int
	where  string
	decode func() (*block.Block, error)
}

// blockSource is where fsck has blocks from: all from one number on, in order. height is how
// many blocks there are, 0 when that shows only at the end.
type blockSource struct {
	name          string
	first, height uint64
	blocks        func(ctx context.Context) iter.Seq2[piece, error]
}

// peerBlocks reads from a running peer what it has now.
func peerBlocks(ctx context.Context, c *fabric.Client, name string) (*blockSource, error) {
	height, err := c.Height(ctx)
	if err != nil {
		return nil, fmt.Errorf("height of %s: %w", name, err)
	}
	s := &blockSource{name: name, height: height}
	if _, err = c.Block(ctx, 0); err != nil {
		var ok bool
		if s.first, ok = afterSnapshot(err); !ok {
			return nil, fmt.Errorf("block 0 of %s: %w", name, err)
		}
	}
	s.blocks = func(ctx context.Context) iter.Seq2[piece, error] {
		return func(yield func(piece, error) bool) {
			next := s.first
			if next >= s.height {
				return
			}
			for m, err := range c.Blocks(ctx, next) {
				if err != nil {
					yield(piece{}, err)
					return
				}
				p := piece{proto.Size(m), name, func() (*block.Block, error) { return decode(m) }}
				if next++; !yield(p, nil) || next == s.height {
					return
				}
			}
		}
	}
	return s, nil
}

// snapshot is how a peer says that it joined from one (Fabric's blkstorage).
var snapshot = regexp.MustCompile(`bootstrapped from a snapshot\. First available block = \[?(\d+)\]?`)

// afterSnapshot reads from a refusal of block 0 which block is the peer's first.
func afterSnapshot(err error) (first uint64, ok bool) {
	m := snapshot.FindStringSubmatch(err.Error())
	if m == nil {
		return 0, false
	}
	first, err = strconv.ParseUint(m[1], 10, 64)
	return first, err == nil
}

// fileBlocks reads the block files of a stopped peer: blockfile_000000 and those that
// follow, in each the blocks behind their length.
func fileBlocks(dir string) (*blockSource, error) {
	s := &blockSource{name: dir}
	s.blocks = func(ctx context.Context) iter.Seq2[piece, error] {
		return func(yield func(piece, error) bool) {
			for b, err := range block.ReadFiles(os.DirFS(dir)) {
				if err == nil {
					err = ctx.Err()
				}
				p := piece{len(b.Raw), b.Where, func() (*block.Block, error) { return block.DecodeStored(b.Raw) }}
				if !yield(p, err) || err != nil {
					return
				}
			}
		}
	}
	for p, err := range s.blocks(context.Background()) {
		if err != nil {
			return nil, err
		}
		b, err := p.decode()
		if err != nil {
			return nil, &log.Difference{Where: p.where, Field: "first block", Found: err.Error(), Want: "a block"}
		}
		s.first = b.Number
		return s, nil
	}
	return nil, fmt.Errorf("%s: no blocks", dir)
}
