package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/send"
)

// silent is a port where connections are taken and nothing is ever said.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// A node that takes connections and never answers holds up neither the loop that
// asks it, nor whoever asks the same chain, nor the node after it.
func TestNodesThatHang(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	port := silent(t)
	answering := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":1,"result":{"number":"0x7"}}`))
	}))
	defer answering.Close()
	events := &eventReader{chain: "eip155:1337", urls: []string{"http://" + port, answering.URL}, timeout: 50 * time.Millisecond}
	defer events.close()
	n, err := events.final(ctx)
	for err != nil && ctx.Err() == nil { // the machine may be too slow for an answer in that time
		events.timeout *= 2
		n, err = events.final(ctx)
	}
	if err != nil || n != 7 {
		t.Errorf("final = %d, %v", n, err)
	}
	for _, cfg := range []chainConfig{
		{ID: "eip155:1337", Kind: "evm", RPC: []string{"http://" + port}},
		{ID: "tron:0x2b6653dc", Kind: "tron", GRPC: port},
	} {
		c := &chain{cfg: cfg, timeout: 50 * time.Millisecond}
		defer c.close()
		if _, err := c.Call(ctx, send.Address{}, []byte{1}, send.Final); err == nil || ctx.Err() != nil {
			t.Errorf("%s: %v", cfg.ID, err)
		} else if !strings.Contains(err.Error(), cfg.ID) {
			t.Errorf("an error that names no chain: %v", err)
		}
	}
}
