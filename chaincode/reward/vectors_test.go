package reward_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/canon/canontest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	text = strings.TrimPrefix(text, "0x")
	b, err := canon.UnHex(text, len(text)/2)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The trees of this package are those that the vaults on chain accept: the
// vectors of the contracts' own tests hold here.
func TestContractVectors(t *testing.T) {
	var v struct {
		Vault struct {
			Domain string `json:"leaf_domain"`
			Root   string `json:"root"`
			Total  string `json:"total"`
			Leaves []struct {
				Payee      string `json:"payee"`
				Cumulative string `json:"cumulative"`
				Leaf       string `json:"leaf"`
				Sides      string `json:"sides"`
				Levels     string `json:"levels"`
			} `json:"leaves"`
		} `json:"vault"`
	}
	canontest.ReadJSON(t, "../../docs/formats/vectors/contracts.json", &v)
	domain := [32]byte(unhex(t, v.Vault.Domain))
	var trees [reward.Subtrees][]reward.Payee
	var payees []reward.Payee
	for _, l := range v.Vault.Leaves {
		amount, err := strconv.ParseInt(l.Cumulative, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		p := reward.Payee{Address: [20]byte(unhex(t, l.Payee)), Cumulative: reward.Amount(amount)}
		if got := reward.Leaf(domain, p); got.Hash != [32]byte(unhex(t, l.Leaf)) {
			t.Errorf("leaf of %s is %x", l.Payee, got.Hash)
		}
		s := reward.SubtreeOf(p.Address)
		trees[s] = append(trees[s], p)
		payees = append(payees, p)
	}
	var nodes [reward.Subtrees]reward.Node
	for i := range trees {
		reward.SortPayees(trees[i])
		nodes[i] = reward.Subtree(domain, trees[i])
	}
	root := reward.Root(&nodes)
	if root.Hash != [32]byte(unhex(t, v.Vault.Root)) || root.Sum.String() != v.Vault.Total {
		t.Errorf("root %x, total %s", root.Hash, root.Sum)
	}
	for i, p := range payees {
		steps, err := reward.Prove(domain, p.Address, trees[reward.SubtreeOf(p.Address)], &nodes)
		if err != nil {
			t.Fatal(err)
		}
		sides, levels := uint64(0), []byte{}
		for j, s := range steps {
			if s.Left {
				sides |= 1 << j
			}
			levels = append(append(levels, s.Sibling.Sum.Bytes()...), s.Sibling.Hash[:]...)
		}
		if strconv.FormatUint(sides, 10) != v.Vault.Leaves[i].Sides || canon.Hex(levels) != strings.TrimPrefix(v.Vault.Leaves[i].Levels, "0x") {
			t.Errorf("the proof of %x is another one", p.Address)
		}
	}
}
