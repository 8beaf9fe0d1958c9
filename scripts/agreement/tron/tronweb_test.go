//go:build agreement

// Package agreement_test has tronweb, the client of Tron that others use, work with our
// Tron node and do again what anchor/tron does. "make tronweb" installs it and runs this.
package agreement_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/signer/signertest"
	"github.com/killick-ledger/killick/anchor/tron"
	"github.com/killick-ledger/killick/anchor/tronnode/node"
	"github.com/killick-ledger/killick/anchor/tronnode/node/nodetest"
)

func secret(name string) string { return hex.EncodeToString(crypto.FromECDSA(nodetest.Key(name))) }

func addressOf(name string) send.Address { return send.Address(nodetest.Address(name)) }

// tronweb runs a part of tronweb.mjs.
func tronweb(t *testing.T, part string, in, out any) {
	t.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "node", "tronweb.mjs", part)
	var stderr bytes.Buffer
	c.Stdin, c.Stderr = bytes.NewReader(b), &stderr
	answer, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	if err := json.Unmarshal(answer, out); err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
}

// network is a node that makes blocks by itself, and our driver for alice.
type network struct {
	*tron.Client
	t          *testing.T
	http       string
	token, log send.Address
}

func start(t *testing.T) *network {
	t.Helper()
	served := nodetest.Start(t, node.Config{
		Period: 100 * time.Millisecond, SolidifyAfter: 3,
		Alloc: map[common.Address]uint64{nodetest.Address("alice"): 100_000 * nodetest.TRX},
	})
	served.Run()
	n := &network{t: t, http: served.URL}
	var err error
	n.Client, err = tron.Dial(t.Context(), tron.Config{GRPC: served.GRPC, Solidity: served.Solidity, Key: signertest.Key(nodetest.Key("alice"))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	deploy := func(code []byte) send.Address {
		at, err := n.Deploy(t.Context(), code)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	n.token = deploy(contracts.NewTestToken(big.NewInt(1_000_000)))
	n.log = deploy(contracts.NewAnchorLog([32]byte{1}, set()))
	return n
}

func set() contracts.Set {
	return contracts.Set{Version: 1, K: 1, Members: [][20]byte{addressOf("member")}}
}

// submit is the calldata of a checkpoint that the one member has signed.
func (n *network) submit(size uint64) []byte {
	n.t.Helper()
	cp := contracts.Checkpoint{Size: size, Root: [32]byte{byte(size)}, Time: 1_700_000_000}
	digest, err := n.Call(n.t.Context(), n.log, contracts.PackCheckpointDigest(1, cp), send.Latest)
	if err != nil {
		n.t.Fatal(err)
	}
	sig, err := crypto.Sign(digest, nodetest.Key("member"))
	if err != nil {
		n.t.Fatal(err)
	}
	sig[64] += 27
	return contracts.PackSubmit(cp, nil, contracts.Signatures{Set: set(), Signers: big.NewInt(1), Bytes: sig})
}

// TestClient has tronweb send a TRC-20 transfer and a checkpoint to our node and read
// both back; our driver must see the same.
func TestClient(t *testing.T) {
	n := start(t)
	const size = 7
	to := addressOf("bob")
	var got struct {
		Transfer, Submit, Trx, Both  string
		TransferBlock                uint64
		Balance, Reached             string
		Again, Forged, Hopeless, One string
		Sun                          int64
	}
	tronweb(t, "client", map[string]any{
		"http": n.http, "key": secret("alice"), "second": secret("second"), "token": tron.Base58(n.token),
		"log": tron.Base58(n.log), "to": tron.Base58(to), "submit": hex.EncodeToString(n.submit(size)),
		"reached": hex.EncodeToString(contracts.PackSizeReached(size)),
	}, &got)
	for what, pair := range map[string][2]string{
		"balance": {got.Balance, "1234"}, "size reached": {got.Reached, hex.EncodeToString(contracts.True())},
		"sent again": {got.Again, "DUP_TRANSACTION_ERROR"}, "forged": {got.Forged, "SIGERROR"},
		"one signature of two": {got.One, "SIGERROR"}, "a call that must fail": {got.Hopeless, "REVERT opcode executed"},
		"sun": {fmt.Sprint(got.Sun), "7"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %q, want %q", what, pair[0], pair[1])
		}
	}
	held, err := n.Call(t.Context(), n.token, contracts.PackBalanceOf(to), send.Latest)
	if err != nil || new(big.Int).SetBytes(held).Int64() != 1234 {
		t.Errorf("our driver reads %x, %v", held, err)
	}
	in := send.Intent{To: n.log, Check: contracts.PackSizeReached(size), Want: contracts.True()}
	if ok, err := n.Holds(t.Context(), in, send.Final); err != nil || !ok {
		t.Errorf("our driver sees the checkpoint: %v, %v", ok, err)
	}
	sun, err := n.Balance(t.Context(), to)
	if err != nil || sun.Int64() != 18 {
		t.Errorf("bob has %v sun, %v", sun, err)
	}
}

// call is an attempt of ours, as tronweb is told of it.
type call struct {
	Contract   string `json:"contract"`
	Data       string `json:"data"`
	FeeLimit   int64  `json:"feeLimit"`
	RefBytes   string `json:"refBytes"`
	RefHash    string `json:"refHash"`
	Expiration int64  `json:"expiration"`
	Timestamp  int64  `json:"timestamp"`
	Raw        string `json:"raw"`
	Signature  string `json:"signature"`

	id string
}

func (n *network) call(in send.Intent) call {
	n.t.Helper()
	a, err := n.Arm(n.t.Context(), in, nil, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	tx := &core.Transaction{}
	if err := proto.Unmarshal(a.Raw, tx); err != nil {
		n.t.Fatal(err)
	}
	raw := tx.GetRawData()
	// Not encoded again: the bytes that are in the attempt, behind tag and length.
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(raw)
	if err != nil || !bytes.Contains(a.Raw, b) {
		n.t.Fatalf("the attempt does not hold the raw data: %v", err)
	}
	return call{
		Contract: tron.Base58(in.To), Data: hex.EncodeToString(in.Data), FeeLimit: raw.GetFeeLimit(),
		RefBytes: hex.EncodeToString(raw.GetRefBlockBytes()), RefHash: hex.EncodeToString(raw.GetRefBlockHash()),
		Expiration: raw.GetExpiration(), Timestamp: raw.GetTimestamp(),
		Raw: hex.EncodeToString(b), Signature: hex.EncodeToString(tx.GetSignature()[0]), id: hex.EncodeToString(a.ID),
	}
}

// TestOffline has tronweb build and sign the transactions that anchor/tron has built and
// signed: raw data, id and signature are the same bytes, but for the last of a signature,
// which tronweb counts from 27.
func TestOffline(t *testing.T) {
	n := start(t)
	var calls []call
	for i := range 20 {
		calls = append(calls, n.call(send.Intent{To: n.token, Data: contracts.PackTransfer(addressOf(fmt.Sprint(i)), big.NewInt(int64(i)*int64(i)))}))
	}
	for size := uint64(1); size <= 20; size++ {
		calls = append(calls, n.call(send.Intent{To: n.log, Data: n.submit(size * 1000)}))
	}
	var got []struct {
		Raw, ID, Signature, Signer string
		Decoded                    struct {
			Contract []struct {
				Parameter struct {
					Value struct {
						Data string `json:"data"`
					} `json:"value"`
				} `json:"parameter"`
			} `json:"contract"`
			FeeLimit int64 `json:"fee_limit"`
		}
	}
	tronweb(t, "offline", map[string]any{"key": secret("alice"), "calls": calls}, &got)
	if len(got) != len(calls) {
		t.Fatalf("%d answers of %d", len(got), len(calls))
	}
	for i, want := range calls {
		g := got[i]
		if g.Raw != want.Raw || g.ID != want.id {
			t.Errorf("call %d: tronweb builds %s\n%s\nwe %s\n%s", i, g.ID, g.Raw, want.id, want.Raw)
		}
		sig := common.Hex2Bytes(want.Signature)
		sig[64] += 27
		// Of bytes: tronweb writes hexadecimal with digits of either case.
		if got, err := hex.DecodeString(g.Signature); err != nil || !bytes.Equal(got, sig) {
			t.Errorf("call %d: tronweb signs %s, we %x", i, g.Signature, sig)
		}
		if me := n.Address(); !strings.EqualFold(g.Signer, "41"+hex.EncodeToString(me[:])) {
			t.Errorf("call %d: tronweb finds our signature to be of %s", i, g.Signer)
		}
		if c := g.Decoded.Contract; len(c) != 1 || !strings.EqualFold(c[0].Parameter.Value.Data, want.Data) || g.Decoded.FeeLimit != want.FeeLimit {
			t.Errorf("call %d: tronweb reads %+v", i, g.Decoded)
		}
	}
}

func TestAddresses(t *testing.T) {
	var keys, written []string
	for i := range 50 {
		name := fmt.Sprint("account ", i)
		keys, written = append(keys, secret(name)), append(written, tron.Base58(addressOf(name)))
	}
	bad := []string{"", written[0][:33], written[0] + "1", "T" + written[0][:33]}
	var got []struct {
		Base58, Hex string
		Valid       []bool
	}
	tronweb(t, "addresses", map[string]any{"keys": keys, "written": append(append([]string(nil), written...), bad...)}, &got)
	for i := range keys {
		a := addressOf(fmt.Sprint("account ", i))
		if got[i].Base58 != written[i] || got[i].Hex != "41"+hex.EncodeToString(a[:]) || !got[i].Valid[i] {
			t.Errorf("account %d is %s %s %v, we write %s %x", i, got[i].Base58, got[i].Hex, got[i].Valid[i], written[i], a)
		}
	}
	for i, b := range bad {
		if got[0].Valid[len(written)+i] {
			t.Errorf("%q is an address to tronweb", b)
		}
	}
}
