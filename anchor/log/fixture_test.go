package log_test

import (
	"bytes"
	"crypto/sha256"
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
type fixture struct {
	consortium
	*log.Log
	blocks []*block.Block
	id     [32]byte
	note   []byte
	payout paying
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
	l := &fixture{Log: open(t, t.TempDir()), blocks: chain(5)}
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
	root, err := l.Root(5)
	if err != nil {
		t.Fatal(err)
	}
	cp := log.Checkpoint{Network: network, LogID: l.id, Size: 5, Root: root, Time: 1_790_000_000}
	l.note = l.consortium.note(t, cp, 0, 1, 3)
	return l
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
			`","digest":"ab","validFrom":1790000000,"validUntil":1890000000,"evidence":"oracle","endorser":"did:example:oracle","list":2,"index":131071,"status":"revoked","version":2,"by":"` + opRef + `"}`)},
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
	e := log.Evidence{SetVersion: 1, Note: l.note}
	for i := range l.Chains {
		c, _ := l.AnchorLog(l.Chains[len(l.Chains)-1-i].ID)
		e.Anchors = append(e.Anchors, log.Anchor{Contract: c, Size: 5, Landing: landing(byte(len(c.Chain)))})
	}
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

// reading is what an honest node of the chain answers about the honest bundle.
func (l *fixture) reading(chain string) log.Reading {
	root, _ := l.Root(5)
	number, _ := canon.ChainNumber(chain)
	at := landing(byte(len(chain)))
	r := log.Reading{ChainNumber: number, Final: 200, LogID: l.id, SetHash: l.Set().Hash(), Root: root}
	r.Anchored = []log.Event{{Landing: landing(99), Root: root}, {Landing: at, Root: root}}
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
	checks := b.Verify(l.Policy)
	for _, c := range l.Chains {
		checks = append(checks, b.CheckReading(l.Policy, c.ID, l.reading(c.ID))...)
	}
	return log.Worst(checks)
}

func marshal(t testing.TB, b *log.Bundle) []byte {
	t.Helper()
	data, err := b.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}
