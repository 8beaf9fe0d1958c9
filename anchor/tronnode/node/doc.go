// Package node is a Tron node for tests and demonstrations: one block producer
// that serves Tron's own gRPC API, the reads of its JSON-RPC API and a few
// /wallet reads, with java-tron's rules for what a transaction must be, what it
// costs and what the answer to a broadcast is. Contract code runs in package
// tvm.
//
// It is a test node and says so (Version). It has no peers, no votes, no
// staking, no TRC-10 and no permissions other than the default ones; a call it
// does not serve answers Unimplemented, a contract type it does not run is
// refused by name. Its witness key is public knowledge.
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
