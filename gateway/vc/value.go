package vc

import (
	"encoding/base64"
	"net/url"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/mr-tron/base58"
)

// asList returns the elements of a list, or the value as the only one: JSON-LD
// makes no difference.
func asList(value any) []any {
	switch v := value.(type) {
	case []any:
		return v
	case nil:
		return nil
	}
	return []any{value}
}

// texts returns a string or a list of strings, which has at least one.
func texts(value any) ([]string, bool) {
	var out []string
	for _, e := range asList(value) {
		s, ok := e.(string)
		if !ok {
			return nil, false
		}
		out = append(out, s)
	}
	return out, len(out) > 0
}

// text returns a member that is a string.
func text(o canon.Object, name string) (string, bool) {
	value, _ := o.Find(name)
	s, ok := value.(string)
	return s, ok
}

// optional returns a member that is a string or not there.
func optional(o canon.Object, name string) (string, error) {
	value, ok := o.Find(name)
	if !ok {
		return "", nil
	}
	s, ok := value.(string)
	if !ok {
		return "", fault.New(fault.WrongType, "%s must be a string", name)
	}
	return s, nil
}

// isURL says that a text is an absolute URL: a scheme, and something behind it.
func isURL(s string) bool {
	if len(s) > 2048 {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f || strings.IndexByte("\"<>\\^`{|}", s[i]) >= 0 {
			return false
		}
	}
	u, err := url.Parse(s)
	return err == nil && u.Scheme != "" && len(s) > len(u.Scheme)+1
}

// id returns the member id, a URL, which may be missing.
func id(o canon.Object) (string, error) {
	value, err := optional(o, "id")
	if _, there := o.Find("id"); err == nil && there && !isURL(value) {
		err = fault.New(fault.InvalidValue, "id %.200q is not a URL", value)
	}
	return value, err
}

// moment returns a member that is a dateTimeStamp of XML Schema 1.1 with a year of
// four digits: a time with its zone. The zero time stands for a missing member.
func moment(o canon.Object, name string) (time.Time, error) {
	value, ok := o.Find(name)
	if !ok {
		return time.Time{}, nil
	}
	s, ok := value.(string)
	if !ok {
		return time.Time{}, fault.New(fault.WrongType, "%s must be a string", name)
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || !isStamp(s) || t.IsZero() { // which would stand for no end
		return time.Time{}, fault.New(fault.InvalidValue, "%s: %.64q is not a date and time with its zone", name, s)
	}
	return t, nil
}

// isStamp says that a text has the form of RFC 3339: time.Parse takes hours of one
// digit, a comma before fractions, and zones a day away.
func isStamp(s string) bool {
	const shape = "0000-00-00T00:00:00"
	if len(s) < len(shape) || len(s) > 64 || !alike(s[:len(shape)], shape) {
		return false
	}
	rest := s[len(shape):]
	if strings.HasPrefix(rest, ".") {
		rest = strings.TrimLeft(rest[1:], "0123456789") // time.Parse wants one digit at least
	}
	return rest == "Z" || alike(rest, "+00:00") && rest[1:3] < "24" || alike(rest, "-00:00") && rest[1:3] < "24"
}

// alike compares with a shape in which 0 stands for any digit.
func alike(s, shape string) bool {
	if len(s) != len(shape) {
		return false
	}
	for i := range len(s) {
		if s[i] != shape[i] && (shape[i] != '0' || s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return true
}

// unMultibase reads base58btc (z) or base64url without padding (u) of at most limit
// bytes. Errors: fault.InvalidValue.
func unMultibase(s string, limit int) ([]byte, error) {
	// Decoding base58 takes time that grows with the square of the length.
	if len(s) < 2 || s[0] == 'z' && len(s) > limit*138/100+2 || s[0] == 'u' && len(s) > base64.RawURLEncoding.EncodedLen(limit)+1 {
		return nil, fault.New(fault.InvalidValue, "not multibase of at most %d bytes", limit)
	}
	var raw []byte
	var err error
	switch s[0] {
	case 'z':
		raw, err = base58.Decode(s[1:])
	case 'u':
		raw, err = canon.UnB64(s[1:])
	default:
		return nil, fault.New(fault.InvalidValue, "multibase with the prefix %q; z and u are taken", s[0])
	}
	if err != nil || len(raw) > limit {
		return nil, fault.New(fault.InvalidValue, "not multibase of at most %d bytes", limit)
	}
	return raw, nil
}
