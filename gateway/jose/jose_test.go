package jose_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/jose"
)

func publicKey(t testing.TB, alg did.Algorithm) *did.PublicKey {
	t.Helper()
	key, err := did.ParseKey(opstest.NewKey("jose", alg).Multikey)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestKeys(t *testing.T) {
	for _, alg := range did.Algorithms {
		key := publicKey(t, alg)
		jwk := jose.FormatKey(key)
		again, err := jose.ParseKey(jwk)
		if err != nil || !again.Equal(key) {
			t.Errorf("%s: %s is read as %v, %v", alg, jwk.JCS(), again, err)
		}
		if _, err := jose.ParseKey(jwk.With("d", "AAAA")); fault.Of(err) != fault.InvalidValue {
			t.Errorf("%s: a private JWK: %v", alg, err)
		}
		if named := jwk.With("kid", "x").With("use", "sig"); must(t, named).String() != key.String() {
			t.Errorf("%s: members beside the key count", alg)
		}
	}
}

func must(t *testing.T, o canon.Object) *did.PublicKey {
	t.Helper()
	key, err := jose.ParseKey(o)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestThumbprint has the example of RFC 8037 appendix A.3, which is a key and a hash.
func TestThumbprint(t *testing.T) {
	o := canon.Object{}.With("kty", "OKP").With("crv", "Ed25519").With("x", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
	if got, want := jose.Thumbprint(must(t, o)), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"; got != want {
		t.Errorf("thumbprint %s, want %s", got, want)
	}
}

func TestRefusals(t *testing.T) {
	seed := make([]byte, ed25519.SeedSize)
	private := ed25519.NewKeyFromSeed(seed)
	key, err := did.ParseKey(did.FormatKey([32]byte(private.Public().(ed25519.PublicKey))))
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	sign := func(header string) string {
		input := b64([]byte(header)) + "." + b64([]byte(`{}`))
		return input + "." + b64(ed25519.Sign(private, []byte(input)))
	}
	good := sign(`{"alg":"EdDSA","typ":"t"}`)
	for name, c := range map[string]struct {
		compact string
		want    fault.Code
	}{
		"good":                  {good, fault.OK},
		"none":                  {sign(`{"alg":"none","typ":"t"}`), fault.AlgMismatch},
		"HS256":                 {sign(`{"alg":"HS256","typ":"t"}`), fault.AlgMismatch},
		"RS256":                 {sign(`{"alg":"RS256","typ":"t"}`), fault.AlgMismatch},
		"another key's alg":     {sign(`{"alg":"ES256","typ":"t"}`), fault.AlgMismatch},
		"no alg":                {sign(`{"typ":"t"}`), fault.AlgMismatch},
		"another typ":           {sign(`{"alg":"EdDSA","typ":"u"}`), fault.InvalidValue},
		"typ in capitals":       {sign(`{"alg":"EdDSA","typ":"T"}`), fault.InvalidValue},
		"no typ":                {sign(`{"alg":"EdDSA"}`), fault.InvalidValue},
		"crit":                  {sign(`{"alg":"EdDSA","typ":"t","crit":["x"],"x":1}`), fault.UnknownField},
		"b64":                   {sign(`{"alg":"EdDSA","typ":"t","b64":false}`), fault.UnknownField},
		"alg twice":             {sign(`{"alg":"none","alg":"EdDSA","typ":"t"}`), fault.DuplicateKey},
		"two parts":             {good[:strings.LastIndexByte(good, '.')], fault.Malformed},
		"four parts":            {good + ".AA", fault.Malformed},
		"padding":               {good + "=", fault.Malformed},
		"another signature":     {good[:len(good)-4] + "AAAA", fault.BadSignature},
		"signature cut short":   {good[:strings.LastIndexByte(good, '.')] + ".AAAA", fault.BadSignature},
		"payload of another":    {strings.Replace(good, ".e30.", ".e30g.", 1), fault.BadSignature},
		"header that is a list": {b64([]byte(`[]`)) + ".e30.AAAA", fault.WrongType},
	} {
		t.Run(name, func(t *testing.T) {
			j, err := jose.Parse(c.compact)
			if err == nil {
				err = j.Check("t")
			}
			if err == nil {
				err = j.Verify(key)
			}
			if fault.Of(err) != c.want {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

// FuzzParse: no text brings the reader down, and what it reads is written alike.
func FuzzParse(f *testing.F) {
	f.Add("eyJhbGciOiJFZERTQSIsInR5cCI6InQifQ.e30.AAAA")
	f.Fuzz(func(t *testing.T, compact string) {
		j, err := jose.Parse(compact)
		if err != nil {
			return
		}
		if again, err := canon.ParseObject(j.Header.JCS()); err != nil || string(again.JCS()) != string(j.Header.JCS()) {
			t.Fatalf("%s: %v", j.Header.JCS(), err)
		}
	})
}

// FuzzParseKey: no JWK brings the reader down, and a key that it reads is written as
// one that it reads to the same.
func FuzzParseKey(f *testing.F) {
	for _, alg := range did.Algorithms {
		f.Add(jose.FormatKey(publicKey(f, alg)).JCS())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := canon.ParseObject(data)
		if err != nil {
			return
		}
		key, err := jose.ParseKey(o)
		if err != nil {
			return
		}
		if again, err := jose.ParseKey(jose.FormatKey(key)); err != nil || !again.Equal(key) {
			t.Fatalf("%s became %v, %v", key, again, err)
		}
	})
}
