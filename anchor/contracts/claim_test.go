package contracts_test

import (
	"bytes"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/killick-ledger/killick/anchor/contracts"
)

func TestClaimRefuses(t *testing.T) {
	v := newVault(t, testToken)
	tr := v.tree(payouts(300, 10)...)
	v.wantRefused(v.address, contracts.PackClaim(tr.claim(0)), "BadProof") // nothing is active
	v.fund(tr.epoch(1).Total.Int64())
	v.run(v.address, v.activation(tr.epoch(1), 0, 1, 2))

	deep := 0 // a payee whose subtree has several leaves
	for len(tr.claim(deep).Levels) < 10*contracts.LevelSize {
		deep++
	}
	whole := tr.claim(deep)
	with := func(change func(*contracts.Claim)) []byte {
		c := whole
		c.Cumulative, c.Sides = new(big.Int).Set(c.Cumulative), new(big.Int).Set(c.Sides)
		c.Levels = bytes.Clone(c.Levels)
		change(&c)
		return contracts.PackClaim(c)
	}
	stranger := v.tree(payouts(299, 10)...)
	stranger.domain[0] ^= 1
	for _, tt := range []struct {
		name, want string
		data       []byte
	}{
		{"another's path", "BadProof", with(func(c *contracts.Claim) { c.Payee = payee(299) })},
		{"one more", "BadProof", with(func(c *contracts.Claim) { c.Cumulative.Add(c.Cumulative, big.NewInt(1)) })},
		{"one less", "BadProof", with(func(c *contracts.Claim) { c.Cumulative.Sub(c.Cumulative, big.NewInt(1)) })},
		{"nothing", "NothingToClaim", with(func(c *contracts.Claim) { c.Cumulative.SetInt64(0) })},
		{"no levels", "BadProof", with(func(c *contracts.Claim) { c.Levels = nil })},
		{"first level missing", "BadProof", with(func(c *contracts.Claim) { c.Levels = c.Levels[48:] })},
		{"last level missing", "BadProof", with(func(c *contracts.Claim) { c.Levels = c.Levels[:len(c.Levels)-48] })},
		{"one level more", "BadProof", with(func(c *contracts.Claim) { c.Levels = append(c.Levels, make([]byte, 48)...) })},
		{"levels swapped", "BadProof", with(func(c *contracts.Claim) {
			c.Levels = slices.Concat(c.Levels[48:96], c.Levels[:48], c.Levels[96:])
		})},
		{"one byte short", "BadProof", with(func(c *contracts.Claim) { c.Levels = c.Levels[:len(c.Levels)-1] })},
		{"one byte more", "BadProof", with(func(c *contracts.Claim) { c.Levels = append(c.Levels, 0) })},
		{"257 levels", "BadProof", with(func(c *contracts.Claim) { c.Levels = make([]byte, 257*48) })},
		{"side bit beyond the levels", "BadProof", with(func(c *contracts.Claim) {
			c.Sides.SetBit(c.Sides, len(c.Levels)/48, 1)
		})},
		{"highest side bit", "BadProof", with(func(c *contracts.Claim) { c.Sides.SetBit(c.Sides, 255, 1) })},
		{"sums moved between siblings", "BadProof", with(func(c *contracts.Claim) {
			c.Levels[15]++
			c.Levels[48+15]--
		})},
		{"sum overflows", "BadProof", with(func(c *contracts.Claim) {
			copy(c.Levels, bytes.Repeat([]byte{0xff}, 16))
		})},
		{"overflow on each level", "BadProof", with(func(c *contracts.Claim) { c.Levels = bytes.Repeat([]byte{0xff}, 256*48) })},
		{"largest cumulative", "BadProof", with(func(c *contracts.Claim) {
			c.Cumulative.Sub(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(1))
		})},
		{"cumulative of 129 bits", "empty reason", func() []byte {
			data := contracts.PackClaim(whole)
			data[4+32+15] = 1
			return data
		}()},
		{"an inner node as a leaf", "BadProof", contracts.PackClaim(contracts.Claim{
			Payee: whole.Payee, Cumulative: tr.epoch(1).Total, Sides: new(big.Int),
		})},
		{"a leaf of another vault", "BadProof", contracts.PackClaim(stranger.claim(deep))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := v.refusal(&v.address, tt.data); !strings.HasPrefix(got, tt.want) {
				t.Errorf("refused with %q, want %q", got, tt.want)
			}
		})
	}
	for i := range whole.Sides.BitLen() + 1 {
		v.wantRefused(v.address, with(func(c *contracts.Claim) { c.Sides.SetBit(c.Sides, i, c.Sides.Bit(i)^1) }), "BadProof")
	}
	for i := range whole.Levels {
		v.wantRefused(v.address, with(func(c *contracts.Claim) { c.Levels[i] ^= 1 << (i % 8) }), "BadProof")
	}
	if got := v.refusal(&v.address, contracts.PackClaim(whole)); got != "" {
		t.Errorf("the unchanged claim is refused: %s", got)
	}
}

// K members who lower one payee's total and raise another's cannot make the
// vault pay out more than the total, which may be money of a later epoch.
func TestClaimsStayBelowTheTotal(t *testing.T) {
	v := newVault(t, testToken)
	one := v.tree(pay(payee(1), 100))
	two := v.tree(pay(payee(2), 100))
	v.fund(1000)
	v.run(v.address, v.activation(one.epoch(1), 0, 1, 2))
	v.run(v.address, contracts.PackClaim(one.claim(0)))
	v.run(v.address, v.activation(two.epoch(2), 0, 1, 2))
	v.wantRefused(v.address, contracts.PackClaim(two.claim(0)), "ExceedsTotal[200 100]")
}

// A root whose nodes do not add up is refused at the claim, though K signed it.
func TestClaimChecksTheSum(t *testing.T) {
	v := newVault(t, testToken)
	tr := v.tree(payouts(2, 100)...)
	e := tr.epoch(1)
	e.Total.Add(e.Total, big.NewInt(1))
	v.fund(1000)
	v.run(v.address, v.activation(e, 0, 1, 2))
	v.wantRefused(v.address, contracts.PackClaim(tr.claim(0)), "BadProof")
}

// The single leaf of a vault without any tree above it is still a proof, if K
// members sign its hash as the root.
func TestClaimWithoutLevels(t *testing.T) {
	v := newVault(t, testToken)
	tr := v.tree(pay(payee(1), 70))
	v.fund(70)
	e := contracts.Epoch{Number: 1, Root: tr.leaf(tr.payouts[0]), Total: big.NewInt(70)}
	v.run(v.address, v.activation(e, 0, 1, 2))
	v.run(v.address, contracts.PackClaim(contracts.Claim{
		Payee: payee(1), Cumulative: big.NewInt(70), Sides: new(big.Int),
	}))
	if got := v.balance(payee(1)); got != 70 {
		t.Errorf("paid %d, want 70", got)
	}
}

func TestOddTokens(t *testing.T) {
	for _, tt := range []struct {
		token string
		want  string // "" when it pays
	}{
		{"SilentToken", ""},
		{"FalseToken", ""},
		{"LyingToken", "TransferFailed"},
		{"FeeToken", "TransferFailed"},
		{"TollToken", "TransferFailed"},
	} {
		t.Run(tt.token, func(t *testing.T) {
			v := newVault(t, func(c *chain) []byte { return oddToken(c.t, tt.token, 1_000_000) })
			tr := v.tree(pay(payee(1), 1000), pay(payee(2), 500))
			if tt.token == "LyingToken" {
				give := slices.Concat(selector("give(address,uint256)"), contracts.PackTransfer(v.address, big.NewInt(5000))[4:])
				v.run(v.token, give)
			} else {
				v.fund(5000)
			}
			v.run(v.address, v.activation(tr.epoch(1), 0, 1, 2))
			claim := contracts.PackClaim(tr.claim(0))
			if tt.want != "" {
				v.wantRefused(v.address, claim, tt.want)
				if receipt := v.send(&v.address, claim); receipt.Status != types.ReceiptStatusFailed {
					t.Error("the transaction did not revert")
				}
				// Nothing is lost: the claim can be made when the token is well again.
				if got := v.number(v.address, contracts.PackClaimed(payee(1))); got != 0 {
					t.Errorf("claimed %d after a failed transfer", got)
				}
				return
			}
			v.run(v.address, claim)
			if got := v.balance(payee(1)); got != 1000 {
				t.Errorf("paid %d, want 1000", got)
			}
		})
	}
}

// One payee whom the token refuses stops nobody else.
func TestBlockedPayee(t *testing.T) {
	v := newVault(t, func(c *chain) []byte { return oddToken(c.t, "BlockingToken", 1_000_000) })
	tr := v.tree(pay(payee(1), 1000), pay(payee(2), 500))
	v.fund(1500)
	v.run(v.address, v.activation(tr.epoch(1), 0, 1, 2))
	block := slices.Concat(selector("setBlocked(address)"), contracts.PackBalanceOf(payee(1))[4:])
	v.run(v.token, block)
	v.wantRefused(v.address, contracts.PackClaim(tr.claim(0)), "TransferFailed")
	v.run(v.address, contracts.PackClaim(tr.claim(1)))
	if got := v.balance(payee(2)); got != 500 {
		t.Errorf("paid %d, want 500", got)
	}
}

// A token that calls back during a payment gains nothing by it.
func TestReentrantToken(t *testing.T) {
	v := newVault(t, func(c *chain) []byte { return oddToken(c.t, "ReentrantToken", 1_000_000) })
	tr := v.tree(pay(payee(1), 1000), pay(payee(2), 500))
	v.fund(1500)
	v.run(v.address, v.activation(tr.epoch(1), 0, 1, 2))
	for _, tt := range []struct {
		name   string
		inside contracts.Claim
	}{
		{"same claim", tr.claim(0)},
		{"other claim", tr.claim(1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v.run(v.token, slices.Concat(selector("setCall(bytes)"), packBytes(contracts.PackClaim(tt.inside))))
			v.wantRefused(v.address, contracts.PackClaim(tr.claim(0)), "TransferFailed")
		})
	}
}
