package node_test

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"

	"github.com/killick-ledger/killick/anchor/evmnode/node"
)

func TestParse(t *testing.T) {
	const text = `
listen: 127.0.0.1:8545
chain_id: 7
dir: chain
period: 2s
finality: 9
alloc:
  "0x00000000000000000000000000000000000000aA": "1000000000000000000000"
`
	got, err := node.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	wei, _ := new(big.Int).SetString("1000000000000000000000", 10)
	want := node.File{Config: node.Config{
		Listen: "127.0.0.1:8545", ChainID: 7, Dir: "chain", Finality: 9,
		Alloc: map[common.Address]*big.Int{common.HexToAddress("0xaa"): wei},
	}, Period: 2 * time.Second}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 })); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestParseDefaults(t *testing.T) {
	got, err := node.Parse(strings.NewReader("listen: 127.0.0.1:1\ndir: x\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got.ChainID != node.DefaultChainID || got.Period != node.DefaultPeriod || got.Finality != node.DefaultFinality {
		t.Errorf("defaults: %+v", got)
	}
}

func TestParseRefuses(t *testing.T) {
	const good = "listen: 127.0.0.1:1\ndir: x\n"
	for _, tt := range []struct {
		name, text string
		want       []string // each is in the error
	}{
		{"nothing", "", []string{"parse", "no settings are in it"}},
		{"unknown field", good + "ws: true\n", []string{"ws"}},
		{"wrong type", good + "chain_id: one\n", []string{"one"}},
		{"duplicate field", good + "dir: y\n", []string{"already defined"}},
		{"two documents", good + "---\n" + good, []string{"line 3: more than one"}},
		{"all mistakes at once", "chain_id: 0\nperiod: 10ms\n", []string{"listen", "chain_id", "dir", "period"}},
		{"listen without a port", "dir: x\nlisten: localhost\n", []string{"listen", "port"}},
		{"alloc without 0x", good + "alloc: {00000000000000000000000000000000000000aa: \"1\"}\n", []string{"alloc", "address"}},
		{"alloc in hex", good + "alloc: {\"0x00000000000000000000000000000000000000aa\": \"0x1\"}\n", []string{"alloc", "decimal"}},
		{"negative alloc", good + "alloc: {\"0x00000000000000000000000000000000000000aa\": \"-1\"}\n", []string{"out of range"}},
		{"one account in two spellings", good + "alloc: {\"0x00000000000000000000000000000000000000aa\": \"1\", \"0x00000000000000000000000000000000000000AA\": \"1\"}\n", []string{"twice"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := node.Parse(strings.NewReader(tt.text))
			if err == nil {
				t.Fatal("taken")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not mention %q", err, want)
				}
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("listen: 127.0.0.1:1\ndir: x\nalloc: {\"0x00000000000000000000000000000000000000aa\": \"1\"}\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := node.Parse(strings.NewReader(text))
		if err == nil && (c.Check() != nil || c.Period < time.Second) {
			t.Errorf("taken: %+v", c)
		}
	})
}
