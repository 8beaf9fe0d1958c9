// Package api offers the ledger to partner apps: one service over gRPC and the
// same over REST with JSON, and beside them the W3C's DID resolver over HTTP. It decodes strictly, hands operations to
// gateway/submit, reads the ledger, and refuses with the codes of
// docs/formats/codes.md, alike in both forms. It holds no state and no key, and
// it decides nothing: whoever signs may submit.
package api

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/certificate"
	"github.com/killick-ledger/killick/gateway/events"
	"github.com/killick-ledger/killick/gateway/index"
	"github.com/killick-ledger/killick/gateway/login"
	"github.com/killick-ledger/killick/gateway/resolver"
	"github.com/killick-ledger/killick/gateway/submit"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
)

//go:generate sh -c "cd generate && go run . .."

// Ledger answers queries.
type Ledger interface {
	// Evaluate runs a query function of the chaincode on one peer; a refusal by the
	// chaincode is a *fault.Error.
	Evaluate(ctx context.Context, function string, args ...[]byte) ([]byte, error)
	// Validation returns Fabric's name of the validation code of a transaction, and
	// its block. Errors: fault.NotFound, fault.Unavailable.
	Validation(ctx context.Context, id string) (code string, block uint64, err error)
	// Height is how many blocks the peer has.
	Height(ctx context.Context) (uint64, error)
}

// Config is what a Server works with.
type Config struct {
	Submitter *submit.Submitter
	Ledger    Ledger
	Events    *events.Stream
	Index     *index.Index  // nil: no lists here
	Network   string        // name of the ledger
	Anchor    string        // base URL of the own organisation's anchor; empty: no proofs here
	Wait      time.Duration // how long Submit waits for a result (30 s)
	Log       *slog.Logger  // default slog.Default()
	// Divergences returns what is known of each organisation whose chaincode may
	// differ; nil: nobody looks.
	Divergences func() []Divergence
	Web         *resolver.Web // resolves did:web; nil: nobody does
	// Credentials is what the VC-API works with; what it needs of the ledger is the
	// server's own. Without contexts only the base context is allowed.
	Credentials certificate.Config
	// OpenID is what wallets are offered and asked for. Its service and the login of DIDs
	// need Credentials.URL; without that nobody logs in here.
	OpenID OpenID
}

// Server implements the service. Make it with New.
type Server struct {
	killickv1.UnimplementedKillickServer
	cfg          Config
	resolver     resolver.Resolver
	certificates *certificate.Service
	login        *login.Service // nil: nobody logs in here
	budget       budget
	auditing     sync.Mutex // held by who reads the ledger of money: one at a time
}

// New returns a server.
func New(cfg Config) *Server {
	if cfg.Wait == 0 {
		cfg.Wait = 30 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &Server{cfg: cfg}
	s.resolver = s.resolvers(cfg.Web)
	cfg.Credentials.Resolver, cfg.Credentials.Network, cfg.Credentials.Ledger = s.resolver, cfg.Network, bounded{cfg.Ledger}
	cfg.Credentials.Submit, cfg.Credentials.Place, cfg.Credentials.Height = s.bring, s.place, cfg.Ledger.Height
	s.certificates = certificate.New(cfg.Credentials)
	if url := cfg.Credentials.URL; url != "" {
		s.login = login.New(login.Config{URL: url, Method: s.certificates.Method, Log: cfg.Log})
	}
	return s
}

// GRPC returns the gRPC form of the server, ready to Serve. It describes itself
// by reflection.
func (s *Server) GRPC() *grpc.Server {
	g := grpc.NewServer(
		grpc.UnaryInterceptor(s.unary), grpc.ForceServerCodecV2(codec{encoding.GetCodecV2("proto")}),
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxAnswer),
		grpc.MaxConcurrentStreams(maxStreams), grpc.MaxHeaderListSize(64<<10), grpc.ConnectionTimeout(10*time.Second),
		grpc.Creds(metered{insecure.NewCredentials(), &s.budget, s.cfg.Log}), grpc.InTapHandle(limited),
		// Who follows events may say nothing for hours, and vanish.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	)
	killickv1.RegisterKillickServer(g, s)
	reflection.Register(g)
	return g
}

// Submit brings one operation onto the ledger, with its private content if it names
// one. Errors: those of the operation's
// form, its refusal by the ledger, fault.Unknown, fault.Overloaded,
// fault.Unavailable.
func (s *Server) Submit(ctx context.Context, in *killickv1.SubmitRequest) (*killickv1.Operation, error) {
	if in.GetOperation() == "" {
		return nil, fault.New(fault.MissingField, "operation")
	}
	var ticket *submit.Ticket
	if in.Content == nil {
		ticket = s.cfg.Submitter.Submit(in.GetOperation())[0]
	} else {
		ticket = s.cfg.Submitter.SubmitWith(in.GetOperation(), []byte(in.GetContent()))
	}
	if err := ticket.Err(); err != nil {
		return nil, err
	}
	receipt := s.await(ctx, wants(in.Wait), ticket)[0]
	operation := s.render(receipt)
	switch {
	case receipt.State == submit.Done, !wants(in.Wait) && receipt.State == submit.Pending:
		return operation, nil
	case receipt.State == submit.Pending:
		operation.State = stateUnknown
		return nil, &refusal{code: fault.Unknown, text: "no result within the time that this gateway waits", instance: instance(), receipt: operation}
	}
	return nil, &refusal{code: receipt.Code, text: operation.Text, instance: instance(), receipt: operation}
}

// SubmitBatch brings up to 1,000 operations onto the ledger, each for itself.
// Errors: fault.MissingField, fault.TooLarge.
func (s *Server) SubmitBatch(ctx context.Context, in *killickv1.SubmitBatchRequest) (*killickv1.SubmitBatchResponse, error) {
	switch n := len(in.GetOperations()); {
	case n == 0:
		return nil, fault.New(fault.MissingField, "operations: at least one is needed")
	case n > maxBatch:
		return nil, fault.New(fault.TooLarge, "%d operations are more than %d", n, maxBatch)
	}
	tickets := s.cfg.Submitter.Submit(in.GetOperations()...)
	out := &killickv1.SubmitBatchResponse{Operations: make([]*killickv1.Operation, len(tickets))}
	receipts := s.await(ctx, wants(in.Wait), tickets...)
	for i, t := range tickets {
		if err := t.Err(); err != nil {
			out.Operations[i] = s.renderError(ctx, err)
			continue
		}
		o := s.render(receipts[i])
		if wants(in.Wait) && receipts[i].State == submit.Pending {
			o.State, o.Code, o.Advice = stateUnknown, fault.Unknown.String(), fault.Unknown.Advice()
		}
		out.Operations[i] = o
	}
	return out, nil
}

// bring brings an operation of the gateway's own onto the ledger.
func (s *Server) bring(ctx context.Context, jws string) error {
	_, err := s.Submit(ctx, &killickv1.SubmitRequest{Operation: jws})
	var refused *refusal
	if errors.As(err, &refused) {
		err = fault.New(refused.code, "operation %s: %s", refused.receipt.GetReference(), refused.text)
	}
	return err
}

// place finds where an operation stands.
func (s *Server) place(reference string) (certificate.Place, error) {
	receipt, err := s.lookup(reference)
	if err == nil && receipt.State == submit.Done && receipt.Transaction != "" {
		return certificate.Place{Transaction: receipt.Transaction, Block: receipt.Block}, nil
	}
	if err != nil && fault.Of(err) != fault.NotFound {
		return certificate.Place{}, err
	}
	return certificate.Place{}, fault.New(fault.Unavailable, "this gateway has not seen the block of the operation %s yet", reference)
}

func wants(wait *bool) bool { return wait == nil || *wait }

// await collects receipts, of tickets without an error, waiting at most Wait for
// all of them together.
func (s *Server) await(ctx context.Context, wait bool, tickets ...*submit.Ticket) []submit.Receipt {
	limit := s.cfg.Wait
	if !wait {
		limit = 0
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	receipts := make([]submit.Receipt, len(tickets))
	for i, t := range tickets {
		if t.Err() == nil {
			receipts[i] = t.Wait(ctx)
		}
	}
	return receipts
}

// stateUnknown is the state of an operation whose result did not come in time.
const stateUnknown = "unknown"

func (s *Server) render(r submit.Receipt) *killickv1.Operation {
	o := &killickv1.Operation{
		Id: hex.EncodeToString(r.ID[:]), Reference: r.Reference, State: string(r.State), Code: r.Code.String(),
		Advice: r.Code.Advice(), Transaction: r.Transaction, Validation: r.Validation, Block: r.Block, Repeated: r.Repeated,
		Simulated: canon.Simulated(s.cfg.Network),
	}
	switch r.State {
	case submit.Pending:
		o.Code, o.Advice = "", ""
	case submit.Refused:
		o.Text = "the ledger refused the operation"
	}
	return o
}

// renderError is the receipt of an operation that was not taken.
func (s *Server) renderError(ctx context.Context, err error) *killickv1.Operation {
	r := s.refuse(ctx, err)
	return &killickv1.Operation{State: string(submit.Refused), Code: r.code.String(), Text: r.text, Advice: r.code.Advice(), Simulated: canon.Simulated(s.cfg.Network)}
}

// GetOperation looks an operation up, in the journal and the blocks that this
// gateway has seen. Errors: fault.InvalidValue, fault.NotFound.
func (s *Server) GetOperation(_ context.Context, in *killickv1.GetOperationRequest) (*killickv1.Operation, error) {
	receipt, err := s.lookup(in.GetId())
	if err != nil {
		return nil, err
	}
	return s.render(receipt), nil
}

// lookup finds an operation by its id or its reference.
func (s *Server) lookup(name string) (submit.Receipt, error) {
	id := name
	if len(name) == 8+1+64 && name[8] == '-' {
		id = name[9:]
	}
	op, err := canon.UnHex32(id)
	if err != nil {
		return submit.Receipt{}, fault.New(fault.InvalidValue, "an operation's id is 64 lower-case hex digits, its reference 8, a hyphen and the id")
	}
	receipt, err := s.cfg.Submitter.Lookup(op)
	if err == nil && id != name && receipt.Reference != name {
		return receipt, fault.New(fault.NotFound, "the operation has the reference %s", receipt.Reference)
	}
	return receipt, err
}
