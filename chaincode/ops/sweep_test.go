package ops_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

const hour = 3600

// sweepAll has the ledger swept to the end and returns the answers.
func sweepAll(t *testing.T, w *opstest.World) (answers []ops.Swept) {
	t.Helper()
	for i := 0; ; i++ {
		answer, err := w.Invoke(w.Members[i%4].Caller(), "ops:Sweep", nil)
		if fault.Of(err) == fault.NotDue {
			return answers
		}
		if err != nil {
			t.Fatal(err)
		}
		var s ops.Swept
		if err := json.Unmarshal(answer, &s); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, s)
	}
}

func results(w *opstest.World) (keys []string) {
	for _, e := range w.Store.Entries() {
		if strings.HasPrefix(e.Key, "op/") {
			keys = append(keys, e.Key)
		}
	}
	return keys
}

// poor are two accounts, the first with one micro-unit.
func poor(t *testing.T) (w *opstest.World, alice, bob *opstest.User) {
	t.Helper()
	w = opstest.New(t)
	alice, bob = opstest.NewUser("alice"), opstest.NewUser("bob")
	w.Create(alice)
	w.Create(bob)
	w.Fund(alice, 1)
	return w, alice, bob
}

// OP-7: an operation that was endorsed before its result was swept runs no second
// time, however long its transaction was held back.
func TestHeldBackTransactionsAreVoidAfterASweep(t *testing.T) {
	for name, amount := range map[string]int{"done": 1, "refused": 2} {
		t.Run(name, func(t *testing.T) {
			w, alice, bob := poor(t)
			pay, ref := w.Sign(alice, opstest.Pay("usd", bob, amount), "")
			first, second := w.Endorse(pay), w.Endorse(pay)
			if !w.Order(first) {
				t.Fatal("the first transaction is void")
			}
			if w.Order(second) {
				t.Fatal("two transactions with the same operation are valid")
			}
			w.Checkpoint(1, w.Now)
			w.Checkpoint(2, w.Now+5*hour)
			sweepAll(t, w)
			if value, _ := w.Store.Get(ops.ResultKey(ref)); value != nil {
				t.Fatal("the result is still there")
			}
			before := w.Store.Clone()
			if w.Order(second) {
				t.Error("a transaction that was held back is valid after the sweep")
			}
			if name == "refused" {
				// What voids it is the watermark: all else is as it was when it was endorsed.
				blind := *second
				blind.Reads = maps.Clone(second.Reads)
				delete(blind.Reads, ops.SweptKey)
				if !w.Order(&blind) {
					t.Error("something other than the watermark voids it: this test shows nothing")
				}
			}
			// Endorsed anew by an organisation whose clock stands still, it is refused.
			w.Store = before
			if late := w.Endorse(pay); fault.Code(late.Response[0]) != fault.Expired || !w.Order(late) {
				t.Errorf("after the sweep it answers %v", fault.Code(late.Response[0]))
			}
			if keys := changed(before, w.Store); len(keys) != 0 {
				t.Errorf("it changed %q", keys)
			}
			w.Audit()
		})
	}
}

// OP-7: every batch in which an operation is applied reads the watermark.
func TestBatchesReadTheWatermark(t *testing.T) {
	w := opstest.New(t)
	for _, item := range scenario(w, rand.New(rand.NewPCG(11, 12)), 60) {
		e := w.Endorse(item)
		if _, read := e.Reads[ops.SweptKey]; !read {
			t.Errorf("a batch that answers %v did not read it", fault.Code(e.Response[0]&0x7f))
		}
		w.Order(e)
	}
}

// A sweep removes results two hours past by the checkpoints' clock, page by page,
// and nothing else; any member may go on where another stopped.
func TestSweep(t *testing.T) {
	w, alice, _ := poor(t)
	w.Do(alice, opstest.Submit("kept"), "")
	value, err := w.Store.Get(results(w)[0])
	if err != nil {
		t.Fatal(err)
	}
	const past = 2500
	base := uint32(w.Now / hour)
	for i := range past {
		key := ops.ResultKey(ops.Reference{Expiry: (base-50-uint32(i%7))*3600 + uint32(i*13%3600), ID: [32]byte{byte(i), byte(i >> 8)}})
		if err := w.Store.Put(key, value); err != nil {
			t.Fatal(err)
		}
	}
	recent := ops.ResultKey(ops.Reference{Expiry: (base - 2) * 3600})
	due := ops.ResultKey(ops.Reference{Expiry: (base-2)*3600 - 1})
	for _, key := range []string{recent, due} {
		if err := w.Store.Put(key, value); err != nil {
			t.Fatal(err)
		}
	}
	w.Now += 100 * hour // what a transaction claims moves nothing
	if got := sweepAll(t, w); got != nil {
		t.Errorf("without a checkpoint: %v", got)
	}
	w.Checkpoint(1, uint64(base)*hour-40*hour)
	before := w.Store.Clone()
	if got := fmt.Sprint(sweepAll(t, w)); got != fmt.Sprintf("[{%d 0} {%[1]d 1000} {%[1]d 1000} {%[1]d 500}]", base-43) {
		t.Errorf("sweeps %s", got)
	}
	for _, key := range changed(before, w.Store) {
		if !strings.HasPrefix(key, "op/") && !strings.HasPrefix(key, "sweep/") {
			t.Errorf("the sweep changed %s", key)
		}
	}
	w.Checkpoint(2, uint64(base)*hour)
	if got := fmt.Sprint(sweepAll(t, w)); got != fmt.Sprintf("[{%d 0} {%[1]d 1}]", base-3) {
		t.Errorf("sweeps %s", got)
	}
	if value, _ := w.Store.Get(recent); value == nil {
		t.Error("a result was removed within two hours")
	}
	// An hour without results moves nothing, so that an idle ledger stays idle.
	w.Checkpoint(3, uint64(base)*hour+hour-1)
	if got := sweepAll(t, w); got != nil {
		t.Errorf("sweeps %v", got)
	}
	w.Checkpoint(4, uint64(base)*hour+hour)
	if got := sweepAll(t, w); len(got) != 2 || got[1].Removed != 1 {
		t.Errorf("sweeps %v", got)
	}
}

func TestSweepIsForMembers(t *testing.T) {
	w := opstest.New(t)
	for _, c := range []ledger.Caller{{MSP: "Org9MSP", Role: "admin"}, {MSP: "Org1MSP", Role: "peer"}, {}} {
		if _, err := w.Invoke(c, "ops:Sweep", nil); fault.Of(err) != fault.NotMember {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
