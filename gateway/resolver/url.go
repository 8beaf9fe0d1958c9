package resolver

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// maxURL bounds a DID URL, in bytes. Methods have tighter bounds of their own.
const maxURL = 4096

// URL is a DID URL taken apart (DID Core, section 3), each part as it is written:
// Path begins with "/", Query with "?" and Fragment with "#" unless there is none.
type URL struct {
	DID      string
	Method   string // the method's name, as in DID
	ID       string // the method-specific id, as in DID
	Path     string
	Query    string
	Fragment string
}

// String returns the DID URL that was parsed, byte for byte.
func (u URL) String() string { return u.DID + u.Path + u.Query + u.Fragment }

// Sets of characters beside letters, digits and percent-encoded bytes.
const (
	idChars    = ".-_"
	pathChars  = "-._~!$&'()*+,;=:@/"
	queryChars = pathChars + "?"
)

// ParseURL takes a DID or a DID URL apart. Errors: InvalidDID for text without a
// path, query and fragment, InvalidDIDURL for others.
func ParseURL(text string) (URL, error) {
	reason := InvalidDID
	if strings.ContainsAny(text, "/?#") {
		reason = InvalidDIDURL
	}
	refuse := func(format string, args ...any) (URL, error) {
		return URL{}, &Error{Reason: reason, Detail: fmt.Sprintf(format, args...)}
	}
	if len(text) > maxURL {
		return refuse("%d bytes are more than %d", len(text), maxURL)
	}
	var u URL
	rest := text
	for _, part := range []struct {
		into  *string
		begin string
		chars string
	}{{&u.Fragment, "#", queryChars}, {&u.Query, "?", queryChars}, {&u.Path, "/", pathChars}} {
		i := strings.Index(rest, part.begin)
		if i < 0 {
			continue
		}
		*part.into, rest = rest[i:], rest[:i]
		if !consists((*part.into)[1:], part.chars) {
			return refuse("%.100q has characters that a URL does not have", *part.into)
		}
	}
	u.DID = rest
	method, ok := strings.CutPrefix(rest, "did:")
	if !ok {
		return refuse("%.100q does not begin with did:", rest)
	}
	if u.Method, u.ID, ok = strings.Cut(method, ":"); !ok || u.Method == "" || strings.Trim(u.Method, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return refuse("%.100q is not did:<method>:<id>, the method of a-z and 0-9", rest)
	}
	if u.ID == "" || strings.HasSuffix(u.ID, ":") {
		return refuse("%.100q: the method-specific id is empty or ends with a colon", rest)
	}
	if !consists(u.ID, idChars+":") {
		return refuse("%.100q: the method-specific id has other characters than A-Z a-z 0-9 . - _ : and %%XX", rest)
	}
	return u, nil
}

// consists says that a text has only letters, digits, percent-encoded bytes and
// the characters of a set.
func consists(text, set string) bool {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', strings.IndexByte(set, c) >= 0:
		case c == '%' && i+2 < len(text) && isHex(text[i+1]) && isHex(text[i+2]):
			i += 2
		default:
			return false
		}
	}
	return true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'F' || 'a' <= c && c <= 'f'
}

// pairs reads the name=value pairs of a query. Values are ASCII; a plus sign is a
// plus sign. No name may occur twice.
func pairs(query string, reason Reason) (map[string]string, error) {
	out := map[string]string{}
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.PathUnescape(name)
		if err == nil {
			value, err = url.PathUnescape(value)
		}
		if err != nil || !printable(name) || !printable(value) {
			return nil, &Error{Reason: reason, Detail: fmt.Sprintf("%.100q is not name=value in ASCII, percent-encoded", pair)}
		}
		if _, twice := out[name]; twice {
			return nil, &Error{Reason: reason, Detail: fmt.Sprintf("%.100q occurs twice", name)}
		}
		out[name] = value
	}
	return out, nil
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// datetime reads a versionTime: an XML datetime in UTC without fractions of a
// second.
func datetime(text string) (time.Time, error) {
	const layout = "2006-01-02T15:04:05Z"
	t, err := time.Parse(layout, text)
	if err == nil && len(text) != len(layout) { // Parse takes fractions that the layout does not have
		err = fmt.Errorf("%q has fractions of a second", text)
	}
	return t, err
}
