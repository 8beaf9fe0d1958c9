package record_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/record"
)

func TestDecodeContentRefuses(t *testing.T) {
	u := opstest.NewUser("alice")
	good := string(opstest.Content(5, u.DID+"#a", u.DID+"#b"))
	if _, err := record.DecodeContent([]byte(good)); err != nil {
		t.Fatal(err)
	}
	many := make([]string, record.MaxRecipients+1)
	for i := range many {
		many[i] = u.DID + "#" + strings.Repeat("x", i%32+1) + []string{"", "y"}[i/32]
	}
	for name, tc := range map[string]struct {
		data string
		code fault.Code
	}{
		"empty":               {"", fault.Malformed},
		"large":               {strings.Repeat(" ", record.MaxContent+1), fault.TooLarge},
		"another enc":         {strings.Replace(good, record.ContentProtected, canon.B64([]byte(`{"enc":"A128GCM"}`)), 1), fault.InvalidValue},
		"another alg":         {strings.Replace(good, record.ContentAlg, "ECDH-ES+A128KW", 1), fault.InvalidValue},
		"alg dir":             {strings.Replace(good, record.ContentAlg, "dir", 1), fault.InvalidValue},
		"no recipient":        {string(opstest.Content(5)), fault.InvalidValue},
		"too many":            {string(opstest.Content(5, many...)), fault.InvalidValue},
		"one twice":           {string(opstest.Content(5, u.DID+"#a", u.DID+"#a")), fault.InvalidValue},
		"kid is no DID URL":   {string(opstest.Content(5, u.DID)), fault.InvalidValue},
		"unknown member":      {strings.Replace(good, `{"protected"`, `{"aad":"","protected"`, 1), fault.UnknownField},
		"no tag":              {strings.Replace(good, `,"tag":"`, `,"tag":"AA`, 1), fault.InvalidValue},
		"tag is missing":      {good[:strings.Index(good, `,"tag"`)] + "}", fault.MissingField},
		"member twice":        {strings.Replace(good, `{"protected"`, `{"iv":"","protected"`, 1), fault.DuplicateKey},
		"trailing":            {good + "{}", fault.TrailingData},
		"padding":             {strings.Replace(good, `","tag"`, `=","tag"`, 1), fault.InvalidValue},
		"X25519 with y":       {strings.Replace(good, `"X25519","x":"`, `"X25519","y":"AA","x":"`, 1), fault.InvalidValue},
		"P-256 as OKP":        {strings.Replace(good, `"EC"`, `"OKP"`, 1), fault.InvalidValue},
		"a key of 31 bytes":   {strings.Replace(good, `"x":"B`, `"x":"`, 1), fault.InvalidValue},
		"short encrypted key": {strings.Replace(good, `"encrypted_key":"BwcH`, `"encrypted_key":"`, 1), fault.InvalidValue},
	} {
		if _, err := record.DecodeContent([]byte(tc.data)); fault.Of(err) != tc.code {
			t.Errorf("%s: %v, want %v", name, err, tc.code)
		}
	}
}

func FuzzDecodeContent(f *testing.F) {
	u := opstest.NewUser("alice")
	f.Add(opstest.Content(0, u.DID+"#a"))
	f.Add(opstest.Content(3, u.DID+"#a", u.DID+"#b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := record.DecodeContent(data)
		if err != nil {
			return
		}
		again, err := canon.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := record.DecodeContent(again); err != nil || len(d.Recipients) != len(c.Recipients) || d.Ciphertext != c.Ciphertext {
			t.Errorf("%s is read as %s, %v", data, again, err)
		}
	})
}

// A record without a content has the bytes that it had before there were contents.
func TestEncodingWithoutContent(t *testing.T) {
	v := record.Value{Status: record.Live, Version: 1, Schema: "s", Location: "l:"}
	plain := v.Encode()
	v.Private = [32]byte{1}
	with := v.Encode()
	if !bytes.Equal(with, append(bytes.Clone(plain), v.Private[:]...)) {
		t.Errorf("%x, %x", plain, with)
	}
	for _, bad := range [][]byte{append(bytes.Clone(plain), make([]byte, 32)...), with[:len(with)-1], append(bytes.Clone(with), 0)} {
		if _, err := record.Decode(ledger.Reference{Expiry: 1}, bad); fault.Of(err) != fault.TrailingData {
			t.Errorf("%x: %v", bad, err)
		}
	}
}
