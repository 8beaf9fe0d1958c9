package vc

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// How many entries a status list may have. Below the least, which Bitstring Status
// List asks for, an entry would stand out.
const (
	MinEntries = 131072
	MaxEntries = 1 << 22
)

// Bits is the content of a status list, one bit for each entry; entry 0 is the most
// significant bit of the first byte. It is not safe for use by several goroutines
// while one of them sets a bit.
type Bits struct{ bytes []byte }

// NewBits returns a list of n entries, none of them set.
// Errors: fault.InvalidValue for a number that is no multiple of 8 between the limits.
func NewBits(n int) (*Bits, error) {
	if n < MinEntries || n > MaxEntries || n%8 != 0 {
		return nil, fault.New(fault.InvalidValue, "a status list of %d entries; %d to %d are taken, in steps of 8", n, MinEntries, MaxEntries)
	}
	return &Bits{make([]byte, n/8)}, nil
}

// Len is the number of entries.
func (b *Bits) Len() int { return 8 * len(b.bytes) }

// Set sets an entry. Errors: fault.InvalidValue for one beyond the list.
func (b *Bits) Set(i int) error {
	if i < 0 || i >= b.Len() {
		return fault.New(fault.InvalidValue, "entry %d of a status list of %d", i, b.Len())
	}
	b.bytes[i/8] |= 0x80 >> (i % 8)
	return nil
}

// Put sets an entry, or clears it. Errors: fault.InvalidValue for one beyond the list.
func (b *Bits) Put(i int, set bool) error {
	if err := b.Set(i); err != nil || set {
		return err
	}
	b.bytes[i/8] &^= 0x80 >> (i % 8)
	return nil
}

// Clone returns a copy.
func (b *Bits) Clone() *Bits { return &Bits{bytes.Clone(b.bytes)} }

// Has says whether an entry is set. Errors: fault.InvalidValue for one beyond the
// list.
func (b *Bits) Has(i int) (bool, error) {
	if i < 0 || i >= b.Len() {
		return false, fault.New(fault.InvalidValue, "entry %d of a status list of %d", i, b.Len())
	}
	return b.bytes[i/8]&(0x80>>(i%8)) != 0, nil
}

// Encode returns the form of encodedList: gzip, then multibase base64url.
func (b *Bits) Encode() string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b.bytes) // a bytes.Buffer takes everything
	_ = w.Close()
	return "u" + canon.B64(out.Bytes())
}

// DecodeBits reads the form of encodedList.
// Errors: fault.InvalidValue, also for a list whose length is beyond the limits.
func DecodeBits(encoded string) (*Bits, error) {
	if !strings.HasPrefix(encoded, "u") { // base58 of this length would take seconds
		return nil, fault.New(fault.InvalidValue, "encodedList is not multibase in base64url")
	}
	raw, err := unMultibase(encoded, maxSize)
	if err != nil {
		return nil, fault.New(fault.InvalidValue, "encodedList: %s", fault.Text(err))
	}
	in := bytes.NewReader(raw)
	r, err := gzip.NewReader(in)
	if err != nil {
		return nil, fault.New(fault.InvalidValue, "encodedList is not gzip: %v", err)
	}
	r.Multistream(false) // one list, and nothing behind it
	// A few bytes can expand to gigabytes: one byte beyond the limit is enough to know.
	list, err := io.ReadAll(io.LimitReader(r, MaxEntries/8+1))
	if err != nil {
		return nil, fault.New(fault.InvalidValue, "encodedList is not gzip: %v", err)
	}
	if 8*len(list) < MinEntries || 8*len(list) > MaxEntries {
		return nil, fault.New(fault.InvalidValue, "a status list of %d entries or more; %d to %d are taken", 8*len(list), MinEntries, MaxEntries)
	}
	if in.Len() > 0 {
		return nil, fault.New(fault.InvalidValue, "encodedList has data behind the list")
	}
	return &Bits{list}, nil
}
