// Package tvm runs Tron contract code on go-ethereum's interpreter at the
// prices of java-tron's virtual machine. It changes a state and says what
// happened; it knows no transaction, fee, block or network.
//
// Amounts of TRX are sun. Energy is counted as java-tron counts it: a REVERT
// costs what was used, any other failure costs the whole limit.
//
// go-ethereum keeps its jump table to itself, so a tracer does the pricing: it
// holds the interpreter's own gas at a height that is never reached, charges
// each operation from the table in prices.go, and turns the rest of a frame's
// code into invalid instructions when the frame's energy is used up. The rules
// are those of London, which is what contracts compiled for "paris" need.
//
// What is not here: TRC-10 tokens, the instructions for staking and voting, the
// precompiled contracts beyond number 8, the limit on CPU time, and the dynamic
// energy penalty of much-called contracts.
//
// BUG(tvm): revert data of a constructor run by CREATE does not reach the
// contract that ran it.
package tvm

import (
	"errors"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	evmcore "github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"github.com/holiman/uint256"
)

// Code is java-tron's result of a contract's run, as it stands in a receipt.
type Code = core.Transaction_ResultContractResult

// Env is the block in which code runs.
type Env struct {
	Number    uint64
	Time      int64 // milliseconds since 1970
	Coinbase  common.Address
	ChainID   uint64 // last four bytes of the genesis block id
	EnergyFee uint64 // sun for each unit of energy: GASPRICE and BASEFEE
	BlockID   func(number uint64) common.Hash
}

// Message is one run of code.
type Message struct {
	TxID  common.Hash // salts the addresses of new contracts
	From  common.Address
	To    common.Address // the contract called, or the address of the new one
	Data  []byte         // calldata, or the new contract's creation code
	Value uint64         // sun; the caller has checked that From has it
	Limit uint64         // energy
}

// Result is what a run did. Logs is empty unless Code is SUCCESS.
type Result struct {
	Code   Code
	Reason string // empty on success
	Return []byte
	Energy uint64
	Logs   []*types.Log
}

// Rules returns the rules by which states that tvm changes are committed.
func Rules() params.Rules { return chain(0).Rules(new(big.Int), false, 0) }

func chain(id uint64) *params.ChainConfig {
	zero := new(big.Int)
	return &params.ChainConfig{
		ChainID:        new(big.Int).SetUint64(id),
		HomesteadBlock: zero, EIP150Block: zero, EIP155Block: zero, EIP158Block: zero,
		ByzantiumBlock: zero, ConstantinopleBlock: zero, PetersburgBlock: zero,
		IstanbulBlock: zero, MuirGlacierBlock: zero, BerlinBlock: zero, LondonBlock: zero,
	}
}

// Call runs the code at m.To. Without code there it only moves m.Value.
func Call(db *state.StateDB, env Env, m Message) Result {
	mt := newMeter(db, env, m)
	mt.next = m.Limit
	snapshot := db.Snapshot()
	ret, _, err := mt.evm.Call(m.From, m.To, m.Data, vm.NewGasBudget(headroom, 0), uint256.NewInt(m.Value))
	return mt.result(snapshot, m, ret, err)
}

// Create runs m.Data as creation code and stores the code it returns at m.To.
func Create(db *state.StateDB, env Env, m Message) Result {
	mt := newMeter(db, env, m)
	snapshot := db.Snapshot()
	ret, err := mt.deploy(m.From, m.To, m.Data, uint256.NewInt(m.Value), m.Limit)
	return mt.result(snapshot, m, ret, err)
}

func newMeter(db *state.StateDB, env Env, m Message) *meter {
	mt := &meter{db: db, txID: m.TxID}
	block := vm.BlockContext{
		CanTransfer: evmcore.CanTransfer,
		Transfer:    transfer,
		GetHash:     env.BlockID,
		Coinbase:    env.Coinbase,
		BlockNumber: new(big.Int).SetUint64(env.Number),
		Time:        uint64(env.Time / 1000),
		Difficulty:  new(big.Int), // DIFFICULTY and GASLIMIT are 0 on Tron
		BaseFee:     new(big.Int).SetUint64(env.EnergyFee),
	}
	mt.evm = vm.NewEVM(block, db, chain(env.ChainID), vm.Config{Tracer: mt.hooks()})
	mt.evm.SetTxContext(vm.TxContext{Origin: m.From, GasPrice: uint256.NewInt(env.EnergyFee)})
	mt.evm.SetPrecompiles(mt.precompiles())
	return mt
}

// transfer moves TRX and makes the recipient an account that stays.
func transfer(db vm.StateDB, from, to common.Address, sun *uint256.Int, rules *params.Rules) {
	evmcore.Transfer(db, from, to, sun, rules)
	if !sun.IsZero() && db.GetNonce(to) == 0 {
		Activate(db, to)
	}
}

// Activate makes addr an account that exists even without a balance: Tron keeps
// an account once it has been created. The nonce, which Tron does not have,
// marks it.
func Activate(db vm.StateDB, addr common.Address) {
	if !db.Exist(addr) {
		db.CreateAccount(addr)
	}
	if db.GetNonce(addr) == 0 {
		db.SetNonce(addr, 1, 0)
	}
}

// result turns the end of the outermost frame into a Result.
func (mt *meter) result(snapshot int, m Message, ret []byte, err error) Result {
	f := mt.last
	r := Result{Return: ret, Energy: f.burned(err)}
	r.Code, r.Reason = f.code(err)
	if mt.fatal != nil {
		r.Code, r.Reason, r.Energy = mt.fatal.why, mt.fatal.reason, m.Limit
	}
	if r.Code != core.Transaction_Result_SUCCESS {
		mt.db.RevertToSnapshot(snapshot)
		if r.Code != core.Transaction_Result_REVERT {
			r.Return = nil
		}
		return r
	}
	r.Logs = mt.db.GetLogs(m.TxID, 0, common.Hash{}, 0)
	return r
}

// codeOf maps an interpreter's error to java-tron's result.
func codeOf(err error) (Code, string) {
	var under *vm.ErrStackUnderflow
	var over *vm.ErrStackOverflow
	var invalid *vm.ErrInvalidOpCode
	switch {
	case err == nil:
		return core.Transaction_Result_SUCCESS, ""
	case errors.Is(err, vm.ErrExecutionReverted):
		return core.Transaction_Result_REVERT, "REVERT opcode executed"
	case errors.Is(err, vm.ErrInvalidJump):
		return core.Transaction_Result_BAD_JUMP_DESTINATION, err.Error()
	case errors.As(err, &under):
		return core.Transaction_Result_STACK_TOO_SMALL, err.Error()
	case errors.As(err, &over):
		return core.Transaction_Result_STACK_TOO_LARGE, err.Error()
	case errors.As(err, &invalid):
		return core.Transaction_Result_ILLEGAL_OPERATION, err.Error()
	case errors.Is(err, vm.ErrInvalidCode):
		return core.Transaction_Result_INVALID_CODE, err.Error()
	case strings.Contains(err.Error(), vm.ErrWriteProtection.Error()):
		// The interpreter wraps it in its out-of-gas error.
		return core.Transaction_Result_UNKNOWN, vm.ErrWriteProtection.Error()
	case errors.Is(err, vm.ErrOutOfGas), errors.Is(err, vm.ErrGasUintOverflow):
		// Energy is ours to count: the interpreter itself only ever refuses memory.
		return core.Transaction_Result_OUT_OF_MEMORY, "out of memory"
	default:
		return core.Transaction_Result_UNKNOWN, err.Error()
	}
}
