package contracts_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"slices"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/evmnode/node"
	"github.com/killick-ledger/killick/chaincode/canon"
)

const chainID = 1337

var logID = canon.Keccak([]byte("a log of the tests"))

// chain is a node of its own for one test, with one funded account.
type chain struct {
	t      *testing.T
	node   *node.Node
	client *ethclient.Client
	key    *ecdsa.PrivateKey
	nonce  uint64
}

func newChain(t *testing.T) *chain {
	t.Helper()
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("deployer of the tests")))
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Start(node.Config{
		Listen: "127.0.0.1:0", ChainID: chainID,
		Alloc: map[common.Address]*big.Int{crypto.PubkeyToAddress(key.PublicKey): big.NewInt(1e18)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	client, err := ethclient.Dial(n.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &chain{t: t, node: n, client: client, key: key}
}

func (c *chain) sender() common.Address { return crypto.PubkeyToAddress(c.key.PublicKey) }

// send puts a transaction into a block of its own.
func (c *chain) send(to *common.Address, data []byte) *types.Receipt {
	c.t.Helper()
	ctx := context.Background()
	tx := types.MustSignNewTx(c.key, types.LatestSignerForChainID(big.NewInt(chainID)), &types.DynamicFeeTx{
		ChainID: big.NewInt(chainID), Nonce: c.nonce, To: to, Data: data, Gas: 5_000_000,
		GasFeeCap: big.NewInt(2e9), GasTipCap: big.NewInt(1e6),
	})
	if err := c.client.SendTransaction(ctx, tx); err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.node.Step(); err != nil {
		c.t.Fatal(err)
	}
	receipt, err := c.client.TransactionReceipt(ctx, tx.Hash())
	if err != nil {
		c.t.Fatal(err)
	}
	c.nonce++
	return receipt
}

// run sends a transaction that must succeed.
func (c *chain) run(to common.Address, data []byte) *types.Receipt {
	c.t.Helper()
	receipt := c.send(&to, data)
	if receipt.Status != types.ReceiptStatusSuccessful {
		c.t.Fatalf("transaction reverted: %s", c.refusal(&to, data))
	}
	return receipt
}

func (c *chain) deploy(code []byte) common.Address {
	c.t.Helper()
	receipt := c.send(nil, code)
	if receipt.Status != types.ReceiptStatusSuccessful {
		c.t.Fatalf("creation reverted: %s", c.refusal(nil, code))
	}
	return receipt.ContractAddress
}

// view returns what a view returns.
func (c *chain) view(to common.Address, data []byte) []byte {
	c.t.Helper()
	out, err := c.client.CallContract(context.Background(), ethereum.CallMsg{To: &to, Data: data}, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// refusal calls without a transaction and returns why it reverts, or "" when it
// does not.
func (c *chain) refusal(to *common.Address, data []byte) string {
	c.t.Helper()
	_, err := c.client.CallContract(context.Background(), ethereum.CallMsg{From: c.sender(), To: to, Data: data}, nil)
	if err == nil {
		return ""
	}
	var withData rpc.DataError
	if !errors.As(err, &withData) || withData.ErrorData() == nil {
		return err.Error()
	}
	raw, err := hexutil.Decode(withData.ErrorData().(string))
	if err != nil {
		c.t.Fatal(err)
	}
	if len(raw) == 0 {
		return "empty reason"
	}
	return contracts.Reason(raw)
}

// oddToken returns the creation code of a token of testdata.
func oddToken(t *testing.T, name string, supply int64) []byte {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var a struct{ Bin hexutil.Bytes }
	if err := json.Unmarshal(raw, &a); err != nil {
		t.Fatal(err)
	}
	return append(a.Bin, common.BigToHash(big.NewInt(supply)).Bytes()...)
}

// members is a set of organisations with their keys, in ascending order.
type members struct {
	contracts.Set
	keys []*secp256k1.PrivateKey
}

// newMembers returns the founding set of n organisations.
func newMembers(n int, k uint) members { return newSet(1, n, k, "member of the tests") }

// newSet returns a set whose keys come from a text.
func newSet(version uint64, n int, k uint, seed string) members {
	m := members{Set: contracts.Set{Version: version, K: k}}
	for i := range n {
		seed := canon.Keccak([]byte(seed), []byte{byte(i)})
		m.keys = append(m.keys, secp256k1.PrivKeyFromBytes(seed[:]))
	}
	slices.SortFunc(m.keys, func(a, b *secp256k1.PrivateKey) int {
		x, y := canon.KeyAddress(a.PubKey()), canon.KeyAddress(b.PubKey())
		return bytes.Compare(x[:], y[:])
	})
	for _, key := range m.keys {
		m.Members = append(m.Members, canon.KeyAddress(key.PubKey()))
	}
	return m
}

// as returns the same organisations as the set of another version.
func (m members) as(version uint64) members {
	m.Version = version
	return m
}

// sign returns the signatures of the members with these indices, ascending.
func (m members) sign(digest [32]byte, who ...int) contracts.Signatures {
	s := contracts.Signatures{Set: m.Set, Signers: new(big.Int)}
	for _, i := range who {
		s.Signers.SetBit(s.Signers, i, 1)
		sig := canon.SignDigest(m.keys[i], digest)
		s.Bytes = append(s.Bytes, sig[:]...)
	}
	return s
}
