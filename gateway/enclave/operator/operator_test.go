package operator_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/enclave/analysis"
	"github.com/killick-ledger/killick/gateway/enclave/operator"
)

const meanOfPulse = `{"contributors":2,"field":"/pulse"}`

// A job's way: ordered, accepted, records let in, run, proven, delivered, settled.
func TestJob(t *testing.T) {
	t.Parallel()
	s := begin(t, analysis.Mean, `{"pulse":60}`, `{"pulse":71}`, `[{"pulse":80},{"pulse":82.5}]`)
	job := s.open(analysis.Mean, meanOfPulse)
	s.pass()
	if got := s.state(job); got != "accepted" {
		t.Fatalf("after the first pass it is %q: %s", got, s.log)
	}
	s.release(job, s.owners...)
	s.pass()
	if got := s.state(job); got != "proven" {
		t.Fatalf("with all records it is %q: %s", got, s.log)
	}
	v := s.result(job)
	if got := fmt.Sprint(v["result"]); got != "map[contributors:3 mean:73.375 values:4]" || v["job"] != job || fmt.Sprint(v["absent"]) != "[]" {
		t.Errorf("output %v", v)
	}
}

// Whatever a host tells its enclave, or an owner, of a job that is not so on the ledger is
// found out before anything is sealed. (EC-3)
func TestLyingHost(t *testing.T) {
	t.Parallel()
	s := begin(t, analysis.Mean, `{"pulse":60}`, `{"pulse":71}`)
	job, second := s.open(analysis.Mean, meanOfPulse), s.open(analysis.Mean, `{"contributors":2,"field":"/pulse/rest"}`)
	s.pass()
	quoted := func(job string) *client.QuotedKey {
		k, err := s.enclave.Key(t.Context(), job)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	assigned := func() *client.Assigned {
		a, err := s.gateway.Assigned(t.Context(), s.cfg.Network, job)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if _, err := assigned().Appraise(quoted(job), s.trust, time.Now()); err != nil {
		t.Fatalf("a good key: %v", err)
	}
	for name, tt := range map[string]struct {
		change func(a *client.Assigned, k *client.QuotedKey)
		want   fault.Code
	}{
		"the key of another job":     {func(_ *client.Assigned, k *client.QuotedKey) { *k = *quoted(second) }, fault.EvidenceUnbound},
		"a key of the host's own":    {func(_ *client.Assigned, k *client.QuotedKey) { k.Key = canon.Hex(opstest.Seed("host")) }, fault.EvidenceUnbound},
		"another key for the output": {func(a *client.Assigned, _ *client.QuotedKey) { a.Task.Output[0] ^= 1 }, fault.EvidenceUnbound},
		"other parameters":           {func(a *client.Assigned, _ *client.QuotedKey) { a.Task.Nonce[0] ^= 1 }, fault.EvidenceUnbound},
		"other records":              {func(a *client.Assigned, _ *client.QuotedKey) { a.Task.Input[0] ^= 1 }, fault.EvidenceUnbound},
		"other owners":               {func(a *client.Assigned, _ *client.QuotedKey) { a.Task.Grants[0] ^= 1 }, fault.EvidenceUnbound},
		"another operator":           {func(a *client.Assigned, _ *client.QuotedKey) { a.Task.Operator[0] ^= 1 }, fault.EvidenceUnbound},
		"another acceptance":         {func(a *client.Assigned, _ *client.QuotedKey) { a.Task.Accepted.ID[0] ^= 1 }, fault.EvidenceUnbound},
		"another operation":          {func(a *client.Assigned, _ *client.QuotedKey) { a.Task.Operation = analysis.KMeans }, fault.EvidenceUnbound},
		"another network":            {func(a *client.Assigned, _ *client.QuotedKey) { a.Task.Network = "main-1111111111111111" }, fault.EvidenceUnbound},
		"a quote of evidence": {func(a *client.Assigned, k *client.QuotedKey) {
			k.Quote = canon.B64(s.jobs.Platform.Quote(a.Job.ReportData(s.cfg.Network, a.Task.Job, a.Task.Operator, [32]byte{})))
		}, fault.EvidenceUnbound},
		"a job with evidence": {func(a *client.Assigned, _ *client.QuotedKey) { a.Phase = "drawing" }, fault.WrongPhase},
		"a quote that was changed": {func(_ *client.Assigned, k *client.QuotedKey) {
			raw, _ := canon.UnB64(k.Quote)
			raw[100] ^= 1
			k.Quote = canon.B64(raw)
		}, fault.BadProof},
		"no collateral": {func(_ *client.Assigned, k *client.QuotedKey) { k.Collateral = "" }, fault.Malformed},
	} {
		a, k := assigned(), quoted(job)
		tt.change(a, k)
		if _, err := a.Appraise(k, s.trust, time.Now()); fault.Of(err) != tt.want {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	if _, err := assigned().Appraise(quoted(job), s.trust, time.Now().Add(60*24*time.Hour)); err == nil {
		t.Error("a key was appraised with collateral that has run out")
	}
}

// Nothing is let in before the acceptance is on the ledger, nor after the job was run, nor
// what is not the job's. (EC-1)
func TestDoor(t *testing.T) {
	t.Parallel()
	s := begin(t, analysis.Mean, `{"pulse":60}`, `{"pulse":71}`)
	none := strings.Repeat("0", 8) + "-" + strings.Repeat("0", 64)
	wants := func(name string, err error, want fault.Code) {
		t.Helper()
		if fault.Of(err) != want {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	ctx, record := t.Context(), s.owners[0].line.Record
	o := s.order(meanOfPulse)
	wants("an order of no job", s.enclave.PutOrder(ctx, none, o), fault.NotFound)
	job := s.openWith(analysis.Mean, o)
	wants("another order", s.enclave.PutOrder(ctx, job, s.order(`{"field":"/sleep"}`)), fault.BadProof)
	s.pass()
	_, err := s.enclave.Key(ctx, job)
	wants("a key without an order", err, fault.NotFound)
	wants("the order", s.enclave.PutOrder(ctx, job, o), fault.OK)
	_, err = s.enclave.Key(ctx, job)
	wants("a key before the acceptance", err, fault.NotFound)
	wants("a record before the acceptance", s.enclave.PutRecord(ctx, job, record, []byte("sealed")), fault.NotFound)
	_, err = s.enclave.Output(ctx, job)
	wants("an output before the acceptance", err, fault.NotFound)
	s.pass()
	wants("the order again", s.enclave.PutOrder(ctx, job, o), fault.OK)
	good, err := s.seal(job, s.owners[0])
	wants("seal", err, fault.OK)
	wants("a record that the job has not", s.enclave.PutRecord(ctx, job, none, good), fault.NotFound)
	wants("a record under another's name", s.enclave.PutRecord(ctx, job, s.owners[1].line.Record, good), fault.InvalidValue)
	wants("a record that is too large", s.enclave.PutRecord(ctx, job, record, make([]byte, 2<<20)), fault.TooLarge)
	wants("no reference", s.enclave.PutRecord(ctx, job, "x", good), fault.InvalidValue)
	wants("a record", s.enclave.PutRecord(ctx, job, record, good), fault.OK)
	wants("the same again", s.enclave.PutRecord(ctx, job, record, good), fault.OK)
	second, err := s.seal(job, s.owners[0])
	wants("seal again", err, fault.OK)
	wants("another seal of it", s.enclave.PutRecord(ctx, job, record, second), fault.OK)
	s.release(job, s.owners[1])
	s.pass()
	wants("the same after it was run", s.enclave.PutRecord(ctx, job, record, second), fault.OK)
	wants("another one after it was run", s.enclave.PutRecord(ctx, job, record, good), fault.WrongPhase)
	_, err = s.enclave.Key(ctx, job)
	wants("a key after it was run", err, fault.WrongPhase)
	if quote, err := s.enclave.Evidence(ctx, job); err != nil || len(quote) < 1000 {
		t.Errorf("evidence: %d bytes, %v", len(quote), err)
	}
}

// Who is too few gets no result but the reason; what an owner keeps back is named; a job is
// run without it when the time for the evidence comes to its end. (EC-4)
func TestTooFew(t *testing.T) {
	t.Parallel()
	s := begin(t, analysis.Mean, `{"pulse":60}`, `{"no":"pulse"}`, `{"pulse":99}`)
	job := s.open(analysis.Mean, `{"contributors":3,"field":"/pulse"}`)
	s.pass()
	s.release(job, s.owners[:2]...)
	s.pass()
	if got := s.state(job); got != "accepted" {
		t.Fatalf("it is %q before the time ends", got)
	}
	s.jobs.Pull()
	s.jobs.Tick(60)
	s.pass()
	if got := s.state(job); got != "proven" {
		t.Fatalf("it is %q near the end of the time: %s", got, s.log)
	}
	v := s.result(job)
	if _, has := v["result"]; has || v["withheld"] != "too_few_contributors" || fmt.Sprint(v["absent"]) != "["+s.owners[2].line.Record+"]" {
		t.Errorf("output %v", v)
	}
}

// Jobs that are not on the operator's terms are left alone.
func TestTerms(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(c *operator.Config)
		params string
		want   string
	}{
		"on its terms":        {func(*operator.Config) {}, meanOfPulse, "accepted"},
		"another operation":   {func(c *operator.Config) { c.Operations = []string{analysis.KMeans} }, meanOfPulse, "ordered"},
		"another asset":       {func(c *operator.Config) { c.Assets = []operator.Asset{{Name: "pts"}} }, meanOfPulse, "ordered"},
		"too small a fee":     {func(c *operator.Config) { c.Assets[0].MinFee = 1001 }, meanOfPulse, "ordered"},
		"just the fee":        {func(c *operator.Config) { c.Assets[0].MinFee = 1000 }, meanOfPulse, "accepted"},
		"too large a deposit": {func(c *operator.Config) { c.Assets[0].MaxDeposit = 900 }, meanOfPulse, "ordered"},
		"just the deposit":    {func(c *operator.Config) { c.Assets[0].MaxDeposit = 901 }, meanOfPulse, "accepted"},
		"too much at risk":    {func(c *operator.Config) { c.Assets[0].MaxAtRisk = 900 }, meanOfPulse, "ordered"},
		"too few owners":      {func(*operator.Config) {}, `{"contributors":3,"field":"/pulse"}`, "ordered"},
		"no field":            {func(*operator.Config) {}, `{"contributors":2}`, "ordered"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := begin(t, analysis.Mean, `{"pulse":60}`, `{"pulse":71}`)
			tt.change(&s.cfg)
			s.restart()
			job := s.open(analysis.Mean, tt.params)
			s.pass()
			if got := s.state(job); got != tt.want {
				t.Errorf("it is %q, want %q: %s", got, tt.want, s.log)
			}
		})
	}
}

// Run serves, takes jobs on as requests come, says that it is a simulation, and stops.
func TestRun(t *testing.T) {
	t.Parallel()
	s := begin(t, analysis.Mean, `{"pulse":60}`, `{"pulse":71}`)
	s.cfg.Listen, s.cfg.Poll = "127.0.0.1:0", 5*time.Millisecond
	s.restart()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	// Of its own, since the servers of other tests close idle connections of the default one.
	web := &http.Client{Transport: new(http.Transport)}
	defer web.CloseIdleConnections()
	var err error
	if s.enclave, err = client.DialEnclave("http://"+s.Address().String(), web); err != nil {
		t.Fatal(err)
	}
	job := s.open(analysis.Mean, meanOfPulse)
	s.until(job, "accepted")
	s.release(job, s.owners...)
	s.until(job, "proven")
	answer, err := web.Get("http://" + s.Address().String() + "/v1/status")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil || !strings.Contains(string(text), `"enclave":"SIMULATED sgx"`) {
		t.Errorf("status %s, %v", text, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("it ends with %v", err)
	}
	if !strings.Contains(s.log.String(), "the enclave is SIMULATED") || !strings.Contains(s.log.String(), "operator stopped") {
		t.Errorf("log %s", s.log)
	}
}

// until waits until a job is in a state. It asks as fast as the service answers.
func (s *stage) until(job, state string) {
	s.t.Helper()
	end := time.Now().Add(20 * time.Second)
	for s.state(job) != state {
		if _, err := s.gateway.Job(s.t.Context(), job); err != nil || time.Now().After(end) {
			s.t.Fatalf("it is %q and not %q: %v", s.state(job), state, err)
		}
	}
}

// An empty journal is not taken for a new one without leave.
func TestEmptyJournal(t *testing.T) {
	t.Parallel()
	s := begin(t, analysis.Mean, `{"pulse":60}`, `{"pulse":71}`)
	s.cfg.Dir = t.TempDir()
	if _, err := operator.Open(s.cfg); err == nil || !strings.Contains(err.Error(), "the journal is empty") {
		t.Errorf("an empty journal: %v", err)
	}
	if _, err := operator.Open(operator.Config{Listen: "x", Operations: []string{"job.nothing"}, Assets: []operator.Asset{{}}, Jobs: -1}); err == nil || strings.Count(err.Error(), "\n") != 5 {
		t.Errorf("mistakes: %v", err)
	}
}
