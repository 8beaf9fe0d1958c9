package certificate_test

import (
	"context"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/certificate"
	"github.com/killick-ledger/killick/gateway/resolver"
	"github.com/killick-ledger/killick/gateway/vc"
)

// A credential that says nothing of its times gets those that credentials.md section 9
// names, whatever its form; what it says stays. What no verifier would take, since its
// times are none or its terms stand there twice, gets nothing onto the ledger.
func TestDrafts(t *testing.T) {
	issuer := opstest.NewUser("issuer")
	year := uint64(now.Add(365 * 24 * time.Hour).Unix())
	from := uint64(now.Unix())
	document := `{"@context":["` + vc.BaseContext + `"],"type":["VerifiableCredential"],"issuer":"` + issuer.DID + `","credentialSubject":{"id":"urn:s"}`
	claims := `{"vct":"diploma","iss":"` + issuer.DID + `"`
	for name, tt := range map[string]struct {
		format, credential string
		from, until        uint64
		code               fault.Code
	}{
		"data-integrity":               {certificate.DataIntegrity, document + `}`, from, year, fault.OK},
		"vc+jwt":                       {certificate.JWT, document + `,"validUntil":"2030-01-01T00:00:00Z"}`, from, 1893456000, fault.OK},
		"dc+sd-jwt":                    {certificate.SDJWT, claims + `}`, from, year, fault.OK},
		"dc+sd-jwt, its end":           {certificate.SDJWT, claims + `,"exp":1893456000}`, from, 1893456000, fault.OK},
		"data-integrity, a number":     {certificate.DataIntegrity, document + `,"validFrom":1}`, 0, 0, fault.InvalidValue},
		"dc+sd-jwt, a text":            {certificate.SDJWT, claims + `,"nbf":"2026-01-01T00:00:00Z"}`, 0, 0, fault.InvalidValue},
		"dc+sd-jwt, another schema":    {certificate.SDJWT, claims + `,"credentialSchema":{"id":"urn:killick:schema:x","type":"LedgerSchema"}}`, 0, 0, fault.InvalidValue},
		"dc+sd-jwt, the same evidence": {certificate.SDJWT, claims + `,"evidence":{"type":"LedgerEvidence","evidenceType":"oracle","endorser":"` + issuer.DID + `"}}`, 0, 0, fault.InvalidValue},
	} {
		t.Run(name, func(t *testing.T) {
			var got *ops.CredentialIssue
			s := certificate.At(certificate.Config{
				Resolver: resolver.Resolver{"key": resolver.Key}, Network: opstest.Network, Ledger: noLedger{}, Statuses: emptyIndex(t), URL: "https://gateway.example",
				Issuers: []certificate.Issuer{{DID: issuer.DID, Algorithm: did.EdDSA, Keys: issuer}},
				Submit: func(_ context.Context, jws string) error {
					item, err := ops.ParseCompact(jws)
					if err != nil {
						return err
					}
					o, err := ops.Open(item)
					if err == nil {
						got = o.Body.(*ops.CredentialIssue)
					}
					return err
				},
			}, now)
			i, err := s.Issuer(issuer.DID)
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Issue(t.Context(), i, certificate.Request{
				Credential: parse(t, tt.credential), Format: tt.format, Schema: ledger.Reference{Expiry: 1}.String(), Evidence: "oracle", Endorser: issuer.DID,
			})
			if fault.Of(err) != tt.code || err != nil && got != nil {
				t.Fatalf("%v, want %v", err, tt.code)
			}
			if err == nil && (got.ValidFrom != tt.from || got.ValidUntil != tt.until) {
				t.Errorf("from %d to %d, want %d to %d", got.ValidFrom, got.ValidUntil, tt.from, tt.until)
			}
		})
	}
}
