package contracts_test

import (
	"bytes"
	"fmt"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/killick-ledger/killick/anchor/contracts"
)

func selector(signature string) []byte { return crypto.Keccak256([]byte(signature))[:4] }

// packBytes encodes one argument of type bytes.
func packBytes(b []byte) []byte {
	word := func(n int) []byte { return common.BigToHash(big.NewInt(int64(n))).Bytes() }
	out := append(word(32), word(len(b))...)
	return append(append(out, b...), make([]byte, (32-len(b)%32)%32)...)
}

// TestGas holds the cost of each transaction against testdata/gas.txt. Keys, and so
// all bytes, are fixed, so every change shows.
func TestGas(t *testing.T) {
	var table bytes.Buffer
	line := func(name string, gas uint64) { fmt.Fprintf(&table, "%-48s %9d\n", name, gas) }
	table.WriteString("# Gas of whole transactions under the Osaka rules.\n" +
		"# Rewritten by: go test ./anchor/contracts -run TestGas -update\n")
	submitGas(t, line)
	vaultGas(t, line)
	t.Log("\n" + table.String())
	snapshot(t, "testdata/gas.txt", table.String(), 1)
}

func submitGas(t *testing.T, line func(string, uint64)) {
	c := newChain(t)
	for _, set := range []struct {
		n int
		k uint
	}{{4, 3}, {7, 5}} {
		m := newMembers(set.n, set.k)
		creation := c.send(nil, contracts.NewAnchorLog(logID, m.Set))
		log, h := creation.ContractAddress, newHistory(t, 600, 600)
		line(fmt.Sprintf("AnchorLog creation, %d members", set.n), creation.GasUsed)
		who := firsts(int(set.k))
		first := m.submit(h, 0, 300, who...)
		line(fmt.Sprintf("submit, %d of %d, first", set.k, set.n), c.run(log, first).GasUsed)
		line(fmt.Sprintf("submit, %d of %d, replay", set.k, set.n), c.run(log, first).GasUsed)
		stale := contracts.PackSubmit(h.at(310), h.growth(290, 310), m.sign(m.digest(h.at(310)), who...))
		line(fmt.Sprintf("submit, %d of %d, fails: from another head", set.k, set.n), c.send(&log, stale).GasUsed)
		next := newSet(2, set.n, set.k, "second")
		line(fmt.Sprintf("rotate, %d of %d", set.k, set.n), c.run(log, m.rotate(next, 400, who...)).GasUsed)
		guilty := contracts.PackReport(next.states(h.at(500), who...), next.states(newHistory(t, 600, 5).at(500), who...),
			newHistory(t, 600, 5).root(500), nil)
		line(fmt.Sprintf("reportEquivocation, %d of %d, one size", set.k, set.n), c.run(log, guilty).GasUsed)
	}
}

// firsts returns the first n members.
func firsts(n int) (who []int) {
	for i := range n {
		who = append(who, i)
	}
	return who
}

// TestSubmitCosts prints and keeps what a checkpoint costs in the steady state, for
// each number of signatures and length of the proof, in gas and in Tron's energy.
func TestSubmitCosts(t *testing.T) {
	c, v := newChain(t), newTVM(t)
	var table bytes.Buffer
	table.WriteString("# submit in the steady state: gas of the whole transaction (Osaka), and energy on Tron.\n" +
		"# Rewritten by: go test ./anchor/contracts -run TestSubmitCosts -update\n" +
		"# signatures of members, hashes in the proof, bytes of calldata, gas, energy\n")
	for _, set := range []struct {
		n int
		k uint
	}{{4, 3}, {7, 5}, {10, 7}} {
		m := newMembers(set.n, set.k)
		for _, hashes := range []int{1, 9, 18, 21} {
			old, size := stretch(t, hashes)
			who := firsts(int(set.k))
			gas, energy := uint64(0), uint64(0)
			var data []byte
			for i, machine := range []machine{evmMachine{c}, v} {
				log := machine.create(contracts.NewAnchorLog(logID, m.Set))
				first := contracts.Checkpoint{Size: old, Root: rootOf(t, uniform{}, old), Time: 1_800_000_000}
				if got := outcome(machine.call(log, contracts.PackSubmit(first, nil, m.sign(m.digest(first), who...)))); got != "" {
					t.Fatal(got)
				}
				next := contracts.Checkpoint{Size: size, Root: rootOf(t, uniform{}, size), Time: 1_800_000_600}
				data = contracts.PackSubmit(next, growthOf(t, uniform{}, old, size), m.sign(m.digest(next), who...))
				if i == 0 {
					gas = c.run(log, data).GasUsed
					continue
				}
				if got := outcome(machine.call(log, data)); got != "" {
					t.Fatal(got)
				}
				energy = v.energy
			}
			fmt.Fprintf(&table, "%2d of %2d %5d %7d %9d %9d\n", set.k, set.n, hashes, len(data), gas, energy)
			if limit := map[uint]uint64{3: 96_000, 5: 106_000}[set.k]; hashes == 9 && limit > 0 && gas > limit {
				t.Errorf("%d of %d with 9 hashes: %d gas, at most %d", set.k, set.n, gas, limit)
			}
		}
	}
	t.Log("\n" + table.String())
	snapshot(t, "testdata/costs.txt", table.String(), 3)
}

func vaultGas(t *testing.T, line func(string, uint64)) {
	v := newVault(t, testToken)
	ps := payouts(1000, 10)
	one := v.tree(ps...)
	v.fund(900_000)
	line("RewardVault creation", v.send(nil, contracts.NewRewardVault(
		v.token, big.NewInt(chainID), v.log)).GasUsed)
	line("TestToken creation", v.send(nil, testToken(v.chain)).GasUsed)
	line("transfer, new holder", v.run(v.token, contracts.PackTransfer(payee(5000), big.NewInt(1))).GasUsed)
	line("activate, 3 of 4, first", v.run(v.address, v.activation(one.epoch(1), 0, 1, 2)).GasUsed)
	v.run(v.address, contracts.PackClaim(one.claim(1))) // the first payment of all sets claimedTotal
	claim := func(name string, tr tree, i int) {
		c := tr.claim(i)
		line(fmt.Sprintf("claim, %d levels, %s", len(c.Levels)/contracts.LevelSize, name), v.run(v.address, contracts.PackClaim(c)).GasUsed)
	}
	claim("new payee", one, 0)
	for i := range ps {
		ps[i].cumulative++
	}
	two := v.tree(ps...)
	line("activate, 3 of 4, steady", v.run(v.address, v.activation(two.epoch(2), 0, 1, 2)).GasUsed)
	claim("returning payee", two, 0)
}
