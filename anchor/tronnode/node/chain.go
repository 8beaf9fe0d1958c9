package node

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/triedb"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
)

// Config is what a chain is made of.
type Config struct {
	// Dir holds the block file. It is created when it is not there.
	Dir string
	// Period is the time between blocks; 0 means Tron's three seconds.
	Period time.Duration
	// SolidifyAfter is the number of different block producers of the 27, a block's
	// own included, that must have built on a block before it counts as
	// solidified. 0 means Tron's 19. One process writes all blocks here, so a
	// smaller number only makes a test network faster.
	SolidifyAfter int
	// IDCache has the node remember for an hour every transaction id that was
	// broadcast to it, before it looks at the transaction, and answer
	// DUP_TRANSACTION_ERROR to it from then on, be it in a block, refused or lost.
	// java-tron has it off unless it is configured.
	IDCache bool
	// Alloc gives accounts their sun in block 0, and the network its identity.
	Alloc map[common.Address]uint64
	// Now is the clock; nil means the system's. A block's time is never less than
	// one period after its parent's, so that blocks may be made faster than time
	// passes.
	Now func() time.Time
	// Log receives what happens; nil means the default logger.
	Log *slog.Logger
}

// entry is what is kept in memory of a block of the chain.
type entry struct {
	id     common.Hash
	time   int64 // ms
	record int   // in the block file
}

// place is where a transaction stands.
type place struct {
	block uint64
	index int
}

// Chain is the blocks, the state at the head and the transactions that wait.
// It is safe for concurrent use.
type Chain struct {
	cfg     Config
	genesis common.Hash // id of block 0; set before anyone else can see the chain

	mu       sync.Mutex // guards everything below
	disk     *journal
	tries    *triedb.Database
	states   state.Database
	blocks   []entry // the chain, by number
	solid    uint64  // number of the solidified block
	side     map[common.Hash]branch
	silent   map[int]bool  // producers that make no block
	roots    []common.Hash // state roots of the solidified block and all above it
	txs      map[common.Hash]place
	infos    map[common.Hash]*core.TransactionInfo
	byBlock  map[uint64][]common.Hash // transactions of blocks that have any
	deployed map[common.Address]*core.SmartContract
	pending  []*transaction
	waiting  map[common.Hash]bool // ids of pending
	seen     idCache
	ahead    *state.StateDB // the head's state with pending applied
	fault    error          // the disk failed: no block is made any more
}

// Open reads the chain in cfg.Dir, or begins it.
func Open(cfg Config) (*Chain, error) {
	if cfg.Period == 0 {
		cfg.Period = 3 * time.Second
	}
	if cfg.SolidifyAfter == 0 {
		cfg.SolidifyAfter = defaultSolid
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Period < 0 || cfg.SolidifyAfter < 0 || cfg.SolidifyAfter > Producers {
		return nil, fmt.Errorf("period must not be negative, solidify_after must be from 0 to %d", Producers)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make state folder: %w", err)
	}
	disk, err := openJournal(filepath.Join(cfg.Dir, "blocks"))
	if err != nil {
		return nil, err
	}
	mem := rawdb.NewMemoryDatabase()
	tries := triedb.NewDatabase(mem, triedb.HashDefaults)
	c := &Chain{
		cfg: cfg, disk: disk, tries: tries,
		states:   state.NewDatabase(tries, state.NewCodeDB(mem)),
		txs:      map[common.Hash]place{},
		infos:    map[common.Hash]*core.TransactionInfo{},
		byBlock:  map[uint64][]common.Hash{},
		deployed: map[common.Address]*core.SmartContract{},
		waiting:  map[common.Hash]bool{},
		side:     map[common.Hash]branch{},
	}
	if err := c.load(); err != nil {
		return nil, errors.Join(err, disk.close(), tries.Close())
	}
	return c, nil
}

// Close ends the use of the chain's files.
func (c *Chain) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault = errors.New("the chain is closed")
	return errors.Join(c.disk.close(), c.tries.Close())
}

// ID returns the CAIP-2 id of the network: "tron:" and the last four bytes of
// the genesis block's id.
func (c *Chain) ID() string { return fmt.Sprintf("tron:0x%08x", c.chainID()) }

// chainID is what CHAINID, eth_chainId and net_version say.
func (c *Chain) chainID() uint64 {
	return uint64(binary.BigEndian.Uint32(c.genesis[28:]))
}

// Height returns the numbers of the head block and the solidified one.
func (c *Chain) Height() (head, solid uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.height(), c.solid
}

func (c *Chain) height() uint64 { return uint64(len(c.blocks) - 1) }

// head is the time of the head block, in ms; 0 before there is any.
func (c *Chain) head() int64 {
	if len(c.blocks) == 0 {
		return 0
	}
	return c.blocks[len(c.blocks)-1].time
}

// state opens the state at block number, which is the solidified block or one
// above it.
func (c *Chain) state(number uint64) (*state.StateDB, error) {
	first := c.height() + 1 - uint64(len(c.roots))
	if number < first || number > c.height() {
		return nil, fmt.Errorf("the state of block %d is not kept", number)
	}
	return state.New(c.roots[number-first], c.states)
}

// keep adds the head's state root and lets go of those below the solidified
// block.
func (c *Chain) keep(root common.Hash) error {
	if err := c.tries.Reference(root, common.Hash{}); err != nil {
		return fmt.Errorf("keep state: %w", err)
	}
	c.roots = append(c.roots, root)
	c.solidify()
	for uint64(len(c.roots)) > c.height()-c.solid+1 {
		if err := c.tries.Dereference(c.roots[0]); err != nil {
			return fmt.Errorf("let go of state: %w", err)
		}
		c.roots = c.roots[1:]
	}
	return nil
}
