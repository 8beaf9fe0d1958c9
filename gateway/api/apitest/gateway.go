// Package apitest has gateways for tests of what asks one: an honest one before a ledger in
// memory, and what a test puts between that and who asks. They listen on ports of loopback
// that are free, and stop when the test ends.
package apitest

import (
	"errors"
	"log/slog"
	"net"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/killick-ledger/killick/gateway/api"
	"github.com/killick-ledger/killick/gateway/certificate"
	"github.com/killick-ledger/killick/gateway/events"
	"github.com/killick-ledger/killick/gateway/index"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// Gateway is where a gateway is reached.
type Gateway struct {
	Address string // of gRPC, host:port
	URL     string // of REST
}

// Serve serves a gateway before a ledger. configure may change how it submits.
func Serve(t testing.TB, ledger *submittest.Ledger, configure ...func(*submit.Config)) Gateway {
	t.Helper()
	log, dir := slog.New(slog.DiscardHandler), t.TempDir()
	stream := events.New(events.Config{Ledger: ledger, Network: submittest.Network, Log: log})
	submitting := submit.Config{Journal: filepath.Join(dir, "journal.db"), Network: submittest.Network, Ledger: stream.Watch(ledger), Log: log, Hold: 4 * time.Millisecond}
	for _, f := range configure {
		f(&submitting)
	}
	s, err := submit.Open(submitting)
	if err != nil {
		t.Fatal(err)
	}
	x, err := index.Open(index.Config{File: filepath.Join(dir, "index"), Network: submittest.Network, Ledger: stream, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(x.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	web := httptest.NewUnstartedServer(nil)
	g := Gateway{URL: "http://" + web.Listener.Addr().String()}
	service := api.New(api.Config{Submitter: s, Ledger: ledger, Events: stream, Index: x, Network: submittest.Network, Log: log, Credentials: certificate.Config{URL: g.URL}})
	if web.Config.Handler, err = service.REST(); err != nil {
		t.Fatal(err)
	}
	web.Start()
	t.Cleanup(web.Close)
	g.Address = Listen(t, service.GRPC())
	return g
}

// Listen has a server serve, and returns its address.
func Listen(t testing.TB, server *grpc.Server) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }() // ends with Stop
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}
