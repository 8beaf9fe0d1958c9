package ops_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// watched notes which keys are read, and which alone.
type watched struct {
	*ledger.Memory
	read, alone map[string]bool
}

func (w watched) Get(key string) ([]byte, error) {
	w.read[key], w.alone[key] = true, true
	return w.Memory.Get(key)
}

func (w watched) GetMany(keys []string) ([][]byte, error) {
	for _, key := range keys {
		w.read[key] = true
	}
	return w.Memory.GetMany(keys)
}

// kindOf names the keys of one prefix that an operation touches.
func kindOf(op, key string) string {
	prefix, _, _ := strings.Cut(key, "/")
	return op + ", " + prefix
}

// GW-7: what an operation reads is what Accesses names, and of that it writes
// only what is named as changed: gateways keep operations on the same keys in
// one batch by this.
func TestAccesses(t *testing.T) {
	alice, bob := opstest.NewUser("alice"), opstest.NewUser("bob")
	w := opstest.New(t, alice)
	prior := func(key string) string {
		value, err := w.Store.Get(key)
		if err != nil || value == nil {
			t.Fatalf("no %s: %v", key, err)
		}
		return ledger.Version(value)
	}
	seen, idle := map[string]bool{}, map[string]bool{}
	run := func(u opstest.Signer, body ops.Body, prior string, want fault.Code) ops.Reference {
		t.Helper()
		item, ref := w.Sign(u, body, prior)
		op, err := ops.Admit(item, opstest.Network, w.Now)
		if err != nil {
			t.Fatal(err)
		}
		seen[op.Name] = true
		named, changed := map[string]bool{}, map[string]bool{}
		for _, key := range ops.Common {
			named[key] = true
		}
		for _, a := range op.Accesses() {
			named[a.Key] = true
			changed[a.Key] = changed[a.Key] || a.Changes
			if kind := kindOf(op.Name, a.Key); a.Changes && !strings.HasSuffix(a.Key, canon.Hex(ref.ID[:])) && !seen[kind] {
				idle[kind] = true
			}
		}
		store := watched{w.Store, map[string]bool{}, map[string]bool{}}
		tx := ledger.Begin(store, w.Now, ledger.Caller{})
		outcomes, err := w.Engine.ApplyBatch(tx, []ops.Item{item})
		if err != nil || outcomes[0].Code != want {
			t.Fatalf("%s: %+v %v", op.Name, outcomes, err)
		}
		delete(store.alone, govern.NetworkKey)
		follows := func(key string) bool {
			prefix, _, _ := strings.Cut(key, "/")
			return slices.Contains(op.Follows(), prefix)
		}
		for key := range store.alone {
			if !follows(key) {
				t.Errorf("%s asks for %s by itself", op.Name, key) // CC-4
			}
		}
		for key := range store.read {
			if !named[key] && !follows(key) {
				t.Errorf("%s reads %s", op.Name, key)
			}
		}
		for _, c := range tx.Changes() {
			if store.read[c.Key] && !changed[c.Key] && !follows(c.Key) {
				t.Errorf("%s changes %s", op.Name, c.Key)
			}
			seen[kindOf(op.Name, c.Key)] = true
			delete(idle, kindOf(op.Name, c.Key))
		}
		if err := tx.Flush(); err != nil {
			t.Fatal(err)
		}
		return ref
	}
	run(alice, &ops.DIDCreate{Document: alice.Doc, Links: []did.Link{alice.Link("eip155:1337")}}, "", fault.OK)
	run(bob, &ops.DIDCreate{Document: bob.Doc}, "", fault.OK)
	run(bob, &ops.DIDCreate{Document: bob.Doc}, "", fault.DIDExists)
	digest := canon.Hex(make([]byte, 32))
	schema := run(alice, &ops.CredentialSchema{Name: "a", Digest: digest}, "", fault.OK)
	issue := ops.CredentialIssue{Schema: schema.String(), Digest: digest, ValidUntil: 9, Evidence: "oracle", Endorser: "did:example:oracle"}
	issued := "credential/" + run(alice, &issue, "", fault.OK).String()
	run(bob, &issue, "", fault.NotAccredited)
	again := issue
	again.ValidUntil = 10
	run(alice, &again, "", fault.EntryTaken)
	run(bob, &ops.CredentialSuspend{Credential: issued[11:]}, prior(issued), fault.NotOwner)
	run(alice, &ops.CredentialSuspend{Credential: issued[11:]}, prior(issued), fault.OK)
	run(alice, &ops.CredentialReinstate{Credential: issued[11:]}, prior(issued), fault.OK)
	run(bob, &ops.CredentialRevoke{Credential: issued[11:]}, prior(issued), fault.NotOwner)
	run(alice, &ops.CredentialRevoke{Credential: issued[11:]}, prior(issued), fault.OK)
	r := "record/" + run(alice, opstest.Submit("r"), "", fault.OK).String()
	run(alice, &ops.RecordAmend{Record: r[7:], Schema: "note", Commitment: digest}, prior(r), fault.OK)
	run(bob, &ops.RecordDelete{Record: r[7:]}, prior(r), fault.NotOwner)
	limit := uint64(2)
	allow := &ops.RecordAllow{
		Record: r[7:], Client: "anyone", Operation: "read", Scope: []string{"/"}, Asset: "usd", Price: 5, Expires: w.Now + 86400, Uses: &limit,
	}
	run(bob, allow, "", fault.NotOwner)
	offer := run(alice, allow, "", fault.OK).String()
	use := &ops.AttestUse{Grant: offer, Record: r[7:], Version: 2, Owner: alice.DID, Operation: "read", Path: "/", Asset: "usd", Price: 5}
	run(bob, use, "", fault.InsufficientFunds)
	run(bob, opstest.Pay("usd", alice, 5), "", fault.InsufficientFunds)
	w.Fund(bob, 20)
	run(bob, opstest.Pay("usd", alice, 5), "", fault.OK)
	run(bob, &ops.RewardWithdraw{Asset: "usd", Amount: 100}, "", fault.InsufficientFunds)
	run(bob, &ops.RewardWithdraw{Asset: "usd", Amount: 1}, "", fault.OK)
	run(bob, use, "", fault.OK)
	run(bob, &ops.RecordWithdraw{Grant: offer}, "", fault.NotOwner)
	run(alice, &ops.RecordWithdraw{Grant: offer}, "", fault.OK)
	run(bob, use, "", fault.GrantWithdrawn)
	run(alice, &ops.RecordDelete{Record: r[7:]}, prior(r), fault.OK)
	carol, dave := opstest.NewUser("carol"), opstest.NewUser("dave")
	next := opstest.NewKey("carol 2", did.ES256)
	run(carol, &ops.DIDCreate{Document: carol.Doc, Links: []did.Link{carol.Link("eip155:1337")}}, "", fault.OK)
	run(carol, &ops.DIDUpdate{Document: opstest.Document("k", next)}, prior(did.Key(carol.ID)), fault.FragmentTaken)
	run(carol, &ops.DIDUpdate{Document: opstest.Document("k2", next)}, prior(did.Key(carol.ID)), fault.OK)
	rotated := carol.With(next, "k2")
	run(rotated, &ops.DIDUpdate{Document: opstest.Document("k3", next)}, digest, fault.StalePrior)
	run(rotated, &ops.DIDDeactivate{}, "", fault.OK)
	run(rotated, &ops.DIDDeactivate{}, "", fault.AlreadyDone)
	run(alice, &ops.DIDComplete{DID: carol.DID}, "", fault.NotDue)
	w.SetElapsed(did.Delay)
	run(alice, &ops.DIDComplete{DID: carol.DID}, "", fault.OK)
	run(alice, &ops.DIDComplete{DID: carol.DID}, "", fault.AlreadyDone)
	run(alice, &ops.DIDComplete{DID: dave.DID}, "", fault.NotFound)
	own := dave.Account("eip155:1337").String()
	run(dave, &ops.DIDCreate{Document: dave.Doc, Links: []did.Link{dave.Link("eip155:1337")}, Payout: own}, "", fault.OK)
	run(dave, w.LinkNow(dave, "eip155:1"), prior(did.Key(dave.ID)), fault.OK)
	run(dave, opstest.LinkWeb(dave, "urn:x"), prior(did.Key(dave.ID)), fault.OK)
	run(dave, &ops.DIDPrefer{Payout: dave.Account("eip155:1").String()}, "", fault.OK)
	identity := dave.Hidden(did.KindAccount, dave.Account("eip155:1").String())
	run(dave, &ops.DIDUnlink{Leaf: identity.Leaf(opstest.Network, dave.ID).String()}, prior(did.Key(dave.ID)), fault.OK)
	run(dave, &ops.DIDPrefer{Payout: own}, "", fault.OK)
	run(dave, &ops.DIDPrefer{}, "", fault.OK)
	w.Decide("verifier/"+alice.ID.String(), `{"organisation":"Org1MSP"}`)
	w.Decide("verifier/"+bob.ID.String(), `{"organisation":"Org2MSP"}`)
	bind := &ops.DIDBind{DID: dave.DID, Tag: digest}
	run(dave, bind, "", fault.NotAccredited)
	run(alice, bind, "", fault.OK)
	run(alice, bind, "", fault.AlreadyDone)
	run(bob, bind, "", fault.OK)
	w.Decide("bound", `["usd"]`)
	run(bob, opstest.Pay("usd", dave, 1), "", fault.OK)
	run(bob, opstest.Pay("usd", alice, 1), "", fault.NotBound)
	run(bob, &ops.RewardWithdraw{Asset: "usd", Amount: 1}, "", fault.NotBound)
	run(dave.With(dave.Recovery, "recovery"), &ops.DIDRecover{Key: dave.Recovery.Multikey, Document: opstest.Recoverable(next, "k", next)}, "", fault.OK)
	run(dave.With(next, "recovery"), &ops.DIDDeactivate{Key: next.Multikey}, "", fault.OK)
	w.Decide("bound", "[]")
	jobAccesses(opstest.NewJobsOn(w, 1), run)
	for kind := range idle {
		t.Errorf("%s is named as changed and never is", kind)
	}
	for _, name := range ops.Names() {
		if !seen[name] {
			t.Errorf("%s is not looked at", name)
		}
	}
}

// Forged tells changed signatures from those that it cannot know.
func TestForged(t *testing.T) {
	alice, new := opstest.NewUser("alice"), opstest.NewUser("new")
	w := opstest.New(t)
	w.Create(alice)
	stored, err := w.Store.Get(did.SignerKeyOf(alice.ID))
	if err != nil {
		t.Fatal(err)
	}
	var operations []*ops.Operation
	var want []bool
	add := func(u *opstest.User, body ops.Body, spoil, forged bool) {
		item, _ := w.Sign(u, body, "")
		if spoil {
			item.Signature = bytes.Clone(item.Signature)
			item.Signature[9] ^= 1
		}
		op, err := ops.Admit(item, opstest.Network, w.Now)
		if err != nil {
			t.Fatal(err)
		}
		operations, want = append(operations, op), append(want, forged)
	}
	for range 8 {
		add(alice, opstest.Submit("good"), false, false)
	}
	add(alice, opstest.Submit("bad"), true, true)
	add(new, opstest.Submit("too new"), true, false)
	add(new, &ops.DIDCreate{Document: new.Doc}, true, true)
	add(new, &ops.DIDCreate{Document: new.Doc}, false, false)
	got, err := ops.New().Forged(map[string][]byte{operations[0].ActorKey(): stored}, operations)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v %v, want %v", got, err, want)
	}
}
