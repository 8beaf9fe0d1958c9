package node

// For tests of what has vectors elsewhere.
var (
	BlockID    = blockID
	MerkleRoot = merkleRoot
)
