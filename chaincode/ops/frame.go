package ops

import (
	"encoding/binary"

	"github.com/killick-ledger/killick/chaincode/fault"
)

// Limits of a batch, docs/formats/operation.md section 2.
const (
	MaxItems = 1000
	MaxFrame = 4 << 20
)

// EncodeFrame returns the argument of ops:Batch. Errors: fault.TooLarge,
// fault.InvalidValue when there is nothing to send.
func EncodeFrame(items []Item) ([]byte, error) {
	if len(items) == 0 {
		return nil, fault.New(fault.InvalidValue, "a batch has at least one item")
	}
	if len(items) > MaxItems {
		return nil, fault.New(fault.TooLarge, "%d items, a batch has at most %d", len(items), MaxItems)
	}
	size := 4
	for _, i := range items {
		size += i.frameSize()
	}
	if size > MaxFrame {
		return nil, fault.New(fault.TooLarge, "%d bytes, a batch has at most %d", size, MaxFrame)
	}
	b := append(make([]byte, 0, size), 1, 1)
	b = binary.BigEndian.AppendUint16(b, uint16(len(items)))
	for _, i := range items {
		if len(i.Header) > 0xffff || len(i.Signature) > 0xffff {
			return nil, fault.New(fault.TooLarge, "a header or signature of more than 65535 bytes")
		}
		b = binary.BigEndian.AppendUint16(b, uint16(len(i.Header)))
		b = append(b, i.Header...)
		b = binary.BigEndian.AppendUint32(b, uint32(len(i.Payload)))
		b = append(b, i.Payload...)
		b = binary.BigEndian.AppendUint16(b, uint16(len(i.Signature)))
		b = append(b, i.Signature...)
	}
	return b, nil
}

func (i Item) frameSize() int { return 8 + len(i.Header) + len(i.Payload) + len(i.Signature) }

// DecodeFrame reads the argument of ops:Batch. The items share its memory.
// Errors: fault.TooLarge, fault.Malformed, fault.TrailingData.
func DecodeFrame(b []byte) ([]Item, error) {
	if len(b) > MaxFrame {
		return nil, fault.New(fault.TooLarge, "%d bytes, a batch has at most %d", len(b), MaxFrame)
	}
	if len(b) < 4 || b[0] != 1 || b[1] != 1 {
		return nil, fault.New(fault.Malformed, "a batch begins with 01 01 and the number of items")
	}
	count := int(binary.BigEndian.Uint16(b[2:]))
	if count < 1 || count > MaxItems {
		return nil, fault.New(fault.Malformed, "%d items, a batch has 1 to %d", count, MaxItems)
	}
	b = b[4:]
	items := make([]Item, count)
	for i := range items {
		ok := take(&b, 2, &items[i].Header) && take(&b, 4, &items[i].Payload) && take(&b, 2, &items[i].Signature)
		if !ok {
			return nil, fault.New(fault.Malformed, "the frame ends within item %d", i)
		}
	}
	if len(b) != 0 {
		return nil, fault.New(fault.TrailingData, "%d bytes after the last item", len(b))
	}
	return items, nil
}

// take reads a field whose length stands before it in the given number of
// bytes.
func take(b *[]byte, lengthBytes int, field *[]byte) bool {
	if len(*b) < lengthBytes {
		return false
	}
	n := 0
	for _, c := range (*b)[:lengthBytes] {
		n = n<<8 | int(c)
	}
	rest := (*b)[lengthBytes:]
	if n > len(rest) {
		return false
	}
	*field, *b = rest[:n:n], rest[n:]
	return true
}
