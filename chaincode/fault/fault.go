// Package fault is the one error vocabulary of Killick: a stable code with a
// number, and a text. Codes cross every border (state, blocks, chaincode
// responses, HTTP, gRPC, command line) unchanged; texts are for people and may
// change. Codes below 128 fit the response byte of a batch.
package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Error is a refusal with its code. Its text says what was wrong with this
// input; the code's Advice says what to do.
type Error struct {
	Code Code
	Text string
}

// New returns an error with the code and a formatted text.
func New(code Code, format string, args ...any) error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...)}
}

// Error renders the wire form "code: text", which Parse reads back.
func (e *Error) Error() string {
	if e.Text == "" {
		return e.Code.String()
	}
	return e.Code.String() + ": " + e.Text
}

// Is lets errors.Is compare by code alone.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Of returns the code of err: OK for nil, Internal for an error that is not of
// this package.
func Of(err error) Code {
	if err == nil {
		return OK
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}

// Text returns what a partner may read of err. Foreign errors show nothing of
// themselves.
func Text(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Text
	}
	return "internal error"
}

// Parse finds a wire form in a text that Fabric passed on. The peer puts words
// of its own before it ("chaincode response 500, "), so the first known code
// that is followed by a colon and starts a word counts.
func Parse(text string) (*Error, bool) {
	for rest, at := text, 0; ; {
		i := strings.Index(rest, ": ")
		if i < 0 {
			break
		}
		start := strings.LastIndexAny(rest[:i], " ,:") + 1
		if c, ok := ByName(rest[start:i]); ok && c != OK {
			return &Error{Code: c, Text: text[at+i+2:]}, true
		}
		rest, at = rest[i+2:], at+i+2
	}
	last := text[strings.LastIndexAny(text, " ,:")+1:]
	if c, ok := ByName(last); ok && c != OK {
		return &Error{Code: c}, true
	}
	return nil, false
}
