package canon_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gowebpki/jcs"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// oracle is a decoder of the same rules on a library of general use: one pass
// for what the library lets pass, then the library. It is slow and says what
// canon.Decode must answer.
func oracle(data []byte, v any) error {
	if err := oracleScan(data); err != nil {
		return err
	}
	err := json.Unmarshal(data, v, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	var refusal *fault.Error
	if errors.As(err, &refusal) {
		return refusal
	}
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return fault.New(fault.DuplicateKey, "")
	case errors.Is(err, json.ErrUnknownName):
		return fault.New(fault.UnknownField, "")
	case errors.As(err, &syntax):
		return fault.New(fault.Malformed, "")
	}
	var value *json.SemanticError
	if errors.As(err, &value) && value.JSONKind == '0' && value.GoType.Kind() >= reflect.Int && value.GoType.Kind() <= reflect.Uint64 {
		return fault.New(fault.NumberRange, "") // it is an integer, so it does not fit
	}
	return fault.New(fault.WrongType, "")
}

func oracleScan(data []byte) error {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			start := i
			for i++; i < len(data) && data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
			end := min(i, len(data))
			rest := bytes.TrimLeft(data[min(end+1, len(data)):], " \t\r\n")
			if len(rest) > 0 && rest[0] == ':' && bytes.IndexByte(data[start:end], '\\') >= 0 {
				return fault.New(fault.UnknownField, "")
			}
		case c == '{' || c == '[':
			if depth++; depth > 16 {
				return fault.New(fault.Malformed, "")
			}
		case c == '}' || c == ']':
			if depth--; depth <= 0 && i+1 != len(data) {
				return fault.New(fault.TrailingData, "")
			} else if depth <= 0 {
				return nil
			}
		case c == '-' || c >= '0' && c <= '9':
			n := len(data[i:]) - len(bytes.TrimLeft(data[i:], "0123456789+-.eE"))
			var v int64
			if json.Unmarshal(data[i:i+n], &v) != nil || v > 1<<53-1 || v < -(1<<53-1) {
				return fault.New(fault.NumberRange, "")
			}
			i += n - 1
		case c == 'n':
			return fault.New(fault.WrongType, "")
		}
	}
	return fault.New(fault.Malformed, "")
}

// upper reads upper-case letters only and tells two kinds of errors.
type upper string

func (u *upper) UnmarshalText(text []byte) error {
	switch {
	case len(text) > 3:
		return errors.New("long")
	case strings.ToUpper(string(text)) != string(text):
		return fault.New(fault.InvalidValue, "lower case")
	}
	*u = upper(text)
	return nil
}

// every has all shapes.
type every struct {
	Text  string         `json:"text"`
	Bool  bool           `json:"bool"`
	Int   int64          `json:"int"`
	Small int8           `json:"small"`
	Uint  uint64         `json:"uint"`
	Byte  uint8          `json:"byte"`
	Own   upper          `json:"own"`
	Raw   jsontext.Value `json:"raw"`
	Ptr   *string        `json:"ptr"`
	Flag  *bool          `json:"flag"`
	List  []string       `json:"list"`
	Deep  [][]uint32     `json:"deep"`
	Owns  []upper        `json:"owns"`
	Subs  []every        `json:"subs"`
	Sub   *every         `json:"sub"`
	Plain string
	kept  int // unexported fields are no members
}

var samples = []string{
	`{"text":"a","bool":true,"int":-5,"small":-128,"uint":9007199254740991,"byte":255,"own":"AB","raw":{"x":[1,"y",{}]},"ptr":"","flag":false}`,
	`{"list":["a","","\u00e9\n"],"deep":[[1,2],[],[3]],"owns":["A"],"subs":[{"text":"b"},{}],"sub":{"sub":{"int":0}},"Plain":"x"}`,
	" {\t\"text\" : \"\u20ac\" ,\r\n \"list\" : [ ] } ", `[]`, `[{"text":"a"}]`, `{}`, ``, `{`, `{"text"`, `{"text":`, `{"text":"a"`, `{"text":"a",`, `{"text":"a",}`,
	`{,}`, `{"list":[,]}`, `{"list":["a",]}`, `{"list":["a" "b"]}`, `{"text":"a" "bool":true}`, `{"kept":1}`, `{"text":"a","text":"b"}`,
	`{"raw":{"a":1,"a":2}}`, `{"raw":{"a":1,"\u0061":2}}`, `{"raw":nul}`, `{"raw":tru}`, `{"raw":tru` + `e}`, `{"bool":truex}`, `{"bool":"a"}`,
	`{"text":{"a":1,"a":1}}`, `{"text":[1,}`, `{"sub":[1,}`, `{"list":{"a":1,}`, `{"list":"a"}`, `{"sub":1}`, `{"text":tru}`, `{"int":"\ud800"}`,
	`{"text":"\ud800"}`, `{"text":"\ud83d\ude00"}`, `{"text":"\x"}`, `{"text":"\u00"}`, "{\"text\":\"a\x01\"}", "{\"text\":\"\xff\"}", "{\"text\":\"\xc3\xa9\"}",
	`{"uint":-0}`, `{"uint":-1}`, `{"int":-0}`, `{"byte":256}`, `{"small":-129}`, `{"small":128}`, `{"int":01}`, `{"int":1e2}`, `{"int":-}`,
	`{"own":"abc"}`, `{"own":"ABCD"}`, `{"own":1}`, `{"own":"\u0041"}`, `{"own":"abc","text":1}`, `{"text":1,"own":"abc"}`, `{"text":"a"}]`, `{"text":"a"}}`,
	`{"raw":[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]}`, `{"raw":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}`, `{"text":"0123456\"`, `{"text":"0123456\\","int":1}`,
	`{"raw":{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"o":1,"p":1,"q":1,"r":1}}`,
	`{"raw":{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"o":1,"p":1,"q":1,"a":1}}`,
	`{"raw":{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"o":1,"p":1,"q":1,"q":1}}`,
	`{"raw" "a"}`, `{1:2}`, `{"unknown" 1}`, `{"text":"a";"bool":true}`, `{"raw":-}`, `{"raw":"a}`, `[1]`, `"a"`, `{{"a":0,"a"}}`, `{0""}`, `{"raw":{{"a":0,"a"}}}`, `{"raw":{0""}}`, `{"raw":{"b":-0,"a":-5,"B":["\u20ac\n\u0001\"\\\/\b\f\r\t\u007f"],"":true,"aa":false}}`,
	"{\"raw\":{\"\U00010000\":1,\"\uffff\":2,\"\u00e9\":3,\"e\":4}}", `{"ptr":1}`, `{"flag":1}`,
}

func agree(t *testing.T, data []byte) {
	got, want := every{kept: 7}, every{kept: 7}
	gotErr, wantErr := canon.Decode(bytes.Clone(data), &got), oracle(data, &want)
	if fault.Of(gotErr) != fault.Of(wantErr) {
		t.Fatalf("%q: %v, want %v", data, gotErr, fault.Of(wantErr))
	}
	if gotErr == nil && !reflect.DeepEqual(got, want) {
		t.Fatalf("%q:\n%+v, want\n%+v", data, got, want)
	}
	canonicalAgrees(t, data)
	var gotList, wantList []every
	gotErr, wantErr = canon.Decode(data, &gotList), oracle(data, &wantList)
	if fault.Of(gotErr) != fault.Of(wantErr) || gotErr == nil && !reflect.DeepEqual(gotList, wantList) {
		t.Fatalf("list %q: %v, want %v", data, gotErr, fault.Of(wantErr))
	}
}

// canonicalAgrees compares JCS with another implementation of RFC 8785.
func canonicalAgrees(t *testing.T, data []byte) {
	var any jsontext.Value
	err := oracle(data, &any)
	got, gotErr := canon.JCS(data)
	if fault.Of(gotErr) != fault.Of(err) {
		t.Fatalf("%q: %v, want %v", data, gotErr, fault.Of(err))
	}
	if err != nil {
		return
	}
	want, err := jcs.Transform(data)
	if err != nil {
		t.Fatalf("%q: %v", data, err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%q: %q, want %q", data, got, want)
	}
}

// JS-1: Decode gives the verdict, the code and the value of the oracle.
func TestDecodeAgrees(t *testing.T) {
	for _, s := range samples {
		agree(t, []byte(s))
		for i := range s {
			agree(t, []byte(s[:i]))
			for _, c := range "\"\\{}[]:,0n-. \xff" {
				agree(t, []byte(s[:i]+string(c)+s[i+1:]))
			}
		}
	}
}

func FuzzDecodeAgrees(f *testing.F) {
	for _, s := range samples {
		f.Add([]byte(s))
	}
	f.Fuzz(agree)
}
