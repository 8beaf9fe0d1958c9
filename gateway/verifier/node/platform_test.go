package node_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/verifier/node"
)

// platform says of every quote the same.
type platform struct {
	t      *testing.T
	ballot attest.Verdict
	err    error
	want   [64]byte
}

func (p *platform) Judge(quote []byte, report [64]byte, operation string, now uint64) (attest.Verdict, string, error) {
	if string(quote) != quoted || report != p.want || operation != "job.mean" || now == 0 {
		p.t.Errorf("asked to judge %q for %s at %d", quote, operation, now)
	}
	return p.ballot, "so it says", p.err
}

const quoted = "a quote of another platform"

// unread takes a job to its ballots whose quote the ledger does not have.
func (w *world) unread(kind string) ledger.Reference {
	w.t.Helper()
	job := w.accepted(kind)
	w.submit(&ops.AttestEvidence{Job: job.String(), Platform: kind, Output: hashOf(output), Digest: hashOf(quoted)})
	w.jobs.Draw(job)
	w.jobs.Step(job)
	return job
}

// Where the ledger has the digest alone, the quote is the operator's: it is the one that it
// showed, and is judged by whoever knows the platform. (VN-4)
func TestPlatforms(t *testing.T) {
	for name, c := range map[string]struct {
		kind   string
		judge  *platform
		quote  string
		status int
		far    bool
		want   string
	}{
		"good":                {judge: &platform{ballot: attest.Valid}, want: "valid"},
		"bad":                 {judge: &platform{ballot: attest.Invalid}, want: "invalid"},
		"hostile":             {judge: &platform{ballot: attest.Malicious}, want: "malicious"},
		"cannot tell":         {judge: &platform{}},
		"an error":            {judge: &platform{ballot: attest.Valid, err: errors.New("no memory")}},
		"another quote":       {judge: &platform{ballot: attest.Valid}, quote: "something else", want: "invalid"},
		"another quote, far":  {judge: &platform{ballot: attest.Valid}, quote: "something else", far: true},
		"a large one":         {judge: &platform{ballot: attest.Valid}, quote: strings.Repeat("x", 100_000), want: "invalid"},
		"none":                {judge: &platform{ballot: attest.Valid}, status: http.StatusNotFound, want: "invalid"},
		"server's error":      {judge: &platform{ballot: attest.Valid}, status: http.StatusBadGateway},
		"nobody knows it":     {kind: "tpm", judge: &platform{ballot: attest.Valid}},
		"nobody judges these": {kind: "sev-snp"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t, 1)
			w.deliver = func(rw http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.URL.Path, "/evidence") {
					_, _ = rw.Write([]byte(output))
					return
				}
				if c.status != 0 {
					rw.WriteHeader(c.status)
				}
				_, _ = rw.Write([]byte(quotedOr(c.quote)))
			}
			if c.kind == "" {
				c.kind = "sev-snp"
			}
			if c.far {
				w.config.Margin = 1
			}
			job := w.unread(c.kind)
			if c.judge != nil {
				c.judge.t, c.judge.want = t, w.report(job)
				w.config.Platforms = map[string]node.Platform{"sev-snp": c.judge}
			}
			n := w.node()
			w.pass(n)
			w.later = 50 * time.Second // of 100
			w.pass(n)
			w.toReveal(job)
			w.later *= 2
			w.pass(n)
			if got := w.seat(job).Ballot; got != c.want {
				t.Errorf("ballot %q, want %q: %s", got, c.want, w.logged)
			}
		})
	}
}

func quotedOr(other string) string {
	if other == "" {
		return quoted
	}
	return other
}

// report is the report data that a quote of the job has.
func (w *world) report(job ledger.Reference) [64]byte {
	w.t.Helper()
	stored, err := attest.ReadJob(ledger.Begin(w.jobs.Store, w.jobs.Now, ledger.Caller{}), job.String())
	if err != nil {
		w.t.Fatal(err)
	}
	return stored.ReportData(w.jobs.Name, job, w.jobs.Operator.ID, canon.Sum([]byte(output)))
}
