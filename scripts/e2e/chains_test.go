//go:build e2e

package e2e_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
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
	out, err := hex.DecodeString(strings.TrimPrefix(answer, "0x"))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// rpc makes one JSON-RPC call to a chain's node.
func (n *network) rpc(t *testing.T, chain, method, params string, result any) {
	t.Helper()
	url := n.Cluster.EVM().RPC[0]
	if strings.HasPrefix(chain, "tron:") {
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
