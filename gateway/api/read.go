package api

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/credential"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"google.golang.org/protobuf/types/known/structpb"
)

// queryLimit is how long peers have to answer a query.
const queryLimit = 20 * time.Second

// bounded is a ledger whose queries end, whoever asks.
type bounded struct{ Ledger }

// Evaluate implements certificate.Ledger.
func (b bounded) Evaluate(ctx context.Context, function string, args ...[]byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, queryLimit)
	defer cancel()
	return b.Ledger.Evaluate(ctx, function, args...)
}

// query runs a query and reads its JSON answer into v.
func (s *Server) query(ctx context.Context, v any, function string, args ...[]byte) error {
	answer, err := bounded{s.cfg.Ledger}.Evaluate(ctx, function, args...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, v, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("answer of %s: %w", function, err)
	}
	return nil
}

// GetTransaction finds a Fabric transaction. Errors: fault.InvalidValue,
// fault.NotFound, fault.Unavailable.
func (s *Server) GetTransaction(ctx context.Context, in *killickv1.GetTransactionRequest) (*killickv1.Transaction, error) {
	if _, err := canon.UnHex32(in.GetId()); err != nil {
		return nil, fault.New(fault.InvalidValue, "a transaction's id is 64 lower-case hex digits")
	}
	ctx, cancel := context.WithTimeout(ctx, queryLimit)
	defer cancel()
	code, block, err := s.cfg.Ledger.Validation(ctx, in.GetId())
	if err != nil {
		return nil, err
	}
	return &killickv1.Transaction{Id: in.GetId(), Validation: code, Block: block}, nil
}

// ResolveDid resolves a DID. Errors: fault.InvalidValue, fault.WrongNetwork,
// fault.DIDUnknown, fault.NotFound for a version that is not there.
func (s *Server) ResolveDid(ctx context.Context, in *killickv1.ResolveDidRequest) (*killickv1.DidResolution, error) {
	question, err := canon.Marshal(did.Query{DID: in.GetDid(), VersionID: in.GetVersionId(), VersionTime: in.GetVersionTime()})
	if err != nil {
		return nil, err
	}
	var v did.Resolution
	if err := s.query(ctx, &v, "did:Resolve", question); err != nil {
		return nil, err
	}
	document, err := canon.Marshal(v.Document)
	if err != nil {
		return nil, err
	}
	out := &killickv1.DidResolution{
		DidDocument: new(structpb.Struct),
		DidDocumentMetadata: &killickv1.DidDocumentMetadata{
			VersionId: v.Metadata.VersionID, Deactivated: v.Metadata.Deactivated, Created: instant(v.Metadata.Created),
			Updated: instant(v.Metadata.Updated), NextUpdate: instant(v.Metadata.NextUpdate), NextVersionId: v.Metadata.NextVersionID,
		},
		Version: &killickv1.DidVersion{
			Hash: v.Version.Hash, Created: v.Version.Created, Updated: v.Version.Updated, Root: v.Version.Root,
			Recovery: v.Version.Recovery, Deactivation: v.Version.Deactivation,
		},
	}
	return out, out.DidDocument.UnmarshalJSON(document)
}

// GetIdentity reads what anyone may know of the identities that are linked to a DID.
// Errors: fault.InvalidValue, fault.WrongNetwork, fault.DIDUnknown.
func (s *Server) GetIdentity(ctx context.Context, in *killickv1.GetIdentityRequest) (*killickv1.Identity, error) {
	var v did.IdentityView
	if err := s.query(ctx, &v, "did:Identity", []byte(in.GetDid())); err != nil {
		return nil, err
	}
	out := &killickv1.Identity{
		Did: v.DID, Version: v.Version, Root: v.Root, Epoch: v.Epoch, Bound: v.Bound, Organisations: v.Organisations,
	}
	for _, l := range v.Leaves {
		out.Leaves = append(out.Leaves, &killickv1.IdentityLeaf{Leaf: l.Leaf, From: l.From})
	}
	for _, p := range v.Payouts {
		out.Payouts = append(out.Payouts, &killickv1.IdentityPayout{Epoch: p.Epoch, Leaf: p.Leaf})
	}
	return out, nil
}

// instant renders seconds as DID metadata has times, and 0 as none.
func instant(seconds uint64) string {
	if seconds == 0 {
		return ""
	}
	return time.Unix(int64(seconds), 0).UTC().Format(time.RFC3339)
}

// GetRecord reads a record. Errors: fault.InvalidValue, fault.NotFound.
func (s *Server) GetRecord(ctx context.Context, in *killickv1.GetRecordRequest) (*killickv1.Record, error) {
	var v record.View
	if err := s.query(ctx, &v, "record:Read", []byte(in.GetId())); err != nil {
		return nil, err
	}
	return renderRecord(&v), nil
}

// FetchContent fetches the private content of a record for who signed the request.
// Errors: those of the request's form, times, key and signature, fault.NotFound,
// fault.Deleted, fault.NotOwner, fault.Unavailable.
func (s *Server) FetchContent(ctx context.Context, in *killickv1.FetchContentRequest) (*killickv1.Content, error) {
	if in.GetRequest() == "" {
		return nil, fault.New(fault.MissingField, "request")
	}
	var v record.ContentView
	if err := s.query(ctx, &v, "record:Content", []byte(in.GetRequest())); err != nil {
		return nil, err
	}
	return &killickv1.Content{Record: v.Record, Version: v.Version, Commitment: v.Commitment, Digest: v.Digest, Content: v.Content}, nil
}

// GetCredential reads a credential's status. Errors: fault.InvalidValue,
// fault.NotFound.
func (s *Server) GetCredential(ctx context.Context, in *killickv1.GetCredentialRequest) (*killickv1.Credential, error) {
	var v credential.View
	if err := s.query(ctx, &v, "credential:Read", []byte(in.GetId())); err != nil {
		return nil, err
	}
	return renderCredential(&v), nil
}

// FindCredential reads the credential that has an entry of a status list. Errors:
// fault.InvalidValue, fault.WrongNetwork, fault.NotFound.
func (s *Server) FindCredential(ctx context.Context, in *killickv1.FindCredentialRequest) (*killickv1.Credential, error) {
	question, err := canon.Marshal(credential.EntryQuery{Issuer: in.GetIssuer(), List: in.GetList(), Index: in.GetIndex()})
	if err != nil {
		return nil, err
	}
	var v credential.View
	if err := s.query(ctx, &v, "credential:Entry", question); err != nil {
		return nil, err
	}
	return renderCredential(&v), nil
}

func renderCredential(v *credential.View) *killickv1.Credential {
	return &killickv1.Credential{
		Id: v.Reference, Issuer: v.Issuer, Schema: v.Schema, Digest: v.Digest, ValidFrom: v.ValidFrom, ValidUntil: v.ValidUntil,
		Evidence: v.Evidence, Status: v.Status, Version: v.Version, Operation: v.By, Hash: v.Hash,
		Endorser: v.Endorser, List: v.List, Index: v.Index,
	}
}

// GetBalance reads an account. Errors: fault.InvalidValue, fault.WrongNetwork,
// fault.AssetUnknown, fault.DIDUnknown.
func (s *Server) GetBalance(ctx context.Context, in *killickv1.GetBalanceRequest) (*killickv1.Balance, error) {
	question, err := canon.Marshal(reward.BalanceQuery{DID: in.GetDid(), Asset: in.GetAsset()})
	if err != nil {
		return nil, err
	}
	var v reward.BalanceView
	if err := s.query(ctx, &v, "reward:Balance", question); err != nil {
		return nil, err
	}
	text := func(a reward.Amount) string { return strconv.FormatInt(int64(a), 10) }
	return &killickv1.Balance{
		Did: v.DID, Asset: v.Asset, Balance: text(v.Balance), Pending: v.Pending.String(), Due: v.Due.String(),
	}, nil
}

// GetNetwork describes the ledger. Errors: fault.NotInitialised.
func (s *Server) GetNetwork(ctx context.Context, _ *killickv1.GetNetworkRequest) (*killickv1.Network, error) {
	var v ops.NetworkView
	if err := s.query(ctx, &v, "ops:Network"); err != nil {
		return nil, err
	}
	out := &killickv1.Network{
		Network: v.Name, Time: uint64(time.Now().Unix()), Rules: v.Rules, Log: v.Log, Assets: v.Assets, Operations: ops.Names(),
		K: uint32(v.K), Treasuries: v.Treasuries, Issuers: v.Issuers, EpochSeconds: v.EpochSeconds, HeartbeatSeconds: v.HeartbeatSeconds,
		SetVersion: v.SetVersion, Height: s.cfg.Submitter.Status().Next, Url: s.cfg.Credentials.URL,
		Simulated: v.Test,
	}
	for _, m := range v.Members {
		out.Members = append(out.Members, &killickv1.Member{Msp: m.MSP, Cosign: m.Cosign, Address: m.Address})
	}
	for _, vault := range v.Vaults {
		out.Vaults = append(out.Vaults, &killickv1.Vault{Id: vault.ID, Token: vault.Token, Asset: vault.Asset})
	}
	return out, nil
}
