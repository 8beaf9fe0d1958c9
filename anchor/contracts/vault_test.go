package contracts_test

import (
	"bytes"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// vault is a RewardVault on a chain with its token and its members.
type vault struct {
	*chain
	members
	log, address, token common.Address
}

func newVault(t *testing.T, token func(c *chain) []byte) vault {
	t.Helper()
	v := vault{chain: newChain(t), members: newMembers(4, 3)}
	v.token = v.deploy(token(v.chain))
	v.log = v.deploy(contracts.NewAnchorLog(logID, v.Set))
	v.address = v.deploy(contracts.NewRewardVault(v.token, big.NewInt(chainID), v.log))
	return v
}

func testToken(*chain) []byte { return contracts.NewTestToken(big.NewInt(1_000_000)) }

func (v vault) tree(ps ...payout) tree {
	return tree{canon.LeafDomain(chainID, v.address, v.token, logID), ps}
}

func (v vault) payout(e contracts.Epoch) [32]byte {
	return v.payoutBy(v.members, e)
}

func (v vault) payoutBy(m members, e contracts.Epoch) [32]byte {
	return canon.PayoutDigest(chainID, v.address, logID, m.Version, m.Hash(), e.Number, e.Root, e.Total.Uint64())
}

func (v vault) activation(e contracts.Epoch, who ...int) []byte {
	return contracts.PackActivate(e, v.sign(v.payout(e), who...))
}

func (v vault) fund(amount int64) {
	v.t.Helper()
	v.run(v.token, contracts.PackTransfer(v.address, big.NewInt(amount)))
}

func (v vault) number(to common.Address, view []byte) int64 {
	v.t.Helper()
	n, err := contracts.UnpackUint(v.view(to, view))
	if err != nil {
		v.t.Fatal(err)
	}
	return n.Int64()
}

func (v vault) balance(of [20]byte) int64 {
	v.t.Helper()
	return v.number(v.token, contracts.PackBalanceOf(of))
}

func (v vault) wantRefused(to common.Address, data []byte, want string) {
	v.t.Helper()
	if got := v.refusal(&to, data); !strings.HasPrefix(got, want) || got == "" {
		v.t.Errorf("refused with %q, want %q", got, want)
	}
}

func TestVaultDigests(t *testing.T) {
	v := newVault(t, testToken)
	e := contracts.Epoch{Number: 1<<64 - 1, Root: root("r"), Total: new(big.Int).SetUint64(1<<64 - 1)}
	tr := v.tree(pay(payee(1), 1<<64-1))
	for _, tt := range []struct {
		name string
		view []byte
		want [32]byte
	}{
		{"log id", contracts.PackLogID(), logID},
		{"token", contracts.PackToken(), common.BytesToHash(v.token[:])},
		{"payout", contracts.PackPayoutDigest(e), v.payout(e)},
		{"leaf domain", contracts.PackDomain(), tr.domain},
		{"leaf", contracts.PackLeaf(payee(1), e.Total), tr.leaf(tr.payouts[0])},
	} {
		if got := v.view(v.address, tt.view); !bytes.Equal(got, tt.want[:]) {
			t.Errorf("%s: got %x, want %x", tt.name, got, tt.want)
		}
	}
}

func TestNewVaultRefuses(t *testing.T) {
	c := newChain(t)
	token, log := c.deploy(testToken(c)), c.deploy(contracts.NewAnchorLog(logID, newMembers(4, 3).Set))
	for _, tt := range []struct {
		name, want string
		code       []byte
	}{
		{"other chain", "WrongChain[1338 1337]", contracts.NewRewardVault(token, big.NewInt(chainID+1), log)},
		{"token without code", "NotAContract", contracts.NewRewardVault(payee(0), big.NewInt(chainID), log)},
		{"log without code", "NotAContract", contracts.NewRewardVault(token, big.NewInt(chainID), payee(0))},
		{"a log that is none", "empty reason", contracts.NewRewardVault(token, big.NewInt(chainID), token)},
	} {
		if got := c.refusal(nil, tt.code); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: refused with %q, want %q", tt.name, got, tt.want)
		}
	}
}

// The vault follows the members of the log; frozen, it pays what was promised and
// promises nothing more.
func TestVaultFollowsTheLog(t *testing.T) {
	v, second := newVault(t, testToken), newSet(2, 4, 3, "second")
	h, fork := newHistory(t, 20, 20), newHistory(t, 20, 3)
	v.fund(1000)
	first := v.tree(payouts(3, 100)...)
	v.run(v.address, v.activation(first.epoch(1), 0, 1, 2))
	late := func(want map[uint64]bool) {
		t.Helper()
		for version, want := range want {
			if got := bytes.Equal(v.view(v.address, contracts.PackLate(version)), contracts.True()); got != want {
				t.Errorf("too late for set %d: %v, want %v", version, got, want)
			}
		}
	}
	late(map[uint64]bool{0: true, 1: false, 2: false, 1<<64 - 1: false})
	v.run(v.log, v.submit(h, 0, 5, 0, 1, 2))
	v.run(v.log, v.rotate(second, 3, 0, 1, 2))
	late(map[uint64]bool{1: true, 2: false, 3: false})
	next := v.tree(payouts(3, 200)...)
	by := func(m members, e contracts.Epoch) []byte {
		return contracts.PackActivate(e, m.sign(v.payoutBy(m, e), 0, 1, 2))
	}
	v.wantRefused(v.address, by(v.members, next.epoch(2)), "WrongMemberSet")
	v.wantRefused(v.address, by(v.as(2), next.epoch(2)), "WrongMemberSet")
	v.wantRefused(v.address, by(second.as(1), next.epoch(2)), "WrongMemberSet")
	v.wantRefused(v.address, contracts.PackActivate(next.epoch(2), second.sign(v.payout(next.epoch(2)), 0, 1, 2)), "WrongSigner")
	v.run(v.address, by(second, next.epoch(2)))
	want := v.payoutBy(second, next.epoch(3))
	if got := v.view(v.address, contracts.PackPayoutDigest(next.epoch(3))); !bytes.Equal(got, want[:]) {
		t.Errorf("digest %x, want %x", got, want)
	}
	v.run(v.log, contracts.PackReport(second.states(h.at(9), 0, 1, 2), second.states(fork.at(9), 0, 1, 2), fork.root(9), nil))
	v.wantRefused(v.address, by(second, next.epoch(3)), "Frozen[]")
	late(map[uint64]bool{1: true, 2: true, 3: true})
	v.run(v.address, by(second, next.epoch(2))) // a replay
	for i := range next.payouts {
		v.run(v.address, contracts.PackClaim(next.claim(i)))
	}
	if got := v.balance(payee(0)); got != 200 {
		t.Errorf("payee 0 has %d", got)
	}
}

func TestVaultPays(t *testing.T) {
	v := newVault(t, testToken)
	// Enough payees for subtrees of 0, 1, 2 and 3 leaves.
	first := v.tree(payouts(300, 10)...)
	epoch := first.epoch(3)
	v.fund(epoch.Total.Int64())
	wantEvent(t, v.run(v.address, v.activation(epoch, 0, 1, 2)), "Activated(uint64,bytes32,uint128)",
		[][]byte{word(3)}, epoch.Root[:], epoch.Total.FillBytes(make([]byte, 32)))
	if receipt := v.run(v.address, contracts.PackActivate(epoch, v.sign([32]byte{}))); len(receipt.Logs) != 0 {
		t.Error("replay of an activation made an event")
	}
	lengths := make(map[int]bool)
	for i := range first.payouts {
		claim := first.claim(i)
		lengths[len(claim.Levels)/contracts.LevelSize] = true
		if i%10 != 0 {
			if got := v.refusal(&v.address, contracts.PackClaim(claim)); got != "" {
				t.Errorf("claim %d refused: %s", i, got)
			}
			continue
		}
		receipt := v.run(v.address, contracts.PackClaim(claim))
		event, err := contracts.ParseClaimed(topics(receipt.Logs[1]), receipt.Logs[1].Data)
		if err != nil || event.Payee != claim.Payee || event.Amount.Cmp(claim.Cumulative) != 0 || event.Cumulative.Cmp(claim.Cumulative) != 0 {
			t.Errorf("claim %d: event %+v, %v", i, event, err)
		}
		// The sender is not the payee: it gets nothing.
		if got, want := v.balance(claim.Payee), claim.Cumulative.Int64(); got != want {
			t.Errorf("claim %d paid %d, want %d", i, got, want)
		}
		v.wantRefused(v.address, contracts.PackClaim(claim), "NothingToClaim")
	}
	for _, want := range []int{8, 9, 10} {
		if !lengths[want] {
			t.Errorf("no path of %d levels among %v", want, lengths)
		}
	}
	claimed := v.number(v.address, contracts.PackClaimedTotal())
	if got := v.balance(v.address); got != epoch.Total.Int64()-claimed {
		t.Errorf("vault holds %d after paying %d of %d", got, claimed, epoch.Total)
	}
}

func TestVaultPaysTheDifference(t *testing.T) {
	v := newVault(t, testToken)
	one := v.tree(pay(payee(1), 100), pay(payee(2), 50))
	v.fund(150)
	v.run(v.address, v.activation(one.epoch(1), 0, 1, 2))
	v.run(v.address, contracts.PackClaim(one.claim(0)))

	two := v.tree(pay(payee(1), 130), pay(payee(2), 90))
	// 220 is promised in all, 100 is paid, 50 is here: 70 are missing.
	v.wantRefused(v.address, v.activation(two.epoch(2), 0, 1, 2), "Underfunded[120 50]")
	v.fund(70)
	v.run(v.address, v.activation(two.epoch(2), 1, 2, 3))
	v.wantRefused(v.address, contracts.PackClaim(one.claim(1)), "BadProof")
	v.run(v.address, contracts.PackClaim(two.claim(0)))
	v.run(v.address, contracts.PackClaim(two.claim(1)))
	for i, want := range map[int]int64{1: 130, 2: 90} {
		if got := v.balance(payee(i)); got != want {
			t.Errorf("payee %d has %d, want %d", i, got, want)
		}
		if got := v.number(v.address, contracts.PackClaimed(payee(i))); got != want {
			t.Errorf("payee %d claimed %d, want %d", i, got, want)
		}
	}
	if got := v.balance(v.address); got != 0 {
		t.Errorf("vault holds %d", got)
	}
	active, err := contracts.UnpackActive(v.view(v.address, contracts.PackActive()))
	if err != nil || active.Number != 2 || active.Total.Int64() != 220 {
		t.Errorf("active %+v, %v", active, err)
	}
	for _, tt := range []struct {
		name string
		view []byte
		want bool
	}{
		{"paid 130", contracts.PackPaid(payee(1), big.NewInt(130)), true},
		{"paid 131", contracts.PackPaid(payee(1), big.NewInt(131)), false},
		{"reached 1", contracts.PackEpochReached(1), true},
		{"reached 3", contracts.PackEpochReached(3), false},
	} {
		if got := bytes.Equal(v.view(v.address, tt.view), contracts.True()); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestActivateRefuses(t *testing.T) {
	v := newVault(t, testToken)
	v.fund(1000)
	active := v.tree(payouts(3, 100)...).epoch(5)
	v.run(v.address, v.activation(active, 0, 1, 2))
	next := v.tree(payouts(3, 200)...).epoch(6)
	with := func(change func(*contracts.Epoch)) []byte {
		e := next
		e.Total = new(big.Int).Set(next.Total)
		change(&e)
		return v.activation(e, 0, 1, 2)
	}
	high := v.sign(v.payout(next), 0, 1, 2)
	highS(high.Bytes)
	otherVault := canon.PayoutDigest(chainID, payee(9), logID, 1, v.Hash(), next.Number, next.Root, next.Total.Uint64())
	otherChain := canon.PayoutDigest(chainID+1, v.address, logID, 1, v.Hash(), next.Number, next.Root, next.Total.Uint64())
	for _, tt := range []struct {
		name, want string
		data       []byte
	}{
		{"zero root", "ZeroRoot", with(func(e *contracts.Epoch) { e.Root = [32]byte{} })},
		{"active epoch, other root", "EpochNotLater[5 5]", with(func(e *contracts.Epoch) { e.Number = 5 })},
		{"old epoch", "EpochNotLater[4 5]", with(func(e *contracts.Epoch) { e.Number = 4 })},
		{"falling total", "TotalFell[302 303]", with(func(e *contracts.Epoch) { e.Total.SetInt64(302) })},
		{"under-funded", "Underfunded[1001 1000]", with(func(e *contracts.Epoch) { e.Total.SetInt64(1001) })},
		{"largest total", "Underfunded", with(func(e *contracts.Epoch) { e.Total.SetUint64(1<<64 - 1) })},
		{"K - 1 signatures", "TooFewSignatures[2 3]", v.activation(next, 0, 3)},
		{"high s", "HighS[0]", contracts.PackActivate(next, high)},
		{"signed for another vault", "WrongSigner", contracts.PackActivate(next, v.sign(otherVault, 0, 1, 2))},
		{"signed for another chain", "WrongSigner", contracts.PackActivate(next, v.sign(otherChain, 0, 1, 2))},
		{"signed for another total", "WrongSigner", contracts.PackActivate(
			contracts.Epoch{Number: 6, Root: next.Root, Total: big.NewInt(700)}, v.sign(v.payout(next), 0, 1, 2))},
		{"total of 129 bits", "empty reason", func() []byte {
			data := v.activation(next, 0, 1, 2)
			data[4+64+15] = 1
			return data
		}()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := v.refusal(&v.address, tt.data); !strings.HasPrefix(got, tt.want) {
				t.Errorf("refused with %q, want %q", got, tt.want)
			}
		})
	}
	if got := v.refusal(&v.address, v.activation(next, 0, 1, 2)); got != "" {
		t.Errorf("the unchanged epoch is refused: %s", got)
	}
}
