package vc_test

import (
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/gateway/vc"
)

// sdCase is an SD-JWT as an issuer and a holder could have made it, good or bad.
type sdCase struct {
	payload     string
	disclosures []string // as JSON
	header      string
	binding     string // header of the key binding
	claims      string // payload of the key binding, without sd_hash
	hash        string // sd_hash when it is another than the right one
	bound       *vc.Signer
}

// make writes the case.
func (c sdCase) make(t testing.TB, issuer *vc.Signer) string {
	if c.payload == "" {
		c.payload = sdPayload(t)
	}
	if c.header == "" {
		c.header = header("EdDSA", issuer.Method, "dc+sd-jwt")
	}
	out := jwsOf(t, issuer, c.header, c.payload) + "~"
	for _, d := range c.disclosures {
		out += canon.B64([]byte(d)) + "~"
	}
	if c.bound == nil {
		return out
	}
	if c.hash == "" {
		c.hash = digestOf(out)
	}
	if c.binding == "" {
		c.binding = `{"alg":"EdDSA","typ":"kb+jwt"}`
	}
	return out + jwsOf(t, c.bound, c.binding, edited(t, c.claims, "sd_hash", `"`+c.hash+`"`))
}

func digestOf(text string) string {
	sum := sha256Of([]byte(text))
	return canon.B64(sum[:])
}

// disclosureDigest is that of a disclosure given as JSON.
func disclosureDigest(json string) string { return digestOf(canon.B64([]byte(json))) }

// The disclosures of sdPayload, as JSON.
const sdName, sdElement, sdInner = `["s1","given_name","Erika"]`, `["s2","FR"]`, `["s3","street","Way 1"]`

func sdOuter() string { return `["s4","address",{"_sd":["` + disclosureDigest(sdInner) + `"]}]` }

// sdPayload hides a claim, an element, and a claim within a claim.
func sdPayload(t testing.TB) string {
	jwk := `{"kty":"OKP","crv":"Ed25519","x":"` + canon.B64(publicKey(t, "holder", did.EdDSA).Ed25519()) + `"}`
	return `{"iss":"` + controller(keySigner("issuer", did.EdDSA)) + `","vct":"person","cnf":{"jwk":` + jwk + `},"_sd_alg":"sha-256",` +
		`"_sd":["` + disclosureDigest(sdName) + `","` + disclosureDigest(sdOuter()) + `"],"nationalities":["DE",{"...":"` + disclosureDigest(sdElement) + `"}]}`
}

// selectiveVectors are dc+sd-jwt, as issued and as presented.
func selectiveVectors(t testing.TB) []vector {
	return append(append(disclosureVectors(t), sdHeadVectors(t)...), bindingVectors(t)...)
}

// disclosureVectors are about disclosures and digests.
func disclosureVectors(t testing.TB) []vector {
	issuer, base := keySigner("issuer", did.EdDSA), sdPayload(t)
	var out []vector
	add := func(title string, c sdCase, code string) {
		out = append(out, vector{Name: "sd-jwt: " + title, Secured: c.make(t, issuer), Code: code})
	}
	with := func(path, value string) sdCase { return sdCase{payload: edited(t, base, path, value)} }
	embed := func(disclosures ...string) sdCase {
		digests := make([]string, len(disclosures))
		for i, d := range disclosures {
			digests[i] = disclosureDigest(d)
		}
		return sdCase{payload: edited(t, base, "_sd", `["`+strings.Join(digests, `","`)+`"]`), disclosures: disclosures}
	}
	add("as issued", sdCase{disclosures: []string{sdName, sdElement, sdOuter(), sdInner}}, "ok")
	add("nothing disclosed", sdCase{}, "ok")
	add("in another order", sdCase{disclosures: []string{sdInner, sdOuter(), sdElement, sdName}}, "ok")
	add("inner without outer", sdCase{disclosures: []string{sdInner}}, "bad_signature")
	add("a disclosure that was not signed", sdCase{disclosures: []string{`["s1","given_name","Eva"]`}}, "bad_signature")
	add("a disclosure twice", sdCase{disclosures: []string{sdName, sdName}}, "duplicate_key")
	add("a digest twice", sdCase{payload: edited(t, base, "_sd", `["`+disclosureDigest(sdName)+`","`+disclosureDigest(sdName)+`"]`), disclosures: []string{sdName}}, "duplicate_key")
	add("a digest in two places", sdCase{payload: edited(t, base, "more", `{"_sd":["`+disclosureDigest(sdName)+`"]}`), disclosures: []string{sdName}}, "duplicate_key")
	add("a digest that is disclosed nowhere, twice", with("_sd", `["x","x"]`), "duplicate_key")
	add("a claim that is there already", sdCase{payload: edited(t, base, "given_name", `"Eva"`), disclosures: []string{sdName}}, "duplicate_key")
	add("two disclosures of one claim", embed(sdName, `["s9","given_name","Eva"]`), "duplicate_key")
	add("claim with the name _sd", embed(`["s","_sd",["x"]]`), "invalid_value")
	add("claim with the name ...", embed(`["s","...","x"]`), "invalid_value")
	add("claim with a number for a name", embed(`["s",1,"x"]`), "invalid_value")
	add("hidden exp", embed(`["s","exp",1]`), "invalid_value")
	add("hidden cnf", embed(`["s","cnf",{}]`), "invalid_value")
	add("exp within a hidden claim", embed(`["s","a",{"exp":1}]`), "ok")
	add("element for a claim", embed(`["s","x"]`), "invalid_value")
	add("claim for an element", sdCase{payload: edited(t, base, "nationalities", `[{"...":"`+disclosureDigest(sdName)+`"}]`), disclosures: []string{sdName}}, "invalid_value")
	add("claim for an element alone", sdCase{payload: edited(t, edited(t, base, "_sd", ""), "nationalities", `[{"...":"`+disclosureDigest(sdName)+`"}]`), disclosures: []string{sdName}}, "invalid_value")
	add("salt is a number", embed(`[1,"a","b"]`), "wrong_type")
	add("disclosure of one element", embed(`["s"]`), "invalid_value")
	add("disclosure of four elements", embed(`["s","a","b","c"]`), "invalid_value")
	add("disclosure is an object", embed(`{"s":"a"}`), "wrong_type")
	add("disclosure with data behind it", embed(`["s","a","b"] `), "trailing_data")
	add("disclosure with a member twice", embed(`["s","a",{"b":1,"b":1}]`), "duplicate_key")
	add("disclosure with a number beyond 2^53", embed(`["s","a",9007199254740992]`), "number_range")
	add("disclosure that is empty", sdCase{disclosures: []string{""}}, "malformed")
	add("_sd is a text", with("_sd", `"x"`), "wrong_type")
	add("digest is a number", with("_sd", `[1]`), "wrong_type")
	add("... beside another member", with("nationalities", `[{"...":"x","a":1}]`), "invalid_value")
	add("... outside a list", with("more", `{"...":"x"}`), "invalid_value")
	add("another hash", with("_sd_alg", `"sha-512"`), "invalid_value")
	add("no hash named", with("_sd_alg", ``), "ok")
	add("hash named within", with("more", `{"_sd_alg":"sha-256"}`), "invalid_value")
	return out
}

// sdHeadVectors are about the JWT of the issuer.
func sdHeadVectors(t testing.TB) []vector {
	issuer, other, base := keySigner("issuer", did.EdDSA), keySigner("other", did.EdDSA), sdPayload(t)
	var out []vector
	add := func(title string, c sdCase, code string) {
		out = append(out, vector{Name: "sd-jwt: " + title, Secured: c.make(t, issuer), Code: code})
	}
	with := func(path, value string) sdCase { return sdCase{payload: edited(t, base, path, value)} }
	add("no vct", with("vct", ``), "missing_field")
	add("no iss", with("iss", ``), "kid_mismatch")
	add("another iss", with("iss", `"`+controller(other)+`"`), "kid_mismatch")
	add("expired", with("exp", `1780315200`), "expired")
	add("not yet valid", with("nbf", `1780315201`), "not_yet_valid")
	add("alg none", sdCase{header: header("none", issuer.Method, "dc+sd-jwt")}, "alg_mismatch")
	add("typ of another", sdCase{header: header("EdDSA", issuer.Method, "vc+jwt")}, "invalid_value")
	add("cnf is a text", with("cnf", `"x"`), "invalid_value")
	add("cnf with kid", with("cnf", `{"kid":"x"}`), "invalid_value")
	add("cnf with a private key", with("cnf/jwk/d", `"x"`), "invalid_value")
	add("cnf of another curve", with("cnf/jwk/crv", `"X25519"`), "invalid_value")
	add("cnf that is too short", with("cnf/jwk/x", `"AAAA"`), "invalid_value")
	add("cnf that is no point", with("cnf/jwk", `{"kty":"EC","crv":"P-256","x":"`+canon.B64(make([]byte, 32))+`","y":"`+canon.B64(make([]byte, 32))+`"}`), "invalid_value")
	add("cnf of P-256", with("cnf/jwk", jwkP256), "ok")
	add("cnf of P-256 with another y", with("cnf/jwk", strings.Replace(jwkP256, `"y":"T`, `"y":"U`, 1)), "invalid_value")
	return out
}

// bindingVectors are about the key binding.
func bindingVectors(t testing.TB) []vector {
	issuer, other, holder := keySigner("issuer", did.EdDSA), keySigner("other", did.EdDSA), keySigner("holder", did.EdDSA)
	kb := `{"iat":1780315200,"aud":"https://verifier.example","nonce":"n-1"}`
	var out []vector
	add := func(title string, c sdCase, code string) {
		out = append(out, vector{"sd-jwt: " + title, c.make(t, issuer), selectiveRequest.Challenge, selectiveRequest.Domain, code})
	}
	bound := func(c sdCase) sdCase {
		if c.claims == "" {
			c.claims = kb
		}
		if c.bound == nil {
			c.bound = holder
		}
		if c.disclosures == nil {
			c.disclosures = []string{sdName}
		}
		return c
	}
	add("bound", bound(sdCase{}), "ok")
	add("bound, nothing disclosed", bound(sdCase{disclosures: []string{}}), "ok")
	add("bound by another key", bound(sdCase{bound: other}), "bad_signature")
	add("bound without cnf", bound(sdCase{payload: edited(t, sdPayload(t), "cnf", "")}), "missing_field")
	add("not bound", sdCase{claims: kb}, "missing_field")
	add("bound for other disclosures", bound(sdCase{hash: digestOf("x")}), "bad_signature")
	add("bound by typ JWT", bound(sdCase{binding: `{"alg":"EdDSA","typ":"JWT"}`}), "invalid_value")
	add("bound by alg none", bound(sdCase{binding: `{"alg":"none","typ":"kb+jwt"}`}), "alg_mismatch")
	add("bound by HS256", bound(sdCase{binding: `{"alg":"HS256","typ":"kb+jwt"}`}), "alg_mismatch")
	add("bound with crit", bound(sdCase{binding: `{"alg":"EdDSA","crit":["x"],"typ":"kb+jwt"}`}), "unknown_field")
	add("bound to another nonce", bound(sdCase{claims: edited(t, kb, "nonce", `"n-2"`)}), "invalid_value")
	add("bound to another verifier", bound(sdCase{claims: edited(t, kb, "aud", `"https://other.example"`)}), "invalid_value")
	add("bound to several verifiers", bound(sdCase{claims: edited(t, kb, "aud", `["https://verifier.example"]`)}), "invalid_value")
	add("bound five minutes ago", bound(sdCase{claims: edited(t, kb, "iat", `1780314900`)}), "ok")
	add("bound longer ago", bound(sdCase{claims: edited(t, kb, "iat", `1780314899`)}), "expired")
	add("bound in five minutes", bound(sdCase{claims: edited(t, kb, "iat", `1780315500`)}), "ok")
	add("bound later", bound(sdCase{claims: edited(t, kb, "iat", `1780315501`)}), "not_yet_valid")
	add("bound without a time", bound(sdCase{claims: edited(t, kb, "iat", ``)}), "expired")
	presented := bound(sdCase{}).make(t, issuer)
	parts := strings.Split(presented, "~")
	out = append(out,
		vector{"sd-jwt: bound to somebody else's request", presented, "", "", "invalid_value"},
		vector{"sd-jwt: disclosure added behind the binding", strings.Join([]string{parts[0], parts[1], canon.B64([]byte(sdElement)), parts[2]}, "~"), "n-1", "https://verifier.example", "bad_signature"},
		vector{"sd-jwt: disclosure taken out behind the binding", parts[0] + "~" + parts[2], "n-1", "https://verifier.example", "bad_signature"},
		vector{"sd-jwt: without a tilde", parts[0], "", "", "malformed"})
	return out
}

// jwkP256 is the base point of P-256.
const jwkP256 = `{"kty":"EC","crv":"P-256","x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY","y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}`
