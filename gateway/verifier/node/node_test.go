package node_test

import (
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
	"github.com/killick-ledger/killick/gateway/verifier/node"
)

// A round from the evidence to the pay: the node finds it, judges, commits, reveals when it
// is time and not before, and is paid for being right.
func TestRound(t *testing.T) {
	w := begin(t, 1)
	n := w.node()
	job := w.accepted("one")
	w.pass(n)
	if n.Tasks() != 0 {
		t.Error("a job without evidence is attended to")
	}
	w.submit(w.jobs.EvidenceBody(job, w.jobs.Platform, hashOf(output)))
	w.pass(n)
	if n.Tasks() != 1 {
		t.Fatalf("%d jobs are attended to: %s", n.Tasks(), w.logged)
	}
	w.jobs.Draw(job)
	w.jobs.Step(job)
	w.pass(n)
	w.pass(n)
	if seat := w.seat(job); seat.Commitment == "" || len(w.gateways[0].submitted) != 1 {
		t.Fatalf("seat %+v after %d submissions: %s", seat, len(w.gateways[0].submitted), w.logged)
	}
	w.jobs.Others(job, func(u *opstest.User) ops.Body { return w.jobs.CommitBody(job, u, attest.Valid) })
	w.toReveal(job)
	w.pass(n)
	w.pass(n)
	if seat := w.seat(job); seat.Ballot != "valid" || len(w.gateways[0].submitted) != 2 {
		t.Fatalf("seat %+v after %d submissions: %s", seat, len(w.gateways[0].submitted), w.logged)
	}
	w.jobs.Others(job, func(u *opstest.User) ops.Body { return w.jobs.RevealBody(job, u, attest.Valid) })
	w.jobs.Close(job)
	w.pass(n)
	if s := n.Status(); s.Ballots[attest.Valid] != 1 || s.Revealed != 1 || s.Following != 0 || s.Errors != 0 {
		t.Errorf("%+v: %s", s, w.logged)
	}
	settled := w.jobs.Settlement(job)
	for _, l := range settled.Lines {
		if l.Who == w.verifier.DID(w.jobs.Name) && (l.Fate != "right" || l.Amount != 100) {
			t.Errorf("%+v", l)
		}
	}
	left, err := filepath.Glob(filepath.Join(w.config.Dir, "*.ballot"))
	done, err2 := filepath.Glob(filepath.Join(w.config.Dir, "done", "*.ballot"))
	if err != nil || err2 != nil || len(left) != 0 || len(done) != 1 {
		t.Errorf("ballots %v and %v", left, done)
	}
}

// The node votes each of the three ways, for what the quote and the output say, and not at
// all where it cannot tell; an error is never a good ballot.
func TestVerdicts(t *testing.T) {
	spec := func(change func(*simulated.Spec)) func(w *world) {
		return func(w *world) {
			s := simulated.Default(tee.SGX, "jobs", w.jobs.Now)
			change(s)
			w.jobs.Platform = simulated.New(s)
		}
	}
	answer := func(code int, text string) func(w *world) {
		return func(w *world) {
			w.deliver = func(rw http.ResponseWriter, _ *http.Request) {
				rw.WriteHeader(code)
				_, _ = rw.Write([]byte(text))
			}
		}
	}
	far := func(f func(w *world)) func(w *world) {
		return func(w *world) {
			f(w)
			w.config.Margin = 1 // nanosecond: the end is far
		}
	}
	for name, c := range map[string]struct {
		before func(w *world)
		after  func(w *world, job string)
		want   string
	}{
		"good":              {want: "valid"},
		"forged chain":      {before: spec(func(s *simulated.Spec) { s.Forge = []tee.Part{tee.InPCK} }), want: "malicious"},
		"another root":      {before: spec(func(s *simulated.Spec) { s.Seed = "somebody" }), want: "malicious"},
		"debug enclave":     {before: spec(func(s *simulated.Spec) { s.SGX.Attributes[0] |= 2 }), want: "malicious"},
		"another program":   {before: spec(func(s *simulated.Spec) { s.SGX.MREnclave[5]++ }), want: "malicious"},
		"other output":      {before: func(w *world) { w.output = "something else" }, want: "invalid"},
		"other output, far": {before: far(func(w *world) { w.output = "something else" })},
		"no output":         {before: answer(http.StatusNotFound, ""), want: "invalid"},
		"gone":              {before: answer(http.StatusGone, ""), want: "invalid"},
		"no output, far":    {before: far(answer(http.StatusNotFound, ""))},
		"server's error":    {before: answer(http.StatusInternalServerError, output)},
		"redirect":          {before: answer(http.StatusFound, output)},
		"large output":      {before: func(w *world) { w.config.MaxOutput = int64(len(output)) - 1 }},
		"largest output":    {before: func(w *world) { w.config.MaxOutput = int64(len(output)) }, want: "valid"},
		"nobody there":      {before: func(w *world) { w.announce("https://127.0.0.1:1") }},
		"not public":        {before: func(w *world) { w.config.Private = false }},
		"unknown CA":        {before: func(w *world) { w.config.OperatorCA = x509.NewCertPool() }},
		"no roots any more": {after: func(w *world, _ string) { w.jobs.Decide("tee/roots", `[]`) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t, 1)
			if c.before != nil {
				c.before(w)
			}
			job := w.toCommit(name)
			if c.after != nil {
				c.after(w, job.String())
			}
			n := w.node()
			w.pass(n)
			if w.deliver != nil && w.seat(job).Commitment != "" {
				t.Error("what the operator may still deliver counts against it")
			}
			w.later = 50 * time.Second // of 100
			w.pass(n)
			w.toReveal(job)
			w.later *= 2 // errors have pauses
			w.pass(n)
			w.pass(n)
			if seat := w.seat(job); seat.Ballot != c.want || (seat.Commitment == "") != (c.want == "") {
				t.Errorf("ballot %q, want %q: %s", seat.Ballot, c.want, w.logged)
			}
			if s := n.Status(); c.want == "" && (s.Errors == 0 || s.Ballots != [4]uint64{}) {
				t.Errorf("%+v", s)
			}
		})
	}
}

// A folder is of one network.
func TestFoldersAreOfOneNetwork(t *testing.T) {
	w := begin(t, 1)
	if err := os.Mkdir(w.config.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.config.Dir, "cursors"), []byte(`{"format":"killick-cursors-1","network":"other-0011223344556677","gateways":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := node.New(w.config); err == nil || !strings.Contains(err.Error(), "other-") {
		t.Errorf("a folder of another network: %v", err)
	}
}
