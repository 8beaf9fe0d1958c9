package did_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

const mainnet = "eip155:1"

// leafOf is the leaf of alice's account on a chain.
func (w *world) leafOf(chain string) string {
	i := w.alice.Hidden(did.KindAccount, w.alice.Account(chain).String())
	return i.Leaf(opstest.Network, w.alice.ID).String()
}

func (w *world) leaves() (leaves []string) {
	w.t.Helper()
	for _, l := range w.Linked(w.alice).Leaves {
		leaves = append(leaves, l.Leaf)
	}
	return leaves
}

func (w *world) paid(epoch uint64) string {
	w.t.Helper()
	account, _ := w.Accounts(w.alice).Paid(epoch)
	return account.String()
}

// ID-6: links and preferences count from the next epoch on; the current one goes where
// it would have gone, whatever is changed in it and as often.
func TestNextEpoch(t *testing.T) {
	w := begin(t)
	w.SetEpoch(5)
	own, other, new := w.alice.Account(evm).String(), w.alice.Account(tron).String(), w.alice.Account(mainnet).String()
	w.signed(w.alice, &ops.DIDPrefer{Payout: new}, "", fault.NotFound)
	w.Do(w.alice, w.LinkNow(w.alice, mainnet), w.prior())
	for _, payout := range []string{other, new, "", other, new} {
		w.Do(w.alice, &ops.DIDPrefer{Payout: payout}, "")
	}
	w.signed(w.alice, &ops.DIDPrefer{Payout: new}, "", fault.AlreadyDone)
	if w.paid(5) != own || w.paid(4) != own || w.paid(6) != new || w.paid(99) != new {
		t.Errorf("paid %s, then %s", w.paid(5), w.paid(6))
	}
	if got := w.Linked(w.alice).Payouts; !slices.Equal(got, []did.PayoutView{{Leaf: w.leafOf(evm)}, {Epoch: 6, Leaf: w.leafOf(mainnet)}}) {
		t.Errorf("%+v", got)
	}
	// The preference goes back to what it was: as if it had never changed.
	w.Do(w.alice, &ops.DIDPrefer{Payout: own}, "")
	if got := w.Accounts(w.alice).Payouts; len(got) != 1 || w.paid(6) != own {
		t.Errorf("%+v", got)
	}
	// Unlinking the account that is paid: until the epoch ends.
	w.Do(w.alice, &ops.DIDUnlink{Leaf: w.leafOf(evm)}, w.prior())
	if _, still := w.Accounts(w.alice).Paid(6); still || w.paid(5) != own {
		t.Errorf("unlinked: %s in epoch 5, %v in 6", w.paid(5), still)
	}
	if got := w.leaves(); !slices.Equal(got, []string{w.leafOf(tron), w.leafOf(mainnet)}) {
		t.Errorf("leaves %q", got)
	}
	// In each of many epochs another one: 66 preferences remain.
	for epoch := uint64(6); epoch < 300; epoch++ {
		w.SetEpoch(epoch)
		w.Do(w.alice, &ops.DIDPrefer{Payout: []string{other, new}[epoch%2]}, "")
	}
	a := w.Accounts(w.alice)
	if len(a.Payouts) > 67 || a.Payouts[0].Epoch > 300-64 || w.paid(250) != []string{other, new}[249%2] {
		t.Errorf("%d preferences from %d", len(a.Payouts), a.Payouts[0].Epoch)
	}
	if len(a.Linked) != 3 {
		t.Errorf("%d accounts before the next change of links", len(a.Linked))
	}
	w.Do(w.alice, opstest.LinkWeb(w.alice, "urn:x"), w.prior())
	if a := w.Accounts(w.alice); len(a.Linked) != 3 { // two accounts and urn:x
		t.Errorf("%d accounts", len(a.Linked))
	}
}

// ID-7: a proof links one account to one version of one DID, and no other.
func TestProofsCannotBeReplayed(t *testing.T) {
	w := begin(t)
	link := func() *ops.DIDLink { return w.LinkNow(w.alice, mainnet) }
	first := link()
	w.Do(w.alice, opstest.LinkWeb(w.alice, "urn:x"), w.prior())
	w.signed(w.alice, first, w.prior(), fault.BadProof) // of the version before
	second := link()
	w.Do(w.alice, second, w.prior())
	w.signed(w.alice, link(), w.prior(), fault.AlreadyDone)
	w.Do(w.alice, &ops.DIDUnlink{Leaf: w.leafOf(mainnet)}, w.prior())
	w.signed(w.alice, second, w.prior(), fault.BadProof) // after unlink
	w.signed(w.alice, second, strings.Repeat("0", 64), fault.StalePrior)

	bob := opstest.NewUser("bob")
	bob.Chain = w.alice.Chain
	w.Create(bob)
	ofAlice := link()
	w.signed(bob, ofAlice, w.Prior(bob), fault.BadProof)
	for name, c := range map[string]struct {
		spoil func(*ops.DIDLink)
		code  fault.Code
	}{
		"another chain":             {func(l *ops.DIDLink) { l.Account = "eip155:2" + l.Account[8:] }, fault.BadProof},
		"Tron's form on EVM":        {func(l *ops.DIDLink) { l.Proof = w.LinkNow(w.alice, "tron:0x00000001").Proof }, fault.BadProof},
		"another account":           {func(l *ops.DIDLink) { l.Account = opstest.NewUser("bob").Account(mainnet).String() }, fault.BadProof},
		"signed for creation":       {func(l *ops.DIDLink) { l.Proof = w.alice.Link(mainnet).Proof }, fault.BadProof},
		"a short proof":             {func(l *ops.DIDLink) { l.Proof = "AA" }, fault.BadProof},
		"no proof":                  {func(l *ops.DIDLink) { l.Proof = "" }, fault.BadProof},
		"proof not in base64url":    {func(l *ops.DIDLink) { l.Proof = "=" }, fault.InvalidValue},
		"no salt":                   {func(l *ops.DIDLink) { l.Salt = "" }, fault.InvalidValue},
		"a short salt":              {func(l *ops.DIDLink) { l.Salt = "AAAA" }, fault.InvalidValue},
		"account and commitment":    {func(l *ops.DIDLink) { l.Commitment = strings.Repeat("0", 64) }, fault.InvalidValue},
		"nothing":                   {func(l *ops.DIDLink) { *l = ops.DIDLink{} }, fault.MissingField},
		"a commitment of 31 bytes":  {func(l *ops.DIDLink) { *l = ops.DIDLink{Commitment: strings.Repeat("0", 62)} }, fault.InvalidValue},
		"an account of another way": {func(l *ops.DIDLink) { l.Account = strings.ToUpper(l.Account) }, fault.InvalidValue},
	} {
		l := link()
		c.spoil(l)
		item, _ := w.Sign(w.alice, l, w.prior())
		if got := fault.Code(w.Batch(item)[0]); got != c.code {
			t.Errorf("%s: %v, want %v", name, got, c.code)
		}
	}
	w.Do(w.alice, link(), w.prior())
}

// ID-2: an account that is unlinked is another DID's from the next epoch on, and its
// first DID's again within the same one.
func TestAccountsPassOn(t *testing.T) {
	w := begin(t)
	heir := opstest.NewUser("heir")
	heir.Chain = w.alice.Chain
	w.Create(heir)
	w.Do(w.alice, &ops.DIDUnlink{Leaf: w.leafOf(evm)}, w.prior())
	w.signed(w.alice, &ops.DIDUnlink{Leaf: w.leafOf(evm)}, w.prior(), fault.NotFound)
	w.signed(heir, w.LinkNow(heir, evm), w.Prior(heir), fault.LinkTaken)
	w.Do(w.alice, w.LinkNow(w.alice, evm), w.prior()) // as if it had not been unlinked
	if v := w.Linked(w.alice); len(v.Leaves) != 2 || v.Leaves[0].From != 0 {
		t.Errorf("linked again: %+v", v)
	}
	w.Do(w.alice, &ops.DIDUnlink{Leaf: w.leafOf(evm)}, w.prior())
	w.SetEpoch(2)
	late := *w
	late.World = w.Clone(t)
	late.Do(w.alice, late.LinkNow(w.alice, evm), late.prior()) // too late to be as if it had not been
	if v := late.Linked(w.alice); len(v.Leaves) != 2 || v.Leaves[1].From != 3 {
		t.Errorf("linked again in the next epoch: %+v", v)
	}
	w.Do(heir, w.LinkNow(heir, evm), w.Prior(heir))
	w.signed(w.alice, w.LinkNow(w.alice, evm), w.prior(), fault.LinkTaken)
	// Whatever the first DID does now leaves it with the second.
	for name, change := range map[string]func(w *world){
		"links":   func(w *world) { w.Do(w.alice, opstest.LinkWeb(w.alice, "urn:x"), w.prior()) },
		"recover": func(w *world) { w.want(w.recovers(w.alice.Recovery, "k2", key("k2"), key("spare")), fault.OK) },
		"ends": func(w *world) {
			w.Do(w.alice.With(w.alice.Recovery, "recovery"), &ops.DIDDeactivate{Key: w.alice.Recovery.Multikey}, "")
		},
	} {
		copied := *w
		copied.World = w.Clone(t)
		change(&copied)
		if held, _ := copied.Store.Get(did.LinkKey(heir.Account(evm).String())); string(held) != fmt.Sprintf(`{"id":%q,"until":0}`, heir.ID) {
			t.Errorf("%s: the account is held as %s", name, held)
		}
	}
	// A link that had not taken effect frees the account at once.
	w.Do(heir, w.LinkNow(heir, mainnet), w.Prior(heir))
	i := heir.Hidden(did.KindAccount, heir.Account(mainnet).String())
	w.Do(heir, &ops.DIDUnlink{Leaf: i.Leaf(opstest.Network, heir.ID).String()}, w.Prior(heir))
	third := opstest.NewUser("third")
	third.Chain = heir.Chain
	w.Create(third, mainnet)
}

// ID-4: recovery takes back what has not taken effect, and pays nobody whom the keys
// that it removes have chosen.
func TestRecoveryOfLinks(t *testing.T) {
	own := func(w *world) string { return w.alice.Account(evm).String() }
	for name, c := range map[string]struct {
		play    func(w *world)
		payout  func(w *world) string // in the recovery
		paid    func(w *world) string // from the current epoch on
		missing fault.Code
	}{
		"nothing was changed": {func(*world) {}, nil, own, 0},
		"a pending preference": {func(w *world) {
			w.Do(w.alice, &ops.DIDPrefer{Payout: w.alice.Account(tron).String()}, "")
		}, nil, own, 0},
		"a preference in force": {func(w *world) {
			w.Do(w.alice, &ops.DIDPrefer{Payout: w.alice.Account(tron).String()}, "")
			w.SetEpoch(2)
		}, nil, nil, 0},
		"a preference in force, confirmed": {func(w *world) {
			w.Do(w.alice, &ops.DIDPrefer{Payout: w.alice.Account(tron).String()}, "")
			w.SetEpoch(2)
		}, func(w *world) string { return w.alice.Account(tron).String() }, func(w *world) string { return w.alice.Account(tron).String() }, 0},
		"a thief's preference in force, the owner's named": {func(w *world) {
			w.rob()
			w.SetEpoch(3)
		}, own, own, 0},
		"a thief's pending account named": {func(w *world) { w.rob() }, func(w *world) string { return w.loot() }, nil, fault.NotFound},
		"unlinked in this epoch":          {func(w *world) { w.unlinkAll() }, nil, own, 0},
		"unlinked and linked anew": {func(w *world) {
			w.unlinkAll()
			l := w.LinkNow(w.alice, evm)
			l.Salt = canon.B64(opstest.Seed("another salt"))
			w.Do(w.alice, l, w.prior())
			w.Do(w.alice, &ops.DIDPrefer{Payout: w.alice.Account(evm).String()}, "")
		}, own, own, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := begin(t)
			links := w.leaves()
			c.play(w)
			body := &ops.DIDRecover{Key: w.alice.Recovery.Multikey, Document: opstest.Recoverable(key("spare"), "owner", key("owner"))}
			if c.payout != nil {
				body.Payout = c.payout(w)
			}
			w.signed(w.alice.With(w.alice.Recovery, "recovery"), body, "", c.missing)
			if c.missing != 0 {
				return
			}
			epoch := w.Linked(w.alice).Epoch
			account, ok := w.Accounts(w.alice).Paid(epoch)
			if c.paid == nil && ok || c.paid != nil && account.String() != c.paid(w) {
				t.Errorf("epoch %d is paid to %s", epoch, account)
			}
			if next, still := w.Accounts(w.alice).Paid(epoch + 1); next != account || still != ok {
				t.Errorf("the next epoch is paid to %s", next)
			}
			for _, l := range links {
				if !slices.Contains(w.leaves(), l) {
					t.Errorf("the leaf %s is gone", l)
				}
			}
			owner := w.alice.With(key("owner"), "owner")
			w.Do(owner, opstest.LinkWeb(w.alice, "urn:mine:again"), w.prior())
		})
	}
}

// ID-8: a disclosure shows its identity and fits no other, no other kind, DID or root.
func TestDisclosure(t *testing.T) {
	w := begin(t)
	var web []did.Identity
	for i := range 5 {
		uri := fmt.Sprintf("https://social.example/@alice%d", i)
		w.Do(w.alice, opstest.LinkWeb(w.alice, uri), w.prior())
		web = append(web, w.alice.Hidden(did.KindWeb, uri))
	}
	v := w.Linked(w.alice)
	leaves := make([]did.Leaf, len(v.Leaves))
	for i, l := range v.Leaves {
		h, err := canon.UnHex32(l.Leaf)
		if err != nil {
			t.Fatal(err)
		}
		leaves[i] = did.Leaf(h)
	}
	if root, err := did.Root(leaves); err != nil || root != v.Root {
		t.Errorf("root %s, %v, want %s", root, err, v.Root)
	}
	if r := w.resolve(did.Query{}); r.Version.Root != v.Root {
		t.Errorf("resolved with the root %s", r.Version.Root)
	}
	account := w.alice.Hidden(did.KindAccount, w.alice.Account(tron).String())
	for _, identity := range append(web, account) {
		d, err := did.Disclose(w.alice.DID, identity, leaves)
		if err != nil {
			t.Fatal(err)
		}
		text, err := canon.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range append(web, account) {
			if other != identity && (strings.Contains(string(text), other.Text) || strings.Contains(string(text), canon.B64(other.Salt[:]))) {
				t.Errorf("%s shows %s", text, other.Text)
			}
		}
		if again, err := did.DecodeDisclosure(text); err != nil || again.Verify(v.Root) != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	spoilt := map[string]func(d *did.Disclosure){
		"another identity": func(d *did.Disclosure) { d.Identity = web[1].Text },
		"another salt":     func(d *did.Disclosure) { d.Salt = canon.B64(web[1].Salt[:]) },
		"another DID":      func(d *did.Disclosure) { d.DID = opstest.NewUser("bob").DID },
		"another network":  func(d *did.Disclosure) { d.DID = strings.Replace(d.DID, "main-00", "main-11", 1) },
		"another index":    func(d *did.Disclosure) { d.Index++ },
		"another size":     func(d *did.Disclosure) { d.Size-- },
		"another path":     func(d *did.Disclosure) { d.Path[0] = strings.Repeat("0", 64) },
		"another tree":     func(d *did.Disclosure) { d.Tree = strings.Repeat("0", 64) },
		"no path":          func(d *did.Disclosure) { d.Path = nil },
		"another kind":     func(d *did.Disclosure) { d.Kind = "account" },
		"no kind":          func(d *did.Disclosure) { d.Kind = "" },
		"another format":   func(d *did.Disclosure) { d.Format = "x" },
		"beyond the end":   func(d *did.Disclosure) { d.Index = d.Size },
		"an endless tree":  func(d *did.Disclosure) { d.Size = 1 << 62 },
	}
	for name, spoil := range spoilt {
		d, err := did.Disclose(w.alice.DID, web[0], leaves)
		if err != nil {
			t.Fatal(err)
		}
		spoil(d)
		if d.Verify(v.Root) == nil {
			t.Errorf("%s: verified", name)
		}
	}
	// Who commits to somebody's account has not linked it.
	stolen := did.Identity{Kind: did.KindAccount, Text: opstest.NewUser("bob").Account(evm).String()}
	commitment := stolen.Commitment(opstest.Network, w.alice.ID)
	w.Do(w.alice, &ops.DIDLink{Commitment: canon.Hex(commitment[:])}, w.prior())
	v = w.Linked(w.alice)
	last, err := canon.UnHex32(v.Leaves[len(v.Leaves)-1].Leaf)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := did.Disclose(w.alice.DID, stolen, append(leaves, last)); fault.Of(err) != fault.NotFound {
		t.Errorf("a commitment counts as an account: %v", err)
	}
	// After deactivation nothing is shown under any root.
	w.Do(w.alice.With(w.alice.Recovery, "recovery"), &ops.DIDDeactivate{Key: w.alice.Recovery.Multikey}, "")
	if v := w.Linked(w.alice); v.Root != "" || len(v.Leaves) != 0 || w.resolve(did.Query{}).Version.Root != "" {
		t.Errorf("deactivated: %+v", v)
	}
	if account, ok := w.Accounts(w.alice).Paid(1); !ok || account != w.alice.Account(evm) {
		t.Errorf("what is due to it goes to %s", account)
	}
}

func FuzzDecodeAccounts(f *testing.F) {
	alice := opstest.NewUser("alice")
	f.Add((&did.Accounts{
		Linked:  []did.Linked{{Leaf: did.Leaf{1}, Until: 7, Account: alice.Account(evm).String()}, {Leaf: did.Leaf{2}, From: 7}},
		Payouts: []did.Payout{{Account: alice.Account(tron).String()}, {Epoch: 9}},
	}).Encode())
	f.Add((&did.Accounts{}).Encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		if a, err := did.DecodeAccounts(raw); err == nil && string(a.Encode()) != string(raw) {
			t.Errorf("%x reads as %+v", raw, a)
		}
	})
}

func FuzzDecodeDisclosure(f *testing.F) {
	alice := opstest.NewUser("alice")
	one, two := alice.Hidden(did.KindWeb, "urn:a"), alice.Hidden(did.KindAccount, alice.Account(tron).String())
	leaves := []did.Leaf{one.Leaf(opstest.Network, alice.ID), two.Leaf(opstest.Network, alice.ID)}
	for _, identity := range []did.Identity{one, two} {
		d, err := did.Disclose(alice.DID, identity, leaves)
		if err != nil {
			f.Fatal(err)
		}
		text, err := canon.Marshal(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	root, err := did.Root(leaves)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := did.DecodeDisclosure(raw)
		if err != nil {
			return
		}
		once, err := canon.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		again, err := did.DecodeDisclosure(once)
		if err != nil || (again.Verify(root) == nil) != (d.Verify(root) == nil) {
			t.Errorf("%s is written as %s: %v", raw, once, err)
		}
	})
}

func FuzzDecodeSettled(f *testing.F) {
	f.Add((&did.Settled{Epoch: 3, Payouts: []did.Payout{{Epoch: 0, Account: evm + ":0x" + strings.Repeat("a", 40)}, {Epoch: 2}}}).Encode())
	f.Add((&did.Settled{}).Encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		if s, err := did.DecodeSettled(raw); err == nil && string(s.Encode()) != string(raw) {
			t.Error("read and written differently")
		}
	})
}
