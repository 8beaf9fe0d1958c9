package node_test

import (
	"context"
	"crypto/ecdsa"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/fbsobreira/gotron-sdk/pkg/client"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/tronnode/node"
	"github.com/killick-ledger/killick/anchor/tronnode/node/nodetest"
)

const trx = nodetest.TRX

// person is somebody with a key.
type person struct{ key *ecdsa.PrivateKey }

func named(name string) person { return person{nodetest.Key(name)} }

func (p person) address() common.Address { return crypto.PubkeyToAddress(p.key.PublicKey) }
func (p person) base58() string          { return node.Base58(p.address()) }

var alice, bob, carol = named("alice"), named("bob"), named("carol")

// network is a node whose blocks the test makes, served on loopback, and
// gotron-sdk's client of it.
type network struct {
	*client.GrpcClient
	t        testing.TB
	dir      string
	cfg      node.Config
	chain    *node.Chain
	solidity api.WalletSolidityClient
	http     string
	stop     func()
}

func start(t testing.TB, dir string, change ...func(*node.Config)) *network {
	t.Helper()
	n := &network{t: t, dir: dir, cfg: node.Config{
		Dir: dir, SolidifyAfter: 3,
		Now: func() time.Time { return time.Unix(1_700_000_000, 0) },
		Alloc: map[common.Address]uint64{
			alice.address(): 100_000 * trx,
			bob.address():   5 * trx,
		},
	}}
	for _, c := range change {
		c(&n.cfg)
	}
	n.open()
	t.Cleanup(func() { n.stop() })
	return n
}

// open begins to serve; the first block is made when there is only the genesis.
func (n *network) open() {
	t := n.t
	t.Helper()
	served := nodetest.Start(t, n.cfg)
	n.chain, n.http = served.Chain, served.URL
	n.GrpcClient = client.NewGrpcClient(served.GRPC)
	if err := n.Start(grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(served.Solidity, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	n.solidity = api.NewWalletSolidityClient(conn)
	n.stop = func() {
		n.stop = func() {}
		n.Stop()
		conn.Close()
		served.Stop()
	}
	if head, _ := n.chain.Height(); head == 0 {
		n.produce(1)
	}
}

func (n *network) restart() {
	n.t.Helper()
	n.stop()
	n.open()
}

func (n *network) produce(blocks int) {
	n.t.Helper()
	for range blocks {
		if _, err := n.chain.Produce(); err != nil {
			n.t.Fatal(err)
		}
	}
}

func sign(tx *core.Transaction, p person) *core.Transaction {
	id := node.TransactionID(tx.GetRawData())
	sig, err := crypto.Sign(id[:], p.key)
	if err != nil {
		panic(err)
	}
	tx.Signature = [][]byte{sig}
	return tx
}

// send broadcasts and wants the code.
func (n *network) send(tx *core.Transaction, want api.ReturnResponseCode) {
	n.t.Helper()
	got, err := n.Client.BroadcastTransaction(context.Background(), tx)
	if err != nil {
		n.t.Fatal(err)
	}
	if got.GetCode() != want || got.GetResult() != (want == api.Return_SUCCESS) {
		n.t.Fatalf("broadcast answered %v %q (result %v), want %v", got.GetCode(), got.GetMessage(), got.GetResult(), want)
	}
}

// land sends a transaction and makes the block that holds it.
func (n *network) land(tx *core.Transaction) *core.TransactionInfo {
	n.t.Helper()
	n.send(tx, api.Return_SUCCESS)
	n.produce(1)
	return n.info(tx)
}

func (n *network) info(tx *core.Transaction) *core.TransactionInfo {
	n.t.Helper()
	id := node.TransactionID(tx.GetRawData())
	info, err := n.GetTransactionInfoByID(common.Bytes2Hex(id[:]))
	if err != nil {
		n.t.Fatal(err)
	}
	return info
}

// deploy deploys code as alice and returns the contract's address.
func (n *network) deploy(name string, code []byte) common.Address {
	n.t.Helper()
	ext, err := n.DeployContract(alice.base58(), name, nil, common.Bytes2Hex(code), 5000*trx, 100, 10_000_000)
	if err != nil {
		n.t.Fatal(err)
	}
	info := n.land(sign(ext.GetTransaction(), alice))
	if info.GetReceipt().GetResult() != core.Transaction_Result_SUCCESS {
		n.t.Fatalf("deploy %s: %v %s", name, info.GetReceipt().GetResult(), info.GetResMessage())
	}
	return common.Address(info.GetContractAddress()[1:])
}

// trigger makes alice's transaction that calls a contract.
func (n *network) trigger(to common.Address, data []byte, feeLimit int64) *core.Transaction {
	n.t.Helper()
	ext, err := n.TriggerContractWithData(alice.base58(), node.Base58(to), data, feeLimit, 0, "", 0)
	if err != nil {
		n.t.Fatal(err)
	}
	return ext.GetTransaction()
}

func (n *network) token() common.Address {
	return n.deploy("TestToken", contracts.NewTestToken(big.NewInt(1_000_000_000)))
}

func (n *network) balance(p person) int64 {
	n.t.Helper()
	a, err := n.Client.GetAccount(context.Background(), &core.Account{Address: append([]byte{0x41}, p.address().Bytes()...)})
	if err != nil {
		n.t.Fatal(err)
	}
	return a.GetBalance()
}

func clone(tx *core.Transaction) *core.Transaction { return proto.Clone(tx).(*core.Transaction) }
