// Package reconcile compares, operation by operation, what clients signed and were
// told, what the gateways' journals say, and what the ledger holds. It is pure: it
// reads nothing but its arguments.
package reconcile

import (
	"fmt"
	"slices"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/scripts/observe"
)

// Op is an operation that a client signed.
type Op struct {
	ID     string   // 64 hex digits
	Digest [32]byte // SHA-256 of the JWS
	By     string   // kind of the client
	// Want are the codes that are right for it; empty: any.
	Want []fault.Code
	// Race names a group of operations of which exactly one may be done.
	Race string
	Told []Told // receipts, in their order
	// Looked is what gateways said when they were asked afterwards about an operation
	// without a receipt.
	Looked []Told
}

// Told is a receipt.
type Told struct {
	Gateway string
	State   string // done or refused
	observe.Result
}

// String renders the receipt.
func (t Told) String() string {
	return fmt.Sprintf("%s said %s, %s", t.Gateway, t.State, result(t.Result))
}

func result(r observe.Result) string {
	if r.Tx == "" {
		return r.Code.String() + " without a transaction"
	}
	return fmt.Sprintf("%s in transaction %s of block %d", r.Code, r.Tx, r.Block)
}

// Ledger is the results on the ledger by operation id.
type Ledger map[string][]observe.Result

// Difference is something that is not equal.
type Difference struct {
	Op    string   // id; empty when it is about none
	What  string   // is wrong
	Sides []string // what each side says
}

// Counts are how many operations there were of each kind.
type Counts struct {
	Signed               int
	ToldDone             int
	ToldRefused          int // by the ledger
	ToldExpired          int // by the ledger or the gateway: a refusal that leaves nothing on the ledger
	Contradicted         int // receipts that are not what the ledger holds
	UntoldDone           int // done, and no client has a receipt
	UntoldRefused        int
	UntoldExpired        int // a journal says that it was refused, the ledger has nothing
	NeverArrived         int // no journal and no block knows it
	Receipts             int
	Results              int            // on the ledger
	Submissions, Entries map[string]int // of each gateway's journal: what it took, results that it knows
}

// leavesNothing says whether a refusal with the code leaves no result on the ledger
// (package fault lists them so).
func leavesNothing(c fault.Code) bool { return c >= 1 && c < 30 }

// Compare finds every difference. Operations of one race, and what their codes may
// be, are checked against the ledger.
func Compare(ops []*Op, ledger Ledger, journals []*observe.Journal) (Counts, []Difference) {
	c := comparison{ledger: ledger, counts: Counts{
		Signed: len(ops), Results: len(ledger), Submissions: map[string]int{}, Entries: map[string]int{},
	}}
	signed := make(map[string]bool, len(ops))
	digests := make(map[[32]byte]*Op, len(ops))
	races := map[string][]*Op{}
	for _, op := range ops {
		if signed[op.ID] {
			c.differ(op.ID, "two operations have the same id")
		}
		signed[op.ID], digests[op.Digest] = true, op
		if op.Race != "" {
			races[op.Race] = append(races[op.Race], op)
		}
		c.op(op, journals)
	}
	for id, results := range ledger {
		if !signed[id] {
			c.differ(id, "the ledger has a result of an operation that no client signed", result(results[0]))
		}
	}
	for _, j := range journals {
		c.journal(j, digests)
	}
	for name, rivals := range races {
		c.race(name, rivals)
	}
	slices.SortFunc(c.found, func(a, b Difference) int {
		return slices.Compare([]string{a.What, a.Op}, []string{b.What, b.Op})
	})
	return c.counts, c.found
}

type comparison struct {
	ledger Ledger
	counts Counts
	found  []Difference
}

func (c *comparison) differ(op, what string, sides ...string) {
	c.found = append(c.found, Difference{op, what, sides})
}

// op compares one operation's receipts with the ledger.
func (c *comparison) op(op *Op, journals []*observe.Journal) {
	results := c.ledger[op.ID]
	var sides []string
	for _, t := range slices.Concat(op.Told, op.Looked) {
		sides = append(sides, t.String())
	}
	for _, r := range results {
		sides = append(sides, "the ledger says "+result(r))
	}
	if len(results) == 0 {
		sides = append(sides, "the ledger has no result")
	}
	if len(results) > 1 {
		c.differ(op.ID, "more than one result", sides...)
		return
	}
	for _, t := range op.Told {
		c.counts.Receipts++
		if wrong := contradicts(t, results); wrong != "" {
			c.counts.Contradicted++
			c.differ(op.ID, "a receipt of a "+op.By+" client: "+wrong, sides...)
			break
		}
	}
	for _, t := range op.Looked {
		if wrong := contradicts(t, results); wrong != "" {
			c.differ(op.ID, "a look-up: "+wrong, sides...)
			break
		}
	}
	code, known := c.count(op, results, journals)
	if known && len(op.Want) > 0 && !slices.Contains(op.Want, code) {
		c.differ(op.ID, fmt.Sprintf("an operation of a %s client ended with %s, which cannot be right", op.By, code), sides...)
	}
}

// contradicts says what of a receipt is not what the ledger holds.
func contradicts(t Told, results []observe.Result) string {
	switch {
	case t.State != "done" && t.State != "refused", (t.State == "done") != (t.Code == fault.OK):
		return "state and code do not belong together"
	case len(results) == 0 && leavesNothing(t.Code):
		return ""
	case len(results) == 0:
		return "the ledger has no result"
	case t.Result != results[0]:
		return "the ledger has another result"
	}
	return ""
}

// count sorts the operation into its class, and returns how it ended, if it did.
func (c *comparison) count(op *Op, results []observe.Result, journals []*observe.Journal) (code fault.Code, known bool) {
	n := &c.counts
	told := len(op.Told) > 0
	add := func(whenTold, untold *int) {
		if told {
			*whenTold++
		} else {
			*untold++
		}
	}
	switch {
	case len(results) > 0 && results[0].Code == fault.OK:
		add(&n.ToldDone, &n.UntoldDone)
		return fault.OK, true
	case len(results) > 0:
		add(&n.ToldRefused, &n.UntoldRefused)
		return results[0].Code, true
	case told:
		n.ToldExpired++
		return op.Told[0].Code, true
	}
	for _, j := range journals {
		if s, ok := j.Submissions[op.Digest]; ok {
			n.UntoldExpired++
			return s.Code, s.Final
		}
	}
	n.NeverArrived++
	return 0, false
}

// journal compares a journal with the ledger: each submission, and each result.
func (c *comparison) journal(j *observe.Journal, digests map[[32]byte]*Op) {
	c.counts.Submissions[j.Gateway] = len(j.Submissions)
	if j.Open > 0 || len(j.UnderWay) > 0 {
		c.differ("", fmt.Sprintf("the journal of %s holds %d open operations, and transactions under way: %v", j.Gateway, j.Open, j.UnderWay))
	}
	for digest, s := range j.Submissions {
		op := digests[digest]
		if op == nil {
			c.differ("", fmt.Sprintf("the journal of %s holds a submission that no client signed: %x", j.Gateway, digest))
			continue
		}
		if !s.Final {
			c.differ(op.ID, "the journal of "+j.Gateway+" has no outcome")
			continue
		}
		c.entry(j.Gateway, "submission", op.ID, s)
	}
	for id, o := range j.Results {
		if o.Standing {
			c.counts.Entries[j.Gateway]++
		}
		c.entry(j.Gateway, "result", id, o)
	}
	for id, results := range c.ledger {
		if _, ok := j.Results[id]; !ok {
			c.differ(id, "the journal of "+j.Gateway+" does not know a result of the ledger", result(results[0]))
		}
	}
}

// entry compares what a journal says of an operation with the ledger.
func (c *comparison) entry(gateway, what, id string, o observe.Outcome) {
	results := c.ledger[id]
	switch {
	case len(results) == 0 && !o.Standing && leavesNothing(o.Code):
	case len(results) == 0:
		c.differ(id, "the journal of "+gateway+" has a "+what+" that is not on the ledger", "the journal says "+result(o.Result))
	case o.Result != results[0] || !o.Standing:
		c.differ(id, "the journal of "+gateway+" has another "+what+" than the ledger", "the journal says "+result(o.Result), "the ledger says "+result(results[0]))
	}
}

// race wants exactly one of rivals to be done, if any of them was executed.
func (c *comparison) race(name string, rivals []*Op) {
	done, ended := 0, 0
	var sides []string
	for _, op := range rivals {
		results := c.ledger[op.ID]
		if len(results) == 0 {
			continue
		}
		ended++
		if results[0].Code == fault.OK {
			done++
		}
		sides = append(sides, op.ID+": "+result(results[0]))
	}
	if ended > 0 && done != 1 {
		slices.Sort(sides)
		c.differ("", fmt.Sprintf("of the rivals %s %d are done, want exactly one", name, done), sides...)
	}
}
