package node_test

import (
	"encoding/hex"
	"math"
	"testing"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/killick-ledger/killick/anchor/tronnode/node"
)

// TestMainnetGenesis rebuilds Tron mainnet's block 0 from java-tron's
// configuration and compares with its id, the last four bytes of which are known
// as mainnet's chain id, 0x2b6653dc.
func TestMainnetGenesis(t *testing.T) {
	var txs []*core.Transaction
	for _, a := range []struct {
		address string
		sun     int64
	}{
		{"TLLM21wteSPs4hKjbxgmH1L6poyMjeTbHm", 99_000_000_000_000_000},
		{"TXmVpin5vq5gdZsciyyjdZgKRUju4st1wM", 0},
		{"TLsV52sRDL79HXGGm9yzwKibb6BeruhUzy", math.MinInt64},
	} {
		to, err := node.ParseAddress(a.address)
		if err != nil {
			t.Fatal(err)
		}
		param, err := anypb.New(&core.TransferContract{
			OwnerAddress: []byte("0x000000000000000000000"), ToAddress: wire(to), Amount: a.sun,
		})
		if err != nil {
			t.Fatal(err)
		}
		txs = append(txs, &core.Transaction{RawData: &core.TransactionRaw{Contract: []*core.Transaction_Contract{{
			Type: core.Transaction_Contract_TransferContract, Parameter: param,
		}}}})
	}
	parent, err := hex.DecodeString("e58f33f9baf9305dc6f82b9f1934ea8f0ade2defb951258d50167028c780351f")
	if err != nil {
		t.Fatal(err)
	}
	id := node.BlockID(&core.BlockHeaderRaw{
		TxTrieRoot: node.MerkleRoot(txs), ParentHash: parent,
		WitnessAddress: []byte("A new system must allow existing systems to be linked together without requiring any central control or coordination"),
	})
	if got, want := hex.EncodeToString(id[:]), "00000000000000001ebf88508a03865c71d452e25f4d51194196a1d22b6653dc"; got != want {
		t.Errorf("id %s, want %s", got, want)
	}
}
