package tron_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/send/sendtest"
	"github.com/killick-ledger/killick/anchor/tron"
)

// script is a node and a further one that know of one transaction, in a solidified block.
type script struct {
	landed []byte        // its id
	each   time.Duration // what each answer of the further node takes
	deaf   bool          // which has none about transactions
}

func (s *script) answer(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, _ grpc.UnaryInvoker, _ ...grpc.CallOption) error {
	if strings.Contains(conn.Target(), "second") {
		wait := time.After(s.each)
		if s.deaf && strings.HasSuffix(method, "GetTransactionInfoById") {
			wait = nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	var is proto.Message
	switch reply.(type) {
	case *api.BlockExtention:
		is = &api.BlockExtention{Blockid: make([]byte, 32), BlockHeader: &core.BlockHeader{RawData: &core.BlockHeaderRaw{Number: 9, Timestamp: 2000}}}
	case *api.TransactionExtention:
		is = &api.TransactionExtention{Result: &api.Return{Result: true}, ConstantResult: [][]byte{{1}}}
	case *core.TransactionInfo:
		if !bytes.Equal(req.(*api.BytesMessage).Value, s.landed) {
			return nil
		}
		is = &core.TransactionInfo{Id: s.landed, BlockNumber: 9}
	default: // the node knows of no other transaction
		return nil
	}
	proto.Merge(reply.(proto.Message), is)
	return nil
}

func TestAlone(t *testing.T) {
	attempt := func(expires int64) send.Attempt {
		tx := &core.Transaction{RawData: &core.TransactionRaw{Expiration: expires}}
		data, err := proto.MarshalOptions{Deterministic: true}.Marshal(tx.RawData)
		raw, err2 := proto.Marshal(tx)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		id := sha256.Sum256(data)
		return send.Attempt{ID: id[:], Raw: raw}
	}
	two := sendtest.Two{Landed: attempt(1), Lost: attempt(2), Done: send.Intent{Want: []byte{1}}}
	s := &script{landed: two.Landed.ID}
	two.Second = func(each time.Duration, transactions bool) { s.each, s.deaf = each, !transactions }
	sendtest.Alone(t, func(t *testing.T) sendtest.Two {
		c, err := tron.Dial(t.Context(), tron.Config{GRPC: "first:1", Also: []string{"second:1"},
			Dial: []grpc.DialOption{grpc.WithUnaryInterceptor(s.answer)}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		two.Chain = c
		return two
	})
}
