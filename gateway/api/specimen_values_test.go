package api_test

import (
	"fmt"
	"strings"

	"github.com/killick-ledger/killick/chaincode/fault"
)

// values makes each value of a JSON text wrong in all ways that its JSON type has, and
// leaves each member out.
func (s *specimen) values(part, text string, sign func(string) string) {
	for _, v := range valuesOf(text) {
		add := func(kind string, code fault.Code, changed string) {
			s.add(strings.TrimSpace(kind+" "+part+v.pointer), code, sign(changed))
		}
		with := func(kind string, code fault.Code, value string) {
			add(kind, code, text[:v.start]+value+text[v.end:])
		}
		if v.name != "" {
			s.member(text, v, add)
		}
		if v.pointer == "" {
			add("extra member:", fault.UnknownField, text[:1]+`"extra":1,`+text[1:])
			continue
		}
		with("null:", fault.WrongType, "null")
		with("too deep:", fault.Malformed, strings.Repeat("[", 20)+strings.Repeat("]", 20))
		with("no JSON:", fault.Malformed, "x")
		switch v.kind {
		case '{':
			with("wrong type:", fault.WrongType, "[]")
			inside := text[v.start+1 : v.end]
			if inside != "}" {
				inside = "," + inside
			}
			with("extra member:", fault.UnknownField, `{"extra":1`+inside)
		case '[':
			with("wrong type:", fault.WrongType, "{}")
			elements := text[v.start+1 : v.end-1]
			if first := within(text, v); len(first) > 0 {
				elements = text[first[0].start:first[0].end]
			}
			with("out of range:", fault.InvalidValue, "["+strings.Repeat(elements+",", 99)+elements+"]")
		case '"':
			with("wrong type:", fault.WrongType, "5")
			with("wrong type, object:", fault.WrongType, "{}")
			with("not UTF-8:", fault.Malformed, "\"\xff\"")
			with("half a surrogate:", fault.Malformed, `"\ud800"`)
			with("out of range:", s.beyond(part+v.pointer), fmt.Sprintf("%q", strings.Repeat("x", 3000)))
		case '0':
			with("wrong type:", fault.WrongType, `"`+text[v.start:v.end]+`"`)
			with("negative:", fault.NumberRange, "-1")
			if strings.HasPrefix(v.pointer, "/body/") {
				with("out of range:", fault.NumberRange, "9007199254740991")
			}
			with("beyond 2^53:", fault.NumberRange, "9007199254740992")
			with("fraction:", fault.NumberRange, "1.0")
			with("exponent:", fault.NumberRange, "1e3")
			with("leading zero:", fault.NumberRange, "01")
		default:
			with("wrong type:", fault.WrongType, `"x"`)
		}
	}
}

// member makes a member wrong by its name.
func (s *specimen) member(text string, v value, add func(string, fault.Code, string)) {
	at := v.start - len(v.name) - 3 // of the quote before the name
	member := text[at:v.end]
	add("twice:", fault.DuplicateKey, text[:v.end]+","+member+text[v.end:])
	escaped := fmt.Sprintf(`"\u%04x%s":%s`, v.name[0], v.name[1:], text[v.start:v.end])
	add("twice, in two spellings:", fault.UnknownField, text[:v.end]+","+escaped+text[v.end:])
	add("escaped name:", fault.UnknownField, text[:at]+escaped+text[v.end:])
	add("other case:", fault.UnknownField, text[:at+1]+strings.ToUpper(v.name)+text[at+1+len(v.name):])
	if s.optional(v.pointer) {
		return
	}
	code := fault.MissingField
	if v.pointer == "/prior" {
		code = fault.MissingPrior
	}
	rest := text[v.end:]
	if text[at-1] == ',' {
		at--
	} else {
		rest = strings.TrimPrefix(rest, ",")
	}
	add("missing:", code, text[:at]+rest)
}

// beyond is the code for a string that is far too long.
func (s *specimen) beyond(pointer string) fault.Code {
	switch pointer {
	case "header/alg":
		return fault.AlgMismatch
	case "header/kid":
		return fault.KidMismatch
	case "payload/op":
		return fault.UnknownOperation
	case "payload/net":
		return fault.WrongNetwork
	}
	return fault.InvalidValue
}
