package credential_test

import (
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/credential"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

func TestLifeOfACredential(t *testing.T) {
	issuer, other, alice := opstest.NewUser("issuer"), opstest.NewUser("other"), opstest.NewUser("alice")
	w := opstest.New(t, issuer, other)
	for _, u := range []*opstest.User{issuer, other, alice} {
		w.Create(u)
	}
	digest := canon.Hex(opstest.Seed("digest"))
	schema := w.Do(issuer, &ops.CredentialSchema{Name: "kyc", Digest: digest}, "")
	var s credential.SchemaView
	w.Read("credential:Schema", schema.String(), &s)
	if want := (credential.SchemaView{Reference: schema.String(), Schema: credential.Schema{Issuer: issuer.DID, Name: "kyc", Digest: digest}}); s != want {
		t.Errorf("%+v, want %+v", s, want)
	}
	issue := &ops.CredentialIssue{Schema: schema.String(), Digest: digest, ValidFrom: 5, ValidUntil: 10, Evidence: "oracle"}
	ref := w.Do(issuer, issue, "")
	var v credential.View
	w.Read("credential:Read", ref.String(), &v)
	if v.Issuer != issuer.DID || v.Status != credential.Active || v.Version != 1 || v.By != ref.String() || v.ValidUntil != 10 {
		t.Errorf("%+v", v)
	}
	refuse := func(u *opstest.User, body ops.Body, prior string, code fault.Code) {
		t.Helper()
		item, _ := w.Sign(u, body, prior)
		if got := w.Batch(item); fault.Code(got[0]) != code {
			t.Errorf("%T by %s: %v, want %v", body, u.DID, fault.Code(got[0]), code)
		}
	}
	refuse(alice, issue, "", fault.NotAccredited)
	refuse(other, &ops.CredentialRevoke{Credential: ref.String()}, v.Hash, fault.NotOwner)
	refuse(issuer, &ops.CredentialRevoke{Credential: ref.String()}, digest, fault.StalePrior)
	unknown := *issue
	unknown.Schema = ledger.Reference{Expiry: 1}.String()
	refuse(issuer, &unknown, "", fault.NotFound)
	for _, change := range []func(*ops.CredentialIssue){
		func(i *ops.CredentialIssue) { i.ValidUntil = i.ValidFrom },
		func(i *ops.CredentialIssue) { i.Evidence = "hearsay" },
		func(i *ops.CredentialIssue) { i.Digest = "00" },
		func(i *ops.CredentialIssue) { i.Schema = "kyc" },
	} {
		bad := *issue
		change(&bad)
		refuse(issuer, &bad, "", fault.InvalidValue)
	}

	first := v.Hash
	revoke := w.Do(issuer, &ops.CredentialRevoke{Credential: ref.String()}, first)
	w.Read("credential:Read", ref.String(), &v)
	if v.Status != credential.Revoked || v.Version != 2 || v.By != revoke.String() || v.Digest != digest {
		t.Errorf("%+v", v)
	}
	kept, _ := w.Store.Get(credential.VersionKey(ref.String(), 1))
	if ledger.Version(kept) != first {
		t.Error("the version before is not kept")
	}
	refuse(issuer, &ops.CredentialRevoke{Credential: ref.String()}, v.Hash, fault.Revoked)

	// What was issued is still the issuer's first result.
	var result ops.ResultView
	w.Read("ops:Operation", ref.String(), &result)
	if result.Op != "credential.issue" || result.Actor != issuer.DID || result.Created == "" {
		t.Errorf("%+v", result)
	}
}

// GV-6: an accreditation that is withdrawn, or narrowed, stops new credentials and
// leaves those that were issued as they are; their issuer can still revoke them.
func TestWithdrawnAccreditation(t *testing.T) {
	issuer, other := opstest.NewUser("issuer"), opstest.NewUser("other")
	w := opstest.New(t, issuer, other)
	w.Create(issuer)
	w.Create(other)
	digest := canon.Hex(opstest.Seed("digest"))
	issue := func(schema ledger.Reference) *ops.CredentialIssue {
		return &ops.CredentialIssue{Schema: schema.String(), Digest: digest, ValidFrom: 5, ValidUntil: 10, Evidence: "oracle"}
	}
	expect := func(u *opstest.User, body ops.Body, code fault.Code) {
		t.Helper()
		item, _ := w.Sign(u, body, "")
		if got := w.Batch(item); fault.Code(got[0]) != code {
			t.Errorf("%T: %v, want %v", body, fault.Code(got[0]), code)
		}
	}
	read := func(ref ledger.Reference) (v credential.View) {
		w.Read("credential:Read", ref.String(), &v)
		return v
	}
	schema := w.Do(issuer, &ops.CredentialSchema{Name: "kyc", Digest: digest}, "")
	second := w.Do(issuer, &ops.CredentialSchema{Name: "kyc2", Digest: digest}, "")
	old := w.Do(issuer, issue(schema), "")
	before := read(old)

	subject := "issuer/" + issuer.ID.String()
	w.Decide(subject, `{"schemas":["`+second.String()+`"]}`)
	expect(issuer, issue(schema), fault.NotAccredited)
	w.Do(issuer, issue(second), "")
	w.Do(issuer, &ops.CredentialSchema{Name: "kyc3", Digest: digest}, "")

	w.Decide(subject, `{"schemas":[]}`)
	expect(issuer, issue(second), fault.NotAccredited)
	w.Do(issuer, &ops.CredentialSchema{Name: "kyc4", Digest: digest}, "") // it waits for an accreditation

	w.Decide(subject, `{}`)
	expect(issuer, issue(second), fault.NotAccredited)
	expect(issuer, &ops.CredentialSchema{Name: "kyc5", Digest: digest}, fault.NotAccredited)
	w.Do(other, issue(schema), "") // somebody else's accreditation, and the schema, stay

	if got := read(old); got != before || got.Status != credential.Active {
		t.Errorf("the old credential is %+v, was %+v", got, before)
	}
	w.Do(issuer, &ops.CredentialRevoke{Credential: old.String()}, before.Hash)
	if got := read(old); got.Status != credential.Revoked {
		t.Errorf("%+v", got)
	}
	w.Decide(subject, `{"schemas":["*"]}`)
	w.Do(issuer, issue(schema), "")
}
