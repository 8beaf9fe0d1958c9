//go:build e2e

package main_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/network/cluster"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
)

const vault = "eip155:1337:0x00000000000000000000000000000000000000aa"

// fabricNetwork brings up Fabric with this chaincode. KILLICK_BIN is the directory
// of Fabric's programs.
func fabricNetwork(t *testing.T) *cluster.Cluster {
	t.Helper()
	built := os.Getenv("KILLICK_BIN")
	if built == "" {
		t.Fatal("KILLICK_BIN does not name the directory of the programs")
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"killick-ccaas": "../network/ccaas", "killick-chaincode": "."} {
		if out, err := exec.Command("go", "build", "-o", filepath.Join(bin, name), path).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", path, err, out)
		}
	}
	cons := topology.Default()
	cons.Ports = 0
	cons.Fabric.Binaries = built
	c, err := cluster.Start(t.Context(), cluster.Options{
		Consortium: cons, Dir: filepath.Join(dir, "state"), Bin: bin,
		Parts: cluster.Fabric | cluster.Chaincode, Attached: true, Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			logs, _ := filepath.Glob(filepath.Join(c.LogDir(), "chaincode*.log"))
			for _, l := range logs {
				data, _ := os.ReadFile(l)
				t.Logf("%s:\n%s", l, data[max(0, len(data)-2000):])
			}
		}
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// ledger is the running ledger with a client of each organisation.
type ledger struct {
	t       *testing.T
	network string
	clients []*fabric.Client
	now     uint64
	nonce   uint64
}

func (l *ledger) call(org int, function string, arg any) []byte {
	l.t.Helper()
	answer, err := l.try(org, function, arg)
	if err != nil {
		l.t.Fatalf("%s: %v", function, err)
	}
	return answer
}

func (l *ledger) try(org int, function string, arg any) ([]byte, error) {
	l.t.Helper()
	receipt, err := l.clients[org].Execute(l.t.Context(), function, args(l.t, arg)...)
	return receipt.Payload, err
}

// query asks the first organisation's peer, once it has the blocks that any peer has: what
// another organisation has done is in its own peer's blocks first.
func (l *ledger) query(function string, arg, into any) {
	l.t.Helper()
	l.abreast()
	answer, err := l.clients[0].Evaluate(l.t.Context(), function, args(l.t, arg)...)
	if err == nil {
		err = json.Unmarshal(answer, into)
	}
	if err != nil {
		l.t.Fatalf("%s: %v", function, err)
	}
}

func (l *ledger) abreast() {
	l.t.Helper()
	var most uint64
	for _, c := range l.clients {
		height, err := c.Height(l.t.Context())
		if err != nil {
			l.t.Fatal(err)
		}
		most = max(most, height)
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		height, err := l.clients[0].Height(l.t.Context())
		if err != nil {
			l.t.Fatal(err)
		}
		if height >= most {
			return
		}
		if time.Now().After(end) {
			l.t.Fatalf("the first peer is at block %d of %d", height, most)
		}
	}
}

func args(t *testing.T, arg any) [][]byte {
	t.Helper()
	switch a := arg.(type) {
	case nil:
		return nil
	case []byte:
		return [][]byte{a}
	case string:
		return [][]byte{[]byte(a)}
	}
	data, err := canon.Marshal(arg)
	if err != nil {
		t.Fatal(err)
	}
	return [][]byte{data}
}

// person is a DID with one key.
type person struct {
	did   string
	key   ed25519.PrivateKey
	chain *secp256k1.PrivateKey
	doc   []byte
}

func (p *person) KeyID() string                          { return p.did + "#k" }
func (p *person) Sign(message []byte) ([]byte, error)    { return ed25519.Sign(p.key, message), nil }
func secret(name string) []byte                          { h := canon.Sum([]byte(name)); return h[:] }
func (l *ledger) cosigner(msp string) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(secret(msp)) }

func (l *ledger) person(name string) *person {
	l.t.Helper()
	p := &person{key: ed25519.NewKeyFromSeed(secret(name)), chain: secp256k1.PrivKeyFromBytes(secret(name + " chain"))}
	p.doc = fmt.Appendf(nil, `{"verificationMethod":[{"id":"#k","type":"Multikey","publicKeyMultibase":%q}],"capabilityInvocation":["#k"],"recovery":%q}`,
		did.FormatKey([32]byte(p.key.Public().(ed25519.PublicKey))), canon.B64(secret(name+" recovery")))
	var err error
	if p.did, _, err = ops.NewDID(l.network, p.doc); err != nil {
		l.t.Fatal(err)
	}
	return p
}

func (l *ledger) sign(p *person, body ops.Body) ops.Item {
	l.t.Helper()
	l.nonce++
	item, _, err := ops.SignRequest(ops.Request{Network: l.network, IssuedAt: l.now - l.nonce, Expires: l.now + 3600, Body: body}, p)
	if err != nil {
		l.t.Fatal(err)
	}
	return item
}

func (l *ledger) batch(items []ops.Item) []byte {
	l.t.Helper()
	frame, err := ops.EncodeFrame(items)
	if err != nil {
		l.t.Fatal(err)
	}
	began := time.Now()
	answer := l.call(0, "ops:Batch", frame)
	l.t.Logf("batch of %d operations, %d bytes, in %s", len(items), len(frame), time.Since(began).Round(time.Millisecond))
	return answer
}

func (l *ledger) initialise(c *cluster.Cluster) {
	l.t.Helper()
	log := canon.Sum([]byte("log"))
	request := govern.Init{
		Network: l.network, Log: canon.Hex(log[:]), Rules: 1, K: 3, Assets: []string{"usd"}, Treasuries: []string{"Org1MSP"},
		Vaults:  []govern.Vault{{ID: vault, Token: "eip155:1337:0x00000000000000000000000000000000000000bb", Asset: "usd"}},
		Program: canon.Hex(secret("program")), EpochSeconds: 10, HeartbeatSeconds: 60,
	}
	for _, o := range c.Orgs() {
		name := o.MSPID + "." + l.network
		raw := append([]byte{4}, l.cosigner(o.MSPID).Public().(ed25519.PublicKey)...)
		id := canon.Sum([]byte(name+"\n"), raw)
		address := canon.KeyAddress(l.chainKey(o.MSPID).PubKey())
		request.Members = append(request.Members, govern.Member{
			MSP: o.MSPID, Cosign: name + "+" + canon.Hex(id[:4]) + "+" + base64.StdEncoding.EncodeToString(raw), Address: "0x" + canon.Hex(address[:]),
		})
	}
	wrong := request
	wrong.Network = "other-0011223344556677"
	l.refused(fault.WrongNetwork, "ops:Init", wrong)
	l.refused(fault.NotInitialised, "reward:Fold", nil)
	l.call(0, "ops:Init", request)
	l.refused(fault.AlreadyInitialised, "ops:Init", request)
}

func (l *ledger) chainKey(msp string) *secp256k1.PrivateKey {
	return secp256k1.PrivKeyFromBytes(secret(msp + " chain"))
}

func (l *ledger) refused(want fault.Code, function string, arg any) {
	l.t.Helper()
	_, err := l.try(0, function, arg)
	if err == nil {
		l.t.Fatalf("%s: done, want %v", function, want)
	}
	if got, ok := fault.Parse(err.Error()); !ok || got.Code != want {
		l.t.Errorf("%s: %v, want %v", function, err, want)
	}
}

func (l *ledger) checkpoint(msps []string, size, at uint64) {
	l.t.Helper()
	log, root := canon.Sum([]byte("log")), canon.Sum(fmt.Append(nil, size))
	var network ops.NetworkView
	l.query("ops:Network", nil, &network)
	set, err := network.SetHash()
	if err != nil {
		l.t.Fatal(err)
	}
	for i, msp := range msps {
		chain := canon.SignDigest(l.chainKey(msp), canon.CheckpointDigest(log, 1, set, size, root, at))
		l.call(i, "checkpoint:Cosign", checkpoint.Cosign{
			Size: size, Root: canon.Hex(root[:]), Time: at, Secp256k1: base64.StdEncoding.EncodeToString(chain[:]),
			Ed25519: base64.StdEncoding.EncodeToString(ed25519.Sign(l.cosigner(msp), checkpoint.CosignedMessage(l.network, log, size, root, at))),
		})
	}
	l.call(1, "checkpoint:Accept", checkpoint.Accept{Size: size, Root: canon.Hex(root[:]), Time: at, Signers: msps})
}

// TestOnFabric runs the main functions on a real network: endorsement by two
// organisations, so every answer and write set was made twice, alike.
func TestOnFabric(t *testing.T) {
	c := fabricNetwork(t)
	l := &ledger{t: t, network: c.Network, now: uint64(time.Now().Unix())}
	var msps []string
	for i, o := range c.Orgs() {
		client, err := fabric.Connect(c.Client(i, topology.GatewayUser))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		l.clients, msps = append(l.clients, client), append(msps, o.MSPID)
	}
	l.initialise(c)
	l.refused(fault.UnknownFunction, "ops:batch", []byte{1})
	l.refused(fault.UnknownFunction, "reward:fund", "{}")
	l.refused(fault.UnknownFunction, "org.hyperledger.fabric:GetMetadata", nil)
	l.refused(fault.WrongArguments, "reward:Cut", "{}")
	l.refused(fault.MissingField, "reward:Fund", "{}")
	l.refused(fault.Malformed, "ops:Batch", "nonsense")

	const people = 500
	crowd := make([]*person, people)
	creates := make([]ops.Item, people)
	fund := reward.Fund{ID: canon.Hex(secret("fund")), Asset: "usd"}
	for i := range crowd {
		crowd[i] = l.person(fmt.Sprint("person ", i))
		create := &ops.DIDCreate{Document: crowd[i].doc}
		if i == 1 {
			account := canon.Account{Chain: "eip155:1337", Address: canon.KeyAddress(crowd[i].chain.PubKey())}
			proof := canon.SignDigest(crowd[i].chain, canon.LinkDigest(crowd[i].did, account, "new"))
			create.Links, create.Payout = []did.Link{{Account: account.String(), Proof: canon.B64(proof[:]), Salt: canon.B64(secret("salt"))}}, account.String()
		}
		creates[i] = l.sign(crowd[i], create)
		fund.Lines = append(fund.Lines, reward.Line{To: crowd[i].did, Amount: 1000})
	}
	want(t, l.batch(creates), func(int) byte { return 0 })
	l.call(0, "reward:Fund", fund)
	l.refused(fault.AlreadyDone, "reward:Fund", fund)

	pays := make([]ops.Item, people)
	for i := range pays {
		pays[i] = l.sign(crowd[i], &ops.RewardPay{Asset: "usd", Lines: []reward.Line{{To: crowd[(i+1)%people].did, Amount: 7}}})
	}
	pays[13].Signature = make([]byte, 64)
	want(t, l.batch(pays), func(i int) byte {
		if i == 13 {
			return byte(fault.BadSignature)
		}
		return 0
	})
	want(t, l.batch(pays[:10]), func(int) byte { return ops.Replayed })
	var balance reward.BalanceView
	l.query("reward:Balance", reward.BalanceQuery{DID: crowd[1].did, Asset: "usd"}, &balance)
	if balance.Balance != 993 || balance.Pending != (reward.Sum{Lo: 7}) {
		t.Errorf("balance %+v", balance)
	}

	l.refused(fault.NotDue, "reward:Cut", nil)
	l.checkpoint(msps[:3], 5, l.now)
	for i := range 3 {
		l.call(i, "reward:Reserve", reward.Reserve{Vault: vault, Funded: 1 << 40})
	}
	// The second epoch's fold takes several pages and ranges over what it changes.
	for epoch := range uint64(2) {
		l.checkpoint(msps[:3], 9+epoch, l.now+20*(1+epoch))
		l.call(2, "reward:Cut", nil)
		var folded reward.Folded
		for !folded.Done {
			if err := json.Unmarshal(l.call(3, "reward:Fold", nil), &folded); err != nil {
				t.Fatal(err)
			}
		}
		total := reward.Sum{Lo: 7 * (1 + epoch)}
		if len(folded.Roots) != 1 || folded.Roots[0].Total != total {
			t.Errorf("folded %+v, want the total %s", folded, total)
		}
		var leaves []reward.LeafView
		l.query("reward:Leaves", reward.LeavesQuery{Vault: vault}, &leaves)
		if len(leaves) != 1 || uint64(leaves[0].Cumulative) != total.Lo {
			t.Errorf("leaves %+v", leaves)
		}
		for i := range pays {
			pays[i] = l.sign(crowd[i], &ops.RewardPay{Asset: "usd", Lines: []reward.Line{{To: crowd[(i+1)%people].did, Amount: 7}}})
		}
		want(t, l.batch(pays), func(int) byte { return 0 })
	}
}

func want(t *testing.T, got []byte, code func(i int) byte) {
	t.Helper()
	for i, b := range got {
		if b != code(i) {
			t.Fatalf("item %d of %d: %v (%#x)", i, len(got), fault.Code(b&0x7f), b)
		}
	}
}
