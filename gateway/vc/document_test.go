package vc_test

import (
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/vc"
)

// A document of any DID method is read for the one key that is asked for.
func TestParseMethod(t *testing.T) {
	const subject = "did:web:example.com"
	key := opstest.NewKey("web", did.EdDSA).Multikey
	other := opstest.NewKey("web p256", did.ES256).Multikey
	const jwk = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	method := func(id, kind, controller, material string) string {
		return `{"id":"` + id + `","type":"` + kind + `","controller":"` + controller + `",` + material + `}`
	}
	multikey := `"publicKeyMultibase":"` + key + `"`
	for name, tt := range map[string]struct {
		document string
		id       string
		code     fault.Code
		alg      did.Algorithm
		purposes string
	}{
		"absolute ids": {`{"id":"` + subject + `","verificationMethod":[` + method(subject+"#a", "Multikey", subject, multikey) + `],"assertionMethod":["` + subject + `#a"]}`,
			subject + "#a", fault.OK, did.EdDSA, "assertionMethod"},
		"relative ids": {`{"id":"` + subject + `","verificationMethod":[` + method("#a", "Multikey", subject, `"publicKeyMultibase":"`+other+`"`) + `],"assertionMethod":["#a"],"authentication":["#a"]}`,
			subject + "#a", fault.OK, did.ES256, "assertionMethod authentication"},
		"a JWK": {`{"id":"` + subject + `","verificationMethod":[` + method("#a", "JsonWebKey2020", subject, `"publicKeyJwk":`+jwk) + `],"authentication":"#a"}`,
			subject + "#a", fault.OK, did.EdDSA, "authentication"},
		"for one purpose alone": {`{"id":"` + subject + `","authentication":[` + method("#a", "Ed25519VerificationKey2020", subject, multikey) + `]}`,
			subject + "#a", fault.OK, did.EdDSA, "authentication"},
		"another's": {`{"id":"` + subject + `","verificationMethod":[` + method(subject+"#a", "Multikey", "did:web:thief.example", multikey) + `]}`,
			subject + "#a", fault.OK, did.EdDSA, ""}, // its controller is for the verifier to compare
		"no such key":    {`{"id":"` + subject + `","verificationMethod":[` + method("#b", "Multikey", subject, multikey) + `]}`, subject + "#a", fault.KeyUnknown, "", ""},
		"of another DID": {`{"id":"did:web:other.example"}`, subject + "#a", fault.KidMismatch, "", ""},
		"twice":          {`{"id":"` + subject + `","verificationMethod":[` + method("#a", "Multikey", subject, multikey) + `,` + method(subject+"#a", "Multikey", subject, multikey) + `]}`, subject + "#a", fault.InvalidValue, "", ""},
		"another type":   {`{"id":"` + subject + `","verificationMethod":[` + method("#a", "RsaVerificationKey2018", subject, multikey) + `]}`, subject + "#a", fault.InvalidValue, "", ""},
		"not its type":   {`{"id":"` + subject + `","verificationMethod":[` + method("#a", "Ed25519VerificationKey2020", subject, `"publicKeyMultibase":"`+other+`"`) + `]}`, subject + "#a", fault.InvalidValue, "", ""},
		"no key":         {`{"id":"` + subject + `","verificationMethod":[` + method("#a", "JsonWebKey", subject, multikey) + `]}`, subject + "#a", fault.InvalidValue, "", ""},
		"not JSON":       {`{`, subject + "#a", fault.Malformed, "", ""},
		"too much of it": {`{"id":"` + subject + strings.Repeat(" ", 64<<10) + `"}`, subject + "#a", fault.TooLarge, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := vc.ParseMethod([]byte(tt.document), tt.id)
			if fault.Of(err) != tt.code {
				t.Fatalf("%v, want %v", err, tt.code)
			}
			if err != nil {
				return
			}
			var purposes []string
			for _, p := range m.Purposes {
				purposes = append(purposes, string(p))
			}
			if m.ID != tt.id || m.Key.Algorithm() != tt.alg || strings.Join(purposes, " ") != tt.purposes {
				t.Errorf("%+v %s", m, m.Key.Algorithm())
			}
		})
	}
}

func FuzzParseMethod(f *testing.F) {
	f.Add([]byte(`{"id":"did:web:a.example","verificationMethod":[{"id":"#a","type":"Multikey","controller":"did:web:a.example","publicKeyMultibase":"z6Mk"}],"assertionMethod":["#a"]}`))
	f.Add([]byte(`{"id":"did:web:a.example","authentication":[{"id":"did:web:a.example#a","type":"JsonWebKey","publicKeyJwk":{"kty":"OKP"}}]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		m, err := vc.ParseMethod(document, "did:web:a.example#a")
		if err == nil && (m.Key == nil || m.ID != "did:web:a.example#a") {
			t.Errorf("%+v", m)
		}
	})
}
