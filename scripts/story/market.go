package story

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/sealed"
)

// What jobs cost, in micro-units.
const (
	recordPrice     = 200_000
	teeFee          = 1_000_000
	verificationFee = 400_000
	operatorFunds   = 20_000_000
)

// metricsSchema is that of the records which jobs compute on.
const metricsSchema = "source-metrics"

// metrics is a record of numbers that its owner keeps and enclaves compute on.
type metrics struct {
	owner   *client.Identity
	ref     string
	content []byte
	salt    [32]byte
	grants  map[string]string // by operation
}

// task is a job that the story has opened.
type task struct {
	operation, ref string
	to             *service // who gets its order, nil: nobody
	want           string   // verdict
	reason         string
}

// measure makes records of the sizes of the repository's pieces, half of them alice's and
// half bob's, and allows the partner to have each operation done on them.
func (w *World) measure(ctx context.Context) error {
	rows := map[*client.Identity]*bytes.Buffer{w.alice: {}, w.bob: {}}
	n := 0
	err := eachPiece(w.opts.Data, func(_ string, content []byte) error {
		owner := w.alice
		if n++; n%2 == 0 {
			owner = w.bob
		}
		b := rows[owner]
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(b, `{"bytes":%d,"lines":%d,"words":%d}`, len(content), bytes.Count(content, []byte("\n")), len(bytes.Fields(content)))
		return nil
	})
	if err != nil {
		return err
	}
	for _, owner := range []*client.Identity{w.alice, w.bob} {
		m := &metrics{owner: owner, content: []byte("[" + rows[owner].String() + "]"), grants: map[string]string{}}
		var commitment [32]byte
		if commitment, m.salt, err = client.Commitment(m.content); err != nil {
			return err
		}
		if m.ref, err = w.submit(ctx, owner, &ops.RecordSubmit{
			Schema: metricsSchema, Commitment: canon.Hex(commitment[:]), Size: uint64(len(m.content)), Location: "urn:kept-by-its-owner",
		}, ""); err != nil {
			return err
		}
		for _, t := range w.trust.Measurements {
			if m.grants[t.Operation], err = w.submit(ctx, owner, &ops.RecordAllow{
				Record: m.ref, Client: w.on(w.partner).DID(), Operation: t.Operation, Scope: []string{"/"}, Asset: "usd", Price: recordPrice,
				Expires: uint64(time.Now().Add(24 * time.Hour).Unix()),
			}, ""); err != nil {
				return err
			}
		}
		w.metrics = append(w.metrics, m)
	}
	w.say("alice and bob each keep a record with the sizes of %d pieces of files; its commitment is on the ledger,", n/2)
	w.say("and the partner may have %d operations done on it, for %s usd each time", len(w.trust.Measurements), usd(recordPrice))
	return nil
}

// The operations of the story and their parameters.
const (
	count  = "job.count-by-schema"
	mean   = "job.mean"
	kMeans = "job.k-means"
)

var parameters = map[string]string{
	mean:   `{"field":"/bytes","contributors":2}`,
	kMeans: `{"fields":["/bytes","/lines"],"k":3,"iterations":10,"contributors":2}`,
}

// openJobs opens twenty jobs and brings the orders to operators: whoever has a job's order
// can accept it.
func (w *World) openJobs(ctx context.Context) error {
	honest, outdated, debugged := w.services[0], w.services[1], w.services[2]
	add := func(n int, operation string, to *service, want, reason string) {
		for range n {
			w.tasks = append(w.tasks, &task{operation: operation, to: to, want: want, reason: reason})
		}
	}
	add(4, count, honest, "valid", "agreed")
	add(5, mean, honest, "valid", "agreed")
	add(5, kMeans, honest, "valid", "agreed")
	add(3, mean, outdated, "invalid", "below_policy")
	add(2, mean, debugged, "malicious", "debug_enclave")
	add(1, mean, nil, "expired", "no_evidence")
	for _, t := range w.tasks {
		if err := w.openJob(ctx, t); err != nil {
			return fmt.Errorf("%s: %w", t.operation, err)
		}
	}
	w.say("the partner opens %d jobs; %s usd of its balance are held for each", len(w.tasks), usd(2*recordPrice+teeFee+verificationFee))
	return w.acceptAndForget(ctx, w.tasks[len(w.tasks)-1])
}

func (w *World) openJob(ctx context.Context, t *task) error {
	key, ok := w.on(w.partner).OutputKey()
	if !ok {
		return fmt.Errorf("the partner has no key for outputs")
	}
	order, err := orderOf(t.operation)
	if err != nil {
		return err
	}
	nonce := order.Nonce()
	body := &ops.AttestOpen{Operation: t.operation, Asset: "usd", TEEFee: teeFee, VerificationFee: verificationFee, Key: canon.Hex(key), Nonce: canon.Hex(nonce[:])}
	for _, m := range w.metrics {
		body.Lines = append(body.Lines, attest.OpenLine{
			Grant: m.grants[t.operation], Record: m.ref, Version: 1, Owner: w.on(m.owner).DID(), Price: reward.Amount(recordPrice),
		})
	}
	jws, ref, err := w.on(w.partner).OpenJob(body, time.Hour)
	if err != nil {
		return err
	}
	t.ref = ref
	w.facts.operations++
	if _, err := w.Client.Submit(ctx, jws); err != nil {
		return err
	}
	if t.to == nil || parameters[t.operation] == "" {
		return nil
	}
	return t.to.dial.PutOrder(ctx, ref, order)
}

func orderOf(operation string) (*sealed.Order, error) {
	text := parameters[operation]
	if text == "" {
		text = "{}"
	}
	p, err := canon.ParseObject([]byte(text))
	if err != nil {
		return nil, err
	}
	o := &sealed.Order{Parameters: p}
	_, err = rand.Read(o.Salt[:])
	return o, err
}

// acceptAndForget has an operator accept a job of which it never shows evidence.
func (w *World) acceptAndForget(ctx context.Context, t *task) error {
	j, err := w.Client.Job(ctx, t.ref)
	if err != nil {
		return err
	}
	m, err := w.Members()
	if err != nil {
		return err
	}
	defer m.Close()
	head, err := m.Head(ctx)
	if err != nil {
		return err
	}
	jws, _, err := w.on(w.operators[2].who).AcceptJob(j, head.Number, fmt.Sprint(2*recordPrice+verificationFee))
	if err != nil {
		return err
	}
	w.facts.operations++
	_, err = w.Client.Submit(ctx, jws)
	return err
}

// staff starts who does and who judges jobs.
func (w *World) staff(ctx context.Context) error {
	for _, o := range w.operators {
		if err := w.fund(ctx, o.who, operatorFunds); err != nil {
			return err
		}
	}
	if err := w.operate(ctx); err != nil {
		return err
	}
	return w.judgeWith(ctx)
}

// jobs opens the jobs and waits for their verdicts.
func (w *World) jobs(ctx context.Context) error {
	if err := w.measure(ctx); err != nil {
		return err
	}
	if err := w.untilDraws(ctx); err != nil {
		return err
	}
	if err := w.openJobs(ctx); err != nil {
		return err
	}
	return w.work(ctx)
}
