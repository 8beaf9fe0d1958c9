package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	w := newWorld(t)
	good := *w.members[0].cfg
	for name, edit := range map[string]func(c *config){
		"dir is needed":    func(c *config) { c.Dir = "" },
		"listen":           func(c *config) { c.Listen = "nowhere" },
		"fabric":           func(c *config) { c.Fabric.MSPID = "Org2MSP" },
		"cadence":          func(c *config) { c.Cadence.Quiet = c.Cadence.Busy / 2 },
		"k is 5":           func(c *config) { c.K = 5 },
		"log":              func(c *config) { c.LogID = "12" },
		"kind":             func(c *config) { c.Chains = []chainConfig{{ID: "eip155:1", Kind: "solana", RPC: []string{"x"}}} },
		"grpc is needed":   func(c *config) { c.Chains = []chainConfig{{ID: "tron:0x2b6653dc", Kind: "tron", RPC: []string{"x"}}} },
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
