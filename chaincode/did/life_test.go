package did_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// world is a ledger with a DID, alice's, and short ways to change it.
type world struct {
	*opstest.World
	t     *testing.T
	alice *opstest.User
}

func begin(t *testing.T) *world {
	t.Helper()
	w := &world{opstest.New(t), t, opstest.NewUser("alice")}
	w.Create(w.alice, evm, tron)
	return w
}

// prior is the hash of alice's newest version.
func (w *world) prior() string {
	value, err := w.Store.Get(did.Key(w.alice.ID))
	if err != nil || value == nil {
		w.t.Fatalf("no DID: %v", err)
	}
	return ledger.Version(value)
}

func (w *world) update(by opstest.Signer, fragment string, key opstest.Key) opstest.Signer {
	w.t.Helper()
	w.Do(by, &ops.DIDUpdate{Document: opstest.Document(fragment, key)}, w.prior())
	return w.alice.With(key, fragment)
}

// recovers is alice's recovery to a key and another recovery key.
func (w *world) recovers(with opstest.Key, fragment string, key, spare opstest.Key) ops.Item {
	w.t.Helper()
	item, _ := w.Sign(w.alice.With(with, "recovery"), &ops.DIDRecover{Key: with.Multikey, Document: opstest.Recoverable(spare, fragment, key)}, "")
	return item
}

// want applies an item that must have the code.
func (w *world) want(item ops.Item, code fault.Code) {
	w.t.Helper()
	if got := fault.Code(w.Batch(item)[0] & 0x7f); got != code {
		w.t.Errorf("%v, want %v", got, code)
	}
}

// signed is an operation of the signer that must have the code.
func (w *world) signed(by opstest.Signer, body ops.Body, prior string, code fault.Code) {
	w.t.Helper()
	item, _ := w.Sign(by, body, prior)
	w.want(item, code)
}

func (w *world) resolve(q did.Query) *did.Resolution {
	w.t.Helper()
	q.DID = w.alice.DID
	r := new(did.Resolution)
	w.Read("did:Resolve", q, r)
	return r
}

func key(name string) opstest.Key { return opstest.NewKey(name, did.EdDSA) }

// The signer's record follows the document in the same transaction, also for what
// comes after in the same batch.
func TestRotationWithinABatch(t *testing.T) {
	w := begin(t)
	next := key("next")
	old, _ := w.Sign(w.alice, opstest.Submit("old"), "")
	update, _ := w.Sign(w.alice, &ops.DIDUpdate{Document: opstest.Document("k2", next)}, w.prior())
	late, _ := w.Sign(w.alice, opstest.Submit("late"), "")
	fresh, _ := w.Sign(w.alice.With(next, "k2"), opstest.Submit("fresh"), "")
	answer := w.Batch(old, update, late, fresh, old, update)
	want := []byte{0, 0, byte(fault.KeyUnknown), 0, ops.Replayed, ops.Replayed}
	if !slices.Equal(answer, want) {
		t.Errorf("%v, want %v", answer, want)
	}
	// The same bytes have the first results in later transactions too.
	if again := w.Batch(update, old, late); !slices.Equal(again, []byte{ops.Replayed, ops.Replayed, byte(fault.KeyUnknown)}) {
		t.Errorf("again %v", again)
	}
	value, _ := w.Store.Get(did.SignerKeyOf(w.alice.ID))
	signer, err := did.DecodeSigner(value)
	if err != nil || len(signer.Keys) != 1 || signer.Keys[0].Fragment != "k2" || signer.Keys[0].Key.String() != next.Multikey {
		t.Errorf("signer %+v %v", signer, err)
	}
}

// ID-4: whatever a thief does with a stolen key of the document, and as often as he
// likes, the recovery key puts the owner back and the thief out.
func TestThief(t *testing.T) {
	// Every operation that a DID's keys can change it with is one of the thief's moves:
	// who adds one adds it here.
	played := []string{
		"did.create", "did.update", "did.recover", "did.deactivate", "did.complete", "did.link", "did.unlink", "did.prefer", "did.bind",
	}
	for _, name := range ops.Names() {
		if strings.HasPrefix(name, "did.") && !slices.Contains(played, name) {
			t.Errorf("no thief plays %s", name)
		}
	}
	thief := key("thief")
	for name, play := range map[string]func(w *world){
		"signs": func(w *world) { w.Do(w.alice, opstest.Submit("in alice's name"), "") },
		"updates to his own key": func(w *world) {
			w.update(w.alice, "thief", thief)
		},
		"updates again and again": func(w *world) {
			var hot opstest.Signer = w.alice
			for i := range 20 {
				hot = w.update(hot, fmt.Sprint("thief", i), key(fmt.Sprint("thief", i)))
			}
		},
		"updates with his own recovery commitment": func(w *world) {
			w.signed(w.alice, &ops.DIDUpdate{Document: opstest.Recoverable(thief, "thief", thief)}, w.prior(), fault.UnknownField)
		},
		"takes every fragment that the owner may want": func(w *world) {
			w.update(w.alice, "owner", thief)
		},
		"deactivates": func(w *world) {
			w.Do(w.alice, &ops.DIDDeactivate{}, "")
			w.signed(w.alice, &ops.DIDDeactivate{}, "", fault.AlreadyDone) // the 72 hours do not begin again
		},
		"deactivates, and updates so that only he may act": func(w *world) {
			w.Do(w.alice, &ops.DIDDeactivate{}, "")
			hot := w.update(w.alice, "thief", thief)
			w.signed(hot, &ops.DIDComplete{DID: w.alice.DID}, "", fault.NotDue)
		},
		"waits until just before it is due": func(w *world) {
			w.Do(w.alice, &ops.DIDDeactivate{}, "")
			w.SetElapsed(did.Delay - 1)
			w.signed(w.alice, &ops.DIDComplete{DID: w.alice.DID}, "", fault.NotDue)
		},
		"deactivates as if he had the recovery key": func(w *world) {
			w.signed(w.alice.With(thief, "recovery"), &ops.DIDDeactivate{Key: thief.Multikey}, "", fault.KeyUnknown)
			w.signed(w.alice.With(thief, "recovery"), &ops.DIDDeactivate{Key: w.alice.Recovery.Multikey}, "", fault.BadSignature)
		},
		"recovers": func(w *world) {
			w.want(w.recovers(thief, "thief", thief, key("other")), fault.KeyUnknown)
		},
		"creates the DID anew": func(w *world) {
			w.signed(w.alice, &ops.DIDCreate{Document: w.alice.Doc}, "", fault.DIDExists)
		},
		"takes the accounts for a DID of his own": func(w *world) {
			other := opstest.NewUser("other")
			other.Chain = w.alice.Chain // he even has the account's key
			w.signed(other, &ops.DIDCreate{Document: other.Doc, Links: []did.Link{other.Link(evm)}}, "", fault.LinkTaken)
		},
		"prefers his own account": func(w *world) { w.rob() },
		"prefers his own account, and the next epoch begins": func(w *world) {
			w.rob()
			w.SetEpoch(2)
		},
		"prefers his own account epochs before": func(w *world) {
			w.rob()
			w.SetEpoch(9)
			w.Do(w.alice, &ops.DIDPrefer{Payout: w.alice.Account(tron).String()}, "")
			w.Do(w.alice, &ops.DIDPrefer{Payout: w.loot()}, "")
		},
		"prefers nobody": func(w *world) {
			w.Do(w.alice, &ops.DIDPrefer{}, "")
			w.SetEpoch(2)
		},
		"unlinks the owner's accounts": func(w *world) { w.unlinkAll() },
		"unlinks the owner's accounts, and the next epoch begins": func(w *world) {
			w.unlinkAll()
			w.SetEpoch(2)
			w.rob()
		},
		"fills all places": func(w *world) {
			for i := range 14 {
				w.Do(w.alice, opstest.LinkWeb(w.alice, fmt.Sprint("urn:junk:", i)), w.prior())
			}
			w.signed(w.alice, opstest.LinkWeb(w.alice, "urn:junk:14"), w.prior(), fault.LimitReached)
		},
		"binds a person to it": func(w *world) {
			w.signed(w.alice, &ops.DIDBind{DID: w.alice.DID, Tag: strings.Repeat("ab", 32)}, "", fault.NotAccredited)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := begin(t)
			play(w)
			pending, _ := w.Sign(w.alice, opstest.Submit("kept for later"), "")
			deactivation, _ := w.Sign(w.alice, &ops.DIDDeactivate{}, "")
			owner, spare := key("owner"), key("spare")
			recovery := w.recovers(w.alice.Recovery, "owner", owner, spare)
			w.want(recovery, fault.OK)

			w.want(pending, fault.KeyUnknown)
			w.want(deactivation, fault.KeyUnknown)
			for _, fragment := range []string{"k", "thief", "thief19", "owner"} {
				item, _ := w.Sign(w.alice.With(thief, fragment), opstest.Submit("still there"), "")
				if got := fault.Code(w.Batch(item)[0]); got != fault.KeyUnknown && got != fault.BadSignature {
					t.Errorf("the thief acts as #%s: %v", fragment, got)
				}
			}
			w.SetElapsed(10 * did.Delay)
			w.signed(w.alice.With(owner, "owner"), &ops.DIDComplete{DID: w.alice.DID}, "", fault.NotDue)
			w.Do(w.alice.With(owner, "owner"), opstest.Submit("mine again"), "")
			after := w.resolve(did.Query{})
			if after.Metadata.Deactivated || after.Version.Recovery != spare.Commitment() || len(after.Document.VerificationMethod) != 1 {
				t.Errorf("recovered: %+v", after)
			}
			w.safe()
			// The recovery key that was shown is used up; the next one works.
			w.want(recovery, fault.OK) // its first result
			w.want(w.recovers(w.alice.Recovery, "k9", thief, thief), fault.KeyUnknown)
			w.want(w.recovers(spare, "k9", key("k9"), key("spare 2")), fault.OK)
		})
	}
}

// A thief's transactions that were endorsed before the recovery and come after it are
// void, and the owner's, voided by one of his, needs no new signature: it names no
// version.
func TestThiefRaces(t *testing.T) {
	w := begin(t)
	update, _ := w.Sign(w.alice, &ops.DIDUpdate{Document: opstest.Document("thief", key("thief"))}, w.prior())
	deactivation, _ := w.Sign(w.alice, &ops.DIDDeactivate{}, "")
	recovery := w.recovers(w.alice.Recovery, "owner", key("owner"), key("spare"))
	first, held, owners := w.Endorse(deactivation), w.Endorse(update), w.Endorse(recovery)
	if !w.Order(first) {
		t.Fatal("the thief's deactivation is void")
	}
	if w.Order(owners) {
		t.Fatal("the recovery was endorsed on a state that is past, and is valid")
	}
	w.want(recovery, fault.OK)
	if w.Order(held) {
		t.Error("the thief's update is valid after the recovery")
	}
	if r := w.resolve(did.Query{}); r.Version.Deactivation != 0 || r.Document.VerificationMethod[0].ID != w.alice.DID+"#owner" {
		t.Errorf("%+v", r)
	}
	// In one batch: before it, and after it.
	w = begin(t)
	update, _ = w.Sign(w.alice, &ops.DIDUpdate{Document: opstest.Document("thief", key("thief"))}, w.prior())
	late, _ := w.Sign(w.alice.With(key("thief"), "thief"), &ops.DIDDeactivate{}, "")
	recovery = w.recovers(w.alice.Recovery, "owner", key("owner"), key("spare"))
	if answer := w.Batch(update, recovery, late); !slices.Equal(answer, []byte{0, 0, byte(fault.KeyUnknown)}) {
		t.Errorf("%v", answer)
	}
}

// ID-5: a key of the document ends the DID after 72 hours of the checkpoints' clock
// and not before, with the help of anyone; the recovery key at once. It is final.
func TestDeactivation(t *testing.T) {
	w := begin(t)
	bob := opstest.NewUser("bob")
	w.Create(bob)
	w.SetElapsed(1000)
	w.Do(w.alice, &ops.DIDDeactivate{}, "")
	if r := w.resolve(did.Query{}); r.Version.Deactivation != 1000+did.Delay || r.Metadata.Deactivated || r.Metadata.VersionID != "2" {
		t.Errorf("pending: %+v", r)
	}
	owner := w.update(w.alice, "k2", key("k2"))
	w.SetElapsed(999 + did.Delay)
	w.signed(bob, &ops.DIDComplete{DID: w.alice.DID}, "", fault.NotDue)
	w.SetElapsed(1000 + did.Delay)
	w.Do(owner, opstest.Submit("until it is completed"), "")
	w.Do(bob, &ops.DIDComplete{DID: w.alice.DID}, "")
	w.ended(owner, "4")

	w = begin(t)
	w.Do(w.alice.With(w.alice.Recovery, "recovery"), &ops.DIDDeactivate{Key: w.alice.Recovery.Multikey}, "")
	w.ended(w.alice, "2")
}

// ended checks that alice's DID is at its end in a version.
func (w *world) ended(last opstest.Signer, version string) {
	w.t.Helper()
	for _, by := range []opstest.Signer{last, w.alice} {
		w.signed(by, opstest.Submit("too late"), "", fault.DIDDeactivated)
		w.signed(by, &ops.DIDUpdate{Document: opstest.Document("k3", key("k3"))}, w.prior(), fault.DIDDeactivated)
		w.signed(by, &ops.DIDDeactivate{}, "", fault.DIDDeactivated)
	}
	w.signed(w.alice, &ops.DIDCreate{Document: w.alice.Doc}, "", fault.DIDExists)
	w.want(w.recovers(w.alice.Recovery, "k3", key("k3"), key("spare")), fault.DIDDeactivated)
	other := opstest.NewUser("other")
	w.Create(other)
	w.signed(other, &ops.DIDComplete{DID: w.alice.DID}, "", fault.AlreadyDone)
	r := w.resolve(did.Query{})
	if !r.Metadata.Deactivated || r.Version.Deactivation != 0 || r.Metadata.VersionID != version || r.Metadata.NextVersionID != "" || len(r.Document.VerificationMethod) != 0 || r.Document.ID != w.alice.DID {
		w.t.Errorf("ended: %+v", r)
	}
	first := w.resolve(did.Query{VersionID: 1})
	if !first.Metadata.Deactivated || len(first.Document.VerificationMethod) != 2 || first.Metadata.NextVersionID != "2" {
		w.t.Errorf("its first version: %+v", first)
	}
	// ID-2: the account is free for a DID that lives.
	heir := opstest.NewUser("heir")
	heir.Chain = w.alice.Chain
	w.Create(heir, evm)
}

// The recovery key may be of each algorithm.
func TestRecoveryOfEachAlgorithm(t *testing.T) {
	for _, alg := range did.Algorithms {
		w := begin(t)
		w.alice = opstest.NewUserOf("alice "+string(alg), alg)
		w.Create(w.alice)
		with := w.alice.Recovery
		for _, next := range did.Algorithms {
			spare := opstest.NewKey("spare "+string(next), next)
			w.want(w.recovers(with, "k-"+string(next), opstest.NewKey("next", next), spare), fault.OK)
			with = spare
		}
		if r := w.resolve(did.Query{}); r.Metadata.VersionID != "4" || r.Version.Recovery != with.Commitment() {
			t.Errorf("%s: %+v", alg, r)
		}
	}
}

// What did.update stores is the canonical form of what it states and the commitment
// that was there, and what it does not state is gone.
func TestUpdatedDocument(t *testing.T) {
	w := begin(t)
	next := key("next")
	stated := fmt.Sprintf(`{ "service":[{"serviceEndpoint":"https://a.example","id":"#s","type":"T"}], "capabilityInvocation":["#k2"],"keyAgreement":[],
		"verificationMethod":[{"type":"Multikey","id":"#k2","publicKeyMultibase":%q}]}`, next.Multikey)
	w.Do(w.alice, &ops.DIDUpdate{Document: []byte(stated)}, w.prior())
	value, _ := w.Store.Get(did.Key(w.alice.ID))
	state, err := did.DecodeState(value)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"capabilityInvocation":["#k2"],"recovery":%q,"service":[{"id":"#s","serviceEndpoint":"https://a.example","type":"T"}],`+
		`"verificationMethod":[{"id":"#k2","publicKeyMultibase":%q,"type":"Multikey"}]}`, w.alice.Recovery.Commitment(), next.Multikey)
	if string(state.Document) != want {
		t.Errorf("stored\n%s\nwant\n%s", state.Document, want)
	}
}

func FuzzDecodeSigner(f *testing.F) {
	alice, err := did.ParseKey(key("alice").Multikey)
	if err != nil {
		f.Fatal(err)
	}
	f.Add((&did.Signer{Keys: []did.SignerKey{{Fragment: "k", Signs: true, Key: alice}}}).Encode())
	f.Add((&did.Signer{Deactivated: true}).Encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		if s, err := did.DecodeSigner(raw); err == nil && string(s.Encode()) != string(raw) {
			t.Errorf("%x reads as %+v", raw, s)
		}
	})
}
