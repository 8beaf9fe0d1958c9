package sealed

import (
	"crypto/ecdh"
	"encoding/binary"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

const (
	recordType = 0x70
	// MaxContent bounds the content of a record that goes into an enclave.
	MaxContent = 1 << 20
	// MaxPaths bounds the scope of a grant.
	MaxPaths = 32
	// MaxRecord bounds a sealed record.
	MaxRecord = MaxContent + 16<<10
)

// Record is what an owner lets into an enclave: the content of one version of a record
// and what the enclave has to know of it by the owner's word, not the host's.
type Record struct {
	Salt    [32]byte // with the content it gives the commitment
	Schema  string
	Scope   []string // of the grant; "/" is all
	Content []byte
}

// encode is the layout of docs/formats/enclave.md section 3. Errors: fault.TooLarge,
// fault.InvalidValue.
func (r *Record) encode() ([]byte, error) {
	if len(r.Content) > MaxContent {
		return nil, fault.New(fault.TooLarge, "%d bytes of content, an enclave takes %d", len(r.Content), MaxContent)
	}
	bad := len(r.Schema) > 255 || len(r.Scope) < 1 || len(r.Scope) > MaxPaths
	for _, path := range r.Scope {
		bad = bad || len(path) > 255
	}
	if bad {
		return nil, fault.New(fault.InvalidValue, "a schema or a scope that no grant has")
	}
	b := canon.NewRecord(recordType).Fixed(r.Salt[:]).Var8([]byte(r.Schema)).U8(uint8(len(r.Scope)))
	for _, path := range r.Scope {
		b.Var8([]byte(path))
	}
	return b.Var32(r.Content).Bytes(), nil
}

// decodeRecord reads the layout. Errors: fault.Malformed, fault.TrailingData.
func decodeRecord(data []byte) (*Record, error) {
	b := canon.OpenRecord(data, recordType)
	r := &Record{Salt: b.Hash(), Schema: string(b.Var8())}
	paths := int(b.U8())
	for range min(paths, MaxPaths) {
		r.Scope = append(r.Scope, string(b.Var8()))
	}
	r.Content = b.Var32()
	if err := b.Done(); err != nil {
		return nil, err
	}
	if paths < 1 || paths > MaxPaths || len(r.Content) > MaxContent {
		return nil, fault.New(fault.Malformed, "a record with %d paths and %d bytes of content", paths, len(r.Content))
	}
	return r, nil
}

func ofRecord(t *Task, record ledger.Reference, version uint32) []byte {
	return bound("killick.enclave.record.v1", t, binary.BigEndian.AppendUint32(reference(record), version))
}

// Seal seals the record to a key that an enclave made for the task. Whoever calls it has
// appraised the key's quote. Errors: fault.TooLarge, fault.InvalidValue.
func (r *Record) Seal(t *Task, key [32]byte, record ledger.Reference, version uint32) ([]byte, error) {
	plain, err := r.encode()
	if err != nil {
		return nil, err
	}
	return seal(key, ofRecord(t, record, version), plain)
}

// OpenRecord opens a sealed record. Errors: ErrNotOpened, fault.Malformed,
// fault.TrailingData.
func OpenRecord(t *Task, key *ecdh.PrivateKey, record ledger.Reference, version uint32, data []byte) (*Record, error) {
	plain, err := open(key, ofRecord(t, record, version), data)
	if err != nil {
		return nil, err
	}
	return decodeRecord(plain)
}

// Commitment is what the ledger has of the record.
func (r *Record) Commitment() [32]byte {
	return canon.Sum([]byte("killick.record.v1"), r.Salt[:], r.Content)
}
