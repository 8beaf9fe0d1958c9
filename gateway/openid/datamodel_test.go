package openid_test

import (
	"crypto/sha256"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/gateway/login/logintest"
	"github.com/killick-ledger/killick/gateway/vc"
	"github.com/mr-tron/base58"
)

const dataModel = `"meta":{"type_values":[["https://www.w3.org/2018/credentials#VerifiableCredential","https://university.example/terms#DiplomaCredential"]]},"claims":[{"path":["credentialSubject","degree"]}]`

// presentJWT makes a vp+jwt of a credential.
func presentJWT(credential string, key *logintest.Key, q question, changes ...logintest.Change) string {
	header := logintest.Claims{"typ": "vp+jwt", "kid": key.KeyID()}
	claims := logintest.Claims{
		"@context": []string{"https://www.w3.org/ns/credentials/v2"}, "type": []string{"VerifiablePresentation"}, "holder": key.DID(),
		"verifiableCredential": []any{logintest.Claims{
			"@context": "https://www.w3.org/ns/credentials/v2", "type": "EnvelopedVerifiableCredential", "id": "data:application/vc+jwt," + credential,
		}},
		"nonce": q.nonce, "aud": q.client, "iat": time.Now().Unix(),
	}
	for _, f := range changes {
		f(header, claims)
	}
	return key.JWS(header, claims)
}

func TestPresentJWT(t *testing.T) {
	w := begin(t)
	key, thief := logintest.NewKey("ES256"), logintest.NewKey("ES256")
	credential := w.issued(`{"credentials":[{"configuration":"diploma-jwt","claims":{"degree":"MSc"}}]}`, "diploma-jwt", key)
	app := w.app(w.partner)
	query := w.asking(`{"credentials":[{"id":"pid","format":"vc+jwt",` + dataModel + `}]}`)
	set := func(name string, value any) logintest.Change {
		return func(_, claims logintest.Claims) { claims[name] = value }
	}
	for name, c := range map[string]struct {
		make   func(q question) any
		status int
	}{
		"good":                {func(q question) any { return presentJWT(credential, key, q) }, 200},
		"nonce of another":    {func(q question) any { return presentJWT(credential, key, q, set("nonce", "x")) }, 400},
		"aud of another":      {func(q question) any { return presentJWT(credential, key, q, set("aud", origin)) }, 400},
		"not its holder":      {func(q question) any { return presentJWT(credential, thief, q) }, 400},
		"holder is another":   {func(q question) any { return presentJWT(credential, thief, q, set("holder", key.DID())) }, 400},
		"no credential":       {func(q question) any { return presentJWT(credential, key, q, set("verifiableCredential", []any{})) }, 400},
		"the bare credential": {func(question) any { return credential }, 400},
		"an object": {func(q question) any {
			return map[string]any{"@context": "https://www.w3.org/ns/credentials/v2", "type": "EnvelopedVerifiablePresentation", "id": "data:application/vp+jwt," + presentJWT(credential, key, q)}
		}, 400},
		"the object as text": {func(q question) any {
			return `{"@context":"https://www.w3.org/ns/credentials/v2","type":"EnvelopedVerifiablePresentation","id":"data:application/vp+jwt,` + presentJWT(credential, key, q) + `"}`
		}, 400},
	} {
		t.Run(name, func(t *testing.T) {
			q := w.request(app, query)
			w.want(w.answer(q, token{"pid": {c.make(q)}}), c.status, map[int]string{400: "invalid_request"}[c.status])
			if c.status != 200 {
				return
			}
			if a := app.Do("GET", "/v1/openid/requests/"+q.id, ""); !strings.Contains(a.Body, `"holder":"`+key.DID()) || !strings.Contains(a.Body, `"degree":"MSc"`) {
				t.Errorf("%s", a.Body)
			}
		})
	}
}

// prove adds a proof of eddsa-jcs-2022, or what changes make of it. encoding/json writes these documents as RFC 8785
// does: their texts are plain, and their numbers none.
func prove(document logintest.Claims, key *logintest.Key, q question, changes ...logintest.Change) logintest.Claims {
	hash := func(v any) []byte {
		data, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(data)
		return sum[:]
	}
	options := logintest.Claims{
		"type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "proofPurpose": "authentication", "verificationMethod": key.KeyID(),
		"challenge": q.nonce, "domain": q.client, "@context": document["@context"],
	}
	for _, f := range changes {
		f(nil, options)
	}
	value := "z" + base58.Encode(key.Sign(append(hash(options), hash(document)...)))
	options["proofValue"] = value
	out := maps.Clone(document)
	out["proof"] = options
	return out
}

func TestPresentIntegrity(t *testing.T) {
	w := begin(t)
	key := logintest.NewKey("EdDSA")
	unsecured := `{"@context":["https://www.w3.org/ns/credentials/v2","` + contextURL + `"],"type":["VerifiableCredential","DiplomaCredential"],"issuer":"` + w.key.DID() +
		`","credentialSubject":{"id":"` + key.DID() + `","degree":"MSc"}}`
	secured, err := w.contexts.Issue([]byte(unsecured), w.signer(w.key), vc.ProofOptions{Created: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	var credential any
	if err := json.Unmarshal(secured, &credential); err != nil {
		t.Fatal(err)
	}
	document := logintest.Claims{
		"@context": []any{"https://www.w3.org/ns/credentials/v2"}, "type": []any{"VerifiablePresentation"}, "verifiableCredential": []any{credential},
	}
	app := w.app(w.partner)
	query := w.asking(`{"credentials":[{"id":"pid","format":"ldp_vc",` + dataModel + `}]}`)
	q := w.request(app, query)
	earlier := w.request(app, query)
	w.want(w.answer(q, token{"pid": {prove(document, key, earlier)}}), 400, "invalid_request")
	w.want(w.answer(q, token{"pid": {document}}), 400, "invalid_request")
	overRDF := func(_, options logintest.Claims) { options["cryptosuite"] = "eddsa-rdfc-2022" }
	w.want(w.answer(q, token{"pid": {prove(document, key, q, overRDF)}}), 400, "invalid_request")
	w.want(w.answer(q, token{"pid": {prove(document, key, q)}}), 200, "")
	// The credential within must have the form that was asked for, too.
	jwt := w.issued(`{"credentials":[{"configuration":"diploma-jwt","claims":{"degree":"MSc"}}]}`, "diploma-jwt", key)
	mixed := maps.Clone(document)
	mixed["verifiableCredential"] = []any{logintest.Claims{"@context": "https://www.w3.org/ns/credentials/v2", "type": "EnvelopedVerifiableCredential", "id": "data:application/vc+jwt," + jwt}}
	w.want(w.answer(earlier, token{"pid": {prove(mixed, key, earlier)}}), 400, "invalid_request")
}
