package log

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"math/bits"

	"github.com/killick-ledger/killick/chaincode/canon"
)

// PayoutProof shows that a payee has a leaf in the Merkle-sum tree whose root the
// bundle's write states, and where the vault made that root active
// (docs/formats/payout.md).
type PayoutProof struct {
	Payee      canon.Account
	Cumulative uint64 // micro-units, below 2^63
	Levels     []SumLevel
	Activated  Landing
}

// SumLevel is one sibling on the way from the leaf to the root.
type SumLevel struct {
	Left bool // the sibling is on the left
	Node SumNode
}

// SumNode is a node of the Merkle-sum tree.
type SumNode struct {
	Sum  Sum
	Hash Hash
}

// Sum is an unsigned 128-bit total of micro-units.
type Sum struct{ Hi, Lo uint64 }

func (s Sum) bytes() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, s.Hi), s.Lo)
}

func sumOf(b []byte) Sum {
	return Sum{Hi: binary.BigEndian.Uint64(b), Lo: binary.BigEndian.Uint64(b[8:])}
}

// String writes decimal digits.
func (s Sum) String() string { return new(big.Int).SetBytes(s.bytes()).String() }

// join returns the node above two nodes; ok is false when the sum overflows.
func join(l, r SumNode) (n SumNode, ok bool) {
	lo, carry := bits.Add64(l.Sum.Lo, r.Sum.Lo, 0)
	hi, carry := bits.Add64(l.Sum.Hi, r.Sum.Hi, carry)
	n.Sum = Sum{Hi: hi, Lo: lo}
	n.Hash = canon.Keccak([]byte{1}, l.Sum.bytes(), l.Hash[:], r.Sum.bytes(), r.Hash[:])
	return n, carry == 0
}

// root climbs from the payee's leaf.
func (p *PayoutProof) root(vault, token canon.Account, logID Hash) (SumNode, error) {
	number, err := canon.ChainNumber(vault.Chain)
	if err != nil {
		return SumNode{}, err
	}
	if p.Payee.Chain != vault.Chain {
		return SumNode{}, fmt.Errorf("payee is on %s, the vault on %s", p.Payee.Chain, vault.Chain)
	}
	domain := canon.LeafDomain(number, vault.Address, token.Address, logID)
	n := SumNode{Sum: Sum{Lo: p.Cumulative}}
	n.Hash = canon.Keccak([]byte{0}, domain[:], p.Payee.Address[:], n.Sum.bytes())
	for _, level := range p.Levels {
		l, r := n, level.Node
		if level.Left {
			l, r = r, l
		}
		var ok bool
		if n, ok = join(l, r); !ok {
			return SumNode{}, fmt.Errorf("sums of the payee's path overflow")
		}
	}
	return n, nil
}

// path writes a letter for each level, L when the sibling is on the left, and the
// siblings in one piece.
func (p *PayoutProof) path() string {
	var sides, nodes []byte
	for _, l := range p.Levels {
		side := byte('R')
		if l.Left {
			side = 'L'
		}
		sides = append(sides, side)
		nodes = append(append(nodes, l.Node.Sum.bytes()...), l.Node.Hash[:]...)
	}
	return string(sides) + " " + b64(nodes)
}

const sumNodeSize = 16 + 32

func (l *lines) levels(sides, encoded string) (out []SumLevel) {
	nodes := l.base64(encoded)
	if l.err == nil && (len(sides) == 0 || len(sides) > maxPath || len(nodes) != len(sides)*sumNodeSize) {
		l.err = fmt.Errorf("a payee path of %d sides and %d bytes", len(sides), len(nodes))
	}
	if l.err != nil {
		return nil
	}
	for i := range len(sides) {
		at := nodes[i*sumNodeSize:]
		if sides[i] != 'L' && sides[i] != 'R' {
			l.err = fmt.Errorf("side %q in a payee path", sides[i])
			return nil
		}
		out = append(out, SumLevel{Left: sides[i] == 'L', Node: SumNode{Sum: sumOf(at), Hash: Hash(at[16:48])}})
	}
	return out
}
