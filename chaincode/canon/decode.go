package canon

import (
	"encoding"
	"reflect"
	"strconv"

	"github.com/killick-ledger/killick/chaincode/fault"
)

// value reads a value into v, which has the shape.
func (d *decoder) value(s *shape, v reflect.Value) error {
	c := d.peek()
	if s.kind == rawShape {
		start := d.at
		if err := d.skip(); err != nil {
			return err
		}
		v.SetBytes(d.data[start:d.at:d.at])
		return nil
	}
	if s.kind == pointerShape {
		if v.IsNil() {
			v.Set(reflect.New(s.elem.typ))
		}
		return d.value(s.elem, v.Elem())
	}
	switch {
	case c == '{' && s.kind == structShape:
		_, err := d.object(s, v)
		return err
	case c == '[' && s.kind == sliceShape:
		return d.array(s, v)
	case c == '"' && (s.kind == stringShape || s.kind == textShape):
		return d.string(s, v)
	case (c == '-' || c >= '0' && c <= '9') && (s.kind == intShape || s.kind == uintShape):
		return d.integer(s, v)
	case (c == 't' || c == 'f') && s.kind == boolShape:
		v.SetBool(c == 't')
		return d.skip()
	}
	return d.mismatch(s, c)
}

// mismatch refuses a value of the wrong type, or what is wrong within it if that
// comes first: a string or number is compared after it was read, and so is an
// object or array in place of one of those.
func (d *decoder) mismatch(s *shape, c byte) error {
	token := s.kind == structShape || s.kind == sliceShape || s.kind == boolShape
	if !token || c != '{' && c != '[' {
		if err := d.skip(); err != nil {
			return err
		}
	}
	return refuse(fault.WrongType)
}

func (d *decoder) string(s *shape, v reflect.Value) error {
	start, end, unescaped, err := d.quoted()
	if err != nil {
		return err
	}
	if s.kind == stringShape {
		v.SetString(d.keep(start, end, unescaped))
		return nil
	}
	if unescaped == nil {
		unescaped = d.data[start:end:end]
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText(unescaped); err != nil {
		if _, ok := err.(*fault.Error); ok {
			return err
		}
		return refuse(fault.WrongType)
	}
	return nil
}

func (d *decoder) integer(s *shape, v reflect.Value) error {
	minus := d.data[d.at] == '-'
	_, magnitude, err := d.number()
	switch {
	case err != nil:
		return err
	case s.kind == intShape:
		n := int64(magnitude)
		if minus {
			n = -n
		}
		if v.OverflowInt(n) {
			return refuse(fault.NumberRange)
		}
		v.SetInt(n)
	default:
		if minus || v.OverflowUint(magnitude) {
			return refuse(fault.NumberRange)
		}
		v.SetUint(magnitude)
	}
	return nil
}

func (d *decoder) array(s *shape, v reflect.Value) error {
	if err := d.enter(); err != nil {
		return err
	}
	v.Set(reflect.MakeSlice(s.typ, 0, 0))
	for i := 0; ; i++ {
		more, err := d.more(i == 0, ']')
		if !more || err != nil {
			return err
		}
		v.Grow(1)
		v.SetLen(i + 1)
		if err := d.value(s.elem, v.Index(i)); err != nil {
			return within(err, strconv.Itoa(i))
		}
	}
}

// object reads a struct and returns the set of its fields that were there.
func (d *decoder) object(s *shape, v reflect.Value) (seen uint64, err error) {
	if err := d.enter(); err != nil {
		return 0, err
	}
	next := 0
	for first := true; ; first = false {
		more, err := d.more(first, '}')
		if !more || err != nil {
			return seen, err
		}
		if d.peek() != '"' {
			if err := d.skip(); err != nil { // what is wrong within it comes first
				return 0, err
			}
			return 0, refuse(fault.Malformed)
		}
		name, escaped, err := d.name()
		if err != nil {
			return 0, err
		}
		i := s.find(name, next)
		switch {
		case i < 0:
			err = refuse(fault.UnknownField)
		case seen&(1<<i) != 0:
			err = refuse(fault.DuplicateKey)
		default:
			err = d.colon(escaped)
		}
		if err == nil {
			f := &s.fields[i]
			err = d.value(f.shape, v.Field(f.index))
		}
		if err != nil {
			return 0, within(err, string(name))
		}
		seen |= 1 << i
		next = i + 1
	}
}
