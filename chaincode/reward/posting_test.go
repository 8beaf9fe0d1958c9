package reward_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// neighbours are DIDs whose credits all lie in one shard, as somebody would make
// them who wants to be a burden: another recovery commitment is another id.
func neighbours(t *testing.T, w *opstest.World, count int) []*opstest.User {
	t.Helper()
	base := opstest.NewUser("neighbour")
	doc := string(base.Doc)
	at := strings.Index(doc, `"recovery":"`) + len(`"recovery":"`)
	var users []*opstest.User
	var items []ops.Item
	for i := 0; len(users) < count; i++ {
		commitment := canon.Sum(fmt.Append(nil, i))
		u := *base
		u.Doc = []byte(doc[:at] + canon.B64(commitment[:]) + `"}`)
		var err error
		if u.DID, u.ID, err = ops.NewDID(opstest.Network, u.Doc); err != nil {
			t.Fatal(err)
		}
		if u.ID[0]%32 != 7 {
			continue
		}
		users = append(users, &u)
		item, _ := w.Sign(&u, &ops.DIDCreate{Document: u.Doc}, "")
		items = append(items, item)
	}
	w.Batch(items...)
	return users
}

// postings returns the keys of all postings.
func postings(w *opstest.World) (keys []string) {
	for _, e := range w.Store.Entries() {
		if strings.HasPrefix(e.Key, "post/") {
			keys = append(keys, e.Key)
		}
	}
	return keys
}

// RW-10: a posting has at most 256 lines, so a page of a fold takes at most 1,000
// credits and whole postings, wherever the payees lie.
func TestPostingsOfOneShard(t *testing.T) {
	w := opstest.New(t)
	alice := opstest.NewUser("alice")
	w.Create(alice)
	w.Fund(alice, 1<<40)
	payees := neighbours(t, w, 300)
	const batches = 4
	for range batches {
		var items []ops.Item
		for rest := payees; len(rest) > 0; rest = rest[min(16, len(rest)):] {
			var lines []any
			for _, u := range rest[:min(16, len(rest))] {
				lines = append(lines, u, 3)
			}
			item, _ := w.Sign(alice, opstest.Pay("usd", lines...), "")
			items = append(items, item)
		}
		for _, code := range w.Batch(items...) {
			if code != 0 {
				t.Fatal(code)
			}
		}
		w.Audit()
	}
	if keys := postings(w); len(keys) != 2*batches {
		t.Errorf("%d batches to 300 payees of a shard made the postings %q", batches, keys)
	}
	w.Checkpoint(1, opstest.Start)
	w.Checkpoint(2, opstest.Start+100)
	w.Must(w.Members[0].Caller(), "reward:Cut", nil)
	pages := 0
	for epoch := uint64(1); epoch == 1; pages++ {
		w.Must(w.Members[0].Caller(), "reward:Fold", nil)
		w.Audit()
		for _, u := range []*opstest.User{payees[0], payees[150], payees[299]} {
			var v reward.BalanceView
			w.Read("reward:Balance", reward.BalanceQuery{DID: u.DID, Asset: "usd"}, &v)
			if sum := v.Pending.Add(v.Due); sum.Lo != 3*batches {
				t.Errorf("after page %d: %s are pending, %s due", pages, v.Pending, v.Due)
			}
		}
		var e reward.EpochView
		w.Read("reward:Epoch", nil, &e)
		epoch = e.Fold.Epoch
	}
	if pages < 2 {
		t.Errorf("1,200 credits were folded in %d page", pages)
	}
}

// One transaction takes a key for each shard and asset, and sums what a payee
// gets; a refused payment leaves nothing in them.
func TestPostingsOfABatch(t *testing.T) {
	w := opstest.New(t)
	alice := opstest.NewUser("alice")
	w.Create(alice)
	w.Fund(alice, 1000)
	users := make([]*opstest.User, 100)
	var creates, pays []ops.Item
	shards := map[byte]bool{}
	for i := range users {
		users[i] = opstest.NewUser(fmt.Sprint("payee ", i))
		item, _ := w.Sign(users[i], &ops.DIDCreate{Document: users[i].Doc}, "")
		creates = append(creates, item)
		shards[users[i].ID[0]%32] = true
	}
	w.Batch(creates...)
	for i, u := range users {
		item, _ := w.Sign(alice, opstest.Pay("usd", u, 2, users[(i+1)%len(users)], 3), "")
		tooMuch, _ := w.Sign(alice, opstest.Pay("usd", u, 1, users[(i+2)%len(users)], 1000), "")
		pays = append(pays, item, tooMuch)
	}
	w.Batch(pays...)
	w.Audit()
	if keys := postings(w); len(keys) != len(shards) {
		t.Errorf("%d postings for %d shards", len(keys), len(shards))
	}
	for _, u := range users {
		var v reward.BalanceView
		w.Read("reward:Balance", reward.BalanceQuery{DID: u.DID, Asset: "usd"}, &v)
		if v.Pending.Lo != 5 {
			t.Errorf("%s are pending, want 5", v.Pending)
		}
	}
}

// OP-5: payments of one batch to one payee, each of which an amount can hold while
// their sum is more, are made as they are made alone.
func TestPostingsBeyondAnAmount(t *testing.T) {
	const most = 1<<63 - 1
	for _, together := range []bool{true, false} {
		w := opstest.New(t)
		bob := opstest.NewUser("bob")
		w.Create(bob)
		var items []ops.Item
		for i := range 3 {
			u := opstest.NewUser(fmt.Sprint("rich ", i))
			w.Create(u)
			w.Fund(u, most)
			first, _ := w.Sign(u, opstest.Pay("usd", bob, most-1), "")
			rest, _ := w.Sign(u, opstest.Pay("usd", bob, 1), "")
			items = append(items, first, rest)
		}
		var codes []byte
		if together {
			codes = w.Batch(items...)
		} else {
			for _, item := range items {
				codes = append(codes, w.Batch(item)...)
			}
		}
		if string(codes) != string(make([]byte, len(items))) {
			t.Errorf("in one batch %v: %v", together, codes)
		}
		w.Audit()
		want := reward.Sum{}.Plus(most).Plus(most).Plus(most)
		var v reward.BalanceView
		w.Read("reward:Balance", reward.BalanceQuery{DID: bob.DID, Asset: "usd"}, &v)
		if v.Pending != want {
			t.Errorf("in one batch %v: %s are pending, want %s", together, v.Pending, want)
		}
		w.Checkpoint(1, opstest.Start)
		w.Checkpoint(2, opstest.Start+100)
		w.Must(w.Members[0].Caller(), "reward:Cut", nil)
		w.Must(w.Members[0].Caller(), "reward:Fold", nil)
		w.Audit()
		w.Read("reward:Balance", reward.BalanceQuery{DID: bob.DID, Asset: "usd"}, &v)
		if v.Due != want {
			t.Errorf("in one batch %v: %s are due, want %s", together, v.Due, want)
		}
	}
}

// An audit sees postings that no program of ours writes.
func TestAuditOfPostings(t *testing.T) {
	w := opstest.New(t)
	alice, bob := opstest.NewUser("alice"), opstest.NewUser("bob")
	w.Create(alice)
	w.Create(bob)
	w.Fund(alice, 1000)
	w.Do(alice, opstest.Pay("usd", bob, 5), "")
	key := postings(w)[0]
	good, _ := w.Store.Get(key)
	line := good[2:]
	zero := append([]byte{1, 0x30}, line[:20]...)
	for name, value := range map[string][]byte{
		"no lines":      {1, 0x30},
		"cut off":       good[:len(good)-1],
		"one byte more": append(append([]byte{}, good...), 0),
		"twice":         append(append([]byte{}, good...), line...),
		"nothing":       append(zero, make([]byte, 8)...),
		"negative":      append(append([]byte{}, zero...), 0xff, 0, 0, 0, 0, 0, 0, 0),
		"other type":    append([]byte{1, 0x31}, line...),
	} {
		bad := w.Store.Clone()
		if err := bad.Put(key, value); err != nil {
			t.Fatal(err)
		}
		if err := w.AuditOf(bad); err == nil {
			t.Errorf("%s: nothing was found", name)
		}
	}
	bad := w.Store.Clone()
	other := strings.Split(key, "/")
	other[2] = map[bool]string{true: "01", false: "00"}[other[2] == "00"]
	if err := bad.Put(strings.Join(other, "/"), good); err != nil {
		t.Fatal(err)
	}
	if err := w.AuditOf(bad); err == nil || !strings.Contains(err.Error(), "another shard") {
		t.Errorf("a credit in another shard: %v", err)
	}
}
