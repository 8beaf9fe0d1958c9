package api_test

import (
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
)

// badCredentials are operations on credentials that must be refused, by their form or by
// the ledger, on which alice has issued one and revoked it.
func (h *harness) badCredentials(t *testing.T, now int64) []badInput {
	zeros := strings.Repeat("0", 64)
	do := func(body ops.Body, prior string) string {
		jws, ref := h.alice.Operation(body, prior)
		h.must(jws)
		return ref
	}
	schema := do(&ops.CredentialSchema{Name: "bad-input", Digest: zeros}, "")
	issued := &ops.CredentialIssue{Schema: schema, Digest: zeros, ValidFrom: 1, ValidUntil: 2, Evidence: "oracle", Endorser: "did:web:oracle.example", List: 9, Index: 5}
	ref := do(issued, "")
	current, err := h.client.Credential(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	do(&ops.CredentialRevoke{Credential: ref}, current.GetHash())
	alice := func(op, rest string) string {
		return sign(t, h.alice, header(h.alice.KeyID()), payload(op, now, now+600, rest))
	}
	issue := func(old, new string) string {
		body := `{"schema":"` + schema + `","digest":"` + zeros + `","validFrom":1,"validUntil":3,"evidence":"oracle","endorser":"did:web:oracle.example","list":9,"index":6}`
		if !strings.Contains(body, old) {
			t.Fatalf("no %s", old)
		}
		return alice("credential.issue", `"body":`+strings.Replace(body, old, new, 1))
	}
	var all []badInput
	for _, op := range []string{"suspend", "reinstate", "revoke"} {
		op = "credential." + op
		change := func(prior, body string) string { return alice(op, prior+`"body":`+body) }
		prior, body := `"prior":"`+zeros+`",`, `{"credential":"`+ref+`"}`
		all = append(all, []badInput{
			{op + " without prior", change("", body), fault.MissingPrior},
			{op + " of what is revoked", change(prior, body), fault.Revoked},
			{op + " of another's", sign(t, h.bob, header(h.bob.KeyID()), payload(op, now, now+600, prior+`"body":`+body)), fault.NotOwner},
			{op + " of nothing", change(prior, `{"credential":"00000001-`+zeros+`"}`), fault.NotFound},
			{op + " of no reference", change(prior, `{"credential":"x"}`), fault.InvalidValue},
			{op + " without credential", change(prior, `{}`), fault.MissingField},
			{op + " with more", change(prior, `{"credential":"`+ref+`","why":"x"}`), fault.UnknownField},
			{op + " twice in one", change(prior, `{"credential":"`+ref+`","credential":"`+ref+`"}`), fault.DuplicateKey},
			{op + " of a number", change(prior, `{"credential":1}`), fault.WrongType},
		}...)
	}
	return append(all, []badInput{
		{"issue for an entry that is taken", issue(`"index":6`, `"index":5`), fault.EntryTaken},
		{"issue for an entry beyond the list", issue(`"index":6`, `"index":131072`), fault.NumberRange},
		{"issue for a list that is no number", issue(`"list":9`, `"list":"9"`), fault.WrongType},
		{"issue without an entry", issue(`,"index":6`, ``), fault.MissingField},
		{"issue on hearsay", issue(`"oracle"`, `"hearsay"`), fault.InvalidValue},
		{"issue without endorser", issue(`,"endorser":"did:web:oracle.example"`, ``), fault.MissingField},
		{"issue with an endorser that is no DID", issue(`did:web:oracle.example`, `Oracle Ltd`), fault.InvalidValue},
		{"issue for no time", issue(`"validUntil":3`, `"validUntil":1`), fault.InvalidValue},
		{"issue under no schema", issue(schema, `00000001-`+zeros), fault.NotFound},
		{"issue by somebody", sign(t, h.bob, header(h.bob.KeyID()), payload("credential.issue", now, now+600,
			`"body":{"schema":"`+schema+`","digest":"`+zeros+`","validFrom":1,"validUntil":3,"evidence":"oracle","endorser":"did:web:oracle.example","list":9,"index":6}`)), fault.NotAccredited},
	}...)
}
