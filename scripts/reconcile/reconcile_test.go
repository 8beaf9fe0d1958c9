package reconcile_test

import (
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/scripts/observe"
	"github.com/killick-ledger/killick/scripts/reconcile"
)

// books are three sides that agree: one operation done, one refused, one expired,
// one done without a receipt, one that never arrived, and two rivals.
type books struct {
	ops     []*reconcile.Op
	ledger  reconcile.Ledger
	journal *observe.Journal
}

func agreeing() *books {
	b := &books{ledger: reconcile.Ledger{}, journal: &observe.Journal{
		Gateway: "g", Submissions: map[[32]byte]observe.Outcome{}, Results: map[string]observe.Outcome{},
	}}
	add := func(id byte, state string, r observe.Result, race string) {
		op := &reconcile.Op{ID: string('a' + rune(id)), Digest: [32]byte{id}, By: "single", Race: race, Want: []fault.Code{r.Code}}
		standing := r.Tx != ""
		if state != "" {
			op.Told = []reconcile.Told{{Gateway: "g", State: state, Result: r}}
		}
		if standing {
			b.ledger[op.ID] = []observe.Result{r}
		}
		b.journal.Submissions[op.Digest] = observe.Outcome{Result: r, Final: true, Standing: standing}
		b.journal.Results[op.ID] = observe.Outcome{Result: r, Final: true, Standing: standing}
		b.ops = append(b.ops, op)
	}
	add(0, "done", observe.Result{Code: fault.OK, Tx: "t1", Block: 1}, "")
	add(1, "refused", observe.Result{Code: fault.InsufficientFunds, Tx: "t1", Block: 1}, "")
	add(2, "refused", observe.Result{Code: fault.Expired}, "")
	add(3, "", observe.Result{Code: fault.OK, Tx: "t2", Block: 2}, "")
	add(4, "done", observe.Result{Code: fault.OK, Tx: "t3", Block: 3}, "r")
	add(5, "refused", observe.Result{Code: fault.StalePrior, Tx: "t4", Block: 4}, "r")
	b.ops = append(b.ops, &reconcile.Op{ID: "z", Digest: [32]byte{99}, Want: []fault.Code{fault.OK}})
	return b
}

func TestEqual(t *testing.T) {
	b := agreeing()
	counts, found := reconcile.Compare(b.ops, b.ledger, []*observe.Journal{b.journal})
	if len(found) > 0 {
		t.Errorf("%+v", found)
	}
	if counts.Signed != 7 || counts.ToldDone != 2 || counts.ToldRefused != 2 || counts.ToldExpired != 1 || counts.UntoldDone != 1 ||
		counts.NeverArrived != 1 || counts.Results != 5 || counts.Receipts != 5 || counts.Submissions["g"] != 6 || counts.Entries["g"] != 5 {
		t.Errorf("%+v", counts)
	}
}

func TestEveryDifferenceIsFound(t *testing.T) {
	other := observe.Result{Code: fault.OK, Tx: "t9", Block: 9}
	for _, test := range []struct {
		name, want string
		change     func(*books)
	}{
		{"executed twice", "more than one result", func(b *books) { b.ledger["a"] = append(b.ledger["a"], other) }},
		{"receipt of another transaction", "another result", func(b *books) { b.ops[0].Told[0].Tx = "t9" }},
		{"receipt of another block", "another result", func(b *books) { b.ops[0].Told[0].Block = 7 }},
		{"second receipt differs", "another result", func(b *books) {
			b.ops[0].Told = append(b.ops[0].Told, reconcile.Told{Gateway: "h", State: "done", Result: other})
		}},
		{"refused on the ledger, told done", "another result", func(b *books) {
			b.ops[1].Told[0].State, b.ops[1].Told[0].Code = "done", fault.OK
		}},
		{"told expired, done on the ledger", "another result", func(b *books) { b.ledger["c"] = []observe.Result{other} }},
		{"told done, not on the ledger", "the ledger has no result", func(b *books) { delete(b.ledger, "a") }},
		{"look-up of another transaction", "a look-up: the ledger has another result", func(b *books) {
			b.ops[3].Looked = []reconcile.Told{{Gateway: "g", State: "done", Result: other}}
		}},
		{"state without its code", "do not belong together", func(b *books) { b.ops[0].Told[0].State = "refused" }},
		{"a code that cannot be", "cannot be right", func(b *books) { b.ops[0].Want = []fault.Code{fault.Deleted} }},
		{"nobody signed it", "no client signed", func(b *books) { b.ledger["x"] = []observe.Result{other} }},
		{"journal has what nobody signed", "no client signed", func(b *books) { b.journal.Submissions[[32]byte{77}] = observe.Outcome{} }},
		{"journal without an outcome", "has no outcome", func(b *books) { b.journal.Submissions[[32]byte{0}] = observe.Outcome{} }},
		{"journal with another transaction", "another submission", func(b *books) {
			b.journal.Submissions[[32]byte{0}] = observe.Outcome{Result: other, Final: true, Standing: true}
		}},
		{"journal misses a result", "does not know a result", func(b *books) { delete(b.journal.Results, "d") }},
		{"journal made up a result", "not on the ledger", func(b *books) { b.journal.Results["q"] = observe.Outcome{Result: other, Final: true, Standing: true} }},
		{"journal believes it undone", "another submission", func(b *books) {
			b.journal.Submissions[[32]byte{0}] = observe.Outcome{Result: observe.Result{Code: fault.Expired}, Final: true}
		}},
		{"something is open", "open operations", func(b *books) { b.journal.Open = 1 }},
		{"something is under way", "under way", func(b *books) { b.journal.UnderWay = []string{"t5"} }},
		{"both rivals done", "2 are done", func(b *books) {
			r := observe.Result{Code: fault.OK, Tx: "t4", Block: 4}
			b.ledger["f"] = []observe.Result{r}
		}},
		{"one id twice", "same id", func(b *books) { b.ops[1].ID = "a" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := agreeing()
			test.change(b)
			_, found := reconcile.Compare(b.ops, b.ledger, []*observe.Journal{b.journal})
			for _, d := range found {
				if strings.Contains(d.What, test.want) {
					return
				}
			}
			t.Errorf("found %+v, want %q", found, test.want)
		})
	}
}
