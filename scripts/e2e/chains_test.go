//go:build e2e

package e2e_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/anchor/contracts"
	feekey "github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/chaincode/canon"
)

func (n *network) fetch(t *testing.T, url string) []byte {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, r.Status, err)
	}
	return data
}

// anchored is what AnchorLog has as its head on each chain.
func (n *network) anchored(t *testing.T) map[string]contracts.Checkpoint {
	t.Helper()
	heads := map[string]contracts.Checkpoint{}
	for _, c := range n.policy(t).Chains {
		head, err := contracts.UnpackHead(n.call(t, c.AnchorLog, contracts.PackHead()))
		if err != nil {
			t.Fatal(err)
		}
		heads[c.ID] = head
	}
	return heads
}

// call asks a contract on a chain.
func (n *network) call(t *testing.T, contract string, data []byte) []byte {
	t.Helper()
	a, err := canon.ParseAccount(contract)
	if err != nil {
		t.Fatal(err)
	}
	var answer string
	n.rpc(t, a.Chain, "eth_call", fmt.Sprintf(`{"to":"0x%x","data":"0x%x"},"latest"`, a.Address, data), &answer)
	return bytesOf(t, answer)
}

// bytesOf are those of hexadecimal digits behind 0x.
func bytesOf(t *testing.T, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// rpc makes one JSON-RPC call to a chain's node.
func (n *network) rpc(t *testing.T, chain, method, params string, result any) {
	t.Helper()
	url := n.Cluster.EVM().RPC[0]
	if isTron(chain) {
		url = n.Cluster.Tron().RPC[0]
	}
	r, err := http.Post(url, "application/json", strings.NewReader(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":[%s]}`, method, params)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var answer struct{ Result, Error json.RawMessage }
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil || answer.Error != nil {
		t.Fatalf("%s on %s: %s, %v", method, chain, answer.Error, err)
	}
	if err := json.Unmarshal(answer.Result, result); err != nil {
		t.Fatal(err)
	}
}

// held is what the accounts that pay for the anchors hold, by chain and account.
func (n *network) held(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, o := range n.Cluster.Orgs() {
		key, err := feekey.Open(n.key(o, "sender.key"))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range n.policy(t).Chains {
			var balance string
			n.rpc(t, c.ID, "eth_getBalance", fmt.Sprintf(`"0x%x","latest"`, key.Address()), &balance)
			all[c.ID+" "+o.Name] = balance
		}
	}
	return all
}

func isTron(chain string) bool { return strings.HasPrefix(chain, "tron:") }

// last is the number of a chain's newest block.
func (n *network) last(t *testing.T, chain string) uint64 {
	t.Helper()
	var number string
	n.rpc(t, chain, "eth_blockNumber", "", &number)
	return fromHex(t, number)
}

func fromHex(t *testing.T, text string) uint64 {
	t.Helper()
	number, err := strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// landing is a transaction in a block.
type landing struct {
	org   string
	block uint64
	hash  []byte // of the block
	ok    bool
}

// landed is what organisations sent and is in blocks after one and up to another, by id;
// of says whose accounts are whose.
func (n *network) landed(t *testing.T, chain string, after, last uint64, of map[string]string) map[string]landing {
	t.Helper()
	all := map[string]landing{}
	for number := after + 1; number <= last; number++ {
		var block struct {
			Hash         string
			Transactions []struct{ Hash, From string }
		}
		n.rpc(t, chain, "eth_getBlockByNumber", fmt.Sprintf(`"0x%x",true`, number), &block)
		for _, tx := range block.Transactions {
			org := of[strings.ToLower(tx.From)]
			if org == "" {
				continue
			}
			var receipt struct{ Status string }
			n.rpc(t, chain, "eth_getTransactionReceipt", fmt.Sprintf("%q", tx.Hash), &receipt)
			id := strings.TrimPrefix(tx.Hash, "0x")
			if had, twice := all[id]; twice {
				t.Errorf("transaction %s is in blocks %d and %d", id, had.block, number)
			}
			all[id] = landing{org, number, bytesOf(t, block.Hash), fromHex(t, receipt.Status) == 1}
		}
	}
	return all
}

// ascending counts a contract's events after a block. Each must be about a larger number
// than the one before it: each happened once.
func (n *network) ascending(t *testing.T, chain, contract string, topic [32]byte, after uint64) int {
	t.Helper()
	a, err := canon.ParseAccount(contract)
	if err != nil {
		t.Fatal(err)
	}
	var events []struct{ Topics []string }
	n.rpc(t, chain, "eth_getLogs", fmt.Sprintf(`{"fromBlock":"0x%x","toBlock":"latest","address":"0x%x","topics":["0x%x"]}`, after+1, a.Address, topic), &events)
	before := uint64(0)
	for _, e := range events {
		number := fromHex(t, e.Topics[1][2+48:])
		if number <= before {
			t.Errorf("%s: %d after %d", contract, number, before)
		}
		before = number
	}
	return len(events)
}
