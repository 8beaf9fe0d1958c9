//go:build e2e

package e2e_test

import (
	"slices"
	"testing"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
)

// changedSignature submits the same content with a changed signature before and
// after the honest operation: it is refused, takes nobody's place, and the
// honest result stays.
func (n *network) changedSignature(t *testing.T) {
	alice := n.newPerson(t)
	n.create(t, alice)
	for _, first := range []string{"forged", "honest"} {
		t.Run(first+" first", func(t *testing.T) {
			honest, ref := alice.refer(t, note("signed honestly, "+first+" first"), "")
			forged := honest
			forged.Signature = slices.Clone(honest.Signature)
			forged.Signature[11] ^= 4
			steps := []struct {
				item ops.Item
				want fault.Code
			}{{forged, fault.BadSignature}, {honest, fault.OK}, {forged, fault.BadSignature}}
			if first == "honest" {
				steps = steps[1:]
			}
			for _, s := range steps {
				for door, got := range n.doors(t, s.item.Compact()) {
					if got.code != s.want.String() {
						t.Errorf("%s: %+v, want %s", door, got, s.want)
					}
				}
			}
			operation, err := n.Client.Operation(t.Context(), ref.String())
			if err != nil || operation.GetState() != "done" || operation.GetCode() != "ok" {
				t.Errorf("afterwards: %v, %v", operation, err)
			}
			if record, err := n.Client.Record(t.Context(), ref.String()); err != nil || record.GetVersion() != 1 {
				t.Errorf("afterwards: %v, %v", record, err)
			}
		})
	}
	t.Run("in one batch", func(t *testing.T) {
		honest := alice.sign(t, note("signed honestly in a batch"), "")
		forged := honest
		forged.Signature = slices.Clone(honest.Signature)
		forged.Signature[40] ^= 1
		frame, err := ops.EncodeFrame([]ops.Item{forged, honest, forged})
		if err != nil {
			t.Fatal(err)
		}
		receipt, err := n.members[3].Execute(t.Context(), "ops:Batch", frame)
		if want := []byte{byte(fault.BadSignature), 0, byte(fault.BadSignature)}; err != nil || !slices.Equal(receipt.Payload, want) {
			t.Errorf("%#x, %v, want %#x", receipt.Payload, err, want)
		}
	})
}

// sameOperationTwice submits a payment, a record and a refused payment again,
// alone and in one batch, through the gateway and past it.
func (n *network) sameOperationTwice(t *testing.T) {
	alice, bob := n.newPerson(t), n.newPerson(t)
	n.create(t, alice, bob)
	n.fund(t, alice, 1000)
	height := n.height(t)
	good := alice.sign(t, payment(bob, 100, "once"), "")
	record := alice.sign(t, note("once"), "")
	poor := alice.sign(t, payment(bob, 5000, "never"), "")
	want := map[string]fault.Code{idOf(good): fault.OK, idOf(record): fault.OK, idOf(poor): fault.InsufficientFunds}
	firstTx := map[string]string{}
	for _, item := range []ops.Item{good, record, poor} {
		id := idOf(item)
		first := n.byGRPC(t, item.Compact())
		if first.code != want[id].String() || first.repeated || first.tx == "" {
			t.Errorf("first time: %+v, want %s", first, want[id])
		}
		firstTx[id] = first.tx
		for door, got := range n.doors(t, item.Compact()) {
			if got.code != want[id].String() || !got.repeated || got.tx != first.tx {
				t.Errorf("again through %s: %+v, want %s of transaction %s, repeated", door, got, want[id], first.tx)
			}
		}
		// Past the gateway, to a member that knows nothing of its journal.
		receipt, err := n.members[2].Execute(t.Context(), "ops:Apply", []byte(item.Compact()))
		if err != nil || !slices.Equal(receipt.Payload, []byte{byte(want[id]) | ops.Replayed}) {
			t.Errorf("again at the members: %#x, %v", receipt.Payload, err)
		}
	}

	// Three times in one request, of which the first is new, and twice what was.
	fresh := alice.sign(t, payment(bob, 7, "once in a batch"), "")
	want[idOf(fresh)] = fault.OK
	answer, err := n.api.SubmitBatch(t.Context(), &killickv1.SubmitBatchRequest{Operations: []string{
		fresh.Compact(), good.Compact(), fresh.Compact(), poor.Compact(), fresh.Compact(), good.Compact(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range answer.GetOperations() {
		if o.GetCode() != want[o.GetId()].String() || o.GetRepeated() != (i > 0) {
			t.Errorf("item %d: %v", i, o)
		}
	}
	direct := alice.sign(t, payment(bob, 11, "once in a frame"), "")
	want[idOf(direct)] = fault.OK
	frame, err := ops.EncodeFrame([]ops.Item{direct, direct, fresh, direct})
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := n.members[1].Execute(t.Context(), "ops:Batch", frame)
	if err != nil || !slices.Equal(receipt.Payload, []byte{0, ops.Replayed, ops.Replayed, ops.Replayed}) {
		t.Errorf("three times in a frame: %#x, %v", receipt.Payload, err)
	}
	h := n.history(t, height)
	h.other = nil // a record, balances and credits
	checkKept(t, h, want)
	for id, tx := range firstTx {
		if got := h.results[id]; len(got) == 1 && got[0].tx != tx {
			t.Errorf("operation %s: receipt of transaction %s, result in %s", id, tx, got[0].tx)
		}
	}
	if balance, received := n.money(t, alice); balance != 1000-118 || received != 0 {
		t.Errorf("alice has %d and received %d", balance, received)
	}
	if balance, received := n.money(t, bob); balance != 0 || received != 118 {
		t.Errorf("bob has %d and received %d", balance, received)
	}
}
