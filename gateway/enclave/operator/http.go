package operator

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/sealed"
)

// maxRequests is how many requests are served at a time.
const maxRequests = 64

// Handler is the service of docs/formats/enclave.md section 6.
func (o *Operator) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", o.serve(o.getStatus))
	mux.HandleFunc("GET /v1/jobs/{job}", o.serve(o.getJob))
	mux.HandleFunc("GET /v1/jobs/{job}/key", o.serve(o.getKey))
	mux.HandleFunc("GET /v1/jobs/{job}/order", o.serve(o.getOrder))
	mux.HandleFunc("PUT /v1/jobs/{job}/order", o.serve(o.putOrder))
	mux.HandleFunc("PUT /v1/jobs/{job}/records/{record}", o.serve(o.putRecord))
	mux.HandleFunc("GET /v1/jobs/{job}/output", o.serve(o.getOutput))
	mux.HandleFunc("GET /v1/jobs/{job}/evidence", o.serve(o.getEvidence))
	mux.HandleFunc("/", o.serve(func(http.ResponseWriter, *http.Request) error { return fault.New(fault.NotFound, "no such path") }))
	return mux
}

// serve answers errors with problem documents (RFC 9457).
func (o *Operator) serve(f func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		select {
		case o.requests <- struct{}{}:
			defer func() { <-o.requests }()
		default:
			o.refuse(w, r, fault.New(fault.Overloaded, "too many requests at a time"))
			return
		}
		if err := f(w, r); err != nil {
			o.refuse(w, r, err)
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
	var large *http.MaxBytesError
	var gateway *client.Error
	switch {
	case errors.As(err, &large):
		code, text = fault.TooLarge, "the body is larger than is read"
	case errors.As(err, &gateway):
	case code == fault.Internal:
		o.log.Error("request failed", "path", r.URL.Path, "error", err)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	if code == fault.Overloaded {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(code.HTTP())
	_ = json.NewEncoder(w).Encode(problem{ // the client is gone if this fails
		"urn:killick:problem:" + code.String(), code.String(), code.HTTP(), code.String(), text, code.Advice(),
	})
}

func answer(w http.ResponseWriter, v any) error {
	data, err := canon.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(data)
	return answered(err)
}

// answered passes over errors of writing: the client is gone.
func answered(error) error { return nil }

func binary(w http.ResponseWriter, data []byte) error {
	w.Header().Set("Content-Type", "application/octet-stream")
	_, err := w.Write(data)
	return answered(err)
}

// body reads a request of a media type.
func body(w http.ResponseWriter, r *http.Request, media string, most int64) ([]byte, error) {
	if got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || got != media {
		return nil, fault.New(fault.InvalidValue, "the body is %s", media)
	}
	return io.ReadAll(http.MaxBytesReader(w, r.Body, most))
}

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

func (o *Operator) getKey(w http.ResponseWriter, r *http.Request) error {
	work, err := o.job(r)
	if err != nil {
		return err
	}
	work.mu.Lock()
	defer work.mu.Unlock()
	if work.assigned == nil {
		return fault.New(fault.NotFound, "the job is not accepted here: there is no key before that")
	}
	if work.output != nil || work.end != nil {
		return fault.New(fault.WrongPhase, "the job is %s: nothing is let in any more", work.state())
	}
	a := work.assignment()
	key, quote, err := o.enclave.Key(a)
	if err != nil {
		return err
	}
	return answer(w, client.QuotedKey{
		Job: work.job, Operator: o.DID(), Accepted: a.Accepted.String(), Key: canon.Hex(key[:]), Quote: canon.B64(quote), Collateral: canon.B64(o.collateral),
	})
}

func (o *Operator) getOrder(w http.ResponseWriter, r *http.Request) error {
	work, err := o.job(r)
	if err != nil {
		return err
	}
	work.mu.Lock()
	order := work.order
	work.mu.Unlock()
	if order == nil {
		return fault.New(fault.NotFound, "the job has no order here")
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(order)
	return answered(err)
}

// putOrder takes the order of an open job: the one whose digest is the job's nonce.
func (o *Operator) putOrder(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("job")
	if _, err := ledger.ParseReference(name); err != nil {
		return fault.New(fault.InvalidValue, "job: %v", err)
	}
	data, err := body(w, r, "application/json", sealed.MaxOrder)
	if err != nil {
		return err
	}
	order, err := sealed.DecodeOrder(data)
	if err != nil {
		return err
	}
	j, err := o.cfg.Gateway.Job(r.Context(), name)
	if err != nil {
		return err
	}
	nonce := order.Nonce()
	if canon.Hex(nonce[:]) != j.GetNonce() {
		return fault.New(fault.BadProof, "the order is not the one with which the job was opened: its digest is not the job's nonce")
	}
	data = order.Encode()
	if known := o.find(name); known != nil && known.ordered(data) {
		w.WriteHeader(http.StatusNoContent)
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
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// ordered says that the job has this order already.
func (w *work) ordered(data []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Equal(w.order, data)
}

// putRecord takes a sealed record of an accepted job. The same one again is no change.
func (o *Operator) putRecord(w http.ResponseWriter, r *http.Request) error {
	work, err := o.job(r)
	if err != nil {
		return err
	}
	record, err := ledger.ParseReference(r.PathValue("record"))
	if err != nil {
		return fault.New(fault.InvalidValue, "record: %v", err)
	}
	data, err := body(w, r, "application/octet-stream", sealed.MaxRecord)
	if err != nil {
		return err
	}
	work.mu.Lock()
	defer work.mu.Unlock()
	if work.assigned == nil {
		return fault.New(fault.NotFound, "the job is not accepted here")
	}
	line := -1
	for i := range work.assigned.Job.Lines {
		if work.assigned.Job.Lines[i].Record == record {
			line = i
		}
	}
	if line < 0 {
		return fault.New(fault.NotFound, "the job has no record %s", record)
	}
	if work.has(line, data) {
		w.WriteHeader(http.StatusNoContent)
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
	work.records[line] = data
	o.log.Info("record came", "job", work.job, "record", record.String(), "brought", work.brought(), "of", len(work.records))
	o.poke()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// has says that a line has this sealed record already, or was run with it. The caller
// holds mu.
func (w *work) has(line int, data []byte) bool {
	if w.output != nil {
		return w.output.used[line] == sumOf(data)
	}
	return bytes.Equal(w.records[line], data)
}

func (o *Operator) getOutput(w http.ResponseWriter, r *http.Request) error {
	out, err := o.made(r)
	if err != nil {
		return err
	}
	return binary(w, out.ciphertext)
}

func (o *Operator) getEvidence(w http.ResponseWriter, r *http.Request) error {
	out, err := o.made(r)
	if err != nil {
		return err
	}
	return binary(w, out.quote)
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
