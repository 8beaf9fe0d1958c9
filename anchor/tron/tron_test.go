package tron_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"math/big"
	"net"
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
	"github.com/killick-ledger/killick/anchor/tronnode/node/nodetest"
	"github.com/killick-ledger/killick/chaincode/canon"
)

func TestAnchorFromArmToFinal(t *testing.T) {
	t.Parallel()
	n := start(t)
	log := n.anchorLog()
	in := n.anchor(log, 7)
	n.holds(in, send.Latest, false)
	a := n.arm(in)
	n.look(a, send.StateUnknown, false)
	n.send(a)
	n.look(a, send.StatePending, false)
	n.holds(in, send.Latest, false)
	n.send(a) // the node has it: no error
	n.produce(1)
	mined := n.look(a, send.StateMined, false)
	n.holds(in, send.Latest, true)
	n.holds(in, send.Final, false)
	n.send(a) // in a block: the node still has it
	n.produce(1)
	n.look(a, send.StateMined, false)
	n.produce(1)
	final := n.look(a, send.StateMined, true)
	n.holds(in, send.Final, true)
	if mined.Block != final.Block || !bytes.Equal(mined.BlockHash, final.BlockHash) || len(final.BlockHash) != 32 {
		t.Errorf("block %d %x, then %d %x", mined.Block, mined.BlockHash, final.Block, final.BlockHash)
	}
	fee, ok := new(big.Int).SetString(final.Fee, 10)
	paid := 100 * int64(final.Cost)
	if !ok || fee.Int64() != paid && fee.Int64() != paid+1000*int64(final.Bandwidth) {
		t.Errorf("fee %s for %d energy and %d bytes", final.Fee, final.Cost, final.Bandwidth)
	}
	if want := uint64(len(a.Raw) + 64); final.Bandwidth != want {
		t.Errorf("bandwidth %d, want %d", final.Bandwidth, want)
	}
	t.Logf("anchor with 2 of 3 signatures: %d energy, %d bytes, %s sun", final.Cost, final.Bandwidth, final.Fee)
}

func TestSecondAttemptOnlyWhenTheFirstIsDead(t *testing.T) {
	t.Parallel()
	n := start(t)
	in := n.anchor(n.anchorLog(), 7)
	short := n.dial(func(c *tron.Config) { c.Expiry = 30 * time.Second })
	first, err := short.Arm(t.Context(), in, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	refused := func() {
		t.Helper()
		if _, err := n.Arm(t.Context(), in, []send.Attempt{first}, nil); !errors.Is(err, tron.ErrAlive) {
			t.Fatalf("arm beside a live attempt: %v", err)
		}
	}
	refused()
	// Ten blocks of three seconds: the head is at the expiration, no solidified
	// block is past it.
	n.produce(10)
	n.look(first, send.StateUnknown, false)
	refused()
	n.produce(2)
	refused()
	n.produce(1)
	n.look(first, send.StateDead, false)
	second := n.arm(in, first)
	if bytes.Equal(first.ID, second.ID) || !second.Expires.After(first.Expires) {
		t.Errorf("second attempt %x until %v, first %x until %v", second.ID, second.Expires, first.ID, first.Expires)
	}
	var no *tron.RefusedError
	if err := n.Send(t.Context(), first); !errors.As(err, &no) || no.Code != "TRANSACTION_EXPIRATION_ERROR" {
		t.Errorf("sending the dead one: %v", err)
	}
	n.send(second)
	n.produce(3)
	n.look(second, send.StateMined, true)
	n.look(first, send.StateDead, false)
}

func TestAttemptThatReverts(t *testing.T) {
	t.Parallel()
	n := start(t)
	token := n.install(contracts.NewTestToken(big.NewInt(100)))
	all := send.Intent{ID: "all", To: token, Data: contracts.PackTransfer([20]byte{9}, big.NewInt(100))}
	winner, loser := n.arm(all), n.arm(all)
	n.send(winner)
	n.send(loser)
	n.produce(1)
	n.look(winner, send.StateMined, false)
	o := n.look(loser, send.StateReverted, false)
	if o.Cost == 0 || o.Fee == "0" {
		t.Errorf("a reverted attempt cost %d energy, %s sun", o.Cost, o.Fee)
	}
	if _, err := n.Arm(t.Context(), all, []send.Attempt{loser}, nil); !errors.Is(err, tron.ErrAlive) {
		t.Errorf("arm while the failure is not final: %v", err)
	}
	n.produce(2)
	n.look(loser, send.StateReverted, true)
	if _, err := n.Arm(t.Context(), all, []send.Attempt{loser}, nil); !errors.Is(err, tron.ErrFails) {
		t.Errorf("arm when the call would fail: %v", err)
	}
	if _, err := n.Arm(t.Context(), all, []send.Attempt{winner}, nil); !errors.Is(err, tron.ErrAlive) {
		t.Errorf("arm beside a final success: %v", err)
	}
}

func TestWhatMayNotBePaid(t *testing.T) {
	t.Parallel()
	n := start(t)
	token := n.install(contracts.NewTestToken(big.NewInt(100)))
	in := send.Intent{To: token, Data: contracts.PackTransfer([20]byte{9}, big.NewInt(0))}
	for _, tt := range []struct {
		name   string
		change func(*tron.Config)
		want   error
	}{
		{"energy above the limit", func(c *tron.Config) { c.MaxFee = 100_000 }, tron.ErrFee},
		{"account too poor", func(c *tron.Config) { c.Key = signertest.Key(nodetest.Key("poor")) }, tron.ErrFunds},
		{"account not there", func(c *tron.Config) { c.Key = signertest.Key(nodetest.Key("nobody")) }, tron.ErrFunds},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := n.dial(tt.change).Arm(t.Context(), in, nil, nil); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	reader := n.dial(func(c *tron.Config) { c.Key = nil })
	if _, err := reader.Arm(t.Context(), in, nil, nil); err == nil {
		t.Error("armed without a key")
	}
	var failed *tron.FailedError
	in.Data = contracts.PackTransfer([20]byte{9}, big.NewInt(101))
	if _, err := n.Arm(t.Context(), in, nil, nil); !errors.As(err, &failed) || contracts.Reason(failed.Data) == "" {
		t.Errorf("armed what would fail: %v", err)
	}
}

// TestSendRefusals checks that a refusal carries the node's code and proves
// nothing: the attempt may have reached another node.
func TestSendRefusals(t *testing.T) {
	t.Parallel()
	n := start(t)
	token := n.install(contracts.NewTestToken(big.NewInt(100)))
	good := n.arm(send.Intent{To: token, Data: contracts.PackTransfer([20]byte{9}, big.NewInt(1))})
	for _, tt := range []struct {
		code   string
		signer string
		change func(*core.TransactionRaw)
	}{
		{"SIGERROR", "mallory", func(*core.TransactionRaw) {}},
		{"TAPOS_ERROR", "alice", func(r *core.TransactionRaw) { r.RefBlockHash = make([]byte, 8) }},
		{"TRANSACTION_EXPIRATION_ERROR", "alice", func(r *core.TransactionRaw) { r.Expiration += 48 * time.Hour.Milliseconds() }},
		{"TOO_BIG_TRANSACTION_ERROR", "alice", func(r *core.TransactionRaw) { r.Data = make([]byte, 512*1024) }},
		{"CONTRACT_VALIDATE_ERROR", "alice", func(r *core.TransactionRaw) { r.FeeLimit = -1 }},
	} {
		t.Run(tt.code, func(t *testing.T) {
			bad := forge(t, good, tt.signer, tt.change)
			var no *tron.RefusedError
			if err := n.Send(t.Context(), bad); !errors.As(err, &no) || no.Code != tt.code {
				t.Errorf("got %v, want %s", err, tt.code)
			}
			n.look(bad, send.StateUnknown, false)
		})
	}
	mixed := good
	mixed.ID = make([]byte, 32)
	if err := n.Send(t.Context(), mixed); err == nil || !strings.Contains(err.Error(), "holds transaction") {
		t.Errorf("sent bytes of another id: %v", err)
	}
	n.send(good)
}

// forge changes an attempt's raw data and signs it.
func forge(t *testing.T, a send.Attempt, signer string, change func(*core.TransactionRaw)) send.Attempt {
	t.Helper()
	tx := &core.Transaction{}
	if err := proto.Unmarshal(a.Raw, tx); err != nil {
		t.Fatal(err)
	}
	change(tx.RawData)
	raw, err := proto.Marshal(tx.RawData)
	if err != nil {
		t.Fatal(err)
	}
	id := sha256.Sum256(raw)
	sig, err := crypto.Sign(id[:], nodetest.Key(signer))
	if err != nil {
		t.Fatal(err)
	}
	tx.Signature = [][]byte{sig}
	if a.Raw, err = proto.Marshal(tx); err != nil {
		t.Fatal(err)
	}
	a.ID = id[:]
	return a
}

func TestTransactAndBalance(t *testing.T) {
	t.Parallel()
	n := start(t)
	token := n.install(contracts.NewTestToken(big.NewInt(100)))
	before, err := n.Balance(t.Context(), n.Address())
	if err != nil {
		t.Fatal(err)
	}
	n.Client = n.dial(patient, func(c *tron.Config) { c.Also = []string{"127.0.0.1:1"} }) // nobody listens: nothing is final
	n.running()
	o, err := n.Transact(t.Context(), token, contracts.PackTransfer([20]byte{9}, big.NewInt(40)))
	if err != nil {
		t.Fatal(err)
	}
	after, err := n.Balance(t.Context(), n.Address())
	if err != nil || new(big.Int).Sub(before, after).String() != o.Fee {
		t.Errorf("balance from %v to %v (%v), fee %s", before, after, err, o.Fee)
	}
	held, err := n.Call(t.Context(), token, contracts.PackBalanceOf([20]byte{9}), send.Latest)
	if err != nil || new(big.Int).SetBytes(held).Int64() != 40 {
		t.Errorf("holds %x, %v", held, err)
	}
	if _, err := n.Transact(t.Context(), token, contracts.PackTransfer([20]byte{9}, big.NewInt(1000))); !errors.Is(err, tron.ErrFails) {
		t.Errorf("transact what fails: %v", err)
	}
}

func TestWrongNetwork(t *testing.T) {
	t.Parallel()
	n := start(t)
	cfg := n.cfg
	cfg.Chain = "tron:0x2b6653dc"
	if _, err := tron.Dial(t.Context(), cfg); !errors.Is(err, tron.ErrWrongChain) {
		t.Errorf("dialled %s: %v", n.ID(), err)
	}
	cfg.Chain = n.chain.ID()
	c, err := tron.Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	other := start(t, 1)
	for _, also := range [][]string{{other.cfg.Solidity}, {n.cfg.Solidity, other.cfg.Solidity}} {
		cfg.Also = also
		if _, err := tron.Dial(t.Context(), cfg); !errors.Is(err, tron.ErrWrongChain) {
			t.Errorf("dialled two networks at once, %d further nodes: %v", len(also), err)
		}
	}
}

// Ours for chaincode and auditor reads what gotron-sdk writes.
func TestAddresses(t *testing.T) {
	// The contract of USDT on mainnet, as explorers show both its forms.
	const usdt = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
	a, err := canon.ParseTronAddress(usdt)
	if err != nil || common.Address(a).Hex() != common.HexToAddress("a614f803b6fd780986a42c78ec9c7f77e6ded13c").Hex() {
		t.Errorf("%s is %x, %v", usdt, a, err)
	}
	if got := tron.Base58(send.Address(a)); got != usdt {
		t.Errorf("%x is %s", a, got)
	}
	for _, bad := range []string{
		"", "T", usdt + "x", usdt[:33], "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6T", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
		"0xa614f803b6fd780986a42c78ec9c7f77e6ded13c",
	} {
		if a, err := canon.ParseTronAddress(bad); err == nil {
			t.Errorf("%q is taken for %x", bad, a)
		}
	}
}

func FuzzAddress(f *testing.F) {
	f.Add("TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t")
	f.Add("T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb")
	f.Fuzz(func(t *testing.T, s string) {
		if a, err := canon.ParseTronAddress(s); err == nil && tron.Base58(send.Address(a)) != s {
			t.Errorf("%q is %x, which is written %q", s, a, tron.Base58(send.Address(a)))
		}
	})
}

// TestFurtherNodes gives the driver a second node that lags behind: nothing is
// final or dead before it says so too, one that is down or hangs is not waited for, and
// without any the solidity node is not believed alone.
func TestFurtherNodes(t *testing.T) {
	t.Parallel()
	n := start(t)
	in := n.anchor(n.anchorLog(), 7)
	lagging, down := startLagging(t, n), "127.0.0.1:1"
	both := n.dial(func(c *tron.Config) { c.Also = []string{lagging.addr, down}; c.Expiry = 30 * time.Second })
	lost, err := both.Arm(t.Context(), in, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := n.arm(in)
	n.send(a)
	n.produce(15)
	check := func(final, dead bool) {
		t.Helper()
		o, err := both.Look(t.Context(), a)
		if err != nil || o.State != send.StateMined || o.Final != final {
			t.Errorf("the sent one: %+v, %v; want final %v", o, err, final)
		}
		l, err := both.Look(t.Context(), lost)
		if err != nil || (l.State == send.StateDead) != dead {
			t.Errorf("the lost one: %+v, %v; want dead %v", l, err, dead)
		}
		held, err := both.Holds(t.Context(), in, send.Final)
		if err != nil || held != final {
			t.Errorf("held %v, %v; want %v", held, err, final)
		}
	}
	check(false, false)
	lagging.catchUp()
	check(true, true)
	if err := both.Silent(); err == nil || !strings.Contains(err.Error(), down) {
		t.Errorf("the one that is down: %v", err)
	}
	hangs, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hangs.Close()
	later := startLagging(t, n) // comes back as another network's
	later.catchUp()
	for name, also := range map[string][]string{"down": {down}, "hangs": {hangs.Addr().String()}, "another network's": {down, later.addr}} {
		later.network.Store(1)
		soon := func() context.Context { // of which one that hangs takes an eighth
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			t.Cleanup(cancel)
			return ctx
		}
		cfg := n.cfg
		cfg.Also = also
		one, err := tron.Dial(soon(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		later.network.Store(2)
		for at, want := range map[send.Head]bool{send.Latest: true, send.Final: false} {
			held, err := one.Holds(soon(), in, at)
			if held != want || errors.Is(err, send.ErrAlone) == want {
				t.Errorf("%s: held at %d: %v, %v", name, at, held, err)
			}
		}
		if _, err := one.Call(soon(), in.To, in.Check, send.Final); !errors.Is(err, send.ErrAlone) {
			t.Errorf("%s: a value at the final head: %v", name, err)
		}
		if o, err := one.Look(soon(), a); !errors.Is(err, send.ErrAlone) || o.State != send.StateMined || o.Final {
			t.Errorf("%s: the sent one: %+v, %v", name, o, err)
		}
		if o, err := one.Look(soon(), lost); !errors.Is(err, send.ErrAlone) || o.State != send.StateUnknown {
			t.Errorf("%s: the lost one: %+v, %v", name, o, err)
		}
		if _, err := one.Arm(soon(), in, []send.Attempt{lost}, nil); !errors.Is(err, tron.ErrAlive) {
			t.Errorf("%s: armed beside what may land: %v", name, err)
		}
		one.Close()
	}
}
