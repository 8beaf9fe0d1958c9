package tron_test

import (
	"encoding/pem"
	"errors"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"google.golang.org/grpc"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/tron"
)

// A node named by https:// is spoken to with TLS, and has to prove its name.
func TestTLS(t *testing.T) {
	n := start(t)
	log := n.anchorLog()
	n.produce(3)
	lagging := startLagging(t, n)
	lagging.catchUp()
	server := grpc.NewServer()
	api.RegisterWalletSolidityServer(server, lagging)
	s := httptest.NewUnstartedServer(server)
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", roots)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	for addr, want := range map[string]bool{"https://127.0.0.1:" + port: true, "https://localhost:" + port: false, "127.0.0.1:" + port: false} {
		c := n.dial(func(c *tron.Config) { c.Also = []string{addr} })
		_, err := c.Call(t.Context(), log, contracts.PackHead(), send.Final)
		if (err == nil) != want || !want && !errors.Is(err, send.ErrAlone) {
			t.Errorf("%s: %v", addr, err)
		}
	}
	for _, addr := range []string{"http://127.0.0.1:1", "https://127.0.0.1", "127.0.0.1:1/", "127.0.0.1:0", ":1", "https://key@host:1"} {
		cfg := n.cfg
		cfg.Also = []string{addr}
		if _, err := tron.Dial(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "neither host:port nor") {
			t.Errorf("%s: %v", addr, err)
		}
	}
}
