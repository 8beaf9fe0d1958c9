// Package log is the transparency log over a channel's blocks: the records that
// are its leaves, the tree and its files, checkpoints as signed notes, bundles
// that prove one thing from a public chain down to one write, and their
// verification. Leaf index is block number. Formats are specified in
// docs/formats/log.md, checkpoint.md, bundle.md and policy.md.
//
// It holds no private keys, reads no chain and no peer: callers bring blocks,
// signatures and what chains answered.
package log

import (
	"encoding/hex"
	"fmt"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/chaincode/canon"
	"golang.org/x/mod/sumdb/tlog"
)

// Hash is a hash of the log: a record's, a node's or a root.
type Hash = [32]byte

// Types of records, docs/formats/log.md.
const (
	typePublic  = 1
	typePrivate = 2
	typeTx      = 3
	typeBlock   = 4
)

// emptyRoot is the root of a tree without leaves.
var emptyRoot = canon.Sum()

const saltDomain = "killick.write-salt.v1"

// WriteRecord is one write of a valid transaction, salted so that neighbours in
// a proof cannot be guessed.
type WriteRecord struct {
	Private    bool
	Namespace  string
	Collection string // empty for a public write
	Key        []byte // for a private write 32 bytes, the hash of the key
	Delete     block.Delete
	ValueHash  Hash // zeros unless Delete is block.Put
	Salt       Hash
}

// TxRecord is one transaction of a block with its validation code.
type TxRecord struct {
	Index        uint32
	ID           Hash // zeros when the envelope states none
	Code         uint8
	Type         uint8
	EnvelopeHash Hash
	Writes       uint32
	WritesRoot   Hash
}

// BlockRecord is a leaf of the log.
type BlockRecord struct {
	LogID      Hash
	Number     uint64
	HeaderHash Hash
	DataHash   Hash
	FlagsHash  Hash
	Committed  bool // whether the peer has a commit hash for the block
	CommitHash Hash // zeros unless Committed
	Txs        uint32
	TxsRoot    Hash
}

func newWriteRecord(w block.Write, nonce []byte) (WriteRecord, error) {
	if len(w.Namespace) > 0xffff || len(w.Collection) > 0xffff {
		return WriteRecord{}, fmt.Errorf("name of namespace or collection is longer than 65,535 bytes")
	}
	// One member alone can have Fabric take what is no hash, and it must stop no log.
	if w.Private && len(w.Key) != len(Hash{}) {
		sum := canon.Sum(w.Key)
		w.Key = sum[:]
	}
	return WriteRecord{
		Private: w.Private, Namespace: w.Namespace, Collection: w.Collection, Key: w.Key,
		Delete: w.Delete, ValueHash: w.ValueHash, Salt: salt(w, nonce),
	}, nil
}

// salt depends on the transaction's nonce, which is in the block and nowhere
// else: who has only the log cannot guess a neighbour's key and value.
func salt(w block.Write, nonce []byte) Hash {
	names := canon.NewRecord(0).Var32(nonce).Var16([]byte(w.Namespace)).Var16([]byte(w.Collection)).Var32(w.Key)
	return canon.Sum([]byte(saltDomain), names.Bytes()[2:]) // without the record's version and type
}

// Bytes returns the record as it is hashed.
func (r WriteRecord) Bytes() []byte {
	typ := byte(typePublic)
	if r.Private {
		typ = typePrivate
	}
	return canon.NewRecord(typ).Var16([]byte(r.Namespace)).Var16([]byte(r.Collection)).Var32(r.Key).
		U8(uint8(r.Delete)).Fixed(r.ValueHash[:]).Fixed(r.Salt[:]).Bytes()
}

// ParseWriteRecord reads what Bytes wrote and refuses anything else.
func ParseWriteRecord(data []byte) (WriteRecord, error) {
	typ := byte(typePublic)
	if len(data) > 1 && data[1] == typePrivate {
		typ = typePrivate
	}
	in := canon.OpenRecord(data, typ)
	r := WriteRecord{
		Private: typ == typePrivate, Namespace: string(in.Var16()), Collection: string(in.Var16()), Key: in.Var32(),
		Delete: block.Delete(in.U8()), ValueHash: in.Hash(), Salt: in.Hash(),
	}
	if err := in.Done(); err != nil {
		return WriteRecord{}, fmt.Errorf("write record: %w", err)
	}
	limit := block.Remove
	if r.Private {
		limit = block.Purge
	}
	switch {
	case r.Private != (r.Collection != ""):
		return WriteRecord{}, fmt.Errorf("write record: collection does not fit the type")
	case r.Private && len(r.Key) != 32:
		return WriteRecord{}, fmt.Errorf("write record: key hash of %d bytes", len(r.Key))
	case r.Delete > limit:
		return WriteRecord{}, fmt.Errorf("write record: delete flag %d", r.Delete)
	case r.Delete != block.Put && r.ValueHash != Hash{}:
		return WriteRecord{}, fmt.Errorf("write record: a delete with a value")
	}
	return r, nil
}

// Bytes returns the record as it is hashed.
func (r TxRecord) Bytes() []byte {
	return canon.NewRecord(typeTx).U32(r.Index).Fixed(r.ID[:]).U8(r.Code).U8(r.Type).Fixed(r.EnvelopeHash[:]).
		U32(r.Writes).Fixed(r.WritesRoot[:]).Bytes()
}

// ParseTxRecord reads what Bytes wrote and refuses anything else.
func ParseTxRecord(data []byte) (TxRecord, error) {
	in := canon.OpenRecord(data, typeTx)
	r := TxRecord{
		Index: in.U32(), ID: in.Hash(), Code: in.U8(), Type: in.U8(), EnvelopeHash: in.Hash(),
		Writes: in.U32(), WritesRoot: in.Hash(),
	}
	if err := in.Done(); err != nil {
		return TxRecord{}, fmt.Errorf("transaction record: %w", err)
	}
	if r.Code != block.CodeValid && r.Writes != 0 {
		return TxRecord{}, fmt.Errorf("transaction record: an invalid transaction with writes")
	}
	if r.Writes == 0 && r.WritesRoot != emptyRoot {
		return TxRecord{}, fmt.Errorf("transaction record: a root without writes")
	}
	return r, nil
}

// Bytes returns the record as it is hashed; its length is leafSize.
func (r BlockRecord) Bytes() []byte {
	var committed uint8
	if r.Committed {
		committed = 1
	}
	return canon.NewRecord(typeBlock).Fixed(r.LogID[:]).U64(r.Number).Fixed(r.HeaderHash[:]).Fixed(r.DataHash[:]).
		Fixed(r.FlagsHash[:]).U8(committed).Fixed(r.CommitHash[:]).U32(r.Txs).Fixed(r.TxsRoot[:]).Bytes()
}

// leafSize is the length of a block record.
const leafSize = 2 + 32 + 8 + 3*32 + 1 + 32 + 4 + 32

// ParseBlockRecord reads what Bytes wrote and refuses anything else.
func ParseBlockRecord(data []byte) (BlockRecord, error) {
	in := canon.OpenRecord(data, typeBlock)
	r := BlockRecord{LogID: in.Hash(), Number: in.U64(), HeaderHash: in.Hash(), DataHash: in.Hash(), FlagsHash: in.Hash()}
	committed := in.U8()
	r.CommitHash, r.Txs, r.TxsRoot = in.Hash(), in.U32(), in.Hash()
	if err := in.Done(); err != nil {
		return BlockRecord{}, fmt.Errorf("block record: %w", err)
	}
	r.Committed = committed == 1
	switch {
	case committed > 1:
		return BlockRecord{}, fmt.Errorf("block record: commit flag %d", committed)
	case !r.Committed && r.CommitHash != Hash{}:
		return BlockRecord{}, fmt.Errorf("block record: a commit hash that is said to be absent")
	case r.Txs == 0:
		return BlockRecord{}, fmt.Errorf("block record: no transactions")
	}
	return r, nil
}

// Hash returns the leaf hash of the record in the log.
func (r BlockRecord) Hash() Hash { return tlog.RecordHash(r.Bytes()) }

// nested holds the records of transactions below one leaf. Those of writes would take a
// hundred times the room of what somebody can make a block of.
type nested struct {
	leaf BlockRecord
	txs  []TxRecord
}

// nest computes the records of a block. logID may be zero for block 0, whose
// header hash it is.
func nest(logID Hash, b *block.Block) (*nested, error) {
	if b.Number == 0 {
		logID = b.HeaderHash
	}
	n := &nested{txs: make([]TxRecord, 0, len(b.Txs)), leaf: BlockRecord{
		LogID: logID, Number: b.Number, HeaderHash: b.HeaderHash, DataHash: b.DataHash,
		FlagsHash: canon.Sum(b.Filter), Txs: uint32(len(b.Txs)),
	}}
	if b.CommitHash != nil {
		n.leaf.Committed, n.leaf.CommitHash = true, Hash(b.CommitHash)
	}
	var tree Tree
	for i := range b.Txs {
		r, err := nestTx(&b.Txs[i])
		if err != nil {
			return nil, fmt.Errorf("block %d, transaction %d: %w", b.Number, i, err)
		}
		n.txs = append(n.txs, r)
		tree.Add(tlog.RecordHash(r.Bytes()))
	}
	n.leaf.TxsRoot = tree.Root()
	return n, nil
}

func nestTx(t *block.Tx) (TxRecord, error) {
	r := TxRecord{
		Index: uint32(t.Index), Code: t.Code, Type: uint8(t.Type), EnvelopeHash: canon.Sum(t.Envelope),
		Writes: uint32(len(t.Writes)),
	}
	if t.ID != "" {
		if _, err := hex.Decode(r.ID[:], []byte(t.ID)); err != nil {
			return TxRecord{}, fmt.Errorf("transaction id: %w", err)
		}
	}
	var tree Tree
	for i, w := range t.Writes {
		record, err := newWriteRecord(w, t.Nonce)
		if err != nil {
			return TxRecord{}, fmt.Errorf("write %d: %w", i, err)
		}
		tree.Add(tlog.RecordHash(record.Bytes()))
	}
	r.WritesRoot = tree.Root()
	return r, nil
}

// Leaf computes the block's record. logID is that of the log; for block 0 it may
// be zero, since block 0 defines it.
func Leaf(logID Hash, b *block.Block) (BlockRecord, error) {
	n, err := nest(logID, b)
	if err != nil {
		return BlockRecord{}, err
	}
	return n.leaf, nil
}

// TxRecords computes the records of a block's transactions.
func TxRecords(b *block.Block) ([]TxRecord, error) {
	n, err := nest(Hash{}, b)
	if err != nil {
		return nil, err
	}
	return n.txs, nil
}
