package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/evm"
	evmnode "github.com/killick-ledger/killick/anchor/evmnode/node"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/payout"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/signer/signertest"
	"github.com/killick-ledger/killick/anchor/tron"
	tronnode "github.com/killick-ledger/killick/anchor/tronnode/node"
	"github.com/killick-ledger/killick/anchor/tronnode/node/nodetest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// driver is what both chains' drivers do here.
type driver interface {
	ID() string
	Deploy(ctx context.Context, code []byte) (send.Address, error)
	Transact(ctx context.Context, to send.Address, data []byte) (send.Outcome, error)
}

// public is a chain with the contracts on it.
type public struct {
	driver
	url                     string
	anchorLog, vault, token send.Address
}

func (p public) account(a send.Address) canon.Account {
	return canon.Account{Chain: p.ID(), Address: [20]byte(a)}
}

func payer() *ecdsa.PrivateKey {
	k, err := crypto.ToECDSA(crypto.Keccak256([]byte("payer")))
	if err != nil {
		panic(err)
	}
	return k
}

// Blocks come, and are looked for, so often.
const (
	period = 10 * time.Millisecond
	poll   = 2 * time.Millisecond
)

func startEVM(t *testing.T) public {
	address := crypto.PubkeyToAddress(payer().PublicKey)
	n, err := evmnode.Start(evmnode.Config{
		Listen: "127.0.0.1:0", ChainID: 1337, Finality: 2, Alloc: map[common.Address]*big.Int{address: big.NewInt(1e18)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	background(t, func(ctx context.Context) error { return n.Run(ctx, period) })
	c, err := evm.Dial(t.Context(), evm.Config{Chain: "eip155:1337", URLs: []string{n.URL()}, Key: signertest.Key(payer()), Poll: poll})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return public{driver: c, url: n.URL()}
}

func startTron(t *testing.T) public {
	address := crypto.PubkeyToAddress(payer().PublicKey)
	n := nodetest.Start(t, tronnode.Config{Period: period, SolidifyAfter: 3, Alloc: map[common.Address]uint64{address: 1e12}})
	n.Run()
	d, err := tron.Dial(t.Context(), tron.Config{GRPC: n.GRPC, Solidity: n.Solidity, Key: signertest.Key(payer()), Poll: poll})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return public{driver: d, url: n.URL + "/jsonrpc"}
}

// background runs f until the test ends and waits for it.
func background(t *testing.T, f func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	})
}

// members sign for contracts and for notes.
type members struct {
	version uint64
	ed      []ed25519.PrivateKey
	secp    []*secp256k1.PrivateKey
}

// membersOf are the members of these numbers as the set of a version.
func membersOf(version uint64, numbers ...int) members {
	m := members{version: version}
	for _, i := range numbers {
		seed := sha256.Sum256(fmt.Append(nil, "member ", i))
		m.ed = append(m.ed, ed25519.NewKeyFromSeed(seed[:]))
		m.secp = append(m.secp, secp256k1.PrivKeyFromBytes(seed[:]))
	}
	return m
}

func (m members) ascending() [][20]byte {
	var out [][20]byte
	for _, k := range m.secp {
		out = append(out, canon.KeyAddress(k.PubKey()))
	}
	slices.SortFunc(out, func(a, b [20]byte) int { return bytes.Compare(a[:], b[:]) })
	return out
}

// set is the members as contracts know them.
func (m members) set() contracts.Set {
	return contracts.Set{Version: m.version, K: 3, Members: m.ascending()}
}

// sign has the first three members of the ascending set sign a digest.
func (m members) sign(digest [32]byte) contracts.Signatures {
	s := contracts.Signatures{Set: m.set(), Signers: big.NewInt(7)}
	for _, address := range s.Members[:3] {
		for _, k := range m.secp {
			if canon.KeyAddress(k.PubKey()) == address {
				sig := canon.SignDigest(k, digest)
				s.Bytes = append(s.Bytes, sig[:]...)
			}
		}
	}
	return s
}

const net1 = "main-0011223344556677"

func (m members) policy(logID [32]byte, chains []public) *log.Policy {
	p := &log.Policy{Network: net1, Log: canon.Hex(logID[:]), SetVersion: m.version, K: 3}
	for i := range m.ed {
		msp, address := fmt.Sprintf("Org%dMSP", i+1), canon.KeyAddress(m.secp[i].PubKey())
		p.Members = append(p.Members, log.Member{
			MSP: msp, Cosign: log.CosignerKey(msp, net1, m.ed[i].Public().(ed25519.PublicKey)), Address: "0x" + canon.Hex(address[:]),
		})
	}
	for _, c := range chains {
		p.Chains = append(p.Chains, log.Chain{ID: c.ID(), AnchorLog: c.account(c.anchorLog).String(), Vaults: []log.Vault{
			{ID: c.account(c.vault).String(), Token: c.account(c.token).String(), Asset: "usd"},
		}})
	}
	return p
}

// deploy puts the three contracts on a chain and 100 tokens into the vault.
func (p *public) deploy(t *testing.T, m members, logID [32]byte) {
	number, err := canon.ChainNumber(p.ID())
	if err != nil {
		t.Fatal(err)
	}
	create := func(code []byte) send.Address {
		a, err := p.Deploy(t.Context(), code)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	p.anchorLog = create(contracts.NewAnchorLog(logID, m.set()))
	p.token = create(contracts.NewTestToken(big.NewInt(100_000_000)))
	p.vault = create(contracts.NewRewardVault([20]byte(p.token), new(big.Int).SetUint64(number), p.anchorLog))
	p.transact(t, p.token, contracts.PackTransfer([20]byte(p.vault), big.NewInt(100_000_000)))
}

func (p *public) transact(t *testing.T, to send.Address, data []byte) send.Outcome {
	t.Helper()
	o, err := p.Transact(t.Context(), to, data)
	if err != nil || o.State != send.StateMined {
		t.Fatalf("%s: %+v, %v", p.ID(), o, err)
	}
	return o
}

// final waits until the outcome's block is final.
func (p *public) final(t *testing.T, o send.Outcome) *endpoint {
	t.Helper()
	e, err := dial(p.url, post)
	if err != nil {
		t.Fatal(err)
	}
	for {
		final, err := e.final(t.Context())
		if err == nil && final >= o.Block {
			return e
		}
		if t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
}

// landed waits until the outcome's block is final and returns the event in it.
func (p *public) landed(t *testing.T, of send.Address, signature string, topic uint64, o send.Outcome) log.Landing {
	t.Helper()
	e := p.final(t, o)
	events, err := e.events(t.Context(), p.account(of), signature, topic, o.Block)
	if err != nil || len(events) != 1 {
		t.Fatalf("%s: %d events, %v", p.ID(), len(events), err)
	}
	return events[0].Landing
}

// twoBlocks are block 0 and a block that pays and closes an epoch.
func twoBlocks(vault canon.Account, root reward.Node) []*block.Block {
	owner := bytes.Repeat([]byte{5}, 20)
	total := canon.NewRecord(0x40).U64(1).U32(1).Fixed(root.Hash[:]).Fixed(root.Sum.Bytes()).U32(1).Bytes()
	pay := canon.NewRecord(0).Var8([]byte("usd")).U32(1).Fixed(owner).U64(12_500_000).Bytes()[2:]
	b0 := &block.Block{HeaderHash: canon.Sum([]byte("genesis")), Filter: []byte{0}, Txs: []block.Tx{{Type: block.TypeConfig}}}
	tx := block.Tx{ID: strings.Repeat("ab", 32), Type: block.TypeEndorser, Nonce: []byte("n")}
	for key, value := range map[string][]byte{
		"op/00078f3a/" + strings.Repeat("11", 32):                          canon.NewRecord(0x10).U8(0).U8(30).Fixed(owner).Fixed(pay).Bytes(),
		"epoch/" + vault.String() + "/" + "0000000000000001" + "/00000001": total,
	} {
		tx.Writes = append(tx.Writes, block.Write{Namespace: "killick", Key: []byte(key), Value: value, ValueHash: sha256.Sum256(value)})
	}
	b1 := &block.Block{Number: 1, PrevHash: b0.HeaderHash[:], HeaderHash: canon.Sum([]byte("one")), Filter: []byte{0}, Txs: []block.Tx{tx}}
	return []*block.Block{b0, b1}
}

func (m members) note(t *testing.T, p *log.Policy, cp log.Checkpoint) []byte {
	t.Helper()
	var signed []log.Cosignature
	for i := range 3 {
		signed = append(signed, log.Cosignature{
			MSP: p.Members[i].MSP, Ed25519: [64]byte(ed25519.Sign(m.ed[i], cp.CosignedMessage())), Secp256k1: canon.SignDigest(m.secp[i], p.Set().Digest(cp)),
		})
	}
	n, err := p.Set().Note(cp, signed)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func proveTo(t *testing.T, tree *payout.Tree, payee canon.Account, at log.Landing) *log.PayoutProof {
	t.Helper()
	c, err := tree.Claim(payee.Address)
	if err != nil {
		t.Fatal(err)
	}
	var left []bool
	var sums [][16]byte
	var hashes [][32]byte
	for i := 0; i*contracts.LevelSize < len(c.Levels); i++ {
		level := c.Levels[i*contracts.LevelSize:]
		left, sums, hashes = append(left, c.Sides.Bit(i) == 1), append(sums, [16]byte(level)), append(hashes, [32]byte(level[16:]))
	}
	p, err := log.ProvePayee(payee, uint64(c.Cumulative), left, sums, hashes, at)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (s *scene) build(l *log.Log, b *block.Block, write int, e log.Evidence) string {
	s.t.Helper()
	bundle, err := l.Build(b, 0, write, e)
	if err != nil {
		s.t.Fatal(err)
	}
	data, err := bundle.Marshal()
	if err != nil {
		s.t.Fatal(err)
	}
	return s.write("b.anchorproof", data)
}

// want verifies a bundle against both nodes.
func (s *scene) want(t *testing.T, exit int, text, bundle string) {
	t.Helper()
	f := s.all(bundle)
	out, err := json.MarshalIndent(f.Checks, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if f.Exit != exit || !strings.Contains(string(out), text) {
		t.Errorf("exit %d, want %d and %q: %s", f.Exit, exit, text, out)
	}
}
