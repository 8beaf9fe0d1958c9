package log

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/chaincode/canon"
	"golang.org/x/mod/sumdb/tlog"
)

// Log is the log of one channel in a directory of its own:
//
//	leaves  block records, leafSize bytes each, in order
//	hashes  the tree's hashes in tlog's storage order, 32 bytes each
//	head    log id, size and root; the commit point
//
// An append writes leaves and hashes, syncs them, and then replaces head
// atomically; what lies beyond head is what a crash left and is overwritten.
// Everything can be recomputed from a peer: losing the directory costs time
// only. Safe for concurrent use by one process; a second process must not open
// the directory.
type Log struct {
	dir            string
	leaves, hashes *os.File

	mu   sync.RWMutex
	id   Hash // zeros until block 0 is there
	size uint64
	last BlockRecord // leaf size-1
}

// Open opens the log in dir, creating it when there is none. It checks head
// against the stored hashes.
func Open(dir string) (*Log, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	l := &Log{dir: dir}
	var err error
	if l.leaves, err = os.OpenFile(filepath.Join(dir, "leaves"), os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	if l.hashes, err = os.OpenFile(filepath.Join(dir, "hashes"), os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return nil, errors.Join(fmt.Errorf("open log: %w", err), l.leaves.Close())
	}
	if err := l.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("open log in %s (it can be removed and recomputed): %w", dir, err), l.Close())
	}
	return l, nil
}

// Close closes the files.
func (l *Log) Close() error { return errors.Join(l.leaves.Close(), l.hashes.Close()) }

func (l *Log) load() error {
	text, err := os.ReadFile(filepath.Join(l.dir, "head"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) != 4 || lines[3] != "" {
		return fmt.Errorf("malformed head")
	}
	id, err := canon.UnHex32(lines[0])
	if err != nil {
		return fmt.Errorf("head: %w", err)
	}
	if l.size, err = strconv.ParseUint(lines[1], 10, 62); err != nil || l.size == 0 {
		return fmt.Errorf("head: size %q", lines[1])
	}
	l.id = id
	root, err := l.root(l.size)
	if err != nil {
		return err
	}
	if got := base64.StdEncoding.EncodeToString(root[:]); got != lines[2] {
		return fmt.Errorf("root of the stored hashes is %s, head says %s", got, lines[2])
	}
	if l.last, err = l.leaf(l.size - 1); err != nil {
		return err
	}
	if l.last.LogID != id || l.last.Number != l.size-1 {
		return fmt.Errorf("last leaf is of another log or block")
	}
	return nil
}

// Size returns the number of blocks in the log.
func (l *Log) Size() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.size
}

// ID returns the log id; ok is false until block 0 is in the log.
func (l *Log) ID() (id Hash, ok bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.id, l.size > 0
}

// Append extends the log by the blocks that follow its last one. It refuses a
// gap, and a block whose header does not continue the chain of headers; then
// nothing is appended. When it returns nil the blocks are on disk.
func (l *Log) Append(blocks ...*block.Block) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(blocks) == 0 {
		return nil
	}
	id, last := l.id, l.last
	var leaves bytes.Buffer
	var fresh []tlog.Hash
	first := tlog.StoredHashCount(int64(l.size))
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		return l.readHashes(indexes, first, fresh)
	})
	for i, b := range blocks {
		number := l.size + uint64(i)
		if b.Number != number {
			return fmt.Errorf("append to log: block %d where %d belongs", b.Number, number)
		}
		if number > 0 && !bytes.Equal(b.PrevHash, last.HeaderHash[:]) {
			return fmt.Errorf("append to log: block %d does not follow block %d by its header", number, number-1)
		}
		leaf, err := Leaf(id, b)
		if err != nil {
			return fmt.Errorf("append to log: %w", err)
		}
		id, last = leaf.LogID, leaf
		stored, err := tlog.StoredHashesForRecordHash(int64(number), leaf.Hash(), reader)
		if err != nil {
			return fmt.Errorf("append to log: %w", err)
		}
		fresh = append(fresh, stored...)
		leaves.Write(leaf.Bytes())
	}
	size := l.size + uint64(len(blocks))
	root, err := tlog.TreeHash(int64(size), reader)
	if err != nil {
		return fmt.Errorf("append to log: %w", err)
	}
	if err := l.write(leaves.Bytes(), fresh, first); err != nil {
		return fmt.Errorf("append to log: %w", err)
	}
	if err := l.commit(id, size, Hash(root)); err != nil {
		return fmt.Errorf("append to log: %w", err)
	}
	l.id, l.size, l.last = id, size, last
	return nil
}

// write puts leaves and hashes behind the committed ones and syncs. If we stop
// here, head still names the old size.
func (l *Log) write(leaves []byte, fresh []tlog.Hash, first int64) error {
	var hashes bytes.Buffer
	for _, h := range fresh {
		hashes.Write(h[:])
	}
	if _, err := l.leaves.WriteAt(leaves, int64(l.size)*leafSize); err != nil {
		return err
	}
	if _, err := l.hashes.WriteAt(hashes.Bytes(), first*tlog.HashSize); err != nil {
		return err
	}
	if err := l.leaves.Sync(); err != nil {
		return err
	}
	return l.hashes.Sync()
}

// commit replaces head: the one commit point.
func (l *Log) commit(id Hash, size uint64, root Hash) error {
	text := canon.Hex(id[:]) + "\n" + strconv.FormatUint(size, 10) + "\n" + base64.StdEncoding.EncodeToString(root[:]) + "\n"
	return replaceFile(filepath.Join(l.dir, "head"), []byte(text))
}

// replaceFile writes a file so that after a crash there is the old one or the
// new one.
func replaceFile(path string, data []byte) error {
	f, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readHashes reads stored hashes; those from index first on come from fresh.
func (l *Log) readHashes(indexes []int64, first int64, fresh []tlog.Hash) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x >= first {
			out[i] = fresh[x-first]
			continue
		}
		if _, err := l.hashes.ReadAt(out[i][:], x*tlog.HashSize); err != nil {
			return nil, fmt.Errorf("read hash %d: %w", x, err)
		}
	}
	return out, nil
}

// ReadHashes implements tlog.HashReader over what is committed.
func (l *Log) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	return l.readHashes(indexes, 1<<62, nil)
}

func (l *Log) root(size uint64) (Hash, error) {
	root, err := tlog.TreeHash(int64(size), l)
	return Hash(root), err
}

func (l *Log) leaf(number uint64) (BlockRecord, error) {
	row := make([]byte, leafSize)
	if _, err := l.leaves.ReadAt(row, int64(number)*leafSize); err != nil {
		return BlockRecord{}, fmt.Errorf("read leaf %d: %w", number, err)
	}
	return ParseBlockRecord(row)
}

// Root returns the root of the tree over the first size blocks.
func (l *Log) Root(size uint64) (Hash, error) {
	if n := l.Size(); size > n {
		return Hash{}, fmt.Errorf("root of size %d: the log has %d blocks", size, n)
	}
	root, err := l.root(size)
	if err != nil {
		return Hash{}, fmt.Errorf("root of size %d: %w", size, err)
	}
	return root, nil
}

// Leaf returns the record of a block.
func (l *Log) Leaf(number uint64) (BlockRecord, error) {
	if n := l.Size(); number >= n {
		return BlockRecord{}, fmt.Errorf("leaf %d: the log has %d blocks", number, n)
	}
	return l.leaf(number)
}

// Prove returns the inclusion proof of block index in the tree of the size.
func (l *Log) Prove(size, index uint64) ([]Hash, error) {
	if n := l.Size(); size > n || index >= size {
		return nil, fmt.Errorf("prove block %d in size %d: the log has %d blocks", index, size, n)
	}
	proof, err := tlog.ProveRecord(int64(size), int64(index), l)
	if err != nil {
		return nil, fmt.Errorf("prove block %d in size %d: %w", index, size, err)
	}
	return fromTlog(proof), nil
}

// ProveGrowth returns the consistency proof between two sizes, 1 <= old <= size.
func (l *Log) ProveGrowth(size, old uint64) ([]Hash, error) {
	if n := l.Size(); size > n || old > size || old == 0 {
		return nil, fmt.Errorf("prove growth from %d to %d: the log has %d blocks", old, size, n)
	}
	proof, err := tlog.ProveTree(int64(size), int64(old), l)
	if err != nil {
		return nil, fmt.Errorf("prove growth from %d to %d: %w", old, size, err)
	}
	return fromTlog(proof), nil
}

// tileHeight is that of C2SP tlog-tiles.
const tileHeight = 8

// Tile returns the content of a C2SP tlog-tiles path, "tile/<level>/<number>" or
// "tile/entries/<number>", with ".p/<width>" for a partial tile. fs.ErrNotExist
// when the log has no such tile.
func (l *Log) Tile(path string) ([]byte, error) {
	rest, entries := strings.CutPrefix(path, "tile/entries/")
	if entries {
		rest = "0/" + rest
	} else if rest, _ = strings.CutPrefix(path, "tile/"); rest == path {
		return nil, fmt.Errorf("tile %q: %w", path, fs.ErrNotExist)
	}
	t, err := tlog.ParseTilePath(fmt.Sprintf("tile/%d/%s", tileHeight, rest))
	if err != nil || t.L < 0 {
		return nil, fmt.Errorf("tile %q: %w", path, fs.ErrNotExist)
	}
	// The last hash of the tile must stand for leaves that the log has.
	shift := uint(tileHeight * t.L)
	if t.L > 7 || t.N > 1<<48 || (uint64(t.N)<<tileHeight+uint64(t.W)) > l.Size()>>shift {
		return nil, fmt.Errorf("tile %q: %w", path, fs.ErrNotExist)
	}
	if entries {
		return l.entries(uint64(t.N)<<tileHeight, t.W)
	}
	return tlog.ReadTileData(t, l)
}

// entries returns a bundle of leaves, each behind its length in two bytes.
func (l *Log) entries(first uint64, n int) ([]byte, error) {
	var out []byte
	for i := range n {
		leaf, err := l.Leaf(first + uint64(i))
		if err != nil {
			return nil, err
		}
		out = append(out, byte(leafSize>>8), byte(leafSize&0xff))
		out = append(out, leaf.Bytes()...)
	}
	return out, nil
}
