package block

import (
	"errors"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

var (
	errWire = errors.New("not a protobuf message")
	errUTF8 = errors.New("string field is not UTF-8")
)

// value is one field of a message as it stands on the wire.
type value struct {
	typ protowire.Type
	b   []byte // content when typ is BytesType; shares memory with the message
	u   uint64 // content when typ is VarintType
}

func (v value) isBytes() bool  { return v.typ == protowire.BytesType }
func (v value) isVarint() bool { return v.typ == protowire.VarintType }

// walk calls visit for each field of msg in order. It accepts exactly the
// messages whose framing proto.Unmarshal accepts, groups included.
func walk(msg []byte, visit func(protowire.Number, value) error) error {
	for len(msg) > 0 {
		num, typ, n := protowire.ConsumeTag(msg)
		if n < 0 || num > protowire.MaxValidNumber {
			return errWire
		}
		msg = msg[n:]
		v := value{typ: typ}
		switch typ {
		case protowire.VarintType:
			v.u, n = protowire.ConsumeVarint(msg)
		case protowire.BytesType:
			v.b, n = protowire.ConsumeBytes(msg)
		default:
			n = protowire.ConsumeFieldValue(num, typ, msg)
		}
		if n < 0 {
			return errWire
		}
		msg = msg[n:]
		if err := visit(num, v); err != nil {
			return err
		}
	}
	return nil
}

// sink says where a field of an envelope's message goes. Repeated calls follow
// proto3: the last scalar wins, embedded messages merge.
type sink map[protowire.Number]func(value) error

// into sends the fields of msg to their sinks. Fields without one, and fields of
// another wire type (which their sink ignores), are skipped as Fabric skips them.
func into(msg []byte, s sink) error {
	return walk(msg, func(num protowire.Number, v value) error {
		if f := s[num]; f != nil {
			return f(v)
		}
		return nil
	})
}

func toBytes(p *[]byte) func(value) error {
	return func(v value) error {
		if v.isBytes() {
			*p = v.b
		}
		return nil
	}
}

func toString(p *string) func(value) error {
	return func(v value) error {
		if !v.isBytes() {
			return nil
		}
		if !utf8.Valid(v.b) {
			return errUTF8
		}
		*p = string(v.b)
		return nil
	}
}

func toNumber[T int32 | uint32 | uint64](p *T) func(value) error {
	return func(v value) error {
		if v.isVarint() {
			*p = T(v.u)
		}
		return nil
	}
}

func toBool(p *bool) func(value) error {
	return func(v value) error {
		if v.isVarint() {
			*p = protowire.DecodeBool(v.u)
		}
		return nil
	}
}

// toList collects a repeated field of bytes or messages.
func toList(p *[][]byte) func(value) error {
	return func(v value) error {
		if v.isBytes() {
			*p = append(*p, v.b)
		}
		return nil
	}
}

// each visits the messages of a repeated field one after the other: a list of them would
// take many times their room on the wire.
func each(msg []byte, field protowire.Number, visit func([]byte) error) error {
	return into(msg, sink{field: func(v value) error {
		if !v.isBytes() {
			return nil
		}
		return visit(v.b)
	}})
}

// room makes room in out for what is made of each message of a repeated field.
func room[T any](out []T, msg []byte, field protowire.Number) []T {
	n := 0
	_ = each(msg, field, func([]byte) error { n++; return nil }) // what is wrong comes up when it is decoded
	return slices.Grow(out, n)
}

// toText is toBytes of a string.
func toText(p *[]byte) func(value) error {
	return func(v value) error {
		if v.isBytes() && !utf8.Valid(v.b) {
			return errUTF8
		}
		return toBytes(p)(v)
	}
}

// toMessage decodes an embedded message; the sinks are shared by all its
// occurrences, which is how they merge. seen, if not nil, is set.
func toMessage(seen *bool, s sink) func(value) error {
	return func(v value) error {
		if !v.isBytes() {
			return nil
		}
		if seen != nil {
			*seen = true
		}
		return into(v.b, s)
	}
}
