package main

import (
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

// ceiling is the number of valid operations a second that the cores would bring
// onto the ledger if they did nothing but sign and verify, hash, encrypt, and
// write to LevelDB (docs/benchmarks.md derives it). It takes from the row how many
// operations are in a transaction, how many keys they write and how many bytes
// they are in blocks. 0: not known.
func (p prices) ceiling(r row, cores int) float64 {
	if p.err != nil || r.valid == 0 {
		return 0
	}
	peers, orderers, endorsers := float64(r.organisations), float64(r.organisations), float64(r.endorsements)
	sign, verify := p.p256Sign.Seconds(), p.p256Verify.Seconds()
	scale := p.levelPut.Seconds() / refLevelPut.Seconds()

	ordering := verify // Raft: one orderer verifies
	if r.ordering == smartBFT {
		ordering = 2 * verify * orderers
	}
	transaction := 2*sign + endorsers*(2*verify+sign) + ordering + peers*(1+endorsers)*verify + peers*ledgerTx.Seconds()*scale

	operations := float64(r.valid + r.refused)
	bytes := float64(r.blockBytes) / operations
	hops := endorsers + orderers + (orderers - 1) + peers + 1
	passes := 2*endorsers + 3*orderers + 5*peers
	operation := peers*ledgerKey.Seconds()*scale*float64(r.writes)/operations + bytes*(hops*p.tlsByte+passes*p.hashByte)/1e9
	if r.plain == "" {
		operation += endorsers * (p.signature(r.algorithm, r.batch).Seconds() + codec.Seconds()*p.p256Verify.Seconds()/refP256.Seconds())
	}
	return float64(cores) / (transaction/float64(r.batch) + operation) * float64(r.valid) / operations
}

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
