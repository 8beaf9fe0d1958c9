package submit_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// GW-2
func TestRepeatedOperation(t *testing.T) {
	h := start(t)
	jws, _ := h.alice.Record("once")
	first := h.want(jws, submit.Done, fault.OK)
	tickets := h.submit(jws, jws, jws)
	for _, ticket := range tickets {
		r := h.wait(ticket)
		first.Repeated = true
		if r != first {
			t.Errorf("again: %+v, want %+v", r, first)
		}
	}
	refused := h.alice.Pay(5_000_000, h.bob)
	first = h.want(refused, submit.Refused, fault.InsufficientFunds)
	if again := h.want(refused, submit.Refused, fault.InsufficientFunds); again.Transaction != first.Transaction || !again.Repeated {
		t.Errorf("refused again: %+v, want %+v", again, first)
	}
	// The same in a fresh gateway, which has seen the blocks and not the operation.
	if err := h.s.Close(); err != nil {
		t.Fatal(err)
	}
	h.path = filepath.Join(t.TempDir(), "other.db")
	h.open()
	again := h.want(jws, submit.Done, fault.OK)
	h.check([]submit.Receipt{{ID: again.ID, Transaction: again.Transaction, Block: again.Block}})
	if !again.Repeated {
		t.Errorf("through another gateway: %+v", again)
	}
}

// An operation that was taken while it was good answers after it has expired,
// whether it is done or still waits.
func TestRepeatedAfterExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		jws := brief(t, h.alice, 2, "0")
		item, err := ops.ParseCompact(jws)
		if err != nil {
			t.Fatal(err)
		}
		first := h.want(jws, submit.Done, fault.OK)
		expire(t, jws)
		if r := h.want(jws, submit.Done, fault.OK); !r.Repeated || r.Transaction != first.Transaction {
			t.Errorf("after expiry: %+v", r)
		}
		item.Signature = bytes.Clone(item.Signature)
		item.Signature[0] ^= 1
		if r := h.want(item.Compact(), submit.Done, fault.OK); !r.Repeated || r.Transaction != first.Transaction {
			t.Errorf("another signature after expiry: %+v", r)
		}
	})
}

// One that waits here, or waited and was refused in the end, is not refused by the
// gateway's own clock when it comes again: what is said of it is what became of it.
func TestWaitingAfterExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.ledger.SetDown(true)
		jws := brief(t, h.alice, 2, "0")
		first := h.submit(jws)[0]
		expire(t, jws)
		again := h.s.Submit(jws)[0]
		if err := again.Err(); err != nil {
			t.Fatalf("it waits here, and is refused: %v", err)
		}
		now, cancel := context.WithCancel(t.Context())
		cancel()
		if r := again.Wait(now); r.State != submit.Pending || !r.Repeated {
			t.Errorf("while it waits: %+v", r)
		}
		h.ledger.SetDown(false)
		for _, ticket := range []*submit.Ticket{first, again, h.s.Submit(jws)[0]} {
			if ticket.Err() != nil {
				t.Fatal(ticket.Err())
			}
			if r := h.wait(ticket); r.State != submit.Refused || r.Code != fault.Expired {
				t.Errorf("in the end: %+v", r)
			}
		}
		h.check(nil)
	})
}

// brief signs an operation that expires after so many seconds.
func brief(t *testing.T, p *submittest.Person, seconds uint64, digit string) string {
	t.Helper()
	request := p.Request(&ops.RecordSubmit{Schema: "note", Commitment: strings.Repeat(digit, 64)}, "")
	request.Expires = uint64(time.Now().Unix()) + seconds
	item, _, err := ops.SignRequest(request, p)
	if err != nil {
		t.Fatal(err)
	}
	return item.Compact()
}

func expire(t *testing.T, jws string) {
	t.Helper()
	item, err := ops.ParseCompact(jws)
	if err != nil {
		t.Fatal(err)
	}
	expired := func() bool {
		_, err := ops.Admit(item, submittest.Network, uint64(time.Now().Unix()))
		return fault.Of(err) == fault.Expired
	}
	deadline := time.Now().Add(10 * time.Second)
	for !expired() {
		if time.Now().After(deadline) {
			t.Fatal("the operation does not expire")
		}
		<-time.After(20 * time.Millisecond)
	}
}

// What was executed through another gateway is never called expired here: whoever
// believed that would sign it anew. (GW-1)
func TestExecutedElsewhereAndExpired(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		waiting, fresh := brief(t, h.alice, 2, "1"), brief(t, h.alice, 2, "2")
		never := brief(t, h.alice, 2, "3")
		h.ledger.SetDown(true)
		ticket, lost := h.submit(waiting)[0], h.submit(never)[0]
		for _, jws := range []string{waiting, fresh} {
			if _, err := h.ledger.Invoke("ops:Apply", []byte(jws)); err != nil {
				t.Fatal(err)
			}
		}
		expire(t, waiting)
		expire(t, never)
		h.ledger.SetDown(false)
		if r := h.wait(ticket); r.State != submit.Done || !r.Repeated {
			t.Errorf("waited here: %+v", r)
		}
		if r := h.wait(lost); r.Code != fault.Expired {
			t.Errorf("executed nowhere: %+v", r)
		}
		h.check([]submit.Receipt{h.want(fresh, submit.Done, fault.OK), h.want(waiting, submit.Done, fault.OK)})
		if err := h.s.Submit(brief(t, h.alice, 1, "4"))[0].Err(); err != nil {
			t.Error(err)
		}
	})
}

// Batches that are void again and again leave with growing pauses.
func TestVoidForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		before := h.s.Status().Batches
		for range 1000 {
			h.ledger.Inject(submittest.Conflict)
		}
		text, _ := h.alice.Record("void")
		ticket := h.submit(text)[0]
		<-time.After(500 * time.Millisecond)
		// The receipt says why: the code of the newest transaction that was void.
		h.until("a receipt of a void transaction", func() bool {
			r, err := h.s.Lookup(h.id(ticket))
			return err == nil && r.State == submit.Pending && r.Validation == "MVCC_READ_CONFLICT" && r.Transaction != "" && r.Block == 0
		})
		if n := h.s.Status().Batches - before; n > 12 {
			t.Errorf("%d batches in half a second for one operation", n)
		}
	})
}

// A transaction that was given up and comes all the same takes effect once; so
// does the one that its operations were sent again in. (GW-1)
func TestLateTransaction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.ledger.Inject(submittest.Late)
		var jws []string
		for i := range 10 {
			text, _ := h.alice.Record(fmt.Sprint("late", i))
			jws = append(jws, text)
		}
		jws = append(jws, h.alice.Pay(10, h.bob))
		var receipts []submit.Receipt
		for _, ticket := range h.submit(jws...) {
			receipts = append(receipts, h.wait(ticket))
		}
		if s := h.s.Status(); s.Lost != 1 {
			t.Errorf("status %+v", s)
		}
		h.ledger.Release()
		// A block after it shows that it was taken in.
		h.want(h.bob.Pay(1, h.alice), submit.Done, fault.OK)
		h.check(receipts)
	})
}

// Two gateways, each with the operations of the same people: stale reads void
// batches of both, and everything is done once. (GW-2)
func TestTwoGateways(t *testing.T) {
	h := start(t, func(c *submit.Config) { c.Batch = 10 })
	other := *h
	other.path = filepath.Join(t.TempDir(), "other.db")
	other.open()
	var mine, theirs []string
	for i := range 60 {
		mine = append(mine, h.alice.Pay(int64(1+i), h.bob))
		theirs = append(theirs, h.alice.Pay(int64(1001+i), h.bob))
	}
	a := h.submit(append(mine, theirs[:20]...)...)
	b := other.submit(append(theirs, mine[:20]...)...)
	byID := map[[32]byte]submit.Receipt{}
	for _, ticket := range append(a, b...) {
		r := h.wait(ticket)
		if r.State != submit.Done {
			t.Fatalf("receipt %+v", r)
		}
		if seen, ok := byID[r.ID]; ok && (seen.Transaction != r.Transaction || seen.Block != r.Block) {
			t.Errorf("two receipts for one operation: %+v, %+v", seen, r)
		}
		byID[r.ID] = r
	}
	var all []submit.Receipt
	for _, r := range byID {
		all = append(all, r)
	}
	if len(all) != 120 {
		t.Errorf("%d operations", len(all))
	}
	h.check(all)
}

// GW-3
func TestForgedSignature(t *testing.T) {
	h := start(t)
	honest, ref := h.alice.Record("honest")
	item, err := ops.ParseCompact(honest)
	if err != nil {
		t.Fatal(err)
	}
	var jws []string
	for i := range 30 {
		forged := item
		forged.Signature = bytes.Clone(item.Signature)
		forged.Signature[i] ^= 1
		jws = append(jws, forged.Compact())
	}
	tickets := h.submit(append(append(jws[:15:15], honest), jws[15:]...)...)
	for i, ticket := range tickets {
		r := h.wait(ticket)
		if i == 15 && r.Code != fault.OK || i != 15 && r.Code != fault.BadSignature {
			t.Errorf("%d: %+v", i, r)
		}
	}
	r, err := h.s.Lookup(tickets[15].Wait(t.Context()).ID)
	if err != nil || r.State != submit.Done || r.Reference != ref || r.Key != "record/"+ref {
		t.Errorf("look-up: %+v %v", r, err)
	}
}

// There is room for so many, and for one actor half of it.
func TestOverload(t *testing.T) {
	h := start(t, func(c *submit.Config) { c.Queue = 10 })
	h.ledger.SetDown(true)
	records := func(p *submittest.Person) []string {
		var jws []string
		for i := range 8 {
			text, _ := p.Record(fmt.Sprint("much", i))
			jws = append(jws, text)
		}
		return jws
	}
	alices := records(h.alice)
	tickets := h.s.Submit(append(alices, records(h.bob)...)...)
	tickets = append(tickets, h.s.Submit(records(submittest.NewPerson("carol"))...)...)
	var taken []*submit.Ticket
	for i, ticket := range tickets {
		room := i%8 < 5 && i < 16
		if got := fault.Of(ticket.Err()); room && got != fault.OK || !room && got != fault.Overloaded {
			t.Fatalf("%d: %v", i, ticket.Err())
		}
		if room {
			taken = append(taken, ticket)
		}
	}
	h.ledger.SetDown(false)
	for _, ticket := range taken {
		if r := h.wait(ticket); r.State != submit.Done {
			t.Errorf("receipt %+v", r)
		}
	}
	h.want(alices[7], submit.Done, fault.OK)
}

// There is room for so many bytes, and for one actor half of them.
func TestOverloadOfBytes(t *testing.T) {
	const room = 40_000
	h := start(t, func(c *submit.Config) { c.Bytes = room })
	h.ledger.SetDown(true)
	for i, p := range []*submittest.Person{h.alice, h.bob, submittest.NewPerson("carol")} {
		most := room * min(i+1, 2) / 2
		for n := 0; ; n++ {
			text, _ := p.Record(fmt.Sprint("much", n))
			if err := h.s.Submit(text)[0].Err(); fault.Of(err) == fault.Overloaded && h.s.Status().Bytes > most-2*len(text) {
				break
			} else if err != nil || n == 100 {
				t.Fatalf("person %d, operation %d: %v, with %d bytes", i, n, err, h.s.Status().Bytes)
			}
		}
		if got := h.s.Status().Bytes; got > most {
			t.Errorf("%d bytes wait after person %d, want %d at most", got, i, most)
		}
	}
}

func TestJournalGuards(t *testing.T) {
	h := start(t)
	if _, err := submit.Open(h.config()); err == nil || !strings.Contains(err.Error(), "another process uses it") {
		t.Errorf("second process: %v", err)
	}
	if err := h.s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := h.s.Submit(h.alice.Create())[0].Err(); fault.Of(err) != fault.Unavailable {
		t.Errorf("after close: %v", err)
	}
	cfg := h.config()
	cfg.Network = "main-ffffffffffffffff"
	if _, err := submit.Open(cfg); err == nil || !strings.Contains(err.Error(), "network") {
		t.Errorf("another network: %v", err)
	}
	h.open()
	cfg.Journal, cfg.Batch = "", 5000
	if _, err := submit.Open(cfg); err == nil || !strings.Contains(err.Error(), "batch of 5000") || !strings.Contains(err.Error(), "journal") {
		t.Errorf("mistakes in the configuration: %v", err)
	}
}

// The ledger is down for a while, then founded late: nothing is lost.
func TestLedgerComesLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := submittest.New()
		alice := submittest.NewPerson("alice")
		h := &harness{t: t, ledger: l, path: filepath.Join(t.TempDir(), "journal.db"), configs: func(*submit.Config) {}}
		h.open()
		ticket := h.submit(alice.Create())[0]
		if err := l.Found(); err != nil {
			t.Fatal(err)
		}
		if r := h.wait(ticket); r.State != submit.Done {
			t.Errorf("receipt %+v", r)
		}
	})
}

// A refusal that left nothing on the ledger does not stand in the way of the same
// bytes later.
func TestRefusalThatDoesNotStand(t *testing.T) {
	h := start(t)
	carol := submittest.NewPerson("carol")
	jws, _ := carol.Record("too early")
	first := h.want(jws, submit.Refused, fault.DIDUnknown)
	again := h.want(jws, submit.Refused, fault.DIDUnknown)
	if again.Repeated || again.Transaction == first.Transaction {
		t.Errorf("again: %+v after %+v", again, first)
	}
	h.want(carol.Create(), submit.Done, fault.OK)
	done := h.want(jws, submit.Done, fault.OK)
	if found, err := h.s.Lookup(done.ID); err != nil || found.State != submit.Done {
		t.Errorf("look-up: %+v %v", found, err)
	}
	h.check([]submit.Receipt{done})
	if r := h.want(jws, submit.Done, fault.OK); !r.Repeated {
		t.Errorf("after all: %+v", r)
	}
}
