package log

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/killick-ledger/killick/chaincode/canon"
	"golang.org/x/mod/sumdb/tlog"
)

// Difference is where something is not what was recomputed. It is an error so that
// nobody takes it for a finding to be counted and passed over.
type Difference struct {
	Where string `json:"where"` // file, or who says what was found
	Block uint64 `json:"block"` // number of the block that it is about; of a root, the last block under it
	Field string `json:"field"`
	Found string `json:"found"` // bytes are in hex
	Want  string `json:"want"`  // recomputed
}

func (d *Difference) Error() string {
	return fmt.Sprintf("%s, block %d: %s is %s, want %s", d.Where, d.Block, d.Field, d.Found, d.Want)
}

// leafFields are the fields of a block record in order, with their ends.
var leafFields = []struct {
	name string
	end  int
}{
	{"version", 1}, {"type", 2}, {"log id", 34}, {"block number", 42}, {"header hash", 74}, {"data hash", 106},
	{"hash of the validation codes", 138}, {"commit flag", 139}, {"commit hash", 171}, {"number of transactions", 175},
	{"transactions root", leafSize},
}

// Audit compares the files of a log, as they stand, with leaves that are recomputed
// elsewhere. It writes nothing and takes no lock, so that an anchor may run on the same
// directory: it looks at what is committed when it begins, and no more. It holds 64
// bytes for each block in memory.
type Audit struct {
	size           uint64
	id, root       string // as head has them
	leaves, hashes *file
	tree           memory
	next           uint64
}

// file is read once, from the front.
type file struct {
	name string
	f    *os.File
	r    *bufio.Reader
}

// NewAudit opens the files of the log in a directory. A directory without a log has
// Size 0. A *Difference says that head is malformed, or alone.
func NewAudit(dir string) (*Audit, error) {
	a := &Audit{}
	text, err := os.ReadFile(filepath.Join(dir, "head"))
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return nil, fmt.Errorf("audit of the log: %w", err)
	}
	lines := bytes.Split(text, []byte("\n"))
	if len(lines) != 4 || len(lines[3]) > 0 {
		return nil, &Difference{"head", 0, "file", strconv.Quote(string(text)), "three lines: log id, size, root"}
	}
	a.id, a.root = string(lines[0]), string(lines[2])
	size := string(lines[1])
	if a.size, err = strconv.ParseUint(size, 10, 62); err != nil || a.size == 0 || strconv.FormatUint(a.size, 10) != size {
		return nil, &Difference{"head", 0, "size", strconv.Quote(size), "a number above 0"}
	}
	if a.leaves, err = openFile(dir, "leaves"); err != nil {
		return nil, err
	}
	if a.hashes, err = openFile(dir, "hashes"); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func openFile(dir, name string) (*file, error) {
	f, err := os.Open(filepath.Join(dir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &Difference{name, 0, "file", "missing", "one beside head"}
	case err != nil:
		return nil, fmt.Errorf("audit of the log: %w", err)
	}
	return &file{name, f, bufio.NewReaderSize(f, 1<<18)}, nil
}

// Close closes the files.
func (a *Audit) Close() error {
	var errs []error
	for _, f := range []*file{a.leaves, a.hashes} {
		if f != nil {
			errs = append(errs, f.f.Close())
		}
	}
	return errors.Join(errs...)
}

// Size returns the number of leaves that head commits to.
func (a *Audit) Size() uint64 { return a.size }

// Next compares the next leaf on disk, and the tree's hashes that it completes, with
// what was recomputed; beyond Size it only goes on with the tree. A *Difference names
// the first thing that differs.
func (a *Audit) Next(leaf BlockRecord) error {
	want := leaf.Bytes()
	if a.next < a.size {
		got, err := a.leaves.read(len(want), a.next)
		if err != nil {
			return err
		}
		if err := a.sameLeaf(got, want); err != nil {
			return err
		}
	}
	return a.grow(leaf.Hash())
}

func (a *Audit) sameLeaf(got, want []byte) error {
	begin := 0
	for _, f := range leafFields {
		if g, w := got[begin:f.end], want[begin:f.end]; !bytes.Equal(g, w) {
			return &Difference{"leaves", a.next, f.name, canon.Hex(g), canon.Hex(w)}
		}
		begin = f.end
	}
	return nil
}

// Take takes the next leaf from disk because its block cannot be had. Only its form, log
// id and number are checked. It returns the leaf.
func (a *Audit) Take(id Hash) (BlockRecord, error) {
	raw, err := a.leaves.read(leafSize, a.next)
	if err != nil {
		return BlockRecord{}, err
	}
	leaf, err := ParseBlockRecord(raw)
	if err != nil {
		return BlockRecord{}, &Difference{"leaves", a.next, "record", err.Error(), "a block record"}
	}
	want := leaf
	want.LogID, want.Number = id, a.next
	if err := a.sameLeaf(raw, want.Bytes()); err != nil {
		return BlockRecord{}, err
	}
	return leaf, a.grow(leaf.Hash())
}

// grow adds a leaf hash to the recomputed tree and compares what it completes.
func (a *Audit) grow(leaf Hash) error {
	fresh, err := tlog.StoredHashesForRecordHash(int64(a.next), leaf, a.tree)
	if err != nil {
		return fmt.Errorf("audit of the log: %w", err)
	}
	for i, want := range fresh {
		if a.next >= a.size {
			break
		}
		got, err := a.hashes.read(tlog.HashSize, a.next)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want[:]) {
			level, n := tlog.SplitStoredHashIndex(int64(len(a.tree) + i))
			return &Difference{"hashes", a.next, fmt.Sprintf("node %d of level %d", n, level), canon.Hex(got), canon.Hex(want[:])}
		}
	}
	a.tree = append(a.tree, fresh...)
	a.next++
	return nil
}

// read takes the next n bytes of a file, which belong to a block.
func (f *file) read(n int, block uint64) ([]byte, error) {
	out := make([]byte, n)
	got, err := io.ReadFull(f.r, out)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, &Difference{f.name, block, "length", fmt.Sprintf("%d of %d bytes", got, n), "all of them, as head says"}
	}
	if err != nil {
		return nil, fmt.Errorf("audit of the log: %w", err)
	}
	return out, nil
}

// Root returns the recomputed root over the first size blocks, size <= blocks so far.
func (a *Audit) Root(size uint64) (Hash, error) {
	if size > a.next {
		return Hash{}, fmt.Errorf("root of size %d: %d blocks were recomputed", size, a.next)
	}
	root, err := tlog.TreeHash(int64(size), a.tree)
	return Hash(root), err
}

// Head compares head with the recomputed tree; all its leaves must have been compared.
func (a *Audit) Head(id Hash) error {
	if a.size == 0 {
		return nil
	}
	if want := canon.Hex(id[:]); a.id != want {
		return &Difference{"head", 0, "log id", strconv.Quote(a.id), want}
	}
	root, err := a.Root(a.size)
	if err != nil {
		return err
	}
	if want := base64.StdEncoding.EncodeToString(root[:]); a.root != want {
		return &Difference{"head", a.size - 1, "root", strconv.Quote(a.root), want}
	}
	return nil
}
