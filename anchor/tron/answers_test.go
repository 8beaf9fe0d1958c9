package tron_test

import (
	"context"
	"errors"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/tron"
)

// answering has a driver get other answers than nodes give.
func answering(change func(method string, reply any)) func(*tron.Config) {
	intercept := func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		err := call(ctx, method, req, reply, conn, opts...)
		change(method, reply)
		return err
	}
	return func(c *tron.Config) {
		c.Dial = []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUnaryInterceptor(intercept)}
	}
}

// priced has the full node name other parameters of the chain.
func priced(other map[string]int64) func(*tron.Config) {
	return answering(func(_ string, reply any) {
		params, _ := reply.(*core.ChainParameters)
		for _, kv := range params.GetChainParameter() {
			if value, ok := other[kv.GetKey()]; ok {
				kv.Value = value
			}
		}
	})
}

// The prices of energy and bandwidth, and the highest fee limit, are those that the chain
// names, whatever they have become.
func TestPricesAreTheChains(t *testing.T) {
	t.Parallel()
	n := start(t)
	token := n.install(contracts.NewTestToken(big.NewInt(100)))
	in := send.Intent{To: token, Data: contracts.PackTransfer([20]byte{9}, big.NewInt(1))}
	n.send(n.arm(in)) // of the day's free bandwidth too little is left for another one
	n.produce(1)
	// What is signed for the energy, and what the bytes may cost besides.
	armed := func(other map[string]int64) (energy, bytes int64, err error) {
		a, err := n.dial(priced(other)).Arm(t.Context(), in, nil, nil)
		if err != nil {
			return 0, 0, err
		}
		tx := &core.Transaction{}
		if err := proto.Unmarshal(a.Raw, tx); err != nil {
			t.Fatal(err)
		}
		most, err := strconv.ParseInt(a.Most, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		energy = tx.GetRawData().GetFeeLimit()
		return energy, most - energy, nil
	}
	energy, bytes, err := armed(nil)
	if err != nil || energy <= 0 || bytes <= 0 {
		t.Fatalf("%d sun of energy, %d of bandwidth, %v", energy, bytes, err)
	}
	for _, tt := range []struct {
		name          string
		other         map[string]int64
		energy, bytes int64
	}{
		{"half the price of energy", map[string]int64{"getEnergyFee": 50}, energy / 2, bytes},
		{"five times that of a byte", map[string]int64{"getTransactionFee": 5000}, energy, 5 * bytes},
		{"the highest limit is just enough", map[string]int64{"getMaxFeeLimit": energy}, energy, bytes},
	} {
		if e, b, err := armed(tt.other); err != nil || e != tt.energy || b != tt.bytes {
			t.Errorf("%s: %d sun of energy and %d of bandwidth (%v), want %d and %d", tt.name, e, b, err, tt.energy, tt.bytes)
		}
	}
	if _, _, err := armed(map[string]int64{"getMaxFeeLimit": energy - 1}); !errors.Is(err, tron.ErrFee) {
		t.Errorf("above the highest limit: %v", err)
	}
	// More than alice has, though the energy alone is nothing to her.
	if _, _, err := armed(map[string]int64{"getTransactionFee": 1_000_000_000}); !errors.Is(err, tron.ErrFunds) {
		t.Errorf("bandwidth that she cannot pay: %v", err)
	}
	for _, none := range []string{"getEnergyFee", "getTransactionFee", "getMaxFeeLimit"} {
		if _, _, err := armed(map[string]int64{none: 0}); err == nil || !strings.Contains(err.Error(), "does not state") {
			t.Errorf("without %s: %v", none, err)
		}
	}
}

// A node may find what waits for a block only where it is asked for that.
func TestWaitingIsKnown(t *testing.T) {
	t.Parallel()
	n := start(t)
	in := n.anchor(n.anchorLog(), 7)
	n.Client = n.dial(answering(func(method string, reply any) {
		if tx, ok := reply.(*core.Transaction); ok && method == "/protocol.Wallet/GetTransactionById" {
			proto.Reset(tx)
		}
	}))
	a := n.arm(in)
	n.send(a)
	n.look(a, send.StatePending, false)
}
