package ops_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// OP-3: the same operation runs once; again it answers its first result,
// whatever that was and whatever happened in between.
func TestReplay(t *testing.T) {
	alice, bob, issuer := opstest.NewUser("alice"), opstest.NewUser("bob"), opstest.NewUser("issuer")
	w := opstest.New(t, issuer)
	create, _ := w.Sign(alice, &ops.DIDCreate{Document: alice.Doc}, "")
	if got := w.Batch(create, create); got[0] != 0 || got[1] != ops.Replayed {
		t.Fatalf("did.create twice in a batch: %#x", got)
	}
	w.Create(bob)
	w.Create(issuer)
	w.Fund(alice, 10)
	submit, ref := w.Sign(alice, opstest.Submit("a"), "")
	schema, _ := w.Sign(issuer, &ops.CredentialSchema{Name: "s", Digest: canon.Hex(opstest.Seed("s"))}, "")
	pay, _ := w.Sign(alice, opstest.Pay("usd", bob, 10), "")
	poor, _ := w.Sign(bob, opstest.Pay("usd", alice, 10), "")
	items := []ops.Item{create, submit, schema, pay, poor}
	first := w.Batch(items...)
	if want := []byte{ops.Replayed, 0, 0, 0, byte(fault.InsufficientFunds)}; !bytes.Equal(first, want) {
		t.Fatalf("first %v, want %v", first, want)
	}
	// In between the record is amended, and bob gets money.
	value, _ := w.Store.Get("record/" + ref.String())
	w.Do(alice, &ops.RecordAmend{Record: ref.String(), Schema: "t", Commitment: canon.Hex(opstest.Seed("t")), Size: 1}, ledger.Version(value))
	w.Fund(bob, 100)
	before := w.Store.Clone()
	for _, code := range w.Batch(items...) {
		if code&ops.Replayed == 0 {
			t.Errorf("ran again: %#x", code)
		}
	}
	for i, item := range items {
		if got := w.Must(ledger.Caller{}, "ops:Apply", item.Compact()); got[0] != first[i]|ops.Replayed {
			t.Errorf("item %d alone: %#x, first %#x", i, got, first[i])
		}
	}
	if keys := changed(before, w.Store); len(keys) != 0 {
		t.Errorf("replays changed %q", keys)
	}
	// A replay must be signed, too: otherwise anybody could ask.
	submit.Signature = bytes.Clone(submit.Signature)
	submit.Signature[9] ^= 1
	if got := w.Batch(submit); fault.Code(got[0]) != fault.BadSignature {
		t.Errorf("replay with another signature: %#x", got)
	}
}

// A DID that a batch creates acts in the same batch, and not before.
func TestCreateAndActInOneBatch(t *testing.T) {
	w := opstest.New(t)
	var items []ops.Item
	for i := range 20 {
		u := opstest.NewUser(fmt.Sprint("new ", i))
		act, _ := w.Sign(u, opstest.Submit(fmt.Sprint("r", i)), "")
		create, _ := w.Sign(u, &ops.DIDCreate{Document: u.Doc}, "")
		again, _ := w.Sign(u, opstest.Submit(fmt.Sprint("s", i)), "")
		items = append(items, act, create, again)
	}
	for i, code := range w.Batch(items...) {
		want := byte(0)
		if i%3 == 0 {
			want = byte(fault.DIDUnknown)
		}
		if code != want {
			t.Errorf("item %d: %v", i, fault.Code(code))
		}
	}
}

// A creation that is refused in the batch lends its key to nobody.
func TestRefusedCreationLendsNoKey(t *testing.T) {
	w := opstest.New(t)
	alice, mallory := opstest.NewUser("alice"), opstest.NewUser("mallory")
	stolen := alice.Link("eip155:1337")
	create, _ := w.Sign(mallory, &ops.DIDCreate{Document: mallory.Doc, Links: []did.Link{stolen}}, "")
	act, _ := w.Sign(mallory, opstest.Submit("m"), "")
	got := w.Batch(create, act)
	if fault.Code(got[0]) != fault.BadProof || fault.Code(got[1]) != fault.DIDUnknown {
		t.Errorf("%v, %v", fault.Code(got[0]), fault.Code(got[1]))
	}
}

// OP-4: bad signatures are found, all of them and no other, however many there
// are and wherever they stand.
func TestBadSignaturesInBatches(t *testing.T) {
	w := opstest.New(t)
	users := make([]*opstest.User, 5)
	for i := range users {
		users[i] = opstest.NewUser(fmt.Sprint("u", i))
		w.Create(users[i])
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{1, 2, 4, 5, 8, 33, 100} {
		for _, share := range []float64{0, 0.05, 0.5, 1} {
			items, bad := make([]ops.Item, size), make([]bool, size)
			for i := range items {
				items[i], _ = w.Sign(users[i%len(users)], opstest.Submit(fmt.Sprint(size, share, i)), "")
				if bad[i] = random.Float64() < share; bad[i] {
					items[i].Signature[random.IntN(64)] ^= 1 << random.IntN(8)
				}
			}
			for i, code := range w.Batch(items...) {
				if bad[i] != (fault.Code(code) == fault.BadSignature) {
					t.Fatalf("size %d, share %v, item %d: %v", size, share, i, fault.Code(code))
				}
			}
		}
	}
}

// scenario is a mixed history: good and bad operations of several users.
func scenario(w *opstest.World, random *rand.Rand, count int) []ops.Item {
	users := make([]*opstest.User, 6)
	var items []ops.Item
	for i := range users {
		users[i] = opstest.NewUser(fmt.Sprint("scenario ", i))
		create, _ := w.Sign(users[i], &ops.DIDCreate{Document: users[i].Doc}, "")
		items = append(items, create)
	}
	w.Batch(items...)
	for _, u := range users {
		w.Fund(u, 1000)
	}
	items = nil
	var records []ops.Reference
	for len(items) < count {
		u, v := users[random.IntN(len(users))], users[random.IntN(len(users))]
		var item ops.Item
		var ref ops.Reference
		switch random.IntN(6) {
		case 0, 1:
			item, ref = w.Sign(u, opstest.Submit(fmt.Sprint("s", len(items))), "")
			records = append(records, ref)
		case 2: // stale, or by another
			if len(records) == 0 {
				continue
			}
			item, _ = w.Sign(u, &ops.RecordDelete{Record: records[random.IntN(len(records))].String()}, canon.Hex(opstest.Seed("x")))
		default:
			if u == v {
				continue
			}
			item, _ = w.Sign(u, opstest.Pay("usd", v, 1+random.IntN(200)), "")
		}
		items = append(items, item)
		if random.IntN(10) == 0 {
			items = append(items, items[random.IntN(len(items))])
		}
	}
	return items
}

// comparable is state with credits summed for each payee: how a history is cut
// into batches decides which credits share a key, and nothing else.
func comparable(t *testing.T, m *ledger.Memory) map[string]string {
	t.Helper()
	state, sums := map[string]string{}, map[string]reward.Sum{}
	for _, e := range m.Entries() {
		if !strings.HasPrefix(e.Key, "post/") {
			state[e.Key] = string(e.Value)
			continue
		}
		parts := strings.Split(e.Key, "/")
		for lines := e.Value[2:]; len(lines) > 0; lines = lines[28:] {
			group := strings.Join(parts[:4], "/") + "/" + canon.Hex(lines[:20])
			sums[group] = sums[group].Plus(reward.Amount(binary.BigEndian.Uint64(lines[20:])))
		}
	}
	for group, sum := range sums {
		state[group] = sum.String()
	}
	return state
}

// OP-5: a history in any split into batches gives the same results and the same
// state.
func TestAnySplitGivesTheSameState(t *testing.T) {
	w := opstest.New(t)
	random := rand.New(rand.NewPCG(3, 4))
	sameInAnySplit(t, w, random, scenario(w, random, 150))
}

func sameInAnySplit(t *testing.T, w *opstest.World, random *rand.Rand, items []ops.Item) {
	t.Helper()
	start := w.Store
	var want map[string]string
	var results []byte
	for split := range 12 {
		w.Store = start.Clone()
		var got []byte
		for rest := items; len(rest) > 0; {
			n := 1 + random.IntN(len(rest))
			switch split {
			case 0:
				n = len(rest)
			case 1:
				n = 1
			}
			got = append(got, w.Batch(rest[:n]...)...)
			rest = rest[n:]
			w.Audit()
		}
		state := comparable(t, w.Store)
		if want == nil {
			want, results = state, got
			continue
		}
		if !bytes.Equal(got, results) {
			t.Fatalf("split %d: results differ", split)
		}
		if diff := cmp.Diff(want, state); diff != "" {
			t.Fatalf("split %d: %s", split, diff)
		}
	}
}

// OP-6: two runs, on engines of different age, read, write and answer the same.
func TestBatchesAreDeterministic(t *testing.T) {
	w := opstest.New(t)
	items := scenario(w, rand.New(rand.NewPCG(5, 6)), 200)
	run := func(e *ops.Engine) ([]ledger.Entry, []ops.Outcome, []string) {
		store := &recording{Memory: w.Store}
		tx := ledger.Begin(store, w.Now, ledger.Caller{})
		outcomes, err := e.ApplyBatch(tx, items)
		if err != nil {
			t.Fatal(err)
		}
		for i := range outcomes {
			outcomes[i].Err = nil
		}
		return tx.Changes(), outcomes, store.reads
	}
	writes, outcomes, reads := run(w.Engine)
	for range 5 {
		w2, o2, r2 := run(ops.New())
		if diff := cmp.Diff(writes, w2) + cmp.Diff(outcomes, o2) + cmp.Diff(reads, r2); diff != "" {
			t.Fatal(diff)
		}
	}
	if many := 3; len(reads) > many {
		t.Errorf("%d reads, want the network, one prefetch and little else: %.200q", len(reads), reads)
	}
}

// One engine serves several calls at once; run with -race.
func TestEngineIsShared(t *testing.T) {
	w := opstest.New(t)
	items := scenario(w, rand.New(rand.NewPCG(8, 9)), 60)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			// Each call has a transaction and, as on a peer, its own view of state.
			tx := ledger.Begin(w.Store.Clone(), w.Now, ledger.Caller{})
			if _, err := w.Engine.ApplyBatch(tx, items); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

// recording notes each read.
type recording struct {
	*ledger.Memory
	reads []string
}

func (r *recording) Get(key string) ([]byte, error) {
	r.reads = append(r.reads, key)
	return r.Memory.Get(key)
}

func (r *recording) GetMany(keys []string) ([][]byte, error) {
	r.reads = append(r.reads, strings.Join(keys, " "))
	return r.Memory.GetMany(keys)
}

// A payment writes one result, one balance and one credit; a batch writes one
// credit for each payee and one balance for each payer.
func TestWritesOfABatch(t *testing.T) {
	w := opstest.New(t)
	alice, bob := opstest.NewUser("alice"), opstest.NewUser("bob")
	w.Create(alice)
	w.Create(bob)
	w.Fund(alice, 1000)
	before := w.Store.Clone()
	var items []ops.Item
	for range 10 {
		item, _ := w.Sign(alice, opstest.Pay("usd", bob, 3), "")
		items = append(items, item)
	}
	w.Batch(items...)
	count := map[string]int{}
	for _, key := range changed(before, w.Store) {
		prefix, _, _ := strings.Cut(key, "/")
		count[prefix]++
	}
	if diff := cmp.Diff(map[string]int{"op": 10, "balance": 1, "post": 1}, count); diff != "" {
		t.Error(diff)
	}
	before = w.Store.Clone()
	w.Do(alice, opstest.Submit("one write"), "")
	if keys := changed(before, w.Store); len(keys) != 1 {
		t.Errorf("record.submit wrote %q", keys)
	}
}

// A transaction fails as a whole when it is malformed itself.
func TestMalformedBatches(t *testing.T) {
	w := opstest.New(t)
	alice := opstest.NewUser("alice")
	item, _ := w.Sign(alice, &ops.DIDCreate{Document: alice.Doc}, "")
	good, err := ops.EncodeFrame([]ops.Item{item})
	if err != nil {
		t.Fatal(err)
	}
	before := w.Store.Clone()
	for name, test := range map[string]struct {
		frame []byte
		code  fault.Code
	}{
		"empty":         {nil, fault.Malformed},
		"other version": {append([]byte{2}, good[1:]...), fault.Malformed},
		"other type":    {append([]byte{1, 2}, good[2:]...), fault.Malformed},
		"no items":      {[]byte{1, 1, 0, 0}, fault.Malformed},
		"too many":      {[]byte{1, 1, 3, 0xe9}, fault.Malformed},
		"cut off":       {good[:len(good)-1], fault.Malformed},
		"one more byte": {append(bytes.Clone(good), 0), fault.TrailingData},
		"5 MB":          {make([]byte, 5<<20), fault.TooLarge},
	} {
		if _, err := w.Invoke(ledger.Caller{}, "ops:Batch", test.frame); fault.Of(err) != test.code {
			t.Errorf("%s: %v, want %v", name, err, test.code)
		}
	}
	if keys := changed(before, w.Store); len(keys) != 0 {
		t.Errorf("changed %q", keys)
	}
	if _, err := ops.EncodeFrame(make([]ops.Item, 1001)); fault.Of(err) != fault.TooLarge {
		t.Errorf("1001 items: %v", err)
	}
	if _, err := ops.EncodeFrame(nil); err == nil {
		t.Error("no items were taken")
	}
	if _, err := ops.EncodeFrame([]ops.Item{{Payload: make([]byte, 4<<20)}}); fault.Of(err) != fault.TooLarge {
		t.Errorf("4 MB: %v", err)
	}
}
