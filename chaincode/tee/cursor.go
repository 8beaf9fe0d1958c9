package tee

import "encoding/binary"

// cursor reads little-endian fields. After the first that is not all there, all
// further reads return zeros and short says so.
type cursor struct {
	b     []byte
	short bool
}

// take returns the next n bytes; they share memory with the input.
func (c *cursor) take(n int) []byte {
	if c.short || n > len(c.b) {
		c.short = true
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}

func (c *cursor) copy(into []byte) { copy(into, c.take(len(into))) }

func (c *cursor) u16() uint16 {
	if v := c.take(2); v != nil {
		return binary.LittleEndian.Uint16(v)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if v := c.take(4); v != nil {
		return binary.LittleEndian.Uint32(v)
	}
	return 0
}

// sized reads a four-byte length and as many bytes.
func (c *cursor) sized() []byte {
	n := c.u32()
	if uint64(n) > uint64(len(c.b)) {
		c.short = true
		return nil
	}
	return c.take(int(n))
}

// done says that all was there and nothing is left.
func (c *cursor) done() bool { return !c.short && len(c.b) == 0 }
