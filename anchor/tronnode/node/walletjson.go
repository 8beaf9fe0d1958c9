package node

import (
	"encoding/hex"

	"github.com/ethereum/go-ethereum/common"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
)

// transactionJSON writes a transaction as /wallet does.
func transactionJSON(tx *core.Transaction) map[string]any {
	out := toJSON(tx)
	id := TransactionID(tx.GetRawData())
	out["visible"] = false
	out["txID"] = hex.EncodeToString(id[:])
	out["raw_data_hex"] = hex.EncodeToString(marshal(tx.GetRawData()))
	return out
}

// blockJSON writes a block. Its transactions are left out when detail is not
// wanted.
func blockJSON(b *core.Block, id common.Hash, detail bool) map[string]any {
	out := map[string]any{"blockID": hex.EncodeToString(id[:]), "block_header": toJSON(b.GetBlockHeader())}
	if txs := b.GetTransactions(); detail && len(txs) > 0 {
		list := []any{}
		for _, tx := range txs {
			list = append(list, transactionJSON(tx))
		}
		out["transactions"] = list
	}
	return out
}

// extentionJSON writes a transaction that a node has made or tried.
func extentionJSON(ext *api.TransactionExtention) map[string]any {
	out := toJSON(ext)
	delete(out, "txid")
	if tx := ext.GetTransaction(); tx != nil {
		out["transaction"] = transactionJSON(tx)
	}
	return out
}

// refusalJSON writes the answer to a broadcast.
func refusalJSON(tx *core.Transaction, r *Refusal) map[string]any {
	id := TransactionID(tx.GetRawData())
	out := map[string]any{"txid": hex.EncodeToString(id[:])}
	if r == nil {
		out["result"] = true
		return out
	}
	out["code"] = r.Code.String()
	out["message"] = hex.EncodeToString([]byte(r.Message))
	return out
}
