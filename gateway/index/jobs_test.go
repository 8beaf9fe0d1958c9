package index_test

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/index"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// working is a ledger on which jobs are done, in blocks.
type working struct {
	*world
	*opstest.Jobs
	opened []string         // in their order
	cheat  ledger.Reference // the job whose deposit a second quote took an epoch after the settlement
	both   []string         // those whose deposit a settlement and a second quote took at once
}

func startJobs(t *testing.T) *working {
	t.Helper()
	scene := opstest.New(t)
	scene.Now = uint64(time.Now().Unix())
	w := &working{Jobs: opstest.NewJobsOn(scene, 1)}
	w.Register()
	w.world = &world{Ledger: submittest.NewOn(w.Store), t: t}
	scene.Through = func(caller ledger.Caller, name string, args [][]byte) error {
		_, err := w.InvokeAs(caller, name, args...)
		store := new(ledger.Memory)
		for _, e := range w.State() {
			err = errors.Join(err, store.Put(e.Key, e.Value))
		}
		w.Store = store
		return err
	}
	return w
}

func (w *working) begin(nonce string) ledger.Reference {
	ref := w.Open(nonce)
	w.opened = append(w.opened, ref.String())
	return ref
}

// held are the jobs that a question is about, by the ledger's own word.
func (w *working) held(q index.Jobs) (refs []string) {
	for _, ref := range w.opened {
		var j attest.JobView
		w.Read("attest:Job", attest.JobQuery{Job: ref}, &j)
		var r attest.RoundView
		w.Read("attest:Round", attest.RoundQuery{Job: ref}, &r)
		if (q.Consumer == "" || j.Consumer == q.Consumer) && (q.Operator == "" || r.Operator == q.Operator) && (q.Phase == "" || j.Phase == q.Phase) {
			refs = append(refs, ref)
		}
	}
	return refs
}

func jobs(t *testing.T, x *index.Index, size int, q index.Jobs, between ...func()) (refs []string) {
	t.Helper()
	for _, j := range walk(t, size, func(p index.Paging) (*index.Page[index.Job], error) {
		q.Paging = p
		return x.Jobs(t.Context(), q)
	}, between...) {
		refs = append(refs, j.JobView.Job)
	}
	return refs
}

// Jobs are listed by consumer, operator and phase as the ledger has them, in pages that
// stay as they are while jobs are opened and go on. (IX-1, IX-2)
func TestJobs(t *testing.T) {
	w := startJobs(t)
	x := w.index()
	questions := []index.Jobs{{Consumer: w.Consumer.DID}, {Operator: w.Operator.DID}, {Consumer: w.Operator.DID}, {Operator: w.Consumer.DID}}
	for p := attest.Opened; p <= attest.Closed; p++ {
		questions = append(questions, index.Jobs{Phase: p.String()}, index.Jobs{Phase: p.String(), Consumer: w.Consumer.DID},
			index.Jobs{Phase: p.String(), Operator: w.Operator.DID}, index.Jobs{Phase: p.String(), Operator: w.Operator.DID, Consumer: w.Consumer.DID})
	}
	check := func(what string) {
		t.Helper()
		w.reach(x)
		for _, q := range questions {
			for _, size := range []int{1, 100} {
				if got, want := jobs(t, x, size, q), w.held(q); !slices.Equal(got, want) {
					t.Errorf("%s, %+v: %v, want %v", what, q, got, want)
				}
			}
		}
	}
	running, cancelled, accepted := w.begin("running"), w.begin("cancelled"), w.begin("accepted")
	check("opened")
	w.Do(w.Consumer, &ops.AttestCancel{Job: cancelled.String()}, "")
	w.Accept(accepted)
	w.Accept(running)
	check("accepted")
	w.Show(running)
	check("shown")
	w.Jobs.Draw(running)
	w.Step(running)
	w.begin("fresh")
	check("committing")
	w.Vote(running, attest.Valid, attest.Valid, attest.Valid, attest.Valid)
	w.Close(running)
	w.Step(accepted)
	check("closed")

	page, err := x.Jobs(t.Context(), index.Jobs{Operator: w.Operator.DID})
	if err != nil || len(page.Items) != 2 {
		t.Fatalf("%v %v", page, err)
	}
	var want attest.JobView
	w.Read("attest:Job", attest.JobQuery{Job: running.String()}, &want)
	if got := page.Items[0]; fmt.Sprint(*got.JobView) != fmt.Sprint(want) || got.Operator != w.Operator.DID || got.Time == 0 {
		t.Errorf("%+v, want %+v", got, want)
	}

	before := slices.Clone(w.opened)
	n := 0
	got := jobs(t, x, 1, index.Jobs{Consumer: w.Consumer.DID}, func() {
		if n++; n == 1 {
			w.begin("between")
			w.reach(x)
		}
	})
	if !slices.Equal(got, append(before, w.opened[len(w.opened)-1])) {
		t.Errorf("under writes %v, want %v and the new one", got, before)
	}
	for what, c := range map[string]struct {
		q    index.Jobs
		code fault.Code
	}{
		"nothing":  {index.Jobs{}, fault.MissingField},
		"no phase": {index.Jobs{Phase: "unknown"}, fault.InvalidValue},
		"no DID":   {index.Jobs{Consumer: "x", Phase: "open"}, fault.InvalidValue},
		"a page":   {index.Jobs{Phase: "open", Paging: index.Paging{Token: "x"}}, fault.InvalidValue},
	} {
		if _, err := x.Jobs(t.Context(), c.q); fault.Of(err) != c.code {
			t.Errorf("%s: %v, want %v", what, err, c.code)
		}
	}
}

// A file from before jobs were indexed has none of those that were opened then: it is made
// anew. (IX-3)
func TestFileFromBeforeJobs(t *testing.T) {
	w := startJobs(t)
	ref := w.begin("old")
	file := filepath.Join(t.TempDir(), "index")
	x := w.open(file, w.Ledger)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+file)
	if err == nil {
		_, err = db.Exec(`DROP TABLE jobs; UPDATE meta SET value = '1' WHERE key = 'format'`)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	x, err = index.Open(index.Config{File: file, Network: submittest.Network, Ledger: w.Ledger, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	w.reach(x)
	if got := jobs(t, x, 10, index.Jobs{Phase: "open"}); !slices.Equal(got, []string{ref.String()}) {
		t.Errorf("%v, want %v", got, ref)
	}
}
