package block

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"

	"google.golang.org/protobuf/encoding/protowire"
)

// Stored is a block as it stands in a peer's block files. Decoding it, with
// DecodeStored, is left to whoever has a core for it.
type Stored struct {
	Raw   []byte
	Where string // file and byte, for people
}

// TornError says that a block file ends, or goes wrong, within a block.
type TornError struct {
	Where string
	Err   error
}

func (t *TornError) Error() string { return t.Where + ": " + t.Err.Error() }

// Unwrap returns what reading met.
func (t *TornError) Unwrap() error { return t.Err }

// maxStored bounds what a length in a block file may ask for. Fabric's own limit for a
// message, and so for a block that one peer gives to another, is 100 MiB.
const maxStored = 128 << 20

// ReadFiles reads the block files of a peer in order: blockfile_000000 and those that
// follow. A copy made while the peer ran serves as well; its end may be torn. It ends
// with the first error: fs.ErrNotExist when there is no file at all, *TornError.
func ReadFiles(dir fs.FS) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		for i := 0; ; i++ {
			name := fmt.Sprintf("blockfile_%06d", i)
			f, err := dir.Open(name)
			if errors.Is(err, fs.ErrNotExist) && i > 0 {
				return
			}
			if err != nil {
				yield(Stored{}, err)
				return
			}
			ended := false
			for s, err := range ReadStored(f, name) {
				if !yield(s, err) || err != nil {
					ended = true
					break
				}
			}
			// It was only read: closing it can lose nothing.
			if _ = f.Close(); ended {
				return
			}
		}
	}
}

// ReadStored reads blocks one after the other from what a block file is: each behind
// its length. It ends with the first error, a *TornError.
func ReadStored(from io.Reader, name string) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		r := bufio.NewReaderSize(from, 1<<20)
		for at := int64(0); ; {
			length, n, err := varint(r)
			if err == io.EOF && n == 0 {
				return
			}
			where := fmt.Sprintf("%s at byte %d", name, at)
			if err == nil && length > maxStored {
				err = fmt.Errorf("length of %d bytes", length)
			}
			var raw []byte
			if err == nil {
				raw, err = readFull(r, length)
			}
			if err != nil {
				yield(Stored{}, &TornError{where, err})
				return
			}
			if !yield(Stored{raw, where}, nil) {
				return
			}
			at += int64(n) + int64(length)
		}
	}
}

// readFull reads so many bytes. Of a length above what any block should have, what is
// not there is not allotted.
func readFull(r io.Reader, length uint64) ([]byte, error) {
	raw := make([]byte, min(length, 1<<24))
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, err
	}
	rest := length - uint64(len(raw))
	if rest == 0 {
		return raw, nil
	}
	tail, err := io.ReadAll(io.LimitReader(r, int64(rest)))
	if err == nil && uint64(len(tail)) < rest {
		err = io.ErrUnexpectedEOF
	}
	return append(raw, tail...), err
}

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

// AppendStored appends a delivered block as a peer stores it, behind its length, and as
// ReadStored reads it. Raw is what Decode takes.
func AppendStored(dst, raw []byte) ([]byte, error) {
	var parts [3][]byte
	if err := frame(raw, parts[:]); err != nil {
		return nil, fmt.Errorf("block: %w", err)
	}
	var b Block
	if err := b.header(parts[0]); err != nil {
		return nil, fmt.Errorf("block header: %w", err)
	}
	out := protowire.AppendVarint(nil, b.Number)
	out = protowire.AppendBytes(protowire.AppendBytes(out, b.DataHash[:]), b.PrevHash)
	envelopes, err := list(parts[1], mostEnvelopes(len(parts[1])))
	if err != nil {
		return nil, fmt.Errorf("block %d: %w", b.Number, err)
	}
	metadata, err := slots(parts[2])
	if err != nil {
		return nil, fmt.Errorf("block %d: %w", b.Number, err)
	}
	for _, items := range [][][]byte{envelopes, metadata} {
		out = protowire.AppendVarint(out, uint64(len(items)))
		for _, item := range items {
			out = protowire.AppendBytes(out, item)
		}
	}
	return protowire.AppendBytes(dst, out), nil
}
