package tvm

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"github.com/holiman/uint256"
)

// headroom is the interpreter's own gas before each operation: more than any
// single one can cost within Tron's memory limit, and too little to pay for
// memory of 6 MB and more, which the interpreter takes before it is asked.
const headroom = 1 << 26

// meter is the tracer that charges energy. It belongs to one run.
type meter struct {
	evm    *vm.EVM
	db     *state.StateDB
	txID   common.Hash
	nonce  uint64   // calls and creations so far: salts addresses made by CREATE
	frames []*frame // the stack of running frames, outermost first
	next   uint64   // energy for the frame about to be entered
	last   *frame   // the frame that ended last
	fatal  *frame   // a frame that could not be stopped in place: ends the run
}

// frame is one running piece of code.
type frame struct {
	limit, used uint64
	gasOnTop    bool         // the last operation was GAS
	created     *uint256.Int // result of the CREATE that was just run in its place
	idle        bool         // entered, but nothing to pay for
	dead        bool
	why         Code
	reason      string
}

func (f *frame) left() uint64 { return f.limit - f.used }

// burned is what the frame costs once it has ended with err.
func (f *frame) burned(err error) uint64 {
	switch {
	case f.idle, errors.Is(err, vm.ErrInsufficientBalance), errors.Is(err, vm.ErrDepth):
		return 0
	case f.dead:
		return f.limit
	case err == nil, errors.Is(err, vm.ErrExecutionReverted):
		return f.used
	default:
		return f.limit
	}
}

func (f *frame) code(err error) (Code, string) {
	if f.dead {
		return f.why, f.reason
	}
	return codeOf(err)
}

func (f *frame) die(why Code, reason string) {
	f.dead, f.why, f.reason = true, why, reason
}

func (mt *meter) top() *frame { return mt.frames[len(mt.frames)-1] }

func (mt *meter) push(f *frame) {
	mt.frames = append(mt.frames, f)
	mt.next = 0
}

// pop ends the running frame and gives back to its caller what it did not burn.
func (mt *meter) pop(err error) *frame {
	f := mt.top()
	mt.frames = mt.frames[:len(mt.frames)-1]
	mt.last = f
	if len(mt.frames) > 0 {
		caller := mt.top()
		// A callee with value gets the stipend on top of what was passed on, which
		// the 9,000 for the value have paid for: used cannot fall below zero.
		caller.used -= f.limit - f.burned(err)
	}
	return f
}

func (mt *meter) hooks() *tracing.Hooks {
	return &tracing.Hooks{OnEnter: mt.enter, OnExit: mt.exit, OnOpcode: mt.opcode}
}

func (mt *meter) enter(depth int, typ byte, _, to common.Address, _ []byte, _ uint64, _ *big.Int) {
	f := &frame{limit: mt.next}
	switch op := vm.OpCode(typ); {
	case op == vm.CREATE, op == vm.CREATE2, op == vm.SELFDESTRUCT:
		// Creations run in create, before the interpreter's own, which then fails.
		f = &frame{idle: true}
	case depth > callDepth:
		f.idle = true
		f.die(core.Transaction_Result_STACK_OVERFLOW, "call depth")
	case depth > 0 && !isPrecompile(to):
		mt.nonce++
	}
	mt.push(f)
}

func (mt *meter) exit(_ int, _ []byte, _ uint64, err error, _ bool) { mt.pop(err) }

func (mt *meter) opcode(_ uint64, code byte, _, _ uint64, scope tracing.OpContext, _ []byte, _ int, err error) {
	if err != nil || mt.fatal != nil {
		return // the interpreter has refused it already
	}
	sc := scope.(*vm.ScopeContext)
	op, f := vm.OpCode(code), mt.top()
	mt.patch(f, sc)
	if f.dead {
		stop(sc)
		return
	}
	s := operands(sc.StackData())
	end, fits := s.memory(op)
	if !fits {
		mt.kill(f, sc, op, core.Transaction_Result_OUT_OF_MEMORY, "out of memory at "+op.String())
		return
	}
	cost := growth(uint64(len(sc.MemoryData())), end) + mt.price(op, sc.Address(), s)
	if cost > f.left() {
		mt.kill(f, sc, op, core.Transaction_Result_OUT_OF_ENERGY,
			fmt.Sprintf("not enough energy for %s: costs %d, left %d", op, cost, f.left()))
		return
	}
	f.used += cost
	sc.Contract.Gas.ExecutionGas = headroom
	mt.prepare(f, sc, op, s)
}

// prepare sets up what op needs from the meter while it runs.
func (mt *meter) prepare(f *frame, sc *vm.ScopeContext, op vm.OpCode, s operands) {
	switch op {
	case vm.GAS:
		f.gasOnTop = true
	case vm.CALL, vm.CALLCODE, vm.DELEGATECALL, vm.STATICCALL:
		pass := f.left() - f.left()/64
		if want := s.at(0); want.IsUint64() && want.Uint64() < pass {
			pass = want.Uint64()
		}
		f.used += pass
		mt.next = pass
		if (op == vm.CALL || op == vm.CALLCODE) && !s.at(2).IsZero() {
			mt.next += callStipend
		}
	case vm.CREATE, vm.CREATE2:
		mt.create(f, sc, op, s)
	}
}

// patch corrects what the interpreter left on the stack after the last
// operation: GAS pushed its own gas, CREATE a zero.
func (mt *meter) patch(f *frame, sc *vm.ScopeContext) {
	s := operands(sc.StackData())
	if f.gasOnTop {
		s.at(0).SetUint64(f.left())
		f.gasOnTop = false
	}
	if f.created != nil {
		s.at(0).Set(f.created)
		f.created = nil
	}
}

// kill ends frame f at op, which it cannot pay for.
func (mt *meter) kill(f *frame, sc *vm.ScopeContext, op vm.OpCode, why Code, reason string) {
	f.die(why, reason)
	// The interpreter still runs op, which must not be work that nobody pays for.
	clear(sc.StackData())
	switch op {
	case vm.RETURN, vm.REVERT, vm.SELFDESTRUCT:
		// Nothing runs after these, so there is nothing to turn into a failure:
		// the whole run ends. In a called frame java-tron would end only that one.
		mt.fatal = f
		mt.evm.Cancel()
	default:
		stop(sc)
	}
}

// stop makes the running frame fail after the current operation, whose effects
// go with the frame.
func stop(sc *vm.ScopeContext) {
	sc.Contract.Code = bytes.Repeat([]byte{byte(vm.INVALID)}, len(sc.Contract.Code)+33)
	sc.Contract.Gas.ExecutionGas = headroom
}
