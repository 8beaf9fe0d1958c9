// Package client is how a partner app uses a gateway from Go: it keeps keys in
// sealed files, signs operations, submits them one by one or in masses, looks
// them up, reads the ledger, and fetches proofs.
//
// Keys never leave the process. Every refusal is an *Error with the stable code
// of docs/formats/codes.md. Submitting the same bytes again is always safe: the
// ledger executes an operation once.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"
)

// The messages of the service.
type (
	Operation  = killickv1.Operation
	Network    = killickv1.Network
	Vault      = killickv1.Vault
	Resolution = killickv1.DidResolution
	Linked     = killickv1.Identity
	Record     = killickv1.Record
	Credential = killickv1.Credential
	Balance    = killickv1.Balance
	Payout     = killickv1.Payout
)

const (
	// Limits of one request.
	maxBatch   = 1000
	maxRequest = 7 << 20
	maxAnswer  = 32 << 20
)

// Error is a refusal. errors.Is finds it by its code: errors.Is(err,
// &fault.Error{Code: fault.NotFound}).
type Error struct {
	Fault    fault.Error
	Instance string     // id of the answer, for the gateway's operator
	Receipt  *Operation // of the operation that was refused or has no result yet, or nil
}

// Error renders "code: text".
func (e *Error) Error() string { return e.Fault.Error() }

// Unwrap returns the code and text.
func (e *Error) Unwrap() error { return &e.Fault }

// Client is a connection to a gateway, or to the first of several that answers.
// It is safe for concurrent use.
type Client struct {
	conn *grpc.ClientConn
	api  killickv1.KillickClient
}

// Dial prepares a connection to a gateway's gRPC address: host:port in the clear
// (on a loopback or inner network), or https://host[:port] with TLS. Nothing is
// sent before the first call. When the gateway's connection breaks, the others are
// tried in their order; gateways of any member will do, since the ledger executes
// an operation once. Calls that were under way then fail with fault.Unavailable.
func Dial(gateway string, others ...string) (*Client, error) {
	var secure int
	var addresses []resolver.Address
	for _, g := range append([]string{gateway}, others...) {
		host, ok := strings.CutPrefix(g, "https://")
		a := resolver.Address{Addr: host}
		if ok {
			secure++
			a.ServerName, _, _ = strings.Cut(host, ":")
			if a.ServerName == host {
				a.Addr += ":443"
			}
		}
		addresses = append(addresses, a)
	}
	transport := insecure.NewCredentials()
	switch secure {
	case 0:
	case len(addresses):
		transport = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	default:
		return nil, errors.New("gateways with TLS and without in one connection")
	}
	list := manual.NewBuilderWithScheme("killick")
	list.InitialState(resolver.State{Addresses: addresses})
	conn, err := grpc.NewClient("killick:///gateways", grpc.WithResolvers(list), grpc.WithTransportCredentials(transport),
		// A gateway whose machine is gone sends nothing, not even that.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 15 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer), grpc.MaxCallSendMsgSize(maxAnswer)))
	if err != nil {
		return nil, fmt.Errorf("gateway %s: %w", gateway, err)
	}
	return &Client{conn: conn, api: killickv1.NewKillickClient(conn)}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Submit brings an operation, a compact JWS, onto the ledger and returns its
// receipt. An *Error with fault.Unknown has the receipt of an operation whose
// result did not come in time; look it up, or submit the same bytes again.
func (c *Client) Submit(ctx context.Context, jws string) (*Operation, error) {
	receipt, err := c.api.Submit(ctx, &killickv1.SubmitRequest{Operation: jws})
	return receipt, submitted(err)
}

// SubmitAll brings operations onto the ledger in requests as large as they may
// be, and returns a receipt for each, in their order; a refused one says so in
// its receipt. Operations that the gateway had no room for are sent again until
// ctx ends.
func (c *Client) SubmitAll(ctx context.Context, jws ...string) ([]*Operation, error) {
	receipts := make([]*Operation, len(jws))
	waiting := make([]int, len(jws))
	for i := range waiting {
		waiting[i] = i
	}
	for len(waiting) > 0 {
		n, size := 0, 0
		for n < len(waiting) && n < maxBatch && (n == 0 || size+len(jws[waiting[n]]) < maxRequest) {
			size += len(jws[waiting[n]])
			n++
		}
		request := &killickv1.SubmitBatchRequest{}
		for _, i := range waiting[:n] {
			request.Operations = append(request.Operations, jws[i])
		}
		answer, err := c.api.SubmitBatch(ctx, request)
		if err != nil {
			return receipts, submitted(err)
		}
		if len(answer.GetOperations()) != n {
			return receipts, fmt.Errorf("gateway answered %d receipts for %d operations", len(answer.GetOperations()), n)
		}
		var again []int
		for k, r := range answer.GetOperations() {
			i := waiting[k]
			if r.GetCode() == fault.Overloaded.String() {
				again = append(again, i)
				continue
			}
			receipts[i] = r
		}
		waiting = append(again, waiting[n:]...)
		if len(again) > 0 {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return receipts, ctx.Err()
			}
		}
	}
	return receipts, nil
}

// Operation looks an operation up by its id or reference.
func (c *Client) Operation(ctx context.Context, id string) (*Operation, error) {
	v, err := c.api.GetOperation(ctx, &killickv1.GetOperationRequest{Id: id})
	return v, refusal(err)
}

// Network describes the ledger.
func (c *Client) Network(ctx context.Context) (*Network, error) {
	v, err := c.api.GetNetwork(ctx, &killickv1.GetNetworkRequest{})
	return v, refusal(err)
}

// Resolve resolves a DID.
func (c *Client) Resolve(ctx context.Context, did string) (*Resolution, error) {
	v, err := c.api.ResolveDid(ctx, &killickv1.ResolveDidRequest{Did: did})
	return v, refusal(err)
}

// ResolveVersion resolves a version of a DID by its number, from 1.
func (c *Client) ResolveVersion(ctx context.Context, did string, version uint32) (*Resolution, error) {
	v, err := c.api.ResolveDid(ctx, &killickv1.ResolveDidRequest{Did: did, VersionId: version})
	return v, refusal(err)
}

// ResolveAt resolves the version of a DID that was in force at a time, which counts
// in whole seconds.
func (c *Client) ResolveAt(ctx context.Context, did string, at time.Time) (*Resolution, error) {
	v, err := c.api.ResolveDid(ctx, &killickv1.ResolveDidRequest{Did: did, VersionTime: uint64(max(1, at.Unix()))})
	return v, refusal(err)
}

// Identity reads what anyone may know of the identities that are linked to a DID.
func (c *Client) Identity(ctx context.Context, did string) (*Linked, error) {
	v, err := c.api.GetIdentity(ctx, &killickv1.GetIdentityRequest{Did: did})
	return v, refusal(err)
}

// Record reads a record by its reference.
func (c *Client) Record(ctx context.Context, id string) (*Record, error) {
	v, err := c.api.GetRecord(ctx, &killickv1.GetRecordRequest{Id: id})
	return about(id, v, v.GetId(), err)
}

// FindCredential reads the credential that has an entry of its issuer's status lists.
func (c *Client) FindCredential(ctx context.Context, issuer string, list, index uint32) (*Credential, error) {
	v, err := c.api.FindCredential(ctx, &killickv1.FindCredentialRequest{Issuer: issuer, List: list, Index: index})
	return v, refusal(err)
}

// Credential reads a credential's status by its reference.
func (c *Client) Credential(ctx context.Context, id string) (*Credential, error) {
	v, err := c.api.GetCredential(ctx, &killickv1.GetCredentialRequest{Id: id})
	return about(id, v, v.GetId(), err)
}

// Balance reads what a DID owns of an asset.
func (c *Client) Balance(ctx context.Context, did, asset string) (*Balance, error) {
	v, err := c.api.GetBalance(ctx, &killickv1.GetBalanceRequest{Did: did, Asset: asset})
	return v, refusal(err)
}

// Subject is what a proof is about; exactly one member is set.
type Subject struct {
	Key         string // on the ledger, for example record/<reference>
	Operation   string // id or reference
	Transaction string // id of a Fabric transaction
	Job         string // reference of a settled job: its trail
	Disclosure  []byte // with Job: of an account that it paid, for a trail that begins with the payout
}

// Proof fetches a proof bundle, the content of an .anchorproof file. Before the
// subject's checkpoint is final on a public chain it is fault.NotAnchored.
func (c *Client) Proof(ctx context.Context, s Subject) ([]byte, error) {
	v, err := c.api.GetProof(ctx, &killickv1.GetProofRequest{Key: s.Key, Operation: s.Operation, Transaction: s.Transaction, Job: s.Job, Disclosure: canon.B64(s.Disclosure)})
	return v.GetData(), refusal(err)
}

// Payouts fetches what a chain account (CAIP-10), or anyone for it, needs to claim
// what vaults hold for it.
func (c *Client) Payouts(ctx context.Context, account string) ([]*Payout, error) {
	v, err := c.api.GetPayout(ctx, &killickv1.GetPayoutRequest{Account: account})
	return v.GetPayouts(), refusal(err)
}

// about lets an answer pass that is about what was asked for: what is signed, and which
// file is written, goes by it, and a gateway that lies could name something else.
func about[T any](asked string, answer *T, name string, err error) (*T, error) {
	if err == nil && name != asked {
		return nil, &Error{Fault: fault.Error{Code: fault.Internal, Text: fmt.Sprintf("the gateway was asked for %.80q and answered with %.80q", asked, name)}}
	}
	return answer, refusal(err)
}

// submitted is refusal for calls that change the ledger: when the connection
// breaks, the gateway may have taken what was sent.
func submitted(err error) error {
	err = refusal(err)
	var e *Error
	if errors.As(err, &e) && e.Fault.Code == fault.Unavailable && e.Instance == "" {
		e.Fault.Code = fault.Unknown
	}
	return err
}

// refusal reads the code, text and receipt that the gateway put into a status.
func refusal(err error) error {
	if err == nil {
		return nil
	}
	st := status.Convert(err)
	for _, detail := range st.Details() {
		info, ok := detail.(*errdetails.ErrorInfo)
		if !ok || info.GetDomain() != "killick" {
			continue
		}
		m := info.GetMetadata()
		code, known := fault.ByName(info.GetReason())
		if !known {
			code = fault.Internal // of a newer gateway
		}
		e := &Error{Fault: fault.Error{Code: code, Text: m["text"]}, Instance: m["instance"]}
		if m["operation"] != "" {
			block, _ := strconv.ParseUint(m["block"], 10, 64) // 0 when there is none
			e.Receipt = &Operation{
				Id: m["operation"], Reference: m["reference"], State: m["state"], Code: code.String(), Text: m["text"], Advice: m["advice"],
				Transaction: m["transaction"], Validation: m["validation"], Block: block, Repeated: m["repeated"] == "true",
			}
		}
		return e
	}
	switch st.Code() {
	case codes.Unavailable:
		return &Error{Fault: fault.Error{Code: fault.Unavailable, Text: "the gateway does not answer: " + st.Message()}}
	case codes.ResourceExhausted: // gRPC's own, before the gateway saw the message
		return &Error{Fault: fault.Error{Code: fault.TooLarge, Text: st.Message()}}
	case codes.Canceled, codes.DeadlineExceeded:
		return &Error{Fault: fault.Error{Code: fault.Unavailable, Text: "no answer in time"}} // submitted makes it unknown
	case codes.Internal:
		if strings.HasPrefix(st.Message(), "grpc: error while marshaling") { // gRPC's own, before anything is sent
			return &Error{Fault: fault.Error{Code: fault.Malformed, Text: "a text that is not UTF-8"}}
		}
	}
	return err
}
