package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/sealed"
)

// Handler is the service of docs/formats/enclave.md section 6.
func (o *Operator) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", o.serve(o.getStatus))
	mux.HandleFunc("GET /v1/jobs/{job}", o.serve(o.getJob))
	mux.HandleFunc("GET /v1/jobs/{job}/key", o.serve(o.getKey))
	mux.HandleFunc("GET /v1/jobs/{job}/order", o.serve(o.getOrder))
	mux.HandleFunc("PUT /v1/jobs/{job}/order", o.take("application/json", sealed.MaxOrder, o.orders, o.orderFits, o.putOrder))
	mux.HandleFunc("PUT /v1/jobs/{job}/records/{record}", o.take("application/octet-stream", sealed.MaxRecord, o.requests, o.recordFits, o.putRecord))
	mux.HandleFunc("GET /v1/jobs/{job}/output", o.serve(o.getOutput))
	mux.HandleFunc("GET /v1/jobs/{job}/evidence", o.serve(o.getEvidence))
	mux.HandleFunc("/", o.serve(func(*http.Request) (*reply, error) { return nil, fault.New(fault.NotFound, "no such path") }))
	return mux
}

// reply is what is answered, nil: nothing but that it was done.
type reply struct {
	media string
	data  []byte
}

// serve answers requests that have no body.
func (o *Operator) serve(f func(r *http.Request) (*reply, error)) http.HandlerFunc {
	return o.answer(func(r *http.Request) (*reply, error) {
		leave, err := enter(o.requests)
		if err != nil {
			return nil, err
		}
		defer leave()
		return f(r)
	})
}

// take answers requests that bring something: what can be known of one without its body
// is checked first, and a place is taken once the body is there.
func (o *Operator) take(media string, most int, places chan struct{}, fits func(r *http.Request) error, f func(r *http.Request, data []byte) error) http.HandlerFunc {
	return o.answer(func(r *http.Request) (*reply, error) {
		if err := fits(r); err != nil {
			return nil, err
		}
		data, done, err := o.body(r, media, most)
		defer done()
		if err != nil {
			return nil, err
		}
		leave, err := enter(places)
		if err != nil {
			return nil, err
		}
		defer leave()
		return nil, f(r, data)
	})
}

// enter takes a place. Errors: fault.Overloaded.
func enter(places chan struct{}) (leave func(), err error) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	default:
		return nil, fault.New(fault.Overloaded, "too many requests at a time")
	}
}

// answer writes what f returns, errors as problem documents (RFC 9457).
func (o *Operator) answer(f func(r *http.Request) (*reply, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		a, err := f(r)
		switch {
		case err != nil:
			o.refuse(w, r, err)
		case a == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Content-Type", a.media)
			_, _ = w.Write(a.data) // the client is gone if this fails
		}
	}
}

// problem is an error as it is answered.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Advice string `json:"advice"`
}

func (o *Operator) refuse(w http.ResponseWriter, r *http.Request, err error) {
	code, text := fault.Of(err), fault.Text(err)
	var gateway *client.Error
	switch {
	case errors.As(err, &gateway):
	case code == fault.Internal:
		o.log.Error("request failed", "path", r.URL.Path, "error", err)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	if code == fault.Overloaded {
		w.Header().Set("Retry-After", "1")
	}
	if code == fault.Overloaded || code == fault.TooLarge {
		// The server would read on before it answers.
		w.Header().Set("Connection", "close")
	}
	w.WriteHeader(code.HTTP())
	_ = json.NewEncoder(w).Encode(problem{ // the client is gone if this fails
		"urn:killick:problem:" + code.String(), code.String(), code.HTTP(), code.String(), text, code.Advice(),
	})
}

func document(v any) (*reply, error) {
	data, err := canon.Marshal(v)
	if err != nil {
		return nil, err
	}
	return &reply{"application/json", data}, nil
}

func binary(data []byte) *reply { return &reply{"application/octet-stream", data} }

// job returns the work of a request's path. Errors: fault.InvalidValue, fault.NotFound.
func (o *Operator) job(r *http.Request) (*work, error) {
	name := r.PathValue("job")
	if _, err := ledger.ParseReference(name); err != nil {
		return nil, fault.New(fault.InvalidValue, "job: %v", err)
	}
	if w := o.find(name); w != nil {
		return w, nil
	}
	return nil, fault.New(fault.NotFound, "this operator has nothing of job %s", name)
}

func (o *Operator) getKey(r *http.Request) (*reply, error) {
	work, err := o.job(r)
	if err != nil {
		return nil, err
	}
	work.mu.Lock()
	defer work.mu.Unlock()
	if work.assigned == nil {
		return nil, fault.New(fault.NotFound, "the job is not accepted here: there is no key before that")
	}
	if work.output != nil || work.end != nil {
		return nil, fault.New(fault.WrongPhase, "the job is %s: nothing is let in any more", work.state())
	}
	a := work.assignment()
	key, quote, err := o.enclave.Key(a)
	if err != nil {
		return nil, err
	}
	return document(client.QuotedKey{
		Job: work.job, Operator: o.DID(), Accepted: a.Accepted.String(), Key: canon.Hex(key[:]), Quote: canon.B64(quote), Collateral: canon.B64(o.collateral),
	})
}

func (o *Operator) getOrder(r *http.Request) (*reply, error) {
	work, err := o.job(r)
	if err != nil {
		return nil, err
	}
	work.mu.Lock()
	order := work.order
	work.mu.Unlock()
	if order == nil {
		return nil, fault.New(fault.NotFound, "the job has no order here")
	}
	return &reply{"application/json", order}, nil
}

func (o *Operator) orderFits(r *http.Request) error {
	if _, err := ledger.ParseReference(r.PathValue("job")); err != nil {
		return fault.New(fault.InvalidValue, "job: %v", err)
	}
	return nil
}

// putOrder takes the order of an open job: the one whose digest is the job's nonce.
func (o *Operator) putOrder(r *http.Request, data []byte) error {
	name := r.PathValue("job")
	order, err := sealed.DecodeOrder(data)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), orderLimit)
	defer cancel()
	j, err := o.cfg.Gateway.Job(ctx, name)
	if err != nil {
		return err
	}
	nonce := order.Nonce()
	if canon.Hex(nonce[:]) != j.GetNonce() {
		return fault.New(fault.BadProof, "the order is not the one with which the job was opened: its digest is not the job's nonce")
	}
	data = order.Encode()
	if known := o.find(name); known != nil && known.ordered(data) {
		return nil
	}
	if j.GetPhase() != "open" {
		return fault.New(fault.WrongPhase, "the job is %s", j.GetPhase())
	}
	if err := o.journal.write(name, "order", data); err != nil {
		return err
	}
	known := o.adopt(name)
	known.mu.Lock()
	known.order = data
	known.mu.Unlock()
	o.log.Info("order came", "job", name, "operation", j.GetOperation())
	o.poke()
	return nil
}

// ordered says that the job has this order already.
func (w *work) ordered(data []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Equal(w.order, data)
}

// recordFits says whether a record of the path can be one of a job here.
func (o *Operator) recordFits(r *http.Request) error {
	work, err := o.job(r)
	if err != nil {
		return err
	}
	record, err := ledger.ParseReference(r.PathValue("record"))
	if err != nil {
		return fault.New(fault.InvalidValue, "record: %v", err)
	}
	work.mu.Lock()
	defer work.mu.Unlock()
	_, err = work.line(record)
	return err
}

// line finds the line of a record. Errors: fault.NotFound. The caller holds mu.
func (w *work) line(record ledger.Reference) (int, error) {
	if w.assigned == nil {
		return 0, fault.New(fault.NotFound, "the job is not accepted here")
	}
	for i := range w.assigned.Job.Lines {
		if w.assigned.Job.Lines[i].Record == record {
			return i, nil
		}
	}
	return 0, fault.New(fault.NotFound, "the job has no record %s", record)
}

// putRecord takes a sealed record of an accepted job. The same one again is no change.
func (o *Operator) putRecord(r *http.Request, data []byte) error {
	work, err := o.job(r) // again: it may have been dropped while the body came
	if err != nil {
		return err
	}
	record, err := ledger.ParseReference(r.PathValue("record"))
	if err != nil {
		return fault.New(fault.InvalidValue, "record: %v", err)
	}
	work.mu.Lock()
	defer work.mu.Unlock()
	line, err := work.line(record)
	if err != nil {
		return err
	}
	if work.has(line, data) {
		return nil
	}
	if work.output != nil || work.end != nil {
		return fault.New(fault.WrongPhase, "the job is %s: nothing is let in any more", work.state())
	}
	if err := o.enclave.Check(work.assignment(), line, data); err != nil {
		return err
	}
	if err := o.journal.write(work.job, recordFile(line), data); err != nil {
		return err
	}
	work.records[line] = bytes.Clone(data) // what it came in is larger, and is counted no more
	o.log.Info("record came", "job", work.job, "record", record.String(), "brought", work.brought(), "of", len(work.records))
	o.poke()
	return nil
}

// has says that a line has this sealed record already, or was run with it. The caller
// holds mu.
func (w *work) has(line int, data []byte) bool {
	if w.output != nil {
		return w.output.used[line] == sumOf(data)
	}
	return w.records[line] != nil && bytes.Equal(w.records[line], data)
}

func (o *Operator) getOutput(r *http.Request) (*reply, error) {
	out, err := o.made(r)
	if err != nil {
		return nil, err
	}
	return binary(out.ciphertext), nil
}

func (o *Operator) getEvidence(r *http.Request) (*reply, error) {
	out, err := o.made(r)
	if err != nil {
		return nil, err
	}
	return binary(out.quote), nil
}

// made returns a job's output. Errors: fault.NotFound, with the reason when there will
// be none.
func (o *Operator) made(r *http.Request) (*output, error) {
	work, err := o.job(r)
	if err != nil {
		return nil, err
	}
	work.mu.Lock()
	defer work.mu.Unlock()
	if work.output != nil {
		return work.output, nil
	}
	if work.end != nil {
		return nil, fault.New(fault.NotFound, "there is no output: the job %s: %s", work.end.State, work.end.Reason)
	}
	return nil, fault.New(fault.NotFound, "there is no output yet: the job is %s", work.state())
}
