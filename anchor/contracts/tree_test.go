package contracts_test

import (
	"bytes"
	"encoding/binary"
	"math/big"
	"math/bits"
	"slices"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// tree is the payout tree built as its definition reads, without regard to cost:
// the oracle of the contract and of the vectors.
type tree struct {
	domain  [32]byte
	payouts []payout
}

type payout struct {
	payee      [20]byte
	cumulative uint64
	key        [32]byte // keccak256(payee)
}

func pay(to [20]byte, cumulative uint64) payout {
	return payout{to, cumulative, canon.Keccak(to[:])}
}

// sum is a node: what lies below it, and its hash.
type sum struct {
	total *big.Int
	hash  [32]byte
}

func (s sum) bytes() []byte { return append(s.total.FillBytes(make([]byte, 16)), s.hash[:]...) }

// level is a sibling on a path.
type level struct {
	sibling sum
	left    bool
}

func (tr tree) leaf(p payout) [32]byte {
	amount := make([]byte, 16)
	binary.BigEndian.PutUint64(amount[8:], p.cumulative)
	return canon.Keccak([]byte{0}, tr.domain[:], p.payee[:], amount)
}

func parent(left, right sum) sum {
	return sum{new(big.Int).Add(left.total, right.total), canon.Keccak([]byte{1}, left.bytes(), right.bytes())}
}

// node returns the RFC 6962 node over ps and, when of lies in it, its path.
func (tr tree) node(ps []payout, of [20]byte) (sum, []level) {
	switch len(ps) {
	case 0:
		return sum{total: new(big.Int)}, nil
	case 1:
		return sum{new(big.Int).SetUint64(ps[0].cumulative), tr.leaf(ps[0])}, nil
	}
	split := 1 << (bits.Len(uint(len(ps)-1)) - 1)
	l, left := tr.node(ps[:split], of)
	r, right := tr.node(ps[split:], of)
	return join(l, r, left, right, holds(ps[:split], of), holds(ps[split:], of))
}

func join(l, r sum, left, right []level, inLeft, inRight bool) (sum, []level) {
	switch {
	case inLeft:
		return parent(l, r), append(left, level{r, false})
	case inRight:
		return parent(l, r), append(right, level{l, true})
	}
	return parent(l, r), nil
}

func holds(ps []payout, of [20]byte) bool {
	return slices.ContainsFunc(ps, func(p payout) bool { return p.payee == of })
}

// top returns the node over subtrees from .. from+n-1.
func (tr tree) top(from, n int, of [20]byte) (sum, []level) {
	if n == 1 {
		return tr.node(tr.subtree(from), of)
	}
	l, left := tr.top(from, n/2, of)
	r, right := tr.top(from+n/2, n/2, of)
	key := canon.Keccak(of[:])
	at := int(key[0])
	return join(l, r, left, right, from <= at && at < from+n/2, from+n/2 <= at && at < from+n)
}

func (tr tree) subtree(index int) []payout {
	var ps []payout
	for _, p := range tr.payouts {
		if int(p.key[0]) == index {
			ps = append(ps, p)
		}
	}
	slices.SortFunc(ps, func(a, b payout) int { return bytes.Compare(a.key[:], b.key[:]) })
	return ps
}

func (tr tree) epoch(number uint64) contracts.Epoch {
	root, _ := tr.top(0, 256, [20]byte{})
	return contracts.Epoch{Number: number, Root: root.hash, Total: root.total}
}

// claim returns the claim of the i-th payout.
func (tr tree) claim(i int) contracts.Claim {
	p := tr.payouts[i]
	_, path := tr.top(0, 256, p.payee)
	c := contracts.Claim{Payee: p.payee, Cumulative: new(big.Int).SetUint64(p.cumulative), Sides: new(big.Int)}
	for i, l := range path {
		if l.left {
			c.Sides.SetBit(c.Sides, i, 1)
		}
		c.Levels = append(c.Levels, l.sibling.bytes()...)
	}
	return c
}

// payee returns the address of the i-th payee of the tests.
func payee(i int) [20]byte {
	h := canon.Keccak([]byte("payee of the tests"), []byte{byte(i >> 8), byte(i)})
	return [20]byte(h[12:])
}

// payouts returns n payouts that rise by one.
func payouts(n int, first uint64) []payout {
	var ps []payout
	for i := range n {
		ps = append(ps, pay(payee(i), first+uint64(i)))
	}
	return ps
}
