package api_test

import (
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
)

// verbatim sends bytes as a message, and reads none.
type verbatim struct{}

var _ encoding.CodecV2 = verbatim{}

func (verbatim) Name() string { return "proto" }

func (verbatim) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (verbatim) Unmarshal(mem.BufferSlice, any) error { return nil }

// What is not UTF-8, or no message at all, is malformed through every door. (GW-5)
func TestNotUTF8(t *testing.T) {
	t.Parallel()
	h := start(t)
	for door, got := range h.doors("a.b.\xff") {
		if got.Code != "malformed" || got.Status != 400 || got.Advice != fault.Malformed.Advice() || got.Text == "" {
			t.Errorf("%s: %+v", door, got)
		}
	}
	conn, err := grpc.NewClient(h.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(verbatim{})))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for name, message := range map[string][]byte{"not UTF-8": {0x0a, 1, 0xff}, "no message": {0x0a, 9}} {
		err := conn.Invoke(t.Context(), killickv1.Killick_Submit_FullMethodName, message, nil)
		wantMalformed(t, name, err)
		stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, killickv1.Killick_Events_FullMethodName)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.SendMsg(message); err != nil {
			t.Fatal(err)
		}
		wantMalformed(t, name+", events", stream.RecvMsg(nil))
	}
}

// wantMalformed checks that an error has the code malformed, in form and in details.
func wantMalformed(t *testing.T, name string, err error) {
	t.Helper()
	st := status.Convert(err)
	if e, ok := fault.Parse(st.Message()); !ok || e.Code != fault.Malformed || st.Code().String() != fault.Malformed.GRPC() || len(st.Details()) != 1 {
		t.Errorf("%s: %v, details %v", name, err, st.Details())
	}
}
