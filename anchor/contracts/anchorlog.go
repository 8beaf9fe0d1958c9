package contracts

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
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

// Signatures are what members of a set signed. Members is the whole set in
// ascending order, bit i of Signers says that Members[i] signed, and Bytes
// holds r || s || v of each signer, 65 bytes, in ascending order.
type Signatures struct {
	Members [][20]byte
	Signers *big.Int
	Bytes   []byte
}

// NewAnchorLog returns the creation code of an AnchorLog. Members must be
// strictly ascending; k of them anchor a checkpoint.
func NewAnchorLog(logID [32]byte, members [][20]byte, k uint) []byte {
	return anchorLog.create(logID, addresses(members), new(big.Int).SetUint64(uint64(k)))
}

// PackSubmit returns the calldata that anchors a checkpoint.
func PackSubmit(c Checkpoint, s Signatures) []byte {
	return anchorLog.pack("submit", c.Size, c.Root, c.Time, addresses(s.Members), s.Signers, s.Bytes)
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

// PackMembersHash returns the calldata of the view that returns the hash of the
// member set as one word. RewardVault answers it too.
func PackMembersHash() []byte { return anchorLog.pack("membersHash") }

// PackCheckpointDigest returns the calldata of the view that returns, as one
// word, what members sign for a checkpoint.
func PackCheckpointDigest(c Checkpoint) []byte {
	return anchorLog.pack("digest", c.Size, c.Root, c.Time)
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
