package canon_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
)

type sample struct {
	Name  string         `json:"name"`
	Count int64          `json:"count,omitzero"`
	List  []string       `json:"list,omitempty"`
	Inner *sample        `json:"inner,omitzero"`
	Flag  bool           `json:"flag,omitzero"`
	Any   jsontext.Value `json:"any,omitzero"`
}

func TestDecodeRefuses(t *testing.T) {
	deep := strings.Repeat(`{"inner":`, 17) + `{"name":"x"}` + strings.Repeat("}", 17)
	tests := []struct {
		name, in string
		code     fault.Code
	}{
		{"fine", `{"name":"a","count":-9007199254740991,"list":["1.5","null"]}`, fault.OK},
		{"spaces inside", "{ \"name\" :\t\"a\" }", fault.OK},
		{"empty", ``, fault.Malformed},
		{"scalar", `"a"`, fault.Malformed},
		{"open", `{"name":"a"`, fault.Malformed},
		{"bad syntax", `{"name":"a",}`, fault.Malformed},
		{"byte order mark", "\ufeff{}", fault.Malformed},
		{"bad utf-8", "{\"name\":\"\xff\"}", fault.Malformed},
		{"too deep", deep, fault.Malformed},
		{"duplicate", `{"name":"a","name":"b"}`, fault.DuplicateKey},
		{"duplicate by escape", `{"name":"a","n\u0061me":"b"}`, fault.UnknownField},
		{"name with an escape", `{"n\u0061me" :"a"}`, fault.UnknownField},
		{"escape in a value", `{"name":"\u0061\\"}`, fault.OK},
		{"duplicate in unknown depth", `{"any":{"x":1,"x":2}}`, fault.DuplicateKey},
		{"trailing object", `{"name":"a"}{}`, fault.TrailingData},
		{"trailing line break", "{\"name\":\"a\"}\n", fault.TrailingData},
		{"unknown", `{"name":"a","nam":"b"}`, fault.UnknownField},
		{"wrong case", `{"Name":"a"}`, fault.UnknownField},
		{"string for number", `{"count":"1"}`, fault.WrongType},
		{"number for string", `{"name":1}`, fault.WrongType},
		{"null", `{"name":null}`, fault.WrongType},
		{"beyond 2^53", `{"count":9007199254740992}`, fault.NumberRange},
		{"fraction", `{"count":1.0}`, fault.NumberRange},
		{"exponent", `{"count":1e3}`, fault.NumberRange},
		{"leading zero", `{"count":01}`, fault.NumberRange},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var v sample
			err := canon.Decode([]byte(tt.in), &v)
			if got := fault.Of(err); got != tt.code {
				t.Errorf("Decode(%s) = %v (%v), want %v", tt.in, got, err, tt.code)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"name":"a","count":5,"inner":{"name":"b"}}`))
	f.Add([]byte(`{"any":{"x":[1,{"y":"z"}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v sample
		if canon.Decode(data, &v) != nil {
			return
		}
		out, err := canon.Marshal(v)
		if err != nil {
			t.Fatalf("what decodes must encode: %v", err)
		}
		var again sample
		if err := canon.Decode(out, &again); err != nil {
			t.Fatalf("what we encode must decode: %s: %v", out, err)
		}
		if twice, err := canon.Marshal(again); err != nil || !bytes.Equal(twice, out) {
			t.Fatalf("%s is written as %s, and that as %s", data, out, twice)
		}
	})
}

// Account ids, hex and base64url have one spelling each.
func FuzzSpellings(f *testing.F) {
	f.Add("eip155:1337:0x00000000000000000000000000000000000000aa")
	f.Add("tron:0x2b6653dc:TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t")
	f.Add("00ff")
	f.Add("AP-_")
	f.Fuzz(func(t *testing.T, text string) {
		if a, err := canon.ParseAccount(text); err == nil && a.String() != text {
			t.Errorf("%q is written as %q", text, a)
		}
		if b, err := canon.UnHex(text, len(text)/2); err == nil && canon.Hex(b) != text {
			t.Errorf("%q is written as %q", text, canon.Hex(b))
		}
		if b, err := canon.UnB64(text); err == nil && canon.B64(b) != text {
			t.Errorf("%q is written as %q", text, canon.B64(b))
		}
	})
}

func TestMarshalKeepsOrderAndText(t *testing.T) {
	got, err := canon.Marshal(sample{Name: "<a&b>", Count: 1, Any: jsontext.Value(`{"z":"1","a":"2"}`)})
	if err != nil || string(got) != `{"name":"<a&b>","count":1,"any":{"z":"1","a":"2"}}` {
		t.Errorf("Marshal = %s, %v", got, err)
	}
}

func TestJCS(t *testing.T) {
	got, err := canon.JCS([]byte(`{"b":[2,1],"a":{"d":"\u20ac","c":true}}`))
	if err != nil || string(got) != `{"a":{"c":true,"d":"€"},"b":[2,1]}` {
		t.Errorf("JCS = %s, %v", got, err)
	}
	if _, err := canon.JCS([]byte(`{"a":1,"a":2}`)); err == nil {
		t.Error("JCS took a duplicate member")
	}
}

func TestRecordRoundTrip(t *testing.T) {
	b := canon.NewRecord(0x77).U8(1).U16(2).U32(3).U64(4).Fixed([]byte("ab")).Var8([]byte("c")).Var16(nil).Var32([]byte("def")).Bytes()
	r := canon.OpenRecord(b, 0x77)
	if r.U8() != 1 || r.U16() != 2 || r.U32() != 3 || r.U64() != 4 || string(r.Fixed(2)) != "ab" ||
		string(r.Var8()) != "c" || len(r.Var16()) != 0 || string(r.Var32()) != "def" {
		t.Error("fields differ")
	}
	if err := r.Done(); err != nil {
		t.Error(err)
	}
	for n := range b {
		r := canon.OpenRecord(b[:n], 0x77)
		r.U8()
		r.U16()
		r.U32()
		r.U64()
		r.Fixed(2)
		r.Var8()
		r.Var16()
		r.Var32()
		if r.Done() == nil {
			t.Errorf("a record cut to %d bytes passed", n)
		}
	}
	if canon.OpenRecord(b, 0x78).Done() == nil {
		t.Error("a record of another type passed")
	}
}

func TestRecoverRefusesMalleableSignatures(t *testing.T) {
	key := secp256k1.PrivKeyFromBytes(bytes.Repeat([]byte{7}, 32))
	digest := canon.Keccak([]byte("digest"))
	sig := canon.SignDigest(key, digest)
	got, err := canon.Recover(digest, sig[:])
	if err != nil || got != canon.KeyAddress(key.PubKey()) {
		t.Fatalf("Recover = %x, %v", got, err)
	}
	high := sig
	var s secp256k1.ModNScalar
	s.SetByteSlice(sig[32:64])
	neg := s.Negate().Bytes()
	copy(high[32:], neg[:])
	high[64] ^= 27 ^ 28
	for name, bad := range map[string][]byte{"high s": high[:], "short": sig[:64], "v 0": append(sig[:64:64], 0), "zero s": append(make([]byte, 64), 27)} {
		if _, err := canon.Recover(digest, bad); fault.Of(err) != fault.BadSignature {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAccounts(t *testing.T) {
	for _, text := range []string{
		"eip155:1337:0x00112233445566778899aabbccddeeff00112233",
		"tron:0x2b6653dc:TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
	} {
		a, err := canon.ParseAccount(text)
		if err != nil || a.String() != text {
			t.Errorf("ParseAccount(%s) = %v, %v", text, a, err)
		}
	}
	for _, text := range []string{"", "eip155:1337", "eip155:01:0x00112233445566778899aabbccddeeff00112233",
		"eip155:1:0x00112233445566778899AABBccddeeff00112233", "eip155:1:00112233445566778899aabbccddeeff0011223344",
		"tron:0x2b6653dc:TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6u", "tron:2b6653dc:TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", "bip122:0:x"} {
		if _, err := canon.ParseAccount(text); fault.Of(err) != fault.InvalidValue {
			t.Errorf("ParseAccount(%q) = %v", text, err)
		}
	}
	// Of any length in no time: base58 would take the square of it.
	for _, text := range []string{"tron:0x2b6653dc:" + strings.Repeat("z", 60000), "eip155:" + strings.Repeat("1", 60000) + ":0x"} {
		if _, err := canon.ParseAccount(text); fault.Of(err) != fault.InvalidValue || len(err.Error()) > 200 {
			t.Errorf("ParseAccount of %d bytes: an error of %d bytes, %v", len(text), len(err.Error()), fault.Of(err))
		}
	}
}

// A refusal travels in headers of limited size: it quotes little of what it refuses.
func TestRefusalsAreShort(t *testing.T) {
	name := strings.Repeat("n", 60000)
	for _, in := range []string{`{"` + name + `":1}`, `{"any":{"` + name + `":1,"` + name + `":2}}`} {
		var v struct {
			Any jsontext.Value `json:"any"`
		}
		if err := canon.Decode([]byte(in), &v); err == nil || len(err.Error()) > 200 {
			t.Errorf("refused by %.100v..., which is long", err)
		}
	}
}

func TestUnB64IsStrict(t *testing.T) {
	for _, s := range []string{"YQ=", "YQ==", "YR", "Y\nQ", "Y+==", "*"} {
		if _, err := canon.UnB64(s); err == nil {
			t.Errorf("UnB64(%q) passed", s)
		}
	}
	if b, err := canon.UnB64("YQ"); err != nil || string(b) != "a" {
		t.Errorf("UnB64 = %q, %v", b, err)
	}
}
