package contracts_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/tronnode/tvm"
)

// machine runs contracts: the EVM node's, or Tron's.
type machine interface {
	// create returns a new contract.
	create(code []byte) common.Address
	// call runs a transaction and returns what it reverts with; a call that
	// reverts changes nothing.
	call(to common.Address, data []byte) (revert []byte, ok bool)
	// ask returns what a view returns.
	ask(to common.Address, data []byte) []byte
}

// evmMachine is the EVM of a node.
type evmMachine struct{ *chain }

func (m evmMachine) create(code []byte) common.Address { return m.deploy(code) }

func (m evmMachine) call(to common.Address, data []byte) ([]byte, bool) {
	m.t.Helper()
	_, err := m.client.CallContract(context.Background(), ethereum.CallMsg{From: m.sender(), To: &to, Data: data}, nil)
	if err == nil {
		m.run(to, data)
		return nil, true
	}
	var withData rpc.DataError
	if !errors.As(err, &withData) || withData.ErrorData() == nil {
		m.t.Fatal(err)
	}
	revert, err := hexutil.Decode(withData.ErrorData().(string))
	if err != nil {
		m.t.Fatal(err)
	}
	return revert, false
}

func (m evmMachine) ask(to common.Address, data []byte) []byte { return m.view(to, data) }

// tvmMachine is Tron's, with the energy of the last call.
type tvmMachine struct {
	t      *testing.T
	db     *state.StateDB
	made   byte
	energy uint64
}

func newTVM(t *testing.T) *tvmMachine {
	t.Helper()
	db, err := state.New(common.Hash{}, state.NewDatabaseForTesting())
	if err != nil {
		t.Fatal(err)
	}
	tvm.Activate(db, tronCaller)
	return &tvmMachine{t: t, db: db}
}

var (
	tronCaller = common.Address{1}
	tronEnv    = tvm.Env{
		Number: 100, Time: 1_800_000_000_000, ChainID: chainID, EnergyFee: 100,
		BlockID: func(uint64) common.Hash { return common.Hash{} },
	}
)

const energyLimit = 50_000_000

func (m *tvmMachine) create(code []byte) common.Address {
	m.t.Helper()
	m.made++
	at := common.Address{2, m.made}
	r := tvm.Create(m.db, tronEnv, tvm.Message{TxID: common.Hash{m.made}, From: tronCaller, To: at, Data: code, Limit: energyLimit})
	m.db.Finalise(tvm.Rules())
	if r.Code != core.Transaction_Result_SUCCESS {
		m.t.Fatalf("creation: %v %s %s", r.Code, r.Reason, contracts.Reason(r.Return))
	}
	return at
}

// copy returns a machine in the same state.
func (m *tvmMachine) copy() *tvmMachine {
	c := *m
	c.db = m.db.Copy()
	return &c
}

func (m *tvmMachine) run(to common.Address, data []byte) tvm.Result {
	r := tvm.Call(m.db, tronEnv, tvm.Message{From: tronCaller, To: to, Data: data, Limit: energyLimit})
	m.db.Finalise(tvm.Rules()) // a transaction of its own
	return r
}

func (m *tvmMachine) call(to common.Address, data []byte) ([]byte, bool) {
	m.t.Helper()
	r := m.run(to, data)
	m.energy = r.Energy
	switch r.Code {
	case core.Transaction_Result_SUCCESS:
		return nil, true
	case core.Transaction_Result_REVERT:
		return r.Return, false
	}
	m.t.Fatalf("call: %v %s", r.Code, r.Reason)
	return nil, false
}

func (m *tvmMachine) ask(to common.Address, data []byte) []byte {
	m.t.Helper()
	r := m.run(to, data)
	if r.Code != core.Transaction_Result_SUCCESS {
		m.t.Fatalf("view: %v %s", r.Code, r.Reason)
	}
	return r.Return
}

// machines are those on which every scene is played.
func machines(t *testing.T) map[string]machine {
	return map[string]machine{"EVM": evmMachine{newChain(t)}, "TVM": newTVM(t)}
}

// outcome names what a call reverted with, "" for nothing.
func outcome(revert []byte, ok bool) string {
	switch {
	case ok:
		return ""
	case len(revert) == 0:
		return "empty reason"
	}
	return contracts.Reason(revert)
}

func TestScenes(t *testing.T) {
	for name, m := range machines(t) {
		for _, s := range scenes(t) {
			t.Run(name+"/"+s.name, func(t *testing.T) {
				log := m.create(contracts.NewAnchorLog(logID, s.set.Set))
				for _, step := range s.steps {
					was := summary(m, log)
					got := outcome(m.call(log, step.data))
					if (got == "") != (step.refusal == "") || !strings.HasPrefix(got, step.refusal) {
						t.Fatalf("%s: refused with %q, want %q", step.name, got, step.refusal)
					}
					if now := summary(m, log); got != "" && !bytes.Equal(was, now) {
						t.Errorf("%s: refused, and changed the contract", step.name)
					}
				}
			})
		}
	}
}

// summary is what a contract says of itself.
func summary(m machine, log common.Address) []byte {
	return append(m.ask(log, contracts.PackHead()), m.ask(log, contracts.PackNewest())...)
}
