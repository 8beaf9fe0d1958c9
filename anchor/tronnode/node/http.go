package node

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"

	"github.com/ethereum/go-ethereum/common"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
)

// maxBody bounds a request's body.
const maxBody = 1 << 20

// handler serves the HTTP side: JSON-RPC, and the few /wallet reads that need no
// second form of every message.
func handler(full, solid reads) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /jsonrpc", rpc(full))
	for path, r := range map[string]reads{"/wallet/": full, "/walletsolidity/": solid} {
		mux.HandleFunc(path+"getnowblock", r.httpBlock)
		mux.HandleFunc(path+"gettransactioninfobyid", r.httpInfo)
	}
	return mux
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client has gone: nobody to tell
}

func (r reads) httpBlock(w http.ResponseWriter, _ *http.Request) {
	b, id, _, err := r.block(int64(r.last()))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	raw := b.GetBlockHeader().GetRawData()
	txs := []any{}
	for _, tx := range b.GetTransactions() {
		txid := TransactionID(tx.GetRawData())
		txs = append(txs, map[string]any{"txID": hex.EncodeToString(txid[:])})
	}
	answer(w, map[string]any{
		"blockID": hex.EncodeToString(id[:]),
		"block_header": map[string]any{
			"raw_data": map[string]any{
				"number":          raw.GetNumber(),
				"txTrieRoot":      hex.EncodeToString(raw.GetTxTrieRoot()),
				"witness_address": hex.EncodeToString(raw.GetWitnessAddress()),
				"parentHash":      hex.EncodeToString(raw.GetParentHash()),
				"version":         raw.GetVersion(),
				"timestamp":       raw.GetTimestamp(),
			},
			"witness_signature": hex.EncodeToString(b.GetBlockHeader().GetWitnessSignature()),
		},
		"transactions": txs,
	})
}

func (r reads) httpInfo(w http.ResponseWriter, req *http.Request) {
	value := req.URL.Query().Get("value")
	if req.Method == http.MethodPost {
		var body struct {
			Value string `json:"value"`
		}
		if err := json.NewDecoder(io.LimitReader(req.Body, maxBody)).Decode(&body); err != nil {
			http.Error(w, "a JSON object with a value is expected", http.StatusBadRequest)
			return
		}
		value = body.Value
	}
	id, err := hex.DecodeString(value)
	if err != nil || len(id) != common.HashLength {
		http.Error(w, "value must be a transaction id: 64 hexadecimal digits", http.StatusBadRequest)
		return
	}
	info := r.info(common.Hash(id))
	if info == nil {
		answer(w, map[string]any{})
		return
	}
	answer(w, infoJSON(info))
}

// infoJSON writes a transaction's outcome as /wallet does: bytes in hexadecimal
// without prefix, nothing for what is zero.
func infoJSON(info *core.TransactionInfo) map[string]any {
	rc := info.GetReceipt()
	receipt := map[string]any{}
	for k, v := range map[string]int64{
		"energy_fee": rc.GetEnergyFee(), "energy_usage_total": rc.GetEnergyUsageTotal(),
		"net_usage": rc.GetNetUsage(), "net_fee": rc.GetNetFee(),
	} {
		if v != 0 {
			receipt[k] = v
		}
	}
	if rc.GetResult() != core.Transaction_Result_DEFAULT {
		receipt["result"] = rc.GetResult().String()
	}
	out := map[string]any{
		"id": hex.EncodeToString(info.GetId()), "fee": info.GetFee(),
		"blockNumber": info.GetBlockNumber(), "blockTimeStamp": info.GetBlockTimeStamp(),
		"receipt": receipt,
	}
	results := []string{}
	for _, b := range info.GetContractResult() {
		results = append(results, hex.EncodeToString(b))
	}
	out["contractResult"] = results
	if a := info.GetContractAddress(); len(a) > 0 {
		out["contract_address"] = hex.EncodeToString(a)
	}
	if info.GetResult() == core.TransactionInfo_FAILED {
		out["result"] = "FAILED"
		out["resMessage"] = hex.EncodeToString(info.GetResMessage())
	}
	var logs []any
	for _, l := range info.GetLog() {
		topics := []string{}
		for _, t := range l.GetTopics() {
			topics = append(topics, hex.EncodeToString(t))
		}
		logs = append(logs, map[string]any{
			"address": hex.EncodeToString(l.GetAddress()), "topics": topics, "data": hex.EncodeToString(l.GetData()),
		})
	}
	if logs != nil {
		out["log"] = logs
	}
	return out
}
