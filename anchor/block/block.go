// Package block decodes and checks Hyperledger Fabric blocks from their bytes,
// on protobuf's wire format alone. It is pure and needs nothing of Fabric, so
// that the auditor's program can link it.
//
// Two kinds of strictness, both deliberate. The frame of a block (header, list
// of envelopes, metadata) comes from the reader's own peer: an unknown field, a
// repeated one, a wrong length or a data hash that does not match is an error.
// What lies inside an envelope was chosen by a client, and Fabric commits it
// with a validation code whatever it is: there protobuf's own rules hold (unknown
// fields skipped, the last scalar wins, embedded messages merge), because a
// decoder that is stricter than Fabric could be stopped by any client. A
// transaction that is marked valid must decode to the last byte that matters, or
// the block is refused.
package block

import (
	"crypto/sha256"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"math/big"

	"google.golang.org/protobuf/encoding/protowire"
)

// Header types of envelopes, as in Fabric's common.HeaderType.
const (
	TypeConfig      = 1
	TypeEndorser    = 3
	TypeUndecodable = 255 // stands for an envelope without a readable type
)

// CodeValid is the validation code of a transaction that took effect.
const CodeValid = 0

// Metadata slots, as in Fabric's common.BlockMetadataIndex.
const (
	slotSignatures = 0
	slotFilter     = 2
	slotCommitHash = 4
)

// Block is a decoded Fabric block whose data hash has been checked. Byte slices
// share memory with the input.
type Block struct {
	Number     uint64
	PrevHash   []byte   // 32 bytes; empty in block 0
	DataHash   [32]byte // of the header, equal to that of the data
	Header     []byte   // the header as Fabric hashes and orderers sign it: ASN.1 DER
	HeaderHash [32]byte // SHA-256(Header)
	Filter     []byte   // one validation code for each transaction
	CommitHash []byte   // 32 bytes, or nil when the peer has none
	Orderers   Attestation
	Txs        []Tx
}

// Attestation is what orderers signed: for each signature
// Value || its header || Block.Header.
type Attestation struct {
	Value      []byte
	Signatures []Signature
}

// Signature is one orderer's signature of a block. BFT orderers name themselves
// by Identifier, crash-tolerant ones by Creator; Signed is the header bytes that
// the signature covers.
type Signature struct {
	Identifier uint32 // consenter id; meaningful when ByID
	ByID       bool
	Creator    []byte // serialized identity; empty when ByID
	Signed     []byte
	Bytes      []byte
}

// Tx is one transaction of a block.
type Tx struct {
	Index    int
	ID       string // 64 hex digits; empty when the envelope states none
	Type     int32  // TypeConfig, TypeEndorser, another, or TypeUndecodable
	Code     uint8  // validation code; CodeValid took effect
	Envelope []byte
	Creator  []byte // serialized identity of the submitter
	Nonce    []byte

	// Chaincode, Args and Response are the endorsed call: the chaincode called,
	// its arguments (function name first) and the payload it answered. They are
	// also filled for an invalid transaction, as far as it decodes.
	Chaincode string
	Args      [][]byte
	Response  []byte

	// Writes are the effects, in the order of the read-write set; nil unless the
	// transaction is valid.
	Writes []Write
}

// Decode reads one block as a peer delivers it and checks its data hash.
func Decode(raw []byte) (*Block, error) {
	var parts [3][]byte // header, data, metadata
	if err := frame(raw, parts[:]); err != nil {
		return nil, fmt.Errorf("block: %w", err)
	}
	b := &Block{}
	if err := b.header(parts[0]); err != nil {
		return nil, fmt.Errorf("block header: %w", err)
	}
	envelopes, err := list(parts[1], mostEnvelopes(len(parts[1])))
	if err != nil {
		return nil, fmt.Errorf("block %d: data: %w", b.Number, err)
	}
	slots, err := slots(parts[2])
	if err != nil {
		return nil, fmt.Errorf("block %d: metadata: %w", b.Number, err)
	}
	if err := b.content(envelopes, slots); err != nil {
		return nil, err
	}
	return b, nil
}

// content checks and decodes what the header stands for.
func (b *Block) content(envelopes, slots [][]byte) error {
	if len(envelopes) == 0 {
		return fmt.Errorf("block %d: no transactions", b.Number)
	}
	h := sha256.New()
	for _, e := range envelopes {
		h.Write(e)
	}
	if sum := [32]byte(h.Sum(nil)); sum != b.DataHash {
		return fmt.Errorf("block %d: data hash is %x, that of the header is %x", b.Number, sum, b.DataHash)
	}
	if err := b.metadata(slots, len(envelopes)); err != nil {
		return fmt.Errorf("block %d: metadata: %w", b.Number, err)
	}
	b.Txs = make([]Tx, len(envelopes))
	for i, e := range envelopes {
		b.Txs[i] = Tx{Index: i, Code: b.Filter[i], Envelope: e}
		if err := b.Txs[i].decode(); err != nil {
			return fmt.Errorf("block %d: valid transaction %d: %w", b.Number, i, err)
		}
	}
	return nil
}

// Find returns the transaction with the id, the valid one if several state it.
func (b *Block) Find(id string) (*Tx, bool) {
	var found *Tx
	for i := range b.Txs {
		if t := &b.Txs[i]; t.ID == id && id != "" && (found == nil || found.Code != CodeValid) {
			found = t
		}
	}
	return found, found != nil
}

func (b *Block) header(msg []byte) error {
	var number uint64
	var hashes [2][]byte
	seen := 0
	err := walk(msg, func(num protowire.Number, v value) error {
		if int(num) <= seen {
			return fmt.Errorf("field %d out of order", num)
		}
		seen = int(num)
		switch {
		case num == 1 && v.isVarint():
			number = v.u
		case (num == 2 || num == 3) && v.isBytes():
			hashes[num-2] = v.b
		default:
			return fmt.Errorf("unexpected field %d", num)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return b.setHeader(number, hashes[0], hashes[1])
}

func (b *Block) setHeader(number uint64, prev, data []byte) error {
	wantPrev := 32
	if number == 0 {
		wantPrev = 0
	}
	if len(prev) != wantPrev || len(data) != 32 {
		return fmt.Errorf("hashes of %d and %d bytes", len(prev), len(data))
	}
	b.Number, b.PrevHash, b.DataHash = number, prev, [32]byte(data)
	b.Header = headerDER(number, prev, data)
	b.HeaderHash = sha256.Sum256(b.Header)
	return nil
}

// headerDER is the form in which Fabric hashes headers
// (protoutil.BlockHeaderBytes).
func headerDER(number uint64, prev, data []byte) []byte {
	if prev == nil {
		prev = []byte{}
	}
	der, err := asn1.Marshal(struct {
		Number   *big.Int
		PrevHash []byte
		DataHash []byte
	}{new(big.Int).SetUint64(number), prev, data})
	if err != nil {
		panic("block: header does not encode: " + err.Error()) // three encodable types
	}
	return der
}

func (b *Block) metadata(slots [][]byte, txs int) error {
	if len(slots) <= slotFilter {
		return fmt.Errorf("%d slots, no validation codes", len(slots))
	}
	b.Filter = slots[slotFilter]
	if b.Number == 0 && len(b.Filter) == 0 {
		// As orderers and configtxgen hand out the genesis block; peers store zeros.
		b.Filter = make([]byte, txs)
	}
	if len(b.Filter) != txs {
		return fmt.Errorf("%d validation codes for %d transactions", len(b.Filter), txs)
	}
	if len(slots) > slotCommitHash && len(slots[slotCommitHash]) > 0 {
		if err := into(slots[slotCommitHash], sink{1: toBytes(&b.CommitHash)}); err != nil {
			return fmt.Errorf("commit hash: %w", err)
		}
		if len(b.CommitHash) != 32 {
			return fmt.Errorf("commit hash of %d bytes", len(b.CommitHash))
		}
	}
	if err := b.Orderers.decode(slots[slotSignatures]); err != nil {
		return fmt.Errorf("orderer signatures: %w", err)
	}
	return nil
}

func (a *Attestation) decode(msg []byte) error {
	var signatures [][]byte
	if err := into(msg, sink{1: toBytes(&a.Value), 2: toList(&signatures)}); err != nil {
		return err
	}
	for _, m := range signatures {
		var s Signature
		var header, identifier []byte
		err := into(m, sink{1: toBytes(&header), 2: toBytes(&s.Bytes), 3: toBytes(&identifier)})
		if err != nil {
			return err
		}
		if len(header) == 0 && len(identifier) > 0 {
			s.ByID, s.Signed = true, identifier
			err = into(identifier, sink{1: func(v value) error {
				if v.isVarint() {
					s.Identifier = uint32(v.u)
				}
				return nil
			}})
		} else {
			s.Signed = header
			err = into(header, sink{1: toBytes(&s.Creator)})
		}
		if err != nil {
			return err
		}
		a.Signatures = append(a.Signatures, s)
	}
	return nil
}

// frame splits a message of length-delimited fields 1 to len(parts), each at most
// once and in order.
func frame(msg []byte, parts [][]byte) error {
	seen := 0
	return walk(msg, func(num protowire.Number, v value) error {
		if int(num) <= seen || int(num) > len(parts) || !v.isBytes() {
			return fmt.Errorf("unexpected field %d", num)
		}
		seen = int(num)
		parts[num-1] = v.b
		return nil
	})
}

// maxSlots bounds the metadata slots of a block that are kept. Fabric has five; nobody signs
// how many there are, and peers take and store what an orderer has put behind them
// (protoutil.InitBlockMetadata), so it must stop no reader.
const maxSlots = 16

// slots reads a BlockMetadata.
func slots(msg []byte) (out [][]byte, err error) {
	err = walk(msg, func(num protowire.Number, v value) error {
		if num != 1 || !v.isBytes() {
			return fmt.Errorf("unexpected field %d", num)
		}
		if len(out) < maxSlots {
			out = append(out, v.b)
		}
		return nil
	})
	return out, err
}

// mostEnvelopes bounds how many envelopes are taken from so many bytes: what is made of
// each takes some hundred bytes of memory, and none that orderers take is shorter than 6
// bytes (Fabric's VerifyTransactionsAreWellFormed), besides a byte for its length. Small
// blocks of tests may have shorter ones.
func mostEnvelopes(size int) int { return 16 + size/7 }

// list reads a message that is nothing but repeated bytes under field 1, at most so many.
func list(msg []byte, most int) ([][]byte, error) {
	var out [][]byte
	err := walk(msg, func(num protowire.Number, v value) error {
		if num != 1 || !v.isBytes() {
			return fmt.Errorf("unexpected field %d", num)
		}
		if len(out) == most {
			return fmt.Errorf("more than %d items", most)
		}
		out = append(out, v.b)
		return nil
	})
	return out, err
}

// isID reports whether s is a transaction id as Fabric writes it.
func isID(s string) bool {
	if len(s) != 64 {
		return false
	}
	b, err := hex.DecodeString(s)
	return err == nil && hex.EncodeToString(b) == s
}
