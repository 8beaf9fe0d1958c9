package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/sealed"
)

// EnclaveService is the type of the service in a TEE operator's DID document whose
// endpoint is where the operator is spoken to (docs/formats/enclave.md section 6).
const EnclaveService = "KillickEnclave"

// maxEvidence bounds what is read of a quote.
const maxEvidence = 1 << 20

// EnclaveURL returns where a TEE operator is spoken to, by its DID document. Errors:
// fault.NotFound when the document has no such service.
func (c *Client) EnclaveURL(ctx context.Context, operator string) (string, error) {
	r, err := c.Resolve(ctx, operator)
	if err != nil {
		return "", err
	}
	text, err := r.GetDidDocument().MarshalJSON()
	if err != nil {
		return "", err
	}
	var document did.Resolved
	if err := canon.Decode(text, &document); err != nil {
		return "", fmt.Errorf("document of %s: %w", operator, err)
	}
	for _, s := range document.Service {
		if s.Type == EnclaveService {
			return s.ServiceEndpoint, nil
		}
	}
	return "", fault.New(fault.NotFound, "%s names no service of type %s in its DID document", operator, EnclaveService)
}

// Enclave is the HTTP service of a TEE operator. Nothing that it says is believed for
// being said: keys are quoted, orders have the job's nonce, outputs the hash of evidence.
type Enclave struct {
	url  string
	http *http.Client
}

// DialEnclave prepares to speak to the service at a URL. client may be nil.
func DialEnclave(endpoint string, client *http.Client) (*Enclave, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("%.200q is not the URL of an operator's service", endpoint)
	}
	if client == nil {
		client = &http.Client{Timeout: time.Minute}
	}
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for len(endpoint) > 0 && endpoint[len(endpoint)-1] == '/' {
		endpoint = endpoint[:len(endpoint)-1]
	}
	return &Enclave{endpoint, &own}, nil
}

// QuotedKey is what an operator shows of an enclave's key for a job. It is worth
// nothing before Assigned.Appraise.
type QuotedKey struct {
	Job        string `json:"job"`
	Operator   string `json:"operator"`
	Accepted   string `json:"accepted"`
	Key        string `json:"key"`        // X25519, 64 hex digits
	Quote      string `json:"quote"`      // base64url
	Collateral string `json:"collateral"` // base64url, docs/formats/tee.md
}

// Key fetches the key of an accepted job with its quote. Errors: *Error, fault.NotFound
// while the job is not accepted there.
func (e *Enclave) Key(ctx context.Context, job string) (*QuotedKey, error) {
	data, err := e.call(ctx, http.MethodGet, "/v1/jobs/"+job+"/key", "", nil, maxEvidence)
	if err != nil {
		return nil, err
	}
	k := new(QuotedKey)
	if err := canon.Decode(bytes.TrimSpace(data), k); err != nil {
		return nil, fmt.Errorf("key of the operator: %w", err)
	}
	return k, nil
}

// Order fetches the order of a job, for the owners who want to know what is done.
// Errors: *Error, fault.NotFound when there is none.
func (e *Enclave) Order(ctx context.Context, job string) (*sealed.Order, error) {
	data, err := e.call(ctx, http.MethodGet, "/v1/jobs/"+job+"/order", "", nil, sealed.MaxOrder)
	if err != nil {
		return nil, err
	}
	return sealed.DecodeOrder(data)
}

// PutOrder gives the operator a job's order. Giving it again is the same.
func (e *Enclave) PutOrder(ctx context.Context, job string, o *sealed.Order) error {
	_, err := e.call(ctx, http.MethodPut, "/v1/jobs/"+job+"/order", "application/json", o.Encode(), maxEvidence)
	return err
}

// PutRecord gives the operator a sealed record, which EnclaveKey.Seal makes. A second one
// of the same record takes the place of the first until the job is run.
func (e *Enclave) PutRecord(ctx context.Context, job, record string, data []byte) error {
	_, err := e.call(ctx, http.MethodPut, "/v1/jobs/"+job+"/records/"+record, "application/octet-stream", data, maxEvidence)
	return err
}

// Output fetches the ciphertext of a job's output. Errors: *Error, fault.NotFound while
// there is none.
func (e *Enclave) Output(ctx context.Context, job string) ([]byte, error) {
	return e.call(ctx, http.MethodGet, "/v1/jobs/"+job+"/output", "", nil, sealed.MaxOutput)
}

// Evidence fetches the quote of a job's evidence. Errors: *Error, fault.NotFound while
// there is none.
func (e *Enclave) Evidence(ctx context.Context, job string) ([]byte, error) {
	return e.call(ctx, http.MethodGet, "/v1/jobs/"+job+"/evidence", "", nil, maxEvidence)
}

// call sends a request and reads at most limit bytes of its answer. Errors: *Error for
// what the service refuses, as fault.Unavailable when it does not answer.
func (e *Enclave) call(ctx context.Context, method, path, media string, body []byte, limit int64) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, e.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	answer, err := e.http.Do(r)
	if err != nil {
		return nil, &Error{Fault: fault.Error{Code: fault.Unavailable, Text: "the operator's service does not answer: " + err.Error()}}
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, limit+1))
	err = errors.Join(err, answer.Body.Close())
	switch {
	case err != nil:
		return nil, &Error{Fault: fault.Error{Code: fault.Unavailable, Text: "the operator's answer broke off: " + err.Error()}}
	case answer.StatusCode < 200 || answer.StatusCode > 299:
		return nil, problemOf(answer.StatusCode, data)
	case int64(len(data)) > limit:
		return nil, fault.New(fault.TooLarge, "the operator's answer has more than %d bytes", limit)
	}
	return data, nil
}

// problemOf reads a problem document (RFC 9457) of an operator.
func problemOf(status int, data []byte) error {
	var p struct {
		Code   string `json:"code"`
		Detail string `json:"detail"`
	}
	code, known := fault.Internal, false
	if json.Unmarshal(data, &p) == nil {
		code, known = fault.ByName(p.Code)
	}
	if !known {
		code, p.Detail = fault.Internal, fmt.Sprintf("the operator's service answers %d", status)
	}
	return &Error{Fault: fault.Error{Code: code, Text: p.Detail}}
}
