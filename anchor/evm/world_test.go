package evm_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/evm"
	"github.com/killick-ledger/killick/anchor/evmnode/node"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/signer/signertest"
	"github.com/killick-ledger/killick/chaincode/canon"
)

const (
	chain    = "eip155:1337"
	finality = 4
)

func keyOf(name string) *ecdsa.PrivateKey {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte(name)))
	if err != nil {
		panic(err)
	}
	return key
}

// world is a node that makes blocks when told to, a client of it, and an
// AnchorLog whose intents need one signature.
type world struct {
	t      *testing.T
	ctx    context.Context
	node   *node.Node
	c      *evm.Client
	log    send.Address
	signer *secp256k1.PrivateKey
	leaves tree
}

func newWorld(t *testing.T) *world {
	t.Helper()
	alloc := make(map[common.Address]*big.Int)
	for _, name := range []string{"one", "two"} {
		alloc[crypto.PubkeyToAddress(keyOf(name).PublicKey)] = big.NewInt(1e18)
	}
	n, err := node.Start(node.Config{Listen: "127.0.0.1:0", ChainID: 1337, Finality: finality, Alloc: alloc})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	seed := canon.Keccak([]byte("member"))
	w := &world{t: t, ctx: context.Background(), node: n, signer: secp256k1.PrivKeyFromBytes(seed[:]), leaves: newTree(t)}
	w.c = w.dial(keyOf("one"), n.URL())
	w.log = w.deployLog()
	return w
}

func (w *world) dial(key *ecdsa.PrivateKey, urls ...string) *evm.Client {
	w.t.Helper()
	c, err := evm.Dial(w.ctx, evm.Config{Chain: chain, URLs: urls, Key: signertest.Key(key), Poll: time.Millisecond})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

// deployLog creates the contract from another account, so that the sender's
// nonces begin with 0.
func (w *world) deployLog() send.Address {
	w.t.Helper()
	key := keyOf("two")
	tx := types.MustSignNewTx(key, types.LatestSignerForChainID(big.NewInt(1337)), &types.DynamicFeeTx{
		ChainID: big.NewInt(1337), Gas: 2_000_000, GasFeeCap: big.NewInt(2e9), GasTipCap: big.NewInt(1e6),
		Data: contracts.NewAnchorLog([32]byte{1}, w.members()),
	})
	raw, err := tx.MarshalBinary()
	if err != nil {
		w.t.Fatal(err)
	}
	a := send.Attempt{ID: tx.Hash().Bytes(), Raw: raw}
	w.send(a)
	w.blocks(1)
	if o := w.look(a); o.State != send.StateMined {
		w.t.Fatalf("deployment: %+v", o)
	}
	return send.Address(crypto.CreateAddress(crypto.PubkeyToAddress(key.PublicKey), 0))
}

func (w *world) members() contracts.Set {
	return contracts.Set{Version: 1, K: 1, Members: [][20]byte{canon.KeyAddress(w.signer.PubKey())}}
}

// intent anchors a checkpoint of this size, with the proof from the present head.
func (w *world) intent(size uint64) send.Intent {
	w.t.Helper()
	data, err := w.c.Call(w.ctx, w.log, contracts.PackHead(), send.Latest)
	if err != nil {
		w.t.Fatal(err)
	}
	head, err := contracts.UnpackHead(data)
	if err != nil {
		w.t.Fatal(err)
	}
	var proof [][32]byte
	if 0 < head.Size && head.Size < size {
		hashes, err := tlog.ProveTree(int64(size), int64(head.Size), w.leaves)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, h := range hashes {
			proof = append(proof, h)
		}
	}
	root, err := tlog.TreeHash(int64(size), w.leaves)
	if err != nil {
		w.t.Fatal(err)
	}
	c := contracts.Checkpoint{Size: size, Root: root, Time: size}
	sig := canon.SignDigest(w.signer, canon.CheckpointDigest([32]byte{1}, 1, w.members().Hash(), c.Size, c.Root, c.Time))
	return send.Intent{
		ID: fmt.Sprintf("anchor/%s/%d", chain, size), To: w.log,
		Data:  contracts.PackSubmit(c, proof, contracts.Signatures{Set: w.members(), Signers: big.NewInt(1), Bytes: sig[:]}),
		Check: contracts.PackRootAt(size), Want: c.Root[:], Late: contracts.PackSizeReached(head.Size + 1),
	}
}

// tree is the log of the tests.
type tree []tlog.Hash

// ReadHashes implements tlog.HashReader.
func (t tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range indexes {
		out = append(out, t[i])
	}
	return out, nil
}

func newTree(t *testing.T) (hashes tree) {
	for i := range int64(10) {
		stored, err := tlog.StoredHashes(i, []byte{byte(i)}, hashes)
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, stored...)
	}
	return hashes
}

func (w *world) blocks(n int) {
	w.t.Helper()
	for range n {
		if _, err := w.node.Step(); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) emptyBlocks(n int) {
	w.t.Helper()
	for range n {
		if _, err := w.node.StepEmpty(); err != nil {
			w.t.Fatal(err)
		}
	}
}

// fork leaves the newest blocks.
func (w *world) fork(depth int) {
	w.t.Helper()
	parent := w.node.Head().ParentHash
	for range depth - 1 {
		var b *types.Header
		if err := w.header(parent, &b); err != nil {
			w.t.Fatal(err)
		}
		parent = b.ParentHash
	}
	if err := w.node.Fork(parent); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) header(hash common.Hash, to any) error {
	raw, err := rpcCall(w.node.URL(), "eth_getBlockByHash", hash, false)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, to)
}

func (w *world) arm(in send.Intent, earlier []send.Attempt, inUse ...uint64) send.Attempt {
	w.t.Helper()
	a, err := w.c.Arm(w.ctx, in, earlier, inUse)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *world) send(a send.Attempt) {
	w.t.Helper()
	if err := w.c.Send(w.ctx, a); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) look(a send.Attempt) send.Outcome {
	w.t.Helper()
	o, err := w.c.Look(w.ctx, a)
	if err != nil {
		w.t.Fatal(err)
	}
	return o
}

func (w *world) wantState(a send.Attempt, state send.State, final bool) {
	w.t.Helper()
	if o := w.look(a); o.State != state || o.Final != final {
		w.t.Errorf("nonce %d: state %d, final %v; want %d, %v", a.Nonce, o.State, o.Final, state, final)
	}
}

func (w *world) wantHolds(in send.Intent, latest, final bool) {
	w.t.Helper()
	for at, want := range map[send.Head]bool{send.Latest: latest, send.Final: final} {
		got, err := w.c.Holds(w.ctx, in, at)
		if err != nil || got != want {
			w.t.Errorf("%s holds at head %d: %v, %v; want %v", in.ID, at, got, err, want)
		}
	}
}

func decode(t *testing.T, a send.Attempt) *types.Transaction {
	t.Helper()
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(a.Raw); err != nil {
		t.Fatal(err)
	}
	return tx
}

// request is what a JSON-RPC client asks.
type request struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// liar stands before the node and may answer in its place. A rule returns a
// result, or nil for the node's own; an error is sent as HTTP 500, after the
// node has done what it was asked.
type liar struct {
	*httptest.Server
	mu   sync.Mutex
	rule func(request) (any, error)
}

func newLiar(t *testing.T, url string) *liar {
	l := new(liar)
	l.Server = httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		body, err := io.ReadAll(in.Body)
		if err != nil {
			t.Error(err)
		}
		var r request
		if err := json.Unmarshal(body, &r); err != nil {
			t.Error(err)
		}
		truth, err := http.Post(url, "application/json", bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		defer truth.Body.Close()
		l.mu.Lock()
		rule := l.rule
		l.mu.Unlock()
		out.Header().Set("Content-Type", "application/json")
		if rule == nil {
			io.Copy(out, truth.Body)
			return
		}
		result, err := rule(r)
		switch {
		case err != nil:
			http.Error(out, err.Error(), http.StatusInternalServerError)
		case result != nil:
			json.NewEncoder(out).Encode(map[string]any{"jsonrpc": "2.0", "id": r.ID, "result": result})
		default:
			io.Copy(out, truth.Body)
		}
	}))
	t.Cleanup(l.Close)
	return l
}

// on sets the rule for some methods.
func (l *liar) on(do func(request) (any, error), methods ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rule = func(r request) (any, error) {
		if !slices.Contains(methods, r.Method) {
			return nil, nil
		}
		return do(r)
	}
}

func rpcCall(url, method string, params ...any) (json.RawMessage, error) {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return nil, err
	}
	answer, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var a struct{ Result json.RawMessage }
	err = json.NewDecoder(answer.Body).Decode(&a)
	return a.Result, err
}
