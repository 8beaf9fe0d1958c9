package reward

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sort"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// Subtrees is the number of subtrees of a payout tree.
const Subtrees = 256

// Payee is one leaf: all that was ever assigned to an address in a vault.
type Payee struct {
	Address    [20]byte
	Cumulative Amount
}

// Node is a node of a Merkle-sum tree (docs/formats/payout.md): the hash and
// the sum below it. The zero Node is the empty subtree.
type Node struct {
	Sum  Sum
	Hash [32]byte
}

// Leaf returns the node of a payee.
func Leaf(domain [32]byte, p Payee) Node {
	sum := Sum{Lo: uint64(p.Cumulative)}
	return Node{sum, canon.Keccak([]byte{0}, domain[:], p.Address[:], sum.Bytes())}
}

// Join returns the node above two nodes.
func Join(left, right Node) Node {
	return Node{
		left.Sum.Add(right.Sum),
		canon.Keccak([]byte{1}, left.Sum.Bytes(), left.Hash[:], right.Sum.Bytes(), right.Hash[:]),
	}
}

// SubtreeOf returns the index of the subtree that an address belongs to.
func SubtreeOf(address [20]byte) byte {
	h := canon.Keccak(address[:])
	return h[0]
}

// SortPayees puts the payees of one subtree in the order of its leaves.
func SortPayees(payees []Payee) {
	type keyed struct {
		hash  [32]byte
		payee Payee
	}
	order := make([]keyed, len(payees))
	for i, p := range payees {
		order[i] = keyed{canon.Keccak(p.Address[:]), p}
	}
	sort.Slice(order, func(i, j int) bool { return bytes.Compare(order[i].hash[:], order[j].hash[:]) < 0 })
	for i, k := range order {
		payees[i] = k.payee
	}
}

// Subtree returns the node above the sorted payees of one subtree.
func Subtree(domain [32]byte, payees []Payee) Node {
	switch len(payees) {
	case 0:
		return Node{}
	case 1:
		return Leaf(domain, payees[0])
	}
	k := split(len(payees))
	return Join(Subtree(domain, payees[:k]), Subtree(domain, payees[k:]))
}

// split returns the largest power of two below n, for n > 1.
func split(n int) int {
	k := 1
	for k*2 < n {
		k *= 2
	}
	return k
}

// Root returns the node above all subtrees.
func Root(subtrees *[Subtrees]Node) Node {
	level := slices.Clone(subtrees[:])
	for len(level) > 1 {
		for i := range len(level) / 2 {
			level[i] = Join(level[2*i], level[2*i+1])
		}
		level = level[:len(level)/2]
	}
	return level[0]
}

// Step is one sibling on the way from a leaf to the root.
type Step struct {
	Sibling Node
	Left    bool // the sibling is on the left
}

// Prove returns the way from the payee with the address to the root, given the
// sorted payees of its subtree and all subtrees. Errors: fault.NotFound.
func Prove(domain [32]byte, address [20]byte, payees []Payee, subtrees *[Subtrees]Node) ([]Step, error) {
	at := slices.IndexFunc(payees, func(p Payee) bool { return p.Address == address })
	if at < 0 {
		return nil, fault.New(fault.NotFound, "the address has no leaf")
	}
	steps := proveIn(domain, payees, at)
	level := slices.Clone(subtrees[:])
	for i := int(SubtreeOf(address)); len(level) > 1; i /= 2 {
		steps = append(steps, Step{level[i^1], i&1 == 1})
		for j := range len(level) / 2 {
			level[j] = Join(level[2*j], level[2*j+1])
		}
		level = level[:len(level)/2]
	}
	return steps, nil
}

func proveIn(domain [32]byte, payees []Payee, at int) []Step {
	if len(payees) == 1 {
		return nil
	}
	k := split(len(payees))
	if at < k {
		return append(proveIn(domain, payees[:k], at), Step{Subtree(domain, payees[k:]), false})
	}
	return append(proveIn(domain, payees[k:], at-k), Step{Subtree(domain, payees[:k]), true})
}

// Climb returns the root that a leaf and its steps lead to.
func Climb(leaf Node, steps []Step) Node {
	for _, s := range steps {
		if s.Left {
			leaf = Join(s.Sibling, leaf)
		} else {
			leaf = Join(leaf, s.Sibling)
		}
	}
	return leaf
}

// Domain returns the leaf domain of a vault: both are CAIP-10 ids.
// Errors: fault.InvalidValue.
func Domain(vault, token string, logID [32]byte) ([32]byte, error) {
	v, err := canon.ParseAccount(vault)
	if err != nil {
		return [32]byte{}, err
	}
	t, err := canon.ParseAccount(token)
	if err != nil {
		return [32]byte{}, err
	}
	number, err := canon.ChainNumber(v.Chain)
	if err != nil {
		return [32]byte{}, err
	}
	return canon.LeafDomain(number, v.Address, t.Address, logID), nil
}

// trees is the stored state of a vault's tree: the epoch of its last root and
// each subtree with its number of leaves, so that only what changed is hashed.
type trees struct {
	epoch  uint64
	nodes  [Subtrees]Node
	leaves [Subtrees]uint32
}

func (t *trees) total() (sum Sum, leaves uint32) {
	for i := range t.nodes {
		sum = sum.Add(t.nodes[i].Sum)
		leaves += t.leaves[i]
	}
	return sum, leaves
}

func (t *trees) encode() []byte {
	r := canon.NewRecord(treesType).U64(t.epoch)
	for i := range t.nodes {
		r.Fixed(t.nodes[i].Sum.Bytes()).Fixed(t.nodes[i].Hash[:]).U32(t.leaves[i])
	}
	return r.Bytes()
}

func decodeTrees(value []byte) (*trees, error) {
	t := new(trees)
	if value == nil {
		return t, nil
	}
	const node = 16 + 32 + 4
	r := canon.OpenRecord(value, treesType)
	t.epoch = r.U64()
	b := r.Fixed(Subtrees * node)
	if err := r.Done(); err != nil {
		return nil, err
	}
	for i := range t.nodes {
		at := b[i*node:]
		t.nodes[i] = Node{SumOf(at), [32]byte(at[16:48])}
		t.leaves[i] = binary.BigEndian.Uint32(at[48:])
	}
	return t, nil
}
