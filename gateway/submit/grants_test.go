package submit_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// offered has alice offer a record for 100, and returns how somebody else uses it.
func (h *harness) offered(uses uint64) (take func(p *submittest.Person, what string) string, grant string) {
	h.t.Helper()
	content, ref := h.alice.Record("offered")
	h.want(content, submit.Done, fault.OK)
	allow, grant := h.alice.Operation(&ops.RecordAllow{
		Record: ref, Client: record.Anyone, Operation: "read", Scope: []string{"/"}, Asset: submittest.Asset, Price: 100,
		Expires: uint64(time.Now().Add(24 * time.Hour).Unix()), Uses: &uses,
	}, "")
	h.want(allow, submit.Done, fault.OK)
	return func(p *submittest.Person, what string) string {
		jws, _ := p.Operation(&ops.AttestUse{
			Grant: grant, Record: ref, Version: 1, Owner: h.alice.DID, Operation: "read", Path: "/", Asset: submittest.Asset, Price: 100, For: what,
		}, "")
		return jws
	}, grant
}

// GR-3: of two who take the last use of a grant exactly one gets it, in one batch, in
// one block and in two blocks, and both are told.
func TestLastUse(t *testing.T) {
	taker := func(t *testing.T, h *harness) (take func(*submittest.Person, string) string, carol *submittest.Person) {
		carol = submittest.NewPerson("carol")
		h.want(carol.Create(), submit.Done, fault.OK)
		if err := h.ledger.Fund(carol.DID, carol, 1000); err != nil {
			t.Fatal(err)
		}
		take, _ = h.offered(1)
		return take, carol
	}
	one := func(t *testing.T, receipts ...submit.Receipt) {
		t.Helper()
		if receipts[0].State != submit.Done || receipts[1].State != submit.Refused || receipts[1].Code != fault.GrantUsedUp {
			t.Errorf("%+v\n%+v", receipts[0], receipts[1])
		}
	}
	t.Run("one batch", func(t *testing.T) {
		h := start(t)
		take, carol := taker(t, h)
		tickets := h.submit(take(h.bob, ""), take(carol, ""))
		receipts := []submit.Receipt{h.wait(tickets[0]), h.wait(tickets[1])}
		one(t, receipts...)
		if receipts[0].Transaction != receipts[1].Transaction || h.s.Status().Void != 0 {
			t.Errorf("in %s and %s, %d void", receipts[0].Transaction, receipts[1].Transaction, h.s.Status().Void)
		}
		h.check(receipts)
	})
	t.Run("one block", func(t *testing.T) {
		h := start(t, func(c *submit.Config) { c.Lost = time.Hour })
		take, carol := taker(t, h)
		other := *h
		other.path = filepath.Join(t.TempDir(), "other.db")
		other.open()
		h.ledger.SetPaced(true)
		first := h.submit(take(h.bob, ""))[0]
		h.until("one transaction", func() bool { return h.ledger.Waiting() == 1 })
		second := other.submit(take(carol, ""))[0]
		h.until("two transactions", func() bool { return h.ledger.Waiting() == 2 })
		h.ledger.Cut()
		h.until("one again", func() bool { return h.ledger.Waiting() == 1 })
		h.ledger.Cut()
		receipts := []submit.Receipt{h.wait(first), other.wait(second)}
		one(t, receipts...)
		if h.s.Status().Void != 0 || other.s.Status().Void != 1 {
			t.Errorf("%d and %d void", h.s.Status().Void, other.s.Status().Void)
		}
		h.check(receipts)
	})
	t.Run("two blocks", func(t *testing.T) {
		h := start(t)
		take, carol := taker(t, h)
		receipts := []submit.Receipt{h.wait(h.submit(take(h.bob, ""))[0]), h.wait(h.submit(take(carol, ""))[0])}
		one(t, receipts...)
		if receipts[0].Block == receipts[1].Block {
			t.Errorf("both in block %d", receipts[0].Block)
		}
		h.check(receipts)
	})
}

// Uses of one grant and its withdrawal never void one another within a gateway. What
// comes after a withdrawal is refused; what travels in one batch counts in the order in
// which it came.
func TestUsesInOrder(t *testing.T) {
	for _, batch := range []int{500, 3} {
		t.Run(fmt.Sprint(batch), func(t *testing.T) { usesInOrder(t, batch) })
	}
}

func usesInOrder(t *testing.T, batch int) {
	h := start(t, func(c *submit.Config) { c.Batch = batch })
	take, grant := h.offered(1000)
	var jws []string
	for i := range 20 {
		jws = append(jws, take(h.bob, string(rune('a'+i))))
	}
	end, _ := h.alice.Operation(&ops.RecordWithdraw{Grant: grant}, "")
	jws = append(jws, end)
	for i := range 5 {
		jws = append(jws, take(h.bob, string(rune('A'+i))))
	}
	var receipts []submit.Receipt
	for i, ticket := range h.submit(jws...) {
		r := h.wait(ticket)
		receipts = append(receipts, r)
		if done := r.State == submit.Done; i > 20 && done || i <= 20 && !done && batch > 3 || !done && r.Code != fault.GrantWithdrawn {
			t.Errorf("operation %d: %+v", i, r)
		}
	}
	if s := h.s.Status(); s.Void != 0 {
		t.Errorf("%d transactions were void", s.Void)
	}
	h.check(receipts)
}
