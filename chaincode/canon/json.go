package canon

import (
	"bytes"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/chaincode/fault"
)

const (
	maxDepth   = 16
	maxInteger = 1<<53 - 1
)

// Decode reads one JSON object or array into v under the strict rules of
// docs/formats/operation.md section 1; the required names must be members of the
// outermost object. Strings and jsontext.Values in v share memory with one copy
// of data, and with data. Errors: fault.Malformed, DuplicateKey, TrailingData,
// UnknownField, WrongType, NumberRange, MissingField, and those of types that
// read their own text.
func Decode(data []byte, v any, required ...string) error {
	target := reflect.ValueOf(v).Elem()
	s := shapeOf(target.Type())
	d := decoder{data: data}
	seen, err := d.whole(s, target)
	if err != nil {
		return explain(data, d.at, err)
	}
	for _, name := range required {
		if i := s.find([]byte(name), 0); i < 0 || seen&(1<<i) == 0 {
			return fault.New(fault.MissingField, "%s is missing", name)
		}
	}
	return nil
}

// whole reads the value and wants nothing behind it.
func (d *decoder) whole(s *shape, v reflect.Value) (seen uint64, err error) {
	switch c := d.peek(); {
	case c != '{' && c != '[':
		err = d.mismatch(s, c)
	case c == '{' && s.kind == structShape:
		seen, err = d.object(s, v)
	default:
		err = d.value(s, v)
	}
	if err == nil && d.at != len(d.data) {
		err = refuse(fault.TrailingData)
	}
	return seen, err
}

// explain says what is wrong with data that was refused at a byte. What scan
// finds, wherever it stands, is said before anything else.
func explain(data []byte, at int, err error) error {
	if err := scan(data); err != nil {
		return err
	}
	r, ok := err.(*refusal)
	if !ok {
		return err // a type that reads its own text knows better what is wrong with it
	}
	switch r.code {
	case fault.DuplicateKey:
		return fault.New(r.code, "member %.80q occurs twice", r.pointer)
	case fault.UnknownField:
		return fault.New(r.code, "member %.80q is not known here", r.pointer)
	case fault.WrongType:
		return fault.New(r.code, "member %.80q has the wrong type", r.pointer)
	case fault.NumberRange:
		return fault.New(r.code, "the number of member %.80q is negative, or too large for it", r.pointer)
	}
	return fault.New(fault.Malformed, "not JSON at byte %d", at)
}

// scan looks only for depth, numbers that are not exact integers, null (no
// format of ours has it), names written with escapes (one name has one
// spelling), and anything after the value. The decoder refuses all of these too,
// so scan runs on what was refused, and names them before other mistakes.
func scan(data []byte) error {
	depth := 0
	for i := 0; i < len(data); {
		switch c := data[i]; {
		case c == '"':
			end := skipString(data, i)
			if named(data[end:]) && bytes.IndexByte(data[i:end], '\\') >= 0 {
				return fault.New(fault.UnknownField, "the member name at byte %d is written with an escape", i)
			}
			i = end
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return fault.New(fault.Malformed, "nested deeper than %d levels", maxDepth)
			}
			i++
		case c == '}' || c == ']':
			depth--
			i++
			if depth <= 0 {
				if i != len(data) {
					return fault.New(fault.TrailingData, "%d bytes after the value", len(data)-i)
				}
				return nil
			}
		case c == '-' || c >= '0' && c <= '9':
			end := i + 1
			for end < len(data) && numberByte(data[end]) {
				end++
			}
			if _, ok := exactInteger(data[i:end]); !ok {
				return fault.New(fault.NumberRange, "the number at byte %d is not an integer within 2^53-1", i)
			}
			i = end
		case c == 'n':
			return fault.New(fault.WrongType, "null at byte %d; leave the member out", i)
		default:
			i++
		}
	}
	return fault.New(fault.Malformed, "not a complete JSON object")
}

// named says that a string is the name of a member: a colon follows it.
func named(rest []byte) bool {
	for _, c := range rest {
		switch c {
		case ' ', '\t', '\r', '\n':
		default:
			return c == ':'
		}
	}
	return false
}

func skipString(data []byte, i int) int {
	for i++; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(data)
}

func numberByte(c byte) bool {
	return c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.' || c == 'e' || c == 'E'
}

func exactInteger(n []byte) (magnitude uint64, ok bool) {
	if len(n) > 0 && n[0] == '-' {
		n = n[1:]
	}
	if len(n) == 0 || len(n) > 16 || len(n) > 1 && n[0] == '0' {
		return 0, false
	}
	for _, c := range n {
		if c < '0' || c > '9' {
			return 0, false
		}
		magnitude = magnitude*10 + uint64(c-'0')
	}
	return magnitude, magnitude <= maxInteger
}

// Marshal returns compact JSON with members in the order of the struct's fields
// and without HTML escaping: the form of documents in state. Maps are sorted.
func Marshal(v any) ([]byte, error) {
	return json.Marshal(v, json.Deterministic(true))
}
