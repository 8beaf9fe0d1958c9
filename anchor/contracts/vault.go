package contracts

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
)

// The first topics of RewardVault's events
// Activated(uint64 indexed epoch, bytes32 root, uint128 total) and
// Claimed(address indexed payee, uint128 amount, uint128 cumulative).
var (
	ActivatedTopic = [32]byte(rewardVault.abi.Events["Activated"].ID)
	ClaimedTopic   = [32]byte(rewardVault.abi.Events["Claimed"].ID)
)

// LevelSize is the length of a level of a claim's path: the sibling's sum, 16
// bytes big-endian, and its hash, 32 bytes.
const LevelSize = 48

// Epoch is an epoch as RewardVault keeps it: the root of its payout tree and the
// sum of all cumulative totals in it.
type Epoch struct {
	Number uint64
	Root   [32]byte
	Total  *big.Int // below 2^128
}

// Claim is a payee's cumulative total with its path: Levels leads from the leaf
// to the root, and bit i of Sides is 1 when sibling i is on the left.
type Claim struct {
	Payee      [20]byte
	Cumulative *big.Int // below 2^128
	Sides      *big.Int
	Levels     []byte
}

// NewRewardVault returns the creation code of a RewardVault for a token, whose
// roots the newest members of an AnchorLog sign. It deploys only on the chain whose
// CHAINID opcode returns chainID.
func NewRewardVault(token [20]byte, chainID *big.Int, anchorLog [20]byte) []byte {
	return rewardVault.create(common.Address(token), chainID, common.Address(anchorLog))
}

// PackActivate returns the calldata that makes an epoch the active one.
func PackActivate(e Epoch, s Signatures) []byte {
	return rewardVault.pack("activate", e.Number, e.Root, e.Total, s.tuple())
}

// PackClaim returns the calldata that pays a claim.
func PackClaim(c Claim) []byte {
	return rewardVault.pack("claim", common.Address(c.Payee), c.Cumulative, c.Sides, c.Levels)
}

// PackActive returns the calldata of the view that UnpackActive reads.
func PackActive() []byte { return rewardVault.pack("active") }

// UnpackActive reads the active epoch; it is zero before the first.
func UnpackActive(data []byte) (Epoch, error) {
	v, err := rewardVault.unpack("active", data)
	if err != nil {
		return Epoch{}, err
	}
	return Epoch{Number: v[0].(uint64), Root: v[1].([32]byte), Total: v[2].(*big.Int)}, nil
}

// PackEpochReached returns the calldata of the view that returns True once this
// epoch or a later one is active.
func PackEpochReached(number uint64) []byte { return rewardVault.pack("reached", number) }

// PackLate returns the calldata of the view that returns True once signatures of the
// set of a version come too late for any epoch: AnchorLog has a newer set, or is frozen.
func PackLate(version uint64) []byte {
	return rewardVault.pack("late", new(big.Int).SetUint64(version))
}

// PackPaid returns the calldata of the view that returns True once the payee has
// been paid this cumulative total or more.
func PackPaid(payee [20]byte, cumulative *big.Int) []byte {
	return rewardVault.pack("paid", common.Address(payee), cumulative)
}

// PackClaimed returns the calldata of the view that returns, as one word, what a
// payee has been paid.
func PackClaimed(payee [20]byte) []byte { return rewardVault.pack("claimed", common.Address(payee)) }

// PackClaimedTotal returns the calldata of the view that returns, as one word,
// the sum of all payments.
func PackClaimedTotal() []byte { return rewardVault.pack("claimedTotal") }

// PackToken returns the calldata of the view that returns the token's address as
// one word.
func PackToken() []byte { return rewardVault.pack("token") }

// PackPayoutDigest returns the calldata of the view that returns, as one word,
// what members of the newest set sign for an epoch.
func PackPayoutDigest(e Epoch) []byte {
	return rewardVault.pack("digest", e.Number, e.Root, e.Total)
}

// PackLeaf returns the calldata of the view that returns, as one word, the leaf
// of a payee's cumulative total.
func PackLeaf(payee [20]byte, cumulative *big.Int) []byte {
	return rewardVault.pack("leaf", common.Address(payee), cumulative)
}

// PackDomain returns the calldata of the view that returns, as one word, what
// sets the leaves of this vault apart.
func PackDomain() []byte { return rewardVault.pack("domain") }

// Claimed is the event of a paid claim.
type Claimed struct {
	Payee      [20]byte
	Amount     *big.Int
	Cumulative *big.Int
}

// ParseClaimed reads a Claimed event from a log's topics and data.
func ParseClaimed(topics [][32]byte, data []byte) (Claimed, error) {
	if len(topics) != 2 || topics[0] != ClaimedTopic || len(data) != 64 {
		return Claimed{}, fmt.Errorf("not a Claimed event: %d topics, %d bytes", len(topics), len(data))
	}
	return Claimed{
		Payee:      [20]byte(topics[1][12:]),
		Amount:     new(big.Int).SetBytes(data[:32]),
		Cumulative: new(big.Int).SetBytes(data[32:]),
	}, nil
}
