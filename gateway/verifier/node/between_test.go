package node_test

import (
	"context"
	"errors"

	"google.golang.org/grpc"

	"github.com/killick-ledger/killick/gateway/api/killickv1"
)

// unary keeps silent, or refuses.
func (g *between) unary(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if g.silent {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if g.refuses {
		return nil, errors.New("not today")
	}
	return handle(ctx, request)
}

func (g *between) ListJobs(ctx context.Context, in *killickv1.ListJobsRequest) (*killickv1.JobPage, error) {
	page, err := g.honest.ListJobs(ctx, in)
	if err == nil && g.list != nil {
		g.list(page)
	}
	return page, err
}

func (g *between) GetRound(ctx context.Context, in *killickv1.GetRoundRequest) (*killickv1.Round, error) {
	r, err := g.honest.GetRound(ctx, in)
	if err == nil && g.round != nil {
		g.round(r)
	}
	return r, err
}

func (g *between) Events(in *killickv1.EventsRequest, out grpc.ServerStreamingServer[killickv1.Event]) error {
	if g.follows != nil {
		g.follows(in.GetCursor())
	}
	stream, err := g.honest.Events(out.Context(), in)
	if err != nil {
		return err
	}
	for {
		event, err := stream.Recv()
		if err != nil {
			return err
		}
		if err := out.Send(event); err != nil {
			return err
		}
	}
}

func (g *between) Submit(ctx context.Context, in *killickv1.SubmitRequest) (*killickv1.Operation, error) {
	g.submitted = append(g.submitted, in.GetOperation())
	forward := func() (*killickv1.Operation, error) { return g.honest.Submit(ctx, in) }
	if g.submit != nil {
		return g.submit(in.GetOperation(), forward)
	}
	return forward()
}
