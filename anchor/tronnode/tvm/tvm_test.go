package tvm_test

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"github.com/holiman/uint256"

	"github.com/killick-ledger/killick/anchor/tronnode/tvm"
)

var (
	caller   = common.BytesToAddress([]byte("caller"))
	contract = common.BytesToAddress([]byte("contract"))
	callee   = common.BytesToAddress([]byte("callee"))
	env      = tvm.Env{
		Number: 77, Time: 1_700_000_000_999, Coinbase: common.BytesToAddress([]byte("witness")),
		ChainID: 0x2b6653dc, EnergyFee: 100,
		BlockID: func(n uint64) common.Hash { return common.BigToHash(new(big.Int).SetUint64(n)) },
	}
)

// asm assembles opcodes, and numbers and byte strings as the shortest PUSH.
func asm(parts ...any) []byte {
	var out []byte
	for _, p := range parts {
		var data []byte
		switch p := p.(type) {
		case vm.OpCode:
			out = append(out, byte(p))
			continue
		case int:
			data = new(big.Int).SetInt64(int64(p)).Bytes()
		case []byte:
			data = p
		case common.Address:
			data = p[:]
		}
		if len(data) == 0 {
			data = []byte{0}
		}
		out = append(out, byte(vm.PUSH1)+byte(len(data)-1))
		out = append(out, data...)
	}
	return out
}

// world is a state with a caller of 1,000 sun, and code at contract and callee.
func world(t *testing.T, code, other []byte) *state.StateDB {
	t.Helper()
	db, err := state.New(common.Hash{}, state.NewDatabaseForTesting())
	if err != nil {
		t.Fatal(err)
	}
	for addr, c := range map[common.Address][]byte{contract: code, callee: other} {
		if c != nil {
			tvm.Activate(db, addr)
			db.SetCode(addr, c, 0)
		}
	}
	tvm.Activate(db, caller)
	db.AddBalance(caller, uint256.NewInt(1000), 0)
	return db
}

func run(db *state.StateDB, limit uint64) tvm.Result {
	return tvm.Call(db, env, tvm.Message{TxID: common.Hash{9}, From: caller, To: contract, Limit: limit})
}

// TestPrices checks sums that are worked out by hand from java-tron's table.
func TestPrices(t *testing.T) {
	stop := []byte{byte(vm.STOP)}
	for _, tt := range []struct {
		name  string
		code  []byte
		other []byte
		want  uint64
	}{
		{"push and pop", asm(1, vm.POP), nil, 3 + 2},
		{"jump", asm(3, vm.JUMP, vm.JUMPDEST), nil, 3 + 8 + 1},
		{"exponent of two bytes", asm(0x0100, 2, vm.EXP), nil, 3 + 3 + 10 + 20},
		{"load", asm(0, vm.SLOAD), nil, 3 + 50},
		{"load twice: nothing is warm", asm(0, vm.SLOAD, 0, vm.SLOAD), nil, 2 * 53},
		{"store zero to non-zero", asm(1, 0, vm.SSTORE), nil, 6 + 20_000},
		{"store zero to zero", asm(0, 0, vm.SSTORE), nil, 6 + 5_000},
		{"store and change", asm(1, 0, vm.SSTORE, 2, 0, vm.SSTORE), nil, 12 + 25_000},
		{"store and clear: no refund", asm(1, 0, vm.SSTORE, 0, 0, vm.SSTORE), nil, 12 + 25_000},
		{"one word of memory", asm(1, 0, vm.MSTORE), nil, 6 + 1 + 3},
		{"a byte in the second word", asm(1, 32, vm.MSTORE8), nil, 6 + 1 + 6},
		{"1,024 words", asm(1, 32*1023, vm.MSTORE), nil, 6 + 1 + 3*1024 + 1024*1024/512},
		{"hash of two words", asm(64, 0, vm.KECCAK256), nil, 6 + 30 + 12 + 6},
		{"copy of 33 bytes", asm(33, 0, 0, vm.CALLDATACOPY), nil, 9 + 6 + 6},
		{"log of three topics and 5 bytes", asm(1, 2, 3, 5, 0, vm.LOG3), nil, 15 + 375 + 3*375 + 40 + 3},
		{"return of a word", asm(32, 0, vm.RETURN), nil, 6 + 3},
		{"balance, code size, code hash", asm(caller, vm.BALANCE, caller, vm.EXTCODESIZE, caller, vm.EXTCODEHASH), nil, 9 + 20 + 20 + 400},
		{"call", asm(0, 0, 0, 0, 0, callee, 100, vm.CALL), stop, 21 + 40},
		{"call that uses 6", asm(0, 0, 0, 0, 0, callee, 100, vm.CALL), asm(1, 2), 21 + 40 + 6},
		{"call that burns what it got", asm(0, 0, 0, 0, 0, callee, 100, vm.CALL), []byte{byte(vm.INVALID)}, 21 + 40 + 100},
		{"call that reverts after 6", asm(0, 0, 0, 0, 0, callee, 100, vm.CALL), asm(0, 0, vm.REVERT), 21 + 40 + 6},
		{"static call", asm(0, 0, 0, 0, callee, 100, vm.STATICCALL), stop, 18 + 40},
		{"delegate call", asm(0, 0, 0, 0, callee, 100, vm.DELEGATECALL), stop, 18 + 40},
		{"ecrecover", asm(0, 0, 0, 0, 1, 3000, vm.STATICCALL), nil, 18 + 40 + 3000},
		{"ecrecover with too little", asm(0, 0, 0, 0, 1, 2999, vm.STATICCALL), nil, 18 + 40 + 2999},
		{"sha256 of 33 bytes", asm(0, 0, 33, 0, 2, 100, vm.STATICCALL), nil, 18 + 40 + 6 + 60 + 24},
		{"identity of nothing", asm(0, 0, 0, 0, 4, 100, vm.STATICCALL), nil, 18 + 40 + 15},
		{"create of nothing", asm(0, 0, 0, vm.CREATE), nil, 9 + 32_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := run(world(t, tt.code, tt.other), 1_000_000)
			if r.Code != core.Transaction_Result_SUCCESS || r.Energy != tt.want {
				t.Errorf("%v (%s), %d energy, want %d", r.Code, r.Reason, r.Energy, tt.want)
			}
			// The same limit is enough, and one less is not.
			if r := run(world(t, tt.code, tt.other), tt.want+tt.want/8); r.Code != core.Transaction_Result_SUCCESS {
				t.Errorf("with a little more: %v (%s)", r.Code, r.Reason)
			}
		})
	}
}

func TestLimitIsExact(t *testing.T) {
	// SSTORE is the last thing that is done: the failure must still undo it.
	code := asm(1, 0, vm.SSTORE)
	const cost = 6 + 20_000
	db := world(t, code, nil)
	if r := run(db, cost-1); r.Code != core.Transaction_Result_OUT_OF_ENERGY || r.Energy != cost-1 {
		t.Errorf("one too little: %v, %d energy", r.Code, r.Energy)
	}
	if got := db.GetState(contract, common.Hash{}); got != (common.Hash{}) {
		t.Errorf("stored %v although out of energy", got)
	}
	if r := run(db, cost); r.Code != core.Transaction_Result_SUCCESS || r.Energy != cost {
		t.Errorf("exactly enough: %v, %d energy", r.Code, r.Energy)
	}
	if got := db.GetState(contract, common.Hash{}); got == (common.Hash{}) {
		t.Error("nothing stored")
	}
	// Running out at the very end of a frame.
	if r := run(world(t, asm(32, 0, vm.RETURN), nil), 8); r.Code != core.Transaction_Result_OUT_OF_ENERGY || r.Energy != 8 {
		t.Errorf("return: %v, %d energy", r.Code, r.Energy)
	}
}

func TestFailuresBurnTheLimit(t *testing.T) {
	for _, tt := range []struct {
		name string
		code []byte
		want tvm.Code
	}{
		{"invalid instruction", []byte{byte(vm.INVALID)}, core.Transaction_Result_ILLEGAL_OPERATION},
		{"push0 is of a later rule set", []byte{byte(vm.PUSH0)}, core.Transaction_Result_ILLEGAL_OPERATION},
		{"jump to nowhere", asm(77, vm.JUMP), core.Transaction_Result_BAD_JUMP_DESTINATION},
		{"stack underflow", asm(vm.POP), core.Transaction_Result_STACK_TOO_SMALL},
		{"3 MiB of memory and one byte", asm(1, 3<<20, vm.MSTORE8), core.Transaction_Result_OUT_OF_MEMORY},
		{"all the memory there is", asm(1, bytes.Repeat([]byte{255}, 32), vm.MSTORE), core.Transaction_Result_OUT_OF_MEMORY},
		{"20 MB at once", asm(20_000_000, 0, vm.RETURN), core.Transaction_Result_OUT_OF_MEMORY},
		{"endless loop", asm(vm.JUMPDEST, 0, vm.JUMP), core.Transaction_Result_OUT_OF_ENERGY},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const limit = 40_000_000
			if r := run(world(t, tt.code, nil), limit); r.Code != tt.want || r.Energy != limit {
				t.Errorf("%v (%s), %d energy; want %v and the limit", r.Code, r.Reason, r.Energy, tt.want)
			}
		})
	}
	r := run(world(t, asm(0xabcd, 0, vm.MSTORE, 32, 0, vm.REVERT), nil), 1000)
	if r.Code != core.Transaction_Result_REVERT || r.Energy != 6+4+6 || common.BytesToHash(r.Return).Big().Int64() != 0xabcd {
		t.Errorf("revert: %v, %d energy, %x", r.Code, r.Energy, r.Return)
	}
}

// TestWhatCodeSees checks the instructions that answer otherwise than Ethereum's.
func TestWhatCodeSees(t *testing.T) {
	for _, tt := range []struct {
		name string
		op   vm.OpCode
		want uint64
	}{
		{"difficulty", vm.DIFFICULTY, 0},
		{"gas limit", vm.GASLIMIT, 0},
		{"chain id", vm.CHAINID, 0x2b6653dc},
		{"gas price is the energy fee", vm.GASPRICE, 100},
		{"base fee is the energy fee", vm.BASEFEE, 100},
		{"time in seconds", vm.TIMESTAMP, 1_700_000_000},
		{"number", vm.NUMBER, 77},
		{"energy left after GAS", vm.GAS, 1000 - 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := run(world(t, asm(tt.op, 0, vm.MSTORE, 32, 0, vm.RETURN), nil), 1000)
			if got := new(big.Int).SetBytes(r.Return); got.Uint64() != tt.want {
				t.Errorf("got %v, want %d", got, tt.want)
			}
		})
	}
}

// TestEnergyPassedOn checks that a callee gets all but one 64th, that it alone
// fails when that is used up, and that the caller goes on with the rest.
func TestEnergyPassedOn(t *testing.T) {
	loop := asm(vm.JUMPDEST, 0, vm.JUMP)
	code := asm(0, 0, 0, 0, 0, callee, bytes.Repeat([]byte{255}, 32), vm.CALL, 0, vm.MSTORE, 32, 0, vm.RETURN)
	const limit = 64_061 // 64,000 at the call
	r := run(world(t, code, loop), limit)
	if r.Code != core.Transaction_Result_SUCCESS || !bytes.Equal(r.Return, make([]byte, 32)) {
		t.Fatalf("%v (%s), %x", r.Code, r.Reason, r.Return)
	}
	if want := uint64(61 + 63_000 + 3 + 4 + 6); r.Energy != want {
		t.Errorf("%d energy, want %d", r.Energy, want)
	}
	// What the callee stored before it ran out is gone.
	db := world(t, code, append(asm(1, 0, vm.SSTORE), asm(0xff, vm.JUMP)...))
	if r := run(db, limit); r.Code != core.Transaction_Result_SUCCESS || db.GetState(callee, common.Hash{}) != (common.Hash{}) {
		t.Errorf("%v, stored %v", r.Code, db.GetState(callee, common.Hash{}))
	}
}

func TestDepth(t *testing.T) {
	// The contract calls itself with all it has, and counts in storage how deep
	// it gets: 64 calls below the first one.
	code := asm(0, vm.SLOAD, 1, vm.ADD, 0, vm.SSTORE, 0, 0, 0, 0, 0, contract, bytes.Repeat([]byte{255}, 32), vm.CALL)
	db := world(t, code, nil)
	if r := run(db, 100_000_000); r.Code != core.Transaction_Result_SUCCESS {
		t.Fatalf("%v (%s)", r.Code, r.Reason)
	}
	if got := db.GetState(contract, common.Hash{}).Big().Int64(); got != 65 {
		t.Errorf("%d frames ran, want 65", got)
	}
}

func TestCreateInsideAContract(t *testing.T) {
	// Creation code that returns one byte of code, STOP.
	child := asm(1, 0, vm.RETURN)
	put := asm(child, 0, vm.MSTORE)
	at, size := 32-len(child), len(child)
	ret := asm(0, vm.MSTORE, 32, 0, vm.RETURN)
	for _, tt := range []struct {
		name string
		code []byte
		want []byte
	}{
		{"create", append(append(put, asm(size, at, 0, vm.CREATE)...), ret...),
			crypto.Keccak256(common.Hash{9}.Bytes(), make([]byte, 8))[12:]},
		{"create2", append(append(put, asm(5, size, at, 0, vm.CREATE2)...), ret...),
			crypto.Keccak256([]byte{0x41}, contract[:], common.BigToHash(big.NewInt(5)).Bytes(), crypto.Keccak256(child))[12:]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db := world(t, tt.code, nil)
			r := run(db, 1_000_000)
			if r.Code != core.Transaction_Result_SUCCESS || len(r.Return) != 32 || !bytes.Equal(r.Return[12:], tt.want) {
				t.Fatalf("%v (%s), made %x, want %x", r.Code, r.Reason, r.Return, tt.want)
			}
			if got := db.GetCode(common.Address(tt.want)); !bytes.Equal(got, []byte{0}) {
				t.Errorf("code %x", got)
			}
			if db.GetNonce(contract) != 1 {
				t.Error("the interpreter's own creation took place too")
			}
		})
	}
}

func TestCreate(t *testing.T) {
	db := world(t, nil, nil)
	m := tvm.Message{From: caller, To: contract, Data: asm(10, 0, vm.RETURN), Value: 7, Limit: 10_000}
	r := tvm.Create(db, env, m)
	if want := uint64(6 + 3 + 10*200); r.Code != core.Transaction_Result_SUCCESS || r.Energy != want {
		t.Errorf("%v (%s), %d energy, want %d", r.Code, r.Reason, r.Energy, want)
	}
	if db.GetCodeSize(contract) != 10 || db.GetBalance(contract).Uint64() != 7 {
		t.Errorf("%d bytes of code, %v sun", db.GetCodeSize(contract), db.GetBalance(contract))
	}
	m.To, m.Limit = callee, 2008
	if r := tvm.Create(db, env, m); r.Code != core.Transaction_Result_OUT_OF_ENERGY || r.Energy != 2008 || db.Exist(callee) {
		t.Errorf("without energy for the code: %v, %d energy, exists %v", r.Code, r.Energy, db.Exist(callee))
	}
	m.To, m.Limit, m.Data = callee, 100_000, asm(0xef, 0, vm.MSTORE8, 1, 0, vm.RETURN)
	if r := tvm.Create(db, env, m); r.Code != core.Transaction_Result_INVALID_CODE {
		t.Errorf("code that begins with 0xef: %v", r.Code)
	}
}

func TestValue(t *testing.T) {
	pay := func(to common.Address, sun int) []byte { return asm(0, 0, 0, 0, sun, to, 0, vm.CALL) }
	fresh := common.BytesToAddress([]byte("new"))
	for _, tt := range []struct {
		name string
		to   common.Address
		sun  int
		want uint64
		got  uint64
	}{
		{"to an account", caller, 5, 21 + 40 + 9000, 905},
		{"to no account", fresh, 5, 21 + 40 + 9000 + 25_000, 5},
		{"more than there is", caller, 101, 21 + 40 + 9000, 900},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db := world(t, pay(tt.to, tt.sun), nil)
			r := tvm.Call(db, env, tvm.Message{From: caller, To: contract, Value: 100, Limit: 100_000})
			// Nobody runs at the other end, so the stipend comes back to the caller.
			if want := tt.want - 2300; r.Code != core.Transaction_Result_SUCCESS || r.Energy != want {
				t.Errorf("%v (%s), %d energy, want %d", r.Code, r.Reason, r.Energy, want)
			}
			if got := db.GetBalance(tt.to).Uint64(); got != tt.got {
				t.Errorf("balance %d, want %d", got, tt.got)
			}
		})
	}
}
