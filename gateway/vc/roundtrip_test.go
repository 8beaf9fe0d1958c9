package vc_test

import (
	"context"
	"testing"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/vc"
)

// TestCredentials issues in each form, with each type of key, and verifies.
func TestCredentials(t *testing.T) {
	_, ledgerSigner := ledger()
	for _, tt := range []struct {
		name   string
		signer *vc.Signer
		proof  bool // there is a cryptosuite for it
	}{
		{"did:key of Ed25519", keySigner("issuer", did.EdDSA), true},
		{"did:key of P-256", keySigner("issuer", did.ES256), true},
		{"did:key of secp256k1", keySigner("issuer", did.ES256K), false},
		{"did:killick", ledgerSigner("assert", did.EdDSA), true},
	} {
		v := verifier(t)
		unsecured := []byte(alumni(controller(tt.signer)))
		check := func(t *testing.T, secured []byte) {
			t.Helper()
			c, err := v.Credential(context.Background(), secured, now)
			if err != nil {
				t.Fatal(err)
			}
			if c.Issuer != controller(tt.signer) || c.Proofs[0].Method != tt.signer.Method || len(c.Subjects) != 1 ||
				len(c.Status) != 1 || c.Schemas[0].ID != "https://issuer.example/schema.json" || c.Types[1] != "AlumniCredential" {
				t.Errorf("read %+v", c)
			}
		}
		t.Run(tt.name+"/proof", func(t *testing.T) {
			secured, err := v.Contexts.Issue(unsecured, tt.signer, proofTimes)
			if !tt.proof {
				if err == nil {
					t.Error("issued without a cryptosuite")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			check(t, secured)
		})
		t.Run(tt.name+"/jwt", func(t *testing.T) {
			compact := must[string](t)(v.Contexts.IssueJWT(unsecured, tt.signer))
			check(t, []byte(compact))
			check(t, []byte(envelope(compact)))
		})
	}
}

// TestPresentations presents credentials of each form in each form.
func TestPresentations(t *testing.T) {
	v := verifier(t)
	issuer, holder := keySigner("issuer", did.ES256), keySigner("holder", did.EdDSA)
	_, ledgerSigner := ledger()
	expect := vc.Expectation{Challenge: "c-1", Domain: "verifier.example"}
	options := proofTimes
	options.Challenge, options.Domain = expect.Challenge, expect.Domain
	secured := must[[]byte](t)(v.Contexts.Issue([]byte(alumni(controller(issuer))), issuer, proofTimes))
	compact := must[string](t)(v.Contexts.IssueJWT([]byte(alumni(controller(issuer))), issuer))
	for _, holder := range []*vc.Signer{holder, ledgerSigner("login", did.EdDSA)} {
		unsecured := []byte(presenting(controller(holder), string(secured), envelope(compact)))
		proof := must[[]byte](t)(v.Contexts.Present(unsecured, holder, options))
		jwt := must[string](t)(v.Contexts.PresentJWT(unsecured, holder, options))
		enveloped := `{"@context":["https://www.w3.org/ns/credentials/v2"],"id":"data:application/vp+jwt,` + jwt + `","type":"EnvelopedVerifiablePresentation"}`
		for name, presented := range map[string][]byte{"proof": proof, "jwt": []byte(jwt), "enveloped": []byte(enveloped)} {
			t.Run(name, func(t *testing.T) {
				p, err := v.Presentation(context.Background(), presented, expect, now)
				if err != nil {
					t.Fatal(err)
				}
				if p.Holder != controller(holder) || len(p.Credentials) != 2 || p.Credentials[1].Issuer != controller(issuer) {
					t.Errorf("read %+v", p)
				}
			})
		}
	}
}

// TestIssueJWTRefuses: claims beside the credential that every verifier would refuse are
// not signed.
func TestIssueJWTRefuses(t *testing.T) {
	v, issuer := verifier(t), keySigner("issuer", did.ES256)
	for _, tt := range []struct {
		name, value string
		code        fault.Code
	}{
		{"exp", `1893456000`, fault.OK},
		{"exp", `"2030-01-01T00:00:00Z"`, fault.InvalidValue},
		{"nbf", `-1`, fault.InvalidValue},
		{"iss", `"` + controller(issuer) + `"`, fault.OK},
		{"iss", `"did:example:other"`, fault.KidMismatch},
		{"sub", `"did:example:other"`, fault.InvalidValue},
		{"jti", `"urn:other"`, fault.InvalidValue},
		{"vc", `{}`, fault.UnknownField},
	} {
		t.Run(tt.name+" "+tt.value, func(t *testing.T) {
			if _, err := v.Contexts.IssueJWT([]byte(edited(t, alumni(controller(issuer)), tt.name, tt.value)), issuer); fault.Of(err) != tt.code {
				t.Errorf("%v, want %v", err, tt.code)
			}
		})
	}
}
