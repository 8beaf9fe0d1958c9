package tvm

import (
	"encoding/binary"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"github.com/holiman/uint256"
)

// AddressPrefix is the byte before the 20 bytes of an address outside the
// virtual machine.
const AddressPrefix = 0x41

// NewContractAddress returns the address of the contract that transaction id of
// owner deploys.
func NewContractAddress(id common.Hash, owner common.Address) common.Address {
	return lastTwenty(id[:], []byte{AddressPrefix}, owner[:])
}

// address returns the address of a contract made by op.
func (mt *meter) address(op vm.OpCode, creator common.Address, code []byte, s operands) common.Address {
	if op == vm.CREATE2 {
		salt := s.at(3).Bytes32()
		return lastTwenty([]byte{AddressPrefix}, creator[:], salt[:], crypto.Keccak256(code))
	}
	return lastTwenty(mt.txID[:], binary.BigEndian.AppendUint64(nil, mt.nonce))
}

func lastTwenty(parts ...[]byte) common.Address {
	return common.BytesToAddress(crypto.Keccak256(parts...)[12:])
}

// create runs a CREATE or CREATE2 in the interpreter's place, because the
// interpreter would choose Ethereum's address. It then spoils the operands, so
// that the interpreter's own attempt fails without effect, and leaves the result
// for patch.
func (mt *meter) create(f *frame, sc *vm.ScopeContext, op vm.OpCode, s operands) {
	value := *s.at(0)
	code := chunk(sc.MemoryData(), s.at(1).Uint64(), s.at(2).Uint64())
	f.created = new(uint256.Int)
	if len(mt.frames)-1 < callDepth && mt.db.GetBalance(sc.Address()).Cmp(&value) >= 0 {
		at := mt.address(op, sc.Address(), code, s)
		mt.nonce++
		pass := f.left() - f.left()/64
		f.used += pass
		if _, err := mt.deploy(sc.Address(), at, code, &value, pass); err == nil && !mt.last.dead {
			f.created.SetBytes(at[:])
		}
	}
	after := operands(sc.StackData())
	after.at(0).SetAllOne() // more than anyone has
	after.at(1).Clear()
	after.at(2).Clear()
}

// chunk reads memory that may not have grown yet: the rest is zero.
func chunk(memory []byte, off, size uint64) []byte {
	out := make([]byte, size)
	if off < uint64(len(memory)) {
		copy(out, memory[off:])
	}
	return out
}

// deploy runs creation code as a frame of its own and stores what it returns.
func (mt *meter) deploy(from, at common.Address, code []byte, value *uint256.Int, limit uint64) ([]byte, error) {
	snapshot := mt.db.Snapshot()
	mt.push(&frame{limit: limit})
	ret, err := mt.construct(from, at, code, value)
	f := mt.pop(err)
	if err != nil || f.dead {
		mt.db.RevertToSnapshot(snapshot)
	}
	return ret, err
}

func (mt *meter) construct(from, at common.Address, code []byte, value *uint256.Int) ([]byte, error) {
	f := mt.top()
	if mt.db.GetCodeSize(at) > 0 {
		f.die(core.Transaction_Result_UNKNOWN, "a contract is there already")
		return nil, nil
	}
	Activate(mt.db, at)
	mt.db.CreateContract(at)
	rules := mt.evm.GetRules()
	transfer(mt.db, from, at, value, &rules)
	contract := vm.NewContract(from, at, value, vm.NewGasBudget(headroom, 0), nil)
	contract.SetCallCode(common.Hash{}, code)
	contract.IsDeployment = true
	ret, err := mt.evm.Run(contract, nil, false)
	if err != nil || f.dead {
		return ret, err
	}
	if len(ret) > 0 && ret[0] == 0xEF {
		return nil, vm.ErrInvalidCode
	}
	store := priceCodeByte * uint64(len(ret))
	if store > f.left() {
		f.die(core.Transaction_Result_OUT_OF_ENERGY, "not enough energy to store the contract's code")
		return nil, nil
	}
	f.used += store
	mt.db.SetCode(at, ret, 0)
	return ret, nil
}
