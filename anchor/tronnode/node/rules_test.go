package node_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"

	"github.com/killick-ledger/killick/anchor/tronnode/node"
)

// transfer makes a transaction that moves sun from one person to another.
func (n *network) transfer(from, to person, sun int64) *core.Transaction {
	n.t.Helper()
	ext, err := n.Transfer(from.base58(), to.base58(), sun)
	if err != nil {
		n.t.Fatal(err)
	}
	return ext.GetTransaction()
}

func TestBroadcastCodes(t *testing.T) {
	n := start(t, t.TempDir())
	n.produce(3)
	token := n.token()
	const day = 24 * 60 * 60 * 1000
	for _, tt := range []struct {
		name   string
		signer person
		change func(*core.TransactionRaw)
		want   api.ReturnResponseCode
	}{
		{"good", alice, func(*core.TransactionRaw) {}, api.Return_SUCCESS},
		{"active permission", alice, func(r *core.TransactionRaw) { r.Contract[0].PermissionId = 2 }, api.Return_SUCCESS},
		{"a permission that is not there", alice, func(r *core.TransactionRaw) { r.Contract[0].PermissionId = 3 }, api.Return_SIGERROR},
		{"another's signature", bob, func(*core.TransactionRaw) {}, api.Return_SIGERROR},
		{"no contract", alice, func(r *core.TransactionRaw) { r.Contract = nil }, api.Return_CONTRACT_VALIDATE_ERROR},
		{"two contracts", alice, func(r *core.TransactionRaw) { r.Contract = append(r.Contract, r.Contract[0]) }, api.Return_CONTRACT_VALIDATE_ERROR},
		{"a contract type that is not run", alice, func(r *core.TransactionRaw) {
			r.Contract[0].Type = core.Transaction_Contract_VoteWitnessContract
		}, api.Return_CONTRACT_VALIDATE_ERROR},
		{"parameter of another type", alice, func(r *core.TransactionRaw) {
			r.Contract[0].Parameter.TypeUrl = "type.googleapis.com/protocol.TransferContract"
		}, api.Return_SIGERROR},
		{"reference to another block", alice, func(r *core.TransactionRaw) { r.RefBlockHash = make([]byte, 8) }, api.Return_TAPOS_ERROR},
		{"reference to a future block", alice, func(r *core.TransactionRaw) { r.RefBlockBytes = []byte{0x77, 0x77} }, api.Return_TAPOS_ERROR},
		{"no reference", alice, func(r *core.TransactionRaw) { r.RefBlockBytes = nil }, api.Return_TAPOS_ERROR},
		{"expires before the next block", alice, func(r *core.TransactionRaw) { r.Expiration -= 57_001 }, api.Return_TRANSACTION_EXPIRATION_ERROR},
		{"expires with the next block", alice, func(r *core.TransactionRaw) { r.Expiration -= 57_000 }, api.Return_SUCCESS},
		{"expires after a day", alice, func(r *core.TransactionRaw) { r.Expiration += day - 60_000 }, api.Return_SUCCESS},
		{"expires after more than a day", alice, func(r *core.TransactionRaw) { r.Expiration += day - 59_999 }, api.Return_TRANSACTION_EXPIRATION_ERROR},
		{"no expiration", alice, func(r *core.TransactionRaw) { r.Expiration = 0 }, api.Return_TRANSACTION_EXPIRATION_ERROR},
		{"too big", alice, func(r *core.TransactionRaw) { r.Data = make([]byte, 500*1024) }, api.Return_TOO_BIG_TRANSACTION_ERROR},
		{"fee limit too high", alice, func(r *core.TransactionRaw) { r.FeeLimit = 15_000_000_001 }, api.Return_CONTRACT_VALIDATE_ERROR},
		{"fee limit below zero", alice, func(r *core.TransactionRaw) { r.FeeLimit = -1 }, api.Return_CONTRACT_VALIDATE_ERROR},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tx := n.trigger(token, []byte(tt.name+"...."), 100*trx)
			tt.change(tx.RawData)
			n.send(sign(tx, tt.signer), tt.want)
		})
	}
}

func TestSignatureForms(t *testing.T) {
	n := start(t, t.TempDir())
	tx := sign(n.transfer(alice, bob, 1), alice)
	short := clone(tx)
	short.Signature[0] = short.Signature[0][:64]
	n.send(short, api.Return_SIGERROR)
	none := clone(tx)
	none.Signature = nil
	n.send(none, api.Return_SIGERROR)
	twice := clone(tx)
	twice.Signature = append(twice.Signature, tx.Signature[0])
	n.send(twice, api.Return_SIGERROR)
	n.send(tx, api.Return_SUCCESS) // v is 0 or 1
	other := sign(n.transfer(alice, bob, 2), alice)
	other.Signature[0][64] += 27
	n.send(other, api.Return_SUCCESS)
}

func TestDuplicates(t *testing.T) {
	n := start(t, t.TempDir())
	tx := sign(n.transfer(alice, bob, 1), alice)
	n.send(tx, api.Return_SUCCESS)
	n.send(tx, api.Return_DUP_TRANSACTION_ERROR)
	n.produce(1)
	n.send(tx, api.Return_DUP_TRANSACTION_ERROR)
	n.restart()
	n.send(tx, api.Return_DUP_TRANSACTION_ERROR)
	refused := sign(n.transfer(alice, bob, 0), alice)
	n.send(refused, api.Return_CONTRACT_VALIDATE_ERROR)
	n.send(refused, api.Return_CONTRACT_VALIDATE_ERROR) // not cached: the id cache is off
}

func TestServerBusy(t *testing.T) {
	n := start(t, t.TempDir())
	for i := range 2001 {
		if r := n.chain.Broadcast(sign(n.transfer(alice, bob, int64(i+1)), alice)); r != nil {
			t.Fatalf("transaction %d: %v", i, r)
		}
	}
	last := sign(n.transfer(alice, bob, 5000), alice)
	n.send(last, api.Return_SERVER_BUSY)
	n.produce(1)
	n.send(last, api.Return_SUCCESS)
	block, err := n.GetNowBlock()
	if err != nil || len(block.GetTransactions()) != 2001 {
		t.Errorf("%d transactions in the block, %v", len(block.GetTransactions()), err)
	}
}

func TestTransfers(t *testing.T) {
	n := start(t, t.TempDir())
	token := n.token()
	info := n.land(sign(n.transfer(alice, carol, 3*trx), alice))
	if info.GetFee() != 1_100_000 || n.balance(carol) != 3*trx {
		t.Errorf("a new account costs %d sun and has %d", info.GetFee(), n.balance(carol))
	}
	info = n.land(sign(n.transfer(carol, bob, 1*trx), carol))
	if info.GetFee() != 0 || n.balance(carol) != 2*trx || n.balance(bob) != 6*trx {
		t.Errorf("fee %d, balances %d and %d", info.GetFee(), n.balance(carol), n.balance(bob))
	}
	// An account stays when it is empty: what it lacks is bandwidth, and it is
	// told so, not that it does not exist.
	n.land(sign(n.transfer(carol, bob, 2*trx), carol))
	n.send(sign(n.transfer(carol, bob, 1), carol), api.Return_BANDWITH_ERROR)
	n.produce(1)
	n.send(sign(n.transfer(carol, bob, 1), carol), api.Return_BANDWITH_ERROR)
	n.send(sign(n.transfer(named("nobody"), bob, 1), named("nobody")), api.Return_CONTRACT_VALIDATE_ERROR)
	n.send(sign(n.transfer(bob, bob, 1), bob), api.Return_CONTRACT_VALIDATE_ERROR)
	ext, err := n.Transfer(alice.base58(), node.Base58(token), 1)
	if err != nil {
		t.Fatal(err)
	}
	n.send(sign(ext.GetTransaction(), alice), api.Return_CONTRACT_VALIDATE_ERROR)
}

func TestBandwidth(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	n := start(t, t.TempDir(), func(c *node.Config) { c.Now = func() time.Time { return now } })
	usage := func(sun int64) *core.ResourceReceipt {
		t.Helper()
		return n.land(sign(n.transfer(bob, alice, sun), bob)).GetReceipt()
	}
	first := usage(1)
	size := first.GetNetUsage()
	if size < 200 || first.GetNetFee() != 0 {
		t.Fatalf("the first transaction: %v", first)
	}
	usage(2)
	if r := usage(3); r.GetNetUsage() != 0 || r.GetNetFee() != 1000*size {
		t.Errorf("when the free bytes are used up: %v, want a fee for %d bytes", r, size)
	}
	res, err := n.GetAccountResource(bob.base58())
	if err != nil || res.GetFreeNetLimit() != 600 || res.GetFreeNetUsed() < size {
		t.Errorf("resources %v, %v", res, err)
	}
	now = now.Add(25 * time.Hour)
	n.produce(1)
	if r := usage(4); r.GetNetUsage() != size {
		t.Errorf("a day later: %v", r)
	}
	// Somebody who can pay for nothing.
	poor := named("poor")
	n.land(sign(n.transfer(alice, poor, 100), alice))
	for i := range 2 {
		n.land(sign(n.transfer(poor, bob, int64(i+1)), poor))
	}
	n.send(sign(n.transfer(poor, bob, 3), poor), api.Return_BANDWITH_ERROR)
}

func TestMemoFee(t *testing.T) {
	n := start(t, t.TempDir())
	tx := n.transfer(alice, bob, 1)
	tx.RawData.Data = []byte("memo")
	if info := n.land(sign(tx, alice)); info.GetFee() != 1*trx {
		t.Errorf("fee %d", info.GetFee())
	}
}

// TestBlocks checks ids and headers against their definition.
func TestBlocks(t *testing.T) {
	n := start(t, t.TempDir())
	n.land(sign(n.transfer(alice, bob, 1), alice))
	var parent []byte
	for i := range int64(3) {
		b, err := n.GetBlockByNum(i)
		if err != nil {
			t.Fatal(err)
		}
		raw := b.GetBlockHeader().GetRawData()
		id := b.GetBlockid()
		if common.BytesToHash(id[:8]).Big().Int64() != i || raw.GetNumber() != i {
			t.Errorf("block %d has id %x", i, id)
		}
		if i > 0 && !bytes.Equal(raw.GetParentHash(), parent) {
			t.Errorf("block %d follows %x, want %x", i, raw.GetParentHash(), parent)
		}
		if len(raw.GetTxTrieRoot()) != 32 || bytes.Equal(raw.GetTxTrieRoot(), make([]byte, 32)) != (len(b.GetTransactions()) == 0) {
			t.Errorf("block %d: root %x of %d transactions", i, raw.GetTxTrieRoot(), len(b.GetTransactions()))
		}
		parent = id
	}
	above, err := n.Client.GetBlockByNum2(context.Background(), &api.NumberMessage{Num: 3})
	if err != nil || len(above.GetBlockid()) != 0 {
		t.Errorf("a block above the head: %v, %v", above, err)
	}
}
