package canon

import (
	"cmp"
	"slices"
	"sort"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/killick-ledger/killick/chaincode/fault"
)

// JCS returns the canonical form of RFC 8785 of a JSON object or array under
// Decode's rules, so that no number is rounded. Errors: those of Decode.
func JCS(data []byte) ([]byte, error) {
	d := decoder{data: data}
	if c := d.peek(); c != '{' && c != '[' {
		return nil, explain(data, d.at, refuse(fault.Malformed))
	}
	out, err := d.canonical(make([]byte, 0, len(data)))
	if err == nil && d.at != len(data) {
		err = refuse(fault.TrailingData)
	}
	if err != nil {
		return nil, explain(data, d.at, err)
	}
	return out, nil
}

// canonical reads a value and appends its canonical form.
func (d *decoder) canonical(out []byte) ([]byte, error) {
	switch c := d.peek(); {
	case c == '"':
		start, end, unescaped, err := d.quoted()
		if err != nil {
			return nil, err
		}
		if unescaped == nil {
			return append(append(append(out, '"'), d.data[start:end]...), '"'), nil
		}
		return appendQuoted(out, unescaped), nil
	case c == '{':
		return d.canonicalObject(out)
	case c == '[':
		return d.canonicalArray(out)
	case c == '-' || c >= '0' && c <= '9':
		negative, magnitude, err := d.number()
		if negative && magnitude != 0 {
			out = append(out, '-')
		}
		return strconv.AppendUint(out, magnitude, 10), err
	default:
		start := d.at
		err := d.skip()
		return append(out, d.data[start:d.at]...), err
	}
}

func (d *decoder) canonicalArray(out []byte) ([]byte, error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	out = append(out, '[')
	for first := true; ; first = false {
		more, err := d.more(first, ']')
		if !more || err != nil {
			return append(out, ']'), err
		}
		if !first {
			out = append(out, ',')
		}
		if out, err = d.canonical(out); err != nil {
			return nil, err
		}
	}
}

type member struct{ name, text []byte }

func (d *decoder) canonicalObject(out []byte) ([]byte, error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	var seen names
	members := make([]member, 0, 8)
	for {
		more, err := d.more(len(members) == 0, '}')
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		name, escaped, err := d.name()
		if err == nil {
			err = seen.add(name)
		}
		if err == nil {
			err = d.colon(escaped)
		}
		var text []byte
		if err == nil {
			text, err = d.canonical(nil)
		}
		if err != nil {
			return nil, within(err, string(name))
		}
		members = append(members, member{name, text})
	}
	// A generic sort is compiled for each type that is sorted, 17 kB for each in the
	// auditor's program; this one, as others that are in it, is compiled once.
	sort.Slice(members, func(i, j int) bool { return compareUTF16(members[i].name, members[j].name) < 0 })
	out = append(out, '{')
	for i, m := range members {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, '"'), m.name...), '"', ':')
		out = append(out, m.text...)
	}
	return append(out, '}'), nil
}

// compareUTF16 compares texts by their UTF-16 code units, as RFC 8785 sorts.
// That differs from the order of bytes where one of the characters is beyond the
// basic plane.
func compareUTF16(a, b []byte) int {
	for len(a) > 0 && len(b) > 0 {
		x, n := utf8.DecodeRune(a)
		y, m := utf8.DecodeRune(b)
		if x != y {
			return slices.Compare(utf16.AppendRune(nil, x), utf16.AppendRune(nil, y))
		}
		a, b = a[n:], b[m:]
	}
	return cmp.Compare(len(a), len(b))
}

// appendQuoted appends a string with the escapes of RFC 8785 and no others.
func appendQuoted(out, text []byte) []byte {
	const digits = "0123456789abcdef"
	out = append(out, '"')
	for _, c := range text {
		switch c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\b':
			out = append(out, '\\', 'b')
		case '\t':
			out = append(out, '\\', 't')
		case '\n':
			out = append(out, '\\', 'n')
		case '\f':
			out = append(out, '\\', 'f')
		case '\r':
			out = append(out, '\\', 'r')
		default:
			if c < ' ' {
				out = append(out, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
			} else {
				out = append(out, c)
			}
		}
	}
	return append(out, '"')
}
