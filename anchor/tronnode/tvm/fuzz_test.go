package tvm_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"

	"github.com/killick-ledger/killick/anchor/tronnode/tvm"
)

// FuzzRun checks on any code: nothing panics, no run costs more than its limit,
// a failure other than REVERT costs all of it, no balance is made or lost, and a
// second run of the same does the same.
func FuzzRun(f *testing.F) {
	f.Add(asm(0, 0, 0, 0, 5, callee, vm.GAS, vm.CALL), asm(1, 0, vm.SSTORE, 0, 0, vm.REVERT), uint32(50_000))
	f.Add(asm(0, 0, 3, vm.CREATE, 0, 0, 0, 1, vm.CREATE2), asm(caller, vm.SELFDESTRUCT), uint32(200_000))
	f.Add(asm(0, 0, 0, 0, callee, vm.GAS, vm.DELEGATECALL, 32, 0, vm.LOG0), asm(vm.GAS, 0, vm.MSTORE), uint32(9_000))
	f.Add(asm(0, 0, 0, 0, contract, vm.GAS, vm.STATICCALL), asm(vm.JUMPDEST, 0, vm.JUMP), uint32(100_000))
	f.Fuzz(func(t *testing.T, code, other []byte, limit uint32) {
		once := func() tvm.Result {
			db := world(t, code, other)
			r := tvm.Call(db, env, tvm.Message{From: caller, To: contract, Value: 10, Limit: uint64(limit % 300_000)})
			sum := db.GetBalance(caller).Uint64() + db.GetBalance(contract).Uint64() + db.GetBalance(callee).Uint64()
			if sum > 1000 {
				t.Errorf("%d sun where there were 1,000", sum)
			}
			if r.Code != core.Transaction_Result_SUCCESS && sum != 1000 {
				t.Errorf("%d sun after a failure, 1,000 before", sum)
			}
			return r
		}
		r, again := once(), once()
		switch used := r.Energy; {
		case used > uint64(limit%300_000):
			t.Errorf("%v used %d energy of %d", r.Code, used, limit%300_000)
		case r.Code != core.Transaction_Result_SUCCESS && r.Code != core.Transaction_Result_REVERT && used != uint64(limit%300_000):
			t.Errorf("%v burnt %d energy of %d", r.Code, used, limit%300_000)
		}
		if r.Code != again.Code || r.Energy != again.Energy || string(r.Return) != string(again.Return) {
			t.Errorf("first %v %d, then %v %d", r.Code, r.Energy, again.Code, again.Energy)
		}
	})
}
