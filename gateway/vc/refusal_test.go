package vc_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/vc"
)

// vector is one secured document and its verdict at the time of all checks.
type vector struct {
	Name      string `json:"name"`
	Secured   string `json:"secured"`
	Challenge string `json:"challenge,omitempty"` // of a presentation, with Domain
	Domain    string `json:"domain,omitempty"`
	Code      string `json:"code"`
}

// verdict verifies a vector as what it is.
func (x vector) verdict(v *vc.Verifier) error {
	if strings.HasPrefix(x.Name, "sd-jwt: ") {
		var expect *vc.Expectation
		if x.Challenge != "" {
			expect = &vc.Expectation{Challenge: x.Challenge, Domain: x.Domain}
		}
		_, err := v.Selective(context.Background(), []byte(x.Secured), expect, now)
		return err
	}
	if x.Challenge != "" {
		_, err := v.Presentation(context.Background(), []byte(x.Secured), vc.Expectation{Challenge: x.Challenge, Domain: x.Domain}, now)
		return err
	}
	_, err := v.Credential(context.Background(), []byte(x.Secured), now)
	return err
}

// TestVerdicts verifies what every case of the tables makes.
func TestVerdicts(t *testing.T) {
	v := verifier(t)
	for _, x := range makeVectors(t) {
		t.Run(x.Name, func(t *testing.T) {
			if err := x.verdict(v); fault.Of(err).String() != x.Code {
				t.Errorf("got %v, want %s\n%s", err, x.Code, x.Secured)
			}
		})
	}
}

func makeVectors(t testing.TB) []vector {
	t.Helper()
	var all []vector
	all = append(all, formVectors(t)...)
	all = append(all, modelVectors(t)...)
	all = append(all, proofVectors(t)...)
	all = append(all, jwtVectors(t)...)
	all = append(all, presentationVectors(t)...)
	return append(all, selectiveVectors(t)...)
}

// formVectors are good, one of each form and type of key.
func formVectors(t testing.TB) []vector {
	v := verifier(t)
	_, ledgerSigner := ledger()
	var all []vector
	for _, alg := range did.Algorithms {
		s := keySigner("issuer", alg)
		unsecured := []byte(alumni(controller(s)))
		if alg != did.ES256K {
			all = append(all, vector{Name: "proof, " + string(alg), Secured: string(must[[]byte](t)(v.Contexts.Issue(unsecured, s, proofTimes))), Code: "ok"})
		}
		compact := must[string](t)(v.Contexts.IssueJWT(unsecured, s))
		all = append(all, vector{Name: "jwt, " + string(alg), Secured: compact, Code: "ok"},
			vector{Name: "enveloped jwt, " + string(alg), Secured: envelope(compact), Code: "ok"})
	}
	s := ledgerSigner("assert", did.EdDSA)
	secured := must[[]byte](t)(v.Contexts.Issue([]byte(alumni(ledgerDID)), s, vc.ProofOptions{}))
	return append(all, vector{Name: "proof of a key of the ledger, without times", Secured: string(secured), Code: "ok"})
}

// modelVectors break the data model in a vc+jwt whose signature is good, so that
// nothing else is wrong with it.
func modelVectors(t testing.TB) []vector {
	s := keySigner("issuer", did.EdDSA)
	base64Digest := base64.StdEncoding.EncodeToString
	digest := sha256.Sum256(alumniFile)
	related := func(member, value string) string {
		return `[{"id":"` + alumniContext + `","` + member + `":"` + value + `"}]`
	}
	own := func(contexts string) string { // behind the two that the credential needs
		return `["https://www.w3.org/ns/credentials/v2","` + alumniContext + `",` + contexts + `]`
	}
	multihash := func(d [32]byte) string { return "u" + canon.B64(append([]byte{0x12, 0x20}, d[:]...)) }
	var all []vector
	for _, tt := range []struct{ name, path, value, code string }{
		{"no context", "@context", ``, "missing_field"},
		{"context is no list", "@context", `"https://www.w3.org/ns/credentials/v2"`, "invalid_value"},
		{"base context is not first", "@context", `["` + alumniContext + `","https://www.w3.org/ns/credentials/v2"]`, "invalid_value"},
		{"base context of version 1", "@context", `["https://www.w3.org/2018/credentials/v1"]`, "invalid_value"},
		{"unknown context", "@context", `["https://www.w3.org/ns/credentials/v2","https://contexts.example/other"]`, "invalid_value"},
		{"vocabulary written out", "@context", `["https://www.w3.org/ns/credentials/v2",{"@vocab":"https://evil.example/"}]`, "invalid_value"},
		{"term written out", "@context", own(`{"Seal":"https://seals.example/#Seal"}`), "ok"},
		{"term written out with its parts", "@context", own(`{"@protected":true,"seal":{"@id":"https://seals.example/#seal","@type":"@id"}}`), "ok"},
		{"term of the base context", "@context", own(`{"VerifiableCredential":"https://evil.example/"}`), "invalid_value"},
		{"term of a context of the list", "@context", own(`{"alumniOf":"https://evil.example/"}`), "invalid_value"},
		{"term within a credential", "@context", own(`{"issuer":"https://evil.example/"}`), "invalid_value"},
		{"term twice", "@context", own(`{"a":"https://a.example/"},{"a":"https://b.example/"}`), "invalid_value"},
		{"term that is a keyword", "@context", own(`{"kind":"@type"}`), "invalid_value"},
		{"term that renames a keyword", "@context", own(`{"kind":{"@id":"@type"}}`), "invalid_value"},
		{"term with a context of its own", "@context", own(`{"a":{"@id":"https://a.example/","@context":{}}}`), "invalid_value"},
		{"term that stands for nothing", "@context", own(`{"a":null}`), "invalid_value"},
		{"term that is a prefix", "@context", own(`{"a:b":"https://a.example/"}`), "invalid_value"},
		{"context that imports", "@context", own(`{"@import":"https://evil.example/"}`), "invalid_value"},
		{"context of the list behind terms", "@context", `["https://www.w3.org/ns/credentials/v2",{"a":"https://a.example/"},"` + alumniContext + `"]`, "invalid_value"},
		{"a broken entry of a status list", "credentialSubject/status", `{"type":"BitstringStatusListEntry","statusListIndex":true,"statusListCredential":"https://x.example"}`, "invalid_value"},
		{"context twice", "@context", `["https://www.w3.org/ns/credentials/v2","` + alumniContext + `","` + alumniContext + `"]`, "invalid_value"},
		{"context within", "credentialSubject", `{"@context":"` + alumniContext + `"}`, "invalid_value"},
		{"digest of a context", "relatedResource", related("digestSRI", "sha256-"+base64Digest(digest[:])), "ok"},
		{"digest of a context as a multihash", "relatedResource", related("digestMultibase", multihash(digest)), "ok"},
		{"another digest of a context", "relatedResource", related("digestSRI", "sha256-"+base64Digest(make([]byte, 32))), "invalid_value"},
		{"another digest of a context as a multihash", "relatedResource", related("digestMultibase", multihash([32]byte{})), "invalid_value"},
		{"a digest of an unknown algorithm", "relatedResource", related("digestSRI", "sha512-"+base64Digest(make([]byte, 64))), "invalid_value"},
		{"two digests of one resource", "relatedResource", `[{"id":"https://x.example/","digestSRI":"a"},{"id":"https://x.example/","digestSRI":"b"}]`, "invalid_value"},
		{"no digest", "relatedResource", `[{"id":"https://x.example/"}]`, "missing_field"},
		{"no type", "type", ``, "missing_field"},
		{"type of something else", "type", `["AlumniCredential"]`, "invalid_value"},
		{"unknown type", "type", `["VerifiableCredential","DegreeCredential"]`, "invalid_value"},
		{"type of a context that is not named", "@context", `["https://www.w3.org/ns/credentials/v2"]`, "invalid_value"},
		{"type that is a URL", "type", `["VerifiableCredential","https://types.example/#Seal"]`, "ok"},
		{"type that is no URL", "type", `["VerifiableCredential","https ://types.example/#Seal"]`, "invalid_value"},
		{"type with a prefix", "type", `["VerifiableCredential","seals:Seal"]`, "invalid_value"},
		{"unknown type within", "credentialSubject/type", `"Person"`, "invalid_value"},
		{"unknown type in a proof within", "credentialSubject/proof", `{"type":"Seal"}`, "invalid_value"},
		{"a JSON schema's own type", "credentialSubject/jsonSchema", `{"type":"object"}`, "ok"},
		{"type is a number", "type", `1`, "wrong_type"},
		{"id is no URL", "id", `"not a url"`, "invalid_value"},
		{"id is null", "id", `null`, "wrong_type"},
		{"no issuer", "issuer", ``, "missing_field"},
		{"issuer is no URL", "issuer", `"school"`, "invalid_value"},
		{"issuer without id", "issuer", `{"name":"School"}`, "invalid_value"},
		{"issuer is a list", "issuer", `["did:example:a"]`, "invalid_value"},
		{"issuer is another DID", "issuer", `"did:example:a"`, "kid_mismatch"},
		{"not yet valid", "validFrom", `"2026-06-01T12:00:01Z"`, "not_yet_valid"},
		{"valid from now", "validFrom", `"2026-06-01T12:00:00Z"`, "ok"},
		{"expired", "validUntil", `"2026-06-01T12:00:00Z"`, "expired"},
		{"valid until one second from now", "validUntil", `"2026-06-01T12:00:01Z"`, "ok"},
		{"no times", "validFrom", ``, "ok"},
		{"until before from", "validUntil", `"2025-01-01T00:00:00Z"`, "invalid_value"},
		{"time without a zone", "validFrom", `"2026-01-01T00:00:00"`, "invalid_value"},
		{"date without a time", "validFrom", `"2026-01-01"`, "invalid_value"},
		{"time with an hour of one digit", "validFrom", `"2026-01-01T0:00:00Z"`, "invalid_value"},
		{"time with a zone that is none", "validFrom", `"2026-01-01T00:00:00+24:00"`, "invalid_value"},
		{"time with a fraction and a zone", "validFrom", `"2026-01-01T00:00:00.123456789-05:30"`, "ok"},
		{"time with a comma", "validFrom", `"2026-01-01T00:00:00,5Z"`, "invalid_value"},
		{"end that would stand for none", "validUntil", `"0001-01-01T00:00:00Z"`, "invalid_value"},
		{"time in seconds", "validFrom", `1767225600`, "wrong_type"},
		{"no subject", "credentialSubject", ``, "missing_field"},
		{"empty subject", "credentialSubject", `{}`, "wrong_type"},
		{"no subject in the list", "credentialSubject", `[]`, "wrong_type"},
		{"subject is a text", "credentialSubject", `"did:example:a"`, "wrong_type"},
		{"subject's id is no URL", "credentialSubject/id", `"me"`, "invalid_value"},
		{"two subjects", "credentialSubject", `[{"id":"did:example:a"},{"alumniOf":"b"}]`, "ok"},
		{"status without type", "credentialStatus/type", ``, "missing_field"},
		{"status's id is no URL", "credentialStatus/id", `"x"`, "invalid_value"},
		{"schema without id", "credentialSchema/id", ``, "missing_field"},
		{"schema without type", "credentialSchema/type", ``, "missing_field"},
		{"evidence without type", "evidence", `[{"id":"https://x.example/"}]`, "missing_field"},
		{"name is a number", "name", `1`, "wrong_type"},
		{"description with another member", "description", `{"@value":"a","value":"b"}`, "invalid_value"},
	} {
		payload := edited(t, alumni(controller(s)), tt.path, tt.value)
		all = append(all, vector{Name: tt.name, Secured: jwsOf(t, s, header("EdDSA", s.Method, "vc+jwt"), payload), Code: tt.code})
	}
	return all
}

// proofVectors are wrong about a Data Integrity proof.
func proofVectors(t testing.TB) []vector {
	v := verifier(t)
	s, other, p256 := keySigner("issuer", did.EdDSA), keySigner("other", did.EdDSA), keySigner("issuer", did.ES256)
	_, ledgerSigner := ledger()
	good := string(must[[]byte](t)(v.Contexts.Issue([]byte(alumni(controller(s))), s, proofTimes)))
	var all []vector
	add := func(name, secured, code string) { all = append(all, vector{Name: name, Secured: secured, Code: code}) }
	for _, tt := range []struct{ name, path, value, code string }{
		{"changed document", "name", `"Another"`, "bad_signature"},
		{"added member", "extra", `1`, "bad_signature"},
		{"removed member", "name", ``, "bad_signature"},
		{"changed creation", "proof/created", `"2026-06-01T11:00:01Z"`, "bad_signature"},
		{"later expiry", "proof/expires", `"2030-01-01T00:00:00Z"`, "bad_signature"},
		{"no expiry any more", "proof/expires", ``, "bad_signature"},
		{"added option", "proof/nonce", `"x"`, "bad_signature"},
		{"added challenge", "proof/challenge", `"x"`, "bad_signature"},
		{"proof without its context", "proof/@context", ``, "bad_signature"},
		{"proof with another context", "proof/@context", `["` + alumniContext + `"]`, "bad_signature"},
		{"context added behind the signed ones", "@context", `["https://www.w3.org/ns/credentials/v2","` + alumniContext + `","` + otherContext + `"]`, "bad_signature"},
		{"proof for something else", "proof/proofPurpose", `"authentication"`, "key_purpose"},
		{"another suite", "proof/cryptosuite", `"ecdsa-jcs-2019"`, "alg_mismatch"},
		{"suite with JSON-LD", "proof/cryptosuite", `"eddsa-rdfc-2022"`, "method_not_supported"},
		{"another type of proof", "proof/type", `"Ed25519Signature2020"`, "invalid_value"},
		{"no method", "proof/verificationMethod", ``, "missing_field"},
		{"method without a fragment", "proof/verificationMethod", `"` + controller(s) + `"`, "kid_mismatch"},
		{"method is a web page", "proof/verificationMethod", `"https://issuer.example/key#1"`, "kid_mismatch"},
		{"method with another fragment", "proof/verificationMethod", `"` + controller(s) + `#key-1"`, "key_unknown"},
		{"method of another key", "proof/verificationMethod", `"` + other.Method + `"`, "bad_signature"},
		{"method of an unknown DID", "proof/verificationMethod", `"did:killick:main-0011223344556677:11111111111111111111#a"`, "did_unknown"},
		{"signature in base64url", "proof/proofValue", `"u` + canon.B64(make([]byte, 64)) + `"`, "bad_signature"},
		{"signature of 63 bytes", "proof/proofValue", `"z` + strings.Repeat("1", 63) + `"`, "bad_signature"},
		{"no signature", "proof/proofValue", ``, "bad_signature"},
		{"chain of proofs", "proof/previousProof", `"urn:uuid:1"`, "unknown_field"},
		{"no proof", "proof", ``, "missing_field"},
		{"no proof in the list", "proof", `[]`, "invalid_value"},
		{"proof is null", "proof", `null`, "invalid_value"},
		{"proof is a text", "proof", `"z"`, "wrong_type"},
	} {
		add(tt.name, edited(t, good, tt.path, tt.value), tt.code)
	}
	prove := func(issuer string, signer *vc.Signer, options vc.ProofOptions) string {
		doc := must[canon.Object](t)(canon.ParseObject([]byte(alumni(issuer))))
		return string(must[canon.Object](t)(vc.Prove(doc, signer, vc.AssertionMethod, options)).JCS())
	}
	add("signed by another DID", prove(controller(other), s, proofTimes), "kid_mismatch")
	add("key of another purpose", prove(ledgerDID, ledgerSigner("login", did.EdDSA), proofTimes), "key_purpose")
	add("key that the document does not have", prove(ledgerDID, ledgerSigner("gone", did.EdDSA), proofTimes), "key_unknown")
	add("proof expired", prove(controller(s), s, vc.ProofOptions{Expires: now}), "expired")
	add("proof of the future", prove(controller(s), s, vc.ProofOptions{Created: now.Add(6 * 60e9)}), "not_yet_valid")
	add("duplicate member", strings.Replace(good, `"name":"Alumni Credential"`, `"name":"Alumni Credential","name":"Alumni Credential"`, 1), "duplicate_key")
	add("duplicate option of the proof", strings.Replace(good, `"type":"DataIntegrityProof"`, `"type":"DataIntegrityProof","type":"DataIntegrityProof"`, 1), "duplicate_key")
	add("number beyond 2^53", `{"n":9007199254740993,`+good[1:], "number_range")
	add("trailing data", good+"{}", "trailing_data")
	add("trailing blank", good+" ", "trailing_data")
	add("cut", good[:len(good)-1], "malformed")
	proof := func(secured string) string {
		o := must[canon.Object](t)(canon.ParseObject([]byte(secured)))
		p, _ := o.Find("proof")
		return string(p.(canon.Object).JCS())
	}
	third := prove(controller(s), p256, proofTimes)
	set := func(proofs ...string) string { return edited(t, good, "proof", "["+strings.Join(proofs, ",")+"]") }
	add("set of two proofs", set(proof(good), proof(third)), "ok")
	add("set without the issuer's", set(proof(third)), "kid_mismatch")
	add("set with a bad one", set(proof(good), strings.Replace(proof(third), "11:00:00Z", "11:00:01Z", 1)), "bad_signature")
	add("set of five", set(proof(good), proof(good), proof(good), proof(good), proof(good)), "invalid_value")
	return all
}

// jwtVectors are wrong about a vc+jwt.
func jwtVectors(t testing.TB) []vector {
	s, other := keySigner("issuer", did.EdDSA), keySigner("other", did.EdDSA)
	_, ledgerSigner := ledger()
	payload := alumni(controller(s))
	good := jwsOf(t, s, header("EdDSA", s.Method, "vc+jwt"), payload)
	var all []vector
	add := func(name, secured, code string) { all = append(all, vector{Name: name, Secured: secured, Code: code}) }
	none := canon.B64([]byte(header("none", s.Method, "vc+jwt"))) + "." + canon.B64([]byte(payload)) + "."
	add("alg none", none, "alg_mismatch")
	public := opstest.NewKey("issuer", did.EdDSA).Multikey
	hmacInput := canon.B64([]byte(header("HS256", s.Method, "vc+jwt"))) + "." + canon.B64([]byte(payload))
	mac := hmac.New(sha256.New, []byte(public))
	mac.Write([]byte(hmacInput))
	add("HS256 with the public key", hmacInput+"."+canon.B64(mac.Sum(nil)), "alg_mismatch")
	key := must[*vc.Method](t)(vc.KeyMethod(s.Method)).Key
	mac = hmac.New(sha256.New, key.Ed25519())
	mac.Write([]byte(hmacInput))
	add("HS256 with the bytes of the public key", hmacInput+"."+canon.B64(mac.Sum(nil)), "alg_mismatch")
	add("alg of another key", jwsOf(t, s, header("ES256", s.Method, "vc+jwt"), payload), "alg_mismatch")
	add("alg in another case", jwsOf(t, s, header("eddsa", s.Method, "vc+jwt"), payload), "alg_mismatch")
	add("typ of a presentation", jwsOf(t, s, header("EdDSA", s.Method, "vp+jwt"), payload), "invalid_value")
	add("typ of any JWT", jwsOf(t, s, header("EdDSA", s.Method, "JWT"), payload), "invalid_value")
	add("kid of another DID", jwsOf(t, other, header("EdDSA", other.Method, "vc+jwt"), payload), "kid_mismatch")
	add("kid without a fragment", jwsOf(t, s, header("EdDSA", controller(s), "vc+jwt"), payload), "kid_mismatch")
	add("kid relative", jwsOf(t, s, header("EdDSA", "#"+public, "vc+jwt"), payload), "kid_mismatch")
	add("another key's signature", jwsOf(t, other, header("EdDSA", s.Method, "vc+jwt"), payload), "bad_signature")
	add("key in the header", jwsOf(t, other, `{"alg":"EdDSA","jwk":{"kty":"OKP","crv":"Ed25519","x":"`+canon.B64(make([]byte, 32))+`"},"kid":"`+s.Method+`","typ":"vc+jwt"}`, payload), "bad_signature")
	add("crit", jwsOf(t, s, `{"alg":"EdDSA","crit":["b64"],"b64":false,"kid":"`+s.Method+`","typ":"vc+jwt"}`, payload), "unknown_field")
	add("cty", jwsOf(t, s, `{"alg":"EdDSA","cty":"vc","kid":"`+s.Method+`","typ":"vc+jwt"}`, payload), "ok")
	add("cty of a presentation", jwsOf(t, s, `{"alg":"EdDSA","cty":"vp","kid":"`+s.Method+`","typ":"vc+jwt"}`, payload), "invalid_value")
	add("alg twice", jwsOf(t, s, `{"alg":"none","alg":"EdDSA","kid":"`+s.Method+`","typ":"vc+jwt"}`, payload), "duplicate_key")
	login := ledgerSigner("login", did.EdDSA)
	add("jwt with a key of another purpose", jwsOf(t, login, header("EdDSA", login.Method, "vc+jwt"), alumni(ledgerDID)), "key_purpose")
	for _, tt := range []struct{ name, member, value, code string }{
		{"iss", "iss", `"` + controller(s) + `"`, "ok"},
		{"another iss", "iss", `"` + controller(other) + `"`, "kid_mismatch"},
		{"sub", "sub", `"did:example:abcdefgh"`, "ok"},
		{"another sub", "sub", `"did:example:b"`, "invalid_value"},
		{"jti", "jti", `"urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33"`, "ok"},
		{"another jti", "jti", `"urn:uuid:1"`, "invalid_value"},
		{"jti is a list", "jti", `[]`, "invalid_value"},
		{"exp past", "exp", `1780315200`, "expired"},
		{"exp to come", "exp", `1780315201`, "ok"},
		{"nbf to come", "nbf", `1780315201`, "not_yet_valid"},
		{"iat far to come", "iat", `1780315800`, "not_yet_valid"},
		{"exp is a text", "exp", `"1780315201"`, "invalid_value"},
		{"exp of no calendar", "exp", `1e300`, "invalid_value"},
		{"credential in a claim", "vc", `{}`, "unknown_field"},
		{"proof within", "proof", `{}`, "unknown_field"},
	} {
		add("jwt: "+tt.name, jwsOf(t, s, header("EdDSA", s.Method, "vc+jwt"), edited(t, payload, tt.member, tt.value)), tt.code)
	}
	add("jwt: duplicate member", jwsOf(t, s, header("EdDSA", s.Method, "vc+jwt"), `{"name":"a",`+payload[1:]), "duplicate_key")
	add("jwt: number beyond 2^53", jwsOf(t, s, header("EdDSA", s.Method, "vc+jwt"), `{"n":9007199254740992,`+payload[1:]), "number_range")
	add("jwt: trailing data", jwsOf(t, s, header("EdDSA", s.Method, "vc+jwt"), payload+"{}"), "trailing_data")
	add("jwt: four parts", good+".e30", "malformed")
	add("jwt: two parts", good[:strings.LastIndexByte(good, '.')], "malformed")
	add("jwt: padding", good+"=", "malformed")
	add("jwt: line break", good+"\n", "malformed")
	add("envelope with another member", envelope(good)[:1]+`"name":"x",`+envelope(good)[1:], "unknown_field")
	add("envelope of another media type", strings.Replace(envelope(good), "vc+jwt", "vc+sd-jwt", 1), "invalid_value")
	add("envelope of nothing", envelope(""), "malformed")
	return all
}

// presentationVectors are wrong about a presentation.
func presentationVectors(t testing.TB) []vector {
	v := verifier(t)
	issuer, holder, other := keySigner("issuer", did.EdDSA), keySigner("holder", did.EdDSA), keySigner("other", did.EdDSA)
	_, ledgerSigner := ledger()
	const challenge, domain = "c-1", "verifier.example"
	options := vc.ProofOptions{Created: now, Challenge: challenge, Domain: domain}
	credential := string(must[[]byte](t)(v.Contexts.Issue([]byte(alumni(controller(issuer))), issuer, proofTimes)))
	unsecured := presenting(controller(holder), credential)
	good := string(must[[]byte](t)(v.Contexts.Present([]byte(unsecured), holder, options)))
	jwt := must[string](t)(v.Contexts.PresentJWT([]byte(unsecured), holder, options))
	var all []vector
	add := func(name, secured, code string) {
		all = append(all, vector{"presentation: " + name, secured, challenge, domain, code})
	}
	signed := func(doc string, s *vc.Signer, o vc.ProofOptions) string { // Present would refuse some
		parsed := must[canon.Object](t)(canon.ParseObject([]byte(doc)))
		return string(must[canon.Object](t)(vc.Prove(parsed, s, vc.Authentication, o)).JCS())
	}
	add("proof", good, "ok")
	add("jwt", jwt, "ok")
	other1, other2 := options, options
	other1.Challenge, other2.Domain = "c-2", "other.example"
	add("another challenge", signed(unsecured, holder, other1), "invalid_value")
	add("another domain", signed(unsecured, holder, other2), "invalid_value")
	add("jwt for another challenge", must[string](t)(v.Contexts.PresentJWT([]byte(unsecured), holder, other1)), "invalid_value")
	add("jwt for another domain", must[string](t)(v.Contexts.PresentJWT([]byte(unsecured), holder, other2)), "invalid_value")
	add("challenge put in afterwards", edited(t, signed(unsecured, holder, other1), "proof/challenge", `"c-1"`), "bad_signature")
	add("without a challenge", edited(t, good, "proof/challenge", ""), "invalid_value")
	add("credential as a presentation", credential, "invalid_value")
	add("no proof", unsecured, "missing_field")
	add("changed credential", edited(t, good, "verifiableCredential", "["+edited(t, credential, "name", `"B"`)+"]"), "bad_signature")
	add("bad credential signed by the holder", signed(presenting(controller(holder), edited(t, credential, "name", `"B"`)), holder, options), "bad_signature")
	add("credential without a proof", signed(presenting(controller(holder), alumni(controller(issuer))), holder, options), "missing_field")
	add("credential is a text", signed(presenting(controller(holder), `"x"`), holder, options), "wrong_type")
	add("of nobody in particular", signed(edited(t, unsecured, "holder", ""), holder, options), "ok")
	add("of nothing", signed(edited(t, unsecured, "verifiableCredential", ""), holder, options), "ok")
	login := ledgerSigner("assert", did.EdDSA)
	add("key of another purpose", signed(presenting(ledgerDID), login, options), "key_purpose")
	input := edited(t, edited(t, edited(t, unsecured, "iss", `"`+controller(other)+`"`), "nonce", `"c-1"`), "aud", `["verifier.example"]`)
	add("jwt of another DID", jwsOf(t, other, header("EdDSA", other.Method, "vp+jwt"), input), "kid_mismatch")
	add("jwt without iss, several aud", jwsOf(t, holder, header("EdDSA", holder.Method, "vp+jwt"), edited(t, edited(t, input, "iss", ""), "aud", `["a.example","verifier.example"]`)), "ok")
	add("33 credentials", signed(presenting(controller(holder), strings.Split(strings.Repeat("{},", 32)+"{}", ",")...), holder, options), "too_large")
	return all
}
