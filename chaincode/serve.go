package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"github.com/killick-ledger/killick/chaincode/contract"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
)

const (
	// maxMessage is what the shim itself allows.
	maxMessage = 100 << 20
	// stopWithin bounds how long calls in flight may take after the signal to
	// stop; the peer's stream itself never ends by itself.
	stopWithin = 2 * time.Second
)

// serve answers the peer until ctx ends. The shim's own server cannot be
// stopped, so the service is registered on one of ours.
func serve(ctx context.Context, c *Config, digest string, log *slog.Logger) error {
	chaincode, err := contract.New(time.Now, log)
	if err != nil {
		return err
	}
	chaincode.Running(digest)
	secure, err := c.TLS.load()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen (setting listen): %w", err)
	}
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(secure)), grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Minute, PermitWithoutStream: true}),
	)
	peer.RegisterChaincodeServer(server, &shim.ChaincodeServer{CCID: c.PackageID, CC: chaincode})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		hard := time.AfterFunc(stopWithin, server.Stop)
		defer hard.Stop()
		server.GracefulStop()
	}()
	log.Info("serving", "listen", listener.Addr().String(), "package", c.PackageID, "program", digest)
	if err := server.Serve(listener); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	<-stopped
	log.Info("stopped")
	return nil
}

// load reads the files of mutual TLS.
func (t TLS) load() (*tls.Config, error) {
	certificate, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("read tls.cert and tls.key: %w", err)
	}
	authority, err := os.ReadFile(t.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("read tls.client_ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("tls.client_ca %s holds no certificate", t.ClientCA)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{certificate}, ClientCAs: pool,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
	}, nil
}
