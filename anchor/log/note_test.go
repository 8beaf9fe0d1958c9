package log_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

// consortium is a policy with the members' keys.
type consortium struct {
	*log.Policy
	ed   []ed25519.PrivateKey
	secp []*secp256k1.PrivateKey
}

// newConsortium has the members 0 to n - 1 as its first set.
func newConsortium(t testing.TB, logID [32]byte, n, k int) consortium {
	t.Helper()
	var members []int
	for i := range n {
		members = append(members, i)
	}
	return consortiumOf(t, logID, 1, uint64(k), members...)
}

func consortiumOf(t testing.TB, logID [32]byte, version, k uint64, members ...int) consortium {
	t.Helper()
	return consortiumOn(t, network, logID, version, k, members...)
}

func consortiumOn(t testing.TB, network string, logID [32]byte, version, k uint64, members ...int) consortium {
	t.Helper()
	c := consortium{Policy: &log.Policy{
		Network: network, Log: canon.Hex(logID[:]), SetVersion: version, K: k,
		Chains: []log.Chain{
			{ID: "eip155:1337", AnchorLog: account("eip155:1337", 0xa1), Vaults: []log.Vault{
				{ID: account("eip155:1337", 0xb1), Token: account("eip155:1337", 0xc1), Asset: "usd"}}},
			{ID: "tron:0x2b6653dc", AnchorLog: account("tron:0x2b6653dc", 0xa2), Vaults: []log.Vault{
				{ID: account("tron:0x2b6653dc", 0xb2), Token: account("tron:0x2b6653dc", 0xc2), Asset: "usd"}}},
		},
	}}
	for _, i := range members {
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
		Secp256k1: canon.SignDigest(c.secp[i], c.Set().Digest(cp)),
	}
}

func (c consortium) note(t testing.TB, cp log.Checkpoint, members ...int) []byte {
	t.Helper()
	var s []log.Cosignature
	for _, i := range members {
		s = append(s, c.cosign(cp, i))
	}
	n, err := c.Set().Note(cp, s)
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
	got, signers, err := c.Set().OpenNote(data)
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
			if _, _, err := c.Set().OpenNote([]byte(tt.note)); err == nil {
				t.Error("accepted")
			}
		})
	}
	if _, _, err := c.Set().OpenNote([]byte(good)); err != nil {
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
	if back.Set().Hash() != c.Set().Hash() || back.LogID() != c.LogID() {
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

// One member's bad signature does not stop the note of the others.
func TestNoteLeavesBadCosignaturesOut(t *testing.T) {
	c := newConsortium(t, [32]byte{9}, 4, 3)
	cp := log.Checkpoint{Network: c.Network, LogID: c.LogID(), Size: 5, Root: log.Hash{1}, Time: 7}
	var all []log.Cosignature
	for i := range c.Members {
		all = append(all, c.cosign(cp, i))
	}
	all[1].Ed25519[40] ^= 1
	text, err := c.Set().Note(cp, all)
	if err != nil {
		t.Fatal(err)
	}
	note, err := log.ParseNote(text)
	if err != nil {
		t.Fatal(err)
	}
	if signers, err := c.Set().CheckNote(note); err != nil || len(signers) != len(all)-1 {
		t.Errorf("signers %v, %v", signers, err)
	}
	all[2].Secp256k1[3] ^= 1
	if _, err := c.Set().Note(cp, all); err == nil {
		t.Error("a note with fewer than K good cosignatures was made")
	}
}
