package canon

import (
	"encoding/binary"

	"github.com/killick-ledger/killick/chaincode/fault"
)

// recordVersion begins every fixed-layout record.
const recordVersion = 1

// Record builds a fixed-layout binary record: version, type, fields in order,
// integers big-endian. The zero value is not usable; begin with NewRecord.
type Record struct{ b []byte }

// NewRecord begins a record of the type.
func NewRecord(typ byte) *Record {
	return &Record{b: append(make([]byte, 0, 128), recordVersion, typ)}
}

// U8 appends one byte.
func (r *Record) U8(v uint8) *Record { r.b = append(r.b, v); return r }

// U16 appends two bytes.
func (r *Record) U16(v uint16) *Record { r.b = binary.BigEndian.AppendUint16(r.b, v); return r }

// U32 appends four bytes.
func (r *Record) U32(v uint32) *Record { r.b = binary.BigEndian.AppendUint32(r.b, v); return r }

// U64 appends eight bytes.
func (r *Record) U64(v uint64) *Record { r.b = binary.BigEndian.AppendUint64(r.b, v); return r }

// Fixed appends b as it is; its length is part of the layout.
func (r *Record) Fixed(b []byte) *Record { r.b = append(r.b, b...); return r }

// Var8 appends a one-byte length and b. It panics when b is longer than 255
// bytes: callers check lengths before they build records.
func (r *Record) Var8(b []byte) *Record {
	if len(b) > 0xff {
		panic("canon: field longer than 255 bytes")
	}
	r.b = append(r.b, byte(len(b)))
	r.b = append(r.b, b...)
	return r
}

// Var16 appends a two-byte length and b. It panics when b is longer than 65,535
// bytes.
func (r *Record) Var16(b []byte) *Record {
	if len(b) > 0xffff {
		panic("canon: field longer than 65535 bytes")
	}
	r.U16(uint16(len(b)))
	r.b = append(r.b, b...)
	return r
}

// Var32 appends a four-byte length and b.
func (r *Record) Var32(b []byte) *Record {
	r.U32(uint32(len(b)))
	r.b = append(r.b, b...)
	return r
}

// Bytes returns the record.
func (r *Record) Bytes() []byte { return r.b }

// Reader reads a record field by field. After the first short field all further
// reads return zero values; Done reports it.
type Reader struct {
	b   []byte
	bad bool
}

// OpenRecord begins reading a record of the type.
func OpenRecord(data []byte, typ byte) *Reader {
	r := &Reader{b: data}
	if r.U8() != recordVersion || r.U8() != typ {
		r.bad = true
	}
	return r
}

func (r *Reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

// U8 reads one byte.
func (r *Reader) U8() uint8 {
	if v := r.take(1); v != nil {
		return v[0]
	}
	return 0
}

// U16 reads two bytes.
func (r *Reader) U16() uint16 {
	if v := r.take(2); v != nil {
		return binary.BigEndian.Uint16(v)
	}
	return 0
}

// U32 reads four bytes.
func (r *Reader) U32() uint32 {
	if v := r.take(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

// U64 reads eight bytes.
func (r *Reader) U64() uint64 {
	if v := r.take(8); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

// Fixed reads n bytes; the result shares memory with the record.
func (r *Reader) Fixed(n int) []byte { return r.take(n) }

// Hash reads 32 bytes.
func (r *Reader) Hash() (h [32]byte) {
	copy(h[:], r.take(32))
	return h
}

// Var8 reads a field with a one-byte length.
func (r *Reader) Var8() []byte { return r.take(int(r.U8())) }

// Var16 reads a field with a two-byte length.
func (r *Reader) Var16() []byte { return r.take(int(r.U16())) }

// Var32 reads a field with a four-byte length.
func (r *Reader) Var32() []byte { return r.take(int(r.U32())) }

// Rest reads all that is left.
func (r *Reader) Rest() []byte { return r.take(len(r.b)) }

// Done reports a record that was too short, of another version or type, or that
// has bytes left. Errors: fault.Malformed, fault.TrailingData.
func (r *Reader) Done() error {
	if r.bad {
		return fault.New(fault.Malformed, "record is too short or of another type")
	}
	if len(r.b) != 0 {
		return fault.New(fault.TrailingData, "%d bytes after the record", len(r.b))
	}
	return nil
}
