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
