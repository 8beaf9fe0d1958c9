package index_test

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
	"github.com/killick-ledger/killick/gateway/index"
	"github.com/killick-ledger/killick/gateway/submit"
)

// whole is a ledger whose first block writes what it began with.
type whole struct {
	index.Blocks
	first submit.Block
}

func (w *working) whole() *whole {
	tx := submit.Committed{ID: strings.Repeat("0", 64), Valid: true, Time: w.Now}
	for _, e := range w.Jobs.Store.Entries() {
		tx.Writes = append(tx.Writes, submit.Write{Key: e.Key, Value: e.Value})
	}
	return &whole{w.world.Ledger, submit.Block{Transactions: []submit.Committed{tx}}}
}

func (l *whole) all() index.Blocks { return wholeBlocks{l} }

type wholeBlocks struct{ *whole }

func (l wholeBlocks) Blocks(ctx context.Context, from uint64) iter.Seq2[submit.Block, error] {
	return func(yield func(submit.Block, error) bool) {
		for b, err := range l.whole.Blocks.Blocks(ctx, from) {
			if err == nil && b.Number == 0 {
				b = l.first
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

func statement(t *testing.T, x *index.Index, u *opstest.User, size int) (lines []index.Line, totals index.Totals) {
	t.Helper()
	q := index.Statement{DID: u.DID, Asset: "usd", Paging: index.Paging{Size: size}}
	for {
		page, err := x.Statement(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		lines, totals = append(lines, page.Items...), page.Totals
		if q.Token = page.Next; q.Token == "" {
			return lines, totals
		}
	}
}

// everyone are all whose money moves.
func (w *working) everyone() []*opstest.User {
	return append(append([]*opstest.User{w.Consumer, w.Operator, w.Treasury, w.Residue}, w.Owners...), w.Verifiers...)
}

// adds checks every account: each line follows from the one before, the last is what the
// page says of the whole, and that is what the ledger says.
func (w *working) adds(x *index.Index, what string) {
	w.world.t.Helper()
	t := w.world.t.(*testing.T)
	w.reach(x)
	for _, u := range w.everyone() {
		lines, totals := statement(t, x, u, 7)
		var at index.Totals
		for i, l := range lines {
			if l.Kind == "unexplained" {
				t.Errorf("%s: %s: line %d is not explained: %+v", what, u.DID, i, l)
			}
			move(t, &at, &l)
			if at != l.After {
				t.Fatalf("%s: %s: after line %d %+v, want %+v", what, u.DID, i, l.After, at)
			}
		}
		if at != totals {
			t.Errorf("%s: %s: lines come to %+v, the account to %+v", what, u.DID, at, totals)
		}
		b := w.Jobs.Balance(u)
		if totals.Balance != (reward.Sum{Lo: uint64(b.Balance)}) || totals.Pending != b.Pending || totals.Due != b.Due || totals.Assigned != (reward.Sum{Lo: uint64(b.Assigned)}) {
			t.Errorf("%s: %s: %+v, the ledger has %+v", what, u.DID, totals, b)
		}
	}
}

func move(t *testing.T, at *index.Totals, l *index.Line) {
	t.Helper()
	places := map[string]*reward.Sum{"balance": &at.Balance, "held": &at.Held, "pending": &at.Pending, "due": &at.Due, "assigned": &at.Assigned}
	if from := places[l.From]; from != nil {
		rest, err := from.Less(l.Amount)
		if err != nil {
			t.Fatalf("%+v takes more than is there", l)
		}
		*from = rest
	}
	if to := places[l.To]; to != nil {
		*to = to.Add(l.Amount)
	}
}

// fold cuts the epoch and folds it to its end.
func (w *working) fold() {
	w.Jobs.Now += 61
	head := w.Head()
	w.Checkpoint(head.Size+1, max(head.Time+61, w.Jobs.Now))
	w.Must(w.Members[0].Caller(), "reward:Cut", nil)
	for {
		if _, err := w.Jobs.Invoke(w.Members[0].Caller(), "reward:Fold", nil); err != nil {
			return
		}
	}
}

// money moves money in every way there is.
func (w *working) money(after func(what string)) {
	platform, old := w.Platform, simulated.Default(tee.SGX, "jobs", w.Jobs.Now)
	old.Components = [16]uint8{5, 5, 2, 2, 4, 1, 0, 5}
	w.Emission(1000)
	after("an emission begins")
	good := w.ToCommit("good")
	after("a job runs")
	w.Vote(good, attest.Valid, attest.Valid, attest.Valid, attest.Invalid)
	w.Close(good)
	after("a job is done")
	w.Wait(good)
	w.Must(ledger.Caller{MSP: "Org2MSP", Role: "client"}, "reward:Return", reward.HoldQuery{Hold: w.Jobs.Round(good).Accepted})
	after("a deposit is back")
	cheat := w.ToCommit("two outputs")
	w.Vote(cheat, attest.Valid, attest.Valid, attest.Valid, attest.Valid)
	w.Close(cheat)
	after("a job is done")
	w.fold()
	w.cheat = cheat
	w.Do(w.Consumer, w.EvidenceBody(cheat, w.Platform, opstest.OutputOf("two")), "")
	after("its deposit is taken")
	w.both = []string{w.closeAndTake("out of date", simulated.New(old), attest.Invalid), w.closeAndTake("up to date", platform, attest.Valid)}
	after("deposits are settled and taken, in one transaction each")
	cancelled := w.Open("cancelled")
	w.Do(w.Consumer, &ops.AttestCancel{Job: cancelled.String()}, "")
	after("a job is cancelled")
	late := w.Open("late")
	w.Accept(late)
	w.Tick(100)
	w.Step(late)
	w.Close(late)
	after("a job has no evidence")
	w.Must(ledger.Caller{MSP: "Org2MSP", Role: "client"}, "reward:Return", reward.HoldQuery{Hold: late.String()})
	w.Do(w.Consumer, opstest.Pay("usd", w.Owners[0], 700, w.Operator, 30), "")
	w.Do(w.Operator, &ops.RewardWithdraw{Asset: "usd", Amount: 11}, "")
	owner := w.Owners[0]
	w.Do(owner, w.LinkNow(owner, "eip155:1337"), w.Prior(owner))
	w.Do(owner, &ops.DIDPrefer{Payout: owner.Account("eip155:1337").String()}, "")
	after("a payment and a withdrawal")
	for _, m := range w.Members {
		w.Must(m.Caller(), "reward:Reserve", reward.Reserve{Vault: opstest.EVMVault, Funded: 100_000})
	}
	w.fold()
	after("an epoch is folded")
	head := w.Head()
	w.Checkpoint(head.Size+1, head.Time+86_400)
	for range 2 { // the day ends, and is shared out
		w.Must(w.Members[0].Caller(), "reward:Emit", nil)
	}
	after("a day's pool is shared out")
	w.Do(w.Consumer, opstest.Pay("usd", w.Owners[0], 5), "")
	w.fold()
	after("another epoch is folded")
}

// closeAndTake closes a job and takes with a second quote what that leaves of the deposit, in
// one transaction: of a platform that is out of date a part, of another all.
func (w *working) closeAndTake(nonce string, platform *simulated.Platform, ballot attest.Verdict) string {
	w.world.t.Helper()
	good := w.Platform
	w.Platform = platform
	job := w.ToCommit(nonce)
	w.Platform = good
	w.Vote(job, ballot, ballot, ballot, ballot)
	end, _ := w.Sign(w.Consumer, &ops.AttestClose{Job: job.String()}, "")
	quote, _ := w.Sign(w.Consumer, w.EvidenceBody(job, w.Platform, opstest.OutputOf("two")), "")
	if got := w.Batch(end, quote); !bytes.Equal(got, []byte{0, 0}) {
		w.world.t.Fatalf("%v", got)
	}
	return job.String()
}

// apart looks that what a settlement took and what a second quote took are lines of their
// own, each with its own reason, also where one transaction did both.
func (w *working) apart(t *testing.T, x *index.Index) {
	t.Helper()
	charged, credited := map[string]uint64{}, map[string]uint64{}
	late, found := w.Jobs.Round(w.cheat).Late, 0
	for _, u := range w.everyone() {
		lines, _ := statement(t, x, u, 1000)
		for _, l := range lines {
			if l.Job == w.cheat.String() && l.Reason == "two_outputs" {
				found++
				if l.Epoch != late.Epoch || l.Policy == 0 || l.Kind == "job" && (l.Operation != late.Evidence.By || l.Other != w.Operator.DID) {
					t.Errorf("%+v of %+v", l, late)
				}
			}
			why := l.Job + l.Source + " " + l.Verdict + " " + l.Reason
			switch {
			case !slices.Contains(w.both, l.Job) || l.Amount == (reward.Sum{}):
			case l.Kind == "charged":
				charged[why] += l.Amount.Lo
			case l.Kind == "job":
				credited[why] += l.Amount.Lo
			}
		}
	}
	if late.Epoch == w.Settlement(w.cheat).Epoch || found != 2 || len(credited) != 4 || !maps.Equal(charged, credited) {
		t.Errorf("%d lines, charged %v, credited %v", found, charged, credited)
	}
}

// An account's statement says what moved its money, in an order and with totals that add
// up to what the ledger has, at every block and in pages of any size; made anew it is the
// same to the byte, and what an audit reads is what the ledger has. (IX-5, IX-6)
func TestStatements(t *testing.T) {
	w := startJobs(t)
	blocks := w.whole().all()
	x := w.open(filepath.Join(t.TempDir(), "index"), blocks)
	w.adds(x, "at first")
	w.money(func(what string) { w.adds(x, what) })

	anew := w.open(filepath.Join(t.TempDir(), "anew"), blocks)
	for _, u := range w.everyone() {
		for _, size := range []int{1, 3, 1000} {
			first, _ := statement(t, x, u, size)
			again, _ := statement(t, anew, u, 1000)
			a, err := json.Marshal(first)
			b, err2 := json.Marshal(again)
			if err != nil || err2 != nil || !bytes.Equal(a, b) {
				t.Errorf("%s: made anew it is another", u.DID)
			}
		}
	}
	w.reasons(t, x)
	w.apart(t, x)
	w.audited(t, x)
}

// reasons looks that people see why they were paid.
func (w *working) reasons(t *testing.T, x *index.Index) {
	t.Helper()
	kinds := map[string]int{}
	for _, u := range w.everyone() {
		lines, _ := statement(t, x, u, 1000)
		for _, l := range lines {
			kinds[l.Kind+" "+l.Role+" "+l.Fate+" "+l.Verdict]++
			switch {
			case l.Kind == "job" && (l.Job == "" || l.Role == "" || l.Verdict == "" || l.Policy == 0 || l.Source == ""),
				l.Role == "owner" && (l.Grant == "" || l.Record == "" || l.Version == 0),
				l.Transaction == "" || l.Time == 0 && l.Block > 0:
				t.Errorf("%s: %+v does not say why", u.DID, l)
			}
		}
	}
	for _, want := range []string{
		"funded   ", "job owner  valid", "job verifier right valid", "job verifier wrong valid", "job operator  valid", "job treasury  valid", "job residue  valid",
		"job owner  expired", "set aside   ", "charged   valid", "charged   expired", "refunded   valid", "refunded   cancelled", "refunded   expired",
		"charged   malicious", "job forfeit  malicious",
		"paid   ", "received   ", "withdrawn   ", "folded   ", "assigned   ", "emission   ",
	} {
		if kinds[want] == 0 {
			t.Errorf("no line of %q in %v", want, kinds)
		}
	}
}

// audited audits the ledger of money as the index has it.
func (w *working) audited(t *testing.T, x *index.Index) {
	t.Helper()
	block, entries, end, err := x.Money(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	w.Do(w.Consumer, opstest.Pay("usd", w.Owners[0], 1), "") // what is read stays of one block
	w.reach(x)
	store, n := new(ledger.Memory), 0
	for e, err := range entries {
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Put(e.Key, e.Value); err != nil {
			t.Fatal(err)
		}
		n++
	}
	if want := uint64(len(w.Chain())) - 2; block != want || n == 0 {
		t.Errorf("%d entries of block %d, want %d", n, block, want)
	}
	var network govern.Network
	value, err := store.Get(govern.NetworkKey)
	if err == nil {
		err = json.Unmarshal(value, &network)
	}
	if err != nil {
		t.Fatal(err)
	}
	report := reward.Examine(ledger.Begin(store, 0, ledger.Caller{}), &network)
	jobs := attest.Examine(ledger.Begin(store, 0, ledger.Caller{}))
	if len(report.Broken) > 0 || len(jobs.Broken) > 0 || len(report.Books) != 1 || jobs.Settlements != 6 || report.Books[0].Funded != report.Books[0].All() {
		t.Errorf("%+v %+v", report, jobs)
	}
}
