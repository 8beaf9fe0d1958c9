package node_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/ethclient"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/tronnode/node"
)

// ask posts a body to the JSON-RPC endpoint and returns the answer's text.
func (n *network) ask(body string) string {
	n.t.Helper()
	text, err := post(n.http+"/jsonrpc", body)
	if err != nil {
		n.t.Fatal(err)
	}
	return text
}

func post(url, body string) (string, error) {
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return strings.TrimSpace(string(b)), err
}

// Web pages may call, whatever their origin, as they may public endpoints.
func TestPagesMayCall(t *testing.T) {
	n := start(t, t.TempDir())
	for _, method := range []string{http.MethodOptions, http.MethodPost} {
		req, err := http.NewRequest(method, n.http+"/jsonrpc", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", "null")
		req.Header.Set("Access-Control-Request-Method", http.MethodPost)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		h := resp.Header
		if resp.StatusCode >= 300 || h.Get("Access-Control-Allow-Origin") != "*" || method == http.MethodOptions && h.Get("Access-Control-Allow-Headers") != "Content-Type" {
			t.Errorf("%s: %s, %v", method, resp.Status, h)
		}
	}
}

// rpc calls a method; params is JSON.
func (n *network) rpc(method, params string, result any) (code int) {
	n.t.Helper()
	var reply struct {
		Result json.RawMessage
		Error  *struct {
			Code    int
			Message string
		}
	}
	text := n.ask(`{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":` + params + `}`)
	if err := json.Unmarshal([]byte(text), &reply); err != nil {
		n.t.Fatalf("%s: %v in %s", method, err, text)
	}
	if reply.Error != nil {
		return reply.Error.Code
	}
	if result != nil {
		if err := json.Unmarshal(reply.Result, result); err != nil {
			n.t.Fatalf("%s: %v in %s", method, err, text)
		}
	}
	return 0
}

// TestEthereumClient reads the node with go-ethereum's own client.
func TestEthereumClient(t *testing.T) {
	ctx := t.Context()
	n := start(t, t.TempDir())
	token := n.token()
	info := n.land(sign(n.trigger(token, contracts.PackTransfer(bob.address(), big.NewInt(500)), 100*trx), alice))
	c, err := ethclient.Dial(n.http + "/jsonrpc")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	id, err := c.ChainID(ctx)
	if err != nil || "tron:0x"+common.Bytes2Hex(common.BigToHash(id).Bytes()[28:]) != n.chain.ID() {
		t.Errorf("chain id %v, %v; chain %s", id, err, n.chain.ID())
	}
	if head, err := c.BlockNumber(ctx); err != nil || head != uint64(info.GetBlockNumber()) {
		t.Errorf("head %d, %v", head, err)
	}
	if sun, err := c.BalanceAt(ctx, alice.address(), nil); err != nil || sun.Int64() != n.balance(alice) {
		t.Errorf("balance %v, %v", sun, err)
	}
	if code, err := c.CodeAt(ctx, token, nil); err != nil || len(code) == 0 {
		t.Errorf("%d bytes of code, %v", len(code), err)
	}
	got, err := c.CallContract(ctx, ethereum.CallMsg{To: &token, Data: contracts.PackBalanceOf(bob.address())}, nil)
	if err != nil || new(big.Int).SetBytes(got).Int64() != 500 {
		t.Errorf("balance of bob %x, %v", got, err)
	}
	r, err := c.TransactionReceipt(ctx, common.Hash(info.GetId()))
	if err != nil || r.Status != 1 || r.GasUsed != uint64(info.GetReceipt().GetEnergyUsageTotal()) || len(r.Logs) != 1 {
		t.Fatalf("receipt %+v, %v", r, err)
	}
	if r.Logs[0].Address != token || r.Logs[0].TxHash != r.TxHash || r.BlockHash != r.Logs[0].BlockHash {
		t.Errorf("log %+v", r.Logs[0])
	}
	block, err := n.GetBlockByNum(info.GetBlockNumber())
	if err != nil || !bytes.Equal(r.BlockHash[:], block.GetBlockid()) {
		t.Errorf("block hash %v, block id %x, %v", r.BlockHash, block.GetBlockid(), err)
	}
	logs, err := c.FilterLogs(ctx, ethereum.FilterQuery{
		FromBlock: big.NewInt(0), Addresses: []common.Address{token, bob.address()},
		Topics: [][]common.Hash{nil, {common.BytesToHash(alice.address().Bytes())}, {common.BytesToHash(bob.address().Bytes())}},
	})
	if err != nil || len(logs) != 1 || logs[0].TxHash != r.TxHash {
		t.Errorf("logs %+v, %v", logs, err)
	}
	if logs, err = c.FilterLogs(ctx, ethereum.FilterQuery{FromBlock: big.NewInt(0), Addresses: []common.Address{bob.address()}}); err != nil || len(logs) != 0 {
		t.Errorf("logs of nobody %+v, %v", logs, err)
	}
}

func TestJSONRPC(t *testing.T) {
	n := start(t, t.TempDir())
	token := n.token()
	n.produce(2)
	tx := sign(n.trigger(token, contracts.PackTransfer(bob.address(), big.NewInt(500)), 100*trx), alice)
	info := n.land(tx)
	id := hexutil.Encode(info.GetId())
	addr, data := hexutil.Encode(token[:]), hexutil.Encode(contracts.PackBalanceOf(bob.address()))
	call := `{"to":"` + addr + `","data":"` + data + `"}`
	var text string
	if n.rpc("web3_clientVersion", `[]`, &text); text != node.Version {
		t.Errorf("client version %q", text)
	}
	var latest, final, byHash struct {
		Number, Hash, ParentHash, Timestamp string
		Transactions                        []any
	}
	n.rpc("eth_getBlockByNumber", `["latest",false]`, &latest)
	n.rpc("eth_getBlockByNumber", `["finalized",false]`, &final)
	n.rpc("eth_getBlockByHash", `["`+latest.Hash+`",true]`, &byHash)
	if latest.Number != hexutil.EncodeUint64(5) || final.Number != hexutil.EncodeUint64(3) || byHash.Hash != latest.Hash {
		t.Errorf("latest %+v, finalized %+v, by hash %+v", latest, final, byHash)
	}
	if len(latest.Transactions) != 1 || latest.Transactions[0] != id {
		t.Errorf("transactions %v, want %s", latest.Transactions, id)
	}
	var sent struct{ Hash, From, To, Input, BlockHash string }
	n.rpc("eth_getTransactionByHash", `["`+id+`"]`, &sent)
	if sent.Hash != id || sent.From != strings.ToLower(alice.address().Hex()) || sent.To != addr || sent.BlockHash != latest.Hash {
		t.Errorf("transaction %+v", sent)
	}
	var logs []any
	if n.rpc("eth_getLogs", `[{"fromBlock":"0x0","toBlock":"finalized","address":"`+addr+`"}]`, &logs); len(logs) != 1 {
		t.Errorf("%d logs up to the finalized block, want the deployment's", len(logs))
	}
	if n.rpc("eth_getLogs", `[{"blockHash":"`+latest.Hash+`"}]`, &logs); len(logs) != 1 {
		t.Errorf("%d logs of the head", len(logs))
	}
	for _, tt := range []struct {
		method, params string
		code           int
	}{
		{"eth_call", `[` + call + `,"latest"]`, 0},
		{"eth_call", `[` + call + `,"finalized"]`, -32602},
		{"eth_call", `[` + call + `,"0x1"]`, -32602},
		{"eth_call", `[` + call + `]`, -32602},
		{"eth_call", `[{"to":"` + addr + `","data":"0x01020304"},"latest"]`, -32000},
		{"eth_call", `[{"to":"0x12"},"latest"]`, -32602},
		{"eth_getBalance", `["` + addr + `","finalized"]`, -32602},
		{"eth_getCode", `["` + addr + `","0x2"]`, -32602},
		{"eth_getBlockByNumber", `["pending",false]`, -32602},
		{"eth_getBlockByNumber", `["7",false]`, -32602},
		{"eth_getBlockByNumber", `["0x7777",false]`, 0},
		{"eth_getTransactionReceipt", `["0x12"]`, -32602},
		{"eth_getTransactionReceipt", `["` + common.Hash{1}.Hex() + `"]`, 0},
		{"eth_getLogs", `[{"fromBlock":"0x0","toBlock":"0x1389"}]`, -32602},
		{"eth_getLogs", `[{"fromBlock":"0x0","toBlock":"0x1388"}]`, 0},
		{"eth_getLogs", `[{"fromBlock":"0x2","toBlock":"0x1"}]`, -32602},
		{"eth_sendRawTransaction", `["0x00"]`, -32601},
		{"eth_getTransactionCount", `["` + addr + `","latest"]`, -32601},
	} {
		if got := n.rpc(tt.method, tt.params, nil); got != tt.code {
			t.Errorf("%s %s: code %d, want %d", tt.method, tt.params, got, tt.code)
		}
	}
	for body, want := range map[string]string{
		`{`: `"code":-32700`,
		`[{"jsonrpc":"2.0","id":7,"method":"eth_syncing"}]`:                               `[{"jsonrpc":"2.0","id":7,"result":false}]`,
		`{"jsonrpc":"2.0","id":8}`:                                                        `"code":-32600`,
		`{"jsonrpc":"2.0","id":9,"method":"eth_getBlockByNumber","params":["0x77",true]}`: `{"jsonrpc":"2.0","id":9,"result":null}`,
	} {
		if got := n.ask(body); !strings.Contains(got, want) {
			t.Errorf("%s answered %s, want %s", body, got, want)
		}
	}
}

func TestWalletHTTP(t *testing.T) {
	n := start(t, t.TempDir())
	token := n.token()
	info := n.land(sign(n.trigger(token, contracts.PackTransfer(bob.address(), big.NewInt(500)), 100*trx), alice))
	get := func(path string, v any) {
		t.Helper()
		resp, err := http.Get(n.http + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	var now struct {
		BlockID string
		Header  struct {
			Raw struct{ Number int64 } `json:"raw_data"`
		} `json:"block_header"`
	}
	get("/wallet/getnowblock", &now)
	head := now.Header.Raw.Number
	get("/walletsolidity/getnowblock", &now)
	if head != info.GetBlockNumber() || now.Header.Raw.Number != head-2 || len(now.BlockID) != 64 {
		t.Errorf("head %d, solidified %+v", head, now)
	}
	var out struct {
		ID      string
		Receipt struct{ Result string }
		Log     []any
	}
	get("/wallet/gettransactioninfobyid?value="+common.Bytes2Hex(info.GetId()), &out)
	if out.ID != common.Bytes2Hex(info.GetId()) || out.Receipt.Result != "SUCCESS" || len(out.Log) != 1 {
		t.Errorf("outcome %+v", out)
	}
}

// FuzzJSONRPC checks that no request makes the node fall over: every answer is
// JSON.
func FuzzJSONRPC(f *testing.F) {
	for _, s := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"eth_getLogs","params":[{"fromBlock":"0x0","address":["0x00"],"topics":[null,["0x"]]}]}`,
		`[{"method":"eth_call","params":[{"to":"0x0000000000000000000000000000000000000001","value":"0x1"},"latest"]}]`,
		`{"method":"eth_getBlockByHash","params":["0x00000000000000010000000000000000000000000000000000000000000000ff",true]}`,
		`{"method":"eth_getBlockByNumber","params":["0x7fffffffffffffff",true]}`, `[]`, `null`,
	} {
		f.Add(s)
	}
	url := start(f, f.TempDir()).http + "/jsonrpc"
	f.Fuzz(func(t *testing.T, body string) {
		if got, err := post(url, body); err != nil || !json.Valid([]byte(got)) {
			t.Errorf("%q answered %q, %v", body, got, err)
		}
	})
}
