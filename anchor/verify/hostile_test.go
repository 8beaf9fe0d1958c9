package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/killick-ledger/killick/anchor/verify/verifytest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// audited is a channel whose first user has money.
type audited struct {
	*verifytest.Channel
	t          *testing.T
	alice, bob *opstest.User
}

func newAudited(t *testing.T) *audited {
	a := &audited{t: t, alice: opstest.NewUser("alice"), bob: opstest.NewUser("bob")}
	a.Channel = verifytest.New(t, a.alice)
	var items []ops.Item
	for _, u := range []*opstest.User{a.alice, a.bob} {
		item, _ := a.World.Sign(u, &ops.DIDCreate{Document: u.Doc}, "")
		items = append(items, item)
	}
	a.by(a.Batch(nil, items...), 2)
	fund, err := canon.Marshal(reward.Fund{ID: strings.Repeat("ab", 32), Asset: "usd", To: a.alice.DID, Amount: 1000})
	if err != nil {
		t.Fatal(err)
	}
	a.Do("reward:Fund", fund)
	return a
}

// by adds a block with a transaction that so many members endorsed.
func (a *audited) by(p *verifytest.Proposal, endorsers int) {
	a.Add([]byte{verifytest.Valid}, a.Tx(p, a.Members[:endorsers]...))
}

func (a *audited) pay(amount int) *verifytest.Proposal {
	item, _ := a.World.Sign(a.alice, opstest.Pay("usd", a.bob, amount), "")
	return a.Batch(nil, item)
}

// minted is a payment that leaves the payer more than the rules do.
func (a *audited) minted() *verifytest.Proposal {
	p := a.pay(1)
	i := slices.IndexFunc(p.Writes, func(w *kvrwset.KVWrite) bool { return strings.HasPrefix(w.Key, "balance/") })
	v := slices.Clone(p.Writes[i].Value)
	v[len(v)-1]++
	p.Writes[i].Value = v
	return p
}

// depths verifies the bundle of the last block at each depth and returns what was printed
// by exit code. All chains are as the members have them.
func (a *audited) depths() (codes [3]int, outs [3]string) {
	a.t.Helper()
	s := overBlocks(a.t, a.Blocks...)
	args := []string{s.bundle, "--policy", s.policy, "--evm", s.evm, "--one-endpoint"}
	raw, genesis := s.write("last.block", a.Raw[len(a.Raw)-1]), s.write("genesis.block", a.Raw[0])
	codes[0], outs[0] = s.run(args...)
	codes[1], outs[1] = s.run(append(args, "--block", raw, "--config", genesis)...)
	codes[2], outs[2] = s.run(append(args, "--blocks", s.write("blocks", a.Files))...)
	return codes, outs
}

// What hostile members do is found at the depth that docs/audit.md promises, and not
// before: the table of that page, row by row.
func TestHostileMembers(t *testing.T) {
	t.Parallel()
	const ok, bad = exitVerified, exitInvalid
	tests := []struct {
		name    string
		want    [3]int // at L1, L2 and L3
		line    string // of the first refusal
		hostile func(a *audited)
	}{
		{"none", [3]int{ok, ok, ok}, "", func(a *audited) { a.by(a.pay(1), 2) }},
		{"f organisations endorse, and the others mark it", [3]int{ok, ok, ok}, "", func(a *audited) {
			a.Add([]byte{verifytest.Policy}, a.Tx(a.minted(), a.Members[0]))
			a.by(a.pay(1), 2)
		}},
		{"f + 1 endorsers write what the rules forbid", [3]int{ok, ok, bad}, "re-execution", func(a *audited) { a.by(a.minted(), 2) }},
		{"they did so long ago", [3]int{ok, ok, bad}, "re-execution", func(a *audited) {
			a.by(a.minted(), 2)
			a.by(a.pay(1), 2)
		}},
		{"K members take a transaction that f organisations endorsed", [3]int{ok, bad, bad}, "endorsements", func(a *audited) { a.by(a.pay(1), 1) }},
		{"they did so long ago", [3]int{ok, ok, bad}, "re-execution", func(a *audited) {
			a.by(a.pay(1), 1)
			a.by(a.pay(1), 2)
		}},
		{"K members take a stale transaction", [3]int{ok, ok, bad}, "re-execution", func(a *audited) {
			stale := a.pay(1)
			a.by(a.pay(2), 2)
			a.by(stale, 2)
		}},
		{"K members take a transaction twice", [3]int{ok, ok, bad}, "re-execution", func(a *audited) {
			p := a.pay(1)
			a.by(p, 2)
			a.by(p, 2)
		}},
		{"K members mark a good transaction as stale", [3]int{ok, ok, bad}, "re-execution", func(a *audited) {
			a.Add([]byte{verifytest.MVCC}, a.Tx(a.pay(1), a.Members[:2]...))
			a.by(a.pay(2), 2)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAudited(t)
			tt.hostile(a)
			codes, outs := a.depths()
			if codes != tt.want {
				t.Fatalf("exits %v, want %v:\n%s", codes, tt.want, strings.Join(outs[:], "\n"))
			}
			for i, code := range codes {
				if code == bad && (tt.line != "" && !strings.Contains(outs[2], "INVALID: re-execution") || i < 2 && !strings.Contains(outs[i], "INVALID: "+tt.line)) {
					t.Errorf("depth L%d:\n%s", i+1, outs[i])
				}
			}
			if codes[2] == ok && !strings.Contains(outs[2], "VERIFIED at depth L3") {
				t.Errorf("%s", outs[2])
			}
		})
	}
	a := newAudited(t)
	a.by(a.minted(), 2)
	if _, outs := a.depths(); !strings.Contains(outs[2], a.Blocks[5].Txs[0].ID) || !strings.Contains(outs[2], "block 5: key balance/") {
		t.Errorf("the block, the transaction and the key are not named:\n%s", outs[2])
	}
}

// An operator of an anchor, or of a peer, hands out blocks with a change: whatever block
// it is in, they are not those that the members signed.
func TestModifiedBlocks(t *testing.T) {
	t.Parallel()
	a := newAudited(t)
	a.by(a.pay(1), 2)
	a.by(a.pay(2), 2)
	honest := slices.Clone(a.Files)
	s := overBlocks(t, a.Blocks...)
	run := func(files []byte, more ...string) (int, string) {
		args := []string{s.bundle, "--policy", s.policy, "--evm", s.evm, "--one-endpoint", "--blocks", s.write("blocks", files)}
		return s.run(append(args, more...)...)
	}
	if code, out := run(honest); code != exitVerified {
		t.Fatalf("exit %d:\n%s", code, out)
	}
	tests := []struct {
		name, want string
		code       int
		files      func() []byte
	}{
		{"a validation code", "not those that the members signed", exitInvalid, func() []byte {
			return changeStored(honest, 3, func(b []byte) { b[bytes.LastIndex(b, []byte{1, 0, 0, 0})+1] = 11 })
		}},
		{"a byte of a transaction", "data hash is", exitPartly, func() []byte {
			return changeStored(honest, 3, func(b []byte) { b[len(b)/2] ^= 1 })
		}},
		{"another history", "not those that the members signed", exitInvalid, func() []byte {
			b := &audited{t: t, Channel: a.Channel, alice: a.alice, bob: a.bob}
			b.Rewind(5)
			b.by(b.pay(3), 2)
			b.by(b.pay(4), 2)
			return b.Files
		}},
		{"the end", "the blocks end before the checkpoint", exitPartly, func() []byte { return honest[:lengthOf(honest, 5)] }},
		{"no blocks", "the blocks end before the checkpoint", exitPartly, func() []byte { return nil }},
		{"another channel", "the first block is not the one", exitPartly, func() []byte { return newAudited(t).Files }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if code, out := run(tt.files()); code != tt.code || !strings.Contains(out, tt.want) {
				t.Errorf("exit %d:\n%s", code, out)
			}
		})
	}
	if code, out := run(honest, "--memory", "0"); code != exitPartly || !strings.Contains(out, "larger than the limit") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if code, out := s.run(s.bundle, "--policy", s.policy, "--offline", "--blocks", s.write("none", nil)+"x"); code != exitPartly || !strings.Contains(out, "no such file") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

// lengthOf is how many bytes so many stored blocks take.
func lengthOf(files []byte, blocks int) int {
	at := 0
	for range blocks {
		_, n := protowire.ConsumeBytes(files[at:])
		at += n
	}
	return at
}

// changeStored changes the bytes of one stored block.
func changeStored(files []byte, number int, edit func([]byte)) []byte {
	out := slices.Clone(files)
	stored, _ := protowire.ConsumeBytes(out[lengthOf(out, number):])
	edit(stored)
	return out
}

// f members sign another checkpoint, and K members sign two: the first is refused at L1,
// and of the second the history that no chain holds.
func TestTwoHistories(t *testing.T) {
	t.Parallel()
	a := newAudited(t)
	a.by(a.pay(1), 2)
	one := overBlocks(t, a.Blocks...)
	a.Rewind(5)
	a.by(a.pay(2), 2)
	other := overBlocks(t, a.Blocks...)
	code, out := one.run(one.bundle, "--policy", one.policy, "--evm", one.evm, "--evm", other.evm)
	if code != exitInvalid || !strings.Contains(out, "another root") {
		t.Errorf("one endpoint of two with the other history: exit %d:\n%s", code, out)
	}
	if code, out := one.run(one.bundle, "--policy", one.policy, "--evm", other.evm, "--one-endpoint"); code != exitInvalid {
		t.Errorf("the chain holds the other history: exit %d:\n%s", code, out)
	}
	// Nothing that an auditor can read shows what two endpoints hide who lie alike.
	if code, out := other.run(other.bundle, "--policy", other.policy, "--evm", other.evm, "--evm", overBlocks(t, a.Blocks...).evm); code != exitVerified {
		t.Errorf("two endpoints that lie alike with K members: exit %d:\n%s", code, out)
	}
	// What f members sign alone has too few signatures.
	var few []string
	for _, line := range strings.SplitAfter(string(contents(t, one.bundle)), "\n") {
		if !strings.HasPrefix(line, "\u2014 ") || strings.HasPrefix(line, "\u2014 Org1MSP") {
			few = append(few, line)
		}
	}
	code, out = one.run(one.write("few.anchorproof", []byte(strings.Join(few, ""))), "--policy", one.policy, "--evm", one.evm, "--one-endpoint")
	if code != exitInvalid || !strings.Contains(out, "1 of 4 members signed, want 3") {
		t.Errorf("signed by f members: exit %d:\n%s", code, out)
	}
}
