package login_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/gateway/jose"
	"github.com/killick-ledger/killick/gateway/login"
	"github.com/killick-ledger/killick/gateway/login/logintest"
)

// Made by: go test ./gateway/login -run Vectors -update
var update = flag.Bool("update", false, "rewrite docs/formats/vectors/login.json")

const vectorFile = "../../docs/formats/vectors/login.json"

type vectors struct {
	Comment    string           `json:"comment"`
	DID        string           `json:"did"`
	Kid        string           `json:"kid"`
	Seed       string           `json:"seed"` // base64url, of Ed25519
	Gateway    string           `json:"gateway"`
	Challenge  string           `json:"challenge"`
	Time       int64            `json:"time"`
	Assertion  string           `json:"assertion"`
	DPoPSeed   string           `json:"dpopSeed"`
	JWK        logintest.Claims `json:"jwk"`
	Thumbprint string           `json:"thumbprint"`
	Nonce      string           `json:"nonce"`
	TokenProof string           `json:"tokenProof"` // with POST /v1/token
	Token      string           `json:"token"`
	Hash       string           `json:"ath"`
	Proof      string           `json:"proof"` // with GET /v1/me
}

// build makes the vectors by hand. Signatures of Ed25519 are always the same.
func build() vectors {
	key, dpop := logintest.SeededKey("login"), logintest.SeededKey("dpop")
	v := vectors{
		Comment: "A login: the challenge and the nonce that a gateway gave, what is signed over them, and a request with the token. Made by go test ./gateway/login -run Vectors -update",
		DID:     key.DID(), Kid: key.KeyID(), Seed: logintest.Seed("login"), Gateway: origin, Challenge: "ZmlsbGVyIGluIHBsYWNlIG9mIGEgY2hhbGxlbmdl", Time: 1790000000,
		DPoPSeed: logintest.Seed("dpop"), JWK: dpop.JWK(), Thumbprint: dpop.Thumbprint(), Nonce: "ZmlsbGVyIGluIHBsYWNlIG9mIGEgbm9uY2U", Token: "ZmlsbGVyIGluIHBsYWNlIG9mIGEgdG9rZW4",
	}
	v.Hash = logintest.Hash(v.Token)
	v.Assertion = key.JWS(logintest.Claims{"kid": v.Kid, "typ": "killick-login"}, logintest.Claims{
		"iss": v.DID, "sub": v.DID, "aud": v.Gateway, "nonce": v.Challenge, "iat": v.Time, "exp": v.Time + 60, "cnf": logintest.Claims{"jkt": v.Thumbprint},
	})
	header := logintest.Claims{"typ": "dpop+jwt", "jwk": v.JWK}
	v.TokenProof = dpop.JWS(header, logintest.Claims{"jti": "one", "htm": "POST", "htu": v.Gateway + "/v1/token", "iat": v.Time, "nonce": v.Nonce})
	v.Proof = dpop.JWS(header, logintest.Claims{"jti": "two", "htm": "GET", "htu": v.Gateway + "/v1/me", "iat": v.Time, "nonce": v.Nonce, "ath": v.Hash})
	return v
}

func TestVectors(t *testing.T) {
	v := build()
	var want bytes.Buffer
	e := json.NewEncoder(&want)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(vectorFile, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(vectorFile)
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what the test makes: %v", vectorFile, err)
	}
	if err := login.DecodeAssertion(v.Assertion); err != nil {
		t.Error(err)
	}
	for name, x := range map[string]struct{ compact, typ, key string }{
		"assertion": {v.Assertion, "killick-login", strings.TrimPrefix(v.DID, "did:key:")}, "token proof": {v.TokenProof, "dpop+jwt", ""}, "proof": {v.Proof, "dpop+jwt", ""},
	} {
		j, err := jose.Parse(x.compact)
		if err == nil {
			err = j.Check(x.typ)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var key *did.PublicKey
		if x.key != "" {
			key, err = did.ParseKey(x.key)
		} else {
			jwk, _ := j.Header.Find("jwk")
			key, err = jose.ParseKey(jwk.(canon.Object))
			if err == nil && jose.Thumbprint(key) != v.Thumbprint {
				t.Errorf("%s: thumbprint %s", name, jose.Thumbprint(key))
			}
		}
		if err == nil {
			err = j.Verify(key)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
