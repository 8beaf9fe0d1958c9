package node

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/killick-ledger/killick/anchor/tronnode/tvm"
)

const (
	blockVersion  = 31
	maxBlockBytes = 2_000_000
	// genesisWitness stands in the genesis block where java-tron has a sentence
	// too; it makes the ids of this network differ from those of any other.
	genesisWitness = "killick tron test network"
)

var deterministic = proto.MarshalOptions{Deterministic: true}

// marshal encodes a message of Tron's API, none of which can fail to encode.
func marshal(m proto.Message) []byte {
	b, err := deterministic.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", m, err))
	}
	return b
}

// blockID is the block's number in 8 bytes followed by bytes 8 to 31 of the
// SHA-256 of its raw header.
func blockID(raw *core.BlockHeaderRaw) common.Hash {
	id := sha256.Sum256(marshal(raw))
	binary.BigEndian.PutUint64(id[:8], uint64(raw.GetNumber()))
	return id
}

// merkleRoot is java-tron's tree over the SHA-256 of whole transactions: the odd
// node out moves up unchanged; no transactions have the zero hash.
func merkleRoot(txs []*core.Transaction) []byte {
	if len(txs) == 0 {
		return make([]byte, 32)
	}
	level := make([][32]byte, len(txs))
	for i, tx := range txs {
		level[i] = sha256.Sum256(marshal(tx))
	}
	for len(level) > 1 {
		up := level[:0:0]
		for i := 0; i < len(level); i += 2 {
			if i+1 == len(level) {
				up = append(up, level[i])
				break
			}
			up = append(up, sha256.Sum256(append(level[i][:], level[i+1][:]...)))
		}
		level = up
	}
	return level[0][:]
}

// seal makes a block of transactions on top of parent, signed by the producer
// whose turn it is.
func (c *Chain) seal(number uint64, parent common.Hash, time int64, txs []*core.Transaction) (*core.Block, error) {
	by := witnesses[c.turn(time)]
	raw := &core.BlockHeaderRaw{
		Number:         int64(number),
		ParentHash:     parent[:],
		Timestamp:      time,
		TxTrieRoot:     merkleRoot(txs),
		WitnessAddress: wire(by.address),
		Version:        blockVersion,
	}
	digest := sha256.Sum256(marshal(raw))
	sig, err := crypto.Sign(digest[:], by.key)
	if err != nil {
		return nil, fmt.Errorf("sign block %d: %w", number, err)
	}
	return &core.Block{
		Transactions: txs,
		BlockHeader:  &core.BlockHeader{RawData: raw, WitnessSignature: sig},
	}, nil
}

// genesis makes block 0, which depends on the allocation alone.
func genesis(alloc map[common.Address]uint64) *core.Block {
	var txs []*core.Transaction
	for _, addr := range sortedAddresses(alloc) {
		param, err := anypb.New(&core.TransferContract{
			OwnerAddress: []byte("0x000000000000000000000"), // as in java-tron
			ToAddress:    wire(addr),
			Amount:       int64(alloc[addr]),
		})
		if err != nil {
			panic(err) // encoding a fixed message
		}
		txs = append(txs, &core.Transaction{RawData: &core.TransactionRaw{
			Contract: []*core.Transaction_Contract{{
				Type: core.Transaction_Contract_TransferContract, Parameter: param,
			}},
		}})
	}
	return &core.Block{
		Transactions: txs,
		BlockHeader: &core.BlockHeader{RawData: &core.BlockHeaderRaw{
			ParentHash:     make([]byte, 32),
			TxTrieRoot:     merkleRoot(txs),
			WitnessAddress: []byte(genesisWitness),
		}},
	}
}

func sortedAddresses(m map[common.Address]uint64) []common.Address {
	out := make([]common.Address, 0, len(m))
	for a := range m {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b common.Address) int { return bytes.Compare(a[:], b[:]) })
	return out
}

// wire returns an address as Tron's API writes it: 21 bytes.
func wire(a common.Address) []byte { return append([]byte{tvm.AddressPrefix}, a[:]...) }

// unwire reads an address of 21 bytes.
func unwire(b []byte) (common.Address, error) {
	if len(b) != 21 || b[0] != tvm.AddressPrefix {
		return common.Address{}, fmt.Errorf("invalid address %x", b)
	}
	return common.Address(b[1:]), nil
}
