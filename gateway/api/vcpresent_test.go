package api_test

import (
	"testing"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/gateway/api"
	"github.com/killick-ledger/killick/gateway/certificate"
	"github.com/killick-ledger/killick/gateway/vc"
)

// CE-1: an organisation presents what it holds, to who asked and nobody else, and
// nothing that would not verify.
func TestPresent(t *testing.T) {
	t.Parallel()
	h, ed, p256, k1 := startIssuing(t)
	_, issued := h.call("/credentials/issue", "", dict{"credential": plain(ed.did)})
	held := issued["verifiableCredential"]
	of := func(holder any, credentials ...any) dict {
		return dict{"@context": []any{vc.BaseContext}, "type": []any{"VerifiablePresentation"}, "holder": holder, "verifiableCredential": credentials}
	}
	asked := func(more ...string) dict {
		o := dict{"challenge": "c", "domain": "d"}
		for i := 0; i < len(more); i += 2 {
			o[more[i]] = more[i+1]
		}
		return o
	}
	changed := dict{}
	for name, value := range held.(dict) {
		changed[name] = value
	}
	changed["validFrom"] = "2026-01-02T00:00:00Z"
	for name, tt := range map[string]struct {
		token        string
		presentation dict
		options      dict
		status       int
	}{
		"EdDSA":                         {"", of(ed.did, held), asked(), 201},
		"EdDSA, the holder an object":   {"", of(dict{"id": ed.did}, held), asked(), 201},
		"ES256":                         {issuerToken, of(p256.did, held), asked("format", "data-integrity"), 201},
		"ES256, JWT":                    {issuerToken, of(p256.did, held), asked("format", "vp+jwt"), 201},
		"ES256K, JWT":                   {"", of(k1.did, held), asked("format", "vp+jwt"), 201},
		"no credential":                 {"", of(ed.did), asked(), 201},
		"no token":                      {"", of(p256.did, held), asked(), 401},
		"another issuer's key":          {"", of(k1.did, held), asked(), 400},
		"a credential's format":         {"", of(ed.did, held), asked("format", "vc+jwt"), 400},
		"a holder who is no issuer":     {"", of("did:example:holder", held), asked(), 400},
		"no holder":                     {"", of(nil, held), asked(), 400},
		"no challenge":                  {"", of(ed.did, held), dict{"domain": "d"}, 400},
		"no domain":                     {"", of(ed.did, held), dict{"challenge": "c"}, 400},
		"an unknown option":             {"", of(ed.did, held), asked("nonce", "x"), 400},
		"a credential that was changed": {"", of(ed.did, changed), asked(), 400},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := h.call("/presentations/prove", tt.token, dict{"presentation": tt.presentation, "options": tt.options})
			presented := answer["verifiablePresentation"]
			if status != tt.status || (presented != nil) != (status == 201) {
				t.Fatalf("%d %v, want %d", status, answer, tt.status)
			}
			if status != 201 {
				return
			}
			for challenge, want := range map[string]int{"c": 200, "another": 400} {
				status, answer = h.call("/presentations/verify", "", dict{"verifiablePresentation": presented, "options": dict{"challenge": challenge, "domain": "d"}})
				if status != want || answer["verified"] != (want == 200) {
					t.Errorf("challenge %s: %d %v", challenge, status, answer)
				}
			}
		})
	}
	if status, answer := h.call("/presentations/prove", "", dict{"options": asked()}); status != 400 {
		t.Errorf("without a presentation: %d %v", status, answer)
	}
}

// keyless signs for a DID whose document does not list its key.
type keyless struct{ testIssuer }

func (k keyless) KeyID() string { return k.did + "#key-that-is-not-there" }

// A key that may not authenticate presents nothing.
func TestPresentNeedsPurpose(t *testing.T) {
	t.Parallel()
	ed := newTestIssuer("vc ed", did.EdDSA)
	issuer := ed.issuer(did.EdDSA, "")
	issuer.Keys = keyless{ed}
	h := start(t, func(c *api.Config) { c.Credentials.Issuers = []certificate.Issuer{issuer} })
	presentation := dict{"@context": []any{vc.BaseContext}, "type": []any{"VerifiablePresentation"}, "holder": ed.did}
	status, answer := h.call("/presentations/prove", "", dict{"presentation": presentation, "options": dict{"challenge": "c", "domain": "d"}})
	if status != 400 || answer["verifiablePresentation"] != nil {
		t.Errorf("%d %v", status, answer)
	}
}
