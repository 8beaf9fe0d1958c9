package log_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/mr-tron/base58"
	"github.com/transparency-dev/formats/proof"
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
	record := func(status byte, schema, location string) []byte {
		return canon.NewRecord(0x21).U8(status).U32(2).Fixed(owner).Fixed(commitment).U64(1234).
			U32(0x78f3a).Fixed(bytes.Repeat([]byte{8}, 32)).Var8([]byte(schema)).Var16([]byte(location)).Bytes()
	}
	pay := canon.NewRecord(0).Var8([]byte("usd")).U64(3).U16(2).Fixed(payee).U64(12_500_000).Fixed(owner).U64(1).Bytes()[2:]
	root, _, _, _ := l.payout.prove(l.id)
	total := canon.NewRecord(0).U64(0).U64(l.payout.cumulative).Bytes()[2:]
	return []block.Write{
		{Key: []byte("record/" + opRef), Value: record(1, "invoice-v1", "https://example.org/a")},
		{Key: []byte("record/" + strings.Replace(opRef, "4f", "5f", 1)), Value: record(2, "", "")},
		{Key: []byte("op/00078f3a/" + opID), Value: canon.NewRecord(0x10).U8(0).U8(30).Fixed(owner).Var16(pay).Bytes()},
		{Key: []byte("op/00078f3b/" + opID), Value: canon.NewRecord(0x10).U8(41).U8(30).Fixed(owner).Var16(nil).Bytes()},
		{Key: []byte("credential/" + opRef), Value: []byte(`{"issuer":"` + did(owner) + `","schema":"` + opRef +
			`","digest":"ab","validFrom":1790000000,"validUntil":1890000000,"evidence":"oracle","status":"revoked","version":2,"by":"` + opRef + `"}`)},
		{Key: []byte("schema/" + opRef), Value: []byte(`{"issuer":"` + did(owner) + `","name":"kyc","digest":"cd"}`)},
		{Key: []byte("did/" + base58.Encode(owner)), Value: []byte(`{"id":"` + did(owner) +
			`","version":1,"prior":"","created":"` + opRef + `","updated":"` + opRef +
			`","deactivated":false,"document":{"recovery":"x"},"links":["` + account(evm, 1) + `"],"payout":"eip155:1337"}`)},
		{Key: []byte("epoch/" + l.payout.vault.String() + "/0000000000000003/00000001"),
			Value: canon.NewRecord(0x40).U64(3).U32(1).Fixed(root[:]).Fixed(total).U32(1).Bytes()},
		{Key: []byte("balance/usd/x"), Value: []byte("no claim is made of this")},
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
	r := log.Reading{ChainNumber: number, Final: 200, LogID: l.id, SetHash: l.SetHash(), Root: root}
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

func TestBundles(t *testing.T) {
	l := newFixture(t)
	tests := []struct {
		kind  string
		write int
		want  []string
	}{
		{log.KindRecord, 0, []string{"record " + opRef, "status live", "version 2", "owner " + did(owner), "schema invoice-v1", "location https://example.org/a"}},
		{log.KindRecord, 1, []string{"status deleted"}},
		{log.KindPayment, 2, []string{"operation " + opRef, "actor " + did(owner), "asset usd", "epoch 3", "pay " + did(payee) + " 12.5", "pay " + did(owner) + " 0.000001", "total 12.500001"}},
		{log.KindOperation, 3, []string{"name reward.pay", "result refused-41"}},
		{log.KindCredential, 4, []string{"status revoked", "valid-from 2026-09-21T14:13:20Z"}},
		{log.KindSchema, 5, []string{"name kyc"}},
		{log.KindDID, 6, []string{"did " + did(owner), "status active", "link " + account(evm, 1)}},
		{log.KindPayout, 7, []string{"epoch 3", "attempt 1", "total 12.5", "cumulative 12.5", "payee " + canon.Account{Chain: tron, Address: [20]byte(owner)}.String()}},
		{log.KindTransaction, log.NoWrite, []string{"block 2"}},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.kind, tt.write), func(t *testing.T) {
			b := l.bundle(t, 2, 1, tt.write)
			data := marshal(t, b)
			if got := l.judge(data); got != log.Passed {
				t.Errorf("verdict %v: %+v", got, b.Verify(l.Policy))
			}
			back, err := log.ParseBundle(data)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(b, back); d != "" {
				t.Error(d)
			}
			claim, err := b.Claim()
			if err != nil {
				t.Fatal(err)
			}
			if claim.Kind != tt.kind || !strings.HasSuffix(claim.Sentence, ", as of block 2") {
				t.Errorf("kind %s, %q", claim.Kind, claim.Sentence)
			}
			for _, want := range append(tt.want, "claim "+tt.kind, "network "+network, "checkpoint 5 2026-09-21T14:13:20Z") {
				if !bytes.Contains(data, []byte("\n"+want)) {
					t.Errorf("no line %q in\n%s", want, data)
				}
			}
			var p proof.TLogProof
			if err := p.Unmarshal(data[bytes.Index(data, []byte("c2sp.org/")):]); err != nil || p.Index != 2 {
				t.Errorf("the tail is no tlog-proof: %v", err)
			}
		})
	}
}

// A transaction that Fabric refused can be shown to be in the log; it is never
// verified.
func TestInvalidTransaction(t *testing.T) {
	l := newFixture(t)
	b := l.bundle(t, 3, 3, log.NoWrite)
	data := marshal(t, b)
	if !bytes.Contains(data, []byte(" MVCC_READ_CONFLICT\n")) {
		t.Errorf("the code is not named in\n%s", data)
	}
	for _, c := range b.Verify(l.Policy) {
		want := log.Passed
		if c.Name == "validation" {
			want = log.Failed
		}
		if c.Status != want {
			t.Errorf("%s: %s, %s", c.Name, c.Status, c.Text)
		}
	}
	if got := l.judge(data); got != log.Failed {
		t.Errorf("verdict %v", got)
	}
}

// No byte of a bundle can be changed, dropped or added without failing.
func TestEveryByteCounts(t *testing.T) {
	l := newFixture(t)
	for round, write := range []int{7, log.NoWrite} {
		data := marshal(t, l.bundle(t, 2, 1, write))
		if l.judge(data) != log.Passed {
			t.Fatal("the honest bundle does not pass")
		}
		if len(data) > 6<<10 {
			t.Errorf("%d bytes", len(data))
		}
		for i := range data {
			for _, mask := range []byte{0x01, 0x20} {
				bad := bytes.Clone(data)
				bad[i] ^= mask
				// A block number that grows is beyond the final head: not refuted, and
				// not verified.
				if got := l.judge(bad); got == log.Passed {
					t.Errorf("write %d, byte %d (%q to %q): %v", write, i, data[i], bad[i], got)
				}
				if round > 0 {
					break // one change is enough where the first kind had all three
				}
			}
			if round == 0 && l.judge(append(bytes.Clone(data[:i]), data[i+1:]...)) == log.Passed {
				t.Errorf("write %d: byte %d (%q) can be dropped", write, i, data[i])
			}
		}
		if l.judge(append(bytes.Clone(data), '\n')) != log.Failed {
			t.Error("a line break can be added")
		}
	}
}

func TestReadings(t *testing.T) {
	l := newFixture(t)
	b := l.bundle(t, 2, 1, 7)
	tests := []struct {
		name, want string
		edit       func(r *log.Reading)
	}{
		{"another chain", "serves chain", func(r *log.Reading) { r.ChainNumber++ }},
		{"another log", "holds log", func(r *log.Reading) { r.LogID[0]++ }},
		{"another set", "member set", func(r *log.Reading) { r.SetHash[0]++ }},
		{"not on chain", "no checkpoint of size 5", func(r *log.Reading) { r.Root = [32]byte{} }},
		{"another root", "another root for size", func(r *log.Reading) { r.Root[0]++ }},
		{"no event", "recorded nothing", func(r *log.Reading) { r.Anchored = r.Anchored[:1] }},
		{"event of another root", "recorded another root", func(r *log.Reading) { r.Anchored[1].Root[0]++ }},
		{"not final", "not final", func(r *log.Reading) { r.Final = 10 }},
		{"not activated", "activated no epoch", func(r *log.Reading) { r.Activated = nil }},
		{"another total", "another root or total", func(r *log.Reading) { r.Activated[0].Total.Hi++ }},
		{"another payout root", "another root or total", func(r *log.Reading) { r.Activated[0].Root[0]++ }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := l.reading(tron)
			tt.edit(&r)
			checks := b.CheckReading(l.Policy, tron, r)
			text := fmt.Sprint(checks)
			want := log.Failed
			if tt.name == "not final" || tt.name == "another chain" {
				want = log.Unchecked
			}
			if log.Worst(checks) != want || !strings.Contains(text, tt.want) {
				t.Errorf("got %s", text)
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	l := newFixture(t)
	tests := []struct {
		check string
		edit  func(b *log.Bundle, p *log.Policy)
	}{
		{"log", func(b *log.Bundle, p *log.Policy) { p.Network = "other-0011223344556677" }},
		{"log", func(b *log.Bundle, p *log.Policy) { b.SetVersion = 2 }},
		{"log", func(b *log.Bundle, p *log.Policy) { b.Block.LogID[0]++ }},
		{"write", func(b *log.Bundle, p *log.Policy) { b.Write.Value = b.Write.Value[1:] }},
		{"write", func(b *log.Bundle, p *log.Policy) { b.Write.Index++ }},
		{"write", func(b *log.Bundle, p *log.Policy) { b.Write.Path = b.Write.Path[1:] }},
		{"transaction", func(b *log.Bundle, p *log.Policy) { b.Tx.Writes++ }},
		{"transaction", func(b *log.Bundle, p *log.Policy) { b.Tx.EnvelopeHash[0]++ }},
		{"transaction", func(b *log.Bundle, p *log.Policy) { b.Tx.Index = 7 }},
		{"block", func(b *log.Bundle, p *log.Policy) { b.Block.FlagsHash[0]++ }},
		{"block", func(b *log.Bundle, p *log.Policy) { b.Path[0][0]++ }},
		{"cosignatures", func(b *log.Bundle, p *log.Policy) { b.Note.Lines = b.Note.Lines[:2] }},
		{"cosignatures", func(b *log.Bundle, p *log.Policy) { b.Note.Time++ }},
		{"cosignatures", func(b *log.Bundle, p *log.Policy) { b.Note.Lines[1] = b.Note.Lines[0] }},
		{"anchors", func(b *log.Bundle, p *log.Policy) { b.Anchors[0].Size-- }},
		{"anchors", func(b *log.Bundle, p *log.Policy) { b.Anchors[0].Contract.Address[0]++ }},
		{"payee", func(b *log.Bundle, p *log.Policy) { b.Payout.Cumulative++ }},
		{"payee", func(b *log.Bundle, p *log.Policy) { b.Payout.Payee.Address[0]++ }},
		{"payee", func(b *log.Bundle, p *log.Policy) { b.Payout.Payee.Chain = evm }},
		{"payee", func(b *log.Bundle, p *log.Policy) { b.Payout.Levels[7].Node.Sum.Lo++ }},
		{"payee", func(b *log.Bundle, p *log.Policy) { b.Payout.Levels = b.Payout.Levels[:7] }},
		{"payee", func(b *log.Bundle, p *log.Policy) { p.Chains[1].Vaults = nil }},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprint(tt.check, i), func(t *testing.T) {
			b := l.bundle(t, 2, 1, 7)
			p := newConsortium(t, l.id, 4, 3).Policy
			tt.edit(b, p)
			for _, c := range b.Verify(p) {
				if c.Name == tt.check && c.Status == log.Failed {
					return
				}
			}
			t.Errorf("check %s passed: %+v", tt.check, b.Verify(p))
		})
	}
}

func TestBuildRefuses(t *testing.T) {
	l := newFixture(t)
	e := log.Evidence{SetVersion: 1, Note: l.note}
	other := *l.blocks[2]
	other.Filter = []byte{0, 0, 1}
	if _, err := l.Build(&other, 1, 0, e); err == nil {
		t.Error("built from a block that is not the log's")
	}
	if _, err := l.Build(l.blocks[2], 1, 99, e); err == nil {
		t.Error("built a write that is not there")
	}
	cp := log.Checkpoint{Network: network, LogID: l.id, Size: 5, Time: 1}
	if _, err := l.Build(l.blocks[2], 1, 0, log.Evidence{Note: l.consortium.note(t, cp, 0, 1, 2)}); err == nil {
		t.Error("built with a note of another root")
	}
	if b, err := l.Build(l.blocks[2], 1, 8, e); err != nil {
		t.Error(err)
	} else if _, err := b.Marshal(); err == nil {
		t.Error("a balance made a claim")
	}
	if got := log.FindWrite(&l.blocks[2].Txs[1], "schema/"+opRef); got != 5 {
		t.Errorf("FindWrite: %d", got)
	}
}

// What parses is the one spelling of itself, and nothing panics.
func FuzzBundle(f *testing.F) {
	l := newFixture(f)
	for _, w := range []int{0, 2, 6, 7, log.NoWrite} {
		f.Add(marshal(f, l.bundle(f, 2, 1, w)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := log.ParseBundle(data)
		if err != nil {
			return
		}
		if !bytes.Equal(marshal(t, b), data) {
			t.Error("parsed, but written otherwise")
		}
		b.Verify(l.Policy)
		for _, c := range l.Chains {
			b.CheckReading(l.Policy, c.ID, l.reading(c.ID))
		}
	})
}

// The same for notes.
func FuzzNote(f *testing.F) {
	l := newFixture(f)
	f.Add(l.note)
	f.Fuzz(func(t *testing.T, data []byte) {
		if n, err := log.ParseNote(data); err == nil {
			if !bytes.Equal(n.Marshal(), data) {
				t.Error("parsed, but written otherwise")
			}
			if _, err := l.CheckNote(n); err == nil && !bytes.Equal(data, l.note) {
				t.Error("another note verifies")
			}
		}
	})
}
