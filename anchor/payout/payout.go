// Package payout turns a folded epoch into what members sign and what payees
// claim: from the cumulative totals of a vault it recomputes the Merkle-sum root
// that chaincode wrote, checks that sums and numbers agree and that nothing
// shrinks, and makes the proof for one payee. Amounts are micro-units of the
// ledger's asset, which are base units of the vault's token.
//
// It trusts no root that it has not recomputed, reads no chain and holds no key.
// docs/formats/payout.md specifies trees, records and digests.
package payout

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// ErrNoLeaf is returned for an address that a tree does not hold.
var ErrNoLeaf = errors.New("the address has no leaf in this epoch")

// Root is the root of an epoch of one vault as chaincode wrote it, once.
type Root = reward.PayoutRoot

// Payee is a leaf: all that was ever assigned to an address in a vault.
type Payee = reward.Payee

// ParseRoot reads the value of a key epoch/<vault>/<number>/<attempt>.
func ParseRoot(value []byte) (Root, error) {
	r, err := reward.DecodeRoot(value)
	if err != nil {
		return Root{}, fmt.Errorf("payout root: %w", err)
	}
	return *r, nil
}

const (
	reserveType = 0x34
	totalType   = 0x41
)

// ParseTotal reads the value of a key total/<vault>/<subtree>/<address>.
func ParseTotal(value []byte) (reward.Amount, error) { return parseAmount(totalType, value) }

// ParseReserve reads the value of a key reserve/<vault>/<msp id>.
func ParseReserve(value []byte) (reward.Amount, error) { return parseAmount(reserveType, value) }

func parseAmount(typ byte, value []byte) (reward.Amount, error) {
	r := canon.OpenRecord(value, typ)
	amount := r.U64()
	if err := r.Done(); err != nil {
		return 0, fmt.Errorf("payout amount: %w", err)
	}
	if amount > math.MaxInt64 {
		return 0, fmt.Errorf("payout amount: %d is more than 2^63-1", amount)
	}
	return reward.Amount(amount), nil
}

// Vault names a payout contract and the token it pays in, both as CAIP-10 ids,
// and the log whose members sign for it.
type Vault struct {
	ID    string
	Token string
	LogID [32]byte
}

// Domain returns what sets the leaves of this vault apart from all others.
func (v Vault) Domain() ([32]byte, error) {
	d, err := reward.Domain(v.ID, v.Token, v.LogID)
	if err != nil {
		return d, fmt.Errorf("domain of vault %s: %w", v.ID, err)
	}
	return d, nil
}

// Follows reports as an error when next may not be signed after last, which is
// zero before the first: a vault's epochs grow, and its total never falls.
func Follows(last, next Root) error {
	switch {
	case next.Epoch < last.Epoch || next.Epoch == last.Epoch && next.Attempt < last.Attempt:
		return fmt.Errorf("epoch %d, attempt %d, after epoch %d, attempt %d", next.Epoch, next.Attempt, last.Epoch, last.Attempt)
	case next.Epoch == last.Epoch && next.Attempt == last.Attempt && next != last:
		return fmt.Errorf("two roots for epoch %d, attempt %d", next.Epoch, next.Attempt)
	case next.Total.Cmp(last.Total) < 0:
		return fmt.Errorf("the total falls from %s in epoch %d to %s in epoch %d", last.Total, last.Epoch, next.Total, next.Epoch)
	}
	return nil
}

// Digest returns what K members sign for an epoch of a vault. setHash identifies
// the member set of setVersion to contracts.
func Digest(v Vault, setVersion uint64, setHash [32]byte, e Root) ([32]byte, error) {
	account, err := canon.ParseAccount(v.ID)
	if err != nil {
		return [32]byte{}, fmt.Errorf("payout digest: vault: %w", err)
	}
	number, err := canon.ChainNumber(account.Chain)
	if err != nil {
		return [32]byte{}, fmt.Errorf("payout digest: vault: %w", err)
	}
	if e.Total.Hi != 0 {
		return [32]byte{}, fmt.Errorf("payout digest: total %s is more than 2^64-1", e.Total)
	}
	return canon.PayoutDigest(number, account.Address, v.LogID, setVersion, setHash, e.Epoch, e.Root, e.Total.Lo), nil
}

// Tree is the Merkle-sum tree of a vault's cumulative totals.
type Tree struct {
	domain   [32]byte
	subtrees [reward.Subtrees][]Payee
	nodes    [reward.Subtrees]reward.Node
	root     reward.Node
	leaves   int
}

// Build makes the tree of payees, in whatever order they come. It refuses an
// address that comes twice.
func Build(v Vault, payees []Payee) (*Tree, error) {
	domain, err := v.Domain()
	if err != nil {
		return nil, err
	}
	t := &Tree{domain: domain, leaves: len(payees)}
	seen := make(map[[20]byte]bool, len(payees))
	for _, p := range payees {
		if seen[p.Address] || p.Cumulative < 0 {
			return nil, fmt.Errorf("tree of vault %s: address %x comes twice, or its total is negative", v.ID, p.Address)
		}
		seen[p.Address] = true
		i := reward.SubtreeOf(p.Address)
		t.subtrees[i] = append(t.subtrees[i], p)
	}
	for i := range t.subtrees {
		reward.SortPayees(t.subtrees[i])
		t.nodes[i] = reward.Subtree(domain, t.subtrees[i])
	}
	t.root = reward.Root(&t.nodes)
	return t, nil
}

// Root returns the root with the sum of all leaves.
func (t *Tree) Root() reward.Node { return t.root }

// Matches reports as an error when the epoch that chaincode wrote is not that of
// this tree.
func (t *Tree) Matches(e Root) error {
	switch {
	case t.root.Hash != e.Root:
		return fmt.Errorf("epoch %d: the root on the ledger is %x, the leaves give %x", e.Epoch, e.Root, t.root.Hash)
	case t.root.Sum != e.Total:
		return fmt.Errorf("epoch %d: the total on the ledger is %s, the leaves give %s", e.Epoch, e.Total, t.root.Sum)
	case uint64(t.leaves) != uint64(e.Leaves):
		return fmt.Errorf("epoch %d: %d leaves on the ledger, %d here", e.Epoch, e.Leaves, t.leaves)
	}
	return nil
}

// Claim is what a payee, or anyone for a payee, shows to the vault. Levels holds
// 48 bytes for each sibling from leaf to root, its sum and its hash; bit i of
// Sides is 1 when sibling i is on the left.
type Claim struct {
	Payee      [20]byte
	Cumulative reward.Amount
	Sides      *big.Int
	Levels     []byte
}

// Claim returns the claim of an address, or ErrNoLeaf.
func (t *Tree) Claim(address [20]byte) (Claim, error) {
	payees := t.subtrees[reward.SubtreeOf(address)]
	at := slices.IndexFunc(payees, func(p Payee) bool { return p.Address == address })
	if at < 0 {
		return Claim{}, ErrNoLeaf
	}
	steps, err := reward.Prove(t.domain, address, payees, &t.nodes)
	if err != nil {
		return Claim{}, fmt.Errorf("claim of %x: %w", address, err)
	}
	c := Claim{Payee: address, Cumulative: payees[at].Cumulative, Sides: new(big.Int)}
	for i, s := range steps {
		if s.Left {
			c.Sides.SetBit(c.Sides, i, 1)
		}
		c.Levels = append(append(c.Levels, s.Sibling.Sum.Bytes()...), s.Sibling.Hash[:]...)
	}
	return c, nil
}

const levelSize = 16 + 32

// Verify reports as an error when the claim does not lead to the epoch's root
// and total. It computes what the vault computes.
func (c Claim) Verify(v Vault, e Root) error {
	domain, err := v.Domain()
	if err != nil {
		return err
	}
	if c.Sides == nil || c.Cumulative < 0 || len(c.Levels)%levelSize != 0 ||
		c.Sides.Sign() < 0 || c.Sides.BitLen() > len(c.Levels)/levelSize {
		return errors.New("claim: malformed")
	}
	var steps []reward.Step
	for i := 0; i*levelSize < len(c.Levels); i++ {
		level := c.Levels[i*levelSize:]
		steps = append(steps, reward.Step{
			Sibling: reward.Node{Sum: reward.SumOf(level), Hash: [32]byte(level[16:levelSize])},
			Left:    c.Sides.Bit(i) == 1,
		})
	}
	leaf := reward.Leaf(domain, reward.Payee{Address: c.Payee, Cumulative: c.Cumulative})
	if got := reward.Climb(leaf, steps); got.Hash != e.Root || got.Sum != e.Total {
		return fmt.Errorf("claim of %x: leads to root %x with total %s, not to that of epoch %d", c.Payee, got.Hash, got.Sum, e.Epoch)
	}
	return nil
}
