package govern_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// office is a ledger with identity verifiers: ann and again of Org1MSP, ben of Org2MSP,
// cid of Org3MSP; and with alice, whose person has the tag.
type office struct {
	*opstest.World
	t                                *testing.T
	ann, again, ben, cid, alice, bob *opstest.User
	tag                              string
}

func openOffice(t *testing.T) *office {
	o := &office{
		World: opstest.New(t), t: t, ann: opstest.NewUser("ann"), again: opstest.NewUser("again"), ben: opstest.NewUser("ben"), cid: opstest.NewUser("cid"),
		alice: opstest.NewUser("alice"), bob: opstest.NewUser("bob"), tag: canon.Hex(opstest.Seed("the person behind alice")),
	}
	for _, u := range []*opstest.User{o.ann, o.again, o.ben, o.cid, o.alice, o.bob} {
		o.Create(u)
	}
	for u, org := range map[*opstest.User]string{o.ann: "Org1MSP", o.again: "Org1MSP", o.ben: "Org2MSP", o.cid: "Org3MSP"} {
		o.Decide("verifier/"+u.ID.String(), fmt.Sprintf(`{"organisation":%q}`, org))
	}
	return o
}

// vouch has a verifier submit a tag for a DID.
func (o *office) vouch(by, of *opstest.User, tag string, code fault.Code) {
	o.t.Helper()
	item, _ := o.Sign(by, &ops.DIDBind{DID: of.DID, Tag: tag}, "")
	if got := fault.Code(o.Batch(item)[0]); got != code {
		o.t.Errorf("%v, want %v", got, code)
	}
}

// bound checks whether a person is bound to a DID, and which organisations vouch.
func (o *office) bound(u *opstest.User, want bool, organisations ...string) {
	o.t.Helper()
	v := o.Linked(u)
	is, err := did.IsBound(ledger.Begin(o.Store, o.Now, ledger.Caller{}), u.ID)
	if v.Bound != want || is != want || err != nil || !slices.Equal(v.Organisations, organisations) {
		o.t.Errorf("bound %v and %v (%v), want %v; %v vouch", v.Bound, is, err, want, v.Organisations)
	}
}

// elapse puts a checkpoint into the state by which so many seconds have passed, of
// which the clock has counted so many.
func (o *office) elapse(passed, counted uint64) {
	o.t.Helper()
	head, err := canon.Marshal(checkpoint.Checkpoint{
		Number: 9, Size: 9, Root: strings.Repeat("0", 64), Time: opstest.Start + passed, Elapsed: counted, Signers: []string{},
	})
	if err == nil {
		err = o.Store.Put(checkpoint.HeadKey, head)
	}
	if err != nil {
		o.t.Fatal(err)
	}
}

// PE-1: two verifiers of different organisations bind a person; nobody else does, and
// one person is bound to one DID.
func TestOnePersonOneIdentifier(t *testing.T) {
	o := openOffice(t)
	other := canon.Hex(opstest.Seed("another person"))
	o.vouch(o.bob, o.alice, o.tag, fault.NotAccredited)
	o.bound(o.alice, false)
	o.vouch(o.ann, o.alice, o.tag, fault.OK)
	o.vouch(o.ann, o.alice, o.tag, fault.AlreadyDone)
	o.vouch(o.again, o.alice, o.tag, fault.OK) // the same organisation, another of its verifiers
	o.bound(o.alice, false, "Org1MSP")
	o.vouch(o.ben, o.alice, other, fault.OK) // one of the two is wrong
	o.bound(o.alice, false, "Org1MSP", "Org2MSP")
	o.vouch(o.cid, o.alice, o.tag, fault.OK)
	o.bound(o.alice, true, "Org1MSP", "Org3MSP")

	o.vouch(o.ben, o.alice, other, fault.TagTaken)
	o.vouch(o.ben, o.alice, o.tag, fault.AlreadyDone)
	for _, v := range []*opstest.User{o.ann, o.ben, o.cid} {
		o.vouch(v, o.bob, o.tag, fault.TagTaken) // the same person again
	}
	o.vouch(o.ann, opstest.NewUser("nobody"), other, fault.NotFound)

	// One verifier has one word, whichever organisations it has spoken for.
	o.vouch(o.ben, o.bob, other, fault.OK)
	o.Decide("verifier/"+o.ben.ID.String(), `{"organisation":"Org4MSP"}`)
	o.vouch(o.ben, o.bob, other, fault.OK)
	o.bound(o.bob, false, "Org4MSP")

	// The mark stays whatever becomes of the keys.
	next := opstest.NewKey("next", did.EdDSA)
	o.Do(o.alice, &ops.DIDUpdate{Document: opstest.Document("k2", next)}, o.Prior(o.alice))
	o.bound(o.alice, true, "Org1MSP", "Org3MSP")
	o.Do(o.alice.With(o.alice.Recovery, "recovery"), &ops.DIDRecover{Key: o.alice.Recovery.Multikey, Document: opstest.Recoverable(next, "k3", next)}, "")
	o.bound(o.alice, true, "Org1MSP", "Org3MSP")
	o.Do(o.alice.With(next, "recovery"), &ops.DIDDeactivate{Key: next.Multikey}, "")
	o.bound(o.alice, true, "Org1MSP", "Org3MSP")
	o.vouch(o.ann, o.bob, o.tag, fault.TagTaken) // also when the first DID is at its end
	o.vouch(o.ann, o.alice, o.tag, fault.NotFound)
}

// Two verifiers who bind one person to two DIDs at the same moment: one of them.
func TestOnePersonInTwoTransactions(t *testing.T) {
	o := openOffice(t)
	o.vouch(o.ann, o.alice, o.tag, fault.OK)
	o.vouch(o.ann, o.bob, o.tag, fault.OK)
	one, _ := o.Sign(o.ben, &ops.DIDBind{DID: o.alice.DID, Tag: o.tag}, "")
	two, _ := o.Sign(o.cid, &ops.DIDBind{DID: o.bob.DID, Tag: o.tag}, "")
	first, second := o.Endorse(one), o.Endorse(two)
	if !o.Order(first) || o.Order(second) {
		t.Error("both transactions are valid, or none")
	}
	o.bound(o.alice, true, "Org1MSP", "Org2MSP")
	o.bound(o.bob, false, "Org1MSP")
	// In one batch.
	o = openOffice(t)
	o.vouch(o.ann, o.alice, o.tag, fault.OK)
	o.vouch(o.ann, o.bob, o.tag, fault.OK)
	one, _ = o.Sign(o.ben, &ops.DIDBind{DID: o.alice.DID, Tag: o.tag}, "")
	two, _ = o.Sign(o.cid, &ops.DIDBind{DID: o.bob.DID, Tag: o.tag}, "")
	if answer := o.Batch(one, two); !slices.Equal(answer, []byte{0, byte(fault.TagTaken)}) {
		t.Errorf("%v", answer)
	}
}

// PE-2: a tag is released by K members and no sooner than the checkpoints have counted
// seven days since that was proposed, however much time passes in an outage.
func TestRelease(t *testing.T) {
	o := openOffice(t)
	o.vouch(o.ann, o.alice, o.tag, fault.OK)
	o.vouch(o.ben, o.alice, o.tag, fault.OK)
	subject := "tag/" + o.tag
	if v := history(o.World, subject); string(v.Value) != fmt.Sprintf("%q", o.alice.ID) {
		t.Errorf("in force %s", v.Value)
	}
	const day = 86400
	o.elapse(1000, 500)
	admin := o.Members[0].Admin()
	request := func(value string) govern.Propose {
		r := o.Request(subject, value)
		r.Expires = o.Clock() + 30*day
		return r
	}
	soon := request(`""`)
	soon.Expires = o.Clock() + 7*day
	refused(t, o.World, admin, fault.InvalidValue, "govern:Propose", soon)
	refused(t, o.World, admin, fault.InvalidValue, "govern:Propose", request(fmt.Sprintf("%q", o.bob.ID)))
	refused(t, o.World, admin, fault.WrongType, "govern:Propose", request(`{}`))
	ref := o.Propose(o.Members[0], request(`""`))
	if v := view(o.World, ref); v.Elapsed != 500+7*day || v.Status != govern.Open {
		t.Errorf("%+v", v)
	}
	var approvals []string
	for i, m := range o.Members[:3] {
		if i > 0 {
			o.Must(m.Admin(), "govern:Approve", govern.Approve{Proposal: ref})
		}
		approvals = append(approvals, m.MSP)
	}
	enact := govern.Enact{Proposal: ref, Approvals: approvals}
	for _, at := range []struct{ passed, counted uint64 }{{1000, 500}, {20 * day, 500 + 7*day - 1}} {
		o.elapse(at.passed, at.counted)
		refused(t, o.World, admin, fault.NotDue, "govern:Enact", enact)
		if v := view(o.World, ref); v.Status != govern.Open {
			t.Errorf("%s after %d s", v.Status, at.counted)
		}
	}
	o.vouch(o.cid, o.bob, o.tag, fault.TagTaken)
	o.elapse(20*day, 500+7*day)
	if v := view(o.World, ref); v.Status != govern.Ready {
		t.Errorf("%s", v.Status)
	}
	refused(t, o.World, admin, fault.NoQuorum, "govern:Enact", govern.Enact{Proposal: ref, Approvals: approvals[:2]})
	o.Must(o.Members[3].Caller(), "govern:Enact", enact)
	o.bound(o.alice, false)
	refused(t, o.World, admin, fault.AlreadyDone, "govern:Propose", request(`""`))

	// Bound anew, to another DID, and released again.
	o.vouch(o.ann, o.bob, o.tag, fault.OK)
	o.vouch(o.cid, o.bob, o.tag, fault.OK)
	o.bound(o.bob, true, "Org1MSP", "Org3MSP")
	o.vouch(o.ann, o.alice, canon.Hex(opstest.Seed("another person")), fault.OK)
	if v := history(o.World, subject); string(v.Value) != fmt.Sprintf("%q", o.bob.ID) || len(v.Changes) != 2 {
		t.Errorf("in force %s", v.Value)
	}
	again := o.Propose(o.Members[1], request(`""`))
	refused(t, o.World, admin, fault.Closed, "govern:Enact", enact)
	for _, m := range []int{0, 2} {
		o.Must(o.Members[m].Admin(), "govern:Approve", govern.Approve{Proposal: again})
	}
	o.elapse(28*day, 500+14*day)
	o.Must(o.Members[3].Caller(), "govern:Enact", govern.Enact{Proposal: again, Approvals: approvals})
	o.bound(o.bob, false)
	for _, bad := range []string{"tag/", "tag/00", "tag/" + strings.ToUpper(o.tag), "tag", "bound/x"} {
		r := request(`""`)
		r.Subject = bad
		refused(t, o.World, admin, fault.InvalidValue, "govern:Propose", r)
	}
}

// PE-3: in an asset that asks for it, nothing is credited to a DID without a person, and
// a payment that would do so is refused whole.
func TestOnlyPersonsEarn(t *testing.T) {
	o := openOffice(t)
	o.Fund(o.ann, 100)
	o.Do(o.ann, opstest.Pay("usd", o.bob, 1), "") // nobody asks
	o.Decide("bound", `["usd"]`)
	pay := func(code fault.Code, lines ...any) {
		t.Helper()
		item, _ := o.Sign(o.ann, opstest.Pay("usd", lines...), "")
		if got := fault.Code(o.Batch(item)[0]); got != code {
			t.Errorf("%v, want %v", got, code)
		}
	}
	pay(fault.NotBound, o.bob, 1)
	o.vouch(o.ann, o.alice, o.tag, fault.OK)
	pay(fault.NotBound, o.alice, 1) // one verifier is not enough
	// In one batch: bound by its first operation, paid by its second.
	bind, _ := o.Sign(o.ben, &ops.DIDBind{DID: o.alice.DID, Tag: o.tag}, "")
	paid, _ := o.Sign(o.ann, opstest.Pay("usd", o.alice, 1), "")
	mixed, _ := o.Sign(o.ann, opstest.Pay("usd", o.alice, 1, o.bob, 1), "")
	if answer := o.Batch(bind, paid, mixed); !slices.Equal(answer, []byte{0, 0, byte(fault.NotBound)}) {
		t.Errorf("%v", answer)
	}
	o.Audit()
	for _, value := range []string{`["eur"]`, `["usd","usd"]`, `"usd"`} {
		if _, err := o.Invoke(o.Members[0].Admin(), "govern:Propose", o.Request("bound", value)); err == nil {
			t.Errorf("bound may be %s", value)
		}
	}
	o.Decide("bound", `[]`)
	pay(fault.OK, o.bob, 1)
	o.Audit()
}
