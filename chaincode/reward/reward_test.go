package reward_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

func TestAmount(t *testing.T) {
	const most = reward.Amount(math.MaxInt64)
	for _, c := range []struct {
		a, b reward.Amount
		code fault.Code
	}{{1, 2, fault.OK}, {most, 0, fault.OK}, {most - 1, 1, fault.OK}, {most, 1, fault.Overflow}, {most, most, fault.Overflow}, {-1, 1, fault.Overflow}, {1, -1, fault.Overflow}} {
		if sum, err := c.a.Add(c.b); fault.Of(err) != c.code || err == nil && sum != c.a+c.b {
			t.Errorf("%d + %d = %d, %v", c.a, c.b, sum, err)
		}
	}
	for _, c := range []struct {
		a, b reward.Amount
		code fault.Code
	}{{2, 1, fault.OK}, {2, 2, fault.OK}, {1, 2, fault.InsufficientFunds}, {0, most, fault.InsufficientFunds}, {1, -1, fault.InsufficientFunds}} {
		if rest, err := c.a.Sub(c.b); fault.Of(err) != c.code || err == nil && rest != c.a-c.b {
			t.Errorf("%d - %d = %d, %v", c.a, c.b, rest, err)
		}
	}
	for text, ok := range map[string]bool{"0": true, "9223372036854775807": true, "9223372036854775808": false, "": false, "+1": false, "-1": false, "01": false, "1.0": false, " 1": false} {
		var a reward.Amount
		err := a.UnmarshalText([]byte(text))
		if (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
		if back, _ := a.MarshalText(); ok && string(back) != text {
			t.Errorf("%q is written as %q", text, back)
		}
	}
}

func TestSum(t *testing.T) {
	var sum reward.Sum
	want := new(big.Int)
	for i := range 100 {
		a := reward.Amount(math.MaxInt64 - i)
		sum, want = sum.Plus(a), want.Add(want, big.NewInt(int64(a)))
		if sum.Big().Cmp(want) != 0 || sum.String() != want.String() || reward.SumOf(sum.Bytes()) != sum {
			t.Fatalf("%d amounts: %s, want %s", i+1, sum, want)
		}
	}
	var back reward.Sum
	text, _ := sum.MarshalText()
	if err := back.UnmarshalText(text); err != nil || back != sum {
		t.Errorf("%s reads as %s, %v", text, back, err)
	}
	if _, err := (reward.Sum{}).Minus(1); err == nil {
		t.Error("a sum fell below zero")
	}
	if less, err := (reward.Sum{Hi: 1}).Minus(1); err != nil || less != (reward.Sum{Lo: math.MaxUint64}) || less.Cmp(reward.Sum{Hi: 1}) != -1 {
		t.Errorf("2^64 - 1 = %s, %v", less, err)
	}
	for _, bad := range []string{"", "-1", "01", "x", "340282366920938463463374607431768211456"} {
		if back.UnmarshalText([]byte(bad)) == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// Every leaf of trees of many shapes has a proof that leads to the root, and
// changed leaves and proofs do not.
func TestTree(t *testing.T) {
	domain := canon.Sum([]byte("domain"))
	var all []reward.Payee
	for n := range 700 {
		h := canon.Sum(fmt.Append(nil, "payee", n))
		all = append(all, reward.Payee{Address: [20]byte(h[:20]), Cumulative: reward.Amount(n)})
	}
	for _, count := range []int{1, 2, 3, 100, 700} {
		var trees [reward.Subtrees][]reward.Payee
		want := reward.Sum{}
		for _, p := range all[:count] {
			s := reward.SubtreeOf(p.Address)
			trees[s] = append(trees[s], p)
			want = want.Plus(p.Cumulative)
		}
		var nodes [reward.Subtrees]reward.Node
		for i := range trees {
			reward.SortPayees(trees[i])
			nodes[i] = reward.Subtree(domain, trees[i])
		}
		root := reward.Root(&nodes)
		if root.Sum != want {
			t.Errorf("%d leaves: sum %s, want %s", count, root.Sum, want)
		}
		for _, p := range all[:count] {
			steps, err := reward.Prove(domain, p.Address, trees[reward.SubtreeOf(p.Address)], &nodes)
			if err != nil {
				t.Fatal(err)
			}
			if reward.Climb(reward.Leaf(domain, p), steps) != root {
				t.Fatalf("%d leaves: the proof of %x leads elsewhere", count, p.Address)
			}
			p.Cumulative++
			if reward.Climb(reward.Leaf(domain, p), steps) == root {
				t.Fatal("a changed amount was proved")
			}
		}
		if _, err := reward.Prove(domain, [20]byte{1}, nil, &nodes); fault.Of(err) != fault.NotFound {
			t.Errorf("proof of nobody: %v", err)
		}
	}
}

func TestPostingsRoundTrip(t *testing.T) {
	w := opstest.New(t)
	alice, bob, carol := opstest.NewUser("alice"), opstest.NewUser("bob"), opstest.NewUser("carol")
	for _, u := range []*opstest.User{alice, bob, carol} {
		w.Create(u)
	}
	w.Fund(alice, 100)
	ref := w.Do(alice, opstest.Pay("usd", bob, 30, carol, 5), "")
	value, _ := w.Store.Get(ops.ResultKey(ref))
	r, ok, err := ops.DecodeResult(ops.ResultKey(ref), value)
	if err != nil || !ok || r.Postings == nil {
		t.Fatalf("%+v, %v", r, err)
	}
	want := reward.Postings{Asset: "usd", Epoch: 1, Lines: []reward.Credit{{Payee: bob.ID, Amount: 30}, {Payee: carol.ID, Amount: 5}}}
	if fmt.Sprint(*r.Postings) != fmt.Sprint(want) {
		t.Errorf("%+v, want %+v", *r.Postings, want)
	}
	var view ops.ResultView
	w.Read("ops:Operation", ref.String(), &view)
	if view.Op != "reward.pay" || view.Actor != alice.DID || view.Asset != "usd" || len(view.Lines) != 2 || view.Lines[1].To != carol.DID || view.Lines[1].Amount != 5 {
		t.Errorf("%+v", view)
	}
}

func TestFund(t *testing.T) {
	w := opstest.New(t)
	alice, bob := opstest.NewUser("alice"), opstest.NewUser("bob")
	w.Create(alice)
	treasury := w.Members[0].Caller()
	id := canon.Hex(opstest.Seed("id"))
	good := reward.Fund{ID: id, Asset: "usd", To: alice.DID, Amount: 5}
	change := func(f func(*reward.Fund)) reward.Fund { c := good; f(&c); return c }
	for name, c := range map[string]struct {
		caller ledger.Caller
		fund   reward.Fund
		code   fault.Code
	}{
		"no treasury":      {w.Members[1].Caller(), good, fault.NotMember},
		"no member":        {ledger.Caller{MSP: "Org9MSP", Role: "client"}, good, fault.NotMember},
		"a peer":           {ledger.Caller{MSP: "Org1MSP", Role: "peer"}, good, fault.NotMember},
		"short id":         {treasury, change(func(f *reward.Fund) { f.ID = "00" }), fault.InvalidValue},
		"unknown asset":    {treasury, change(func(f *reward.Fund) { f.Asset = "eur" }), fault.AssetUnknown},
		"unknown DID":      {treasury, change(func(f *reward.Fund) { f.To = bob.DID }), fault.NotFound},
		"nothing":          {treasury, change(func(f *reward.Fund) { f.Amount = 0 }), fault.InvalidValue},
		"nobody":           {treasury, change(func(f *reward.Fund) { f.To = "" }), fault.MissingField},
		"lines and amount": {treasury, change(func(f *reward.Fund) { f.Lines = []reward.Line{{To: alice.DID, Amount: 1}} }), fault.InvalidValue},
		"twice the same": {treasury, reward.Fund{ID: id, Asset: "usd", Lines: []reward.Line{{To: alice.DID, Amount: 1}, {To: alice.DID, Amount: 1}}},
			fault.InvalidValue},
	} {
		if _, err := w.Invoke(c.caller, "reward:Fund", c.fund); fault.Of(err) != c.code {
			t.Errorf("%s: %v, want %v", name, err, c.code)
		}
	}
	w.Must(treasury, "reward:Fund", good)
	if _, err := w.Invoke(treasury, "reward:Fund", good); fault.Of(err) != fault.AlreadyDone {
		t.Errorf("the same funding again: %v", err)
	}
	for name, other := range map[string]reward.Fund{
		"amount": change(func(f *reward.Fund) { f.Amount = 6 }),
		"asset":  change(func(f *reward.Fund) { f.Asset = "pts" }),
	} {
		if _, err := w.Invoke(treasury, "reward:Fund", other); fault.Of(err) != fault.InvalidValue {
			t.Errorf("another %s under the same id: %v", name, err)
		}
	}
	most := change(func(f *reward.Fund) { f.ID, f.Amount = canon.Hex(opstest.Seed("most")), math.MaxInt64 })
	if _, err := w.Invoke(treasury, "reward:Fund", most); fault.Of(err) != fault.Overflow {
		t.Errorf("a balance beyond 2^63-1: %v", err)
	}
	w.Audit()
}

// epoch makes a folded epoch in which a linked payee earned five units.
func epoch(t *testing.T) (*opstest.World, *opstest.User, reward.Folded) {
	w := opstest.New(t)
	alice, bob := opstest.NewUser("alice"), opstest.NewUser("bob")
	w.Create(alice)
	w.Create(bob, "eip155:1337")
	w.Fund(alice, 100)
	w.Do(alice, opstest.Pay("usd", bob, 5), "")
	for i := range 3 {
		w.Must(w.Members[i].Caller(), "reward:Reserve", reward.Reserve{Vault: opstest.EVMVault, Funded: 1000})
	}
	w.Checkpoint(1, opstest.Start)
	if _, err := w.Invoke(ledger.Caller{}, "reward:Cut", nil); fault.Of(err) != fault.NotDue {
		t.Fatalf("cut before it is due: %v", err)
	}
	w.Checkpoint(2, opstest.Start+60)
	w.Must(ledger.Caller{}, "reward:Cut", nil)
	var folded reward.Folded
	if err := json.Unmarshal(w.Must(ledger.Caller{}, "reward:Fold", nil), &folded); err != nil {
		t.Fatal(err)
	}
	return w, bob, folded
}

func TestEpochToSignedRoot(t *testing.T) {
	w, bob, folded := epoch(t)
	if !folded.Done || len(folded.Roots) != 1 || folded.Roots[0].Vault != opstest.EVMVault {
		t.Fatalf("%+v", folded)
	}
	var epoch reward.EpochView
	w.Read("reward:Epoch", nil, &epoch)
	if epoch.Number != 2 || epoch.Start != opstest.Start+60 || epoch.Due || epoch.Fold.Waiting || epoch.Fold.Epoch != 2 {
		t.Errorf("%+v", epoch)
	}
	var root, newest reward.RootView
	w.Read("reward:Root", reward.RootQuery{Vault: opstest.EVMVault, Epoch: 1}, &root)
	w.Read("reward:Root", reward.RootQuery{Vault: opstest.EVMVault}, &newest)
	if root != folded.Roots[0] || newest != root || root.Total != (reward.Sum{Lo: 5}) || root.Leaves != 1 || root.Attempt != 1 {
		t.Errorf("root %+v, newest %+v, folded %+v", root, newest, folded.Roots[0])
	}
	// The tree that anyone can build from the leaves has that root.
	var leaves []reward.LeafView
	w.Read("reward:Leaves", reward.LeavesQuery{Vault: opstest.EVMVault}, &leaves)
	address := bob.Account("eip155:1337").Address
	if len(leaves) != 1 || leaves[0].Payee != canon.Hex(address[:]) || leaves[0].Cumulative != 5 {
		t.Fatalf("leaves %+v", leaves)
	}
	other := reward.SubtreeOf(address) + 1
	question := reward.LeavesQuery{Vault: opstest.EVMVault, Subtree: &other, After: strings.Repeat("00", 20)}
	if answer, err := w.Invoke(ledger.Caller{}, "reward:Leaves", question); fault.Of(err) != fault.InvalidValue {
		t.Errorf("leaves of subtree %d after an address of another one: %s, %v", other, answer, err)
	}
	n := network(t, w)
	domain, err := reward.Domain(n.Vaults[0].ID, n.Vaults[0].Token, opstest.LogID)
	if err != nil {
		t.Fatal(err)
	}
	var nodes [reward.Subtrees]reward.Node
	nodes[reward.SubtreeOf(address)] = reward.Leaf(domain, reward.Payee{Address: address, Cumulative: 5})
	if got := reward.Root(&nodes); canon.Hex(got.Hash[:]) != root.Root {
		t.Errorf("root %x, stored %s", got.Hash, root.Root)
	}
	signRoot(t, w, n, root)
}

func network(t *testing.T, w *opstest.World) *govern.Network {
	t.Helper()
	n, err := govern.Load(ledger.Begin(w.Store, w.Now, ledger.Caller{}))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func signRoot(t *testing.T, w *opstest.World, n *govern.Network, root reward.RootView) {
	t.Helper()
	digest, err := reward.PayoutDigest(ledger.Begin(w.Store, w.Now, ledger.Caller{}), n, root.Vault, root.Epoch, root.Attempt)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := canon.UnHex32(root.Root)
	if err != nil {
		t.Fatal(err)
	}
	if want := canon.PayoutDigest(1337, [20]byte{19: 0xaa}, opstest.LogID, 1, w.SetHash(), 1, hash, 5); digest != want {
		t.Errorf("digest %x, want %x", digest, want)
	}
	by := func(i int) string {
		s := canon.SignDigest(w.Members[i].Chain, digest)
		return base64.StdEncoding.EncodeToString(s[:])
	}
	sign := reward.Sign{Vault: root.Vault, Epoch: 1, Attempt: 1, Signature: by(0)}
	for name, c := range map[string]struct {
		change func(*reward.Sign)
		code   fault.Code
	}{
		"another's signature": {func(s *reward.Sign) { s.Signature = by(1) }, fault.BadSignature},
		"no base64":           {func(s *reward.Sign) { s.Signature = "?" }, fault.InvalidValue},
		"short":               {func(s *reward.Sign) { s.Signature = "AAAA" }, fault.BadSignature},
		"other epoch":         {func(s *reward.Sign) { s.Epoch = 2 }, fault.NotFound},
		"other attempt":       {func(s *reward.Sign) { s.Attempt = 2 }, fault.NotFound},
		"other vault":         {func(s *reward.Sign) { s.Vault = opstest.TronVault }, fault.NotFound},
		"unknown vault":       {func(s *reward.Sign) { s.Vault = "eip155:1:0x0" }, fault.VaultUnknown},
	} {
		bad := sign
		c.change(&bad)
		if _, err := w.Invoke(w.Members[0].Caller(), "reward:Sign", bad); fault.Of(err) != c.code {
			t.Errorf("%s: %v, want %v", name, err, c.code)
		}
	}
	for i := range 3 {
		sign.Signature = by(i)
		w.Must(w.Members[i].Caller(), "reward:Sign", sign)
	}
	var signatures []reward.SignatureView
	w.Read("reward:Signatures", reward.SignaturesQuery{Vault: root.Vault, Epoch: 1, Attempt: 1}, &signatures)
	if len(signatures) != 3 || signatures[2].MSP != "Org3MSP" || signatures[2].Signature != by(2) {
		t.Errorf("%+v", signatures)
	}
}

// A member that says the same or less about a vault again is told so.
func TestReserveNeverFalls(t *testing.T) {
	w, _, _ := epoch(t)
	for _, funded := range []reward.Amount{1000, 999, 0} {
		if _, err := w.Invoke(w.Members[0].Caller(), "reward:Reserve", reward.Reserve{Vault: opstest.EVMVault, Funded: funded}); fault.Of(err) != fault.NotGrowing {
			t.Errorf("%d: %v", funded, err)
		}
	}
	if _, err := w.Invoke(w.Members[0].Caller(), "reward:Reserve", reward.Reserve{Vault: "eip155:1:0x0", Funded: 1}); fault.Of(err) != fault.VaultUnknown {
		t.Error(err)
	}
}

// Fabric voids a page of folding when a word that it read was changed after it was
// endorsed: a member must not be able to change its own while an epoch is folded.
func TestReservesRestWhileFolding(t *testing.T) {
	w, _, _ := epoch(t)
	say := func(member int, funded reward.Amount) fault.Code {
		_, err := w.Invoke(w.Members[member].Caller(), "reward:Reserve", reward.Reserve{Vault: opstest.EVMVault, Funded: funded})
		return fault.Of(err)
	}
	if code := say(0, 1001); code != 0 {
		t.Errorf("between epochs: %v", code)
	}
	w.Checkpoint(3, opstest.Start+200)
	w.Must(ledger.Caller{}, "reward:Cut", nil)
	if code := say(0, 1002); code != fault.NotDue {
		t.Errorf("while an epoch waits: %v, want %v", code, fault.NotDue)
	}
	if code := say(3, 900); code != 0 {
		t.Errorf("a first word: %v", code)
	}
	w.Must(ledger.Caller{}, "reward:Fold", nil)
	if code := say(0, 1002); code != 0 {
		t.Errorf("afterwards: %v", code)
	}
}

// An epoch in which nothing changes for a vault makes no new root.
func TestQuietEpochMakesNoRoot(t *testing.T) {
	w, _, _ := epoch(t)
	w.Checkpoint(3, opstest.Start+120)
	w.Must(ledger.Caller{}, "reward:Cut", nil)
	var folded reward.Folded
	if err := json.Unmarshal(w.Must(ledger.Caller{}, "reward:Fold", nil), &folded); err != nil {
		t.Fatal(err)
	}
	if !folded.Done || folded.Epoch != 2 || len(folded.Roots) != 0 {
		t.Errorf("%+v", folded)
	}
	var newest reward.RootView
	w.Read("reward:Root", reward.RootQuery{Vault: opstest.EVMVault}, &newest)
	if newest.Epoch != 1 {
		t.Errorf("%+v", newest)
	}
}
