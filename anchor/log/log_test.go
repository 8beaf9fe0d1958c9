package log_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
	"golang.org/x/mod/sumdb/tlog"
)

const network = "main-0011223344556677"

// chain makes linked blocks; block i has i%4+1 transactions, the k-th with k
// writes, the last one invalid in odd blocks.
func chain(n int) []*block.Block {
	var out []*block.Block
	var prev []byte
	for i := range n {
		b := &block.Block{Number: uint64(i), PrevHash: prev, DataHash: sha256.Sum256(fmt.Appendf(nil, "data %d", i))}
		b.HeaderHash = sha256.Sum256(append(b.DataHash[:], prev...))
		prev = b.HeaderHash[:]
		if i > 0 {
			b.CommitHash = bytes.Repeat([]byte{byte(i)}, 32)
		}
		for k := range i%4 + 1 {
			b.Txs = append(b.Txs, transaction(i, k))
			b.Filter = append(b.Filter, b.Txs[k].Code)
		}
		out = append(out, b)
	}
	return out
}

func transaction(i, k int) block.Tx {
	id := sha256.Sum256(fmt.Appendf(nil, "tx %d %d", i, k))
	t := block.Tx{
		Index: k, ID: canon.Hex(id[:]), Type: block.TypeEndorser,
		Envelope: fmt.Appendf(nil, "envelope %d %d", i, k), Nonce: fmt.Appendf(nil, "nonce %d %d", i, k),
	}
	if i%2 == 1 && k == i%4 {
		t.Code = 11
		return t
	}
	for w := range k {
		value := fmt.Appendf(nil, "value %d", w)
		t.Writes = append(t.Writes, block.Write{
			Namespace: "killick", Key: fmt.Appendf(nil, "key %d", w), Value: value, ValueHash: sha256.Sum256(value),
		})
	}
	return t
}

func open(t testing.TB, dir string) *log.Log {
	t.Helper()
	l, err := log.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// naiveRoot is RFC 6962's definition, word for word.
func naiveRoot(leaves [][]byte) [32]byte {
	switch n := len(leaves); n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(append([]byte{0}, leaves[0]...))
	default:
		k := 1
		for k*2 < n {
			k *= 2
		}
		left, right := naiveRoot(leaves[:k]), naiveRoot(leaves[k:])
		return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
	}
}

func TestRootsAndProofs(t *testing.T) {
	const n = 70
	l := open(t, t.TempDir())
	if err := l.Append(chain(n)...); err != nil {
		t.Fatal(err)
	}
	var leaves [][]byte
	for i := range uint64(n) {
		leaf, err := l.Leaf(i)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leaf.Bytes())
	}
	for size := range uint64(n + 1) {
		root, err := l.Root(size)
		if err != nil || root != naiveRoot(leaves[:size]) {
			t.Fatalf("root of %d: %v", size, err)
		}
		for i := range size {
			path, err := l.Prove(size, i)
			if err != nil {
				t.Fatal(err)
			}
			var p tlog.RecordProof
			for _, h := range path {
				p = append(p, h)
			}
			if err := tlog.CheckRecord(p, int64(size), root, int64(i), tlog.RecordHash(leaves[i])); err != nil {
				t.Fatalf("leaf %d of %d: %v", i, size, err)
			}
		}
	}
	if _, err := l.Prove(n+1, 0); err == nil {
		t.Error("proof beyond the log")
	}
	if _, err := l.Root(n + 1); err == nil {
		t.Error("root beyond the log")
	}
}

// Whatever a crash left beyond head is overwritten, whatever is missing below it
// is noticed.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	blocks := chain(20)
	l := open(t, dir)
	for i := range 12 {
		if err := l.Append(blocks[i]); err != nil {
			t.Fatal(err)
		}
	}
	want, _ := l.Root(12)
	l.Close()
	for _, name := range []string{"leaves", "hashes"} {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteString("torn write of a crash")
		f.Close()
	}
	l = open(t, dir)
	if got, err := l.Root(l.Size()); err != nil || got != want || l.Size() != 12 {
		t.Fatalf("after reopen: size %d, %v", l.Size(), err)
	}
	if err := l.Append(blocks[12:]...); err != nil {
		t.Fatal(err)
	}
	whole := open(t, t.TempDir())
	if err := whole.Append(blocks...); err != nil {
		t.Fatal(err)
	}
	a, _ := l.Root(20)
	b, _ := whole.Root(20)
	if a != b {
		t.Error("root depends on how blocks were appended")
	}
	l.Close()
	if err := os.Truncate(filepath.Join(dir, "hashes"), 100); err != nil {
		t.Fatal(err)
	}
	if _, err := log.Open(dir); err == nil {
		t.Error("a log with lost hashes was opened")
	}
}

// Blocks that were appended although Append failed, as when the folder's sync does, are
// appended again by the process that does not know it, and are there for the next one.
func TestAppendedAlthoughItFailed(t *testing.T) {
	dir, blocks := t.TempDir(), chain(9)
	l := open(t, dir)
	if err := l.Append(blocks[:3]...); err != nil {
		t.Fatal(err)
	}
	other := open(t, dir) // head goes on, and l does not know it
	if err := other.Append(blocks[3:7]...); err != nil {
		t.Fatal(err)
	}
	if next := open(t, dir); next.Size() != 7 || next.Append(blocks[7]) != nil {
		t.Errorf("the next process finds %d blocks", next.Size())
	}
	for _, b := range blocks[3:] {
		if err := l.Append(b); err != nil {
			t.Fatal(err)
		}
		if again := open(t, dir); again.Size() != b.Number+1 {
			t.Errorf("%d blocks after block %d", again.Size(), b.Number)
		}
	}
	whole := open(t, t.TempDir())
	if err := whole.Append(blocks...); err != nil {
		t.Fatal(err)
	}
	a, _ := l.Root(9)
	b, _ := whole.Root(9)
	if a != b {
		t.Error("another root")
	}
}

func TestAppendRefuses(t *testing.T) {
	blocks := chain(4)
	other := *blocks[2]
	other.PrevHash = bytes.Repeat([]byte{1}, 32)
	tests := []struct {
		name, want string
		blocks     []*block.Block
	}{
		{"gap", "block 3 where 2", []*block.Block{blocks[3]}},
		{"again", "block 1 where 2", []*block.Block{blocks[1]}},
		{"fork", "does not follow", []*block.Block{&other}},
		{"gap inside", "block 2 where 3", []*block.Block{blocks[2], blocks[2]}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := open(t, t.TempDir())
			if err := l.Append(blocks[:2]...); err != nil {
				t.Fatal(err)
			}
			err := l.Append(tt.blocks...)
			if err == nil || !strings.Contains(err.Error(), tt.want) || l.Size() != 2 {
				t.Errorf("got %v, size %d", err, l.Size())
			}
		})
	}
}

// tiles serves a log's tiles to tlog's own reader.
type tiles struct {
	t testing.TB
	l *log.Log
}

func (s tiles) Height() int                            { return 8 }
func (s tiles) SaveTiles(_ []tlog.Tile, data [][]byte) {}
func (s tiles) ReadTiles(want []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, t := range want {
		data, err := s.l.Tile(strings.Replace(t.Path(), "tile/8/", "tile/", 1))
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}

func TestTiles(t *testing.T) {
	const n = 600
	l := open(t, t.TempDir())
	if err := l.Append(chain(n)...); err != nil {
		t.Fatal(err)
	}
	root, _ := l.Root(n)
	r := tlog.TileHashReader(tlog.Tree{N: n, Hash: root}, tiles{t, l})
	for _, i := range []int64{0, 255, 256, 599} {
		if _, err := tlog.ProveRecord(n, i, r); err != nil {
			t.Errorf("proof of %d from tiles: %v", i, err)
		}
	}
	entries, err := l.Tile("tile/entries/002.p/88")
	if err != nil || len(entries) != 88*(2+207) {
		t.Errorf("entries: %d bytes, %v", len(entries), err)
	}
	for _, path := range []string{"tile/0/003", "tile/0/002.p/89", "tile/entries/003", "tile/1/000", "tile/data/000", "x", "tile/0/2", "tile/9/000.p/1"} {
		if _, err := l.Tile(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestRecordsRoundTrip(t *testing.T) {
	b := chain(4)[3]
	leaf, err := log.Leaf([32]byte{1}, b)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := log.ParseBlockRecord(leaf.Bytes()); err != nil || back != leaf {
		t.Errorf("block record: %v", err)
	}
	tx := log.TxRecord{Index: 3, ID: [32]byte{1}, Type: 3, Writes: 2, WritesRoot: [32]byte{4}}
	if back, err := log.ParseTxRecord(tx.Bytes()); err != nil || back != tx {
		t.Errorf("transaction record: %v", err)
	}
	key := make([]byte, 32)
	for _, w := range []log.WriteRecord{
		{Namespace: "killick", Key: []byte("k"), ValueHash: [32]byte{9}, Salt: [32]byte{8}},
		{Namespace: "killick", Key: []byte{}, Delete: block.Remove},
		{Namespace: "killick", Private: true, Collection: "c", Key: key, Delete: block.Purge},
	} {
		back, err := log.ParseWriteRecord(w.Bytes())
		if err != nil {
			t.Errorf("write record: %v", err)
		}
		if d := cmp.Diff(w, back); d != "" {
			t.Error(d)
		}
	}
	for _, bad := range []log.WriteRecord{
		{Namespace: "n", Private: true, Key: key},
		{Namespace: "n", Collection: "c", Key: key},
		{Namespace: "n", Private: true, Collection: "c", Key: key[1:]},
		{Namespace: "n", Delete: block.Purge},
		{Namespace: "n", Delete: block.Remove, ValueHash: [32]byte{1}},
	} {
		if _, err := log.ParseWriteRecord(bad.Bytes()); err == nil {
			t.Errorf("accepted %+v", bad)
		}
	}
	if _, err := log.ParseTxRecord(log.TxRecord{Code: 11, Writes: 1}.Bytes()); err == nil {
		t.Error("accepted an invalid transaction with writes")
	}
}
