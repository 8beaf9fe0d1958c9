package main

import "math/rand/v2"

// fate is what is to become of an operation.
type fate int

const (
	good         fate = iota
	badSignature      // one bit of the signature is wrong
	noFunds           // it pays more than the payer has
	replay            // it ran before: the operation that created the actor's DID
)

// draw is an operation before it is signed: whose it is, whom else it is about,
// and what is to become of it. Accounts are numbers.
type draw struct {
	actor, other int
	fate         fate
}

// deck draws operations of accounts.
type deck struct {
	rng   *rand.Rand
	order []int
	at    int
	apart int // draws between two of one account, at least
	bad   int // one operation in so many is bad; 0: none
	fates []fate
	drawn int
	wrong int
}

// newDeck returns a deck of accounts of which any two draws of the same one have
// at least apart others between them, as far as there are accounts for it. A
// gateway's lanes do the same: no two batches in flight move one account.
func newDeck(rng *rand.Rand, accounts, apart, bad int, fates ...fate) *deck {
	return &deck{rng: rng, order: rng.Perm(accounts), apart: min(apart, accounts*3/4), bad: bad, fates: fates}
}

// next draws an operation. Bad ones come at even distances and take turns.
func (d *deck) next() draw {
	n := len(d.order)
	if d.at == n {
		// The end of one round and the beginning of the next may be in flight
		// together: the accounts of the end keep their places.
		head := d.order[:n-d.apart]
		d.rng.Shuffle(len(head), func(i, j int) { head[i], head[j] = head[j], head[i] })
		d.at = 0
	}
	op := draw{actor: d.order[d.at]}
	d.at++
	op.other = (op.actor + 1 + d.rng.IntN(n-1)) % n
	d.drawn++
	if d.bad > 0 && d.drawn%d.bad == 0 && len(d.fates) > 0 {
		op.fate = d.fates[d.wrong%len(d.fates)]
		d.wrong++
	}
	return op
}
