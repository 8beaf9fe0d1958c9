package tvm

import (
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
)

// served are the precompiled contracts whose work and price are the same on
// Tron and in Ethereum's Istanbul. Number 3 differs, 9 and above are Tron's own.
var served = []byte{1, 2, 4, 5, 6, 7, 8}

func isPrecompile(addr common.Address) bool {
	for _, n := range served {
		if addr == common.BytesToAddress([]byte{n}) {
			return true
		}
	}
	return false
}

func (mt *meter) precompiles() vm.PrecompiledContracts {
	set := vm.PrecompiledContracts{}
	for _, n := range served {
		addr := common.BytesToAddress([]byte{n})
		set[addr] = metered{vm.PrecompiledContractsIstanbul[addr], mt}
	}
	return set
}

// metered charges a precompiled contract's energy to the frame that was entered
// for it.
type metered struct {
	vm.PrecompiledContract
	mt *meter
}

// RequiredGas is nothing to the interpreter: Run charges.
func (metered) RequiredGas([]byte) uint64 { return 0 }

var errEnergy = errors.New("not enough energy for a precompiled contract")

func (m metered) Run(input []byte) ([]byte, error) {
	f := m.mt.top()
	cost := m.PrecompiledContract.RequiredGas(input)
	if f.dead || cost > f.left() {
		f.die(core.Transaction_Result_OUT_OF_ENERGY, errEnergy.Error())
		return nil, errEnergy
	}
	f.used += cost
	return m.PrecompiledContract.Run(input)
}
