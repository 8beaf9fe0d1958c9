package canon_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gowebpki/jcs"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// TestPublishedJCSPairs runs the pairs of input and canonical form that the
// authors of RFC 8785 published. They are read from the module of the oracle, which
// ships them.
func TestPublishedJCSPairs(t *testing.T) {
	cmd := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/gowebpki/jcs")
	cmd.Env = append(os.Environ(), "GOPROXY=off")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "testdata")
	inputs, err := filepath.Glob(filepath.Join(dir, "input", "*.json"))
	if err != nil || len(inputs) < 6 {
		t.Fatalf("%d pairs in %s, %v", len(inputs), dir, err)
	}
	for _, file := range inputs {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			in, want := read(t, file), read(t, filepath.Join(dir, "output", name))
			// An object holds each, as some are arrays.
			in = append(append([]byte(`{"x":`), in...), '}')
			want = append(append([]byte(`{"x":`), want...), '}')
			o, err := canon.ParseObject(in)
			if err != nil {
				t.Fatal(err)
			}
			if got := o.JCS(); !bytes.Equal(got, want) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b)
}

func TestParseObject(t *testing.T) {
	tests := []struct {
		name, in string
		code     fault.Code
		want     string
	}{
		{"order", `{"b":1,"a":[true,false,null],"é":"é"}`, fault.OK, `{"a":[true,false,null],"b":1,"é":"é"}`},
		{"escaped name", `{"n\u0061me":"\u000a"}`, fault.OK, `{"name":"\n"}`},
		{"names beyond the basic plane sort by code units", `{"\ufb33":1,"😀":2}`, fault.OK, "{\"😀\":2,\"\ufb33\":1}"},
		{"fractions", `{"a":1.50,"b":-0.0,"c":0.0000001,"d":1e-7,"e":123456.789}`, fault.OK, `{"a":1.5,"b":0,"c":1e-7,"d":1e-7,"e":123456.789}`},
		{"exponents of three digits", `{"a":1e100,"b":1e300,"c":1e-105,"d":5e-324,"e":1.7e308,"f":1e-17}`, fault.OK, `{"a":1e+100,"b":1e+300,"c":1e-105,"d":5e-324,"e":1.7e+308,"f":1e-17}`},
		{"largest integer", `{"a":9007199254740991}`, fault.OK, `{"a":9007199254740991}`},
		{"with an exponent beyond it", `{"a":1E30,"b":-1e21}`, fault.OK, `{"a":1e+30,"b":-1e+21}`},
		{"2^53", `{"a":9007199254740992}`, fault.NumberRange, ""},
		{"2^53 below zero", `{"a":-9007199254740992}`, fault.NumberRange, ""},
		{"2^53 + 1 with a fraction", `{"a":9007199254740993.0}`, fault.NumberRange, ""},
		{"2^53 + 1 with an exponent", `{"a":9007199254740993e0}`, fault.NumberRange, ""},
		{"infinite", `{"a":1e400}`, fault.NumberRange, ""},
		{"leading zero", `{"a":01}`, fault.Malformed, ""},
		{"plus", `{"a":+1}`, fault.Malformed, ""},
		{"bare point", `{"a":1.}`, fault.Malformed, ""},
		{"bare exponent", `{"a":1e}`, fault.Malformed, ""},
		{"not a number", `{"a":NaN}`, fault.Malformed, ""},
		{"duplicate", `{"a":1,"a":1}`, fault.DuplicateKey, ""},
		{"duplicate by escape", `{"a":1,"\u0061":2}`, fault.DuplicateKey, ""},
		{"duplicate deeper", `{"a":[{"b":1,"b":1}]}`, fault.DuplicateKey, ""},
		{"trailing", `{"a":1} `, fault.TrailingData, ""},
		{"trailing object", `{"a":1}{}`, fault.TrailingData, ""},
		{"array", `[1]`, fault.WrongType, ""},
		{"empty", ``, fault.Malformed, ""},
		{"open", `{"a":1`, fault.Malformed, ""},
		{"lone surrogate", `{"a":"\ud800"}`, fault.Malformed, ""},
		{"bad utf-8", "{\"a\":\"\xff\"}", fault.Malformed, ""},
		{"32 levels", strings.Repeat(`{"a":`, 31) + `{}` + strings.Repeat("}", 31), fault.OK, strings.Repeat(`{"a":`, 31) + `{}` + strings.Repeat("}", 31)},
		{"33 levels", strings.Repeat(`{"a":`, 32) + `{}` + strings.Repeat("}", 32), fault.Malformed, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, err := canon.ParseObject([]byte(tt.in))
			if fault.Of(err) != tt.code {
				t.Fatalf("%v, want %v", err, tt.code)
			}
			if got := string(o.JCS()); err == nil && got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestObjectWith(t *testing.T) {
	o, err := canon.ParseObject([]byte(`{"b":1,"d":2}`))
	if err != nil {
		t.Fatal(err)
	}
	got := o.With("a", "x").With("c", []any{}).With("e", canon.Object{}).With("b", true).Without("d")
	if want := `{"a":"x","b":true,"c":[],"e":{}}`; string(got.JCS()) != want {
		t.Errorf("got %s, want %s", got.JCS(), want)
	}
	if string(o.JCS()) != `{"b":1,"d":2}` {
		t.Errorf("the object itself became %s", o.JCS())
	}
}

func TestParseArray(t *testing.T) {
	list, err := canon.ParseArray([]byte("[\"a\",\n{\"b\":[]},1]"))
	if err != nil || len(list) != 3 {
		t.Fatalf("read %v, %v", list, err)
	}
	if got := canon.JCSArray(list); string(got) != `["a",{"b":[]},1]` {
		t.Errorf("wrote %s", got)
	}
	for in, want := range map[string]fault.Code{
		`{}`: fault.WrongType, `"a"`: fault.WrongType, ``: fault.Malformed, `[1,]`: fault.Malformed, `[1] `: fault.TrailingData,
		`[{"a":1,"a":1}]`: fault.DuplicateKey, `[9007199254740992]`: fault.NumberRange,
	} {
		if _, err := canon.ParseArray([]byte(in)); fault.Of(err) != want {
			t.Errorf("%s: %v, want %v", in, err, want)
		}
	}
}

func TestNewObject(t *testing.T) {
	o, err := canon.NewObject([]canon.Member{{Name: "b", Value: true}, {Name: "a", Value: nil}})
	if err != nil || string(o.JCS()) != `{"a":null,"b":true}` {
		t.Errorf("made %s, %v", o.JCS(), err)
	}
	if _, err := canon.NewObject([]canon.Member{{Name: "b"}, {Name: "a"}, {Name: "b"}}); fault.Of(err) != fault.DuplicateKey {
		t.Errorf("a name twice: %v", err)
	}
}

// FuzzParseObject: what parses has the canonical form of the oracle, which parses
// to itself.
func FuzzParseObject(f *testing.F) {
	f.Add([]byte(`{"b":[1,2.5,{"c":null}],"a":"\u20ac\n","n":1e30}`))
	f.Add([]byte(`{"a":9007199254740993}`))
	f.Add([]byte(`{"a":1e105,"b":1e-9,"c":1e-109}`))
	f.Add([]byte(`{"😀":-0,"\ufb33":"\""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := canon.ParseObject(data)
		if err != nil {
			return
		}
		got := o.JCS()
		want, err := jcs.Transform(data)
		if err != nil {
			t.Fatalf("the oracle refuses %q: %v", data, err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
		again, err := canon.ParseObject(got)
		if err != nil || !bytes.Equal(again.JCS(), got) {
			t.Fatalf("%s does not parse to itself: %v", got, err)
		}
	})
}
