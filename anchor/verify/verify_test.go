package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/canon/canontest"
)

// vectors is docs/formats/vectors/bundle.json.
type vectors struct {
	Policy  json.RawMessage `json:"policy"`
	Chains  []chain         `json:"chains"`
	Bundles []struct {
		Name, Verdict, Failed, Bundle string
	} `json:"bundles"`
}

type event struct {
	Address   string   `json:"address"`
	Topics    []string `json:"topics"`
	Data      string   `json:"data"`
	Block     uint64   `json:"block"`
	BlockHash string   `json:"blockHash"`
	Tx        string   `json:"tx"`
}

// memberSet is what AnchorLog knows of one.
type memberSet struct {
	Version, From uint64
	Hash          string
}

// chain is a node of a public chain that answers what the vectors say: a working
// small implementation of the five methods, with java-tron's limits on Tron.
type chain struct {
	ID, ChainID, Contract, LogID string
	Final                        uint64
	Sets                         []memberSet
	Frozen                       bool
	Roots                        map[string]string
	Events                       []event

	tamper func(method string, result any) any
}

func load(t *testing.T) vectors {
	t.Helper()
	var v vectors
	canontest.ReadJSON(t, "../../docs/formats/vectors/bundle.json", &v)
	return v
}

func (c chain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*") // as public endpoints do, for pages
	if r.Method == http.MethodOptions {
		w.Header().Set("Access-Control-Allow-Headers", "Content-Type")
		return
	}
	var req struct {
		ID     int               `json:"id"`
		Method string            `json:"method"`
		Params []json.RawMessage `json:"params"`
	}
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	reply := map[string]any{"jsonrpc": "2.0", "id": req.ID}
	result, err := c.answer(req.Method, req.Params)
	if err != nil {
		reply["error"] = map[string]any{"code": -32602, "message": err.Error()}
	} else {
		if c.tamper != nil {
			result = c.tamper(req.Method, result)
		}
		reply["result"] = result
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(reply)
}

func (c chain) answer(method string, params []json.RawMessage) (any, error) {
	switch method {
	case "eth_chainId":
		return c.ChainID, nil
	case "eth_getBlockByNumber":
		if string(params[0]) != `"finalized"` {
			return nil, fmt.Errorf("block %s", params[0])
		}
		return map[string]any{"number": fmt.Sprintf("0x%x", c.Final), "hash": "0x00"}, nil
	case "eth_call":
		return c.call(params)
	case "eth_getLogs":
		return c.logs(params)
	}
	return nil, fmt.Errorf("no method %s", method)
}

func (c chain) call(params []json.RawMessage) (any, error) {
	want := `"finalized"`
	if isTron(c.ID) {
		want = `"latest"`
	}
	if string(params[1]) != want {
		return nil, fmt.Errorf("TAG %s not supported", params[1])
	}
	var call struct{ To, Data string }
	if err := json.Unmarshal(params[0], &call); err != nil {
		return nil, err
	}
	if call.To != c.Contract {
		return "0x", nil
	}
	of, digits := call.Data[:min(10, len(call.Data))], strings.TrimPrefix(call.Data, call.Data[:min(10, len(call.Data))])
	argument, err := strconv.ParseUint("0"+digits, 16, 64)
	if err != nil {
		return nil, err
	}
	var set memberSet
	for _, s := range c.Sets {
		if s.Version == argument {
			set = s
		}
	}
	word := func(n uint64) string { return fmt.Sprintf("0x%064x", n) }
	switch of {
	case selector("logId()"):
		return c.LogID, nil
	case selector("frozen()"):
		if c.Frozen {
			return word(1), nil
		}
		return word(0), nil
	case selector("fromOf(uint256)"):
		return word(set.From), nil
	case selector("setHash(uint256)"):
		return cmp.Or(set.Hash, word(0)), nil
	case selector("rootAt(uint64)"):
		return cmp.Or(c.Roots[fmt.Sprint(argument)], word(0)), nil
	}
	return nil, fmt.Errorf("execution reverted")
}

func selector(signature string) string {
	h := canon.Keccak([]byte(signature))
	return "0x" + canon.Hex(h[:4])
}

func (c chain) logs(params []json.RawMessage) (any, error) {
	var f struct {
		FromBlock, ToBlock, Address string
		Topics                      []string
	}
	if err := json.Unmarshal(params[0], &f); err != nil {
		return nil, err
	}
	out := []map[string]any{}
	for _, e := range c.Events {
		number := fmt.Sprintf("0x%x", e.Block)
		if e.Address == f.Address && f.FromBlock == number && f.ToBlock == number && slices.Equal(f.Topics, e.Topics) {
			out = append(out, map[string]any{
				"address": e.Address, "topics": e.Topics, "data": e.Data, "blockNumber": number,
				"blockHash": e.BlockHash, "transactionHash": e.Tx, "logIndex": "0x0", "removed": false,
			})
		}
	}
	return out, nil
}

// scene is a policy file, a bundle file and a node for each chain.
type scene struct {
	t              *testing.T
	v              vectors
	policy, bundle string
	evm, tron      string
}

func stage(t *testing.T, edit func(c *chain)) *scene {
	t.Helper()
	s := &scene{t: t, v: load(t)}
	s.policy = s.write("policy.json", s.v.Policy)
	for i := range s.v.Chains {
		c := s.v.Chains[i]
		if edit != nil {
			edit(&c)
		}
		server := httptest.NewServer(c)
		t.Cleanup(server.Close)
		if isTron(c.ID) {
			s.tron = server.URL + "/jsonrpc"
		} else {
			s.evm = server.URL
		}
	}
	s.bundle = s.write("b.anchorproof", []byte(s.v.Bundles[0].Bundle))
	return s
}

func (s *scene) write(name string, data []byte) string {
	path := filepath.Join(s.t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s *scene) run(args ...string) (int, string) {
	s.t.Helper()
	var out, errs bytes.Buffer
	code := run(context.Background(), args, &out, &errs)
	released(s.t, args, code, out.String()+errs.String())
	return code, out.String() + errs.String()
}

// all runs the program with both chains, one endpoint each, and JSON output.
func (s *scene) all(bundle string) finding {
	s.t.Helper()
	code, out := s.run(bundle, "--policy", s.policy, "--evm", s.evm, "--tron", s.tron, "--one-endpoint", "--json")
	var f finding
	if err := json.Unmarshal([]byte(out), &f); err != nil {
		s.t.Fatalf("%v in %s", err, out)
	}
	if f.Exit != code {
		s.t.Errorf("exit %d, finding says %d", code, f.Exit)
	}
	return f
}

func TestVectors(t *testing.T) {
	s := stage(t, nil)
	exits := map[string]int{"verified": exitVerified, "invalid": exitInvalid, "not fully checked": exitPartly}
	for _, b := range s.v.Bundles {
		t.Run(b.Name, func(t *testing.T) {
			f := s.all(s.write("b.anchorproof", []byte(b.Bundle)))
			if f.Verdict != b.Verdict || f.Exit != exits[b.Verdict] {
				t.Errorf("verdict %s, exit %d: %+v", f.Verdict, f.Exit, f.Checks)
			}
			failed := ""
			for _, c := range f.Checks {
				if c.Status == "FAIL" && failed == "" {
					failed = c.Name
				}
			}
			if failed != b.Failed {
				t.Errorf("failed at %q, want %q", failed, b.Failed)
			}
		})
	}
}

// Lying and lagging nodes: what each change of an answer leads to.
func TestNodes(t *testing.T) {
	onTron := func(f func(c *chain)) func(c *chain) {
		return func(c *chain) {
			if isTron(c.ID) {
				f(c)
			}
		}
	}
	replace := func(method string, with any) func(c *chain) {
		return onTron(func(c *chain) {
			c.tamper = func(m string, result any) any {
				if m == method {
					return with
				}
				return result
			}
		})
	}
	tests := []struct {
		name string
		edit func(c *chain)
		exit int
		want string
	}{
		{"honest", func(c *chain) {}, exitVerified, ""},
		{"another chain", onTron(func(c *chain) { c.ChainID = "0x1" }), exitPartly, "serves chain 0x1"},
		{"lags", onTron(func(c *chain) { c.Final = 3 }), exitPartly, "not final"},
		{"no contract", onTron(func(c *chain) { c.Contract = "0x" }), exitInvalid, "holds log 00"},
		{"another set", onTron(func(c *chain) { c.Sets[0].Hash = c.LogID }), exitInvalid, "no such member set"},
		{"no set", onTron(func(c *chain) { c.Sets = nil }), exitInvalid, "no such member set"},
		{"set of later sizes", onTron(func(c *chain) { c.Sets[0].From = 6 }), exitInvalid, "signs from size 6 on"},
		{"handed over before", onTron(func(c *chain) { c.Sets[1].From = 5 }), exitInvalid, "handed over from size 5"},
		{"frozen", onTron(func(c *chain) { c.Frozen = true }), exitPartly, "the contract is frozen"},
		{"frozen and another root", onTron(func(c *chain) { c.Frozen, c.Roots["5"] = true, c.LogID }), exitInvalid, "another root"},
		{"no root", onTron(func(c *chain) { c.Roots = nil }), exitInvalid, "no checkpoint of size 5"},
		{"another root", onTron(func(c *chain) { c.Roots["5"] = c.LogID }), exitInvalid, "another root"},
		{"no events", onTron(func(c *chain) { c.Events = nil }), exitInvalid, "recorded nothing"},
		{"event of another block hash", onTron(func(c *chain) { c.Events[0].BlockHash = c.LogID }), exitInvalid, "recorded nothing"},
		{"logs that were not asked for", replace("eth_getLogs", []any{map[string]any{"address": "0x01", "data": "0x"}}), exitInvalid, "recorded nothing"},
		{"logs of another form", replace("eth_getLogs", []any{1}), exitPartly, "unexpected result"},
		{"null", replace("eth_call", nil), exitPartly, "no result"},
		{"short word", replace("eth_call", "0x01"), exitPartly, "1 bytes"},
		{"no hex", replace("eth_chainId", "27"), exitPartly, "not a quantity"},
		{"block without number", replace("eth_getBlockByNumber", map[string]any{}), exitPartly, "no number"},
		{"flood", replace("eth_call", strings.Repeat("0", maxReply)), exitPartly, "longer than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := stage(t, tt.edit)
			f := s.all(s.bundle)
			if f.Exit != tt.exit || !strings.Contains(fmt.Sprint(f.Checks), tt.want) {
				t.Errorf("exit %d: %+v", f.Exit, f.Checks)
			}
			if (f.Depth == "L1") != (f.Exit == exitVerified) {
				t.Errorf("depth %s with exit %d", f.Depth, f.Exit)
			}
		})
	}
}
