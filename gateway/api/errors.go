package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strconv"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Domain is the domain of the ErrorInfo detail; its reason is the code's name.
const Domain = "killick"

// retryAfter is what Retry-After says, in seconds: a full queue has room again
// after a few blocks.
const retryAfter = 1

// refusal is an error as both forms of the service show it.
type refusal struct {
	code     fault.Code
	text     string
	instance string               // id of this answer, found again in the log
	receipt  *killickv1.Operation // when the ledger gave the answer
	cause    error                // what the partner does not see
}

func (r *refusal) Error() string { return (&fault.Error{Code: r.code, Text: r.text}).Error() }

func (r *refusal) Unwrap() error { return r.cause }

// refuse makes a refusal of any error. Errors of others become internal: the
// partner gets an id, and the log the error under that id.
func (s *Server) refuse(ctx context.Context, err error) *refusal {
	var known *refusal
	if errors.As(err, &known) {
		return known
	}
	r := &refusal{code: fault.Of(err), text: fault.Text(err), instance: instance(), cause: err}
	var foreign *fault.Error
	switch {
	case errors.As(err, &foreign):
	case status.Code(err) != codes.Unknown: // gRPC's and the REST proxy's own errors
		r.code, r.text = ofStatus(status.Convert(err))
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		r.code, r.text = fault.Unavailable, "the request ended before the answer came"
	}
	if r.code == fault.Internal {
		r.text = "internal error"
		s.cfg.Log.ErrorContext(ctx, "request failed", "instance", r.instance, "error", err)
	}
	return r
}

// ofStatus reads errors that the transport made before a request came to us.
func ofStatus(st *status.Status) (fault.Code, string) {
	if e, ok := fault.Parse(st.Message()); ok {
		return e.Code, e.Text
	}
	switch st.Code() {
	case codes.NotFound:
		return fault.NotFound, "no such path"
	case codes.Unimplemented:
		return fault.UnknownFunction, "no such method here"
	case codes.InvalidArgument: // of a parameter in path or query
		return fault.InvalidValue, st.Message()
	case codes.ResourceExhausted:
		return fault.TooLarge, st.Message()
	case codes.Canceled, codes.DeadlineExceeded, codes.Unavailable:
		return fault.Unavailable, "the request ended before the answer came"
	}
	return fault.Internal, ""
}

func instance() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// GRPCStatus makes gRPC send the refusal with its code, advice and receipt.
func (r *refusal) GRPCStatus() *status.Status {
	info := &errdetails.ErrorInfo{Reason: r.code.String(), Domain: Domain, Metadata: map[string]string{
		"advice": r.code.Advice(), "text": r.text, "instance": r.instance,
	}}
	if o := r.receipt; o != nil {
		info.Metadata["operation"], info.Metadata["reference"] = o.GetId(), o.GetReference()
		info.Metadata["transaction"], info.Metadata["validation"] = o.GetTransaction(), o.GetValidation()
		info.Metadata["block"] = strconv.FormatUint(o.GetBlock(), 10)
		info.Metadata["state"] = o.GetState()
		info.Metadata["repeated"] = strconv.FormatBool(o.GetRepeated())
	}
	st := status.New(grpcCode(r.code), r.Error())
	detailed, err := st.WithDetails(info)
	if err == nil && r.code == fault.Overloaded {
		detailed, err = detailed.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(retryAfter * time.Second)})
	}
	if err != nil {
		return st
	}
	return detailed
}

// grpcCodes are the names that fault's table uses.
var grpcCodes = map[string]codes.Code{
	"OK": codes.OK, "Unknown": codes.Unknown, "InvalidArgument": codes.InvalidArgument, "NotFound": codes.NotFound,
	"AlreadyExists": codes.AlreadyExists, "PermissionDenied": codes.PermissionDenied, "ResourceExhausted": codes.ResourceExhausted,
	"FailedPrecondition": codes.FailedPrecondition, "Aborted": codes.Aborted, "OutOfRange": codes.OutOfRange,
	"Unimplemented": codes.Unimplemented, "Internal": codes.Internal, "Unavailable": codes.Unavailable, "Unauthenticated": codes.Unauthenticated,
}

func grpcCode(c fault.Code) codes.Code {
	if code, ok := grpcCodes[c.GRPC()]; ok {
		return code
	}
	return codes.Internal
}

// unary refuses what gRPC's decoder lets pass and gives every error its code.
func (s *Server) unary(ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if err := checkMessage(request); err != nil {
		return nil, s.refuse(ctx, err)
	}
	back, err := s.budget.take(int64(proto.Size(request.(proto.Message))))
	if err != nil {
		return nil, s.refuse(ctx, err)
	}
	defer back()
	answer, err := next(ctx, request)
	if err != nil {
		return nil, s.refuse(ctx, err)
	}
	return answer, nil
}

// Problem is the body of a refusal over REST (RFC 9457, application/problem+json).
type Problem struct {
	Type      string          `json:"type"`
	Title     string          `json:"title"`
	Status    int             `json:"status"`
	Code      string          `json:"code"`
	Detail    string          `json:"detail,omitempty"`
	Advice    string          `json:"advice"`
	Instance  string          `json:"instance"`
	Operation *problemReceipt `json:"operation,omitempty"`
}

// problemReceipt names the operation that was refused or has no result yet.
type problemReceipt struct {
	ID          string `json:"id"`
	Reference   string `json:"reference"`
	State       string `json:"state"`
	Transaction string `json:"transaction,omitempty"`
	Validation  string `json:"validation,omitempty"`
	Block       string `json:"block,omitempty"`
	Repeated    bool   `json:"repeated"`
}

func (r *refusal) problem() Problem {
	name := r.code.String()
	p := Problem{
		Type: "urn:killick:problem:" + name, Title: title(name), Status: r.code.HTTP(), Code: name,
		Detail: r.text, Advice: r.code.Advice(), Instance: "urn:killick:answer:" + r.instance,
	}
	if o := r.receipt; o != nil {
		p.Operation = &problemReceipt{ID: o.GetId(), Reference: o.GetReference(), State: o.GetState(), Transaction: o.GetTransaction(), Validation: o.GetValidation(), Repeated: o.GetRepeated()}
		if o.GetBlock() != 0 { // a void transaction is named without its block
			p.Operation.Block = strconv.FormatUint(o.GetBlock(), 10)
		}
	}
	return p
}

// title is the code's name as words.
func title(name string) string {
	b := []byte(name)
	for i := range b {
		if b[i] == '_' {
			b[i] = ' '
		}
	}
	if len(b) > 0 && b[0] >= 'a' && b[0] <= 'z' {
		b[0] -= 'a' - 'A'
	}
	return string(b)
}
