package apitest

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/killick-ledger/killick/gateway/api/killickv1"
)

// Between serves a gateway that can lie before an honest one, and returns its address. Calls
// that it does not implement are passed on; streams are not. The interceptors see all calls,
// the first of them first.
func Between(t testing.TB, honest string, liar func(honest killickv1.KillickClient) killickv1.KillickServer, interceptors ...grpc.UnaryServerInterceptor) (address string) {
	t.Helper()
	conn, err := grpc.NewClient(honest, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // nothing is under way once the server has stopped
	server := grpc.NewServer(grpc.ChainUnaryInterceptor(append(interceptors, passOn(conn))...))
	killickv1.RegisterKillickServer(server, liar(killickv1.NewKillickClient(conn)))
	return Listen(t, server)
}

// passOn asks the gateway behind conn what nothing here answers.
func passOn(conn *grpc.ClientConn) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, in any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		out, err := handle(ctx, in)
		if status.Code(err) != codes.Unimplemented {
			return out, err
		}
		answer, err := answerTo(info.FullMethod)
		if err == nil {
			err = conn.Invoke(ctx, info.FullMethod, in, answer)
		}
		if err != nil {
			return nil, err
		}
		return answer, nil
	}
}

// answerTo makes an empty answer to a call of "/service/method".
func answerTo(call string) (proto.Message, error) {
	name := strings.ReplaceAll(strings.TrimPrefix(call, "/"), "/", ".")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return nil, err
	}
	method, ok := d.(protoreflect.MethodDescriptor)
	if !ok {
		return nil, status.Error(codes.Internal, name+" is no method")
	}
	m, err := protoregistry.GlobalTypes.FindMessageByName(method.Output().FullName())
	if err != nil {
		return nil, err
	}
	return m.New().Interface(), nil
}
