package canon

import (
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/killick-ledger/killick/chaincode/fault"
)

// maxObjectDepth is how deep objects that others defined may be nested.
const maxObjectDepth = 32

// maxExactDigits is how many significant digits a decimal number may have so
// that every double-precision reader keeps them, whatever its size.
const maxExactDigits = 15

// Object is a JSON object whose members we do not know beforehand, in the order
// of RFC 8785, each name once. Values are nil, bool, float64, string, []any and
// Object. It is for documents that others define; formats of our own are read
// with Decode.
type Object []Member

// Member is one member of an Object.
type Member struct {
	Name  string
	Value any
}

// ParseObject reads one JSON object. In contrast to Decode it takes null,
// fractions and names with escapes, and 32 levels. Numbers are doubles, as in RFC
// 8785: an integer must be within 2^53-1; beyond that a number is taken only with
// an exponent and at most 15 significant digits, which no double changes.
// Errors: fault.Malformed, DuplicateKey, TrailingData, NumberRange, WrongType for
// a value that is no object.
func ParseObject(data []byte) (Object, error) {
	v, err := parseAny(data, '{')
	o, _ := v.(Object)
	return o, err
}

// ParseArray reads one JSON array under the rules of ParseObject.
func ParseArray(data []byte) ([]any, error) {
	v, err := parseAny(data, '[')
	list, _ := v.([]any)
	return list, err
}

// parseAny reads one value that begins with the bracket, and nothing behind it.
func parseAny(data []byte, open byte) (any, error) {
	d := decoder{data: data, depth: maxDepth - maxObjectDepth}
	switch c := d.peek(); {
	case c == open:
	case c == '{' || c == '[' || c == '"':
		return nil, fault.New(fault.WrongType, "the JSON value does not begin with %c", open)
	default:
		return nil, fault.New(fault.Malformed, "not a JSON value that begins with %c", open)
	}
	v, err := d.any()
	if err == nil && d.at != len(data) {
		err = refuse(fault.TrailingData)
	}
	if r, ok := err.(*refusal); ok {
		return nil, fault.New(r.code, "at byte %d, %.200s", d.at, "#"+r.pointer)
	}
	return v, err
}

// NewObject returns the object of members in any order, whose values must be of the
// types that Object lists; it takes the list over. Errors: fault.DuplicateKey.
func NewObject(members []Member) (Object, error) {
	o, err := Object(members).sort()
	if r, ok := err.(*refusal); ok {
		return nil, fault.New(r.code, "%.200s", "#"+r.pointer)
	}
	return o, err
}

// any reads a value of any type.
func (d *decoder) any() (any, error) {
	switch c := d.peek(); {
	case c == '"':
		start, end, unescaped, err := d.quoted()
		if err != nil {
			return nil, err
		}
		return d.keep(start, end, unescaped), nil
	case c == '{':
		return d.members()
	case c == '[':
		return d.list()
	case c == 't':
		return true, d.literal("true")
	case c == 'f':
		return false, d.literal("false")
	case c == 'n':
		return nil, d.literal("null")
	case c == '-' || c >= '0' && c <= '9':
		return d.double()
	}
	return nil, refuse(fault.Malformed)
}

func (d *decoder) list() ([]any, error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	out := []any{}
	for {
		more, err := d.more(len(out) == 0, ']')
		if !more || err != nil {
			return out, err
		}
		v, err := d.any()
		if err != nil {
			return nil, within(err, strconv.Itoa(len(out)))
		}
		out = append(out, v)
	}
}

func (d *decoder) members() (Object, error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	out := make(Object, 0, 4)
	for {
		more, err := d.more(len(out) == 0, '}')
		if err != nil {
			return nil, err
		}
		if !more {
			return out.sort()
		}
		if d.peek() != '"' {
			return nil, refuse(fault.Malformed)
		}
		start, end, unescaped, err := d.quoted()
		if err != nil {
			return nil, err
		}
		m := Member{Name: d.keep(start, end, unescaped)}
		if d.peek() != ':' {
			return nil, refuse(fault.Malformed)
		}
		d.at++
		if m.Value, err = d.any(); err != nil {
			return nil, within(err, m.Name)
		}
		out = append(out, m)
	}
}

func (o Object) sort() (Object, error) {
	sort.Slice(o, func(i, j int) bool { return compareText(o[i].Name, o[j].Name) < 0 })
	for i := 1; i < len(o); i++ {
		if o[i].Name == o[i-1].Name {
			return nil, within(refuse(fault.DuplicateKey), o[i].Name)
		}
	}
	return o, nil
}

// compareText is compareUTF16 for strings, most of which are ASCII.
func compareText(a, b string) int {
	for i := range min(len(a), len(b)) {
		if a[i]|b[i] >= 0x80 {
			return compareUTF16([]byte(a), []byte(b))
		}
		if a[i] != b[i] {
			return int(a[i]) - int(b[i])
		}
	}
	return len(a) - len(b)
}

// double reads a number that a double keeps.
func (d *decoder) double() (float64, error) {
	start := d.at
	for d.at < len(d.data) && strings.IndexByte("+-.eE0123456789", d.data[d.at]) >= 0 {
		d.at++
	}
	text := string(d.data[start:d.at])
	ok, exponent, digits := numberForm(text)
	if !ok {
		return 0, refuse(fault.Malformed)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(f) > maxInteger && (!exponent || digits > maxExactDigits) {
		return 0, refuse(fault.NumberRange)
	}
	return f, nil
}

// numberForm says whether the text is a number of JSON's grammar, whether it has
// an exponent, and how many significant digits.
func numberForm(text string) (ok, exponent bool, digits int) {
	s := strings.TrimPrefix(text, "-")
	whole := leadingDigits(s)
	if whole == 0 || whole > 1 && s[0] == '0' {
		return false, false, 0
	}
	mantissa := s[:whole]
	s = s[whole:]
	if strings.HasPrefix(s, ".") {
		n := leadingDigits(s[1:])
		if n == 0 {
			return false, false, 0
		}
		mantissa += s[1 : 1+n]
		s = s[1+n:]
	}
	if s != "" && s[0]|0x20 == 'e' {
		s = s[1:]
		if s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		n := leadingDigits(s)
		if n == 0 {
			return false, false, 0
		}
		exponent, s = true, s[n:]
	}
	return s == "", exponent, len(strings.Trim(mantissa, "0"))
}

func leadingDigits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// Find returns the value of a member, and whether it is there.
func (o Object) Find(name string) (any, bool) {
	for i := range o {
		if o[i].Name == name {
			return o[i].Value, true
		}
	}
	return nil, false
}

// With returns a copy in which the member has the value, which must be of the
// types that Object lists.
func (o Object) With(name string, value any) Object {
	at, found := slices.BinarySearchFunc(o, name, func(m Member, name string) int { return compareText(m.Name, name) })
	out := slices.Clone(o)
	if found {
		out[at].Value = value
		return out
	}
	return slices.Insert(out, at, Member{name, value})
}

// Without returns a copy that lacks the member.
func (o Object) Without(name string) Object {
	out := make(Object, 0, len(o))
	for _, m := range o {
		if m.Name != name {
			out = append(out, m)
		}
	}
	return out
}

// JCS returns the canonical form of RFC 8785.
func (o Object) JCS() []byte { return o.append(make([]byte, 0, 1024)) }

// JCSArray returns the canonical form of an array, whose elements must be of the types
// that Object lists.
func JCSArray(list []any) []byte { return appendAny(nil, list) }

func (o Object) append(out []byte) []byte {
	out = append(out, '{')
	for i, m := range o {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendText(out, m.Name), ':')
		out = appendAny(out, m.Value)
	}
	return append(out, '}')
}

func appendAny(out []byte, value any) []byte {
	switch v := value.(type) {
	case Object:
		return v.append(out)
	case []any:
		out = append(out, '[')
		for i, e := range v {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendAny(out, e)
		}
		return append(out, ']')
	case string:
		return appendText(out, v)
	case float64:
		return appendDouble(out, v)
	case bool:
		return strconv.AppendBool(out, v)
	}
	return append(out, "null"...)
}

func appendText(out []byte, text string) []byte {
	for i := range len(text) {
		if text[i] < ' ' || text[i] == '"' || text[i] == '\\' {
			return appendQuoted(out, []byte(text))
		}
	}
	return append(append(append(out, '"'), text...), '"')
}

// appendDouble writes a number as ECMAScript does, which RFC 8785 takes over.
func appendDouble(out []byte, f float64) []byte {
	if f == 0 {
		return append(out, '0') // -0 as well
	}
	if a := math.Abs(f); a >= 1e-6 && a < 1e21 {
		return strconv.AppendFloat(out, f, 'f', -1, 64)
	}
	out = strconv.AppendFloat(out, f, 'e', -1, 64)
	if n := len(out); out[n-3] == '-' && out[n-2] == '0' { // e-07 is e-7
		out = append(out[:n-2], out[n-1])
	}
	return out
}
