package api_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/api"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

// do submits an operation that must be done.
func (h *harness) do(p *submittest.Person, body ops.Body, prior string) (ref string) {
	h.t.Helper()
	jws, ref := p.Operation(body, prior)
	if _, err := h.client.Submit(h.t.Context(), jws); err != nil {
		h.t.Fatalf("%T: %v", body, err)
	}
	return ref
}

func grantOn(ref, to string, change ...func(*ops.RecordAllow)) *ops.RecordAllow {
	uses := uint64(2)
	a := &ops.RecordAllow{
		Record: ref, Client: to, Operation: "read", Scope: []string{"/lab"}, Asset: "usd", Price: 10, Expires: uint64(time.Now().Add(48 * time.Hour).Unix()), Uses: &uses,
	}
	for _, f := range change {
		f(a)
	}
	return a
}

func useOf(grant, ref string, owner *submittest.Person, change ...func(*ops.AttestUse)) *ops.AttestUse {
	u := &ops.AttestUse{Grant: grant, Record: ref, Version: 1, Owner: owner.DID, Operation: "read", Path: "/lab", Asset: "usd", Price: 10}
	for _, f := range change {
		f(u)
	}
	return u
}

// badGrants are grants and uses that must be refused. Bob gives, alice has money.
func (h *harness) badGrants(t *testing.T, now int64) []badInput {
	bob := func(text string) string {
		jws, ref := h.bob.Record(text)
		if _, err := h.client.Submit(t.Context(), jws); err != nil {
			t.Fatal(err)
		}
		return ref
	}
	ref, gone := bob("granted"), bob("to be deleted")
	deleted := h.do(h.bob, grantOn(gone, h.alice.DID), "")
	current, err := h.client.Record(t.Context(), gone)
	if err != nil {
		t.Fatal(err)
	}
	grant, foreign := h.do(h.bob, grantOn(ref, h.alice.DID), ""), h.do(h.bob, grantOn(ref, submittest.NewPerson("somebody").DID), "")
	ended := h.do(h.bob, grantOn(ref, "anyone"), "")
	h.do(h.bob, &ops.RecordWithdraw{Grant: ended}, "")
	h.do(h.bob, &ops.RecordDelete{Record: gone}, current.GetHash())
	spent := h.do(h.bob, grantOn(ref, "anyone", func(a *ops.RecordAllow) { *a.Uses, a.Price = 1, 0 }), "")
	free := func(u *ops.AttestUse) { u.Price = 0 }
	h.do(h.alice, useOf(spent, ref, h.bob, free), "")
	over := h.do(h.bob, grantOn(ref, "anyone", func(a *ops.RecordAllow) { a.Expires = uint64(now) + 60 }), "")
	dear := h.do(h.bob, grantOn(ref, "anyone", func(a *ops.RecordAllow) { a.Price = 1 << 40 }), "")
	allow := func(by *submittest.Person, a *ops.RecordAllow) string { jws, _ := by.Operation(a, ""); return jws }
	use := func(grant string, change ...func(*ops.AttestUse)) string {
		jws, _ := h.alice.Operation(useOf(grant, ref, h.bob, change...), "")
		return jws
	}
	raw := func(op, body string) string {
		return sign(t, h.alice, header(h.alice.KeyID()), payload(op, now, now+600, `"body":`+body))
	}
	full := fmt.Sprintf(`{"grant":%q,"record":%q,"version":1,"owner":%q,"operation":"read","path":"/lab","asset":"usd","price":"10"}`, grant, ref, h.bob.DID)
	return []badInput{
		{"grant without a client", raw("record.allow", `{"record":"`+ref+`","operation":"read","scope":["/"],"asset":"usd","price":"0","expires":1}`), fault.MissingField},
		{"grant to an empty name", allow(h.bob, grantOn(ref, "")), fault.InvalidValue},
		{"grant to oneself", allow(h.bob, grantOn(ref, h.bob.DID)), fault.InvalidValue},
		{"grant on another network", allow(h.bob, grantOn(ref, strings.Replace(h.alice.DID, submittest.Network, "main-ffffffffffffffff", 1))), fault.WrongNetwork},
		{"grant on another's record", allow(h.alice, grantOn(ref, h.bob.DID)), fault.NotOwner},
		{"grant on a deleted record", allow(h.bob, grantOn(gone, "anyone")), fault.Deleted},
		{"grant on an unknown record", allow(h.bob, grantOn(grant, h.alice.DID)), fault.NotFound},
		{"grant with paths in one another", allow(h.bob, grantOn(ref, h.alice.DID, func(a *ops.RecordAllow) { a.Scope = []string{"/lab", "/lab/1"} })), fault.InvalidValue},
		{"grant for an unknown asset", allow(h.bob, grantOn(ref, h.alice.DID, func(a *ops.RecordAllow) { a.Asset = "eur" })), fault.AssetUnknown},
		{"grant of no uses", allow(h.bob, grantOn(ref, h.alice.DID, func(a *ops.RecordAllow) { *a.Uses = 0 })), fault.NumberRange},
		{"grant with a price as a number", raw("record.allow", `{"record":"`+ref+`","client":"anyone","operation":"read","scope":["/"],"asset":"usd","price":0,"expires":1}`), fault.WrongType},
		{"grant with a prior", sign(t, h.bob, header(h.bob.KeyID()), payload("record.allow", now, now+600,
			`"prior":"`+zeros+`","body":{"record":"`+ref+`","client":"anyone","operation":"read","scope":["/"],"asset":"usd","price":"0","expires":1}`)), fault.UnexpectedPrior},
		{"withdrawal of another's grant", raw("record.withdraw", `{"grant":"`+grant+`"}`), fault.NotOwner},
		{"withdrawal of no grant", raw("record.withdraw", `{"grant":"`+ref+`"}`), fault.NotFound},
		{"withdrawal of a withdrawn grant", sign(t, h.bob, header(h.bob.KeyID()), payload("record.withdraw", now, now+600, `"body":{"grant":"`+ended+`"}`)), fault.AlreadyDone},
		{"withdrawal of no reference", raw("record.withdraw", `{"grant":"x"}`), fault.InvalidValue},
		{"use of a foreign grant", use(foreign), fault.NotGrantee},
		{"use of an unknown grant", use(ref), fault.NotFound},
		{"use of a withdrawn grant", use(ended), fault.GrantWithdrawn},
		{"use of a grant that is used up", use(spent, func(u *ops.AttestUse) { u.Price, u.For = 0, "once more" }), fault.GrantUsedUp},
		{"use of a grant that is over", use(over), fault.GrantExpired},
		{"use for another operation", use(grant, func(u *ops.AttestUse) { u.Operation = "copy" }), fault.NotGranted},
		{"use for a job", use(grant, func(u *ops.AttestUse) { u.Operation = "job.mean" }), fault.InvalidValue},
		{"use out of scope", use(grant, func(u *ops.AttestUse) { u.Path = "/laboratory" }), fault.OutOfScope},
		{"use at another price", use(grant, func(u *ops.AttestUse) { u.Price = 9 }), fault.GrantDiffers},
		{"use of another version", use(grant, func(u *ops.AttestUse) { u.Version = 7 }), fault.VersionChanged},
		{"use of a deleted record", use(deleted, func(u *ops.AttestUse) { u.Record = gone }), fault.Deleted},
		{"use without the money", use(dear, func(u *ops.AttestUse) { u.Price = 1 << 40 }), fault.InsufficientFunds},
		{"use without a path", raw("attest.use", strings.Replace(full, `"path":"/lab",`, "", 1)), fault.MissingField},
		{"use with more than there is", raw("attest.use", strings.Replace(full, "{", `{"left":1,`, 1)), fault.UnknownField},
		{"use with a version as a text", raw("attest.use", strings.Replace(full, `"version":1`, `"version":"1"`, 1)), fault.WrongType},
		{"use of version 0", raw("attest.use", strings.Replace(full, `"version":1`, `"version":0`, 1)), fault.NumberRange},
		{"use with a grant twice", raw("attest.use", strings.Replace(full, "{", `{"grant":"`+grant+`",`, 1)), fault.DuplicateKey},
		{"use by a DID that is deactivated", h.badUser(t, useOf(grant, ref, h.bob)), fault.DIDDeactivated},
	}
}

// badUser signs with a DID that is deactivated.
func (h *harness) badUser(t *testing.T, body ops.Body) string {
	p := submittest.NewPerson("once a client")
	for _, jws := range []string{p.Create(), p.Deactivate()} {
		if _, err := h.client.Submit(t.Context(), jws); err != nil {
			t.Fatal(err)
		}
	}
	jws, _ := p.Operation(body, "")
	return jws
}

// rest asks over REST and reads the answer as the message that gRPC has.
func (h *harness) rest(path string, into proto.Message) string {
	h.t.Helper()
	status, body, _ := h.get(path)
	if status != http.StatusOK {
		h.t.Fatalf("%s: %d %s", path, status, body)
	}
	if err := protojson.Unmarshal(body, into); err != nil {
		h.t.Fatalf("%s: %v in %s", path, err, body)
	}
	return string(body)
}

// Lists, grants and receipts are the same over REST and gRPC, and include what was done
// just before.
func TestLists(t *testing.T) {
	t.Parallel()
	h := start(t)
	var refs []string
	for i := range 5 {
		jws, ref := h.bob.Record(fmt.Sprint("content ", i))
		if _, err := h.client.Submit(t.Context(), jws); err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	page, err := h.client.Records(t.Context(), &client.ListRecords{Owner: h.bob.DID, PageSize: 3})
	if err != nil || len(page.GetRecords()) != 3 || page.GetNextPageToken() == "" {
		t.Fatalf("%v %v", page, err)
	}
	var same killickv1.RecordPage
	h.rest("/v1/records?pageSize=3&owner="+h.bob.DID, &same)
	if diff := cmp.Diff(page, &same, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	var rest killickv1.RecordPage
	h.rest("/v1/records?pageSize=3&owner="+h.bob.DID+"&pageToken="+page.GetNextPageToken(), &rest)
	var got []string
	for _, r := range append(page.GetRecords(), rest.GetRecords()...) {
		got = append(got, r.GetRecord().GetId())
	}
	if rest.GetNextPageToken() != "" || !slices.Equal(got, refs) {
		t.Errorf("%v, want %v", got, refs)
	}
	current, err := h.client.Record(t.Context(), refs[0])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(current, page.GetRecords()[0].GetRecord(), protocmp.Transform()); diff != "" {
		t.Errorf("listed and read: %s", diff)
	}
	h.do(h.bob, &ops.RecordDelete{Record: refs[0]}, current.GetHash())
	var history killickv1.RecordHistory
	h.rest("/v1/records/"+refs[0]+"/history", &history)
	if v := history.GetVersions(); len(v) != 2 || v[0].GetStatus() != "live" || v[1].GetStatus() != "deleted" || history.GetNextPageToken() != "" {
		t.Errorf("history %v", v)
	}
	h.rest("/v1/records/"+refs[0]+"/history?pageToken=1", &history)
	if v := history.GetVersions(); len(v) != 1 || v[0].GetVersion() != 2 {
		t.Errorf("history after the first %v", v)
	}

	offer, grant := h.do(h.bob, grantOn(refs[1], "anyone"), ""), h.do(h.bob, grantOn(refs[2], h.alice.DID), "")
	used := h.do(h.alice, useOf(grant, refs[2], h.bob), "")
	var offers killickv1.OfferPage
	body := h.rest("/v1/offers?schema=note&asset=usd", &offers)
	if diff := cmp.Diff([]*killickv1.Offer{{Id: offer, Schema: "note", Asset: "usd", Price: "10"}}, offers.GetOffers(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	for _, secret := range []string{"did:", refs[1], current.GetCommitment()} {
		if strings.Contains(body, secret) {
			t.Errorf("the catalogue shows %s: %s", secret, body)
		}
	}
	one, err := h.client.Grant(t.Context(), grant)
	if err != nil || one.GetUsed() != 1 || one.GetUses() != 2 || one.GetClient() != h.alice.DID {
		t.Errorf("%v %v", one, err)
	}
	var grants killickv1.GrantPage
	h.rest("/v1/grants?client="+h.alice.DID, &grants)
	if len(grants.GetGrants()) != 1 || grants.GetGrants()[0].GetTime() == 0 {
		t.Fatalf("%v", &grants)
	}
	grants.GetGrants()[0].Time = 0
	if diff := cmp.Diff(one, grants.GetGrants()[0], protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	var receipt killickv1.Use
	h.rest("/v1/uses/"+used, &receipt)
	uses, err := h.client.Uses(t.Context(), &client.ListUses{Grant: grant})
	if err != nil || len(uses.GetUses()) != 1 {
		t.Fatalf("%v %v", uses, err)
	}
	uses.GetUses()[0].Time = 0
	if diff := cmp.Diff(&receipt, uses.GetUses()[0], protocmp.Transform()); diff != "" || receipt.GetLeft() != 1 || receipt.GetPrice() != "10" || receipt.GetOwner() != h.bob.DID {
		t.Errorf("%v\n%s", &receipt, diff)
	}
}

// What is wrong about a question has its code.
func TestListRefusals(t *testing.T) {
	t.Parallel()
	h := start(t)
	height := h.s.Status().Next
	for path, code := range map[string]fault.Code{
		"/v1/records?owner=bob":                       fault.InvalidValue,
		"/v1/records?status=Live":                     fault.InvalidValue,
		"/v1/records?pageSize=1001":                   fault.InvalidValue,
		"/v1/records?pageToken=x":                     fault.InvalidValue,
		"/v1/records?page_size=3":                     fault.UnknownField,
		"/v1/records?owner=a&owner=b":                 fault.DuplicateKey,
		"/v1/records/x/history":                       fault.InvalidValue,
		"/v1/records/x/history?pageToken=01":          fault.InvalidValue,
		"/v1/records/x/history?owner=a":               fault.UnknownField,
		"/v1/offers?owner=" + h.bob.DID:               fault.UnknownField,
		"/v1/grants":                                  fault.MissingField,
		"/v1/grants?record=x":                         fault.InvalidValue,
		"/v1/grants/x":                                fault.InvalidValue,
		"/v1/uses":                                    fault.MissingField,
		"/v1/jobs":                                    fault.MissingField,
		"/v1/jobs?phase=done":                         fault.InvalidValue,
		"/v1/jobs?phase=open":                         fault.OK,
		"/v1/jobs?phase=open&phase=open":              fault.DuplicateKey,
		"/v1/jobs?owner=a":                            fault.UnknownField,
		"/v1/jobs?consumer=did:killick:other:3yZe7d":  fault.InvalidValue,
		"/v1/jobs?operator=x&pageSize=1001":           fault.InvalidValue,
		"/v1/uses/" + zeros[:8] + "-" + zeros:         fault.NotFound,
		"/v1/grants/" + zeros[:8] + "-" + zeros:       fault.NotFound,
		"/v1/uses?owner=did:killick:other:3yZe7d":     fault.InvalidValue,
		"/v1/records?since=yesterday":                 fault.InvalidValue,
		"/v1/records?pageSize=-1":                     fault.InvalidValue,
		"/v1/grants?record=x&pageSize=4294967296":     fault.InvalidValue,
		"/v1/dids/" + h.bob.DID + "?versionId=1.5":    fault.InvalidValue,
		fmt.Sprint("/v1/records?minBlock=", height-1): fault.OK,
	} {
		if _, body, got := h.get(path); got.Code != code.String() || got.Status != code.HTTP() {
			t.Errorf("%s: %+v %s, want %v", path, got, body, code)
		}
	}
	// A block that can never be is not there either.
	waits, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	if page, err := h.client.Records(waits, &client.ListRecords{MinBlock: math.MaxUint64}); err == nil {
		t.Errorf("the last block of all: %v", page)
	}
	none := start(t, func(c *api.Config) { c.Index = nil })
	if _, err := none.client.Records(t.Context(), &client.ListRecords{}); fault.Of(err) != fault.Unavailable {
		t.Errorf("without an index: %v", err)
	}
}
