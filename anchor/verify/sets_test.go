package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
)

// withSets stands in front of a node whose AnchorLog knows one member set for ever, and
// answers what a contract with rotation says of that: setHash, fromOf and frozen.
func withSets(t *testing.T, node string, set [32]byte) string {
	word := func(data string) (string, bool) {
		first := data == selector("setHash(uint64)")+strings.Repeat("0", 63)+"1"
		switch {
		case first:
			return "0x" + canon.Hex(set[:]), true
		case strings.HasPrefix(data, selector("setHash(uint64)")), strings.HasPrefix(data, selector("fromOf(uint64)")), data == selector("frozen()"):
			return "0x" + strings.Repeat("0", 64), true
		}
		return "", false
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		var req struct {
			ID     int
			Method string
			Params []json.RawMessage
		}
		var call struct{ Data string }
		if err := json.Unmarshal(body, &req); err == nil && req.Method == "eth_call" {
			err = json.Unmarshal(req.Params[0], &call)
			if result, ok := word(call.Data); ok && err == nil {
				json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": req.ID, "result": result})
				return
			}
		}
		reply, err := http.Post(node, "application/json", bytes.NewReader(body))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer reply.Body.Close()
		io.Copy(w, reply.Body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}
