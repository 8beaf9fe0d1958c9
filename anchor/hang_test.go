package main

import (
	"context"
	"errors"
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
	urls := []string{"http://" + port}
	for range 2 {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":1,"result":{"number":"0x7"}}`))
		}))
		defer s.Close()
		urls = append(urls, s.URL)
	}
	events := &eventReader{chain: "eip155:1337", urls: urls, timeout: 50 * time.Millisecond}
	defer events.close()
	at, err := events.final(ctx)
	for err != nil && ctx.Err() == nil { // the machine may be too slow for an answer in that time
		events.timeout *= 2
		at, err = events.final(ctx)
	}
	if err != nil || at.least != 7 || at.most != 7 {
		t.Errorf("final = %+v, %v", at, err)
	}
	events.urls = urls[:2]
	if at, err := events.final(ctx); !errors.Is(err, send.ErrAlone) || !strings.Contains(err.Error(), port) {
		t.Errorf("one of two: %+v, %v", at, err)
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
