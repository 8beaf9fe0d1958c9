package submit_test

import (
	"testing"
	"time"

	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// GW-8: who voided one batch travels apart, with others of that kind; who voided two
// travels alone.
func TestAloneAfterTwoStrikes(t *testing.T) {
	h := start(t, func(c *submit.Config) { c.Lost = time.Hour })
	people := map[string]*submittest.Person{}
	for _, name := range []string{"once", "twice", "also once"} {
		p := submittest.NewPerson(name)
		h.want(p.Create(), submit.Done, 0)
		if err := h.ledger.Fund(name, p, 1_000_000); err != nil {
			t.Fatal(err)
		}
		people[name] = p
	}
	amount := int64(0)
	pay := func(name string) string {
		amount++ // no two operations are alike
		return people[name].Pay(amount, h.alice)
	}
	h.ledger.SetPaced(true)
	handedOver := func() {
		t.Helper()
		h.until("a transaction", func() bool { return h.ledger.Waiting() == 1 })
	}
	for name, strikes := range map[string]int{"once": 1, "twice": 2, "also once": 1} {
		ticket := h.submit(pay(name))[0]
		for range strikes { // another gateway is faster
			handedOver()
			if _, err := h.ledger.Invoke("ops:Apply", []byte(pay(name))); err != nil {
				t.Fatal(err)
			}
			h.ledger.Cut()
		}
		handedOver()
		h.ledger.Cut()
		if r := h.wait(ticket); r.State != submit.Done {
			t.Fatalf("%s: %+v", name, r)
		}
	}
	if s := h.s.Status(); s.Void != 4 || s.Contested != 3 {
		t.Fatalf("status %+v", s)
	}
	h.ledger.SetPaced(false)
	var in []string
	for _, ticket := range h.submit(pay("once"), pay("twice"), pay("also once"), pay("twice")) {
		in = append(in, h.wait(ticket).Transaction)
	}
	if in[0] != in[2] || h.ledger.Items(in[0]) != 2 {
		t.Errorf("those with one strike are in %v", in)
	}
	if in[1] != in[3] || in[1] == in[0] || h.ledger.Items(in[1]) != 2 {
		t.Errorf("who has two is not alone: %v", in)
	}
}
