package tvm

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/holiman/uint256"
)

// Prices in energy, from java-tron 4.8.0,
// actuator/src/main/java/org/tron/core/vm/EnergyCost.java, with the changes
// that are in force on mainnet (OperationRegistry.adjustMemOperations and
// adjustForFairEnergy). There is no warm or cold access and no refund.
//
//	operation                          energy
//	STOP                               0
//	JUMPDEST                           1
//	ADDRESS CALLER PC GAS CHAINID ...  2
//	ADD SUB LT AND SHL PUSH DUP ...    3
//	MUL DIV MOD SELFBALANCE ...        5
//	ADDMOD MULMOD JUMP                 8
//	JUMPI                              10
//	EXP                                10 + 10 for each byte of the exponent
//	SHA3                               30 + 6 for each word + memory
//	BALANCE EXTCODESIZE BLOCKHASH      20
//	EXTCODEHASH                        400
//	CALLDATACOPY CODECOPY
//	RETURNDATACOPY                     3 for each word + memory
//	EXTCODECOPY                        20 + 3 for each word + memory
//	MLOAD MSTORE MSTORE8               1 + memory
//	RETURN REVERT                      memory
//	SLOAD                              50
//	SSTORE zero to non-zero            20,000
//	SSTORE otherwise                   5,000
//	LOG                                375 + 375 for each topic + 8 for each byte + memory
//	CALL CALLCODE                      40 + 9,000 with value + memory
//	CALL with value to no account      25,000 more
//	DELEGATECALL STATICCALL            40 + memory
//	CREATE CREATE2                     32,000 + memory (CREATE2: + 6 for each word)
//	code stored                        200 for each byte
//	SELFDESTRUCT                       0, to no account 25,000
//	memory of w words                  3 w + w*w/512, at most 3 MiB
//
// A call passes on at most all but one 64th of what is left, and 2,300 are given
// to a callee that gets value.
const (
	memoryLimit = 3 << 20 // bytes
	callDepth   = 64

	priceMemoryOp    = 1
	priceSHA3        = 30
	priceSHA3Word    = 6
	priceCopyWord    = 3
	priceExtCodeCopy = 20
	priceExp         = 10
	priceExpByte     = 10
	priceSload       = 50
	priceSstoreSet   = 20_000
	priceSstore      = 5_000
	priceLog         = 375
	priceLogTopic    = 375
	priceLogByte     = 8
	priceCall        = 40
	priceCallValue   = 9_000
	priceNewAccount  = 25_000
	callStipend      = 2_300
	priceCreate      = 32_000
	priceCodeByte    = 200
)

// flat holds the prices of the operations that always cost the same.
var flat = flatPrices()

func flatPrices() (t [256]uint64) {
	set := func(price uint64, ops ...vm.OpCode) {
		for _, op := range ops {
			t[op] = price
		}
	}
	set(1, vm.JUMPDEST)
	set(2, vm.ADDRESS, vm.ORIGIN, vm.CALLER, vm.CALLVALUE, vm.CALLDATASIZE, vm.CODESIZE,
		vm.RETURNDATASIZE, vm.GASPRICE, vm.COINBASE, vm.TIMESTAMP, vm.NUMBER, vm.DIFFICULTY,
		vm.GASLIMIT, vm.POP, vm.PC, vm.MSIZE, vm.GAS, vm.CHAINID, vm.BASEFEE)
	set(3, vm.ADD, vm.SUB, vm.LT, vm.GT, vm.SLT, vm.SGT, vm.EQ, vm.ISZERO, vm.AND, vm.OR,
		vm.XOR, vm.NOT, vm.BYTE, vm.SHL, vm.SHR, vm.SAR, vm.CALLDATALOAD)
	for i := range 32 {
		set(3, vm.PUSH1+vm.OpCode(i))
	}
	for i := range 16 {
		set(3, vm.DUP1+vm.OpCode(i), vm.SWAP1+vm.OpCode(i))
	}
	set(5, vm.MUL, vm.DIV, vm.SDIV, vm.MOD, vm.SMOD, vm.SIGNEXTEND, vm.SELFBALANCE)
	set(8, vm.ADDMOD, vm.MULMOD, vm.JUMP)
	set(10, vm.JUMPI)
	set(20, vm.BALANCE, vm.EXTCODESIZE, vm.BLOCKHASH)
	set(400, vm.EXTCODEHASH)
	set(priceSload, vm.SLOAD)
	return t
}

// operands reads an operation's stack, 0 being its top.
type operands []uint256.Int

func (s operands) at(i int) *uint256.Int { return &s[len(s)-1-i] }

// end returns the end of the memory that the operands off and size name, and
// whether it stays under the limit.
func (s operands) end(off, size int) (uint64, bool) {
	return memoryEnd(s.at(off), s.at(size))
}

func memoryEnd(off, size *uint256.Int) (uint64, bool) {
	if size.IsZero() {
		return 0, true
	}
	end, over := new(uint256.Int).AddOverflow(off, size)
	if over || !end.IsUint64() || end.Uint64() > memoryLimit {
		return 0, false
	}
	return end.Uint64(), true
}

// memory returns the end of the memory that op needs.
func (s operands) memory(op vm.OpCode) (uint64, bool) {
	switch op {
	case vm.KECCAK256, vm.RETURN, vm.REVERT, vm.LOG0, vm.LOG1, vm.LOG2, vm.LOG3, vm.LOG4:
		return s.end(0, 1)
	case vm.CALLDATACOPY, vm.CODECOPY, vm.RETURNDATACOPY:
		return s.end(0, 2)
	case vm.EXTCODECOPY:
		return s.end(1, 3)
	case vm.MLOAD, vm.MSTORE:
		return memoryEnd(s.at(0), uint256.NewInt(32))
	case vm.MSTORE8:
		return memoryEnd(s.at(0), uint256.NewInt(1))
	case vm.CREATE, vm.CREATE2:
		return s.end(1, 2)
	case vm.CALL, vm.CALLCODE:
		return s.larger(3, 4, 5, 6)
	case vm.DELEGATECALL, vm.STATICCALL:
		return s.larger(2, 3, 4, 5)
	}
	return 0, true
}

func (s operands) larger(inOff, inSize, outOff, outSize int) (uint64, bool) {
	in, okIn := s.end(inOff, inSize)
	out, okOut := s.end(outOff, outSize)
	return max(in, out), okIn && okOut
}

// growth prices memory that grows from old to end bytes.
func growth(old, end uint64) uint64 {
	price := func(words uint64) uint64 { return 3*words + words*words/512 }
	if w, had := wordsOf(end), old/32; w > had {
		return price(w) - price(had)
	}
	return 0
}

func wordsOf(bytes uint64) uint64 { return (bytes + 31) / 32 }

// price returns what op costs without memory and without the energy that it
// passes on. It is asked only after memory() has bounded the sizes.
func (mt *meter) price(op vm.OpCode, self common.Address, s operands) uint64 {
	words := func(i int) uint64 { return wordsOf(s.at(i).Uint64()) }
	switch op {
	case vm.EXP:
		return priceExp + priceExpByte*uint64(s.at(1).ByteLen())
	case vm.KECCAK256:
		return priceSHA3 + priceSHA3Word*words(1)
	case vm.CALLDATACOPY, vm.CODECOPY, vm.RETURNDATACOPY:
		return priceCopyWord * words(2)
	case vm.EXTCODECOPY:
		return priceExtCodeCopy + priceCopyWord*words(3)
	case vm.MLOAD, vm.MSTORE, vm.MSTORE8:
		return priceMemoryOp
	case vm.SSTORE:
		// java-tron asks whether the slot has a row. A row is gone once it holds
		// zero, except until the end of the transaction that cleared it.
		if mt.db.GetState(self, s.at(0).Bytes32()) == (common.Hash{}) && !s.at(1).IsZero() {
			return priceSstoreSet
		}
		return priceSstore
	case vm.LOG0, vm.LOG1, vm.LOG2, vm.LOG3, vm.LOG4:
		return priceLog + priceLogTopic*uint64(op-vm.LOG0) + priceLogByte*s.at(1).Uint64()
	case vm.CALL:
		return priceCall + mt.valuePrice(s, true)
	case vm.CALLCODE:
		return priceCall + mt.valuePrice(s, false)
	case vm.DELEGATECALL, vm.STATICCALL:
		return priceCall
	case vm.CREATE:
		return priceCreate
	case vm.CREATE2:
		return priceCreate + priceSHA3Word*words(2)
	case vm.SELFDESTRUCT:
		if !mt.db.Exist(s.at(0).Bytes20()) {
			return priceNewAccount
		}
		return 0
	}
	return flat[op]
}

// valuePrice prices the TRX that a call hands over.
func (mt *meter) valuePrice(s operands, moves bool) uint64 {
	if s.at(2).IsZero() {
		return 0
	}
	if moves && !mt.db.Exist(s.at(1).Bytes20()) {
		return priceCallValue + priceNewAccount
	}
	return priceCallValue
}
