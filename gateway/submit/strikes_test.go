package submit_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
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

// GW-8: it is for a minute that who voided a batch travels apart, and for two the second
// time.
func TestPenalty(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := start(t, func(c *submit.Config) { c.Lost = time.Hour })
		amount := int64(0)
		pay := func(p, to *submittest.Person) string {
			amount++ // no two operations are alike
			return p.Pay(amount, to)
		}
		carol := submittest.NewPerson("carol")
		h.want(carol.Create(), submit.Done, fault.OK)
		for _, minutes := range []time.Duration{1, 2} {
			h.ledger.SetPaced(true)
			ticket := h.submit(pay(h.bob, h.alice))[0]
			h.until("a transaction", func() bool { return h.ledger.Waiting() == 1 })
			if _, err := h.ledger.Invoke("ops:Apply", []byte(pay(h.bob, h.alice))); err != nil { // another gateway is faster
				t.Fatal(err)
			}
			h.ledger.Cut()
			began := time.Now()
			h.ledger.SetPaced(false)
			h.wait(ticket)
			for _, tt := range []struct {
				at    time.Duration
				apart bool
			}{{minutes*time.Minute - 5*time.Second, true}, {minutes*time.Minute + 5*time.Second, false}} {
				time.Sleep(time.Until(began.Add(tt.at)))
				honest, _ := carol.Record(fmt.Sprint("at ", minutes, tt.at))
				tickets := h.submit(pay(h.bob, h.alice), honest)
				if apart := h.wait(tickets[0]).Transaction != h.wait(tickets[1]).Transaction; apart != tt.apart {
					t.Errorf("%s after conflict %d: apart %v", tt.at, minutes, apart)
				}
			}
		}
	})
}
