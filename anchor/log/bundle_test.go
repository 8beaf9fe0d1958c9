package log_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/transparency-dev/formats/proof"
)

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
		{log.KindDID, 6, []string{"did " + did(owner), "status active", "identity-root " + strings.Repeat("5a", 32)}},
		{log.KindPayout, 7, []string{"epoch 3", "attempt 1", "total 12.5", "cumulative 12.5", "payee " + canon.Account{Chain: tron, Address: [20]byte(owner)}.String()}},
		{log.KindTransaction, log.NoWrite, []string{"block 2"}},
		{log.KindGrant, 9, []string{"status withdrawn", "client " + did(payee), "owner " + did(owner), "path /lab/2026", "path /note", "price 0.25 usd", "uses 3", "by 00078f3b-0707"}},
		{log.KindUse, 10, []string{"client " + did(payee), "owner " + did(owner), "version 2", "path /lab/2026/blood", "paid 0.25 usd", "left any"}},
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
	for round, b := range []*log.Bundle{l.bundle(t, 2, 1, 7), l.bundle(t, 2, 1, log.NoWrite), l.rotated(t, 0)} {
		data := marshal(t, b)
		if l.judge(data) != log.Passed {
			t.Fatal("the honest bundle does not pass")
		}
		for i := range data {
			for _, mask := range []byte{0x01, 0x20} {
				bad := bytes.Clone(data)
				bad[i] ^= mask
				// A block number that grows is beyond the final head: not refuted, and
				// not verified.
				if got := l.judge(bad); got == log.Passed {
					t.Errorf("bundle %d, byte %d (%q to %q): %v", round, i, data[i], bad[i], got)
				}
				if round > 0 {
					break // one change is enough where the first kind had all three
				}
			}
			if round == 0 && l.judge(append(bytes.Clone(data[:i]), data[i+1:]...)) == log.Passed {
				t.Errorf("bundle %d: byte %d (%q) can be dropped", round, i, data[i])
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
		{"another set", "no such member set", func(r *log.Reading) { r.SetHash[0]++ }},
		{"a set of later sizes", "signs from size 6 on", func(r *log.Reading) { r.From = 6 }},
		{"handed over before", "handed over from size 5 on", func(r *log.Reading) { r.Next = 5 }},
		{"frozen", "the contract is frozen", func(r *log.Reading) { r.Frozen = true }},
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
			r := l.reading(tron, 5, 1)
			tt.edit(&r)
			checks := b.CheckReading(l.Policy, tron, r)
			text := fmt.Sprint(checks)
			want := log.Failed
			if tt.name == "not final" || tt.name == "another chain" || tt.name == "frozen" {
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
		{"members", func(b *log.Bundle, p *log.Policy) { b.SetVersion = 2 }},
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
	f.Add(marshal(f, l.rotated(f, 0)))
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
			b.CheckReading(l.Policy, c.ID, l.reading(c.ID, 5, 1))
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
			if _, err := l.Set().CheckNote(n); err == nil && !bytes.Equal(data, l.note) {
				t.Error("another note verifies")
			}
		}
	})
}
