package submit_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

func deactivation(p *submittest.Person) string {
	jws, _ := p.Operation(&ops.DIDDeactivate{}, "")
	return jws
}

// GW-9: operations that read the latest checkpoint travel with nothing else. A new
// checkpoint voids them alone; they go again, and nobody is blamed.
func TestClockTravelsApart(t *testing.T) {
	h := start(t, func(c *submit.Config) { c.Lost = time.Hour })
	carol := submittest.NewPerson("carol")
	h.want(carol.Create(), submit.Done, fault.OK)
	limit := h.s.Status().Limit
	h.ledger.SetPaced(true)
	record, _ := h.bob.Record("beside it")
	tickets := h.submit(record, deactivation(h.alice), deactivation(carol))
	h.until("two transactions", func() bool { return h.ledger.Waiting() == 2 })
	if err := h.ledger.Elapse(10); err != nil {
		t.Fatal(err)
	}
	h.ledger.Cut()
	h.until("one again", func() bool { return h.ledger.Waiting() == 1 })
	h.ledger.Cut()
	var receipts []submit.Receipt
	for _, ticket := range tickets {
		receipts = append(receipts, h.wait(ticket))
		if r := receipts[len(receipts)-1]; r.State != submit.Done {
			t.Errorf("%+v", r)
		}
	}
	if receipts[0].Transaction == receipts[1].Transaction || receipts[1].Transaction != receipts[2].Transaction || h.ledger.Items(receipts[1].Transaction) != 2 {
		t.Errorf("in transactions %s, %s, %s", receipts[0].Transaction, receipts[1].Transaction, receipts[2].Transaction)
	}
	if s := h.s.Status(); s.Void != 1 || s.Contested != 0 || s.Limit != limit {
		t.Errorf("status %+v", s)
	}
	h.check(receipts)

	// Within a lane they keep their place, whatever stands beside them.
	h.ledger.SetPaced(false)
	first, _ := h.bob.Record("before it")
	last, _ := h.bob.Record("after it")
	block, tx := uint64(0), ""
	for _, ticket := range h.submit(first, deactivation(h.bob), last) {
		r := h.wait(ticket)
		if r.State != submit.Done || r.Block < block || r.Transaction == tx {
			t.Errorf("%+v after block %d, transaction %s", r, block, tx)
		}
		block, tx = r.Block, r.Transaction
	}
	complete, _ := h.bob.Operation(&ops.DIDComplete{DID: h.alice.DID}, "")
	h.want(complete, submit.Refused, fault.NotDue)
	if err := h.ledger.Elapse(10 + did.Delay); err != nil {
		t.Fatal(err)
	}
	complete, _ = carol.Operation(&ops.DIDComplete{DID: h.alice.DID}, "")
	h.want(complete, submit.Done, fault.OK)
	late, _ := h.alice.Record("too late")
	h.want(late, submit.Refused, fault.DIDDeactivated)
}

// A thief who fills all the places of a DID keeps its recovery from no gateway, nor does
// anybody who fills those of a recovery key that is not the DID's.
func TestRecoveryHasItsOwnPlace(t *testing.T) {
	for name, steal := range map[string]func(alice *submittest.Person, text string) string{
		"operations": func(alice *submittest.Person, text string) string {
			jws, _ := alice.Record(text)
			return jws
		},
		"recoveries": func(alice *submittest.Person, text string) string {
			return alice.As(submittest.NewPerson("thief")).Recover(submittest.NewPerson(text))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, func(c *submit.Config) { c.Queue = 8 })
			h.ledger.SetDown(true)
			for _, text := range []string{"a", "b", "c", "d"} {
				h.submit(steal(h.alice, text))
			}
			if err := h.s.Submit(steal(h.alice, "one more"))[0].Err(); fault.Of(err) != fault.Overloaded {
				t.Fatalf("the thief has more than half of the places: %v", err)
			}
			again := submittest.NewPerson("alice again")
			ticket := h.submit(h.alice.Recover(again))[0]
			h.ledger.SetDown(false)
			if r := h.wait(ticket); r.State != submit.Done {
				t.Fatalf("%+v", r)
			}
			mine, _ := h.alice.As(again).Record("mine again")
			h.want(mine, submit.Done, fault.OK)
			stolen, _ := h.alice.Record("stolen")
			late := h.s.Submit(stolen)[0]
			if err := late.Err(); fault.Of(err) == fault.BadSignature {
				return // the ledger has refused what the thief had queued, so the gateway looks itself
			}
			if r := h.wait(late); r.State != submit.Refused {
				t.Errorf("%+v", r)
			}
		})
	}
}

// ID-4: however much a thief has queued, and whatever it is, a recovery waits for what
// is under way and for nothing else.
func TestRecoveryComesFirst(t *testing.T) {
	const queued = 9
	for name, steal := range map[string]func(p *submittest.Person, n int) (ops.Body, string){
		"records": func(_ *submittest.Person, n int) (ops.Body, string) {
			return &ops.RecordSubmit{Schema: "note", Commitment: fmt.Sprintf("%064x", n)}, ""
		},
		"deactivations": func(*submittest.Person, int) (ops.Body, string) { return &ops.DIDDeactivate{}, "" },
		"updates": func(p *submittest.Person, n int) (ops.Body, string) {
			var document did.Document
			if err := canon.Decode(p.Document, &document); err != nil {
				t.Fatal(err)
			}
			body, err := did.NewUpdate(&document)
			if err != nil {
				t.Fatal(err)
			}
			return body, fmt.Sprintf("%064x", n)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, func(c *submit.Config) { c.Lost, c.Batch = time.Hour, 2 })
			var stolen []string
			for n := range queued {
				body, prior := steal(h.alice, n)
				r := h.alice.Request(body, prior)
				r.Expires += uint64(n) // no two operations are alike
				item, _, err := ops.SignRequest(r, h.alice)
				if err != nil {
					t.Fatal(err)
				}
				stolen = append(stolen, item.Compact())
			}
			h.ledger.SetPaced(true)
			h.submit(stolen...)
			underWay := func() { h.until("a transaction", func() bool { return h.ledger.Waiting() == 1 }) }
			underWay()
			ticket := h.submit(h.alice.Recover(submittest.NewPerson("alice again")))[0]
			h.ledger.Cut()
			underWay()
			h.ledger.Cut()
			if r := h.wait(ticket); r.State != submit.Done {
				t.Errorf("%+v", r)
			}
		})
	}
}

// Who shows keys that are not the recovery key, again and again, delays the DID's own
// operations by what is under way: they travel with the next of his.
func TestFalseRecoveriesHoldNobodyUp(t *testing.T) {
	h := start(t, func(c *submit.Config) { c.Lost = time.Hour })
	h.ledger.SetPaced(true)
	attack := func(name string) *submit.Ticket {
		return h.submit(h.alice.As(submittest.NewPerson(name)).Recover(submittest.NewPerson("thief")))[0]
	}
	underWay := func() { h.until("a transaction", func() bool { return h.ledger.Waiting() == 1 }) }
	first := attack("a")
	underWay()
	jws, _ := h.alice.Record("in between")
	own, second := h.submit(jws)[0], attack("b")
	h.ledger.Cut()
	underWay()
	third := attack("c")
	h.ledger.Cut()
	if r := h.wait(own); r.State != submit.Done {
		t.Errorf("%+v", r)
	}
	underWay()
	h.ledger.Cut()
	for _, ticket := range []*submit.Ticket{first, second, third} {
		if r := h.wait(ticket); r.Code != fault.KeyUnknown {
			t.Errorf("%+v", r)
		}
	}
}

// GW-1, GW-2: an operation that ends the key it is signed with is done once, and is
// told as done, whatever fails on its way and however often it comes.
func TestRotationIsToldAsDone(t *testing.T) {
	for name, faults := range map[string][]submittest.Fault{
		"nothing": nil, "unknown, stored": {submittest.UnknownStored}, "unknown, lost": {submittest.UnknownLost}, "stored twice": {submittest.Twice},
		"slow": {submittest.Slow}, "conflict": {submittest.Conflict}, "dropped once": {submittest.Dropped},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t)
			again := submittest.NewPerson("alice again")
			var document did.Document
			if err := canon.Decode(again.Document, &document); err != nil {
				t.Fatal(err)
			}
			document.VerificationMethod[0].ID, document.Authentication, document.CapabilityInvocation = "#key-2", nil, []string{"#key-2"}
			body, err := did.NewUpdate(&document)
			if err != nil {
				t.Fatal(err)
			}
			prior := ""
			for _, e := range h.ledger.State() {
				if e.Key == "did/"+h.alice.DID[len("did:killick:"+submittest.Network+":"):] {
					sum := canon.Sum(e.Value)
					prior = canon.Hex(sum[:])
				}
			}
			update, _ := h.alice.Operation(body, prior)
			before, _ := h.alice.Record("before it")
			h.ledger.Inject(faults...)
			tickets := h.submit(before, update)
			receipts := []submit.Receipt{h.wait(tickets[0]), h.wait(tickets[1])}
			for _, r := range receipts {
				if r.State != submit.Done {
					t.Errorf("%+v", r)
				}
			}
			other := *h
			other.path = filepath.Join(t.TempDir(), "other.db")
			other.open()
			if r := other.wait(other.submit(update)[0]); r.State != submit.Done || !r.Repeated || r.Transaction != receipts[1].Transaction {
				t.Errorf("through another gateway: %+v, first %+v", r, receipts[1])
			}
			h.check(receipts)
		})
	}
}
