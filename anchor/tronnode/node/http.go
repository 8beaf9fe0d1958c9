package node

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/protobuf/proto"
)

// maxBody bounds a request's body: a transaction of 500 KiB is more than twice as
// long in JSON.
const maxBody = 4 << 20

// fields are a request's: of its JSON body, or of its query.
type fields map[string]any

// answerer makes the answer to a request, an error's text included.
type answerer func(context.Context, fields) (any, error)

// handler serves the HTTP side: JSON-RPC, and the part of /wallet that tronweb
// needs. Addresses are in hexadecimal: "visible": true is refused.
func handler(full, solid reads) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /jsonrpc", rpc(full))
	mux.HandleFunc("OPTIONS /jsonrpc", preflight)
	for path, r := range map[string]reads{"/wallet/": full, "/walletsolidity/": solid} {
		for name, a := range r.answerers() {
			mux.Handle(path+name, a)
		}
	}
	for name, a := range (wallet{reads: full}).answerers() {
		mux.Handle("/wallet/"+name, a)
	}
	return mux
}

// allowPages lets any web page read an answer, as public endpoints for JSON-RPC do.
func allowPages(w http.ResponseWriter) { w.Header().Set("Access-Control-Allow-Origin", "*") }

// preflight answers what browsers ask before a page may call.
func preflight(w http.ResponseWriter, _ *http.Request) {
	allowPages(w)
	w.Header().Set("Access-Control-Allow-Methods", "POST")
	w.Header().Set("Access-Control-Allow-Headers", "Content-Type")
	w.WriteHeader(http.StatusNoContent)
}

// ServeHTTP answers as java-tron does, with status 200 and {"Error": TEXT} for
// what it cannot do.
func (a answerer) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	in, err := requestFields(req)
	var out any
	if err == nil {
		out, err = a(req.Context(), in)
	}
	if err != nil {
		out = map[string]any{"Error": err.Error()}
	}
	answer(w, out)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client has gone: nobody to tell
}

func requestFields(req *http.Request) (fields, error) {
	in := fields{}
	if req.Method == http.MethodGet {
		for name, values := range req.URL.Query() {
			in[name] = values[0]
		}
	} else {
		body, err := io.ReadAll(io.LimitReader(req.Body, maxBody+1))
		if err != nil {
			return nil, fmt.Errorf("read request: %w", err)
		}
		if len(body) > maxBody {
			return nil, errors.New("the request is too long")
		}
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.UseNumber()
		if err := dec.Decode(&in); err != nil && !errors.Is(err, io.EOF) {
			return nil, errors.New("a JSON object is expected")
		}
	}
	if visible, ok := in["visible"]; ok && visible != false && visible != "false" {
		return nil, errors.New("this test node takes addresses in hexadecimal only")
	}
	delete(in, "visible")
	return in, nil
}

// text returns a field that is text, or nothing.
func (f fields) text(name string) string {
	s, _ := f[name].(string)
	return s
}

// bytes returns a field that is hexadecimal.
func (f fields) bytes(name string) ([]byte, error) {
	b, err := hex.DecodeString(f.text(name))
	if err != nil {
		return nil, fmt.Errorf("%s must be hexadecimal", name)
	}
	return b, nil
}

// hash returns the id in a field.
func (f fields) hash(name string) (common.Hash, error) {
	b, err := f.bytes(name)
	if err != nil || len(b) != common.HashLength {
		return common.Hash{}, fmt.Errorf("%s must be an id: 64 hexadecimal digits", name)
	}
	return common.Hash(b), nil
}

// number returns a field that is a block's number.
func (f fields) number(name string) (int64, error) {
	n, err := strconv.ParseInt(fmt.Sprint(f[name]), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s must be a block number", name)
	}
	return n, nil
}

// answerers are those that both faces have.
func (r reads) answerers() map[string]answerer {
	return map[string]answerer{
		"getnowblock": func(context.Context, fields) (any, error) { return r.numbered(int64(r.last()), true) },
		"getblock":    r.httpBlock,
		"getblockbynum": func(_ context.Context, f fields) (any, error) {
			n, err := f.number("num")
			if err != nil {
				return nil, err
			}
			return r.numbered(n, true)
		},
		"getblockbyid": func(_ context.Context, f fields) (any, error) {
			id, err := f.hash("value")
			if err != nil {
				return nil, err
			}
			return r.identified(id, true)
		},
		"gettransactionbyid": func(_ context.Context, f fields) (any, error) {
			id, err := f.hash("value")
			if err != nil {
				return nil, err
			}
			tx, err := r.transaction(id)
			if tx == nil {
				return fields{}, err
			}
			return transactionJSON(tx), err
		},
		"gettransactioninfobyid": func(_ context.Context, f fields) (any, error) {
			id, err := f.hash("value")
			if err != nil {
				return nil, err
			}
			return toJSON(r.info(id)), nil
		},
		"gettransactioninfobyblocknum": func(_ context.Context, f fields) (any, error) {
			n, err := f.number("num")
			list := []any{}
			for _, info := range r.infos(uint64(n)) {
				list = append(list, toJSON(info))
			}
			return list, err
		},
		"getaccount": byAccount(r.GetAccount),
		"triggerconstantcontract": func(ctx context.Context, f fields) (any, error) {
			m, _, err := f.trigger()
			if err != nil {
				return nil, err
			}
			ext, err := r.TriggerConstantContract(ctx, m)
			return extentionJSON(ext), err
		},
		"estimateenergy": func(ctx context.Context, f fields) (any, error) {
			m, _, err := f.trigger()
			if err != nil {
				return nil, err
			}
			estimate, err := r.EstimateEnergy(ctx, m)
			return toJSON(estimate), err
		},
	}
}

// numbered returns a block as JSON, {} when there is none.
func (r reads) numbered(n int64, detail bool) (any, error) {
	b, id, ok, err := r.block(n)
	if err != nil || !ok {
		return fields{}, err
	}
	return blockJSON(b, id, detail), nil
}

func (r reads) identified(id common.Hash, detail bool) (any, error) {
	b, ok, err := r.blockByID(id)
	if err != nil || !ok {
		return fields{}, err
	}
	return blockJSON(b, id, detail), nil
}

// httpBlock finds a block by number or id; without either it is the last one.
func (r reads) httpBlock(_ context.Context, f fields) (any, error) {
	detail := f["detail"] == true || f["detail"] == "true"
	if _, ok := f["id_or_num"]; !ok {
		return r.numbered(int64(r.last()), detail)
	}
	if id, err := f.hash("id_or_num"); err == nil {
		return r.identified(id, detail)
	}
	n, err := f.number("id_or_num")
	if err != nil {
		return nil, err
	}
	return r.numbered(n, detail)
}

// trigger reads the call of a contract, whose data may come as a signature and
// encoded arguments, and the fields that belong to the transaction.
func (f fields) trigger() (*core.TriggerSmartContract, *core.TransactionRaw, error) {
	call, outer := map[string]any{}, map[string]any{}
	for name, v := range f {
		switch name {
		case "function_selector", "parameter":
		case "fee_limit":
			outer[name] = v
		case "Permission_id":
			outer["contract"] = []any{map[string]any{name: v}}
		default:
			call[name] = v
		}
	}
	m, raw := &core.TriggerSmartContract{}, &core.TransactionRaw{}
	if err := errors.Join(fromJSON(m.ProtoReflect(), call), fromJSON(raw.ProtoReflect(), outer)); err != nil {
		return nil, nil, err
	}
	if selector := f.text("function_selector"); selector != "" {
		args, err := f.bytes("parameter")
		if err != nil {
			return nil, nil, err
		}
		m.Data = append(crypto.Keccak256([]byte(selector))[:4], args...)
	}
	return m, raw, nil
}

// byAccount adapts a call that takes an account's address.
func byAccount[T proto.Message](call func(context.Context, *core.Account) (T, error)) answerer {
	return func(ctx context.Context, f fields) (any, error) {
		addr, err := f.bytes("address")
		if err != nil {
			return nil, err
		}
		m, err := call(ctx, &core.Account{Address: addr})
		return toJSON(m), err
	}
}

// byNothing adapts a call without arguments.
func byNothing[T proto.Message](call func(context.Context, *api.EmptyMessage) (T, error)) answerer {
	return func(ctx context.Context, _ fields) (any, error) {
		m, err := call(ctx, &api.EmptyMessage{})
		return toJSON(m), err
	}
}

// byBytes adapts a call that takes an id or an address.
func byBytes[T proto.Message](call func(context.Context, *api.BytesMessage) (T, error)) answerer {
	return func(ctx context.Context, f fields) (any, error) {
		value, err := f.bytes("value")
		if err != nil {
			return nil, err
		}
		m, err := call(ctx, &api.BytesMessage{Value: value})
		return toJSON(m), err
	}
}

// answerers are those that only a full node has.
func (w wallet) answerers() map[string]answerer {
	return map[string]answerer{
		"getaccountnet":      byAccount(w.GetAccountNet),
		"getaccountresource": byAccount(w.GetAccountResource),
		"getchainparameters": byNothing(w.GetChainParameters),
		"getnodeinfo":        byNothing(w.GetNodeInfo),
		"getenergyprices":    byNothing(w.GetEnergyPrices),
		"getbandwidthprices": byNothing(w.GetBandwidthPrices),
		"getcontract":        byBytes(w.GetContract),
		"getcontractinfo":    byBytes(w.GetContractInfo),
		"gettransactionfrompending": func(ctx context.Context, f fields) (any, error) {
			id, err := f.hash("value")
			if err != nil {
				return nil, err
			}
			tx, err := w.GetTransactionFromPending(ctx, &api.BytesMessage{Value: id[:]})
			if err != nil || tx.GetRawData() == nil {
				return fields{}, err
			}
			return transactionJSON(tx), nil
		},
		"gettransactionlistfrompending": byNothing(w.GetTransactionListFromPending),
		"getpendingsize":                byNothing(w.GetPendingSize),
		"triggersmartcontract":          w.httpTrigger,
		"broadcasttransaction":          w.httpBroadcast,
		"broadcasthex":                  w.httpBroadcastHex,
	}
}

func (w wallet) httpTrigger(ctx context.Context, f fields) (any, error) {
	m, raw, err := f.trigger()
	if err != nil {
		return nil, err
	}
	ext, err := w.TriggerContract(ctx, m)
	if err != nil {
		return nil, err
	}
	made := ext.GetTransaction().GetRawData()
	made.FeeLimit = raw.GetFeeLimit()
	if c := raw.GetContract(); len(c) > 0 {
		made.Contract[0].PermissionId = c[0].GetPermissionId()
	}
	return extentionJSON(ext), nil
}

// httpBroadcast takes a transaction in JSON. As on java-tron, what counts is
// raw_data; raw_data_hex and txID are the client's own notes.
func (w wallet) httpBroadcast(_ context.Context, f fields) (any, error) {
	for _, note := range []string{"txID", "raw_data_hex", "ret"} {
		delete(f, note)
	}
	tx := &core.Transaction{}
	if err := fromJSON(tx.ProtoReflect(), f); err != nil {
		return nil, err
	}
	return refusalJSON(tx, w.c.Broadcast(tx)), nil
}

// httpBroadcastHex takes a transaction's bytes. As on java-tron, the answer holds
// the transaction as JSON within JSON.
func (w wallet) httpBroadcastHex(_ context.Context, f fields) (any, error) {
	b, err := f.bytes("transaction")
	if err != nil {
		return nil, err
	}
	tx := &core.Transaction{}
	if err := proto.Unmarshal(b, tx); err != nil {
		return nil, fmt.Errorf("transaction: %w", err)
	}
	out := refusalJSON(tx, w.c.Broadcast(tx))
	read, err := json.Marshal(transactionJSON(tx))
	if err != nil {
		return nil, fmt.Errorf("write transaction: %w", err)
	}
	out["transaction"] = string(read)
	return out, nil
}
