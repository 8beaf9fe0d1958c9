// Package node runs go-ethereum's own node in this process, as a test network
// of one: real transaction pool, real EVM under the Osaka rules, real JSON-RPC
// over HTTP, no peers and no consensus but the block producer in here.
//
// It is not for value: whoever reaches the port may use it, and blocks come
// from a single place. What it does keep is order: a finalized block is never
// left, and with a data directory the chain goes on after a crash.
package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/beacon/engine"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/catalyst"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/miner"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/rpc"
)

// Node is a running node. Its methods are safe for concurrent use.
type Node struct {
	stack    *node.Node
	eth      *eth.Ethereum
	finality uint64

	mu     sync.Mutex // one block at a time
	engine *catalyst.ConsensusAPI
	parent common.Hash // of the next block
}

// Start runs a node and serves JSON-RPC. No block is made before Step or Run.
func Start(c Config) (*Node, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	host, portText, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("listen: port %q: %w", portText, err)
	}
	stack, err := node.New(nodeConfig(c, host, int(port)))
	if err != nil {
		return nil, fmt.Errorf("node in %q: %w", c.Dir, err)
	}
	n := &Node{stack: stack, finality: c.Finality}
	if err := n.start(c); err != nil {
		if e := stack.Close(); !errors.Is(e, node.ErrNodeStopped) {
			err = errors.Join(err, e)
		}
		return nil, err
	}
	return n, nil
}

func (n *Node) start(c Config) error {
	backend, err := eth.New(n.stack, ethConfig(c))
	if err != nil {
		return fmt.Errorf("chain in %q: %w", c.Dir, err)
	}
	n.eth = backend
	n.stack.RegisterAPIs([]rpc.API{{
		Namespace: "eth",
		Service:   filters.NewFilterAPI(filters.NewFilterSystem(backend.APIBackend, filters.Config{})),
	}})
	if err := n.stack.Start(); err != nil {
		return fmt.Errorf("listen on %s: %w", c.Listen, err)
	}
	n.engine = catalyst.NewConsensusAPI(backend)
	head := backend.BlockChain().CurrentBlock()
	n.parent = head.Hash()
	// The engine takes transactions only after it was told of a head.
	return n.choose(context.Background(), head)
}

// URL returns the address of the node's JSON-RPC.
func (n *Node) URL() string { return n.stack.HTTPEndpoint() }

// Handler answers JSON-RPC as the address does, for who stands between it and clients
// in this process.
func (n *Node) Handler() (http.Handler, error) { return n.stack.RPCHandler() }

// Head returns the newest block of the canonical chain.
func (n *Node) Head() *types.Header { return n.eth.BlockChain().CurrentBlock() }

// Finalized returns the newest finalized block.
func (n *Node) Finalized() *types.Header { return n.eth.BlockChain().CurrentFinalBlock() }

// Run makes a block every period until ctx is done. It returns nil then, and
// otherwise why no block could be made.
func (n *Node) Run(ctx context.Context, period time.Duration) error {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		if _, err := n.Step(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Step makes one block of what the pool holds, and makes it the head.
func (n *Node) Step() (*types.Header, error) {
	return n.step((*miner.Payload).ResolveFull)
}

// StepEmpty makes a block without transactions and makes it the head. What the
// pool holds stays there.
func (n *Node) StepEmpty() (*types.Header, error) {
	return n.step((*miner.Payload).ResolveEmpty)
}

// Fork makes parent the parent of the next block, and the head until then. The
// transactions of the blocks that are left behind go back to the pool. A parent
// before the finalized block is refused.
func (n *Node) Fork(parent common.Hash) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	header := n.eth.BlockChain().GetHeaderByHash(parent)
	if header == nil {
		return fmt.Errorf("fork at %s: no such block", parent)
	}
	if final := n.Finalized(); header.Number.Cmp(final.Number) < 0 {
		return fmt.Errorf("fork at block %d: block %d is finalized", header.Number, final.Number)
	}
	if err := n.choose(context.Background(), header); err != nil {
		return err
	}
	n.parent = parent
	return n.eth.TxPool().Sync()
}

// Forget drops all transactions from the pool, as a node does that restarts or
// runs out of room.
func (n *Node) Forget() { n.eth.TxPool().Clear() }

// Close stops the node. The chain stays in its directory.
func (n *Node) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.stack.Close(); err != nil {
		return fmt.Errorf("stop node: %w", err)
	}
	return nil
}

func (n *Node) step(resolve func(*miner.Payload) *engine.ExecutionPayloadEnvelope) (*types.Header, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	ctx := context.Background()
	parent := n.eth.BlockChain().GetHeaderByHash(n.parent)
	// The pool follows the head in the background; a block made before it has
	// caught up would lack transactions that were taken.
	if err := n.eth.TxPool().Sync(); err != nil {
		return nil, fmt.Errorf("sync pool: %w", err)
	}
	var random common.Hash
	rand.Read(random[:])
	payload, err := n.eth.Miner().BuildPayload(ctx, &miner.BuildPayloadArgs{
		Parent:      n.parent,
		Timestamp:   max(uint64(time.Now().Unix()), parent.Time+1),
		Random:      random,
		Withdrawals: types.Withdrawals{},
		BeaconRoot:  new(common.Hash),
		Version:     engine.PayloadV3,
	}, false)
	if err != nil {
		return nil, fmt.Errorf("build block %d: %w", parent.Number.Uint64()+1, err)
	}
	header, err := n.add(ctx, resolve(payload))
	if err != nil {
		return nil, fmt.Errorf("add block %d: %w", parent.Number.Uint64()+1, err)
	}
	n.parent = header.Hash()
	// The database buffers writes in the process: without this, kill -9 would
	// take back blocks that clients have seen.
	if err := n.eth.ChainDb().SyncKeyValue(); err != nil {
		return nil, fmt.Errorf("sync block %d: %w", header.Number, err)
	}
	// What was left out of this block is pending again when we return.
	return header, n.eth.TxPool().Sync()
}

// add hands a block to the engine as a consensus client does, and makes it the
// head.
func (n *Node) add(ctx context.Context, e *engine.ExecutionPayloadEnvelope) (*types.Header, error) {
	requests := make([]hexutil.Bytes, len(e.Requests))
	for i, r := range e.Requests {
		requests[i] = r
	}
	status, err := n.engine.NewPayloadV4(ctx, *e.ExecutionPayload, []common.Hash{}, new(common.Hash), requests)
	if err != nil {
		return nil, fmt.Errorf("new payload: %w", err)
	}
	if status.Status != engine.VALID {
		return nil, fmt.Errorf("new payload: %s", status.Status)
	}
	header := n.eth.BlockChain().GetHeaderByHash(e.ExecutionPayload.BlockHash)
	return header, n.choose(ctx, header)
}

// choose makes head the head of the canonical chain and moves the safe and the
// finalized block along. The finalized block never moves back.
func (n *Node) choose(ctx context.Context, head *types.Header) error {
	final := n.ancestor(head, n.finality)
	if now := n.Finalized(); now != nil && now.Number.Cmp(final.Number) > 0 {
		final = now
	}
	safe := n.ancestor(head, n.finality/2)
	if safe.Number.Cmp(final.Number) < 0 {
		safe = final
	}
	answer, err := n.engine.ForkchoiceUpdatedV3(ctx, engine.ForkchoiceStateV1{
		HeadBlockHash: head.Hash(), SafeBlockHash: safe.Hash(), FinalizedBlockHash: final.Hash(),
	}, nil)
	if err != nil {
		return fmt.Errorf("forkchoice: %w", err)
	}
	if answer.PayloadStatus.Status != engine.VALID {
		return fmt.Errorf("forkchoice: %s", answer.PayloadStatus.Status)
	}
	return nil
}

// ancestor returns the block depth blocks before h, or the genesis block.
func (n *Node) ancestor(h *types.Header, depth uint64) *types.Header {
	for ; depth > 0 && h.Number.Sign() > 0; depth-- {
		h = n.eth.BlockChain().GetHeader(h.ParentHash, new(big.Int).Sub(h.Number, common.Big1).Uint64())
	}
	return h
}
