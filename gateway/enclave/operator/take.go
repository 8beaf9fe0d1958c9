package operator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/enclave/analysis"
	"github.com/killick-ledger/killick/gateway/enclave/inside"
)

// Once takes all jobs on as far as they go now, for callers that do not let Run follow
// events.
func (o *Operator) Once(ctx context.Context) error { return o.pass(ctx) }

// pass takes on every job that is under way and then looks for new ones. It returns what
// went wrong with some; the others went on.
func (o *Operator) pass(ctx context.Context) error {
	var errs []error
	for _, w := range o.all() {
		if err := o.advance(ctx, w); err != nil && ctx.Err() == nil {
			errs = append(errs, fmt.Errorf("job %s: %w", w.job, err))
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(append(errs, o.seek(ctx))...)
}

// seek looks at every open job.
func (o *Operator) seek(ctx context.Context) error {
	q := &client.ListJobs{Phase: "open"}
	open := map[string]bool{}
	for {
		page, err := o.cfg.Gateway.Jobs(ctx, q)
		if err != nil {
			return fmt.Errorf("list open jobs: %w", err)
		}
		for _, j := range page.GetJobs() {
			open[j.GetId()] = true
			if err := o.consider(ctx, j.GetId(), j.GetOperation(), j.GetAsset()); err != nil {
				return fmt.Errorf("job %s: %w", j.GetId(), err)
			}
		}
		if page.GetNextPageToken() == "" {
			return o.forget(ctx, open)
		}
		q = &client.ListJobs{Phase: "open", PageToken: page.GetNextPageToken()}
	}
}

// forget drops what is known of jobs that are open no more and were never accepted here.
func (o *Operator) forget(ctx context.Context, open map[string]bool) error {
	o.mu.Lock()
	maps.DeleteFunc(o.seen, func(job string, _ verdict) bool { return !open[job] })
	o.mu.Unlock()
	for _, w := range o.all() {
		if open[w.job] || !w.open() {
			continue
		}
		// The list may lag behind the ledger.
		j, err := o.cfg.Gateway.Job(ctx, w.job)
		if err != nil {
			return fmt.Errorf("job %s: %w", w.job, err)
		}
		if j.GetPhase() != "open" {
			if err := o.finish(w, "lost", "the job is "+j.GetPhase()+", and was not accepted here"); err != nil {
				return err
			}
		}
	}
	return nil
}

// verdict is why a job is not taken. One for good follows from the job and the
// configuration alone.
type verdict struct {
	why  string
	good bool
}

// consider accepts an open job that can be run on the operator's terms.
func (o *Operator) consider(ctx context.Context, job, operation, asset string) error {
	w := o.find(job)
	if w != nil && !w.open() {
		return nil
	}
	o.mu.Lock()
	known := o.seen[job]
	o.mu.Unlock()
	terms := o.cfg.asset(asset)
	switch {
	case known.good:
		return nil
	case !slices.Contains(o.cfg.Operations, operation):
		return o.skip(job, verdict{"operation " + operation + " is not run here", true})
	case terms == nil:
		return o.skip(job, verdict{"no jobs are taken in " + asset, true})
	case o.underWay() >= o.cfg.Jobs:
		return nil
	}
	v, err := o.cfg.Gateway.Job(ctx, job)
	if err != nil {
		return err
	}
	j, err := client.ParseJob(o.cfg.Network, v)
	if err != nil {
		return err
	}
	if why := offTerms(j, terms); why != "" {
		return o.skip(job, verdict{why, true})
	}
	why, err := o.unfit(ctx, j, terms, w)
	if err != nil {
		return err
	}
	if why != "" {
		return o.skip(job, verdict{why, false})
	}
	return o.sign(ctx, v)
}

// skip tells once why a job is not taken.
func (o *Operator) skip(job string, v verdict) error {
	o.mu.Lock()
	before := o.seen[job]
	o.seen[job] = v
	o.mu.Unlock()
	if before != v {
		o.log.Info("job not taken", "job", job, "reason", v.why)
	}
	return nil
}

// open says that nothing but an order is known of the job.
func (w *work) open() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.accept == nil && w.end == nil
}

// underWay is how many jobs have an acceptance and no evidence yet. One whose acceptance
// has expired, with an outcome that is not known, keeps its deposit at risk and no place:
// most never ran, and their jobs may stay open for days.
func (o *Operator) underWay() (n int) {
	for _, w := range o.all() {
		w.mu.Lock()
		if w.accept != nil && !w.proven && w.end == nil && (w.assigned != nil || !gone(w.accept)) {
			n++
		}
		w.mu.Unlock()
	}
	return n
}

// offTerms says why a job is never taken on these terms, or nothing.
func offTerms(j *attest.Job, terms *Asset) string {
	deposit, err := j.AtStake()
	switch {
	case err != nil:
		return "its sums are too large"
	case j.TEEFee < terms.MinFee:
		return "its TEE fee is below what is asked"
	case terms.MaxDeposit > 0 && deposit > terms.MaxDeposit:
		return "its deposit is above what is risked for one job"
	case uint64(j.Expires) < uint64(time.Now().Unix())+10:
		return "it is about to lapse"
	case twice(j):
		return "a record is in it twice"
	}
	return ""
}

// unfit says why a job is not taken now, or nothing.
func (o *Operator) unfit(ctx context.Context, j *attest.Job, terms *Asset, w *work) (string, error) {
	deposit, err := j.AtStake()
	if err != nil {
		return "", err
	}
	if why := unordered(j, w); why != "" {
		return why, nil
	}
	risked, err := o.atRisk(j.Asset)
	if err != nil {
		return "", err
	}
	if sum, err := risked.Add(deposit); terms.MaxAtRisk > 0 && (err != nil || sum > terms.MaxAtRisk) {
		return "deposits under way leave no room for its own", nil
	}
	b, err := o.cfg.Gateway.Balance(ctx, o.DID(), j.Asset)
	if err != nil {
		return "", err
	}
	var have reward.Amount
	if err := have.UnmarshalText([]byte(b.GetBalance())); err != nil {
		return "", fmt.Errorf("balance: %w", err)
	}
	if have < deposit {
		return "the balance is below its deposit", nil
	}
	return "", nil
}

// unordered says what is missing of the job's parameters, or wrong with them. Everything
// that can be known before the data is, so that no deposit is lost for it.
func unordered(j *attest.Job, w *work) string {
	var order []byte
	if w != nil {
		w.mu.Lock()
		order = w.order
		w.mu.Unlock()
	}
	if order == nil && analysis.NeedsOrder(j.Operation) {
		return "the consumer has not brought its order"
	}
	parameters, err := inside.Parameters(j, order)
	if err != nil {
		return "its order is not the one with which it was opened"
	}
	operation, err := analysis.Of(j.Operation, parameters)
	if err != nil {
		return "its parameters are refused: " + err.Error()
	}
	owners := map[ledger.ID]bool{}
	for _, l := range j.Lines {
		owners[l.Owner] = true
	}
	if len(owners) < operation.Contributors() {
		return fmt.Sprintf("it has records of %d owners, its parameters ask for %d", len(owners), operation.Contributors())
	}
	return ""
}

func twice(j *attest.Job) bool {
	seen := map[ledger.Reference]bool{}
	for _, l := range j.Lines {
		if seen[l.Record] {
			return true
		}
		seen[l.Record] = true
	}
	return false
}

// atRisk is the sum of deposits in an asset of jobs that are not at their end, also of
// those whose acceptance may not have reached the ledger.
func (o *Operator) atRisk(asset string) (sum reward.Amount, err error) {
	for _, w := range o.all() {
		w.mu.Lock()
		var one reward.Amount
		if w.accept != nil && w.end == nil && w.accept.Asset == asset {
			err = one.UnmarshalText([]byte(w.accept.Deposit))
		}
		w.mu.Unlock()
		if err == nil {
			sum, err = sum.Add(one)
		}
		if err != nil {
			return 0, err
		}
	}
	return sum, nil
}

// sign signs the acceptance of a job, writes it down, and has it sent.
func (o *Operator) sign(ctx context.Context, j *client.Job) error {
	r, err := o.cfg.Gateway.Round(ctx, j.GetId(), false)
	if err != nil {
		return err
	}
	if r.GetPhase() != "open" || r.GetCheckpoint() == 0 {
		return nil // somebody was faster, or the ledger has no clock yet
	}
	jws, ref, err := o.signer.AcceptJob(j, r.GetCheckpoint(), j.GetAtStake())
	if err != nil {
		return err
	}
	s, err := sentOf(jws, ref)
	if err != nil {
		return err
	}
	s.Asset, s.Deposit = j.GetAsset(), j.GetAtStake()
	// Before it leaves: losing it after the ledger has it would leave a deposit behind.
	if err := o.journal.save(j.GetId(), "accept", s); err != nil {
		return err
	}
	w := o.adopt(j.GetId())
	w.mu.Lock()
	w.accept = s
	w.mu.Unlock()
	o.log.Info("job is being accepted", "job", j.GetId(), "operation", j.GetOperation(), "deposit", j.GetAtStake(), "asset", j.GetAsset(), "by", ref)
	return o.advance(ctx, w)
}

// sentOf is an operation as the journal keeps it. Its reference begins with when it
// expires.
func sentOf(jws, ref string) (*sent, error) {
	r, err := ledger.ParseReference(ref)
	return &sent{JWS: jws, Reference: ref, Expires: uint64(r.Expiry)}, err
}

// forGood returns why an operation was refused as it is, and whether it was. What the
// members have stopped, and clocks that differ, are no refusals for good.
func forGood(err error) (string, bool) {
	var refused *client.Error
	if !errors.As(err, &refused) || !final(refused) || slices.Contains(passing, refused.Fault.Code) {
		return "", false
	}
	return refused.Fault.Error(), true
}

var passing = []fault.Code{fault.Stopped, fault.ClockSkew, fault.NotYetValid}
