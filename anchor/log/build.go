package log

import (
	"fmt"
	"slices"
	"strings"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/chaincode/canon"
	"golang.org/x/mod/sumdb/tlog"
)

// NoWrite asks Build to prove a transaction and none of its writes.
const NoWrite = -1

// Evidence is what a bundle holds besides the block.
type Evidence struct {
	SetVersion uint64     // of the members that signed the note
	Rotations  []Rotation // that lead to them, from set 2 on; none for set 1
	Note       []byte     // signed note of the anchored checkpoint
	Anchors    []Anchor   // one for each chain that took it
	Payout     *PayoutProof
}

// Build makes the bundle of one write of a transaction, or with NoWrite of the
// transaction, in the tree of the note's size. The block must be the log's own.
func (l *Log) Build(b *block.Block, tx, write int, e Evidence) (*Bundle, error) {
	n, err := ParseNote(e.Note)
	if err != nil {
		return nil, fmt.Errorf("build bundle: %w", err)
	}
	if tx < 0 || tx >= len(b.Txs) || write < NoWrite || write >= len(b.Txs[tx].Writes) {
		return nil, fmt.Errorf("build bundle: block %d has no transaction %d with write %d", b.Number, tx, write)
	}
	root, err := l.Root(n.Size)
	if err != nil {
		return nil, fmt.Errorf("build bundle: %w", err)
	}
	if id, _ := l.ID(); root != n.Root || id != n.LogID {
		return nil, fmt.Errorf("build bundle: the note of size %d is not of this log", n.Size)
	}
	out := &Bundle{SetVersion: e.SetVersion, Rotations: e.Rotations, Payout: e.Payout, Note: *n}
	out.Anchors = sortedAnchors(e.Anchors)
	if out.Path, err = l.Prove(n.Size, b.Number); err != nil {
		return nil, fmt.Errorf("build bundle: %w", err)
	}
	if err := out.fill(n.LogID, b, tx, write); err != nil {
		return nil, fmt.Errorf("build bundle: %w", err)
	}
	if own, err := l.Leaf(b.Number); err != nil || own != out.Block {
		return nil, fmt.Errorf("build bundle: block %d is not the one in the log", b.Number)
	}
	return out, nil
}

// fill computes records and the two inner paths.
func (b *Bundle) fill(logID Hash, from *block.Block, tx, write int) error {
	all, err := nest(logID, from)
	if err != nil {
		return err
	}
	b.Block, b.Tx = all.leaf, all.txs[tx]
	hashes := make([]Hash, len(all.txs))
	for i, r := range all.txs {
		hashes[i] = tlog.RecordHash(r.Bytes())
	}
	if b.TxPath, err = pathOf(hashes, tx); err != nil || write == NoWrite {
		return err
	}
	t := &from.Txs[tx]
	b.Write = &WriteProof{Value: t.Writes[write].Value, Index: uint32(write)}
	hashes = make([]Hash, len(t.Writes))
	for i, w := range t.Writes {
		r, err := newWriteRecord(w, t.Nonce)
		if err != nil {
			return err
		}
		if hashes[i] = tlog.RecordHash(r.Bytes()); i == write {
			b.Write.Record = r
		}
	}
	b.Write.Path, err = pathOf(hashes, write)
	return err
}

func sortedAnchors(in []Anchor) []Anchor {
	return slices.SortedFunc(slices.Values(in), func(a, b Anchor) int {
		return strings.Compare(a.Contract.String(), b.Contract.String())
	})
}

// FindWrite returns the index of the transaction's write of the key in
// Namespace, or NoWrite.
func FindWrite(t *block.Tx, key string) int {
	for i, w := range t.Writes {
		if w.Namespace == Namespace && !w.Private && string(w.Key) == key {
			return i
		}
	}
	return NoWrite
}

// ProvePayee turns a leaf and its siblings, sums 16 bytes and hashes 32, into a
// payout proof. left[i] says that sibling i is on the left.
func ProvePayee(payee canon.Account, cumulative uint64, left []bool, sums [][16]byte, hashes []Hash, at Landing) (*PayoutProof, error) {
	if len(left) != len(sums) || len(left) != len(hashes) || cumulative >= 1<<63 {
		return nil, fmt.Errorf("prove payee: %d sides, %d sums, %d hashes, %d", len(left), len(sums), len(hashes), cumulative)
	}
	p := &PayoutProof{Payee: payee, Cumulative: cumulative, Activated: at}
	for i := range left {
		p.Levels = append(p.Levels, SumLevel{Left: left[i], Node: SumNode{Sum: sumOf(sums[i][:]), Hash: hashes[i]}})
	}
	return p, nil
}
