package block

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// DecodeStored reads one block as a peer stores it in its block files, and checks it as
// Decode does. There it is no protobuf message but a sequence of varints and of bytes
// behind their length: number, data hash, previous hash, count of envelopes and the
// envelopes, count of metadata slots and the slots.
func DecodeStored(raw []byte) (*Block, error) {
	r := reader{rest: raw}
	number, data, prev := r.varint(), r.bytes(), r.bytes()
	envelopes, more := r.list(mostEnvelopes(len(raw)))
	slots, _ := r.list(maxSlots)
	if more || r.short || len(r.rest) > 0 {
		return nil, fmt.Errorf("block: not the form in which a peer stores blocks")
	}
	b := &Block{}
	if err := b.setHeader(number, prev, data); err != nil {
		return nil, fmt.Errorf("block header: %w", err)
	}
	if err := b.content(envelopes, slots); err != nil {
		return nil, err
	}
	return b, nil
}

// reader takes values off the front of rest; short is set once one is not there.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) varint() uint64 {
	v, n := protowire.ConsumeVarint(r.rest)
	if n < 0 {
		r.short = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) bytes() []byte {
	b, n := protowire.ConsumeBytes(r.rest)
	if n < 0 {
		r.short = true
		return nil
	}
	r.rest = r.rest[n:]
	return b
}

// list takes off a list, of which it returns at most so many, and whether there are more.
func (r *reader) list(most int) (out [][]byte, more bool) {
	// A count that is a lie ends with the first value that is not there.
	for n := r.varint(); n > 0 && !r.short; n-- {
		b := r.bytes()
		if more = len(out) == most; !more {
			out = append(out, b)
		}
	}
	return out, more
}
