package contracts_test

import (
	"bytes"
	"fmt"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/chaincode/canon/canontest"
)

func selector(signature string) []byte { return crypto.Keccak256([]byte(signature))[:4] }

// packBytes encodes one argument of type bytes.
func packBytes(b []byte) []byte {
	word := func(n int) []byte { return common.BigToHash(big.NewInt(int64(n))).Bytes() }
	out := append(word(32), word(len(b))...)
	return append(append(out, b...), make([]byte, (32-len(b)%32)%32)...)
}

// TestGas keeps the cost of each transaction in testdata/gas.txt. Keys, and so
// all bytes, are fixed, so every change shows.
func TestGas(t *testing.T) {
	var table bytes.Buffer
	line := func(name string, gas uint64) { fmt.Fprintf(&table, "%-48s %9d\n", name, gas) }
	table.WriteString("# Gas of whole transactions under the Osaka rules.\n" +
		"# Rewritten by: go test ./anchor/contracts -run TestGas -update\n")
	submitGas(t, line)
	vaultGas(t, line)
	t.Log("\n" + table.String())
	canontest.Golden(t, "testdata/gas.txt", table.Bytes())
}

func submitGas(t *testing.T, line func(string, uint64)) {
	c := newChain(t)
	for _, set := range []struct {
		n int
		k uint
	}{{4, 3}, {7, 5}} {
		m := newMembers(set.n, set.k)
		creation := c.send(nil, contracts.NewAnchorLog(logID, m.addresses, m.k))
		log := creation.ContractAddress
		line(fmt.Sprintf("AnchorLog creation, %d members", set.n), creation.GasUsed)
		var who []int
		for i := range int(set.k) {
			who = append(who, i)
		}
		for size, name := range []string{"first", "steady"} {
			cp := contracts.Checkpoint{Size: uint64(100 + size), Root: root(name), Time: uint64(1_800_000_000 + size)}
			line(fmt.Sprintf("submit, %d of %d, %s", set.k, set.n, name), c.run(log, m.checkpoint(cp, who...)).GasUsed)
			if size == 1 {
				line(fmt.Sprintf("submit, %d of %d, replay", set.k, set.n), c.run(log, m.checkpoint(cp, who...)).GasUsed)
			}
		}
	}
}

func vaultGas(t *testing.T, line func(string, uint64)) {
	v := newVault(t, testToken)
	ps := payouts(1000, 10)
	one := v.tree(ps...)
	v.fund(900_000)
	line("RewardVault creation, 4 members", v.send(nil, contracts.NewRewardVault(
		v.token, big.NewInt(chainID), logID, v.addresses, v.k)).GasUsed)
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
