package attest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// world has an owner with a record, a client and a stranger, both with 1,000.
type world struct {
	*opstest.World
	t                       *testing.T
	owner, client, stranger *opstest.User
	record                  ops.Reference
}

func begin(t *testing.T) *world {
	w := &world{
		World: opstest.New(t), t: t, owner: opstest.NewUser("owner"), client: opstest.NewUser("client"), stranger: opstest.NewUser("stranger"),
	}
	for _, u := range []*opstest.User{w.owner, w.client, w.stranger} {
		w.Create(u)
	}
	w.Fund(w.client, 1000)
	w.Fund(w.stranger, 1000)
	w.record = w.Do(w.owner, opstest.Submit("laboratory"), "")
	return w
}

func uses(n uint64) *uint64 { return &n }

// grant is one to the client: one use of a part of the record for 250.
func (w *world) grant(change ...func(*ops.RecordAllow)) *ops.RecordAllow {
	a := &ops.RecordAllow{
		Record: w.record.String(), Client: w.client.DID, Operation: "read", Scope: []string{"/lab/2026", "/note"}, Asset: "usd", Price: 250,
		Expires: opstest.Start + 7200, Uses: uses(1),
	}
	for _, f := range change {
		f(a)
	}
	return a
}

// use is what the grant allows.
func (w *world) use(grant ops.Reference, change ...func(*ops.AttestUse)) *ops.AttestUse {
	u := &ops.AttestUse{
		Grant: grant.String(), Record: w.record.String(), Version: 1, Owner: w.owner.DID, Operation: "read", Path: "/lab/2026", Asset: "usd", Price: 250,
	}
	for _, f := range change {
		f(u)
	}
	return u
}

// try applies one operation and wants the code.
func (w *world) try(u opstest.Signer, body ops.Body, want fault.Code) ops.Reference {
	w.t.Helper()
	item, ref := w.Sign(u, body, "")
	if got := w.Batch(item); fault.Code(got[0]) != want {
		w.t.Errorf("%T: %v, want %v", body, fault.Code(got[0]), want)
	}
	w.Audit()
	return ref
}

func (w *world) balance(u *opstest.User) (balance reward.Amount, pending string) {
	w.t.Helper()
	var v reward.BalanceView
	w.Read("reward:Balance", reward.BalanceQuery{DID: u.DID, Asset: "usd"}, &v)
	return v.Balance, v.Pending.String()
}

func (w *world) hash(ref ops.Reference) string {
	w.t.Helper()
	var v record.View
	w.Read("record:Read", ref.String(), &v)
	return v.Hash
}

// GR-1: a use within the grant is charged once, to the one who took it, and leaves a
// receipt that says what was given for how much; the same operation again is the
// first result.
func TestUse(t *testing.T) {
	w := begin(t)
	grant := w.try(w.owner, w.grant(func(a *ops.RecordAllow) { a.Uses = uses(3) }), fault.OK)
	item, ref := w.Sign(w.client, w.use(grant), "")
	if got := w.Batch(item, item); got[0] != 0 || got[1] != ops.Replayed {
		t.Fatalf("%#x", got)
	}
	if got := w.Batch(item); got[0] != ops.Replayed {
		t.Errorf("again: %#x", got)
	}
	var receipt attest.View
	w.Read("attest:Use", ref.String(), &receipt)
	left := uint32(2)
	want := attest.View{
		Reference: ref.String(), Grant: grant.String(), Record: w.record.String(), Version: 1, Commitment: opstest.Submit("laboratory").Commitment,
		Client: w.client.DID, Owner: w.owner.DID, Operation: "read", Path: "/lab/2026", Asset: "usd", Price: 250, Epoch: 1, Left: &left,
	}
	if diff := cmp.Diff(want, receipt); diff != "" {
		t.Error(diff)
	}
	if balance, _ := w.balance(w.client); balance != 750 {
		t.Errorf("the client has %d", balance)
	}
	if _, pending := w.balance(w.owner); pending != "250" {
		t.Errorf("the owner is credited %s", pending)
	}
	var g record.GrantView
	w.Read("record:Grant", grant.String(), &g)
	if g.Status != "live" || g.Client != w.client.DID || g.Uses != 3 || g.Used != 1 || !cmp.Equal(g.Scope, []string{"/lab/2026", "/note"}) {
		t.Errorf("%+v", g)
	}
	var result ops.ResultView
	w.Read("ops:Operation", ref.String(), &result)
	if result.Op != "attest.use" || result.Created != "use/"+ref.String() || result.Actor != w.client.DID {
		t.Errorf("%+v", result)
	}
	w.Read("ops:Operation", grant.String(), &result)
	if result.Op != "record.allow" || result.Created != "grant/"+grant.String() || result.Actor != w.owner.DID {
		t.Errorf("%+v", result)
	}
	w.Audit()
}

// GR-2: each field of a grant is enforced, with a code of its own, and a refused use
// costs nothing and takes none.
func TestEachField(t *testing.T) {
	w := begin(t)
	give := func(change ...func(*ops.RecordAllow)) ops.Reference {
		return w.try(w.owner, w.grant(change...), fault.OK)
	}
	good := give()
	withdrawn := give(func(a *ops.RecordAllow) { a.Price = 1 })
	w.try(w.stranger, &ops.RecordWithdraw{Grant: withdrawn.String()}, fault.NotOwner)
	w.try(w.client, &ops.RecordWithdraw{Grant: withdrawn.String()}, fault.NotOwner)
	w.try(w.owner, &ops.RecordWithdraw{Grant: withdrawn.String()}, fault.OK)
	w.try(w.owner, &ops.RecordWithdraw{Grant: withdrawn.String()}, fault.AlreadyDone)
	w.try(w.owner, &ops.RecordWithdraw{Grant: w.record.String()}, fault.NotFound)
	spent := give(func(a *ops.RecordAllow) { a.Scope = []string{"/"} })
	w.try(w.client, w.use(spent), fault.OK)
	over := give(func(a *ops.RecordAllow) { a.Expires = opstest.Start + 3599 }) // a second before the operation ends
	other := w.Do(w.owner, opstest.Submit("other"), "")
	dear := give(func(a *ops.RecordAllow) { a.Price = 751 })
	points := give(func(a *ops.RecordAllow) { a.Asset = "pts" })
	for _, tt := range []struct {
		name string
		by   *opstest.User
		use  *ops.AttestUse
		code fault.Code
	}{
		{"unknown grant", w.client, w.use(w.record), fault.NotFound},
		{"foreign client", w.stranger, w.use(good), fault.NotGrantee},
		{"other operation", w.client, w.use(good, func(u *ops.AttestUse) { u.Operation = "copy" }), fault.NotGranted},
		{"operation in another case", w.client, w.use(good, func(u *ops.AttestUse) { u.Operation = "Read" }), fault.NotGranted},
		{"beside the scope", w.client, w.use(good, func(u *ops.AttestUse) { u.Path = "/lab/2025" }), fault.OutOfScope},
		{"a longer name", w.client, w.use(good, func(u *ops.AttestUse) { u.Path = "/lab/20261" }), fault.OutOfScope},
		{"above the scope", w.client, w.use(good, func(u *ops.AttestUse) { u.Path = "/lab" }), fault.OutOfScope},
		{"all", w.client, w.use(good, func(u *ops.AttestUse) { u.Path = record.Whole }), fault.OutOfScope},
		{"expired", w.client, w.use(over), fault.GrantExpired},
		{"used up", w.client, w.use(spent), fault.GrantUsedUp},
		{"withdrawn", w.client, w.use(withdrawn, func(u *ops.AttestUse) { u.Price = 1 }), fault.GrantWithdrawn},
		{"another record", w.client, w.use(good, func(u *ops.AttestUse) { u.Record = other.String() }), fault.GrantDiffers},
		{"another owner", w.client, w.use(good, func(u *ops.AttestUse) { u.Owner = w.stranger.DID }), fault.GrantDiffers},
		{"another asset", w.client, w.use(good, func(u *ops.AttestUse) { u.Asset = "pts" }), fault.GrantDiffers},
		{"a lower price", w.client, w.use(good, func(u *ops.AttestUse) { u.Price = 249 }), fault.GrantDiffers},
		{"no price", w.client, w.use(good, func(u *ops.AttestUse) { u.Price = 0 }), fault.GrantDiffers},
		{"another version", w.client, w.use(good, func(u *ops.AttestUse) { u.Version = 2 }), fault.VersionChanged},
		{"too little money", w.client, w.use(dear, func(u *ops.AttestUse) { u.Price = 751 }), fault.InsufficientFunds},
		{"no money of the asset", w.client, w.use(points, func(u *ops.AttestUse) { u.Asset = "pts" }), fault.InsufficientFunds},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, _ := w.balance(tt.by)
			w.try(tt.by, tt.use, tt.code)
			if after, _ := w.balance(tt.by); after != before {
				t.Errorf("it cost %d", before-after)
			}
		})
	}
	w.try(w.client, w.use(good, func(u *ops.AttestUse) { u.Path = "/lab/2026/blood" }), fault.OK) // the one use is still there
}

// A grant covers the record as its owner amends it, and the client says which version
// it pays for; deletion ends all grants, and so does the end of the owner's DID.
func TestRecordAndOwnerOfAGrant(t *testing.T) {
	w := begin(t)
	grant := w.try(w.owner, w.grant(func(a *ops.RecordAllow) { a.Uses = nil; a.Price = 10 }), fault.OK)
	use := func(version uint64, what string) *ops.AttestUse {
		return w.use(grant, func(u *ops.AttestUse) { u.Version, u.Price, u.For = version, 10, what })
	}
	w.try(w.client, use(1, "first"), fault.OK)
	content := opstest.Submit("amended")
	w.Do(w.owner, &ops.RecordAmend{Record: w.record.String(), Schema: content.Schema, Commitment: content.Commitment, Size: content.Size}, w.hash(w.record))
	w.try(w.client, use(1, "old"), fault.VersionChanged)
	ref := w.try(w.client, use(2, "new"), fault.OK)
	var receipt attest.View
	w.Read("attest:Use", ref.String(), &receipt)
	if receipt.Version != 2 || receipt.Commitment != content.Commitment || receipt.Left != nil {
		t.Errorf("%+v", receipt)
	}
	after := w.Clone(t)
	after.Do(w.owner.With(w.owner.Recovery, "recovery"), &ops.DIDDeactivate{Key: w.owner.Recovery.Multikey}, "")
	item, _ := after.Sign(w.client, use(2, "owner gone"), "")
	if got := after.Batch(item); fault.Code(got[0]) != fault.GrantWithdrawn {
		t.Errorf("after the owner's DID: %v", fault.Code(got[0]))
	}
	w.Do(w.owner, &ops.RecordDelete{Record: w.record.String()}, w.hash(w.record))
	w.try(w.client, use(3, "deleted"), fault.Deleted)
	w.try(w.client, use(2, "deleted"), fault.Deleted)
	w.try(w.owner, w.grant(), fault.Deleted)
	w.try(w.owner, &ops.RecordWithdraw{Grant: grant.String()}, fault.OK) // nothing forbids it
}

// An offer is for anyone but its owner, as often as it says.
func TestOffer(t *testing.T) {
	w := begin(t)
	offer := w.try(w.owner, w.grant(func(a *ops.RecordAllow) { a.Client, a.Uses, a.Price = record.Anyone, uses(2), 0 }), fault.OK)
	free := func(u *ops.AttestUse) { u.Price = 0 }
	w.try(w.stranger, w.use(offer, free), fault.OK)
	ref := w.try(w.client, w.use(offer, free), fault.OK)
	w.try(w.client, w.use(offer, free), fault.GrantUsedUp)
	var receipt attest.View
	w.Read("attest:Use", ref.String(), &receipt)
	if receipt.Price != 0 || receipt.Epoch != 0 || *receipt.Left != 0 {
		t.Errorf("%+v", receipt)
	}
	if balance, _ := w.balance(w.client); balance != 1000 {
		t.Errorf("the client has %d", balance)
	}
}

// In an asset in which only persons are paid, nobody else's record is sold, and a
// refusal costs nothing; what is free stays free.
func TestOwnersMustBeBound(t *testing.T) {
	w := begin(t)
	grant := w.try(w.owner, w.grant(), fault.OK)
	free := w.try(w.owner, w.grant(func(a *ops.RecordAllow) { a.Price = 0 }), fault.OK)
	w.Decide("bound", `["usd"]`)
	w.try(w.client, w.use(grant), fault.NotBound)
	w.try(w.client, w.use(free, func(u *ops.AttestUse) { u.Price = 0 }), fault.OK)
	if balance, _ := w.balance(w.client); balance != 1000 {
		t.Errorf("the client has %d", balance)
	}
	var g record.GrantView
	if w.Read("record:Grant", grant.String(), &g); g.Used != 0 {
		t.Errorf("%d uses are taken", g.Used)
	}
}

// GR-3: of two takers of the last use exactly one gets it and pays, in one batch, in
// one block and in two blocks.
func TestLastUse(t *testing.T) {
	for _, way := range []string{"one batch", "one block", "two blocks"} {
		t.Run(way, func(t *testing.T) {
			w := begin(t)
			offer := w.try(w.owner, w.grant(func(a *ops.RecordAllow) { a.Client = record.Anyone }), fault.OK)
			first, _ := w.Sign(w.client, w.use(offer), "")
			second, _ := w.Sign(w.stranger, w.use(offer), "")
			var codes []byte
			switch way {
			case "one batch":
				codes = w.Batch(first, second)
			case "one block":
				// Both were endorsed before either was ordered; the second has read what the
				// first writes, is void, and goes again.
				a, b := w.Endorse(first), w.Endorse(second)
				if a.Response[0]|b.Response[0] != 0 || !w.Order(a) || w.Order(b) {
					t.Fatalf("endorsed as %v, %v; both are valid, or the first is not", a.Response, b.Response)
				}
				codes = append(a.Response, w.Batch(second)...)
			case "two blocks":
				codes = append(w.Batch(first), w.Batch(second)...)
			}
			if fault.Code(codes[0]) != fault.OK || fault.Code(codes[1]) != fault.GrantUsedUp {
				t.Errorf("%v, %v", fault.Code(codes[0]), fault.Code(codes[1]))
			}
			paid, _ := w.balance(w.client)
			kept, _ := w.balance(w.stranger)
			if _, pending := w.balance(w.owner); paid != 750 || kept != 1000 || pending != "250" {
				t.Errorf("the first has %d, the second %d, the owner gets %s", paid, kept, pending)
			}
			w.Audit()
		})
	}
}

// What ends a grant and a use that meet in one batch count in their order, and void one
// another across transactions.
func TestEndsInOneBatch(t *testing.T) {
	w := begin(t)
	for _, tt := range []struct {
		name string
		end  func(grant ops.Reference) (ops.Item, ops.Reference)
		code fault.Code
	}{
		{"withdrawal", func(g ops.Reference) (ops.Item, ops.Reference) {
			return w.Sign(w.owner, &ops.RecordWithdraw{Grant: g.String()}, "")
		}, fault.GrantWithdrawn},
		{"deletion", func(ops.Reference) (ops.Item, ops.Reference) {
			return w.Sign(w.owner, &ops.RecordDelete{Record: w.record.String()}, w.hash(w.record))
		}, fault.Deleted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			allow, grant := w.Sign(w.owner, w.grant(func(a *ops.RecordAllow) { a.Uses = nil }), "")
			before, _ := w.Sign(w.client, w.use(grant, func(u *ops.AttestUse) { u.For = "before" }), "")
			after, _ := w.Sign(w.client, w.use(grant, func(u *ops.AttestUse) { u.For = "after" }), "")
			end, _ := tt.end(grant)
			alone := w.Store.Clone()
			if got := w.Batch(allow, before, end, after); got[0]|got[1]|got[2] != 0 || fault.Code(got[3]) != tt.code {
				t.Errorf("%v", got)
			}
			w.Store = alone
			w.Batch(allow)
			used, ended := w.Endorse(before), w.Endorse(end)
			if !w.Order(ended) || w.Order(used) {
				t.Error("a use that was endorsed before the end is valid after it")
			}
			if got := w.Batch(before); fault.Code(got[0]) != tt.code {
				t.Errorf("%v, want %v", fault.Code(got[0]), tt.code)
			}
			w.Store = alone
		})
	}
}

// What a use costs does not grow with the number of the owner's keys: who has many would
// otherwise make whole batches slow.
func TestOwnersKeysCostNothing(t *testing.T) {
	w := begin(t)
	grant := w.try(w.owner, w.grant(), fault.OK)
	item, _ := w.Sign(w.client, w.use(grant), "")
	allocations := func() float64 {
		return testing.AllocsPerRun(20, func() {
			tx := ledger.Begin(w.Store, w.Now, ledger.Caller{})
			if outcomes, err := w.Engine.ApplyBatch(tx, []ops.Item{item}); err != nil || outcomes[0].Code != fault.OK {
				t.Fatal(outcomes, err)
			}
		})
	}
	few := allocations()
	var methods []string
	for i := range 16 {
		methods = append(methods, fmt.Sprintf(`{"id":"#k%d","type":"Multikey","publicKeyMultibase":%q}`, i, opstest.NewKey(fmt.Sprint("key ", i), did.ES256).Multikey))
	}
	document := fmt.Appendf(nil, `{"verificationMethod":[%s],"capabilityInvocation":["#k0"]}`, strings.Join(methods, ","))
	w.Do(w.owner, &ops.DIDUpdate{Document: document}, w.Prior(w.owner))
	if many := allocations(); many > few+8 {
		t.Errorf("%v allocations, with 16 keys %v", few, many)
	}
}
