package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/api"
	"github.com/killick-ledger/killick/gateway/certificate"
	"github.com/killick-ledger/killick/gateway/vc"
)

// testIssuer issues under a did:key.
type testIssuer struct {
	pair opstest.Key
	did  string
}

func (i testIssuer) KeyID() string { return i.did + "#" + i.pair.Multikey }

func (i testIssuer) Sign(message []byte) ([]byte, error) { return i.pair.Signature(message), nil }

func newTestIssuer(name string, alg did.Algorithm) testIssuer {
	pair := opstest.NewKey(name, alg)
	return testIssuer{pair, "did:key:" + pair.Multikey}
}

func (i testIssuer) issuer(alg did.Algorithm, token string) certificate.Issuer {
	return certificate.Issuer{DID: i.did, Algorithm: alg, Keys: i, Token: token}
}

const issuerToken = "a token of some length"

// startIssuing has a test issuer for each algorithm; that of P-256 wants a token.
func startIssuing(t *testing.T) (h *harness, ed, p256, k1 testIssuer) {
	t.Helper()
	ed, p256, k1 = newTestIssuer("vc ed", did.EdDSA), newTestIssuer("vc p256", did.ES256), newTestIssuer("vc k1", did.ES256K)
	return start(t, func(c *api.Config) {
		c.Credentials.Issuers = []certificate.Issuer{ed.issuer(did.EdDSA, ""), p256.issuer(did.ES256, issuerToken), k1.issuer(did.ES256K, "")}
	}), ed, p256, k1
}

// call posts JSON with a token and returns the answer.
func (h *harness) call(path, token string, body any) (int, map[string]any) {
	h.t.Helper()
	text, isText := body.(string)
	if !isText {
		data, err := json.Marshal(body)
		if err != nil {
			h.t.Fatal(err)
		}
		text = string(data)
	}
	request, err := http.NewRequest(http.MethodPost, h.url+path, strings.NewReader(text))
	if err != nil {
		h.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		h.t.Fatal(err)
	}
	defer response.Body.Close()
	var v map[string]any
	if err := json.NewDecoder(response.Body).Decode(&v); err != nil {
		h.t.Fatalf("%s: %d: %v", path, response.StatusCode, err)
	}
	return response.StatusCode, v
}

type dict = map[string]any

func plain(issuer string) dict {
	return dict{
		"@context": []any{vc.BaseContext}, "type": []any{"VerifiableCredential"}, "issuer": issuer,
		"validFrom": "2026-01-01T00:00:00Z", "credentialSubject": dict{"id": "did:example:holder"},
	}
}

// CE-1: what an issuer of the VC-API secures is verified there, in every form, and
// nothing that was changed since is.
func TestIssueAndVerify(t *testing.T) {
	t.Parallel()
	h, ed, p256, k1 := startIssuing(t)
	for name, tt := range map[string]struct {
		issuer testIssuer
		token  string
		format string
		suite  string
	}{
		"EdDSA":       {ed, "", "", "eddsa-jcs-2022"},
		"ES256":       {p256, issuerToken, "data-integrity", "ecdsa-jcs-2019"},
		"EdDSA, JWT":  {ed, "", "vc+jwt", ""},
		"ES256, JWT":  {p256, issuerToken, "vc+jwt", ""},
		"ES256K, JWT": {k1, "", "vc+jwt", ""},
	} {
		t.Run(name, func(t *testing.T) {
			options := dict{}
			if tt.format != "" {
				options["format"] = tt.format
			}
			status, answer := h.call("/credentials/issue", tt.token, dict{"credential": plain(tt.issuer.did), "options": options})
			secured, ok := answer["verifiableCredential"].(dict)
			if status != http.StatusCreated || !ok {
				t.Fatalf("%d %v", status, answer)
			}
			if tt.suite != "" && secured["proof"].(dict)["cryptosuite"] != tt.suite {
				t.Errorf("proof %v", secured["proof"])
			}
			status, answer = h.call("/credentials/verify", "", dict{"verifiableCredential": secured})
			if status != http.StatusOK || answer["verified"] != true {
				t.Errorf("%d %v", status, answer)
			}
			if tt.suite == "" {
				_, compact, _ := strings.Cut(secured["id"].(string), ",")
				if status, answer = h.call("/credentials/verify", "", dict{"verifiableCredential": compact, "options": dict{"checks": []any{"proof"}}}); status != 200 {
					t.Errorf("the JWT by itself: %d %v", status, answer)
				}
				return
			}
			secured["credentialSubject"] = dict{"id": "did:example:other"}
			status, answer = h.call("/credentials/verify", "", dict{"verifiableCredential": secured})
			problems, _ := answer["problemDetails"].([]any)
			if status != http.StatusBadRequest || answer["verified"] != false || len(problems) != 1 ||
				problems[0].(dict)["type"] != "https://www.w3.org/TR/vc-data-model#CRYPTOGRAPHIC_SECURITY_ERROR" || problems[0].(dict)["code"] != "bad_signature" {
				t.Errorf("changed: %d %v", status, answer)
			}
		})
	}
}

// What is not to be issued is refused, with a problem of the specification.
func TestIssueRefusals(t *testing.T) {
	t.Parallel()
	h, ed, p256, k1 := startIssuing(t)
	with := func(change func(dict)) dict {
		c := plain(ed.did)
		change(c)
		return dict{"credential": c}
	}
	for name, tt := range map[string]struct {
		token  string
		body   any
		status int
		kind   string
	}{
		"no token":                           {"", dict{"credential": plain(p256.did)}, 401, "about:blank"},
		"another token":                      {"another token of that length", dict{"credential": plain(p256.did)}, 401, "about:blank"},
		"not JSON":                           {"", "{", 400, "https://www.w3.org/TR/vc-data-model#PARSING_ERROR"},
		"a member twice":                     {"", `{"credential":{},"credential":{}}`, 400, "https://www.w3.org/TR/vc-data-model#PARSING_ERROR"},
		"another member":                     {"", dict{"credential": plain(ed.did), "more": 1}, 400, "https://www.w3.org/TR/vc-data-model#MALFORMED_VALUE_ERROR"},
		"no credential":                      {"", dict{}, 400, "https://www.w3.org/TR/vc-data-model#MALFORMED_VALUE_ERROR"},
		"a text":                             {"", dict{"credential": "x"}, 400, "https://www.w3.org/TR/vc-data-model#MALFORMED_VALUE_ERROR"},
		"an unknown option":                  {"", dict{"credential": plain(ed.did), "options": dict{"mandatoryPointers": []any{}}}, 400, "https://www.w3.org/TR/vc-data-model#MALFORMED_VALUE_ERROR"},
		"an unknown format":                  {"", dict{"credential": plain(ed.did), "options": dict{"format": "ldp"}}, 400, "https://www.w3.org/TR/vc-data-model#MALFORMED_VALUE_ERROR"},
		"a suite that the key does not have": {"", dict{"credential": plain(k1.did)}, 400, "https://www.w3.org/TR/vc-data-model#CRYPTOGRAPHIC_SECURITY_ERROR"},
		"another issuer":                     {"", dict{"credential": plain("did:example:other")}, 400, "https://www.w3.org/TR/vc-data-model#MALFORMED_VALUE_ERROR"},
		"no issuer":                          {"", with(func(c dict) { delete(c, "issuer") }), 400, "https://www.w3.org/TR/vc-data-model#MALFORMED_VALUE_ERROR"},
		"no subject":                         {"", with(func(c dict) { delete(c, "credentialSubject") }), 400, "https://www.w3.org/TR/vc-data-model#MALFORMED_VALUE_ERROR"},
		"an unknown context": {"", with(func(c dict) { c["@context"] = []any{vc.BaseContext, "https://contexts.example/x"} }), 400,
			"https://www.w3.org/TR/vc-data-model#MALFORMED_VALUE_ERROR"},
		"an unknown type": {"", with(func(c dict) { c["type"] = []any{"VerifiableCredential", "Other"} }), 400, "https://www.w3.org/TR/vc-data-model#MALFORMED_VALUE_ERROR"},
		"secured already": {"", with(func(c dict) { c["proof"] = dict{"type": "DataIntegrityProof"} }), 400, "https://www.w3.org/TR/vc-data-model#MALFORMED_VALUE_ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := h.call("/credentials/issue", tt.token, tt.body)
			if status != tt.status || answer["type"] != tt.kind || answer["title"] == "" || answer["status"] != float64(status) {
				t.Errorf("%d %v, want %d %s", status, answer, tt.status, tt.kind)
			}
		})
	}
}

// A presentation is verified for the challenge and the domain that were asked for.
func TestVerifyPresentation(t *testing.T) {
	t.Parallel()
	h, ed, p256, _ := startIssuing(t)
	_, answer := h.call("/credentials/issue", "", dict{"credential": plain(ed.did)})
	contexts, err := vc.NewContexts()
	if err != nil {
		t.Fatal(err)
	}
	unsecured, err := json.Marshal(dict{
		"@context": []any{vc.BaseContext}, "type": []any{"VerifiablePresentation"}, "holder": p256.did, "verifiableCredential": []any{answer["verifiableCredential"]},
	})
	if err != nil {
		t.Fatal(err)
	}
	signer := &vc.Signer{Method: p256.KeyID(), Algorithm: did.ES256, Sign: p256.Sign}
	secured, err := contexts.Present(unsecured, signer, vc.ProofOptions{Challenge: "c", Domain: "d"})
	if err != nil {
		t.Fatal(err)
	}
	var presentation dict
	if err := json.Unmarshal(secured, &presentation); err != nil {
		t.Fatal(err)
	}
	jwt, err := contexts.PresentJWT(unsecured, signer, vc.ProofOptions{Challenge: "c", Domain: "d"})
	if err != nil {
		t.Fatal(err)
	}
	// Whoever holds a copy of a credential has answered nothing.
	_, enveloped := h.call("/credentials/issue", "", dict{"credential": plain(ed.did), "options": dict{"format": "vc+jwt"}})
	for _, credential := range []any{answer["verifiableCredential"], enveloped["verifiableCredential"]} {
		for _, options := range []dict{{"challenge": "c", "domain": "d"}, {"challenge": "c"}, {"domain": "d"}} {
			if status, verdict := h.call("/credentials/verify", "", dict{"verifiableCredential": credential, "options": options}); status != 400 || verdict["verified"] != false {
				t.Errorf("%v: %d %v", options, status, verdict)
			}
		}
	}
	for name, tt := range map[string]struct {
		presentation any
		options      dict
		status       int
	}{
		"good":              {presentation, dict{"challenge": "c", "domain": "d"}, 200},
		"good JWT":          {jwt, dict{"challenge": "c", "domain": "d"}, 200},
		"another challenge": {presentation, dict{"challenge": "x", "domain": "d"}, 400},
		"another domain":    {presentation, dict{"challenge": "c", "domain": "x"}, 400},
		"another nonce":     {jwt, dict{"challenge": "x", "domain": "d"}, 400},
		"no challenge":      {presentation, dict{"domain": "d"}, 400},
		"no domain":         {presentation, dict{"challenge": "c"}, 400},
		"a credential":      {answer["verifiableCredential"], dict{"challenge": "c", "domain": "d"}, 400},
		"JSON in a text":    {string(secured), dict{"challenge": "c", "domain": "d"}, 400},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := h.call("/presentations/verify", "", dict{"verifiablePresentation": tt.presentation, "options": tt.options})
			if status != tt.status || answer["verified"] != (status == 200) || status == 200 && answer["holder"] != p256.did {
				t.Errorf("%d %v, want %d", status, answer, tt.status)
			}
		})
	}
}
