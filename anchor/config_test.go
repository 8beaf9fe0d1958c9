package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/tron"
	tronnode "github.com/killick-ledger/killick/anchor/tronnode/node"
	"github.com/killick-ledger/killick/anchor/tronnode/node/nodetest"
)

const keysYAML = `organisation: Org1MSP
network: main-0011223344556677
keys: {cosign: DIR/keys/cosign.key, attest: DIR/keys/attest.key, sender: DIR/keys/sender.key}
`

func writeConfig(t *testing.T, text string) (path, dir string) {
	t.Helper()
	dir = t.TempDir()
	path = filepath.Join(dir, "anchor.yaml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, dir
}

func TestKeys(t *testing.T) {
	path, dir := writeConfig(t, keysYAML)
	cfg, err := readKeysConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	if err := printKeys(&first, cfg, false); err != nil {
		t.Fatal(err)
	}
	if err := printKeys(&second, cfg, false); err != nil {
		t.Fatal(err)
	}
	if first.String() != second.String() || strings.Count(first.String(), "\n") != 1 {
		t.Errorf("the second call printed something else:\n%s%s", &first, &second)
	}
	var out struct {
		MSP     string `json:"msp_id"`
		Cosign  string `json:"cosign_key"`
		Address string `json:"address"`
		Sender  string `json:"sender"`
	}
	if err := json.Unmarshal(first.Bytes(), &out); err != nil || out.Address == out.Sender || out.MSP != "Org1MSP" {
		t.Fatalf("%s: %v", &first, err)
	}
	p := membersPolicy("main-0011223344556677", strings.Repeat("00", 32), 1, []member{{out.MSP, out.Cosign, out.Address}})
	if err := p.Check(); err != nil {
		t.Errorf("what was printed is no member of a policy: %v", err)
	}
	for _, name := range []string{"cosign.key", "attest.key", "sender.key"} {
		file := filepath.Join(dir, "keys", name)
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
		if err := os.Chmod(file, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := printKeys(&first, cfg, false); err == nil || !strings.Contains(err.Error(), "can be read by others") {
			t.Errorf("%s readable by all: %v", name, err)
		}
		if err := os.Chmod(file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"attest.key": strings.Repeat("0", 64), "sender.key": "nonsense",
		"cosign.key": strings.Replace(readFile(t, dir+"/keys/cosign.key"), "Org1MSP", "Org2MSP", 1),
	} {
		file := filepath.Join(dir, "keys", name)
		good := readFile(t, file)
		for _, content := range []string{text, good} {
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := printKeys(&first, cfg, false); (err == nil) != (content == good) {
				t.Errorf("%s with %q: %v", name, content, err)
			}
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := *w.members[0].cfg
	for name, edit := range map[string]func(c *config){
		"dir is needed":  func(c *config) { c.Dir = "" },
		"listen":         func(c *config) { c.Listen = "nowhere" },
		"fabric":         func(c *config) { c.Fabric.MSPID = "Org2MSP" },
		"cadence":        func(c *config) { c.Cadence.Quiet = c.Cadence.Busy / 2 },
		"k is 5":         func(c *config) { c.K = 5 },
		"log":            func(c *config) { c.LogID = "12" },
		"kind":           func(c *config) { c.Chains = []chainConfig{{ID: "eip155:1", Kind: "solana", RPC: []string{"x"}}} },
		"grpc is needed": func(c *config) { c.Chains = []chainConfig{{ID: "tron:0x2b6653dc", Kind: "tron", RPC: []string{"x"}}} },
		"neither host:port": func(c *config) {
			c.Chains = tronChain(func(ch *chainConfig) { ch.Also = []string{"http://solid:50061"} })
		},
		"solid:50061 is named twice": func(c *config) {
			c.Chains = tronChain(func(ch *chainConfig) { ch.Also = []string{"https://solid:50061"} })
		},
		"belong to Tron": func(c *config) { c.Chains = tronChain(func(ch *chainConfig) { ch.Kind = "evm" }) },
		"x.example:8545 is named twice": func(c *config) {
			c.Chains = []chainConfig{{ID: "eip155:1", Kind: "evm", RPC: []string{"https://x.example:8545/one", "https://x.example:8545/two"}}}
		},
		"x.example is named twice": func(c *config) {
			c.Chains = []chainConfig{{ID: "eip155:1", Kind: "evm", RPC: []string{"https://x.example/one", "https://X.example:443/two"}}}
		},
		"solid:50061 is named twice:": func(c *config) {
			c.Chains = tronChain(func(ch *chainConfig) { ch.Also = []string{"Solid:50061"} })
		},
		"y.example is named twice": func(c *config) {
			c.Chains = tronChain(func(ch *chainConfig) { ch.RPC = []string{"https://y.example/jsonrpc", "https://Y.example:443/jsonrpc"} })
		},
		"at least one rpc": func(c *config) { c.Chains = []chainConfig{{ID: "eip155:1", Kind: "evm"}} },
		"no account of this": func(c *config) {
			c.Chains = append([]chainConfig{}, c.Chains...)
			c.Chains[0].Vaults = c.Chains[1].Vaults
		},
		"anchorLog":          func(c *config) { c.Chains = append([]chainConfig{}, c.Chains...); c.Chains[0].AnchorLog = "" },
		"id: invalid_value":  func(c *config) { c.Chains = []chainConfig{{ID: "main", Kind: "evm", RPC: []string{"x"}}} },
		"member \"Org9MSP\"": func(c *config) { c.Members = append([]member{}, c.Members...); c.Members[2].MSPID = "Org9MSP" },
	} {
		c := good
		edit(&c)
		if err := c.check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	path, _ := writeConfig(t, keysYAML+"surprise: 1\n")
	if _, err := readConfig(path); err == nil || !strings.Contains(err.Error(), "surprise") {
		t.Errorf("unknown field: %v", err)
	}
	path, _ = writeConfig(t, keysYAML)
	if _, err := readConfig(path); err == nil || strings.Count(err.Error(), "\n") < 3 {
		t.Errorf("not all mistakes at once: %v", err)
	}
}

// No command passes anything in its file over, and none takes a file without settings.
func TestConfigIsOneDocument(t *testing.T) {
	for name, read := range map[string]func(string) error{
		"run":    func(path string) error { _, err := readConfig(path); return err },
		"keys":   func(path string) error { _, err := readKeysConfig(path); return err },
		"deploy": func(path string) error { _, err := readDeployConfig(path); return err },
	} {
		for text, want := range map[string]string{
			"network: x\n---\nk: 3\n": "line 2: more than one document", "# later\n": "no settings are in it",
			"network: x\ncolour: blue\n": "line 2: field colour not found", "network: [\n": "yaml: line 1",
		} {
			path, _ := writeConfig(t, text)
			if err := read(path); err == nil || !strings.Contains(err.Error(), "configuration "+path+": ") || !strings.Contains(err.Error(), want) {
				t.Errorf("%s of %q: %v, without %q", name, text, err, want)
			}
		}
	}
}

func tronChain(edit func(*chainConfig)) []chainConfig {
	c := chainConfig{ID: "tron:0x2b6653dc", Kind: "tron", RPC: []string{"http://x"}, GRPC: "full:50051", Solidity: "solid:50061"}
	edit(&c)
	return []chainConfig{c}
}

// A Tron chain may have further nodes and TLS, and an EVM chain several endpoints.
func TestEndpointsOfAChain(t *testing.T) {
	for name, c := range map[string]chainConfig{
		"plain":   tronChain(func(*chainConfig) {})[0],
		"further": tronChain(func(c *chainConfig) { c.Also = []string{"https://solid.example:443", "[::1]:50061"} })[0],
		"TLS":     tronChain(func(c *chainConfig) { c.GRPC, c.Solidity = "https://full.example:443", "https://solid.example:443" })[0],
		"EVM":     {ID: "eip155:1", Kind: "evm", RPC: []string{"https://a.example/key", "https://b.example/key"}},
	} {
		if errs := c.check(0); len(errs) > 0 {
			t.Errorf("%s: %v", name, errs)
		}
	}
}

// What also names is asked.
func TestFurtherTronNodesAreAsked(t *testing.T) {
	n := nodetest.Start(t, tronnode.Config{SolidifyAfter: 1, Now: time.Now})
	other := nodetest.Start(t, tronnode.Config{SolidifyAfter: 1, Now: time.Now, Alloc: map[common.Address]uint64{{1}: 1}})
	c := &chain{cfg: chainConfig{ID: n.Chain.ID(), Kind: "tron", GRPC: n.GRPC, Solidity: n.Solidity, Also: []string{other.Solidity}}, timeout: 30 * time.Second}
	defer c.close()
	if _, err := c.Holds(t.Context(), send.Intent{}, send.Final); !errors.Is(err, tron.ErrWrongChain) {
		t.Errorf("%v", err)
	}
}

func TestOneAnchorForEachDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock(path); err == nil {
		t.Error("locked twice")
	}
	unlock()
	unlock, err = lock(path)
	if err != nil {
		t.Errorf("after the first has gone: %v", err)
	}
	unlock()
}
