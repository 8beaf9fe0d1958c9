package fabric_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/network/fabric"
)

// A block reaches one peer before another. Two that lag agree on a refusal, and the
// client had its receipt of what they lack from a third.
func TestRefusalOfPeersThatLag(t *testing.T) {
	var asked atomic.Int32 // how often the peers that lag were asked for their height
	lags := func(then run) run {
		return func(ctx context.Context) (*peer.ProposalResponse, error) {
			if asked.Load() < 6 {
				return refuse("not_found: no DID")(ctx)
			}
			return then(ctx)
		}
	}
	for _, c := range []struct {
		name string
		then run
		want error
	}{
		{"they catch up", result("same"), nil},
		{"they refuse all the same", refuse("not_found: no DID"), &fabric.Refused{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked.Store(0)
			all := peers(lags(c.then), lags(c.then), lags(c.then), c.then)
			for i, p := range all {
				p.ledger = map[string]func() proto.Message{
					"GetChainInfo": func() proto.Message {
						if i < 3 && asked.Add(1) < 6 {
							return &common.BlockchainInfo{Height: 6}
						}
						return &common.BlockchainInfo{Height: 7}
					},
					"GetTransactionByID": func() proto.Message { return &peer.ProcessedTransaction{} },
					"GetBlockByTxID": func() proto.Message {
						return &common.Block{Header: &common.BlockHeader{Number: 8}}
					},
				}
			}
			cl := client(t, all, orderers(yes))
			fabric.Wait(cl)
			r, err := cl.Execute(t.Context(), "f")
			var refused *fabric.Refused
			if (c.want == nil) != (err == nil) || errors.As(err, &refused) != (c.want != nil) {
				t.Fatalf("Execute: %v", err)
			}
			if err == nil && r.Block != 8 {
				t.Errorf("block %d", r.Block)
			}
		})
	}
}

// What a transaction read may change before it is ordered; then it had no effect.
func TestExecuteAgainAfterConflict(t *testing.T) {
	for _, c := range []struct {
		name  string
		code  peer.TxValidationCode
		tries int32
	}{
		{"another was first", peer.TxValidationCode_MVCC_READ_CONFLICT, 2},
		{"a range changed", peer.TxValidationCode_PHANTOM_READ_CONFLICT, 2},
		{"it lacks endorsements", peer.TxValidationCode_ENDORSEMENT_POLICY_FAILURE, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var ran atomic.Int32
			all := peers(func(ctx context.Context) (*peer.ProposalResponse, error) {
				ran.Add(1)
				return result("same")(ctx)
			}, result("same"))
			all[0].ledger = map[string]func() proto.Message{
				"GetTransactionByID": func() proto.Message {
					if ran.Load() < 2 {
						return &peer.ProcessedTransaction{ValidationCode: int32(c.code)}
					}
					return &peer.ProcessedTransaction{}
				},
				"GetBlockByTxID": func() proto.Message { return &common.Block{Header: &common.BlockHeader{Number: 8}} },
			}
			_, err := client(t, all, orderers(yes)).Execute(t.Context(), "f")
			var invalid *fabric.Invalid
			if errors.As(err, &invalid) == (c.tries > 1) || ran.Load() != c.tries {
				t.Errorf("Execute: %v after %d tries", err, ran.Load())
			}
		})
	}
}
