package canon

import (
	"bytes"
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gowebpki/jcs"
	"github.com/killick-ledger/killick/chaincode/fault"
)

const (
	maxDepth   = 16
	maxInteger = 1<<53 - 1
)

// Decode reads one JSON object or array into v under the strict rules of
// docs/formats/operation.md section 1. Errors: fault.Malformed, DuplicateKey,
// TrailingData, UnknownField, WrongType, NumberRange.
func Decode(data []byte, v any) error {
	if err := scan(data); err != nil {
		return err
	}
	err := json.Unmarshal(data, v, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	// A type that reads its own text knows better what is wrong with it.
	var refusal *fault.Error
	if errors.As(err, &refusal) {
		return refusal
	}
	var syntax *jsontext.SyntacticError
	var semantic *json.SemanticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return fault.New(fault.DuplicateKey, "member %.80q occurs twice", pointer(err))
	case errors.Is(err, json.ErrUnknownName):
		return fault.New(fault.UnknownField, "member %.80q is not known here", pointer(err))
	case errors.As(err, &syntax):
		return fault.New(fault.Malformed, "not JSON at byte %d", syntax.ByteOffset)
	case errors.As(err, &semantic):
		return fault.New(fault.WrongType, "member %.80q has the wrong type", string(semantic.JSONPointer))
	}
	return fault.New(fault.Malformed, "not the expected JSON")
}

func pointer(err error) string {
	var syntax *jsontext.SyntacticError
	var semantic *json.SemanticError
	switch {
	case errors.As(err, &syntax):
		return string(syntax.JSONPointer)
	case errors.As(err, &semantic):
		return string(semantic.JSONPointer)
	}
	return ""
}

// scan refuses what the decoder would let pass: depth, numbers that are not
// exact integers, null (no format of ours has it), names written with escapes
// (one name has one spelling), and anything after the value. It need not find every syntax error; the decoder does.
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
			if !exactInteger(data[i:end]) {
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

func exactInteger(n []byte) bool {
	if len(n) > 0 && n[0] == '-' {
		n = n[1:]
	}
	if len(n) == 0 || len(n) > 16 || len(n) > 1 && n[0] == '0' {
		return false
	}
	var v uint64
	for _, c := range n {
		if c < '0' || c > '9' {
			return false
		}
		v = v*10 + uint64(c-'0')
	}
	return v <= maxInteger
}

// Marshal returns compact JSON with members in the order of the struct's fields
// and without HTML escaping: the form of documents in state. Maps are sorted.
func Marshal(v any) ([]byte, error) {
	return json.Marshal(v, json.Deterministic(true))
}

// JCS returns the canonical form of RFC 8785. The input must pass Decode's
// rules, so that no number is rounded. Errors: those of Decode.
func JCS(data []byte) ([]byte, error) {
	var any jsontext.Value
	if err := scan(data); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &any); err != nil {
		return nil, fault.New(fault.Malformed, "not JSON")
	}
	out, err := jcs.Transform(data)
	if err != nil {
		return nil, fault.New(fault.Malformed, "not canonicalisable JSON")
	}
	return out, nil
}
