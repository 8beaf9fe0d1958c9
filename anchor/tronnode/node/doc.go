// Package node is a Tron node for tests and demonstrations: it plays 27 block
// producers that take turns and serves Tron's own gRPC API, the reads of its
// JSON-RPC API and the part of its /wallet API that tronweb needs, with
// java-tron's rules for what a transaction must be, who must sign it, what it
// costs, what the answer to a broadcast is, how long it waits and when its block
// is solidified. Contract code runs in package tvm.
//
// It is a test node and says so (Version). It has no peers, no votes, no staking
// and no TRC-10; a call it does not serve answers Unimplemented, a contract type
// it does not run is refused by name. Its producers' keys are public knowledge.
//
// What a test does to it that real nodes do to their users: Fork has a side chain
// overtake, ProduceEmpty leaves transactions out, Silence keeps producers from
// their turns, Forget loses what waits.
//
// Guarantees: a block is on disk before anyone sees it; after a crash the node
// replays its blocks and refuses to start when one of them does not replay to
// the same result. Transactions that no block holds yet are lost, as on any
// node.
//
// Amounts are sun, times are milliseconds since 1970.
package node

// Version is what the node calls itself.
const Version = "killick-tronnode/1 (test node)"
