package node_test

import (
	"bytes"
	"context"
	"math/big"
	"testing"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/tronnode/node"
)

func TestSolidifiedReads(t *testing.T) {
	ctx := context.Background()
	n := start(t, t.TempDir())
	token := n.token()
	n.produce(2)
	tx := sign(n.trigger(token, contracts.PackTransfer(bob.address(), big.NewInt(500)), 100*trx), alice)
	info := n.land(tx)
	balanceOf := &core.TriggerSmartContract{
		OwnerAddress: wire(bob.address()), ContractAddress: wire(token), Data: contracts.PackBalanceOf(bob.address()),
	}
	for built := 1; built <= 3; built++ {
		head, err := n.Client.TriggerConstantContract(ctx, balanceOf)
		if err != nil {
			t.Fatal(err)
		}
		solid, err := n.solidity.TriggerConstantContract(ctx, balanceOf)
		if err != nil {
			t.Fatal(err)
		}
		known, err := n.solidity.GetTransactionInfoById(ctx, &api.BytesMessage{Value: info.GetId()})
		if err != nil {
			t.Fatal(err)
		}
		want := int64(0)
		if built == 3 { // itself and two more
			want = 500
		}
		if got := new(big.Int).SetBytes(head.GetConstantResult()[0]).Int64(); got != 500 {
			t.Errorf("%d built: %d at the head", built, got)
		}
		if got := new(big.Int).SetBytes(solid.GetConstantResult()[0]).Int64(); got != want {
			t.Errorf("%d built: %d at the solidified block, want %d", built, got, want)
		}
		if bytes.Equal(known.GetId(), info.GetId()) != (built == 3) {
			t.Errorf("%d built: the solidity node knows %x", built, known.GetId())
		}
		n.produce(1)
	}
	above, err := n.solidity.GetBlockByNum2(ctx, &api.NumberMessage{Num: info.GetBlockNumber() + 3})
	if err != nil || len(above.GetBlockid()) != 0 {
		t.Errorf("a block above the solidified one: %v, %v", above, err)
	}
}

func TestDefaultSolidification(t *testing.T) {
	n := start(t, t.TempDir(), func(c *node.Config) { c.SolidifyAfter = 0 })
	n.produce(30)
	// 19 of 27: the block itself and 18 on top of it.
	if head, solid := n.chain.Height(); head != 31 || solid != 13 {
		t.Errorf("head %d, solidified %d", head, solid)
	}
}

func TestUnservedCalls(t *testing.T) {
	n := start(t, t.TempDir())
	if _, err := n.ListWitnesses(); status.Code(err) != codes.Unimplemented {
		t.Errorf("list witnesses: %v", err)
	}
	info, err := n.GetNodeInfo()
	if err != nil || info.GetConfigNodeInfo().GetCodeVersion() != node.Version {
		t.Errorf("node info %v, %v", info, err)
	}
	if _, err := n.GetAccount(named("nobody").base58()); err == nil {
		t.Error("an account that nobody made")
	}
}

func TestPending(t *testing.T) {
	n := start(t, t.TempDir())
	tx := sign(n.transfer(alice, bob, 1), alice)
	id := node.TransactionID(tx.GetRawData())
	n.send(tx, api.Return_SUCCESS)
	if size, err := n.GetPendingSize(); err != nil || size.GetNum() != 1 {
		t.Errorf("%v wait, %v", size, err)
	}
	waits, err := n.Client.GetTransactionFromPending(context.Background(), &api.BytesMessage{Value: id[:]})
	if err != nil || waits.GetRawData() == nil {
		t.Errorf("waiting transaction %v, %v", waits, err)
	}
	n.produce(1)
	if size, err := n.GetPendingSize(); err != nil || size.GetNum() != 0 {
		t.Errorf("%v wait after a block, %v", size, err)
	}
}
