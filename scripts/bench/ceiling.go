package main

import (
	"fmt"
	"strings"
	"time"
)

// The reference machine of the model, for what cannot be measured without a whole
// peer: Fabric's own ledger took ledgerTx for a transaction and ledgerKey for a
// key of it, LevelDB refLevelPut of those, and Go verified P-256 in refP256.
const (
	ledgerTx    = 37 * time.Microsecond
	ledgerKey   = 8500 * time.Nanosecond
	codec       = 3 * time.Microsecond // decoding and encoding an operation, for each endorser
	refLevelPut = 1700 * time.Nanosecond
	refP256     = 48 * time.Microsecond
)

// shape is what the price of an operation depends on.
type shape struct {
	consortium
	signed    bool // it has a user's signature and is in a batch
	algorithm string
	batch     int
	keys      float64 // written for each operation
	bytes     float64 // in blocks, for each operation
}

// floor is the CPU time of signing and verifying, hashing, encrypting and writing
// to LevelDB alone: what a transaction takes whatever is in it, and what each of
// its operations takes besides, in seconds.
func (p prices) floor(s shape) (transaction, operation float64) {
	peers, orderers, endorsers := float64(s.organisations), float64(s.organisations), float64(s.endorsements)
	sign, verify := p.p256Sign.Seconds(), p.p256Verify.Seconds()
	scale := p.levelPut.Seconds() / refLevelPut.Seconds()

	ordering := verify // Raft: one orderer verifies
	if s.ordering == smartBFT {
		ordering = 2 * verify * orderers
	}
	transaction = 2*sign + endorsers*(2*verify+sign) + ordering + peers*(1+endorsers)*verify + peers*ledgerTx.Seconds()*scale

	hops := endorsers + orderers + (orderers - 1) + peers + 1
	passes := 2*endorsers + 3*orderers + 5*peers
	operation = peers*ledgerKey.Seconds()*scale*s.keys + s.bytes*(hops*p.tlsByte+passes*p.hashByte)/1e9
	if s.signed {
		operation += endorsers * (p.signature(s.algorithm, s.batch).Seconds() + codec.Seconds()*verify/refP256.Seconds())
	}
	return transaction, operation
}

// ceiling is the number of valid operations a second that the cores would bring
// onto the ledger if they did nothing but what is in floor (docs/benchmarks.md
// derives it), with the row's own number of keys and bytes. 0: not known.
func (p prices) ceiling(r row, cores int) float64 {
	if p.err != nil || r.valid == 0 {
		return 0
	}
	operations := float64(r.valid + r.refused)
	transaction, operation := p.floor(shape{
		consortium: r.consortium, signed: r.plain == "", algorithm: r.algorithm, batch: r.batch,
		keys: float64(r.writes) / operations, bytes: float64(r.blockBytes) / operations,
	})
	return float64(cores) / (transaction/float64(r.batch) + operation) * float64(r.valid) / operations
}

// modelTable is the floor of a record for several networks and batches: how it
// grows, where nothing was measured.
func (p prices) modelTable() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Primitives on one core in this run, CPU time: %s.\n\n", p)
	b.WriteString("| ordering | organisations | endorsements | a transaction, us | each record in it, us | batch 1: us a record | 100 | 500 | 1000 |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, ordering := range []string{smartBFT, raft} {
		for _, c := range []consortium{{ordering, 4, 2, 0}, {ordering, 4, 3, 0}, {ordering, 7, 3, 0}, {ordering, 10, 4, 0}, {ordering, 13, 5, 0}} {
			s := shape{consortium: c, signed: true, algorithm: edDSA, batch: 500, keys: 1, bytes: recordBytes}
			transaction, operation := p.floor(s)
			fmt.Fprintf(&b, "| %s | %d | %d | %.0f | %.0f |", ordering, c.organisations, c.endorsements, transaction*1e6, operation*1e6)
			for _, s.batch = range []int{1, 100, 500, 1000} {
				transaction, operation := p.floor(s)
				fmt.Fprintf(&b, " %.0f |", (transaction/float64(s.batch)+operation)*1e6)
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// recordBytes is what a record takes in a block, in a batch of 500.
const recordBytes = 700

// signature is the price of one user's signature in a batch.
func (p prices) signature(algorithm string, batch int) time.Duration {
	switch algorithm {
	case es256:
		return p.es256
	case es256K:
		return p.es256K
	}
	size := 1
	for _, n := range ed25519Sizes {
		if n <= batch {
			size = n
		}
	}
	return p.ed25519[size]
}
