package evm_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/killick-ledger/killick/anchor/evm"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/send/sendtest"
)

// script is two endpoints that know of one transaction, in the final block.
type script struct {
	landed string        // its hash
	each   time.Duration // what each answer of the second takes
	deaf   bool          // which has none about transactions
}

// RoundTrip implements http.RoundTripper.
func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	var q request
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		return nil, err
	}
	if r.URL.Host == "second" {
		wait := time.After(s.each)
		if s.deaf && q.Method == "eth_getTransactionReceipt" {
			wait = nil
		}
		select {
		case <-wait:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	block := "0x" + strings.Repeat("22", 32)
	var result any
	switch q.Method {
	case "eth_chainId":
		result = "0x539"
	case "eth_getBlockByNumber":
		result = map[string]any{"number": "0xa", "hash": block}
	case "eth_getTransactionCount":
		result = "0x2"
	case "eth_call":
		result = "0x01"
	case "eth_getTransactionReceipt":
		if bytes.Contains(q.Params, []byte(s.landed)) {
			result = map[string]any{"transactionHash": s.landed, "blockNumber": "0xa", "blockHash": block, "status": "0x1", "logs": []any{},
				"gasUsed": "0x1", "cumulativeGasUsed": "0x1", "effectiveGasPrice": "0x1", "logsBloom": "0x" + strings.Repeat("0", 512)}
		}
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": q.ID, "result": result})
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))}, err
}

func TestAlone(t *testing.T) {
	attempt := func(nonce uint64) send.Attempt {
		id := big.NewInt(1337)
		tx := types.MustSignNewTx(keyOf("one"), types.LatestSignerForChainID(id), &types.DynamicFeeTx{ChainID: id, Nonce: nonce})
		raw, err := tx.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		return send.Attempt{ID: tx.Hash().Bytes(), Raw: raw, Nonce: nonce}
	}
	two := sendtest.Two{Landed: attempt(0), Lost: attempt(1), Done: send.Intent{Want: []byte{1}}}
	s := &script{landed: "0x" + hexOf(two.Landed.ID)}
	two.Second = func(each time.Duration, transactions bool) { s.each, s.deaf = each, !transactions }
	defer func(before http.RoundTripper) { http.DefaultTransport = before }(http.DefaultTransport)
	http.DefaultTransport = s
	sendtest.Alone(t, func(t *testing.T) sendtest.Two {
		c, err := evm.Dial(t.Context(), evm.Config{Chain: chain, URLs: []string{"http://first", "http://second"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		two.Chain = c
		return two
	})
}
