package api

import (
	"context"
	"math"
	"strconv"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/index"
)

const (
	// freshLimit is how long a list waits for the index to catch up with what the
	// gateway has seen, and blockLimit for a block that the request names.
	freshLimit = 2 * time.Second
	blockLimit = 10 * time.Second
)

// fresh returns the index once it includes the blocks that this gateway has taken in,
// or as it is after a while, and the block that is asked for in any case.
// Errors: fault.Unavailable.
func (s *Server) fresh(ctx context.Context, block uint64) (*index.Index, error) {
	x := s.cfg.Index
	if x == nil {
		return nil, fault.New(fault.Unavailable, "this gateway keeps no index")
	}
	if block > 0 {
		limited, cancel := context.WithTimeout(ctx, blockLimit)
		defer cancel()
		if err := x.Reach(limited, min(block, math.MaxUint64-1)+1); err != nil {
			return nil, err
		}
	}
	limited, cancel := context.WithTimeout(ctx, freshLimit)
	defer cancel()
	_ = x.Reach(limited, s.cfg.Submitter.Status().Next) // the answer says how far it is
	return x, nil
}

func paging(size uint32, token string) index.Paging {
	return index.Paging{Size: int(min(size, index.MaxSize+1)), Token: token}
}

// ListRecords lists records. Errors: fault.InvalidValue, fault.WrongNetwork,
// fault.Unavailable.
func (s *Server) ListRecords(ctx context.Context, in *killickv1.ListRecordsRequest) (*killickv1.RecordPage, error) {
	x, err := s.fresh(ctx, in.GetMinBlock())
	if err != nil {
		return nil, err
	}
	page, err := x.Records(ctx, index.Records{
		Owner: in.GetOwner(), Schema: in.GetSchema(), Status: in.GetStatus(), Since: in.GetSince(), Until: in.GetUntil(),
		Paging: paging(in.GetPageSize(), in.GetPageToken()),
	})
	if err != nil {
		return nil, err
	}
	out := &killickv1.RecordPage{NextPageToken: page.Next, Block: page.Block}
	for _, r := range page.Items {
		out.Records = append(out.Records, &killickv1.ListedRecord{Record: renderRecord(r.View), Time: r.Time})
	}
	return out, nil
}

// GetRecordHistory reads versions of a record. Errors: fault.InvalidValue,
// fault.NotFound.
func (s *Server) GetRecordHistory(ctx context.Context, in *killickv1.GetRecordHistoryRequest) (*killickv1.RecordHistory, error) {
	q := record.HistoryQuery{Record: in.GetId()}
	if token := in.GetPageToken(); token != "" {
		after, err := strconv.ParseUint(token, 10, 32)
		if err != nil || strconv.FormatUint(after, 10) != token {
			return nil, fault.New(fault.InvalidValue, "page token %.80q: give one back as it came with a page", token)
		}
		q.After = uint32(after)
	}
	question, err := canon.Marshal(q)
	if err != nil {
		return nil, err
	}
	var v record.HistoryView
	if err := s.query(ctx, &v, "record:History", question); err != nil {
		return nil, err
	}
	out := new(killickv1.RecordHistory)
	for _, version := range v.Versions {
		out.Versions = append(out.Versions, renderRecord(version))
	}
	if v.More {
		out.NextPageToken = strconv.FormatUint(uint64(v.Versions[len(v.Versions)-1].Version), 10)
	}
	return out, nil
}

func renderRecord(v *record.View) *killickv1.Record {
	return &killickv1.Record{
		Id: v.Reference, Owner: v.Owner, Status: v.Status, Version: v.Version, Schema: v.Schema, Commitment: v.Commitment,
		Size: v.Size, Location: v.Location, Operation: v.By, Hash: v.Hash, Private: v.Private,
	}
}

// ListOffers browses the catalogue. Errors: fault.InvalidValue, fault.Unavailable.
func (s *Server) ListOffers(ctx context.Context, in *killickv1.ListOffersRequest) (*killickv1.OfferPage, error) {
	x, err := s.fresh(ctx, in.GetMinBlock())
	if err != nil {
		return nil, err
	}
	page, err := x.Offers(ctx, index.Offers{
		Schema: in.GetSchema(), Asset: in.GetAsset(), Now: uint64(time.Now().Unix()), Paging: paging(in.GetPageSize(), in.GetPageToken()),
	})
	if err != nil {
		return nil, err
	}
	out := &killickv1.OfferPage{NextPageToken: page.Next, Block: page.Block}
	for _, o := range page.Items {
		out.Offers = append(out.Offers, &killickv1.Offer{Id: o.Reference, Schema: o.Schema, Asset: o.Asset, Price: strconv.FormatInt(int64(o.Price), 10)})
	}
	return out, nil
}

// GetGrant reads a grant. Errors: fault.InvalidValue, fault.NotFound.
func (s *Server) GetGrant(ctx context.Context, in *killickv1.GetGrantRequest) (*killickv1.Grant, error) {
	var v record.GrantView
	if err := s.query(ctx, &v, "record:Grant", []byte(in.GetId())); err != nil {
		return nil, err
	}
	return renderGrant(&v, 0), nil
}

// ListGrants lists grants. Errors: fault.MissingField, fault.InvalidValue,
// fault.WrongNetwork, fault.Unavailable.
func (s *Server) ListGrants(ctx context.Context, in *killickv1.ListGrantsRequest) (*killickv1.GrantPage, error) {
	x, err := s.fresh(ctx, in.GetMinBlock())
	if err != nil {
		return nil, err
	}
	page, err := x.Grants(ctx, index.Grants{
		Owner: in.GetOwner(), Client: in.GetClient(), Record: in.GetRecord(), Status: in.GetStatus(), Paging: paging(in.GetPageSize(), in.GetPageToken()),
	})
	if err != nil {
		return nil, err
	}
	out := &killickv1.GrantPage{NextPageToken: page.Next, Block: page.Block}
	for _, g := range page.Items {
		out.Grants = append(out.Grants, renderGrant(g.GrantView, g.Time))
	}
	return out, nil
}

func renderGrant(v *record.GrantView, time uint64) *killickv1.Grant {
	return &killickv1.Grant{
		Id: v.Reference, Status: v.Status, Record: v.Record, Owner: v.Owner, Client: v.Client, Operation: v.Operation, Scope: v.Scope,
		Asset: v.Asset, Price: strconv.FormatInt(int64(v.Price), 10), Expires: uint64(v.Expires), Uses: v.Uses, Used: v.Used, Withdrawn: v.By, Time: time,
	}
}

// GetUse reads the receipt of a use. Errors: fault.InvalidValue, fault.NotFound.
func (s *Server) GetUse(ctx context.Context, in *killickv1.GetUseRequest) (*killickv1.Use, error) {
	var v attest.View
	if err := s.query(ctx, &v, "attest:Use", []byte(in.GetId())); err != nil {
		return nil, err
	}
	return renderUse(&v, 0), nil
}

// ListUses lists receipts of uses. Errors: fault.MissingField, fault.InvalidValue,
// fault.WrongNetwork, fault.Unavailable.
func (s *Server) ListUses(ctx context.Context, in *killickv1.ListUsesRequest) (*killickv1.UsePage, error) {
	x, err := s.fresh(ctx, in.GetMinBlock())
	if err != nil {
		return nil, err
	}
	page, err := x.Uses(ctx, index.Uses{
		Owner: in.GetOwner(), Client: in.GetClient(), Grant: in.GetGrant(), Paging: paging(in.GetPageSize(), in.GetPageToken()),
	})
	if err != nil {
		return nil, err
	}
	out := &killickv1.UsePage{NextPageToken: page.Next, Block: page.Block}
	for _, u := range page.Items {
		out.Uses = append(out.Uses, renderUse(u.View, u.Time))
	}
	return out, nil
}

func renderUse(v *attest.View, time uint64) *killickv1.Use {
	return &killickv1.Use{
		Id: v.Reference, Grant: v.Grant, Record: v.Record, Version: v.Version, Commitment: v.Commitment, Client: v.Client, Owner: v.Owner,
		Operation: v.Operation, Path: v.Path, Asset: v.Asset, Price: strconv.FormatInt(int64(v.Price), 10), Epoch: uint64(v.Epoch), Left: v.Left, Time: time,
	}
}
