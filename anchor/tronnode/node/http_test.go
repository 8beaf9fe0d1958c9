package node_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/tronnode/node"
)

type fields = map[string]any

// post asks a /wallet path, whose answer is always JSON with status 200.
func (n *network) post(path string, in any) fields {
	n.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		n.t.Fatal(err)
	}
	resp, err := http.Post(n.http+path, "application/json", bytes.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	out := fields{}
	dec := json.NewDecoder(resp.Body)
	dec.UseNumber()
	if err := dec.Decode(&out); err != nil || resp.StatusCode != http.StatusOK {
		n.t.Fatalf("%s: %s, %v", path, resp.Status, err)
	}
	return out
}

// TestTransactionOverHTTP sends a transaction that the node made, as JSON, and reads it back on
// both faces.
func TestTransactionOverHTTP(t *testing.T) {
	n := start(t, t.TempDir())
	token := n.token()
	n.produce(3)
	hexed := func(b []byte) string { return common.Bytes2Hex(b) }
	made := n.post("/wallet/triggersmartcontract", fields{
		"owner_address": hexed(wire(alice.address())), "contract_address": hexed(wire(token)),
		"function_selector": "transfer(address,uint256)", "parameter": hexed(contracts.PackTransfer(bob.address(), big.NewInt(500))[4:]),
		"fee_limit": 100 * trx, "call_value": 0, "visible": false,
	})
	tx := made["transaction"].(fields)
	// What the node has made and written as JSON is the same transaction in protobuf.
	parsed := sign(n.fromHTTP(tx), alice)
	id := node.TransactionID(parsed.GetRawData())
	if tx["txID"] != hexed(id[:]) {
		t.Fatalf("id %s, want %x", tx["txID"], id)
	}
	tx["signature"] = []any{hexed(parsed.GetSignature()[0])}
	if got := n.post("/wallet/broadcasttransaction", tx); got["result"] != true || got["txid"] != hexed(id[:]) {
		t.Fatalf("broadcast: %v", got)
	}
	if got := n.post("/wallet/broadcasttransaction", tx); got["code"] != "DUP_TRANSACTION_ERROR" || got["result"] != nil {
		t.Errorf("broadcast again: %v", got)
	}
	value := fields{"value": hexed(id[:])}
	if got := n.post("/wallet/gettransactionfrompending", value); got["txID"] != hexed(id[:]) {
		t.Errorf("waiting: %v", got)
	}
	if got := n.post("/wallet/gettransactioninfobyid", value); len(got) != 0 {
		t.Errorf("outcome before its block: %v", got)
	}
	n.produce(1)
	info := n.post("/wallet/gettransactioninfobyid", value)
	if info["receipt"].(fields)["result"] != "SUCCESS" || len(info["log"].([]any)) != 1 {
		t.Errorf("outcome: %v", info)
	}
	if got := n.post("/walletsolidity/gettransactioninfobyid", value); len(got) != 0 {
		t.Errorf("outcome before it is solidified: %v", got)
	}
	n.produce(2)
	if got := n.post("/walletsolidity/gettransactionbyid", value); got["raw_data_hex"] != tx["raw_data_hex"] {
		t.Errorf("solidified: %v", got)
	}
	block := n.post("/wallet/getblock", fields{"id_or_num": info["blockNumber"], "detail": true})
	if len(block["transactions"].([]any)) != 1 {
		t.Errorf("block: %v", block)
	}
	if got := n.post("/wallet/getblock", fields{"id_or_num": block["blockID"]}); got["blockID"] != block["blockID"] || got["transactions"] != nil {
		t.Errorf("block without detail: %v", got)
	}
	account := n.post("/wallet/getaccount", fields{"address": hexed(wire(bob.address()))})
	if account["owner_permission"] == nil || account["balance"] != json.Number("5000000") {
		t.Errorf("account: %v", account)
	}
}

// fromHTTP reads the raw data that a JSON transaction carries in hexadecimal.
func (n *network) fromHTTP(tx fields) *core.Transaction {
	n.t.Helper()
	out := &core.Transaction{RawData: &core.TransactionRaw{}}
	if err := node.Unmarshal(common.FromHex(tx["raw_data_hex"].(string)), out.RawData); err != nil {
		n.t.Fatal(err)
	}
	return out
}

func TestWalletHTTPRefuses(t *testing.T) {
	n := start(t, t.TempDir())
	for _, tt := range []struct {
		name, path string
		in         any
		want       string
	}{
		{"no JSON object", "/wallet/getaccount", []int{1}, "JSON object"},
		{"addresses in base58", "/wallet/getaccount", fields{"address": alice.base58(), "visible": true}, "hexadecimal"},
		{"an address that is none", "/wallet/getaccount", fields{"address": "41"}, "invalid address"},
		{"an id that is none", "/wallet/gettransactionbyid", fields{"value": "00"}, "64 hexadecimal digits"},
		{"a number that is none", "/wallet/getblockbynum", fields{"num": -1}, "block number"},
		{"a field that is not there", "/wallet/broadcasttransaction", fields{"raw": 1}, "no field"},
		{"a parameter of no type", "/wallet/broadcasttransaction", fields{"raw_data": fields{"contract": []any{fields{"parameter": fields{"type_url": "x/y", "value": fields{}}}}}}, "type_url"},
		{"bytes that are not hexadecimal", "/wallet/broadcasttransaction", fields{"signature": []any{"zz"}}, "signature"},
		{"a number that is too large", "/wallet/broadcasttransaction", fields{"raw_data": fields{"fee_limit": json.Number("9223372036854775808")}}, "fee_limit"},
		{"bytes that are no transaction", "/wallet/broadcasthex", fields{"transaction": "ff"}, "transaction"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := n.post(tt.path, tt.in)["Error"].(string)
			if !strings.Contains(got, tt.want) {
				t.Errorf("answered %q, want something about %q", got, tt.want)
			}
		})
	}
	if got := n.post("/wallet/broadcasttransaction", fields{}); got["code"] != api.Return_CONTRACT_VALIDATE_ERROR.String() {
		t.Errorf("an empty transaction: %v", got)
	}
	resp, err := http.Post(n.http+"/wallet/freezebalance", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("a path that is not served: %s", resp.Status)
	}
}

// FuzzWalletHTTP posts anything to each path: no panic, and always a JSON answer.
func FuzzWalletHTTP(f *testing.F) {
	n := start(f, f.TempDir())
	h := n.chain.Handler()
	for _, body := range []string{
		"", "{}", `{"value":"00"}`, `{"num":0}`, `{"id_or_num":1,"detail":true}`,
		`{"owner_address":"41","contract_address":"41","function_selector":"f()","parameter":"","fee_limit":1,"Permission_id":2}`,
		`{"raw_data":{"contract":[{"type":"TransferContract","parameter":{"type_url":"type.googleapis.com/protocol.TransferContract","value":{"amount":1}}}],"expiration":1},"signature":["00"]}`,
		`{"transaction":"0a00"}`,
	} {
		for i := range uint8(30) {
			f.Add(i, body)
		}
	}
	paths := node.WalletPaths(n.chain)
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, paths[int(which)%len(paths)], strings.NewReader(body)))
		if b, _ := io.ReadAll(w.Body); w.Code != http.StatusOK || !json.Valid(b) {
			t.Errorf("%d %s", w.Code, b)
		}
	})
}
