package node

import (
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
)

// Prices and limits that a committee decides on a real network. The values are
// mainnet's; GetChainParameters serves them, and clients are to read them there.
const (
	energyFee          = 100            // sun for each unit of energy
	transactionFee     = 1000           // sun for each byte of bandwidth
	freeBandwidth      = 600            // bytes a day for each account
	createAccountFee   = 100_000        // sun instead of bandwidth, for a transfer to a new account
	newAccountFee      = 1_000_000      // sun, likewise
	maxFeeLimit        = 15_000_000_000 // sun
	memoFee            = 1_000_000      // sun for a transaction with a memo
	multiSignFee       = 1_000_000      // sun for a transaction with more than one signature
	permissionFee      = 100_000_000    // sun for changing an account's permissions
	constantCallEnergy = 100_000_000    // energy limit of a call that changes nothing
)

func chainParameters() *core.ChainParameters {
	p := &core.ChainParameters{}
	for _, kv := range []struct {
		key   string
		value int64
	}{
		{"getEnergyFee", energyFee},
		{"getTransactionFee", transactionFee},
		{"getFreeNetLimit", freeBandwidth},
		{"getCreateAccountFee", createAccountFee},
		{"getCreateNewAccountFeeInSystemContract", newAccountFee},
		{"getMaxFeeLimit", maxFeeLimit},
		{"getMemoFee", memoFee},
		{"getMultiSignFee", multiSignFee},
		{"getUpdateAccountPermissionFee", permissionFee},
		{"getAllowMultiSign", 1},
		{"getAllowTvmCompatibleEvm", 1},
		{"getAllowTvmLondon", 1},
		{"getAllowEnergyAdjustment", 1},
		{"getAllowHigherLimitForMaxCpuTimeOfOneTx", 1},
		{"getAllowOptimizedReturnValueOfChainId", 1},
		{"getForbidTransferToContract", 1},
		{"getAllowTvmShangHai", 0},
		{"getAllowTvmCancun", 0},
		{"getAllowDynamicEnergy", 0},
	} {
		p.ChainParameter = append(p.ChainParameter,
			&core.ChainParameters_ChainParameter{Key: kv.key, Value: kv.value})
	}
	return p
}
