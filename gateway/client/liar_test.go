package client_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/api/apitest"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/client"
)

// dialled serves a gateway until the test ends, and returns a client of it.
func dialled(t *testing.T, gateway killickv1.KillickServer) *client.Client {
	t.Helper()
	server := grpc.NewServer()
	killickv1.RegisterKillickServer(server, gateway)
	return dial(t, apitest.Listen(t, server))
}

// dial returns a client that lasts as long as the test.
func dial(t *testing.T, address string) *client.Client {
	t.Helper()
	c, err := client.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// liar is a gateway that says of DIDs what the ledger does not.
type liar struct {
	killickv1.UnimplementedKillickServer
	honest killickv1.KillickClient
	lie    func(*killickv1.DidResolution)
}

func (l *liar) ResolveDid(ctx context.Context, in *killickv1.ResolveDidRequest) (*killickv1.DidResolution, error) {
	r, err := l.honest.ResolveDid(ctx, in)
	if err == nil && in.GetVersionId() == 0 {
		l.lie(r)
	}
	return r, err
}

// inventive is a gateway that answers about something else than was asked.
type inventive struct {
	killickv1.UnimplementedKillickServer
}

const invented = "00000001-0000000000000000000000000000000000000000000000000000000000000001"

func (inventive) GetRecord(context.Context, *killickv1.GetRecordRequest) (*killickv1.Record, error) {
	return &killickv1.Record{Id: invented}, nil
}

func (inventive) GetGrant(context.Context, *killickv1.GetGrantRequest) (*killickv1.Grant, error) {
	return &killickv1.Grant{Id: invented, Price: "1000000000000"}, nil
}

func (inventive) GetUse(context.Context, *killickv1.GetUseRequest) (*killickv1.Use, error) {
	return &killickv1.Use{Id: invented}, nil
}

func (inventive) GetCredential(context.Context, *killickv1.GetCredentialRequest) (*killickv1.Credential, error) {
	return &killickv1.Credential{Id: invented}, nil
}

func (inventive) GetJob(context.Context, *killickv1.GetJobRequest) (*killickv1.Job, error) {
	return &killickv1.Job{Id: invented}, nil
}

func (inventive) GetRound(context.Context, *killickv1.GetRoundRequest) (*killickv1.Round, error) {
	return &killickv1.Round{Id: invented}, nil
}

func (inventive) GetSettlement(context.Context, *killickv1.GetSettlementRequest) (*killickv1.Settlement, error) {
	return &killickv1.Settlement{Id: invented, Lines: []*killickv1.SettlementLine{
		{Role: "owner", Who: "a", Amount: "0"}, {Role: "verifier", Who: "b", Fate: "right", Amount: "5"}, {Role: "verifier", Who: "c", Fate: "missed", Amount: "0"},
	}}, nil
}

func (inventive) GetStanding(context.Context, *killickv1.GetStandingRequest) (*killickv1.Standing, error) {
	return &killickv1.Standing{Did: invented}, nil
}

func (inventive) FetchContent(context.Context, *killickv1.FetchContentRequest) (*killickv1.Content, error) {
	return &killickv1.Content{Record: invented}, nil
}

// Who asks for one grant is not made to pay for another: an answer about something else
// is none. (GW-10)
func TestAnswersAreAboutTheQuestion(t *testing.T) {
	c := dialled(t, inventive{})
	identity, _, err := client.Generate("EdDSA", false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, signer := t.Context(), identity.On("main-0011223344556677")
	for what, ask := range map[string]func(id string) error{
		"record":     func(id string) error { _, err := c.Record(ctx, id); return err },
		"grant":      func(id string) error { _, err := c.Grant(ctx, id); return err },
		"use":        func(id string) error { _, err := c.Use(ctx, id); return err },
		"credential": func(id string) error { _, err := c.Credential(ctx, id); return err },
		"job":        func(id string) error { _, err := c.Job(ctx, id); return err },
		"round":      func(id string) error { _, err := c.Round(ctx, id, true); return err },
		"settlement": func(id string) error { _, err := c.Settlement(ctx, id); return err },
		"standing":   func(id string) error { _, err := c.Standing(ctx, id); return err },
		"content":    func(id string) error { _, err := c.Content(ctx, signer, id); return err },
	} {
		if err := ask(invented); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if err := ask(invented[:72] + "2"); fault.Of(err) != fault.Internal {
			t.Errorf("another %s was taken: %v", what, err)
		}
	}
}

// What an owner changes and signs is what the ledger has, whatever a gateway says. (GW-10)
func TestEditBelievesNoGateway(t *testing.T) {
	address, o := startGateway(t)
	honest, err := client.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	defer honest.Close()
	signer := o.identity.On(o.network)
	l := &life{t: t, c: honest, network: o.network}
	jws, err := signer.Create([]string{"eip155:1", "tron:0x2b6653dc"}, "tron:0x2b6653dc")
	l.submit(jws, err, fault.OK)

	gateway := new(liar)
	lying := dial(t, apitest.Between(t, address, func(honest killickv1.KillickClient) killickv1.KillickServer {
		gateway.honest = honest
		return gateway
	}))

	thief, _, err := client.Generate("EdDSA", false)
	if err != nil {
		t.Fatal(err)
	}
	jws, err = thief.On(o.network).Create(nil, "")
	l.submit(jws, err, fault.OK)
	stolen, err := honest.Resolve(t.Context(), thief.DID(o.network))
	if err != nil {
		t.Fatal(err)
	}
	list := func(r *killickv1.DidResolution, name string) *structpb.ListValue {
		return r.GetDidDocument().GetFields()[name].GetListValue()
	}
	theirs := list(stolen, "verificationMethod").GetValues()[0].GetStructValue().GetFields()["publicKeyMultibase"]
	lies := map[string]func(r *killickv1.DidResolution){
		"another key": func(r *killickv1.DidResolution) {
			list(r, "verificationMethod").GetValues()[0].GetStructValue().Fields["publicKeyMultibase"] = theirs
		},
		"no key for credentials": func(r *killickv1.DidResolution) { delete(r.GetDidDocument().GetFields(), "assertionMethod") },
		"a service": func(r *killickv1.DidResolution) {
			service, err := structpb.NewList([]any{map[string]any{"id": signer.DID() + "#s", "type": "S", "serviceEndpoint": "https://thief.example"}})
			if err != nil {
				t.Error(err)
			}
			r.DidDocument.Fields["service"] = structpb.NewListValue(service)
		},
		"another DID": func(r *killickv1.DidResolution) {
			r.DidDocument, r.DidDocumentMetadata, r.Version = stolen.GetDidDocument(), stolen.GetDidDocumentMetadata(), stolen.GetVersion()
		},
	}
	for version := range 2 {
		gateway.lie = func(*killickv1.DidResolution) {}
		e, err := lying.Edit(t.Context(), signer.DID())
		if err != nil {
			t.Fatalf("version %d, and the truth: %v", version+1, err)
		}
		for name, lie := range lies {
			gateway.lie = lie
			if _, err := lying.Edit(t.Context(), signer.DID()); err == nil {
				t.Errorf("version %d: %s was believed", version+1, name)
			}
		}
		e.SetService("files", "LinkedDomains", "https://alice.example")
		jws, err = signer.Update(e)
		l.submit(jws, err, fault.OK)
	}
	if _, err := honest.Edit(t.Context(), signer.DID()); err != nil {
		t.Error(err)
	}
}

// silent is a gateway that takes calls and never answers.
type silent struct {
	killickv1.UnimplementedKillickServer
}

func (silent) GetNetwork(ctx context.Context, _ *killickv1.GetNetworkRequest) (*killickv1.Network, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (silent) Submit(ctx context.Context, _ *killickv1.SubmitRequest) (*killickv1.Operation, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Whoever gives up on a question knows that nothing has happened; whoever gives up on an
// operation does not.
func TestNoAnswerInTime(t *testing.T) {
	c := dialled(t, silent{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Network(ctx); fault.Of(err) != fault.Unavailable {
		t.Errorf("a question: %v", err)
	}
	if _, err := c.Submit(ctx, "x"); fault.Of(err) != fault.Unknown {
		t.Errorf("an operation: %v", err)
	}
}
