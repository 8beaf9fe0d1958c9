package story

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/enclave/inside"
	"github.com/killick-ledger/killick/gateway/enclave/operator"
)

// service is an operator's service as others reach it: behind an edge that ends TLS.
type service struct {
	party
	url  string // https, in the operator's DID document
	dial *client.Enclave
	stop func() error
}

// edge ends TLS on a loopback address, as an operator's own edge would, for a service
// behind it.
type edge struct {
	ca   []byte // PEM
	cert tls.Certificate
	pool *x509.CertPool
}

func newEdge() (*edge, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "edge of a demonstration"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	e := &edge{ca: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool: x509.NewCertPool()}
	if !e.pool.AppendCertsFromPEM(e.ca) {
		return nil, errors.New("the edge's own certificate does not read")
	}
	return e, nil
}

// serve serves a handler until stop.
func (e *edge) serve(h http.Handler) (at string, stop func() error, err error) {
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{e.cert}, MinVersion: tls.VersionTLS13})
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with stop
	return "https://" + listener.Addr().String(), server.Close, nil
}

// client is what whoever trusts the edge's authority asks it with.
func (e *edge) client() *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: e.pool, MinVersion: tls.VersionTLS13}}}
}

// enclaveConfig writes the configuration of the honest operator's program.
func (w *World) enclaveConfig() error {
	if err := writeFile(w.file("enclave.seed"), []byte("the simulated platform of the demonstration")); err != nil {
		return err
	}
	return writeFile(w.file("enclave.yaml"), fmt.Appendf(nil, `gateways: [%s]
network: %s
keys: %s
passphrase_file: %s
journal: %s
listen: 127.0.0.1:0
platform: simulated-sgx
seed_file: %s
since: %d
assets:
  - name: usd
    min_fee: "%d"
jobs: 20
poll_seconds: 2
patience_seconds: %d
`, strings.Join(w.Cluster.GatewayAddresses(), ", "), w.Network.GetNetwork(), w.keyFile("operator"), w.passphrase, w.file("enclave"), w.file("enclave.seed"), w.since, teeFee, patience))
}

// patience is how many seconds before the end of the time for evidence operators go on
// without records that nobody brings.
const patience = 25

// operate starts the three operators: the honest one as the program that operators run,
// and two on platforms that no honest one has, which is why they are part of the story.
func (w *World) operate(ctx context.Context) error {
	var err error
	if w.edge, err = newEdge(); err != nil {
		return err
	}
	if err := w.Cluster.Beside("enclave.1", "killick-enclave", "--config", w.file("enclave.yaml"), "--init"); err != nil {
		return err
	}
	address, err := w.said(ctx, "enclave.1", "operator serves", "address")
	if err != nil {
		return err
	}
	behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})
	if err := w.publish(ctx, w.operators[0], behind, func() error { return nil }); err != nil {
		return err
	}
	outdated, debugged := w.simulation().Spec(uint64(time.Now().Unix())), w.simulation().Spec(uint64(time.Now().Unix()))
	outdated.Components[0]-- // as of the platform's second level, which is out of date
	debugged.SGX.Attributes[0] |= 2
	for i, spec := range []*simulated.Spec{outdated, debugged} {
		if err := w.operateWith(ctx, w.operators[1+i], spec); err != nil {
			return err
		}
	}
	w.say("killick-enclave serves the first operator; the second one's platform lacks updates, the third runs its enclave under a debugger")
	return nil
}

func (w *World) simulation() inside.Simulation {
	return inside.Simulation{Kind: tee.SGX, Seed: "the simulated platform of the demonstration", Since: w.since}
}

// operateWith runs an operator in this process.
func (w *World) operateWith(ctx context.Context, p party, spec *simulated.Spec) error {
	o, err := operator.Open(operator.Config{
		Gateway: w.Client, Identity: p.who, Network: w.Network.GetNetwork(), Platform: simulated.New(spec), Dir: w.file(p.name), Init: true,
		Operations: []string{mean}, Assets: []operator.Asset{{Name: "usd", MinFee: reward.Amount(teeFee)}}, Jobs: 20, Poll: 2 * time.Second, Patience: patience,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- o.Run(ctx) }()
	stop := func() error {
		cancel()
		return <-ended
	}
	return w.publish(ctx, p, o.Handler(), stop)
}

// publish puts an operator's service behind the edge and its URL into the operator's DID
// document.
func (w *World) publish(ctx context.Context, p party, h http.Handler, stop func() error) error {
	at, end, err := w.edge.serve(h)
	if err != nil {
		return err
	}
	s := &service{party: p, url: at, stop: func() error { return errors.Join(end(), stop()) }}
	w.services = append(w.services, s)
	if s.dial, err = client.DialEnclave(at, w.edge.client()); err != nil {
		return err
	}
	edit, err := w.Client.Edit(ctx, w.on(p.who).DID())
	if err != nil {
		return err
	}
	edit.SetService("enclave", client.EnclaveService, at)
	jws, err := w.on(p.who).Update(edit)
	if err != nil {
		return err
	}
	w.facts.operations++
	_, err = w.Client.Submit(ctx, jws)
	return err
}

// judgeWith starts the twelve verifier nodes.
func (w *World) judgeWith(ctx context.Context) error {
	if err := writeFile(w.file("edge.pem"), w.edge.ca); err != nil {
		return err
	}
	for _, v := range w.verifiers {
		config := w.file(v.name + ".yaml")
		if err := writeFile(config, fmt.Appendf(nil, `network: %s
gateways: [%s]
keys: %s
passphrase_file: %s
dir: %s
poll: 1s
margin: 3s
private_operators: true
operator_ca: %s
`, w.Network.GetNetwork(), strings.Join(w.Cluster.GatewayAddresses(), ", "), w.keyFile(v.name), w.passphrase, w.file(v.name), w.file("edge.pem"))); err != nil {
			return err
		}
		if err := w.Cluster.Beside(v.daemon(), "killick-verifier", "--config", config); err != nil {
			return err
		}
	}
	w.say("%d programs killick-verifier follow the rounds, each through the gateways of two organisations", len(w.verifiers))
	return nil
}

// stopServices ends what serves in this process.
func (w *World) stopServices() error {
	var errs []error
	for _, s := range w.services {
		errs = append(errs, s.stop())
	}
	w.services = nil
	return errors.Join(errs...)
}
