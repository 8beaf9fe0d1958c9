package tron_test

import (
	"context"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"google.golang.org/grpc"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/tron"
)

// A full node whose head block is far ahead of what is solidified gets nothing signed: it
// could land until long after, and nothing else could be sent in its place.
func TestHeadFarAhead(t *testing.T) {
	t.Parallel()
	n := start(t)
	in := send.Intent{To: n.install(contracts.NewTestToken(big.NewInt(100))), Data: contracts.PackTransfer([20]byte{9}, big.NewInt(0))}
	for ahead, ok := range map[time.Duration]bool{0: true, 50 * time.Minute: true, 2 * time.Hour: false} {
		c := n.dial(func(c *tron.Config) {
			c.Dial = []grpc.DialOption{grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				err := call(ctx, method, req, reply, conn, opts...)
				if b, is := reply.(*api.BlockExtention); is && err == nil && method == "/protocol.Wallet/GetNowBlock2" {
					b.BlockHeader.RawData.Timestamp += ahead.Milliseconds()
				}
				return err
			})}
		})
		if _, err := c.Arm(t.Context(), in, nil, nil); (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "ahead of the solidified one") {
			t.Errorf("%v ahead: %v", ahead, err)
		}
	}
}
