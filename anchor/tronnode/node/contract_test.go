package node_test

import (
	"context"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/tronnode/node"
)

func TestTokenTransfer(t *testing.T) {
	n := start(t, t.TempDir())
	token := n.token()
	name, err := n.TRC20GetName(node.Base58(token))
	if err != nil || name == "" {
		t.Errorf("name = %q, %v", name, err)
	}
	ext, err := n.TRC20Send(alice.base58(), bob.base58(), node.Base58(token), big.NewInt(500), 100*trx)
	if err != nil {
		t.Fatal(err)
	}
	before := n.balance(alice)
	info := n.land(sign(ext.GetTransaction(), alice))
	r := info.GetReceipt()
	if r.GetResult() != core.Transaction_Result_SUCCESS || len(info.GetLog()) != 1 {
		t.Fatalf("outcome %v, %d logs", r, len(info.GetLog()))
	}
	if got := common.Address(info.GetLog()[0].GetAddress()); got != token {
		t.Errorf("log of %v, want the token %v", got, token)
	}
	if r.GetEnergyFee() != 100*r.GetEnergyUsageTotal() || info.GetFee() != r.GetEnergyFee()+r.GetNetFee() {
		t.Errorf("fee %d for %v", info.GetFee(), r)
	}
	if paid := before - n.balance(alice); paid != info.GetFee() {
		t.Errorf("balance fell by %d, fee is %d", paid, info.GetFee())
	}
	held, err := n.TRC20ContractBalance(bob.base58(), node.Base58(token))
	if err != nil || held.Int64() != 500 {
		t.Errorf("bob holds %v, %v", held, err)
	}
	// A new holder's row costs 15,000 more than one that exists.
	ext, err = n.TRC20Send(alice.base58(), bob.base58(), node.Base58(token), big.NewInt(1), 100*trx)
	if err != nil {
		t.Fatal(err)
	}
	again := n.land(sign(ext.GetTransaction(), alice)).GetReceipt().GetEnergyUsageTotal()
	if d := r.GetEnergyUsageTotal() - again; d != 15_000 {
		t.Errorf("new holder %d, existing %d: differ by %d", r.GetEnergyUsageTotal(), again, d)
	}
	t.Logf("TRC-20 transfer: %d energy to a new holder, %d to an existing one", r.GetEnergyUsageTotal(), again)
}

func TestContractFailures(t *testing.T) {
	n := start(t, t.TempDir())
	token := n.token()
	transfer := contracts.PackTransfer(bob.address(), big.NewInt(5))
	tooMuch := contracts.PackTransfer(bob.address(), big.NewInt(1<<40))
	for _, tt := range []struct {
		name     string
		data     []byte
		feeLimit int64
		want     core.Transaction_ResultContractResult
		burnsAll bool
	}{
		{"success", transfer, 10 * trx, core.Transaction_Result_SUCCESS, false},
		{"revert pays what it used", tooMuch, 10 * trx, core.Transaction_Result_REVERT, false},
		{"no such method", []byte{1, 2, 3, 4}, 10 * trx, core.Transaction_Result_REVERT, false},
		{"out of energy burns the limit", transfer, 200_000, core.Transaction_Result_OUT_OF_ENERGY, true},
		{"no energy at all", transfer, 0, core.Transaction_Result_OUT_OF_ENERGY, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			info := n.land(sign(n.trigger(token, tt.data, tt.feeLimit), alice))
			r := info.GetReceipt()
			if r.GetResult() != tt.want {
				t.Fatalf("result %v (%s), want %v", r.GetResult(), info.GetResMessage(), tt.want)
			}
			if burnt := r.GetEnergyFee() == tt.feeLimit; burnt != tt.burnsAll {
				t.Errorf("energy fee %d of limit %d", r.GetEnergyFee(), tt.feeLimit)
			}
			failed := tt.want != core.Transaction_Result_SUCCESS
			if (info.GetResult() == core.TransactionInfo_FAILED) != failed || (len(info.GetLog()) == 0) != failed {
				t.Errorf("result %v with %d logs", info.GetResult(), len(info.GetLog()))
			}
			tx, err := n.GetTransactionByID(common.Bytes2Hex(info.GetId()))
			if err != nil || tx.GetRet()[0].GetContractRet() != tt.want {
				t.Errorf("the block's result is %v, %v", tx.GetRet(), err)
			}
		})
	}
}

func TestConstantCallsAndEstimates(t *testing.T) {
	n := start(t, t.TempDir())
	token := n.token()
	ask := &core.TriggerSmartContract{
		OwnerAddress: wire(alice.address()), ContractAddress: wire(token),
		Data: contracts.PackTransfer(bob.address(), big.NewInt(5)),
	}
	ctx := context.Background()
	got, err := n.Client.TriggerConstantContract(ctx, ask)
	if err != nil || !got.GetResult().GetResult() || got.GetEnergyUsed() == 0 || len(got.GetLogs()) != 1 {
		t.Fatalf("constant call: %v, %v", got, err)
	}
	est, err := n.Client.EstimateEnergy(ctx, ask)
	if err != nil || est.GetEnergyRequired() < got.GetEnergyUsed() {
		t.Fatalf("estimate %v, %v; used %d", est, err, got.GetEnergyUsed())
	}
	info := n.land(sign(n.trigger(token, ask.Data, est.GetEnergyRequired()*100), alice))
	if info.GetReceipt().GetResult() != core.Transaction_Result_SUCCESS {
		t.Errorf("with the estimate: %v", info.GetReceipt())
	}
	ask.Data = contracts.PackTransfer(bob.address(), big.NewInt(1<<40))
	got, err = n.Client.TriggerConstantContract(ctx, ask)
	if err != nil || got.GetTransaction().GetRet()[0].GetRet() != core.Transaction_Result_FAILED || len(got.GetConstantResult()[0]) < 4 {
		t.Errorf("reverting constant call: %v, %v", got, err)
	}
	if est, err := n.Client.EstimateEnergy(ctx, ask); err != nil || est.GetResult().GetCode() != api.Return_CONTRACT_EXE_ERROR {
		t.Errorf("estimate of a revert: %v, %v", est, err)
	}
	ask.ContractAddress = wire(bob.address())
	got, err = n.Client.TriggerConstantContract(ctx, ask)
	if err != nil || got.GetResult().GetCode() != api.Return_CONTRACT_VALIDATE_ERROR {
		t.Errorf("call of no contract: %v, %v", got, err)
	}
}

// TestAddressOfNewContract pins java-tron's rule, which differs from Ethereum's.
func TestAddressOfNewContract(t *testing.T) {
	n := start(t, t.TempDir())
	ext, err := n.DeployContract(alice.base58(), "t", nil,
		common.Bytes2Hex(contracts.NewTestToken(big.NewInt(7))), 1000*trx, 100, 1)
	if err != nil {
		t.Fatal(err)
	}
	tx := sign(ext.GetTransaction(), alice)
	info := n.land(tx)
	id := node.TransactionID(tx.GetRawData())
	want := crypto.Keccak256(id[:], wire(alice.address()))[12:]
	if got := info.GetContractAddress(); !equal(got, append([]byte{0x41}, want...)) {
		t.Errorf("address %x, want 41%x", got, want)
	}
	c, err := n.Client.GetContract(context.Background(), &api.BytesMessage{Value: info.GetContractAddress()})
	if err != nil || c.GetName() != "t" || !equal(c.GetOriginAddress(), wire(alice.address())) {
		t.Errorf("contract %v, %v", c, err)
	}
}

// TestVaultSeesTheChainID deploys the contract that compares CHAINID with an
// argument: on Tron it is the last four bytes of the genesis block's id.
func TestVaultSeesTheChainID(t *testing.T) {
	n := start(t, t.TempDir())
	token := n.token()
	genesis, err := n.GetBlockByNum(0)
	if err != nil {
		t.Fatal(err)
	}
	id := new(big.Int).SetBytes(genesis.GetBlockid()[28:])
	log := n.deploy("AnchorLog", contracts.NewAnchorLog([32]byte{9}, contracts.Set{Version: 1, K: 2, Members: [][20]byte{{1}, {2}, {3}}}))
	n.deploy("RewardVault", contracts.NewRewardVault(token, id, log))
	ext, err := n.DeployContract(alice.base58(), "wrong", nil,
		common.Bytes2Hex(contracts.NewRewardVault(token, big.NewInt(1), log)), 5000*trx, 100, 1)
	if err != nil {
		t.Fatal(err)
	}
	if r := n.land(sign(ext.GetTransaction(), alice)).GetReceipt(); r.GetResult() != core.Transaction_Result_REVERT {
		t.Errorf("with another chain's id: %v", r)
	}
}

func wire(a common.Address) []byte { return append([]byte{0x41}, a[:]...) }

func equal(a, b []byte) bool { return string(a) == string(b) }
