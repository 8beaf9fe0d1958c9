package node

import "github.com/ethereum/go-ethereum/common"

// For tests of what has vectors elsewhere.
var (
	BlockID    = blockID
	MerkleRoot = merkleRoot
)

// BlockID returns the id of a block of the chain.
func (c *Chain) BlockID(number uint64) common.Hash { return c.blocks[number].id }
