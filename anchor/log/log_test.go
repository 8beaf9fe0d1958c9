package log_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const network = "main-0011223344556677"

// chain makes linked blocks; block i has i%4+1 transactions, the k-th with k
// writes, the last one invalid in odd blocks.
func chain(n int) []*block.Block {
	var out []*block.Block
	var prev []byte
	for i := range n {
		b := &block.Block{Number: uint64(i), PrevHash: prev, DataHash: sha256.Sum256(fmt.Appendf(nil, "data %d", i))}
		b.HeaderHash = sha256.Sum256(append(b.DataHash[:], prev...))
		prev = b.HeaderHash[:]
		if i > 0 {
			b.CommitHash = bytes.Repeat([]byte{byte(i)}, 32)
		}
		for k := range i%4 + 1 {
			b.Txs = append(b.Txs, transaction(i, k))
			b.Filter = append(b.Filter, b.Txs[k].Code)
		}
		out = append(out, b)
	}
	return out
}

func transaction(i, k int) block.Tx {
	id := sha256.Sum256(fmt.Appendf(nil, "tx %d %d", i, k))
	t := block.Tx{
		Index: k, ID: canon.Hex(id[:]), Type: block.TypeEndorser,
		Envelope: fmt.Appendf(nil, "envelope %d %d", i, k), Nonce: fmt.Appendf(nil, "nonce %d %d", i, k),
	}
	if i%2 == 1 && k == i%4 {
		t.Code = 11
		return t
	}
	for w := range k {
		value := fmt.Appendf(nil, "value %d", w)
		t.Writes = append(t.Writes, block.Write{
			Namespace: "killick", Key: fmt.Appendf(nil, "key %d", w), Value: value, ValueHash: sha256.Sum256(value),
		})
	}
	return t
}

func open(t testing.TB, dir string) *log.Log {
	t.Helper()
	l, err := log.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// naiveRoot is RFC 6962's definition, word for word.
func naiveRoot(leaves [][]byte) [32]byte {
	switch n := len(leaves); n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(append([]byte{0}, leaves[0]...))
	default:
		k := 1
		for k*2 < n {
			k *= 2
		}
		left, right := naiveRoot(leaves[:k]), naiveRoot(leaves[k:])
		return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
	}
}

func TestRootsAndProofs(t *testing.T) {
	const n = 70
	l := open(t, t.TempDir())
	if err := l.Append(chain(n)...); err != nil {
		t.Fatal(err)
	}
	var leaves [][]byte
	for i := range uint64(n) {
		leaf, err := l.Leaf(i)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leaf.Bytes())
	}
	for size := range uint64(n + 1) {
		root, err := l.Root(size)
		if err != nil || root != naiveRoot(leaves[:size]) {
			t.Fatalf("root of %d: %v", size, err)
		}
		for i := range size {
			path, err := l.Prove(size, i)
			if err != nil {
				t.Fatal(err)
			}
			var p tlog.RecordProof
			for _, h := range path {
				p = append(p, h)
			}
			if err := tlog.CheckRecord(p, int64(size), root, int64(i), tlog.RecordHash(leaves[i])); err != nil {
				t.Fatalf("leaf %d of %d: %v", i, size, err)
			}
		}
	}
	if _, err := l.Prove(n+1, 0); err == nil {
		t.Error("proof beyond the log")
	}
	if _, err := l.Root(n + 1); err == nil {
		t.Error("root beyond the log")
	}
}

// Whatever a crash left beyond head is overwritten, whatever is missing below it
// is noticed.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	blocks := chain(20)
	l := open(t, dir)
	for i := range 12 {
		if err := l.Append(blocks[i]); err != nil {
			t.Fatal(err)
		}
	}
	want, _ := l.Root(12)
	l.Close()
	for _, name := range []string{"leaves", "hashes"} {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteString("torn write of a crash")
		f.Close()
	}
	l = open(t, dir)
	if got, err := l.Root(l.Size()); err != nil || got != want || l.Size() != 12 {
		t.Fatalf("after reopen: size %d, %v", l.Size(), err)
	}
	if err := l.Append(blocks[12:]...); err != nil {
		t.Fatal(err)
	}
	whole := open(t, t.TempDir())
	if err := whole.Append(blocks...); err != nil {
		t.Fatal(err)
	}
	a, _ := l.Root(20)
	b, _ := whole.Root(20)
	if a != b {
		t.Error("root depends on how blocks were appended")
	}
	l.Close()
	if err := os.Truncate(filepath.Join(dir, "hashes"), 100); err != nil {
		t.Fatal(err)
	}
	if _, err := log.Open(dir); err == nil {
		t.Error("a log with lost hashes was opened")
	}
}

func TestAppendRefuses(t *testing.T) {
	blocks := chain(4)
	other := *blocks[2]
	other.PrevHash = bytes.Repeat([]byte{1}, 32)
	tests := []struct {
		name, want string
		blocks     []*block.Block
	}{
		{"gap", "block 3 where 2", []*block.Block{blocks[3]}},
		{"again", "block 1 where 2", []*block.Block{blocks[1]}},
		{"fork", "does not follow", []*block.Block{&other}},
		{"gap inside", "block 2 where 3", []*block.Block{blocks[2], blocks[2]}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := open(t, t.TempDir())
			if err := l.Append(blocks[:2]...); err != nil {
				t.Fatal(err)
			}
			err := l.Append(tt.blocks...)
			if err == nil || !strings.Contains(err.Error(), tt.want) || l.Size() != 2 {
				t.Errorf("got %v, size %d", err, l.Size())
			}
		})
	}
}

// tiles serves a log's tiles to tlog's own reader.
type tiles struct {
	t testing.TB
	l *log.Log
}

func (s tiles) Height() int                            { return 8 }
func (s tiles) SaveTiles(_ []tlog.Tile, data [][]byte) {}
func (s tiles) ReadTiles(want []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, t := range want {
		data, err := s.l.Tile(strings.Replace(t.Path(), "tile/8/", "tile/", 1))
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}

func TestTiles(t *testing.T) {
	const n = 600
	l := open(t, t.TempDir())
	if err := l.Append(chain(n)...); err != nil {
		t.Fatal(err)
	}
	root, _ := l.Root(n)
	r := tlog.TileHashReader(tlog.Tree{N: n, Hash: root}, tiles{t, l})
	for _, i := range []int64{0, 255, 256, 599} {
		if _, err := tlog.ProveRecord(n, i, r); err != nil {
			t.Errorf("proof of %d from tiles: %v", i, err)
		}
	}
	entries, err := l.Tile("tile/entries/002.p/88")
	if err != nil || len(entries) != 88*(2+207) {
		t.Errorf("entries: %d bytes, %v", len(entries), err)
	}
	for _, path := range []string{"tile/0/003", "tile/0/002.p/89", "tile/entries/003", "tile/1/000", "tile/data/000", "x", "tile/0/2", "tile/9/000.p/1"} {
		if _, err := l.Tile(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestRecordsRoundTrip(t *testing.T) {
	b := chain(4)[3]
	leaf, err := log.Leaf([32]byte{1}, b)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := log.ParseBlockRecord(leaf.Bytes()); err != nil || back != leaf {
		t.Errorf("block record: %v", err)
	}
	tx := log.TxRecord{Index: 3, ID: [32]byte{1}, Type: 3, Writes: 2, WritesRoot: [32]byte{4}}
	if back, err := log.ParseTxRecord(tx.Bytes()); err != nil || back != tx {
		t.Errorf("transaction record: %v", err)
	}
	key := make([]byte, 32)
	for _, w := range []log.WriteRecord{
		{Namespace: "killick", Key: []byte("k"), ValueHash: [32]byte{9}, Salt: [32]byte{8}},
		{Namespace: "killick", Key: []byte{}, Delete: block.Remove},
		{Namespace: "killick", Private: true, Collection: "c", Key: key, Delete: block.Purge},
	} {
		back, err := log.ParseWriteRecord(w.Bytes())
		if err != nil {
			t.Errorf("write record: %v", err)
		}
		if d := cmp.Diff(w, back); d != "" {
			t.Error(d)
		}
	}
	for _, bad := range []log.WriteRecord{
		{Namespace: "n", Private: true, Key: key},
		{Namespace: "n", Collection: "c", Key: key},
		{Namespace: "n", Private: true, Collection: "c", Key: key[1:]},
		{Namespace: "n", Delete: block.Purge},
		{Namespace: "n", Delete: block.Remove, ValueHash: [32]byte{1}},
	} {
		if _, err := log.ParseWriteRecord(bad.Bytes()); err == nil {
			t.Errorf("accepted %+v", bad)
		}
	}
	if _, err := log.ParseTxRecord(log.TxRecord{Code: 11, Writes: 1}.Bytes()); err == nil {
		t.Error("accepted an invalid transaction with writes")
	}
}

// consortium is a policy with the members' keys.
type consortium struct {
	*log.Policy
	ed   []ed25519.PrivateKey
	secp []*secp256k1.PrivateKey
}

func newConsortium(t testing.TB, logID [32]byte, n, k int) consortium {
	t.Helper()
	c := consortium{Policy: &log.Policy{
		Network: network, Log: canon.Hex(logID[:]), SetVersion: 1, K: uint64(k),
		Chains: []log.Chain{
			{ID: "eip155:1337", AnchorLog: account("eip155:1337", 0xa1), Vaults: []log.Vault{
				{ID: account("eip155:1337", 0xb1), Token: account("eip155:1337", 0xc1), Asset: "usd"}}},
			{ID: "tron:0x2b6653dc", AnchorLog: account("tron:0x2b6653dc", 0xa2), Vaults: []log.Vault{
				{ID: account("tron:0x2b6653dc", 0xb2), Token: account("tron:0x2b6653dc", 0xc2), Asset: "usd"}}},
		},
	}}
	for i := range n {
		seed := sha256.Sum256(fmt.Appendf(nil, "member %d", i))
		ed := ed25519.NewKeyFromSeed(seed[:])
		secp := secp256k1.PrivKeyFromBytes(seed[:])
		msp := fmt.Sprintf("Org%dMSP", i+1)
		address := canon.KeyAddress(secp.PubKey())
		c.Members = append(c.Members, log.Member{
			MSP:     msp,
			Cosign:  log.CosignerKey(msp, network, ed.Public().(ed25519.PublicKey)),
			Address: "0x" + canon.Hex(address[:]),
		})
		c.ed, c.secp = append(c.ed, ed), append(c.secp, secp)
	}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	return c
}

func account(chain string, last byte) string {
	return canon.Account{Chain: chain, Address: [20]byte{19: last}}.String()
}

func (c consortium) cosign(cp log.Checkpoint, i int) log.Cosignature {
	return log.Cosignature{
		MSP:       c.Members[i].MSP,
		Ed25519:   [64]byte(ed25519.Sign(c.ed[i], cp.CosignedMessage())),
		Secp256k1: canon.SignDigest(c.secp[i], c.Digest(cp)),
	}
}

func (c consortium) note(t testing.TB, cp log.Checkpoint, members ...int) []byte {
	t.Helper()
	var s []log.Cosignature
	for _, i := range members {
		s = append(s, c.cosign(cp, i))
	}
	n, err := c.Note(cp, s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A note of ours opens with the transparency world's own libraries.
func TestNoteIsC2SP(t *testing.T) {
	c := newConsortium(t, [32]byte{1}, 4, 3)
	cp := log.Checkpoint{Network: network, LogID: [32]byte{1}, Size: 40, Root: [32]byte{2}, Time: 1_790_000_000}
	data := c.note(t, cp, 3, 0, 1)
	var verifiers []note.Verifier
	for _, m := range c.Members {
		v, err := fnote.NewVerifierForCosignatureV1(m.Cosign)
		if err != nil {
			t.Fatal(err)
		}
		verifiers = append(verifiers, v)
	}
	n, err := note.Open(data, note.VerifierList(verifiers...))
	if err != nil {
		t.Fatal(err)
	}
	if len(n.Sigs) != 3 || len(n.UnverifiedSigs) != 3 {
		t.Errorf("%d verified, %d other signatures", len(n.Sigs), len(n.UnverifiedSigs))
	}
	if at, err := fnote.CoSigV1Timestamp(n.Sigs[0]); err != nil || at.Unix() != 1_790_000_000 {
		t.Errorf("time %v, %v", at, err)
	}
	got, signers, err := c.OpenNote(data)
	if err != nil {
		t.Fatal(err)
	}
	if got != cp || strings.Join(signers, " ") != "Org1MSP Org2MSP Org4MSP" {
		t.Errorf("got %+v by %v", got, signers)
	}
}

func TestNoteRefuses(t *testing.T) {
	c := newConsortium(t, [32]byte{1}, 4, 3)
	cp := log.Checkpoint{Network: network, LogID: [32]byte{1}, Size: 40, Root: [32]byte{2}, Time: 1_790_000_000}
	good := string(c.note(t, cp, 0, 1, 2))
	lines := strings.SplitAfter(good, "\n")
	later := cp
	later.Time++
	other := strings.SplitAfter(string(c.note(t, later, 0, 1, 2)), "\n")
	join := func(idx ...int) string {
		out := strings.Join(lines[:4], "")
		for _, i := range idx {
			out += lines[i]
		}
		return out
	}
	tests := []struct{ name, note string }{
		{"two members", join(4, 5, 6, 7)},
		{"one member thrice", join(4, 5, 4, 5, 4, 5)},
		{"out of order", join(6, 7, 4, 5, 8, 9)},
		{"ed25519 only", join(4, 6, 8)},
		{"secp256k1 first", join(5, 4, 6, 7, 8, 9)},
		{"missing half", join(4, 5, 6, 7, 8)},
		{"another time", join(4, 5, 6, 7) + other[8] + other[9]},
		{"no last line break", strings.TrimSuffix(good, "\n")},
		{"line behind", good + "\n"},
		{"size with a zero", strings.Replace(good, "\n40\n", "\n040\n", 1)},
		{"carriage return", strings.Replace(good, "\n40\n", "\n40\r\n", 1)},
		{"another log", strings.Replace(good, "/01", "/02", 1)},
		{"a line more", strings.Replace(good, "\n\n", "\nextension\n\n", 1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := c.OpenNote([]byte(tt.note)); err == nil {
				t.Error("accepted")
			}
		})
	}
	if _, _, err := c.OpenNote([]byte(good)); err != nil {
		t.Errorf("the good note: %v", err)
	}
}

func TestPolicy(t *testing.T) {
	c := newConsortium(t, [32]byte{1}, 4, 3)
	data, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	back, err := log.ParsePolicy(data)
	if err != nil {
		t.Fatal(err)
	}
	if back.SetHash() != c.SetHash() || back.LogID() != c.LogID() {
		t.Error("policy changed on its way through a file")
	}
	edits := map[string]func(p *log.Policy){
		"k of none":        func(p *log.Policy) { p.K = 0 },
		"k too large":      func(p *log.Policy) { p.K = 5 },
		"version 0":        func(p *log.Policy) { p.SetVersion = 0 },
		"member twice":     func(p *log.Policy) { p.Members[1] = p.Members[0] },
		"address twice":    func(p *log.Policy) { p.Members[1].Address = p.Members[0].Address },
		"another's key":    func(p *log.Policy) { p.Members[1].Cosign = p.Members[0].Cosign },
		"address in upper": func(p *log.Policy) { p.Members[1].Address = strings.ToUpper(p.Members[1].Address) },
		"foreign contract": func(p *log.Policy) { p.Chains[0].AnchorLog = p.Chains[1].AnchorLog },
		"chain twice":      func(p *log.Policy) { p.Chains[1] = p.Chains[0] },
		"log id":           func(p *log.Policy) { p.Log = "00" },
		"network":          func(p *log.Policy) { p.Network = "a/b" },
	}
	for name, edit := range edits {
		t.Run(name, func(t *testing.T) {
			p := newConsortium(t, [32]byte{1}, 4, 3)
			edit(p.Policy)
			if err := p.Check(); err == nil {
				t.Error("accepted")
			}
		})
	}
	if _, err := log.ParsePolicy(bytes.Replace(data, []byte(`"k"`), []byte(`"kk"`), 1)); err == nil {
		t.Error("unknown field accepted")
	}
}
