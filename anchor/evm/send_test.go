package evm_test

import (
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/evm"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/signer/signertest"
)

func TestAnchor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w.c.ID() != chain {
		t.Errorf("id %s", w.c.ID())
	}
	in := w.intent(5)
	w.wantHolds(in, false, false)
	before, err := w.c.Balance(w.ctx, w.c.Address())
	if err != nil {
		t.Fatal(err)
	}
	a := w.arm(in, nil)
	w.wantState(a, send.StateUnknown, false)
	w.send(a)
	w.wantState(a, send.StatePending, false)
	w.wantHolds(in, false, false)
	w.blocks(1)
	w.wantHolds(in, true, false)
	o := w.look(a)
	if o.State != send.StateMined || o.Final || o.Block != w.node.Head().Number.Uint64() ||
		common.BytesToHash(o.BlockHash) != w.node.Head().Hash() || o.Cost != w.node.Head().GasUsed || o.Bandwidth != 0 {
		t.Errorf("outcome %+v", o)
	}
	after, err := w.c.Balance(w.ctx, w.c.Address())
	if err != nil {
		t.Fatal(err)
	}
	if paid := new(big.Int).Sub(before, after).String(); paid != o.Fee {
		t.Errorf("fee %s, and the account paid %s", o.Fee, paid)
	}
	w.blocks(finality - 1)
	w.wantState(a, send.StateMined, false)
	w.wantHolds(in, true, false)
	w.blocks(1)
	w.wantState(a, send.StateMined, true)
	w.wantHolds(in, true, true)
}

func TestBump(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.intent(5)
	tries := []send.Attempt{w.arm(in, nil)}
	w.send(tries[0])
	// Each one is taken by the node, whose least is a tenth more.
	for range 8 {
		a := w.arm(in, tries)
		old, tx := decode(t, tries[len(tries)-1]), decode(t, a)
		if tx.Nonce() != old.Nonce() || *tx.To() != *old.To() || string(tx.Data()) != string(old.Data()) || tx.Gas() != old.Gas() {
			t.Errorf("the bump is another transaction: %+v", tx)
		}
		for name, fees := range map[string][2]*big.Int{
			"fee": {old.GasFeeCap(), tx.GasFeeCap()}, "tip": {old.GasTipCap(), tx.GasTipCap()},
		} {
			if new(big.Int).Mul(fees[1], big.NewInt(8)).Cmp(new(big.Int).Mul(fees[0], big.NewInt(9))) < 0 {
				t.Errorf("%s went from %d to %d: less than an eighth more", name, fees[0], fees[1])
			}
		}
		w.send(a)
		tries = append(tries, a)
	}
	w.wantState(tries[0], send.StateUnknown, false) // replaced, and no node keeps it
	if err := w.c.Send(w.ctx, tries[7]); err == nil || !strings.Contains(err.Error(), "underpriced") {
		t.Errorf("an older attempt again: %v", err)
	}
	w.blocks(1)
	w.wantState(tries[8], send.StateMined, false)
	for _, a := range tries[:8] {
		w.wantState(a, send.StateUnknown, false) // the block may be dropped
	}
	w.blocks(finality)
	w.wantState(tries[8], send.StateMined, true)
	for _, a := range tries[:8] {
		w.wantState(a, send.StateDead, false)
	}
}

func TestSendAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.arm(w.intent(5), nil)
	w.send(a)
	w.send(a) // already known
	w.blocks(1)
	err := w.c.Send(w.ctx, a)
	if err == nil || !strings.Contains(err.Error(), "nonce too low") {
		t.Errorf("after its block: %v", err)
	}
	w.wantState(a, send.StateMined, false) // too low, because it is in
}

func TestNonces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tt := range []struct {
		inUse []uint64
		want  uint64
	}{{nil, 0}, {[]uint64{0}, 1}, {[]uint64{2, 0, 1}, 3}, {[]uint64{1, 7}, 0}} {
		if a := w.arm(w.intent(5), nil, tt.inUse...); a.Nonce != tt.want {
			t.Errorf("in use %v: nonce %d, want %d", tt.inUse, a.Nonce, tt.want)
		}
	}
	// Whatever waits in a pool may be forgotten, and leave a gap: nothing is put behind it.
	w.send(w.arm(w.intent(5), nil))
	if a := w.arm(w.intent(6), nil); a.Nonce != 0 {
		t.Errorf("beside a pending one that nobody minds: nonce %d, want 0", a.Nonce)
	}
	// Of two nodes the one that says less is right, or does no harm.
	l := newLiar(t, w.node.URL())
	l.on(func(request) (any, error) { return "0x9", nil }, "eth_getTransactionCount")
	w.c = w.dial(keyOf("one"), l.URL, w.node.URL())
	if a := w.arm(w.intent(6), nil); a.Nonce != 0 {
		t.Errorf("nonce %d, want 0", a.Nonce)
	}
}

// An attempt that nobody has seen keeps its intent's nonce, until a final block
// holds another transaction of that nonce.
func TestNoFreshNonceWhileAlive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.intent(5)
	unsent := w.arm(in, nil)
	other := w.arm(send.Intent{ID: "other", To: send.Address{9}, Data: []byte{1}}, nil)
	w.send(other)
	w.blocks(finality) // one short of final
	w.wantState(unsent, send.StateUnknown, false)
	if a := w.arm(in, []send.Attempt{unsent}); a.Nonce != 0 {
		t.Errorf("nonce %d while the first may land", a.Nonce)
	}
	w.blocks(1)
	w.wantState(other, send.StateMined, true)
	w.wantState(unsent, send.StateDead, false)
	// Only the sender knows whether nodes have said so for long enough.
	if a, err := w.c.Arm(w.ctx, in, []send.Attempt{unsent}, nil); err == nil {
		t.Errorf("nonce %d on the word of one look", a.Nonce)
	}
	a := w.arm(in, nil)
	if a.Nonce != 1 {
		t.Errorf("nonce %d after the first is dead", a.Nonce)
	}
	w.send(a)
	w.blocks(1)
	w.wantHolds(in, true, false)
}

func TestReorg(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.intent(5)
	a := w.arm(in, nil)
	w.send(a)
	w.blocks(2)
	w.wantState(a, send.StateMined, false)
	first := w.look(a)

	t.Run("moved", func(t *testing.T) {
		w.fork(2)
		w.emptyBlocks(2)
		w.wantState(a, send.StatePending, false)
		w.wantHolds(in, false, false)
		w.blocks(1)
		w.wantState(a, send.StateMined, false)
		if o := w.look(a); o.Block != first.Block+2 || string(o.BlockHash) == string(first.BlockHash) {
			t.Errorf("outcome %+v after %+v", o, first)
		}
	})
	t.Run("dropped", func(t *testing.T) {
		w.fork(1)
		w.emptyBlocks(1)
		w.node.Forget()
		w.wantState(a, send.StateUnknown, false)
		w.send(a)
		w.wantState(a, send.StatePending, false)
		w.blocks(1)
		w.wantState(a, send.StateMined, false)
	})
	t.Run("replaced", func(t *testing.T) {
		w.fork(1)
		b := w.arm(in, []send.Attempt{a})
		if b.Nonce != a.Nonce {
			t.Errorf("nonce %d, was %d", b.Nonce, a.Nonce)
		}
		w.send(b)
		w.blocks(1)
		w.wantState(b, send.StateMined, false)
		w.wantState(a, send.StateUnknown, false)
		w.blocks(finality)
		w.wantState(b, send.StateMined, true)
		w.wantState(a, send.StateDead, false)
		w.wantHolds(in, true, true)
	})
}

func TestReverted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.intent(5)
	a := w.arm(in, nil)
	// Somebody anchors a larger checkpoint first.
	rival := w.dial(keyOf("two"), w.node.URL())
	b, err := rival.Arm(w.ctx, w.intent(6), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.send(b)
	w.blocks(1)
	w.send(a)
	w.blocks(1)
	w.wantState(a, send.StateReverted, false)
	if o := w.look(a); o.Cost == 0 || o.Fee == "" {
		t.Errorf("a failure costs too: %+v", o)
	}
	w.wantHolds(in, false, false)
	if _, err := w.c.Arm(w.ctx, in, []send.Attempt{a}, nil); err == nil || !strings.Contains(err.Error(), "is in block") {
		t.Errorf("arm beside a block: %v", err)
	}
	w.blocks(finality)
	w.wantState(a, send.StateReverted, true)
	if _, err := w.c.Arm(w.ctx, in, nil, nil); err == nil || !strings.Contains(err.Error(), "SizeNotLarger[5 6]") {
		t.Errorf("arm what the contract refuses: %v", err)
	}
	if next := w.arm(w.intent(7), nil); next.Nonce != 1 {
		t.Errorf("nonce %d after a final failure, want 1", next.Nonce)
	}
}

func TestArmRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.intent(5)
	a := w.arm(in, nil)
	forged := a
	forged.ID = make([]byte, 32)
	for _, tt := range []struct {
		name, want string
		in         send.Intent
		earlier    []send.Attempt
	}{
		{"another intent's attempt", "not one of this intent", w.intent(6), []send.Attempt{a}},
		{"two nonces", "may both land", in, []send.Attempt{a, w.arm(in, nil, 0)}},
		{"bytes of another transaction", "its bytes are those", in, []send.Attempt{forged}},
		{"no transaction", "attempt", in, []send.Attempt{{ID: a.ID, Raw: []byte{2}}}},
		{"no contract", "reverted", send.Intent{ID: "x", To: in.To, Data: []byte{1, 2, 3, 4}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := w.c.Arm(w.ctx, tt.in, tt.earlier, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	other := w.dial(keyOf("two"), w.node.URL())
	if _, err := other.Arm(w.ctx, in, []send.Attempt{a}, nil); err == nil || !strings.Contains(err.Error(), "another account") {
		t.Errorf("another account's attempt: %v", err)
	}
	reader := w.dial(nil, w.node.URL())
	if _, err := reader.Arm(w.ctx, in, nil, nil); err == nil || !strings.Contains(err.Error(), "no key") {
		t.Errorf("without a key: %v", err)
	}
	if err := w.c.Send(w.ctx, forged); err == nil {
		t.Error("sent an attempt under another's id")
	}
}

func TestFeeCap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.intent(5)
	base := w.node.Head().BaseFee
	dial := func(max *big.Int) *evm.Client {
		c, err := evm.Dial(w.ctx, evm.Config{Chain: chain, URLs: []string{w.node.URL()}, Key: signertest.Key(keyOf("one")), MaxFee: max})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	if _, err := dial(base).Arm(w.ctx, in, nil, nil); !errors.Is(err, evm.ErrFee) {
		t.Errorf("base fee at the cap: %v", err)
	}
	above := new(big.Int).Add(base, big.NewInt(1000))
	a, err := dial(above).Arm(w.ctx, in, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if tx := decode(t, a); tx.GasFeeCap().Cmp(above) != 0 || tx.GasTipCap().Cmp(above) > 0 {
		t.Errorf("fee %d, tip %d under a cap of %d", tx.GasFeeCap(), tx.GasTipCap(), above)
	}
	if _, err := dial(above).Arm(w.ctx, in, []send.Attempt{a}, nil); !errors.Is(err, evm.ErrFee) {
		t.Errorf("bump above the cap: %v", err)
	}
	poor := w.dial(keyOf("poor"), w.node.URL())
	if _, err := poor.Arm(w.ctx, in, nil, nil); !errors.Is(err, evm.ErrFee) {
		t.Errorf("empty account: %v", err)
	}
}

func TestGasMargin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := newLiar(t, w.node.URL())
	c := w.dial(keyOf("one"), l.URL)
	for _, tt := range []struct{ estimate, want uint64 }{
		{100_000, 125_000},
		{evm.MaxGas - 1, evm.MaxGas},
		{evm.MaxGas + 1, 0},
	} {
		l.on(func(request) (any, error) { return "0x" + new(big.Int).SetUint64(tt.estimate).Text(16), nil }, "eth_estimateGas")
		a, err := c.Arm(w.ctx, w.intent(5), nil, nil)
		if tt.want == 0 {
			if err == nil || !strings.Contains(err.Error(), "at most") {
				t.Errorf("estimate %d: %v", tt.estimate, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := decode(t, a).Gas(); got != tt.want {
			t.Errorf("estimate %d: gas %d, want %d", tt.estimate, got, tt.want)
		}
	}
}

func TestDeployAndTransact(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stop := w.run()
	defer stop()
	token, err := w.c.Deploy(w.ctx, contracts.NewTestToken(big.NewInt(1000)))
	if err != nil {
		t.Fatal(err)
	}
	o, err := w.c.Transact(w.ctx, token, contracts.PackTransfer([20]byte{1}, big.NewInt(7)))
	if err != nil || o.State != send.StateMined || o.Cost == 0 {
		t.Fatalf("%+v, %v", o, err)
	}
	out, err := w.c.Call(w.ctx, token, contracts.PackBalanceOf([20]byte{1}), send.Latest)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := contracts.UnpackUint(out); err != nil || got.Int64() != 7 {
		t.Errorf("balance %d, %v", got, err)
	}
	_, err = w.c.Transact(w.ctx, token, contracts.PackTransfer([20]byte{1}, big.NewInt(1e9)))
	if err == nil || !strings.Contains(err.Error(), "InsufficientBalance") {
		t.Errorf("transfer of too much: %v", err)
	}
	if _, err := w.c.Deploy(w.ctx, contracts.NewAnchorLog([32]byte{}, contracts.Set{})); err == nil || !strings.Contains(err.Error(), "NoMembers") {
		t.Errorf("deploy what refuses: %v", err)
	}
	if _, err := w.c.Call(w.ctx, token, contracts.PackHead(), send.Latest); err == nil || !strings.Contains(err.Error(), "reverted") {
		t.Errorf("call what is not there: %v", err)
	}
}
