package node

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
)

// maxLogRange is the number of blocks that one eth_getLogs may span.
const maxLogRange = 5000

type object map[string]any

var (
	noHash  = hexutil.Encode(make([]byte, 32))
	noBloom = hexutil.Encode(make([]byte, 256)) // java-tron serves no bloom filters
)

func (s rpc) blockByTag(params []json.RawMessage) (any, error) {
	var tag string
	if err := param(params, 0, &tag); err != nil {
		return nil, err
	}
	number, err := s.number(tag)
	if err != nil {
		return nil, err
	}
	b, id, ok, err := s.block(int64(number))
	if err != nil || !ok {
		return nil, err
	}
	return s.blockObject(b, id, params)
}

func (s rpc) blockByHash(params []json.RawMessage) (any, error) {
	id, err := paramHash(params, 0)
	if err != nil {
		return nil, err
	}
	b, ok, err := s.blockByID(id)
	if err != nil || !ok {
		return nil, err
	}
	return s.blockObject(b, id, params)
}

func (s rpc) blockObject(b *core.Block, id common.Hash, params []json.RawMessage) (any, error) {
	full := false
	if len(params) > 1 {
		if err := param(params, 1, &full); err != nil {
			return nil, err
		}
	}
	raw := b.GetBlockHeader().GetRawData()
	number := uint64(raw.GetNumber())
	infos := s.infos(number)
	miner := make([]byte, 20)
	if number > 0 {
		miner = raw.GetWitnessAddress()[1:]
	}
	var used, limit uint64
	txs := []any{}
	for i, tx := range b.GetTransactions() {
		limit += uint64(tx.GetRawData().GetFeeLimit())
		var energy uint64
		if i < len(infos) { // the genesis block's transactions have none
			energy = uint64(infos[i].GetReceipt().GetEnergyUsageTotal())
		}
		used += energy
		txid := TransactionID(tx.GetRawData())
		if full {
			txs = append(txs, transactionObject(tx, place{number, i}, id, energy))
		} else {
			txs = append(txs, hexutil.Encode(txid[:]))
		}
	}
	return object{
		"number": quantity(number), "hash": hexutil.Encode(id[:]), "parentHash": hexutil.Encode(raw.GetParentHash()),
		"nonce": hexutil.Encode(make([]byte, 8)), "sha3Uncles": noHash, "logsBloom": noBloom,
		"transactionsRoot": hexutil.Encode(raw.GetTxTrieRoot()),
		"stateRoot":        hexutil.Encode(raw.GetAccountStateRoot()), "receiptsRoot": noHash,
		"miner": hexutil.Encode(miner), "difficulty": "0x0", "totalDifficulty": "0x0", "extraData": "0x",
		"size": quantity(uint64(len(marshal(b)))), "gasLimit": quantity(limit), "gasUsed": quantity(used),
		"timestamp": quantity(uint64(raw.GetTimestamp() / 1000)), "transactions": txs, "uncles": []any{},
		"baseFeePerGas": "0x0", "mixHash": noHash,
	}, nil
}

// parties returns who sends a transaction, to whom, and how much, as 0x and 20
// bytes.
func parties(tx *core.Transaction) (from, to, value any, input string) {
	input = "0x"
	t, refusal := decode(tx)
	if refusal != nil { // the genesis block's transactions have no owner
		return hexutil.Encode(make([]byte, 20)), nil, "0x0", input
	}
	from, value = hexutil.Encode(t.owner[:]), "0x0"
	switch c := t.contract.(type) {
	case *core.TransferContract:
		to, value = hexutil.Encode(c.GetToAddress()[1:]), quantity(uint64(c.GetAmount()))
	case *core.TriggerSmartContract:
		to, value = hexutil.Encode(c.GetContractAddress()[1:]), quantity(uint64(c.GetCallValue()))
		input = hexutil.Encode(c.GetData())
	}
	return from, to, value, input
}

func transactionObject(tx *core.Transaction, at place, block common.Hash, energy uint64) object {
	from, to, value, input := parties(tx)
	id := TransactionID(tx.GetRawData())
	r, s, v := noHash, noHash, "0x00"
	if sigs := tx.GetSignature(); len(sigs) > 0 && len(sigs[0]) >= 65 {
		vByte := sigs[0][64]
		if vByte < 27 {
			vByte += 27
		}
		r, s, v = hexutil.Encode(sigs[0][:32]), hexutil.Encode(sigs[0][32:64]), hexutil.Encode([]byte{vByte})
	}
	return object{
		"hash": hexutil.Encode(id[:]), "nonce": hexutil.Encode(make([]byte, 8)), "blockHash": hexutil.Encode(block[:]),
		"blockNumber": quantity(at.block), "transactionIndex": quantity(uint64(at.index)),
		"from": from, "to": to, "value": value, "gas": quantity(energy), "gasPrice": quantity(energyFee),
		"input": input, "type": "0x0", "r": r, "s": s, "v": v,
	}
}

// located returns a transaction of a block, its place and the block's id.
func (s rpc) located(id common.Hash) (*core.Transaction, place, common.Hash, error) {
	tx, err := view{s.c, false}.transaction(id)
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	at, ok := s.c.txs[id]
	if !ok || err != nil {
		return nil, place{}, common.Hash{}, err
	}
	return tx, at, s.c.blocks[at.block].id, nil
}

func (s rpc) transactionByHash(params []json.RawMessage) (any, error) {
	id, err := paramHash(params, 0)
	if err != nil {
		return nil, err
	}
	tx, at, block, err := s.located(id)
	if err != nil || tx == nil {
		return nil, err
	}
	return transactionObject(tx, at, block, uint64(s.info(id).GetReceipt().GetEnergyUsageTotal())), nil
}

func (s rpc) receipt(params []json.RawMessage) (any, error) {
	id, err := paramHash(params, 0)
	if err != nil {
		return nil, err
	}
	tx, at, block, err := s.located(id)
	if err != nil || tx == nil {
		return nil, err
	}
	from, to, _, _ := parties(tx)
	var cumulative uint64
	for _, info := range s.infos(at.block)[:at.index+1] {
		cumulative += uint64(info.GetReceipt().GetEnergyUsageTotal())
	}
	info := s.info(id)
	status := "0x0"
	if info.GetReceipt().GetResult() <= core.Transaction_Result_SUCCESS {
		status = "0x1"
	}
	var contract any
	if tx.GetRawData().GetContract()[0].GetType() == core.Transaction_Contract_CreateSmartContract {
		contract = hexutil.Encode(info.GetContractAddress()[1:])
	}
	logs := []object{}
	for _, l := range s.blockLogs(at.block, block) {
		if l.tx == id {
			logs = append(logs, l.json)
		}
	}
	return object{
		"blockHash": hexutil.Encode(block[:]), "blockNumber": quantity(at.block),
		"transactionIndex": quantity(uint64(at.index)), "transactionHash": hexutil.Encode(id[:]),
		"from": from, "to": to, "contractAddress": contract, "status": status, "type": "0x0",
		"gasUsed":           quantity(uint64(info.GetReceipt().GetEnergyUsageTotal())),
		"cumulativeGasUsed": quantity(cumulative), "effectiveGasPrice": quantity(energyFee),
		"logs": logs, "logsBloom": noBloom,
	}, nil
}

// rpcLog is a log as JSON-RPC writes it, with what filters ask for.
type rpcLog struct {
	tx   common.Hash
	log  *core.TransactionInfo_Log
	json object
}

// blockLogs returns the logs of a block in order; their index counts through the
// block.
func (s rpc) blockLogs(number uint64, id common.Hash) []rpcLog {
	var out []rpcLog
	for i, info := range s.infos(number) {
		for _, l := range info.GetLog() {
			topics := []string{}
			for _, t := range l.GetTopics() {
				topics = append(topics, hexutil.Encode(t))
			}
			out = append(out, rpcLog{common.Hash(info.GetId()), l, object{
				"logIndex": quantity(uint64(len(out))), "blockHash": hexutil.Encode(id[:]),
				"blockNumber": quantity(number), "transactionIndex": quantity(uint64(i)),
				"transactionHash": hexutil.Encode(info.GetId()), "address": hexutil.Encode(l.GetAddress()),
				"data": hexutil.Encode(l.GetData()), "topics": topics, "removed": false,
			}})
		}
	}
	return out
}

// oneOrMore decodes a string or a list of them; nothing matches anything.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]string)(o))
	}
	var one *string
	if err := json.Unmarshal(b, &one); err != nil || one == nil {
		return err
	}
	*o = oneOrMore{*one}
	return nil
}

func (o oneOrMore) matches(b []byte) bool {
	return len(o) == 0 || slices.ContainsFunc(o, func(s string) bool {
		want, err := hexutil.Decode(s)
		return err == nil && bytes.Equal(want, b)
	})
}

type logFilter struct {
	From    string      `json:"fromBlock"`
	To      string      `json:"toBlock"`
	Hash    string      `json:"blockHash"`
	Address oneOrMore   `json:"address"`
	Topics  []oneOrMore `json:"topics"`
}

func (f logFilter) matches(l *core.TransactionInfo_Log) bool {
	if !f.Address.matches(l.GetAddress()) || len(f.Topics) > len(l.GetTopics()) {
		return false
	}
	for i, want := range f.Topics {
		if !want.matches(l.GetTopics()[i]) {
			return false
		}
	}
	return true
}

func (s rpc) logs(params []json.RawMessage) (any, error) {
	var f logFilter
	if err := param(params, 0, &f); err != nil {
		return nil, err
	}
	from, to, err := s.logRange(f)
	if err != nil {
		return nil, err
	}
	out := []object{}
	for n := from; n <= to; n++ {
		s.c.mu.Lock()
		id, any := s.c.blocks[n].id, len(s.c.byBlock[n]) > 0
		s.c.mu.Unlock()
		if !any {
			continue
		}
		for _, l := range s.blockLogs(n, id) {
			if f.matches(l.log) {
				out = append(out, l.json)
			}
		}
	}
	return out, nil
}

// logRange returns the first and last block that a filter names.
func (s rpc) logRange(f logFilter) (from, to uint64, err error) {
	if f.Hash != "" {
		if f.From != "" || f.To != "" {
			return 0, 0, badParams("cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other")
		}
		raw, err := hexutil.Decode(f.Hash)
		if err != nil || len(raw) != common.HashLength {
			return 0, 0, badParams("invalid hash value")
		}
		b, ok, err := s.blockByID(common.Hash(raw))
		if err != nil || !ok {
			return 0, 0, badParams("invalid blockHash")
		}
		n := uint64(b.GetBlockHeader().GetRawData().GetNumber())
		return n, n, nil
	}
	if from, err = s.number(f.From); err != nil {
		return 0, 0, err
	}
	if to, err = s.number(f.To); err != nil {
		return 0, 0, err
	}
	if to < from {
		return 0, 0, badParams("please verify: fromBlock <= toBlock")
	}
	if to-from > maxLogRange {
		return 0, 0, badParams("exceed max block range: %d", maxLogRange)
	}
	return from, min(to, s.last()), nil
}
