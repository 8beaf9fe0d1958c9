package api

import (
	"context"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/index"
	"google.golang.org/grpc"
)

// GetStatement lists what moved a DID's money. Errors: fault.MissingField,
// fault.InvalidValue, fault.WrongNetwork, fault.Unavailable.
func (s *Server) GetStatement(ctx context.Context, in *killickv1.GetStatementRequest) (*killickv1.StatementPage, error) {
	x, err := s.fresh(ctx, in.GetMinBlock())
	if err != nil {
		return nil, err
	}
	page, err := x.Statement(ctx, index.Statement{
		DID: in.GetDid(), Asset: in.GetAsset(), Since: in.GetSince(), Until: in.GetUntil(), Paging: paging(in.GetPageSize(), in.GetPageToken()),
	})
	if err != nil {
		return nil, err
	}
	out := &killickv1.StatementPage{NextPageToken: page.Next, Block: page.Block, Totals: renderTotals(&page.Totals)}
	for i := range page.Items {
		l := &page.Items[i]
		out.Lines = append(out.Lines, &killickv1.StatementLine{
			Kind: l.Kind, From: l.From, To: l.To, Amount: l.Amount.String(), After: renderTotals(&l.After), Block: l.Block, Transaction: l.Transaction, Time: l.Time,
			Operation: l.Operation, Other: l.Other, Epoch: l.Epoch, Job: l.Job, Role: l.Role, Fate: l.Fate, Source: l.Source, Verdict: l.Verdict, Reason: l.Reason,
			Policy: l.Policy, Grant: l.Grant, Record: l.Record, Version: l.Version,
		})
	}
	return out, nil
}

func renderTotals(t *index.Totals) *killickv1.StatementTotals {
	return &killickv1.StatementTotals{
		Balance: t.Balance.String(), Held: t.Held.String(), Pending: t.Pending.String(), Due: t.Due.String(), Assigned: t.Assigned.String(),
	}
}

const (
	// moneyPage bounds the entries of a page of ReadMoney, and moneyBytes their bytes.
	moneyPage  = 1000
	moneyBytes = 256 << 10
	// moneyLimit bounds how long one reader keeps a snapshot of the index's file: what is
	// written meanwhile cannot be cleared away before.
	moneyLimit = 5 * time.Minute
)

// ReadMoney sends the ledger of money as of one block, to one reader at a time. Errors:
// fault.Overloaded, fault.Unavailable.
func (s *Server) ReadMoney(in *killickv1.ReadMoneyRequest, stream grpc.ServerStreamingServer[killickv1.MoneyPage]) error {
	ctx := stream.Context()
	if !s.auditing.TryLock() {
		return s.refuse(ctx, fault.New(fault.Overloaded, "somebody else reads the ledger of money"))
	}
	defer s.auditing.Unlock()
	// A client may keep its connection alive and take nothing.
	stuck := time.AfterFunc(moneyLimit, ctx.Value(endOf{}).(context.CancelFunc))
	defer stuck.Stop()
	if err := s.sendMoney(ctx, in, stream); err != nil {
		return s.refuse(ctx, err)
	}
	return nil
}

func (s *Server) sendMoney(ctx context.Context, in *killickv1.ReadMoneyRequest, stream grpc.ServerStreamingServer[killickv1.MoneyPage]) error {
	if err := checkMessage(in); err != nil {
		return err
	}
	x, err := s.fresh(ctx, in.GetMinBlock())
	if err != nil {
		return err
	}
	block, entries, end, err := x.Money(ctx)
	if err != nil {
		return err
	}
	defer end()
	page, size := &killickv1.MoneyPage{Block: block}, 0
	for e, err := range entries {
		if err != nil {
			return err
		}
		page.Entries = append(page.Entries, &killickv1.MoneyEntry{Key: e.Key, Value: e.Value})
		if size += len(e.Key) + len(e.Value); len(page.Entries) == moneyPage || size >= moneyBytes {
			if err := stream.Send(page); err != nil {
				return err
			}
			page, size = &killickv1.MoneyPage{Block: block}, 0
		}
	}
	page.Last = true
	return stream.Send(page)
}
