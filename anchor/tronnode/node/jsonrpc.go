package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
)

// rpc serves the reads of java-tron's JSON-RPC. What it takes for a block is the
// head, by the tag "latest", or the solidified block, by "finalized"; state is
// read at "latest" only; transactions are neither taken nor counted.
type rpc struct{ view }

type rpcRequest struct {
	Version string            `json:"jsonrpc"`
	ID      json.RawMessage   `json:"id"`
	Method  string            `json:"method"`
	Params  []json.RawMessage `json:"params"`
}

type rpcReply struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  any             `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

// rpcNull is a reply's result when there is none: null must be written.
var rpcNull = json.RawMessage("null")

type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

func (e *rpcError) Error() string { return e.Message }

// JSON-RPC error codes.
const (
	rpcParse    = -32700
	rpcRequired = -32600
	rpcUnknown  = -32601
	rpcParams   = -32602
	rpcInternal = -32000
)

func badParams(format string, args ...any) error {
	return &rpcError{Code: rpcParams, Message: fmt.Sprintf(format, args...)}
}

func (s rpc) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	allowPages(w)
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err != nil {
		http.Error(w, "request too large or cut short", http.StatusBadRequest)
		return
	}
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '[' {
		var batch []rpcRequest
		if err := json.Unmarshal(body, &batch); err != nil {
			answer(w, failed(nil, &rpcError{Code: rpcParse, Message: "parse error"}))
			return
		}
		replies := []rpcReply{}
		for _, r := range batch {
			replies = append(replies, s.reply(r))
		}
		answer(w, replies)
		return
	}
	var r rpcRequest
	if err := json.Unmarshal(body, &r); err != nil {
		answer(w, failed(nil, &rpcError{Code: rpcParse, Message: "parse error"}))
		return
	}
	answer(w, s.reply(r))
}

func failed(id json.RawMessage, err error) rpcReply {
	var e *rpcError
	if !errors.As(err, &e) {
		e = &rpcError{Code: rpcInternal, Message: err.Error()}
	}
	if id == nil {
		id = rpcNull
	}
	return rpcReply{Version: "2.0", ID: id, Error: e}
}

func (s rpc) reply(r rpcRequest) rpcReply {
	if r.Method == "" {
		return failed(r.ID, &rpcError{Code: rpcRequired, Message: "no method"})
	}
	result, err := s.dispatch(r.Method, r.Params)
	if err != nil {
		return failed(r.ID, err)
	}
	if result == nil {
		result = rpcNull
	}
	id := r.ID
	if id == nil {
		id = rpcNull
	}
	return rpcReply{Version: "2.0", ID: id, Result: result}
}

func (s rpc) dispatch(method string, params []json.RawMessage) (any, error) {
	switch method {
	case "web3_clientVersion":
		return Version, nil
	case "eth_chainId", "net_version":
		return hexutil.Encode(s.c.genesis[28:]), nil
	case "net_listening":
		return true, nil
	case "net_peerCount":
		return "0x0", nil
	case "eth_syncing":
		return false, nil
	case "eth_gasPrice":
		return quantity(energyFee), nil
	case "eth_blockNumber":
		return quantity(s.last()), nil
	case "eth_getBlockByNumber":
		return s.blockByTag(params)
	case "eth_getBlockByHash":
		return s.blockByHash(params)
	case "eth_getTransactionByHash":
		return s.transactionByHash(params)
	case "eth_getTransactionReceipt":
		return s.receipt(params)
	case "eth_getLogs":
		return s.logs(params)
	case "eth_call":
		return s.ethCall(params)
	case "eth_getBalance":
		return s.balance(params)
	case "eth_getCode":
		return s.ethCode(params)
	}
	return nil, &rpcError{Code: rpcUnknown, Message: "the method " + method + " is not served"}
}

func quantity(n uint64) string { return hexutil.EncodeUint64(n) }

// param decodes parameter i into v.
func param(params []json.RawMessage, i int, v any) error {
	if i >= len(params) {
		return badParams("parameter %d is missing", i)
	}
	if err := json.Unmarshal(params[i], v); err != nil {
		return badParams("parameter %d: %v", i, err)
	}
	return nil
}

func paramHash(params []json.RawMessage, i int) (common.Hash, error) {
	var s string
	if err := param(params, i, &s); err != nil {
		return common.Hash{}, err
	}
	b, err := hexutil.Decode(s)
	if err != nil || len(b) != common.HashLength {
		return common.Hash{}, badParams("invalid hash value")
	}
	return common.Hash(b), nil
}

func paramAddress(params []json.RawMessage, i int) (common.Address, error) {
	var s string
	if err := param(params, i, &s); err != nil {
		return common.Address{}, err
	}
	return rpcAddress(s)
}

func rpcAddress(s string) (common.Address, error) {
	a, err := ParseAddress(s)
	if err != nil || strings.HasPrefix(s, "T") {
		return common.Address{}, badParams("invalid address")
	}
	return a, nil
}

// number reads a block tag or number.
func (s rpc) number(tag string) (uint64, error) {
	switch tag {
	case "latest", "":
		return s.last(), nil
	case "earliest":
		return 0, nil
	case "finalized":
		return view{s.c, true}.last(), nil
	case "pending":
		return 0, badParams("TAG pending not supported")
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(tag, "0x"), 16, 63)
	if err != nil || !strings.HasPrefix(tag, "0x") {
		return 0, badParams("invalid block number")
	}
	return n, nil
}

// onlyLatest refuses to read state anywhere but at the head.
func onlyLatest(params []json.RawMessage, i int) error {
	var tag string
	if err := param(params, i, &tag); err != nil {
		return err
	}
	switch tag {
	case "latest":
		return nil
	case "earliest", "pending", "finalized":
		return badParams("TAG [earliest | pending | finalized] not supported")
	}
	return badParams("QUANTITY not supported, just support TAG as latest")
}

func (s rpc) balance(params []json.RawMessage) (any, error) {
	addr, err := paramAddress(params, 0)
	if err != nil {
		return nil, err
	}
	if err := onlyLatest(params, 1); err != nil {
		return nil, err
	}
	a, err := s.account(addr)
	return quantity(uint64(a.GetBalance())), err
}

func (s rpc) ethCode(params []json.RawMessage) (any, error) {
	addr, err := paramAddress(params, 0)
	if err != nil {
		return nil, err
	}
	if err := onlyLatest(params, 1); err != nil {
		return nil, err
	}
	code, err := s.code(addr)
	return hexutil.Encode(code), err
}

func (s rpc) ethCall(params []json.RawMessage) (any, error) {
	var call struct {
		From  string        `json:"from"`
		To    string        `json:"to"`
		Data  hexutil.Bytes `json:"data"`
		Input hexutil.Bytes `json:"input"`
		Value string        `json:"value"`
	}
	if err := param(params, 0, &call); err != nil {
		return nil, err
	}
	if err := onlyLatest(params, 1); err != nil {
		return nil, err
	}
	msg := &core.TriggerSmartContract{OwnerAddress: wire(common.Address{}), Data: call.Data}
	if call.Data == nil {
		msg.Data = call.Input
	}
	if call.From != "" {
		from, err := rpcAddress(call.From)
		if err != nil {
			return nil, err
		}
		msg.OwnerAddress = wire(from)
	}
	to, err := rpcAddress(call.To)
	if err != nil {
		return nil, err
	}
	msg.ContractAddress = wire(to)
	if call.Value != "" {
		v, err := hexutil.DecodeUint64(call.Value)
		if err != nil || v > 1<<62 {
			return nil, badParams("invalid param value: invalid hex number")
		}
		msg.CallValue = int64(v)
	}
	r, refusal := s.call(msg, constantCallEnergy)
	if refusal != nil {
		return nil, &rpcError{Code: rpcInternal, Message: refusal.Message}
	}
	if r.Code != core.Transaction_Result_SUCCESS {
		return nil, &rpcError{Code: rpcInternal, Message: r.Reason, Data: hexutil.Encode(r.Return)}
	}
	return hexutil.Encode(r.Return), nil
}
