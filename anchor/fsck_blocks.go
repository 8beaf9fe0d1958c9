package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
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
	s.blocks = func(ctx context.Context) iter.Seq2[piece, error] { return readFiles(ctx, dir) }
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

func readFiles(ctx context.Context, dir string) iter.Seq2[piece, error] {
	return func(yield func(piece, error) bool) {
		for i := 0; ; i++ {
			name := fmt.Sprintf("blockfile_%06d", i)
			more, err := readStored(ctx, filepath.Join(dir, name), name, yield)
			if errors.Is(err, fs.ErrNotExist) && i > 0 {
				return
			}
			if err != nil {
				yield(piece{}, err)
			}
			if err != nil || !more {
				return
			}
		}
	}
}

// maxStored bounds what a length in a block file may ask for.
const maxStored = 1 << 30

func readStored(ctx context.Context, path, name string, yield func(piece, error) bool) (more bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	r := bufio.NewReaderSize(f, 1<<20)
	for at := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		length, n, err := varint(r)
		if err == io.EOF && n == 0 {
			return true, nil
		}
		where := fmt.Sprintf("%s at byte %d", name, at)
		if err == nil && length > maxStored {
			err = fmt.Errorf("length of %d bytes", length)
		}
		var raw []byte
		if err == nil {
			raw = make([]byte, min(length, 1<<24))
			_, err = io.ReadFull(r, raw)
			if rest := length - uint64(len(raw)); err == nil && rest > 0 {
				// Longer than any block should be: what is not there is not allotted.
				var tail []byte
				if tail, err = io.ReadAll(io.LimitReader(r, int64(rest))); err == nil && uint64(len(tail)) < rest {
					err = io.ErrUnexpectedEOF
				}
				raw = append(raw, tail...)
			}
		}
		if err != nil {
			return false, &torn{where, err}
		}
		if !yield(piece{len(raw), where, func() (*block.Block, error) { return block.DecodeStored(raw) }}, nil) {
			return false, nil
		}
		at += int64(n) + int64(length)
	}
}

// torn says that a block file ends, or goes wrong, within a block.
type torn struct {
	where string
	err   error
}

func (t *torn) Error() string { return t.where + ": " + t.err.Error() }

// varint reads a protobuf varint and returns how many bytes it took.
func varint(r io.ByteReader) (v uint64, n int, err error) {
	for shift := 0; shift < 64; shift += 7 {
		b, err := r.ReadByte()
		if err != nil {
			if n > 0 {
				err = io.ErrUnexpectedEOF
			}
			return 0, n, err
		}
		n++
		if v |= uint64(b&0x7f) << shift; b < 0x80 {
			return v, n, nil
		}
	}
	return 0, n, errors.New("a length that is no number")
}
