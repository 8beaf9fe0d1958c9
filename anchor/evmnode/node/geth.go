package node

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/version"
)

func nodeConfig(c Config, host string, port int) *node.Config {
	conf := node.DefaultConfig
	// These make web3_clientVersion.
	conf.Name = "killick-evmnode"
	conf.UserIdent = fmt.Sprintf("test-node/geth-v%d.%d.%d", version.Major, version.Minor, version.Patch)
	conf.DataDir = c.Dir
	conf.IPCPath = ""
	conf.HTTPHost = host
	conf.HTTPPort = port
	conf.HTTPModules = []string{"eth", "net", "web3"}
	conf.HTTPCors = []string{"*"} // web pages may read an answer, as those of public endpoints
	conf.P2P = p2p.Config{NoDiscovery: true, NoDial: true}
	return &conf
}

func ethConfig(c Config) *ethconfig.Config {
	conf := ethconfig.Defaults
	conf.Genesis = genesis(c)
	conf.SyncMode = ethconfig.FullSync
	conf.EngineMaxReorgDepth = 0
	// Each block's state is written with the block. The path scheme keeps the
	// newest 128 states in memory, and kill -9 would cost as many blocks,
	// finalized ones among them.
	conf.StateScheme = rawdb.HashScheme
	conf.NoPruning = true
	conf.SnapshotCache = 0
	// Small caches: the chain is small, and other programs share the machine.
	conf.DatabaseCache = 16
	conf.TrieCleanCache = 16
	conf.TrieDirtyCache = 0
	conf.DatabaseHandles = 64
	// Pending transactions die with the process, as on any node that one's
	// transaction was sent to: senders have to cope, so tests should see it.
	conf.TxPool.NoLocals = true
	conf.LogNoHistory = true
	return &conf
}

// genesis holds the Osaka rules. In go-ethereum v1.17.8 the development rules
// also switch on Bogota, a half-finished fork that makes a new storage slot cost
// four times as much.
func genesis(c Config) *core.Genesis {
	rules := *params.AllDevChainProtocolChanges
	rules.ChainID = new(big.Int).SetUint64(c.ChainID)
	rules.BogotaTime = nil
	// No block is made without the contracts that the rules call.
	alloc := core.SystemContractAllocs()
	for address, wei := range c.Alloc {
		account := alloc[address]
		account.Balance = wei
		alloc[address] = account
	}
	return &core.Genesis{
		Config:   &rules,
		GasLimit: ethconfig.Defaults.Miner.GasCeil,
		BaseFee:  big.NewInt(params.InitialBaseFee),
		Alloc:    alloc,
	}
}
