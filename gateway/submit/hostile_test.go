package submit_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// fight is two gateways before one ledger whose blocks the test cuts, each with
// more operations of honest people than it can send, and a hostile user who sends
// through both at the same time.
type fight struct {
	*harness
	gateways [2]*submit.Submitter
	honest   [2][]*submittest.Person
	fed      int
}

const (
	fightBatch  = 50
	fightFlight = 4
	fightHold   = 40 * time.Millisecond
	// overhead is what a transaction costs beside its operations, in operations: 22 ms
	// and 0.85 ms (docs/benchmarks.md, batches of 100 and 500), in a model where one
	// operation stands for ten.
	overhead = 3
)

func newFight(t *testing.T, hostile ...*submittest.Person) *fight {
	h := start(t, func(c *submit.Config) {
		c.Batch, c.InFlight, c.Hold, c.Lost = fightBatch, fightFlight, fightHold, time.Hour
	})
	other := *h
	other.path = filepath.Join(t.TempDir(), "other.db")
	other.open()
	f := &fight{harness: h, gateways: [2]*submit.Submitter{h.s, other.s}}
	for _, p := range hostile {
		f.want(p.Create(), submit.Done, 0)
		if err := f.ledger.Fund(p.DID, p, 1_000_000); err != nil {
			t.Fatal(err)
		}
	}
	for g, s := range f.gateways {
		var create []string
		for i := range fightBatch * fightFlight {
			p := submittest.NewPerson(fmt.Sprint("honest", g, i))
			f.honest[g], create = append(f.honest[g], p), append(create, p.Create())
		}
		for _, ticket := range s.Submit(create...) {
			if r := f.wait(ticket); r.State != submit.Done {
				t.Fatal(r)
			}
		}
	}
	f.ledger.SetPaced(true)
	return f
}

// feed submits an operation of every honest person, in as many calls as there are
// batches in flight, and lets the hostile user send between them.
func (f *fight) feed(hostile func()) {
	f.t.Helper()
	f.fed++
	for part := range fightFlight {
		hostile()
		for g, s := range f.gateways {
			var jws []string
			for _, p := range f.honest[g][part*fightBatch : (part+1)*fightBatch] {
				text, _ := p.Record(fmt.Sprint("honest", f.fed))
				jws = append(jws, text)
			}
			for _, ticket := range s.Submit(jws...) {
				if ticket.Err() != nil {
					f.t.Fatal(ticket.Err())
				}
			}
		}
	}
}

// play cuts a block whenever both gateways have sent all that they may, with what
// the hostile user sends between blocks. It returns the operations of honest people
// that took effect, the work that all transactions were, how many of these were void,
// and how many of the void ones had operations of honest people in them.
func (f *fight) play(rounds int, hostile func(turn int, gateways [2]*submit.Submitter)) (honest, work, void, shared int) {
	f.t.Helper()
	turn := 0
	for range rounds {
		f.feed(func() { hostile(turn, f.gateways); turn++ })
		f.full()
		f.ledger.Cut()
		chain := f.ledger.Chain()
		block := chain[len(chain)-1]
		for _, tx := range block.Transactions {
			work += overhead + len(tx.Response)
			if !tx.Valid {
				void++
				work += f.ledger.Items(tx.ID)
				if f.ledger.Records(tx.ID) > 0 {
					shared++
				}
				continue
			}
			for _, w := range tx.Writes {
				if strings.HasPrefix(w.Key, "record/") {
					honest++
				}
			}
		}
		f.takenIn(block.Number)
	}
	return honest, work, void, shared
}

// full waits until what is under way has been handed over by both gateways and
// neither has a place or anything to fill it with.
func (f *fight) full() {
	f.t.Helper()
	time.Sleep(2 * fightHold)
	synctest.Wait()
	a, b := f.gateways[0].Status(), f.gateways[1].Status()
	if a.InFlight == 0 || b.InFlight == 0 || a.InFlight+b.InFlight != f.ledger.Waiting() {
		f.t.Fatalf("%d and %d batches in flight, %d handed over", a.InFlight, b.InFlight, f.ledger.Waiting())
	}
}

func (f *fight) takenIn(block uint64) {
	f.t.Helper()
	synctest.Wait()
	for _, g := range f.gateways {
		if next := g.Status().Next; next <= block {
			f.t.Fatalf("block %d is not taken in, the next one is %d", block, next)
		}
	}
}

func (h *harness) until(what string, ok func() bool) {
	h.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			h.t.Fatalf("%s: not within 30 s", what)
		}
	}
}

// GW-8: whoever sends operations on the same state through two gateways at once
// voids his own batches: the honest operations of both get at least four fifths of
// what the network can do.
func TestHostileUser(t *testing.T) {
	t.Parallel()
	person := func(i int) *submittest.Person { return submittest.NewPerson(fmt.Sprint("hostile", i)) }
	payee := submittest.NewPerson("alice")
	both := func(gateways [2]*submit.Submitter, a, b string) {
		gateways[0].Submit(a)
		gateways[1].Submit(b)
	}
	tests := []struct {
		name string
		dids int
		send func(f *fight) func(round int, gateways [2]*submit.Submitter)
	}{
		{"nobody", 0, func(*fight) func(int, [2]*submit.Submitter) { return func(int, [2]*submit.Submitter) {} }},
		{"payments of one account", 1, func(*fight) func(int, [2]*submit.Submitter) {
			h := person(0)
			return func(round int, gateways [2]*submit.Submitter) {
				both(gateways, h.Pay(int64(1+round), payee), h.Pay(int64(1001+round), payee))
			}
		}},
		{"the same bytes", 1, func(*fight) func(int, [2]*submit.Submitter) {
			h := person(0)
			return func(round int, gateways [2]*submit.Submitter) {
				jws := h.Pay(int64(1+round), payee)
				both(gateways, jws, jws)
			}
		}},
		{"six accounts all the time", 6, func(*fight) func(int, [2]*submit.Submitter) {
			return func(turn int, gateways [2]*submit.Submitter) {
				for i := range 2 {
					h := person((2*turn + i) % 6)
					both(gateways, h.Pay(int64(1+turn), payee), h.Pay(int64(1001+turn), payee))
				}
			}
		}},
		{"many accounts in turn", 32, func(*fight) func(int, [2]*submit.Submitter) {
			return func(turn int, gateways [2]*submit.Submitter) {
				h := person(turn % 32)
				both(gateways, h.Pay(int64(1+turn), payee), h.Pay(int64(1001+turn), payee))
			}
		}},
		{"strangers who amend one record", 10, func(f *fight) func(int, [2]*submit.Submitter) {
			owner := person(0)
			zero := strings.Repeat("0", 64)
			jws, ref := owner.Operation(&ops.RecordSubmit{Schema: "note", Commitment: zero}, "")
			f.gateways[0].Submit(jws)
			return func(round int, gateways [2]*submit.Submitter) {
				stranger := person(1 + round%9)
				a, _ := owner.Operation(&ops.RecordAmend{Record: ref, Schema: "note", Commitment: zero, Size: uint64(round)}, f.version("record/"+ref))
				b, _ := stranger.Operation(&ops.RecordDelete{Record: ref}, canon.Hex(make([]byte, 32)))
				both(gateways, a, b)
			}
		}},
	}
	const rounds = 14
	alone, voids := 0.0, 0
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // no time passes while anybody works
				var people []*submittest.Person
				for i := range tt.dids {
					people = append(people, person(i))
				}
				f := newFight(t, people...)
				honest, work, void, shared := f.play(rounds, tt.send(f))
				share := float64(honest) / float64(work)
				if alone == 0 {
					alone = share
				}
				t.Logf("%d honest operations for %d of work, %d void transactions, %d of them shared: %.2f of what they get without", honest, work, void, shared, share/alone)
				if share < 0.8*alone {
					t.Errorf("honest operations get %.2f of what they get alone", share/alone)
				}
				// One of each gateway: then he travels without them.
				if shared > 2*tt.dids {
					t.Errorf("%d accounts voided %d transactions with honest operations", tt.dids, shared)
				}
				voids += void
			})
		})
	}
	if voids == 0 {
		t.Error("nothing was void: the hostile user does not do what the test is about")
	}
}

// version is the hash of a stored value, as operations state it; of a key that is
// not there, one of nothing.
func (h *harness) version(key string) string {
	for _, e := range h.ledger.State() {
		if e.Key == key {
			sum := canon.Sum(e.Value)
			return canon.Hex(sum[:])
		}
	}
	return strings.Repeat("0", 64)
}

// Operations that depend on one another are executed in the order in which they
// came, whoever signed them, and without a void batch.
func TestDependentActors(t *testing.T) {
	h := start(t, func(c *submit.Config) { c.Batch = 10; c.InFlight = 4 })
	before := h.s.Status()
	random := rand.New(rand.NewPCG(1, 2))
	var jws []string
	for i := range 60 {
		p := submittest.NewPerson(fmt.Sprint("new", i))
		schema, ref := h.alice.Operation(&ops.CredentialSchema{Name: fmt.Sprint("s", i), Digest: strings.Repeat("0", 64)}, "")
		credential, _ := h.alice.Operation(&ops.CredentialIssue{
			Schema: ref, Digest: strings.Repeat("0", 64), ValidUntil: 1 << 40, Evidence: "oracle", Endorser: "did:example:oracle", Index: uint32(i)}, "")
		jws = append(jws, schema, p.Create(), h.bob.Pay(1, p), credential)
		for range random.IntN(8) {
			text, _ := p.Record(fmt.Sprint(len(jws)))
			jws = append(jws, text)
		}
	}
	for _, operation := range jws { // each in a call of its own: batches leave in between
		h.submit(operation)
	}
	for i, ticket := range h.submit(jws...) {
		if r := h.wait(ticket); r.State != submit.Done {
			t.Errorf("operation %d: %+v", i, r)
		}
	}
	if s := h.s.Status(); s.Void != 0 || s.Batches-before.Batches < 2 {
		t.Errorf("status %+v", s)
	}
}

// Two DIDs that claim one account, in flight at the same time, would void one
// another's batch; so would strangers' attempts on a record that is being changed.
func TestSharedKeys(t *testing.T) {
	h := start(t, func(c *submit.Config) { c.Hold = time.Nanosecond; c.InFlight = 8 })
	zero := strings.Repeat("0", 64)
	jws, ref := h.alice.Operation(&ops.RecordSubmit{Schema: "note", Commitment: zero}, "")
	var tickets []*submit.Ticket
	tickets = append(tickets, h.submit(jws)...)
	for i := range 30 {
		amend, _ := h.alice.Operation(&ops.RecordAmend{Record: ref, Schema: "note", Commitment: zero, Size: uint64(i)}, zero)
		meddle, _ := h.bob.Operation(&ops.RecordAmend{Record: ref, Schema: "note", Commitment: zero, Size: uint64(i)}, zero)
		tickets = append(tickets, h.submit(meddle)...)
		tickets = append(tickets, h.submit(amend)...)
	}
	for i, ticket := range tickets {
		if r := h.wait(ticket); i == 0 && r.State != submit.Done || i > 0 && r.State != submit.Refused {
			t.Errorf("%d: %+v", i, r)
		}
	}
	if s := h.s.Status(); s.Void != 0 {
		t.Errorf("status %+v", s)
	}
}
