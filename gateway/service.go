package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/killick-ledger/killick/gateway/api"
	"github.com/killick-ledger/killick/gateway/events"
	"github.com/killick-ledger/killick/gateway/index"
	"github.com/killick-ledger/killick/gateway/status"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/network/fabric"
	"google.golang.org/grpc"
)

// waitLimit is how long a submission waits for its result. Answers have some
// more time to be written.
const (
	waitLimit  = 30 * time.Second
	writeLimit = waitLimit + 30*time.Second
	// stopLimit is how long requests under way may take once a stop is asked for.
	stopLimit = 5 * time.Second
)

// service is a gateway that is ready to serve.
type service struct {
	client     *fabric.Client
	divergence *divergence
	events     *events.Stream
	statuses   *status.Index
	submitter  *submit.Submitter
	index      *index.Index
	http       net.Listener
	grpc       net.Listener
	rest       *http.Server
	rpc        *grpc.Server
}

// build opens everything. Nothing is served before serve, but what the journal
// holds open goes on at once.
func build(cfg Config, log *slog.Logger) (_ *service, err error) {
	s := new(service)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	// The ports first: a second gateway by mistake ends here.
	if s.http, err = net.Listen("tcp", cfg.ListenHTTP); err != nil {
		return nil, fmt.Errorf("listen_http: %w", err)
	}
	if s.grpc, err = net.Listen("tcp", cfg.ListenGRPC); err != nil {
		return nil, fmt.Errorf("listen_grpc: %w", err)
	}
	if s.client, err = fabric.Connect(cfg.Fabric); err != nil {
		return nil, err
	}
	if err = os.MkdirAll(filepath.Dir(cfg.Journal), 0o700); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	s.divergence = newDivergence(s.client, cfg.Fabric.Peers, log)
	l := ledger{s.client, cfg.Fabric.Chaincode, nil, s.divergence}
	for _, p := range cfg.Fabric.Peers {
		l.members = append(l.members, p.MSPID)
	}
	if err = s.read(cfg, l, log); err != nil {
		return nil, err
	}
	web, err := cfg.web()
	if err != nil {
		return nil, err
	}
	credentials, err := cfg.credentials()
	if err != nil {
		return nil, err
	}
	credentials.Statuses = s.statuses
	var issuers []string
	for _, issuer := range credentials.Issuers {
		issuers = append(issuers, issuer.DID)
	}
	wallets, err := cfg.OpenID.wallets(cfg.URL, issuers)
	if err != nil {
		return nil, err
	}
	server := api.New(api.Config{
		Submitter: s.submitter, Ledger: l, Events: s.events, Index: s.index, Network: cfg.Network, Anchor: cfg.Anchor, Wait: waitLimit, Log: log, Divergences: s.divergence.newest, Web: web,
		Credentials: credentials, OpenID: wallets,
	})
	handler, err := server.REST()
	if err != nil {
		return nil, err
	}
	s.rpc = server.GRPC()
	s.rest = &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: writeLimit, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	return s, nil
}

// read opens what reads blocks, all of them from one stream; a second one lasts while
// somebody reads old blocks.
func (s *service) read(cfg Config, l submit.Ledger, log *slog.Logger) (err error) {
	s.events = events.New(events.Config{Ledger: l, Network: cfg.Network, Log: log})
	// Beside the journal, since it follows the same blocks; it may be lost.
	if s.statuses, err = status.Open(cfg.Journal+".status", cfg.Network); err != nil {
		return err
	}
	s.submitter, err = submit.Open(submit.Config{
		Journal: cfg.Journal, Network: cfg.Network, Ledger: s.events.Watch(s.statuses.Watch(l)), Log: log, Batch: cfg.Batch, InFlight: cfg.InFlight, Queue: cfg.Queue,
	})
	if err != nil {
		return err
	}
	// After the journal, whose lock keeps a second process away from both files.
	s.index, err = index.Open(index.Config{File: cfg.Journal + ".index", Network: cfg.Network, Ledger: s.events, Log: log})
	return err
}

// serve serves until ctx ends or a server fails, and then stops in order: no new
// events and requests, those under way, the submitter, the connections.
func (s *service) serve(ctx context.Context) error {
	failed := make(chan error, 2)
	go func() { failed <- s.rest.Serve(s.http) }()
	go func() { failed <- s.rpc.Serve(s.grpc) }()
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.events.Close() // or those who follow would hold the servers up
	limited, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	if s.rest.Shutdown(limited) != nil {
		err = errors.Join(err, s.rest.Close())
	}
	stopped := make(chan struct{})
	go func() {
		s.rpc.GracefulStop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-limited.Done():
		s.rpc.Stop()
		<-stopped
	}
	return errors.Join(err, s.close())
}

func (s *service) close() error {
	var errs []error
	if s.index != nil {
		errs = append(errs, s.index.Close())
	}
	if s.submitter != nil {
		errs = append(errs, s.submitter.Close())
	}
	if s.statuses != nil { // nothing reads blocks any more
		errs = append(errs, s.statuses.Close())
	}
	if s.divergence != nil {
		s.divergence.close()
	}
	if s.client != nil {
		errs = append(errs, s.client.Close())
	}
	for _, l := range []net.Listener{s.http, s.grpc} {
		if l == nil {
			continue
		}
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) { // the servers have closed theirs
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
