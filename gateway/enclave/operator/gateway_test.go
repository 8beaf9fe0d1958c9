package operator_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/api"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/events"
	"github.com/killick-ledger/killick/gateway/index"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// serve starts a gateway and what stands between it and the operator.
func (s *stage) serve() {
	t := s.t
	t.Helper()
	log, dir := slog.New(slog.DiscardHandler), t.TempDir()
	stream := events.New(events.Config{Ledger: s.ledger, Network: submittest.Network, Log: log})
	sub, err := submit.Open(submit.Config{Journal: filepath.Join(dir, "journal.db"), Network: submittest.Network, Ledger: stream.Watch(s.ledger), Log: log, Hold: 4 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	x, err := index.Open(index.Config{File: filepath.Join(dir, "index"), Network: submittest.Network, Ledger: stream, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	server := api.New(api.Config{Submitter: sub, Ledger: s.ledger, Events: stream, Index: x, Network: submittest.Network, Log: log}).GRPC()
	honest, err := grpc.NewClient(listen(t, server), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	front := grpc.NewServer(grpc.UnaryInterceptor(s.record))
	killickv1.RegisterKillickServer(front, &between{honest: killickv1.NewKillickClient(honest), s: s})
	if s.gateway, err = client.Dial(listen(t, front)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := errors.Join(s.gateway.Close(), honest.Close())
		front.Stop()
		server.Stop()
		if err := errors.Join(err, x.Close(), sub.Close()); err != nil {
			t.Error(err)
		}
	})
}

func listen(t *testing.T, s *grpc.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }() // ends with Stop
	return l.Addr().String()
}

// record keeps what passes the gateway.
func (s *stage) record(ctx context.Context, in any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	out, err := handle(ctx, in)
	for _, m := range []any{in, out} {
		if m, ok := m.(proto.Message); ok {
			data, _ := proto.Marshal(m)
			s.wire.add(data)
		}
	}
	return out, err
}

// between forwards what an operator asks of a gateway.
type between struct {
	killickv1.UnimplementedKillickServer
	honest killickv1.KillickClient
	s      *stage
}

func (g *between) GetJob(ctx context.Context, in *killickv1.GetJobRequest) (*killickv1.Job, error) {
	return g.honest.GetJob(ctx, in)
}

func (g *between) ListJobs(ctx context.Context, in *killickv1.ListJobsRequest) (*killickv1.JobPage, error) {
	return g.honest.ListJobs(ctx, in)
}

func (g *between) GetRound(ctx context.Context, in *killickv1.GetRoundRequest) (*killickv1.Round, error) {
	return g.honest.GetRound(ctx, in)
}

func (g *between) GetSettlement(ctx context.Context, in *killickv1.GetSettlementRequest) (*killickv1.Settlement, error) {
	return g.honest.GetSettlement(ctx, in)
}

func (g *between) GetBalance(ctx context.Context, in *killickv1.GetBalanceRequest) (*killickv1.Balance, error) {
	return g.honest.GetBalance(ctx, in)
}

func (g *between) Submit(ctx context.Context, in *killickv1.SubmitRequest) (*killickv1.Operation, error) {
	forward := func() (*killickv1.Operation, error) { return g.honest.Submit(ctx, in) }
	if g.s.submit == nil {
		return forward()
	}
	item, err := ops.ParseCompact(in.GetOperation())
	if err != nil {
		return forward()
	}
	var payload struct {
		Op string `json:"op"`
	}
	if err := json.Unmarshal(item.Payload, &payload); err != nil {
		return nil, err
	}
	return g.s.submit(payload.Op, forward)
}
