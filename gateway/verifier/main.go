// Command killick-verifier is a verifier node: it follows rounds of jobs, checks the
// evidence of those whose committee has its DID, commits to a ballot and reveals it. See
// gateway/verifier/node.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/killick-ledger/killick/gateway/verifier/node"
	"github.com/killick-ledger/killick/gateway/verifier/snp"
	"github.com/killick-ledger/killick/gateway/verifier/tpm"
	"github.com/killick-ledger/killick/network/configuration"
)

func main() {
	// A set of its own: a module that is linked here adds flags to the common one.
	flags := flag.NewFlagSet("killick-verifier", flag.ExitOnError)
	path := flags.String("config", "verifier.yaml", "configuration `file` (docs/operations.md lists its fields)")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), `usage: killick-verifier --config FILE

Follows the rounds of jobs until SIGINT or SIGTERM. Where the DID of the key file was drawn, it
checks quote and output, commits to a ballot, and reveals it. It can be killed at any time: what
it committed to is in the folder that the configuration names, and is revealed after the next
start.
`)
		flags.PrintDefaults()
	}
	_ = flags.Parse(os.Args[1:]) // it exits
	if flags.NArg() > 0 {
		flags.Usage()
		os.Exit(2)
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	slog.SetDefault(log)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *path, log); err != nil {
		log.Error("verifier ends", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, path string, log *slog.Logger) error {
	var cfg Config
	if err := configuration.Read(path, &cfg); err != nil {
		return err
	}
	s, err := build(cfg, log)
	if err != nil {
		return err
	}
	log.Info("verifier follows rounds", "network", cfg.Network, "did", s.node.Status().DID, "gateways", len(cfg.Gateways), "http", s.address())
	err = s.serve(ctx)
	log.Info("verifier stopped")
	return err
}

// service is a node with its HTTP server, if it has one.
type service struct {
	node *node.Node
	http net.Listener
}

// build opens everything; nothing is asked of a gateway before serve.
func build(cfg Config, log *slog.Logger) (*service, error) {
	s := new(service)
	c := cfg.node()
	c.Log = log
	var err error
	if c.Identity, err = cfg.identity(); err != nil {
		return nil, err
	}
	if c.OperatorCA, err = cfg.certificates(); err != nil {
		return nil, err
	}
	amd, bad := snp.New(cfg.SEVSNP)
	chips, err := tpm.New(cfg.TPM)
	if err = errors.Join(bad, err); err != nil {
		return nil, err
	}
	c.Platforms = map[string]node.Platform{"sev-snp": amd, "tpm": chips}
	if cfg.Listen != "" {
		if s.http, err = net.Listen("tcp", cfg.Listen); err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
	}
	if s.node, err = node.New(c); err != nil && s.http != nil {
		err = errors.Join(err, s.http.Close())
	}
	return s, err
}

func (s *service) address() string {
	if s.http == nil {
		return ""
	}
	return s.http.Addr().String()
}

// serve runs the node until ctx ends.
func (s *service) serve(ctx context.Context) error {
	if s.http == nil {
		return errors.Join(s.node.Run(ctx), s.node.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		s.node.Status().Metrics(w)
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.node.Status()) // nobody is left to tell
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(s.http) }()
	err := errors.Join(s.node.Run(ctx), s.node.Close(), server.Close())
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
