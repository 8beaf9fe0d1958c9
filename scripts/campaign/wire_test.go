package campaign_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/anchor/contracts"
)

// fault is what goes wrong with one call to a node.
type fault int

const (
	none       fault = iota
	refused          // not done, and an error
	lost             // done, and an error
	hangBefore       // not done, and no answer
	hangAfter        // done, and no answer
	stale            // an answer that was true before
	empty            // the node says that it does not know
	orphan           // the receipt names a block that was left
	success          // what is unknown, or failed, succeeded
	failure          // what succeeded failed
	ahead            // the account's nonce is higher than it is
	behind           // it is lower
	wrong            // a view returns something else
	yes              // it has happened: a view says so, and the receipt is one of a final block
	otherChain       // the node is one of another chain
)

// Faults that any node may have, and what only one that lies, or is broken, says.
var (
	faults = []fault{refused, lost, stale, empty}
	lies   = []fault{stale, empty, orphan, success, failure, ahead, behind, wrong, yes}
)

var errWire = errors.New("the wire is cut")

// wire is the way to one endpoint. What it does to a call is decided by rule, which
// sees how many came before.
type wire struct {
	mu    sync.Mutex
	calls int
	rule  func(call int, method string) fault
	old   map[string][]any               // answers by question, oldest first
	block struct{ Number, Hash string }  // the first final one that was asked for
	sees  func(raw []byte)               // transactions on their way to the node
	kill  func(call int, at string) bool // kills the process that calls, before or after a call
}

func newWire(sees func([]byte)) *wire {
	return &wire{old: map[string][]any{}, sees: sees, rule: healthy, kill: func(int, string) bool { return false }}
}

func healthy(int, string) fault { return none }

func (w *wire) decide(method string) (int, fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	return w.calls, w.rule(w.calls, method)
}

// set changes the rule.
func (w *wire) set(rule func(call int, method string) fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rule = rule
}

// note keeps an answer, and returns the oldest of the last few to the same question.
func (w *wire) note(question string, answer any) any {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := append(w.old[question], answer)
	w.old[question] = all[max(0, len(all)-4):]
	return all[0]
}

// pass takes a call to the node, or does not, as a fault wants it. An error is what
// the caller gets.
func (w *wire) pass(ctx context.Context, n int, kind fault, do func() error) error {
	if w.kill(n, "before") {
		return errWire
	}
	switch kind {
	case refused:
		return errWire
	case hangBefore:
		<-ctx.Done()
		return errWire
	}
	if err := do(); err != nil {
		return err
	}
	if w.kill(n, "after") {
		return errWire
	}
	switch kind {
	case lost:
		return errWire
	case hangAfter:
		<-ctx.Done()
		return errWire
	}
	return nil
}

// rpcCall is a JSON-RPC request.
type rpcCall struct {
	ID     json.RawMessage   `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

// jsonWire serves a node's JSON-RPC behind a wire.
func jsonWire(t testing.TB, w *wire, node http.Handler) string {
	s := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		body, err := io.ReadAll(in.Body)
		var q rpcCall
		if err := errors.Join(err, json.Unmarshal(body, &q)); err != nil {
			return // a client that was killed
		}
		n, kind := w.decide(q.Method)
		var answer map[string]json.RawMessage
		err = w.pass(in.Context(), n, kind, func() error {
			if q.Method == "eth_sendRawTransaction" {
				var raw hexutil.Bytes
				if err := json.Unmarshal(q.Params[0], &raw); err == nil {
					w.sees(raw)
				}
			}
			ask := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
			ask.Header.Set("Content-Type", "application/json")
			told := httptest.NewRecorder()
			node.ServeHTTP(told, ask)
			return json.Unmarshal(told.Body.Bytes(), &answer)
		})
		if err != nil {
			http.Error(out, err.Error(), http.StatusBadGateway)
			return
		}
		if result, ok := answer["result"]; ok && q.Method != "eth_sendRawTransaction" {
			question, _ := json.Marshal([]any{q.Method, q.Params})
			before := w.note(string(question), result).(json.RawMessage)
			if q.Method == "eth_getBlockByNumber" && strings.Contains(string(q.Params[0]), "final") {
				w.mu.Lock()
				if w.block.Hash == "" {
					_ = json.Unmarshal(result, &w.block)
				}
				w.mu.Unlock()
			}
			answer["result"] = w.twist(kind, q, result, before)
		}
		out.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(out).Encode(answer)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// twist is what an ill or lying node says instead of a result.
func (w *wire) twist(kind fault, q rpcCall, result, before json.RawMessage) json.RawMessage {
	is := func(methods ...string) bool { return slices.Contains(methods, q.Method) }
	switch {
	case kind == stale:
		return before
	case kind == empty && is("eth_getTransactionReceipt", "eth_getTransactionByHash"):
		return json.RawMessage("null")
	case kind == otherChain && is("eth_chainId"):
		return json.RawMessage(`"0x1"`)
	case kind == ahead && is("eth_getTransactionCount"):
		return shifted(result, 7)
	case kind == behind && is("eth_getTransactionCount"):
		return shifted(result, -1)
	case kind == wrong && is("eth_call"):
		return json.RawMessage(`"0x` + strings.Repeat("00", 31) + `07"`)
	case kind == yes && is("eth_call"):
		if strings.Contains(string(q.Params[0]), hexutil.Encode(contracts.PackBalanceOf([20]byte{})[:4])) {
			return json.RawMessage(fmt.Sprintf(`"0x%064x"`, amount))
		}
		return json.RawMessage(`"` + hexutil.Encode(contracts.True()) + `"`)
	case is("eth_getTransactionReceipt") && slices.Contains([]fault{orphan, success, failure}, kind):
		return forged(kind, q, result)
	case is("eth_getTransactionReceipt") && kind == yes:
		w.mu.Lock()
		defer w.mu.Unlock()
		r := map[string]any{}
		_ = json.Unmarshal(forged(success, q, json.RawMessage("null")), &r)
		r["blockNumber"], r["blockHash"] = w.block.Number, w.block.Hash
		out, _ := json.Marshal(r)
		return out
	}
	return result
}

func shifted(number json.RawMessage, by int64) json.RawMessage {
	var n hexutil.Uint64
	if json.Unmarshal(number, &n) != nil {
		return number
	}
	out, _ := json.Marshal(hexutil.Uint64(max(0, int64(n)+by)))
	return out
}

// forged is a receipt that is not the node's.
func forged(kind fault, q rpcCall, result json.RawMessage) json.RawMessage {
	r := map[string]any{}
	if json.Unmarshal(result, &r) != nil || r["status"] == nil {
		if kind != success {
			return result
		}
		var id string
		_ = json.Unmarshal(q.Params[0], &id)
		r = map[string]any{"transactionHash": id, "blockNumber": "0x1", "gasUsed": "0x5208", "cumulativeGasUsed": "0x5208",
			"effectiveGasPrice": "0x1", "logs": []any{}, "logsBloom": "0x" + strings.Repeat("0", 512)}
		kind = orphan
	}
	switch kind {
	case orphan:
		r["blockHash"] = "0x" + strings.Repeat("11", 32)
		r["status"] = "0x1"
	case success:
		r["status"] = "0x1"
	case failure:
		r["status"] = "0x0"
	}
	out, _ := json.Marshal(r)
	return out
}

// intercept puts gRPC calls through a wire.
func (w *wire) intercept(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	name := method[strings.LastIndexByte(method, '/')+1:]
	n, kind := w.decide(name)
	err := w.pass(ctx, n, kind, func() error {
		if tx, ok := req.(*core.Transaction); ok && name == "BroadcastTransaction" {
			if raw, err := proto.Marshal(tx); err == nil {
				w.sees(raw)
			}
		}
		return call(ctx, method, req, reply, conn, opts...)
	})
	if errors.Is(err, errWire) {
		return status.Error(codes.Unavailable, err.Error())
	}
	if err != nil || name == "BroadcastTransaction" {
		return err
	}
	question, _ := proto.Marshal(req.(proto.Message))
	before := w.note(method+string(question), proto.Clone(reply.(proto.Message))).(proto.Message)
	switch {
	case kind == stale:
		proto.Reset(reply.(proto.Message))
		proto.Merge(reply.(proto.Message), before)
	case kind == empty && slices.Contains([]string{"GetTransactionInfoById", "GetTransactionById", "GetTransactionFromPending"}, name):
		proto.Reset(reply.(proto.Message))
	}
	return nil
}
