package contracts

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"

	"github.com/killick-ledger/killick/chaincode/canon"
)

// AnchoredTopic is the first topic of AnchorLog's event
// Anchored(uint64 indexed size, bytes32 root, uint64 time).
var AnchoredTopic = [32]byte(anchorLog.abi.Events["Anchored"].ID)

// Checkpoint is a checkpoint as AnchorLog keeps it: the log over the first Size
// blocks has Root, at Time in Unix seconds.
type Checkpoint struct {
	Size uint64
	Root [32]byte
	Time uint64
}

// Set is a member set as contracts know it. Members ascend strictly as numbers, and
// K of them decide.
type Set struct {
	Version uint64
	K       uint
	Members [][20]byte
}

// Hash returns the hash by which contracts know the set.
func (s Set) Hash() [32]byte { return canon.MemberSetHash(s.Version, uint64(s.K), s.Members) }

// Signatures are what members of a set signed: bit i of Signers says that
// Set.Members[i] signed, and Bytes holds r || s || v of each signer, 65 bytes, in
// ascending order.
type Signatures struct {
	Set
	Signers *big.Int
	Bytes   []byte
}

// signatures is the tuple of that name in the contracts.
type signatures struct {
	Version    *big.Int
	K          *big.Int
	Members    []common.Address
	Signers    *big.Int
	Signatures []byte
}

func (s Signatures) tuple() signatures {
	t := signatures{
		Version: new(big.Int).SetUint64(s.Version), K: new(big.Int).SetUint64(uint64(s.K)),
		Members: addresses(s.Members), Signers: s.Signers, Signatures: s.Bytes,
	}
	if t.Signers == nil {
		t.Signers = new(big.Int)
	}
	return t
}

// Statement is a checkpoint that members of its set signed or, without
// signatures, one that is anchored.
type Statement struct {
	Checkpoint
	Signatures Signatures
}

// statement is the tuple of that name in AnchorLog.
type statement struct {
	Size       uint64
	Root       [32]byte
	Time       uint64
	Signatures signatures
}

func (s Statement) tuple() statement {
	return statement{Size: s.Size, Root: s.Root, Time: s.Time, Signatures: s.Signatures.tuple()}
}

// NewAnchorLog returns the creation code of an AnchorLog. The set is the founding
// one: its version must be 1.
func NewAnchorLog(logID [32]byte, founding Set) []byte {
	return anchorLog.create(logID, addresses(founding.Members), new(big.Int).SetUint64(uint64(founding.K)))
}

// PackSubmit returns the calldata that anchors a checkpoint. proof is the RFC 6962
// consistency proof from the contract's head, none for the first checkpoint: with
// another head the contract refuses it.
func PackSubmit(c Checkpoint, proof [][32]byte, s Signatures) []byte {
	return anchorLog.pack("submit", c.Size, c.Root, c.Time, hashes(proof), s.tuple())
}

// PackRotate returns the calldata that hands over to the next set, which signs the
// sizes from from on. list is what canon.MemberListHash returns for it; old is what
// K of the newest set signed (canon.RotationDigest).
func PackRotate(next Set, from uint64, list [32]byte, old Signatures) []byte {
	return anchorLog.pack("rotate", uint32(next.Version), new(big.Int).SetUint64(uint64(next.K)),
		addresses(next.Members), from, list, old.tuple())
}

// PackReport returns the calldata that freezes an AnchorLog: proof shows that the
// tree of b extends one of a.Size leaves with the root other, which is not a's. For
// two roots of one size other is b's root, and there is no proof.
func PackReport(a, b Statement, other [32]byte, proof [][32]byte) []byte {
	return anchorLog.pack("reportEquivocation", a.tuple(), b.tuple(), other, hashes(proof))
}

// PackHead returns the calldata of the view that UnpackHead reads.
func PackHead() []byte { return anchorLog.pack("head") }

// UnpackHead reads the newest checkpoint; it is zero before the first.
func UnpackHead(data []byte) (Checkpoint, error) {
	v, err := anchorLog.unpack("head", data)
	if err != nil {
		return Checkpoint{}, err
	}
	return Checkpoint{Size: v[0].(uint64), Root: v[1].([32]byte), Time: v[2].(uint64)}, nil
}

// PackRootAt returns the calldata of the view that returns the root anchored
// for a size as one word, zero where there is none.
func PackRootAt(size uint64) []byte { return anchorLog.pack("rootAt", size) }

// PackSizeReached returns the calldata of the view that returns True once a
// checkpoint of this size or a larger one is anchored.
func PackSizeReached(size uint64) []byte { return anchorLog.pack("reached", size) }

// PackLogID returns the calldata of the view that returns the log id as one
// word. RewardVault answers it too.
func PackLogID() []byte { return anchorLog.pack("logId") }

// PackSetHash returns the calldata of the view that returns the hash of the member
// set of a version as one word, zero where there is none.
func PackSetHash(version uint64) []byte {
	return anchorLog.pack("setHash", new(big.Int).SetUint64(version))
}

// PackFromOf returns the calldata of the view that returns, as one word, the first
// size that the member set of a version signs, zero where there is no such set.
func PackFromOf(version uint64) []byte {
	return anchorLog.pack("fromOf", new(big.Int).SetUint64(version))
}

// Newest is the newest member set of an AnchorLog, and whether that is frozen.
type Newest struct {
	Version uint64
	Hash    [32]byte
	From    uint64
	Frozen  bool
}

// PackNewest returns the calldata of the view that UnpackNewest reads.
func PackNewest() []byte { return anchorLog.pack("newest") }

// UnpackNewest reads the newest member set.
func UnpackNewest(data []byte) (Newest, error) {
	v, err := anchorLog.unpack("newest", data)
	if err != nil {
		return Newest{}, err
	}
	version := v[0].(*big.Int)
	if !version.IsUint64() || version.Sign() == 0 {
		return Newest{}, fmt.Errorf("result of newest: version %s; they count from 1", version)
	}
	return Newest{Version: version.Uint64(), Hash: v[1].([32]byte), From: v[2].(uint64), Frozen: v[3].(bool)}, nil
}

// HeadResult returns what the view of PackHead returns while this is the newest
// checkpoint.
func HeadResult(c Checkpoint) []byte {
	data, err := anchorLog.abi.Methods["head"].Outputs.Pack(c.Size, c.Root, c.Time)
	if err != nil {
		panic(fmt.Sprintf("pack a result of head: %v", err))
	}
	return data
}

// PackCheckpointDigest returns the calldata of the view that returns, as one
// word, what members of the set of a version sign for a checkpoint.
func PackCheckpointDigest(version uint64, c Checkpoint) []byte {
	return anchorLog.pack("digest", new(big.Int).SetUint64(version), c.Size, c.Root, c.Time)
}

// ParseAnchored reads an Anchored event from a log's topics and data.
func ParseAnchored(topics [][32]byte, data []byte) (Checkpoint, error) {
	if len(topics) != 2 || topics[0] != AnchoredTopic || len(data) != 64 {
		return Checkpoint{}, fmt.Errorf("not an Anchored event: %d topics, %d bytes", len(topics), len(data))
	}
	size, time := new(big.Int).SetBytes(topics[1][:]), new(big.Int).SetBytes(data[32:])
	if !size.IsUint64() || !time.IsUint64() {
		return Checkpoint{}, fmt.Errorf("an Anchored event out of range: %x %x", topics[1], data)
	}
	return Checkpoint{Size: size.Uint64(), Root: [32]byte(data[:32]), Time: time.Uint64()}, nil
}

// True returns what a view of type bool returns for true.
func True() []byte { return common.BigToHash(common.Big1).Bytes() }
