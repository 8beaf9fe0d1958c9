package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Whatever is sent to the VC-API, the answer is a verdict or a problem, with a status of
// a client's mistake, and nothing is issued or found good.
func FuzzCredentials(f *testing.F) {
	rest := fuzzed(f)
	const proof = `"proof":{"type":"DataIntegrityProof","cryptosuite":"eddsa-jcs-2022","proofPurpose":"assertionMethod","verificationMethod":"` + keyID + `","proofValue":"z2x"}`
	const credential = `{"@context":["https://www.w3.org/ns/credentials/v2"],"type":["VerifiableCredential"],"issuer":"` + keyDID + `","credentialSubject":{"id":"urn:a"},` + proof + `}`
	f.Add("/credentials/issue", `{"credential":`+credential+`,"options":{"format":"dc+sd-jwt","disclose":["/a"],"holder":{"kty":"OKP"}}}`)
	f.Add("/credentials/verify", `{"verifiableCredential":`+credential+`,"options":{"checks":["proof"]}}`)
	f.Add("/credentials/verify", `{"verifiableCredential":"a.b.c~d~"}`)
	f.Add("/presentations/prove", `{"presentation":{"@context":["https://www.w3.org/ns/credentials/v2"],"type":"VerifiablePresentation","holder":{"id":"x"},"verifiableCredential":[`+credential+`]},"options":{"challenge":"c","domain":"d","format":"vp+jwt"}}`)
	f.Add("/presentations/verify", `{"verifiablePresentation":{"@context":["https://www.w3.org/ns/credentials/v2"],"type":"VerifiablePresentation","verifiableCredential":[`+credential+`]},"options":{"challenge":"c","domain":"d"}}`)
	f.Add("/v1/records/00000001-00/certificate", `{"options":{}}`)
	f.Fuzz(func(t *testing.T, path, body string) {
		switch path {
		case "/credentials/issue", "/credentials/verify", "/presentations/prove", "/presentations/verify", "/v1/records/00000001-00/certificate":
		default:
			t.Skip()
		}
		w := httptest.NewRecorder()
		rest.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)))
		switch w.Code {
		case 400, 413, 501:
		default:
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		var v map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || v["verified"] == true || w.Header().Get("Content-Type") == "" {
			t.Fatalf("%v: %v %s", err, w.Header(), w.Body)
		}
	})
}
