package submit_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/killick-ledger/killick/anchor/sqlite/sqlitetest"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

func TestMain(m *testing.M) {
	sqlitetest.InMemory()
	os.Exit(m.Run())
}

// harness is a submitter before a ledger in memory.
type harness struct {
	t       *testing.T
	ledger  *submittest.Ledger
	path    string
	s       *submit.Submitter
	alice   *submittest.Person
	bob     *submittest.Person
	configs func(*submit.Config)
}

func start(t *testing.T, configs ...func(*submit.Config)) *harness {
	t.Helper()
	h := &harness{
		t: t, ledger: submittest.New(), path: filepath.Join(t.TempDir(), "journal.db"),
		alice: submittest.NewPerson("alice"), bob: submittest.NewPerson("bob"),
		configs: func(c *submit.Config) {
			for _, f := range configs {
				f(c)
			}
		},
	}
	if err := h.ledger.Found(h.alice); err != nil {
		t.Fatal(err)
	}
	h.open()
	for _, p := range []*submittest.Person{h.alice, h.bob} {
		h.want(p.Create(), submit.Done, fault.OK)
		if err := h.ledger.Fund(p.DID, p, 1_000_000); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func (h *harness) config() submit.Config {
	c := submit.Config{
		Journal: h.path, Network: submittest.Network, Ledger: h.ledger, Log: slog.New(slog.DiscardHandler),
		Hold: 4 * time.Millisecond, Lost: 150 * time.Millisecond,
	}
	h.configs(&c)
	return c
}

func (h *harness) open() {
	h.t.Helper()
	s, err := submit.Open(h.config())
	if err != nil {
		h.t.Fatal(err)
	}
	h.s = s
	h.t.Cleanup(func() { _ = s.Close() })
}

func (h *harness) submit(jws ...string) []*submit.Ticket {
	h.t.Helper()
	tickets := h.s.Submit(jws...)
	for _, ticket := range tickets {
		if err := ticket.Err(); err != nil {
			h.t.Fatalf("submit: %v", err)
		}
	}
	return tickets
}

func (h *harness) wait(ticket *submit.Ticket) submit.Receipt {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r := ticket.Wait(ctx)
	if r.State == submit.Pending {
		h.t.Fatalf("operation %s is still pending: %+v", r.Reference, h.s.Status())
	}
	return r
}

func (h *harness) want(jws string, state submit.State, code fault.Code) submit.Receipt {
	h.t.Helper()
	r := h.wait(h.submit(jws)[0])
	if r.State != state || r.Code != code {
		h.t.Fatalf("receipt %+v, want %s %s", r, state, code)
	}
	return r
}

// check compares what clients were told with the blocks: every receipt that
// stands is in the transaction that it names, once on the whole ledger.
func (h *harness) check(receipts []submit.Receipt) {
	h.t.Helper()
	where := map[string][]string{}
	for _, b := range h.ledger.Chain() {
		for _, tx := range b.Transactions {
			for _, w := range tx.Writes {
				kind, rest, _ := strings.Cut(w.Key, "/")
				if len(rest) == 73 && (kind == "op" || kind == "record" || kind == "use") {
					id := rest[9:]
					where[id] = append(where[id], fmt.Sprintf("%s in block %d", tx.ID, b.Number))
				}
			}
		}
	}
	for _, r := range receipts {
		id := fmt.Sprintf("%x", r.ID)
		if got, want := where[id], fmt.Sprintf("%s in block %d", r.Transaction, r.Block); len(got) != 1 || got[0] != want {
			h.t.Errorf("operation %s: receipt says %s, ledger has %v", id, want, got)
		}
	}
}

func TestManyOperationsOfManyActors(t *testing.T) {
	h := start(t, func(c *submit.Config) { c.Batch = 50 })
	var people []*submittest.Person
	var create []string
	for i := range 20 {
		p := submittest.NewPerson(fmt.Sprint("person", i))
		people, create = append(people, p), append(create, p.Create())
	}
	var receipts []submit.Receipt
	for _, ticket := range h.submit(create...) {
		receipts = append(receipts, h.wait(ticket))
	}
	var jws []string
	for i := range 600 {
		text, _ := people[i%len(people)].Record(fmt.Sprint("record", i))
		jws = append(jws, text)
	}
	for _, ticket := range h.submit(jws...) {
		receipts = append(receipts, h.wait(ticket))
	}
	h.check(receipts)
	if s := h.s.Status(); s.Pending != 0 || s.InFlight != 0 || s.Done != 622 || s.Batches > 60 {
		t.Errorf("status %+v", s)
	}
}

// GW-4
func TestOrderWithinAnActor(t *testing.T) {
	h := start(t, func(c *submit.Config) { c.Batch = 7 })
	// Each payment empties what the one before it left: any other order fails.
	var jws []string
	for i := range 40 {
		jws = append(jws, h.alice.Pay(int64(25_000-i), h.bob))
	}
	jws = append(jws, h.alice.Pay(40*25_000, h.bob))
	tickets := h.submit(jws...)
	last := uint64(0)
	for i, ticket := range tickets {
		r := h.wait(ticket)
		if i < 40 && r.State != submit.Done || i == 40 && r.Code != fault.InsufficientFunds || r.Block < last {
			t.Errorf("payment %d: %+v after block %d", i, r, last)
		}
		last = r.Block
	}
}

// GW-1
func TestFaults(t *testing.T) {
	tests := []struct {
		name   string
		faults []submittest.Fault
	}{
		{"unendorsed", []submittest.Fault{submittest.Unendorsed, submittest.Unendorsed}},
		{"refused", []submittest.Fault{submittest.Refused, submittest.Refused, submittest.Refused}},
		{"conflict", []submittest.Fault{submittest.Conflict, submittest.Conflict, submittest.Conflict}},
		{"unknown, stored", []submittest.Fault{submittest.UnknownStored, submittest.UnknownStored}},
		{"unknown, lost", []submittest.Fault{submittest.UnknownLost, submittest.UnknownLost}},
		{"lost silently", []submittest.Fault{submittest.SilentLost}},
		{"no answer, stored", []submittest.Fault{submittest.Mute, submittest.Mute}},
		{"no answer, lost", []submittest.Fault{submittest.MuteLost}},
		{"dropped once", []submittest.Fault{submittest.Dropped, submittest.Dropped}},
		{"slow", []submittest.Fault{submittest.Slow, submittest.Slow}},
		{"rejected", []submittest.Fault{submittest.Rejected, submittest.Rejected, submittest.Rejected}},
		{"rejected by some, lost", []submittest.Fault{submittest.RejectedLost, submittest.RejectedLost}},
		{"rejected by some, stored", []submittest.Fault{submittest.RejectedStored, submittest.RejectedStored}},
		{"stored twice", []submittest.Fault{submittest.Twice, submittest.Twice, submittest.Twice}},
		{"all", []submittest.Fault{
			submittest.Conflict, submittest.UnknownLost, submittest.Unendorsed, submittest.UnknownStored, submittest.SilentLost, submittest.Refused, submittest.Conflict,
		}},
	}
	for _, tt := range tests {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/restart=%v", tt.name, restart), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := start(t, func(c *submit.Config) { c.Batch, c.Timeout = 20, 300*time.Millisecond })
					h.ledger.Inject(tt.faults...)
					var jws []string
					for i := range 50 {
						text, _ := h.alice.Record(fmt.Sprint("a", i))
						jws = append(jws, text, h.bob.Pay(int64(1+i), h.alice))
					}
					tickets := h.submit(jws...)
					if restart {
						// As kill -9 would leave it: the journal, and nothing else.
						if err := h.s.Close(); err != nil {
							t.Fatal(err)
						}
						h.open()
						tickets = h.submit(jws...)
					}
					var receipts []submit.Receipt
					for _, ticket := range tickets {
						r := h.wait(ticket)
						if r.State != submit.Done || r.Repeated != restart && restart {
							t.Fatalf("receipt %+v", r)
						}
						receipts = append(receipts, r)
					}
					h.check(receipts)
					for i, r := range receipts[2:] { // alice and bob in turn (GW-4)
						if before := receipts[i]; r.Block < before.Block {
							t.Errorf("operation %d is in block %d, the one before it in block %d", i+2, r.Block, before.Block)
						}
					}
					answer, err := h.ledger.Evaluate(context.Background(), "reward:Balance", []byte(`{"did":"`+h.bob.DID+`","asset":"usd"}`))
					if err != nil || !strings.Contains(string(answer), `"balance":"998725"`) {
						t.Errorf("balance %s %v", answer, err)
					}
				})
			})
		}
	}
}

// Anybody may put void transactions with ids of ours into a block.
func TestCopiedTransactionID(t *testing.T) {
	h := start(t)
	h.ledger.Inject(submittest.Copied, submittest.Copied, submittest.Copied)
	var receipts []submit.Receipt
	for i := range 5 {
		r := h.want(h.alice.Pay(int64(1+i), h.bob), submit.Done, fault.OK)
		receipts = append(receipts, r)
	}
	h.check(receipts)
	if s := h.s.Status(); s.InFlight < 0 || s.Pending != 0 {
		t.Errorf("status %+v", s)
	}
}

// One operation that spoils every batch is found by halving; it holds up its own
// actor only, and ends when it can be executed, or when the refusal is about it.
func TestSpoiledBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		var jws []string
		var bobs []string
		for i := range 60 {
			a, _ := h.alice.Record(fmt.Sprint("alice", i))
			b, _ := h.bob.Record(fmt.Sprint("bob", i))
			jws, bobs = append(jws, a), append(bobs, b)
		}
		h.ledger.Spoil(jws[30], fault.New(fault.Internal, "organisations differ"))
		tickets := h.submit(append(jws[:60:60], bobs...)...)
		for i, ticket := range tickets {
			if i < 30 || i >= 60 {
				if r := h.wait(ticket); r.State != submit.Done {
					t.Errorf("%d: %+v", i, r)
				}
			}
		}
		if r, err := h.s.Lookup(h.id(tickets[30])); err != nil || r.State != submit.Pending {
			t.Errorf("the operation that spoils: %+v %v", r, err)
		}
		h.ledger.Spoil(jws[30], fault.New(fault.WrongArguments, "it is this one"))
		if r := h.wait(tickets[30]); r.State != submit.Refused || r.Code != fault.WrongArguments || r.Transaction != "" {
			t.Errorf("refused as a whole batch: %+v", r)
		}
		for _, ticket := range tickets[31:60] {
			if r := h.wait(ticket); r.State != submit.Done {
				t.Errorf("after it: %+v", r)
			}
		}
		// Nothing about it is on the ledger, so the same bytes may come again.
		h.ledger.Spoil(jws[30], nil)
		h.want(jws[30], submit.Done, fault.OK)
	})
}

// id returns the id of an operation that may be pending.
func (h *harness) id(ticket *submit.Ticket) [32]byte {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ticket.Wait(ctx).ID
}
