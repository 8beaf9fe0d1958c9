package credential_test

import (
	"fmt"
	"strings"
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
	issue := &ops.CredentialIssue{Schema: schema.String(), Digest: digest, ValidFrom: 5, ValidUntil: 10, Evidence: "oracle", Endorser: "did:web:oracle.example", List: 3, Index: 131071}
	ref := w.Do(issuer, issue, "")
	var v credential.View
	w.Read("credential:Read", ref.String(), &v)
	if v.Issuer != issuer.DID || v.Status != credential.Active || v.Version != 1 || v.By != ref.String() || v.ValidUntil != 10 || v.Endorser != "did:web:oracle.example" || v.List != 3 || v.Index != 131071 {
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
		func(i *ops.CredentialIssue) { i.Endorser = "" },
		func(i *ops.CredentialIssue) { i.Endorser = "Oracle Ltd" },
		func(i *ops.CredentialIssue) { i.Endorser = "did:web:" },
		func(i *ops.CredentialIssue) { i.Endorser = "did:WEB:a" },
		func(i *ops.CredentialIssue) { i.Endorser = "did:web:a b" },
		func(i *ops.CredentialIssue) { i.Endorser = "did:web:a#key" },
		func(i *ops.CredentialIssue) { i.Endorser = "did:web:" + strings.Repeat("a", 249) },
	} {
		bad := *issue
		change(&bad)
		refuse(issuer, &bad, "", fault.InvalidValue)
	}
	beyond := *issue
	beyond.Index = credential.ListEntries
	refuse(issuer, &beyond, "", fault.NumberRange)

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
	entry := uint32(0)
	issue := func(schema ledger.Reference) *ops.CredentialIssue {
		entry++
		return &ops.CredentialIssue{Schema: schema.String(), Digest: digest, ValidFrom: 5, ValidUntil: 10, Evidence: "oracle", Endorser: issuer.DID, Index: entry}
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

// CR-1: each entry of an issuer's status lists is given once, in one batch as well, and
// is found again; another issuer's lists are others.
func TestEntries(t *testing.T) {
	issuer, other := opstest.NewUser("issuer"), opstest.NewUser("other")
	w := opstest.New(t, issuer, other)
	w.Create(issuer)
	w.Create(other)
	digest := canon.Hex(opstest.Seed("digest"))
	schema := w.Do(issuer, &ops.CredentialSchema{Name: "kyc", Digest: digest}, "")
	sign := func(u *opstest.User, list, index uint32, until uint64) (ops.Item, ledger.Reference) {
		return w.Sign(u, &ops.CredentialIssue{
			Schema: schema.String(), Digest: digest, ValidFrom: 5, ValidUntil: until, Evidence: "third-party", Endorser: other.DID, List: list, Index: index,
		}, "")
	}
	first, ref := sign(issuer, 1, 7, 10)
	second, _ := sign(issuer, 1, 7, 11)
	foreign, _ := sign(other, 1, 7, 10)
	elsewhere, _ := sign(issuer, 2, 7, 10)
	if got := w.Batch(first, second, foreign, elsewhere, first); fmt.Sprint(got) != fmt.Sprint([]byte{0, byte(fault.EntryTaken), 0, 0, 0x80}) {
		t.Errorf("got %v", got)
	}
	third, _ := sign(issuer, 1, 7, 12)
	if got := w.Batch(third); fault.Code(got[0]) != fault.EntryTaken {
		t.Errorf("in another batch: %v", got)
	}
	var v, byRef credential.View
	w.Read("credential:Entry", `{"issuer":"`+issuer.DID+`","list":1,"index":7}`, &v)
	w.Read("credential:Read", ref.String(), &byRef)
	if v != byRef || v.Endorser != other.DID {
		t.Errorf("%+v, want %+v", v, byRef)
	}
	for question, code := range map[string]fault.Code{
		`{"issuer":"` + issuer.DID + `","list":1,"index":8}`:          fault.NotFound,
		`{"issuer":"did:killick:main-00:x","list":1,"index":7}`:       fault.InvalidValue,
		`{"issuer":"` + issuer.DID + `","list":1,"index":7,"x":1}`:    fault.UnknownField,
		`{"issuer":"` + issuer.DID + `","list":-1,"index":7}`:         fault.NumberRange,
		`{"issuer":"` + issuer.DID + `","list":4294967296,"index":7}`: fault.NumberRange,
	} {
		if _, err := w.Invoke(ledger.Caller{}, "credential:Entry", question); fault.Of(err) != code {
			t.Errorf("%s: %v, want %v", question, err, code)
		}
	}
}

// CR-2: every change of status by everybody, from each status: only the issuer changes
// it, revoked is final, and what was refused changed nothing.
func TestStatusMachine(t *testing.T) {
	issuer, other := opstest.NewUser("issuer"), opstest.NewUser("other")
	w := opstest.New(t, issuer, other)
	w.Create(issuer)
	w.Create(other)
	digest := canon.Hex(opstest.Seed("digest"))
	schema := w.Do(issuer, &ops.CredentialSchema{Name: "kyc", Digest: digest}, "")
	changes := map[string]func(string) ops.Body{
		"suspend":   func(ref string) ops.Body { return &ops.CredentialSuspend{Credential: ref} },
		"reinstate": func(ref string) ops.Body { return &ops.CredentialReinstate{Credential: ref} },
		"revoke":    func(ref string) ops.Body { return &ops.CredentialRevoke{Credential: ref} },
	}
	entry := uint32(0)
	for _, tt := range []struct {
		path   []string // from active on
		change string
		status string
		code   fault.Code
	}{
		{nil, "suspend", credential.Suspended, fault.OK},
		{nil, "reinstate", credential.Active, fault.AlreadyDone},
		{nil, "revoke", credential.Revoked, fault.OK},
		{[]string{"suspend"}, "suspend", credential.Suspended, fault.AlreadyDone},
		{[]string{"suspend"}, "reinstate", credential.Active, fault.OK},
		{[]string{"suspend"}, "revoke", credential.Revoked, fault.OK},
		{[]string{"suspend", "reinstate"}, "suspend", credential.Suspended, fault.OK},
		{[]string{"revoke"}, "suspend", credential.Revoked, fault.Revoked},
		{[]string{"revoke"}, "reinstate", credential.Revoked, fault.Revoked},
		{[]string{"revoke"}, "revoke", credential.Revoked, fault.Revoked},
		{[]string{"suspend", "revoke"}, "reinstate", credential.Revoked, fault.Revoked},
	} {
		entry++
		ref := w.Do(issuer, &ops.CredentialIssue{
			Schema: schema.String(), Digest: digest, ValidFrom: 5, ValidUntil: 10, Evidence: "on-chain", Endorser: issuer.DID, Index: entry,
		}, "").String()
		read := func() (v credential.View) {
			w.Read("credential:Read", ref, &v)
			return v
		}
		for _, step := range tt.path {
			w.Do(issuer, changes[step](ref), read().Hash)
		}
		before := read()
		foreign, _ := w.Sign(other, changes[tt.change](ref), before.Hash)
		stale, _ := w.Sign(issuer, changes[tt.change](ref), digest)
		if got := w.Batch(foreign, stale); fault.Code(got[0]) != fault.NotOwner || got[1] == 0 || read() != before {
			t.Errorf("%v, %s: others got %v, and left %+v", tt.path, tt.change, got, read())
		}
		own, by := w.Sign(issuer, changes[tt.change](ref), before.Hash)
		got := w.Batch(own)
		after := read()
		if fault.Code(got[0]) != tt.code || after.Status != tt.status {
			t.Errorf("%v, %s: %v and %s, want %v and %s", tt.path, tt.change, fault.Code(got[0]), after.Status, tt.code, tt.status)
		}
		want := before
		if tt.code == fault.OK {
			want.Status, want.Version, want.By, want.Hash = tt.status, before.Version+1, by.String(), after.Hash
		}
		if after != want {
			t.Errorf("%v, %s: %+v, want %+v", tt.path, tt.change, after, want)
		}
	}
}

// CR-3: an issuer without its accreditation takes trust back, and gives none.
func TestStatusWithoutAccreditation(t *testing.T) {
	issuer := opstest.NewUser("issuer")
	w := opstest.New(t, issuer)
	w.Create(issuer)
	digest := canon.Hex(opstest.Seed("digest"))
	schema := w.Do(issuer, &ops.CredentialSchema{Name: "kyc", Digest: digest}, "")
	ref := w.Do(issuer, &ops.CredentialIssue{
		Schema: schema.String(), Digest: digest, ValidFrom: 5, ValidUntil: 10, Evidence: "provider", Endorser: issuer.DID,
	}, "").String()
	read := func() (v credential.View) {
		w.Read("credential:Read", ref, &v)
		return v
	}
	w.Decide("issuer/"+issuer.ID.String(), `{}`)
	w.Do(issuer, &ops.CredentialSuspend{Credential: ref}, read().Hash)
	before := read()
	item, _ := w.Sign(issuer, &ops.CredentialReinstate{Credential: ref}, before.Hash)
	if got := w.Batch(item); fault.Code(got[0]) != fault.NotAccredited || read() != before {
		t.Errorf("reinstated: %v, %+v", got, read())
	}
	w.Decide("issuer/"+issuer.ID.String(), `{"schemas":["*"]}`)
	w.Do(issuer, &ops.CredentialReinstate{Credential: ref}, before.Hash)
	w.Decide("issuer/"+issuer.ID.String(), `{}`)
	w.Do(issuer, &ops.CredentialRevoke{Credential: ref}, read().Hash)
}
