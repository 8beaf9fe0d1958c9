package operator_test

import (
	"context"
	"encoding/json"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/api/apitest"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/client"
)

// serve starts a gateway and what stands between it and the operator.
func (s *stage) serve() {
	t := s.t
	t.Helper()
	front := apitest.Between(t, apitest.Serve(t, s.jobs.Ledger).Address, func(honest killickv1.KillickClient) killickv1.KillickServer {
		return &between{honest: honest, s: s}
	}, s.record)
	var err error
	if s.gateway, err = client.Dial(front); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.gateway.Close(); err != nil {
			t.Error(err)
		}
	})
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

// between has operations go through the stage.
type between struct {
	killickv1.UnimplementedKillickServer
	honest killickv1.KillickClient
	s      *stage
}

// GetJob does not answer while the stage says that the gateway hangs.
func (g *between) GetJob(ctx context.Context, in *killickv1.GetJobRequest) (*killickv1.Job, error) {
	if hung := g.s.hangs.Load(); hung != nil {
		*hung <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return g.honest.GetJob(ctx, in)
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
