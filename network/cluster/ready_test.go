package cluster_test

import (
	"context"
	"encoding/pem"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/killick-ledger/killick/network/cluster"
	"github.com/killick-ledger/killick/network/topology"
)

// A node that listens but does not serve yet is still making its databases: to be ended
// then leaves them unusable, so it may not count as ready.
func TestServes(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.EnableHTTP2 = true
	dir := t.TempDir()
	n := topology.Node{Name: "peer.org1", CN: "example.com", TLS: dir, Port: server.Listener.Addr().(*net.TCPAddr).Port}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := cluster.Serves(ctx, n); err == nil {
		t.Error("a node without a certificate serves")
	}
	server.StartTLS()
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(dir, "ca.crt"), ca, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Serves(t.Context(), n); err != nil {
		t.Error(err)
	}
	n.CN = "peer.org2"
	if err := cluster.Serves(t.Context(), n); err == nil {
		t.Error("another node was taken for it")
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	n.CN, n.Port = "example.com", silent.Addr().(*net.TCPAddr).Port
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := cluster.Serves(ctx, n); err == nil {
		t.Error("a node that only listens serves")
	}
}

func TestTail(t *testing.T) {
	dir := t.TempDir()
	p := cluster.NewProcs(dir, dir, false)
	for name, c := range map[string]struct{ log, want string }{
		"absent": {"", ""},
		"short":  {"a\nb\n", "a\nb"},
		"long":   {"1\n2\n3\n4\n5\n6\n7\n", "3\n4\n5\n6\n7"},
		"panic":  {"panic: first\n\nx\npanic: second\n\n1\n2\n3\n4\n5\n6\n", "panic: second\n\n1\n2\n3"},
		"late":   {"1\n2\n3\n4\n5\n6\nfatal error: all asleep", "fatal error: all asleep"},
	} {
		if c.log != "" {
			if err := os.WriteFile(filepath.Join(dir, name+".log"), []byte(c.log), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := p.Tail(name); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
