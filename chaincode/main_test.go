package main_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	main "github.com/killick-ledger/killick/chaincode"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// files writes a certificate of its own authority, good for both ends, and a
// configuration.
func files(t *testing.T) (config string, certificate tls.Certificate, pool *x509.CertPool) {
	t.Helper()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
	cert, priv, config := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "chaincode.yaml")
	for path, data := range map[string][]byte{
		cert: certPEM, priv: keyPEM,
		config: fmt.Appendf(nil, "listen: 127.0.0.1:0\npackage_id: killick:1\norganisation: Org1MSP\ntls: {cert: %s, key: %s, client_ca: %s}\n", cert, priv, cert),
	} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if certificate, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return config, certificate, pool
}

// ownDigest is the SHA-256 of the file of this test, which runs the service.
func ownDigest(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(data))
}

// The service introduces itself to a peer with the package id, refuses clients
// without a certificate, and stops when it is told to, stream or no stream.
func TestServe(t *testing.T) {
	config, certificate, pool := files(t)
	ctx, stop := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- main.Run(ctx, []string{"--config", config}, io.Discard, writer)
		writer.Close()
	}()
	lines := json.NewDecoder(reader)
	var line struct{ Msg, Listen, Package, Program, Organisation string }
	if err := lines.Decode(&line); err != nil {
		t.Fatal(err)
	}
	if line.Msg != "serving" || line.Package != "killick:1" || line.Organisation != "Org1MSP" || line.Program != ownDigest(t) {
		t.Errorf("log line %+v", line)
	}

	stranger := connect(t, line.Listen, &tls.Config{RootCAs: pool})
	if stream, err := stranger.Connect(ctx); err == nil {
		if _, err := stream.Recv(); err == nil {
			t.Error("a client without a certificate was served")
		}
	}
	stream, err := connect(t, line.Listen, &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{certificate}}).Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	message, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if message.GetType() != peer.ChaincodeMessage_REGISTER || !bytes.Contains(message.GetPayload(), []byte("killick:1")) {
		t.Errorf("first message %v", message)
	}
	stop()
	go io.Copy(io.Discard, io.MultiReader(lines.Buffered(), reader))
	if err := <-ended; err != nil {
		t.Errorf("stopped with %v", err)
	}
}

func connect(t *testing.T, address string, secure *tls.Config) peer.ChaincodeClient {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(secure)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return peer.NewChaincodeClient(conn)
}

func TestFlags(t *testing.T) {
	var out, errs bytes.Buffer
	if err := main.Run(t.Context(), []string{"--version"}, &out, &errs); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^killick-chaincode sha256:` + ownDigest(t) + ` go1\.\d+`).MatchString(out.String()) {
		t.Errorf("--version prints %q", out.String())
	}
	if err := main.Run(t.Context(), []string{"--help"}, &out, &errs); err == nil || !strings.Contains(errs.String(), "--config FILE") {
		t.Errorf("--help: %v, %q", err, errs.String())
	}
	if err := main.Run(t.Context(), nil, &out, &errs); err == nil || !strings.Contains(err.Error(), "--config") {
		t.Errorf("without a configuration: %v", err)
	}
}

// All mistakes of a configuration are reported at once, unknown members too.
func TestConfigurationMistakes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chaincode.yaml")
	for text, want := range map[string][]string{
		"listen: nowhere\n":             {"listen", "package_id", "organisation", "tls.cert", "tls.key", "tls.client_ca"},
		"listen: 127.0.0.1:0\nport: 1":  {"port"},
		"listen: nowhere\n---\nport: 1": {path, "more than one document"},
		"# none\n":                      {path, "listen", "package_id is missing", "tls.client_ca is missing"},
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := main.Run(t.Context(), []string{"--config", path}, io.Discard, io.Discard)
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%q: %v does not name %s", text, err, w)
			}
		}
	}
}
