package canon

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// decoder reads a JSON text once, from left to right.
type decoder struct {
	data  []byte
	text  string // data as a string, made when the first string is kept; all kept strings share it
	at    int    // next byte
	depth int
}

// refusal is why decoding ended. The pointer to the member grows while the
// levels around it are left.
type refusal struct {
	code    fault.Code
	pointer string
}

func (r *refusal) Error() string { return r.code.String() }

func refuse(code fault.Code) error { return &refusal{code: code} }

// within adds a level to the pointer of a refusal.
func within(err error, name string) error {
	if r, ok := err.(*refusal); ok {
		r.pointer = "/" + name + r.pointer
	}
	return err
}

// peek skips blanks and returns the next byte, 0 at the end.
func (d *decoder) peek() byte {
	for d.at < len(d.data) {
		switch c := d.data[d.at]; c {
		case ' ', '\t', '\r', '\n':
			d.at++
		default:
			return c
		}
	}
	return 0
}

// enter reads the bracket that opens an object or array.
func (d *decoder) enter() error {
	if d.depth++; d.depth > maxDepth {
		return refuse(fault.Malformed)
	}
	d.at++
	return nil
}

// more says whether another member or element follows, and reads the comma
// before it or the bracket that ends the level.
func (d *decoder) more(first bool, end byte) (bool, error) {
	switch c := d.peek(); {
	case c == end:
		d.at++
		d.depth--
		return false, nil
	case first:
		return true, nil
	case c != ',':
		return false, refuse(fault.Malformed)
	}
	d.at++
	if d.peek() == end {
		return false, refuse(fault.Malformed)
	}
	return true, nil
}

const ones = 0x0101010101010101

// unplain marks the lowest byte of eight that is a quote, a backslash, a control
// character or beyond ASCII with its high bit; bytes above it may be marked
// wrongly.
func unplain(w uint64) uint64 {
	quote, slash := w^ones*'"', w^ones*'\\'
	return ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w | w) & (ones << 7)
}

// quoted reads a string at the quote that opens it and returns where its content
// lies. A string with escapes is returned unescaped as well.
func (d *decoder) quoted() (start, end int, unescaped []byte, err error) {
	start = d.at + 1
	ascii, plain := true, true
	for i := start; i < len(d.data); {
		if i+8 <= len(d.data) {
			special := unplain(binary.LittleEndian.Uint64(d.data[i:]))
			if special == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(special) / 8
		}
		switch c := d.data[i]; {
		case c == '"':
			d.at = i + 1
			return d.checked(start, i, ascii, plain)
		case c == '\\':
			plain = false
			i++
		case c < ' ':
			return 0, 0, nil, refuse(fault.Malformed)
		case c >= utf8.RuneSelf:
			ascii = false
		}
		i++
	}
	return 0, 0, nil, refuse(fault.Malformed)
}

func (d *decoder) checked(start, end int, ascii, plain bool) (int, int, []byte, error) {
	if !ascii && !utf8.Valid(d.data[start:end]) {
		return 0, 0, nil, refuse(fault.Malformed)
	}
	if plain {
		return start, end, nil, nil
	}
	unescaped, err := jsontext.AppendUnquote(make([]byte, 0, end-start), d.data[start-1:end+1])
	if err != nil {
		return 0, 0, nil, refuse(fault.Malformed)
	}
	return start, end, unescaped, nil
}

// keep returns a string of the data.
func (d *decoder) keep(start, end int, unescaped []byte) string {
	if unescaped != nil {
		return string(unescaped)
	}
	if d.text == "" {
		d.text = string(d.data)
	}
	return d.text[start:end]
}

// name reads the name of a member.
func (d *decoder) name() (name []byte, escaped bool, err error) {
	if d.peek() != '"' {
		return nil, false, refuse(fault.Malformed)
	}
	start, end, unescaped, err := d.quoted()
	if err != nil || unescaped != nil {
		return unescaped, true, err
	}
	return d.data[start:end], false, nil
}

// colon reads what stands between a name and its value, and refuses names with
// escapes: a name has one spelling.
func (d *decoder) colon(escaped bool) error {
	if d.peek() != ':' {
		return refuse(fault.Malformed)
	}
	d.at++
	if escaped {
		return refuse(fault.UnknownField)
	}
	return nil
}

// number reads an integer within 2^53-1.
func (d *decoder) number() (negative bool, magnitude uint64, err error) {
	start := d.at
	for d.at < len(d.data) && numberByte(d.data[d.at]) {
		d.at++
	}
	digits := d.data[start:d.at]
	magnitude, ok := exactInteger(digits)
	if !ok {
		return false, 0, refuse(fault.NumberRange)
	}
	return digits[0] == '-', magnitude, nil
}

func (d *decoder) literal(word string) error {
	if !bytes.HasPrefix(d.data[d.at:], []byte(word)) {
		return refuse(fault.Malformed)
	}
	d.at += len(word)
	return nil
}

// skip reads a value of any type, under the rules for all of them.
func (d *decoder) skip() (err error) {
	switch c := d.peek(); {
	case c == '"':
		_, _, _, err = d.quoted()
	case c == '{':
		err = d.skipObject()
	case c == '[':
		err = d.skipArray()
	case c == 't':
		err = d.literal("true")
	case c == 'f':
		err = d.literal("false")
	case c == 'n':
		err = refuse(fault.WrongType)
	case c == '-' || c >= '0' && c <= '9':
		_, _, err = d.number()
	default:
		err = refuse(fault.Malformed)
	}
	return err
}

func (d *decoder) skipArray() error {
	if err := d.enter(); err != nil {
		return err
	}
	for i := 0; ; i++ {
		more, err := d.more(i == 0, ']')
		if !more || err != nil {
			return err
		}
		if err := d.skip(); err != nil {
			return within(err, strconv.Itoa(i))
		}
	}
}

// names are those of the members of one object.
type names struct {
	count int
	few   [16][]byte
	many  map[string]bool // beyond few, where looking through all would take the square of the input
}

func (n *names) add(name []byte) error {
	n.count++
	if n.count <= len(n.few) {
		for _, other := range n.few[:n.count-1] {
			if bytes.Equal(other, name) {
				return refuse(fault.DuplicateKey)
			}
		}
		n.few[n.count-1] = name
		return nil
	}
	if n.many == nil {
		n.many = make(map[string]bool, 4*len(n.few))
		for _, other := range n.few {
			n.many[string(other)] = true
		}
	}
	if n.many[string(name)] {
		return refuse(fault.DuplicateKey)
	}
	n.many[string(name)] = true
	return nil
}

func (d *decoder) skipObject() error {
	if err := d.enter(); err != nil {
		return err
	}
	var seen names
	for first := true; ; first = false {
		more, err := d.more(first, '}')
		if !more || err != nil {
			return err
		}
		name, escaped, err := d.name()
		if err == nil {
			err = seen.add(name)
		}
		if err == nil {
			err = d.colon(escaped)
		}
		if err == nil {
			err = d.skip()
		}
		if err != nil {
			return within(err, string(name))
		}
	}
}
