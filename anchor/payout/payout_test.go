package payout_test

import (
	"encoding/binary"
	"errors"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/killick-ledger/killick/anchor/payout"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/reward"
)

var vault = payout.Vault{
	ID:    "eip155:1337:0x00000000000000000000000000000000000000aa",
	Token: "eip155:1337:0x00000000000000000000000000000000000000bb",
	LogID: [32]byte{7},
}

func payees(n int) []payout.Payee {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	all := make([]payout.Payee, n)
	for i := range all {
		binary.BigEndian.PutUint64(all[i].Address[:], r.Uint64())
		all[i].Cumulative = reward.Amount(r.Int64N(1 << 40))
	}
	return all
}

func build(t testing.TB, ps []payout.Payee) (*payout.Tree, payout.Root) {
	t.Helper()
	tree, err := payout.Build(vault, ps)
	if err != nil {
		t.Fatal(err)
	}
	root := tree.Root()
	return tree, payout.Root{Epoch: 3, Root: root.Hash, Total: root.Sum, Leaves: uint32(len(ps))}
}

func TestClaims(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 255, 1000, 5000} {
		ps := payees(n)
		tree, epoch := build(t, ps)
		if err := tree.Matches(epoch); err != nil {
			t.Fatal(err)
		}
		var sum reward.Sum
		for i, p := range ps {
			sum = sum.Plus(p.Cumulative)
			if i%97 != 0 {
				continue
			}
			c, err := tree.Claim(p.Address)
			if err != nil || c.Cumulative != p.Cumulative {
				t.Fatalf("claim %d of %d: %+v, %v", i, n, c, err)
			}
			if err := c.Verify(vault, epoch); err != nil {
				t.Errorf("claim %d of %d: %v", i, n, err)
			}
			refuse(t, c, epoch)
		}
		if sum != epoch.Total {
			t.Errorf("%d payees: sum is %s, root says %s", n, sum, epoch.Total)
		}
		if _, err := tree.Claim([20]byte{19: 1}); !errors.Is(err, payout.ErrNoLeaf) {
			t.Errorf("a stranger's claim: %v", err)
		}
	}
}

// refuse changes a good claim in each part; none may verify.
func refuse(t *testing.T, c payout.Claim, e payout.Root) {
	t.Helper()
	for name, change := range map[string]func(c *payout.Claim, v *payout.Vault, e *payout.Root){
		"amount":     func(c *payout.Claim, _ *payout.Vault, _ *payout.Root) { c.Cumulative++ },
		"negative":   func(c *payout.Claim, _ *payout.Vault, _ *payout.Root) { c.Cumulative = -c.Cumulative - 1 },
		"payee":      func(c *payout.Claim, _ *payout.Vault, _ *payout.Root) { c.Payee[3] ^= 1 },
		"side":       func(c *payout.Claim, _ *payout.Vault, _ *payout.Root) { c.Sides.SetBit(c.Sides, 0, c.Sides.Bit(0)^1) },
		"side above": func(c *payout.Claim, _ *payout.Vault, _ *payout.Root) { c.Sides.SetBit(c.Sides, 200, 1) },
		"no sides":   func(c *payout.Claim, _ *payout.Vault, _ *payout.Root) { c.Sides = nil },
		"sum":        func(c *payout.Claim, _ *payout.Vault, _ *payout.Root) { c.Levels[15]++ },
		"hash":       func(c *payout.Claim, _ *payout.Vault, _ *payout.Root) { c.Levels[16]++ },
		"cut":        func(c *payout.Claim, _ *payout.Vault, _ *payout.Root) { c.Levels = c.Levels[:len(c.Levels)-1] },
		"short":      func(c *payout.Claim, _ *payout.Vault, _ *payout.Root) { c.Levels = c.Levels[48:] },
		"long": func(c *payout.Claim, _ *payout.Vault, _ *payout.Root) {
			c.Levels = append(c.Levels, make([]byte, 48)...)
		},
		"vault": func(_ *payout.Claim, v *payout.Vault, _ *payout.Root) { v.ID = v.Token },
		"log":   func(_ *payout.Claim, v *payout.Vault, _ *payout.Root) { v.LogID[0]++ },
		"total": func(_ *payout.Claim, _ *payout.Vault, e *payout.Root) { e.Total.Lo++ },
	} {
		bad, v, e := c, vault, e
		bad.Sides, bad.Levels = new(big.Int).Set(c.Sides), append([]byte(nil), c.Levels...)
		change(&bad, &v, &e)
		if bad.Verify(v, e) == nil {
			t.Errorf("changed %s: accepted", name)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	ps := payees(3)
	if _, err := payout.Build(vault, append(ps, ps[1])); err == nil {
		t.Error("an address twice: accepted")
	}
	ps[0].Cumulative = -1
	if _, err := payout.Build(vault, ps); err == nil {
		t.Error("a negative total: accepted")
	}
	bad := vault
	bad.Token = "eip155:1337:nonsense"
	if _, err := payout.Build(bad, nil); err == nil {
		t.Error("a token that is no account: accepted")
	}
}

func TestMatches(t *testing.T) {
	tree, good := build(t, payees(10))
	for name, change := range map[string]func(*payout.Root){
		"root":   func(e *payout.Root) { e.Root[0]++ },
		"total":  func(e *payout.Root) { e.Total.Lo++ },
		"leaves": func(e *payout.Root) { e.Leaves++ },
	} {
		bad := good
		change(&bad)
		if tree.Matches(bad) == nil {
			t.Errorf("another %s: accepted", name)
		}
	}
}

func TestFollows(t *testing.T) {
	at := func(n uint64, attempt uint32, total uint64) payout.Root {
		return payout.Root{Epoch: n, Attempt: attempt, Total: reward.Sum{Lo: total}}
	}
	for _, c := range []struct {
		name       string
		last, next payout.Root
		ok         bool
	}{
		{"the first", payout.Root{}, at(1, 1, 0), true},
		{"the next", at(1, 1, 5), at(2, 1, 5), true},
		{"with a gap", at(1, 1, 5), at(9, 1, 6), true},
		{"the same again", at(2, 1, 5), at(2, 1, 5), true},
		{"a further attempt", at(2, 1, 5), at(2, 2, 6), true},
		{"the same with another total", at(2, 1, 5), at(2, 1, 6), false},
		{"an earlier attempt", at(2, 2, 5), at(2, 1, 5), false},
		{"back", at(2, 1, 5), at(1, 1, 5), false},
		{"less", at(2, 1, 5), at(3, 1, 4), false},
	} {
		if err := payout.Follows(c.last, c.next); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestParse(t *testing.T) {
	root := payout.Root{Epoch: 9, Attempt: 2, Root: [32]byte{1}, Total: reward.Sum{Hi: 1, Lo: 5}, Leaves: 77}
	value := root.Encode()
	if got, err := payout.ParseRoot(value); err != nil || got != root {
		t.Errorf("root = %+v, %v", got, err)
	}
	total := canon.NewRecord(0x41).U64(77).Bytes()
	if got, err := payout.ParseTotal(total); err != nil || got != 77 {
		t.Errorf("total = %d, %v", got, err)
	}
	for _, bad := range [][]byte{nil, total, value[1:], append(value, 0)} {
		if _, err := payout.ParseRoot(bad); err == nil {
			t.Errorf("root %x: accepted", bad)
		}
	}
	for _, bad := range [][]byte{nil, value, total[1:], append(total, 0), canon.NewRecord(0x41).U64(1 << 63).Bytes()} {
		if _, err := payout.ParseTotal(bad); err == nil {
			t.Errorf("total %x: accepted", bad)
		}
	}
}

func TestDigest(t *testing.T) {
	e := payout.Root{Epoch: 1, Total: reward.Sum{Lo: 5}}
	a, err := payout.Digest(vault, 1, [32]byte{1}, e)
	if err != nil {
		t.Fatal(err)
	}
	want := canon.PayoutDigest(1337, [20]byte{19: 0xaa}, vault.LogID, 1, [32]byte{1}, 1, e.Root, 5)
	if a != want {
		t.Errorf("digest = %x, want %x", a, want)
	}
	e.Total.Hi = 1
	if _, err := payout.Digest(vault, 1, [32]byte{1}, e); err == nil {
		t.Error("a total above 2^64-1: accepted")
	}
}

func BenchmarkBuild(b *testing.B) {
	ps := payees(100_000)
	for b.Loop() {
		if _, err := payout.Build(vault, ps); err != nil {
			b.Fatal(err)
		}
	}
}
