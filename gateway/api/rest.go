package api

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/certificate"
	"github.com/killick-ledger/killick/gateway/submit"
	"google.golang.org/protobuf/proto"
)

//go:embed killick.openapi.json
var openAPI []byte

// REST returns the REST form of the server, with the DID resolver, /openapi.json,
// /healthz and /metrics beside it.
func (s *Server) REST() (http.Handler, error) {
	m := newMarshaler()
	proxy := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, &runtime.HTTPBodyMarshaler{Marshaler: m}),
		runtime.WithErrorHandler(func(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, _ *http.Request, err error) {
			s.writeProblem(ctx, w, err)
		}),
		runtime.WithRoutingErrorHandler(func(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, status int) {
			s.writeProblem(ctx, w, routing(r, status))
		}),
		runtime.WithForwardResponseOption(accepted),
		runtime.WithDisablePathLengthFallback(),
	)
	if err := killickv1.RegisterKillickHandlerServer(context.Background(), proxy, s); err != nil {
		return nil, fmt.Errorf("register REST handlers: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", s.guard(proxy))
	mux.Handle("/v1/events", s.guard(http.HandlerFunc(s.serveEvents))) // the proxy cannot stream in-process
	mux.Handle("POST "+issuePath, s.guard(http.HandlerFunc(s.serveIssue)))
	mux.Handle("POST "+verifyPath, s.guard(http.HandlerFunc(s.serveVerify)))
	mux.Handle("POST "+presentPath, s.guard(http.HandlerFunc(s.servePresent)))
	mux.Handle("POST "+verifyPresentationPath, s.guard(http.HandlerFunc(s.serveVerifyPresentation)))
	mux.Handle("POST /v1/records/{reference}/certificate", s.guard(http.HandlerFunc(s.serveRecordCertificate)))
	mux.Handle("GET "+certificate.ListPath, s.guard(http.HandlerFunc(s.serveStatusList)))
	mux.HandleFunc("GET "+contextPath, serveContext)
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(openAPI) // the client is gone if this fails
	})
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /metrics", s.metrics)
	if err := s.mount(mux); err != nil {
		return nil, err
	}
	wallets := shared(mux)
	dids := resolving(s.guard(http.HandlerFunc(s.serveIdentifier)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isIdentifier(r) { // the mux would clean a DID URL's path and redirect
			dids.ServeHTTP(w, r)
			return
		}
		if isOpenID(r) {
			wallets.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}), nil
}

// guard refuses what must not be read at all.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limit := bodyLimit(r)
		if r.ContentLength > limit && (limit > 0 || r.ContentLength > 0) {
			s.refuseUnread(w, r, fault.New(fault.TooLarge, "the body has %d bytes, more than %d", r.ContentLength, limit))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		if err := checkURL(r); err != nil {
			s.writeProblem(r.Context(), w, err)
			return
		}
		size := r.ContentLength
		if size < 0 {
			size = limit
		}
		back, err := s.budget.take(size)
		if err != nil {
			s.refuseUnread(w, r, err)
			return
		}
		defer back()
		next.ServeHTTP(w, r)
	})
}

// maxIgnored bounds how much of a body is read and forgotten.
const maxIgnored = 32 << 20

// refuseUnread refuses a request for its body. Many clients send all of it before they
// look for an answer, and would see a broken connection and no reason: so it is read, to
// a limit, and kept nowhere. Who asks beforehand (RFC 9110 section 10.1.1) need not send
// it.
func (s *Server) refuseUnread(w http.ResponseWriter, r *http.Request, err error) {
	w.Header().Set("Connection", "close")
	if r.Header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, r.Body, maxIgnored) // the answer is the same if this fails
	}
	s.writeProblem(r.Context(), w, err)
}

func routing(r *http.Request, status int) error {
	switch status {
	case http.StatusMethodNotAllowed:
		return fault.New(fault.UnknownFunction, "%s is not possible on this path", r.Method)
	case http.StatusNotFound:
		return fault.New(fault.UnknownFunction, "no such path; /openapi.json lists them")
	}
	return fault.New(fault.Malformed, "the request's path cannot be read")
}

// accepted answers 202 to a submission that did not want to wait, and says when to
// send again what there was no room for.
func accepted(ctx context.Context, w http.ResponseWriter, m proto.Message) error {
	var answered []*killickv1.Operation
	switch method, _ := runtime.RPCMethod(ctx); method {
	case killickv1.Killick_Submit_FullMethodName:
		answered = []*killickv1.Operation{m.(*killickv1.Operation)}
	case killickv1.Killick_SubmitBatch_FullMethodName:
		answered = m.(*killickv1.SubmitBatchResponse).GetOperations()
	}
	pending := false
	for _, o := range answered {
		pending = pending || o.GetState() == string(submit.Pending)
		if o.GetCode() == fault.Overloaded.String() { // of a batch, whose items fail alone
			w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		}
	}
	if pending {
		w.WriteHeader(http.StatusAccepted)
	}
	return nil
}

func (s *Server) writeProblem(ctx context.Context, w http.ResponseWriter, err error) {
	r := s.refuse(ctx, err)
	if r.code == fault.Overloaded {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(r.code.HTTP())
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(r.problem()) // the client is gone if this fails
}

// health answers 200 when the ledger can be read through this gateway.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
	defer cancel()
	status := s.cfg.Submitter.Status()
	answer := map[string]any{"status": "ok", "network": s.cfg.Network, "next_block": status.Next, "pending": status.Pending}
	if d := s.divergences(); len(d) > 0 {
		answer["divergences"] = d
	}
	code := http.StatusOK
	if _, err := s.cfg.Ledger.Evaluate(ctx, "ops:Network"); err != nil {
		answer["status"], answer["code"] = "unavailable", fault.Of(err).String()
		code = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer) // the client is gone if this fails
}
