package log_test

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/mr-tron/base58"
)

const (
	opID  = "4f" + "00112233445566778899aabbccddeeff00112233445566778899aabbccddee"
	opRef = "00078f3a-" + opID
	evm   = "eip155:1337"
	tron  = "tron:0x2b6653dc"
)

var (
	owner = bytes.Repeat([]byte{5}, 20)
	payee = bytes.Repeat([]byte{6}, 20)
)

func did(id []byte) string { return "did:killick:" + network + ":" + base58.Encode(id) }

// paying is a tree of one payee, as wide as the vault's own: eight empty
// subtrees on the way.
type paying struct {
	vault, token, payee canon.Account
	cumulative          uint64
}

func (p paying) prove(logID [32]byte) (root [32]byte, left []bool, sums [][16]byte, hashes [][32]byte) {
	number, _ := canon.ChainNumber(p.vault.Chain)
	domain := canon.LeafDomain(number, p.vault.Address, p.token.Address, logID)
	var sum, zero [16]byte
	for i := range 8 {
		sum[15-i] = byte(p.cumulative >> (8 * i))
	}
	h := canon.Keccak([]byte{0}, domain[:], p.payee.Address[:], sum[:])
	subtree := canon.Keccak(p.payee.Address[:])[0]
	empty := [32]byte{}
	for i := range 8 {
		right := subtree>>i&1 == 1
		left, sums, hashes = append(left, right), append(sums, zero), append(hashes, empty)
		if right {
			h = canon.Keccak([]byte{1}, zero[:], empty[:], sum[:], h[:])
		} else {
			h = canon.Keccak([]byte{1}, sum[:], h[:], zero[:], empty[:])
		}
		empty = canon.Keccak([]byte{1}, zero[:], empty[:], zero[:], empty[:])
	}
	return h, left, sums, hashes
}

// fixture is a log whose block 2 holds one write of each kind that makes a claim.
// Sizes up to 5 are for its first members to sign, those from 6 on for the next.
type fixture struct {
	consortium
	*log.Log
	blocks   []*block.Block
	id       [32]byte
	note     []byte // of size 5
	payout   paying
	next     consortium
	rotation log.Rotation // to next
	later    []byte       // note of size 7, by next
}

func mustAccount(t testing.TB, text string) canon.Account {
	t.Helper()
	a, err := canon.ParseAccount(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	l := &fixture{Log: open(t, t.TempDir()), blocks: chain(7)}
	l.id = l.blocks[0].HeaderHash
	l.consortium = newConsortium(t, l.id, 4, 3)
	l.payout = paying{
		vault: mustAccount(t, l.Chains[1].Vaults[0].ID), token: mustAccount(t, l.Chains[1].Vaults[0].Token),
		payee: canon.Account{Chain: tron, Address: [20]byte(owner)}, cumulative: 12_500_000,
	}
	l.blocks[2].Txs[1].Writes = nil
	for _, w := range l.writes() {
		w.Namespace, w.ValueHash = "killick", sha256.Sum256(w.Value)
		l.blocks[2].Txs[1].Writes = append(l.blocks[2].Txs[1].Writes, w)
	}
	if err := l.Append(l.blocks...); err != nil {
		t.Fatal(err)
	}
	l.note = l.consortium.note(t, l.checkpoint(5), 0, 1, 3)
	l.next = consortiumOf(t, l.id, 2, 3, 0, 1, 2, 4)
	l.rotation = l.consortium.handOver(t, l.next, 6, 0, 1, 3)
	l.later = l.next.note(t, l.checkpoint(7), 0, 2, 3)
	return l
}

// checkpoint is the log's own of a size.
func (l *fixture) checkpoint(size uint64) log.Checkpoint {
	root, err := l.Root(size)
	if err != nil {
		panic(err) // the log has all the sizes that tests ask for
	}
	return log.Checkpoint{Network: network, LogID: l.id, Size: size, Root: root, Time: 1_790_000_000}
}

// handOver is the rotation from the members of c, of whom those numbered sign.
func (c consortium) handOver(t testing.TB, next consortium, from uint64, members ...int) log.Rotation {
	t.Helper()
	set, err := log.NewSet(next.Network, next.LogID(), next.SetVersion, from, next.K, next.Members)
	if err != nil {
		t.Fatal(err)
	}
	r := log.Rotation{Version: set.Version, From: from, K: set.K}
	for _, m := range set.Members {
		if slices.Contains(c.Members, m) {
			m = log.Member{MSP: m.MSP}
		}
		r.Members = append(r.Members, m)
	}
	for _, i := range members {
		r.Signatures = append(r.Signatures, canon.SignDigest(c.secp[i], c.Set().RotationDigest(set)))
	}
	return r
}

func (l *fixture) writes() []block.Write {
	commitment := bytes.Repeat([]byte{7}, 32)
	record := func(status byte, size uint64, schema, location string) []byte {
		return canon.NewRecord(0x21).U8(status).U32(2).Fixed(owner).Fixed(commitment).U64(size).
			U32(0x78f3a).Fixed(bytes.Repeat([]byte{8}, 32)).Var8([]byte(schema)).Var16([]byte(location)).Bytes()
	}
	pay := canon.NewRecord(0).Var8([]byte("usd")).U32(3).Fixed(payee).U64(12_500_000).Fixed(owner).U64(1).Bytes()[2:]
	root, _, _, _ := l.payout.prove(l.id)
	total := canon.NewRecord(0).U64(0).U64(l.payout.cumulative).Bytes()[2:]
	return []block.Write{
		{Key: []byte("record/" + opRef), Value: record(1, 1234, "invoice-v1", "https://example.org/a")},
		{Key: []byte("record/" + strings.Replace(opRef, "4f", "5f", 1)), Value: record(2, 0, "", "")},
		{Key: []byte("op/00078f3a/" + opID), Value: canon.NewRecord(0x10).U8(0).U8(30).Fixed(owner).Fixed(pay).Bytes()},
		{Key: []byte("op/00078f3b/" + opID), Value: canon.NewRecord(0x10).U8(41).U8(30).Fixed(owner).Bytes()},
		{Key: []byte("credential/" + opRef), Value: []byte(`{"issuer":"` + did(owner) + `","schema":"` + opRef +
			`","digest":"` + strings.Repeat("ab", 32) + `","validFrom":1790000000,"validUntil":1890000000,"evidence":"oracle","endorser":"did:example:oracle","list":2,"index":131071,"status":"revoked","version":2,"by":"` + opRef + `"}`)},
		{Key: []byte("schema/" + opRef), Value: []byte(`{"issuer":"` + did(owner) + `","name":"kyc","digest":"cd"}`)},
		{Key: []byte("did/" + base58.Encode(owner)), Value: []byte(`{"id":"` + did(owner) +
			`","version":1,"prior":"","created":"` + opRef + `","createdAt":1790000000,"updated":"` + opRef +
			`","updatedAt":1790000000,"deactivated":false,"deactivation":0,"document":{"recovery":"x"},"root":"` + strings.Repeat("5a", 32) + `"}`)},
		{Key: []byte("epoch/" + l.payout.vault.String() + "/0000000000000003/00000001"),
			Value: canon.NewRecord(0x40).U64(3).U32(1).Fixed(root[:]).Fixed(total).U32(1).Bytes()},
		{Key: []byte("balance/usd/x"), Value: []byte("no claim is made of this")},
		{Key: []byte("grant/" + opRef), Value: canon.NewRecord(0x22).U8(2).U8(1).Fixed(payee).U32(0x78f3a).Fixed(commitment).Fixed(owner).U32(1_890_000_000).U32(3).
			U64(250_000).Var8([]byte("usd")).Var8([]byte("read")).U8(2).Var8([]byte("/lab/2026")).Var8([]byte("/note")).U32(0x78f3b).Fixed(commitment).Bytes()},
		{Key: []byte("use/" + opRef), Value: canon.NewRecord(0x50).U32(0x78f3a).Fixed(commitment).U32(0x78f3b).Fixed(commitment).U32(2).Fixed(commitment).
			Fixed(payee).Fixed(owner).U64(250_000).U32(3).U32(1<<32 - 1).Var8([]byte("read")).Var8([]byte("/lab/2026/blood")).Var8([]byte("usd")).Bytes()},
	}
}

func landing(n byte) log.Landing {
	return log.Landing{Tx: [32]byte{n, 1}, Block: 100 + uint64(n), BlockHash: [32]byte{n, 2}}
}

// bundle builds the bundle of write w of block 2, or of transaction tx of block b.
func (l *fixture) bundle(t testing.TB, b, tx, w int) *log.Bundle {
	t.Helper()
	e := log.Evidence{SetVersion: 1, Note: l.note, Anchors: l.anchors(5)}
	if w >= 0 && strings.HasPrefix(string(l.blocks[b].Txs[tx].Writes[w].Key), "epoch/") {
		_, left, sums, hashes := l.payout.prove(l.id)
		p, err := log.ProvePayee(l.payout.payee, l.payout.cumulative, left, sums, hashes, landing(50))
		if err != nil {
			t.Fatal(err)
		}
		e.Payout = p
	}
	out, err := l.Build(l.blocks[b], tx, w, e)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// anchors say where the chains took a size.
func (l *fixture) anchors(size uint64) (all []log.Anchor) {
	for i := range l.Chains {
		c, _ := l.AnchorLog(l.Chains[len(l.Chains)-1-i].ID)
		all = append(all, log.Anchor{Contract: c, Size: size, Landing: landing(byte(len(c.Chain)) + 5*byte(size-5))})
	}
	return all
}

// rotated builds the bundle of write w of block 2 in the checkpoint of size 7, signed
// by the later members.
func (l *fixture) rotated(t testing.TB, w int, edit ...func(e *log.Evidence)) *log.Bundle {
	t.Helper()
	e := log.Evidence{SetVersion: 2, Rotations: []log.Rotation{l.rotation}, Note: l.later, Anchors: l.anchors(7)}
	for _, f := range edit {
		f(&e)
	}
	out, err := l.Build(l.blocks[2], 1, w, e)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// reading is what an honest node of the chain answers about a size and a set.
func (l *fixture) reading(chain string, size, version uint64) log.Reading {
	number, _ := canon.ChainNumber(chain)
	r := log.Reading{ChainNumber: number, Final: 200, LogID: l.id}
	switch version {
	case 1:
		r.SetHash, r.From, r.Next = l.Set().Hash(), 1, l.rotation.From
	case 2:
		r.SetHash, r.From = l.next.Set().Hash(), l.rotation.From
	}
	if size == 5 || size == 7 {
		r.Root = l.checkpoint(size).Root
		r.Anchored = append(r.Anchored, log.Event{Landing: landing(99), Root: r.Root})
		for _, a := range l.anchors(size) {
			if a.Contract.Chain == chain {
				r.Anchored = append(r.Anchored, log.Event{Landing: a.Landing, Root: r.Root})
			}
		}
	}
	paid, _, _, _ := l.payout.prove(l.id)
	r.Activated = []log.Event{{Landing: landing(50), Root: paid, Total: log.Sum{Lo: l.payout.cumulative}}}
	return r
}

// judge verifies a file offline and against both chains, as they honestly answer
// about the sizes, blocks and epochs that the bundle names.
func (l *fixture) judge(data []byte) log.Status {
	b, err := log.ParseBundle(data)
	if err != nil {
		return log.Failed
	}
	return log.Worst(l.checks(b, l.Policy))
}

func (l *fixture) checks(b *log.Bundle, p *log.Policy) []log.Check {
	checks := b.Verify(p)
	for _, c := range p.Chains {
		checks = append(checks, b.CheckReading(p, c.ID, l.reading(c.ID, b.Note.Size, b.SetVersion))...)
	}
	return checks
}

func marshal(t testing.TB, b *log.Bundle) []byte {
	t.Helper()
	data, err := b.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}
