package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/killick-ledger/killick/gateway/client"
)

// The key files of the issuers: two that are a did:key, and one on the ledger.
const (
	edKeys     = "ed25519"
	p256Keys   = "p256"
	ledgerKeys = "issuer"
)

const (
	passphrase = "conformance"
	token      = "a token of the suites"
)

// subject is the network and the gateway that the suites are run against.
type subject struct {
	bin, dir, suites string

	gateway  *exec.Cmd        // the one under test
	inner    string           // host:port of its REST service
	grpc     string           // host:port of its gRPC service
	edge     *httptest.Server // ends TLS before it
	http     string           // URL of the edge
	refusals *os.File         // what the gateway refused: most of it is what a suite wants refused

	live, ended, unknown string // DIDs
	issuerDID, schema    string
}

// start brings the network and the gateway up and makes the DIDs and the issuer.
func (s *subject) start(ctx context.Context) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	fmt.Println("network ...")
	refusals, err := os.Create(s.path("refusals.log"))
	if err != nil {
		return err
	}
	s.refusals = refusals
	s.edge = httptest.NewTLSServer(&httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: s.inner}) },
		ModifyResponse: s.note,
	})
	s.http = s.edge.URL
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.edge.Certificate().Raw})
	if err := os.WriteFile(s.path("edge.pem"), authority, 0o600); err != nil {
		return err
	}
	if _, err := s.call(ctx, "killick-network", "up", "--dir", s.state(), "--bin", s.bin, "--ports", "auto"); err != nil {
		return err
	}
	for name, alg := range map[string]string{edKeys: "EdDSA", p256Keys: "ES256", ledgerKeys: "EdDSA", "live": "EdDSA", "ended": "EdDSA"} {
		identity, recovery, err := client.Generate(alg, false)
		if err != nil {
			return err
		}
		if err := errors.Join(identity.Save(s.path(name+".keys"), []byte(passphrase)), recovery.Save(s.path(name+".recovery"), []byte(passphrase))); err != nil {
			return err
		}
	}
	if err := errors.Join(os.WriteFile(s.path("passphrase"), []byte(passphrase+"\n"), 0o600), os.WriteFile(s.path("token"), []byte(token+"\n"), 0o600)); err != nil {
		return err
	}
	if err := s.serve(ctx, ""); err != nil {
		return err
	}
	if err := s.people(ctx); err != nil {
		return err
	}
	// Certificates of the ledger's issuer name its schema, which exists only now.
	if err := s.end(); err != nil {
		return err
	}
	return s.serve(ctx, s.schema)
}

// note writes a refusal down.
func (s *subject) note(r *http.Response) error {
	if r.StatusCode < http.StatusBadRequest {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	_, err = fmt.Fprintf(s.refusals, "%s %s %d %s\n", r.Request.Method, r.Request.URL.Path, r.StatusCode, bytes.TrimSpace(body))
	return err
}

// people makes the DIDs that are resolved, and the issuer on the ledger with its schema.
func (s *subject) people(ctx context.Context) error {
	for name, did := range map[string]*string{"live": &s.live, "ended": &s.ended, ledgerKeys: &s.issuerDID} {
		out, err := s.killick(ctx, "did", "create", "--keys", s.path(name+".keys"))
		if err != nil {
			return err
		}
		*did = out["did"]
	}
	last := "1"
	if strings.HasSuffix(s.live, last) {
		last = "2"
	}
	s.unknown = s.live[:len(s.live)-1] + last
	if _, err := s.killick(ctx, "did", "update", "--keys", s.path("live.keys"), "--service", "files,LinkedDomains,https://files.example"); err != nil {
		return err
	}
	if _, err := s.killick(ctx, "did", "deactivate", "--recovery", s.path("ended.recovery")); err != nil {
		return err
	}
	out, err := s.propose(ctx)
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(out), "\n")
	proposal := strings.TrimPrefix(first, "proposal ")
	for _, org := range []string{"Org2MSP", "Org3MSP"} {
		if _, err := s.call(ctx, "killick-network", "govern", "approve", proposal, "--dir", s.state(), "--org", org); err != nil {
			return err
		}
	}
	schema, err := s.killick(ctx, "credential", "schema", s.path("passphrase"), "--name", "conformance", "--keys", s.path(ledgerKeys+".keys"))
	s.schema = schema["schema"]
	return err
}

// propose proposes the issuer. A ledger has no clock for that before its first checkpoint.
func (s *subject) propose(ctx context.Context) (out []byte, err error) {
	for range 60 {
		out, err = s.call(ctx, "killick-network", "govern", "propose", "issuer/"+s.issuerDID, `{"schemas":["*"]}`, "--dir", s.state(), "--org", "Org1MSP")
		if err == nil || !strings.Contains(err.Error(), "not_due") {
			return out, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
	return out, err
}

// serve runs a gateway of the first organisation beside the network's own.
func (s *subject) serve(ctx context.Context, records string) error {
	config, err := os.ReadFile(filepath.Join(s.state(), "config", "gateway.org1.yaml"))
	if err != nil {
		return err
	}
	var addresses [2]string
	for i := range addresses {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		addresses[i] = l.Addr().String()
		l.Close()
	}
	s.inner, s.grpc = addresses[0], addresses[1]
	var out strings.Builder
	for line := range strings.Lines(string(config)) {
		switch key, _, _ := strings.Cut(line, ":"); key {
		case "listen_http", "listen_grpc", "journal", "url": // set below
		default:
			out.WriteString(line)
		}
	}
	fmt.Fprintf(&out, "listen_http: %s\nlisten_grpc: %s\nurl: %s\njournal: %s\n", s.inner, s.grpc, s.http, s.path("gateway/journal.db"))
	contexts, err := s.contexts()
	if err != nil {
		return err
	}
	out.WriteString(contexts)
	fmt.Fprint(&out, "issuers:\n")
	for _, name := range []string{edKeys, p256Keys, ledgerKeys} {
		fmt.Fprintf(&out, "  - keys: %s\n    passphrase_file: %s\n", s.path(name+".keys"), s.path("passphrase"))
		if name != ledgerKeys {
			fmt.Fprint(&out, "    method: key\n")
			continue
		}
		fmt.Fprintf(&out, "    token_file: %s\n", s.path("token"))
		if records != "" {
			fmt.Fprintf(&out, "    records: %s\n", records)
		}
	}
	if err := os.WriteFile(s.path("gateway.yaml"), []byte(out.String()), 0o600); err != nil {
		return err
	}
	log, err := os.OpenFile(s.path("gateway.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s.gateway = exec.Command(filepath.Join(s.bin, "killick-gateway"), "--config", s.path("gateway.yaml"))
	s.gateway.Stdout, s.gateway.Stderr = log, log
	if err := s.gateway.Start(); err != nil {
		return err
	}
	return s.ready(ctx)
}

// ready waits until the gateway answers.
func (s *subject) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.inner+"/healthz", nil)
		if err != nil {
			return err
		}
		if answer, err := http.DefaultClient.Do(request); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(s.path("gateway.log"))
			return fmt.Errorf("the gateway does not answer: %s", bytes.TrimSpace(log))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// contexts lists the contexts that the suites' documents name, with their files in the
// clones.
func (s *subject) contexts() (string, error) {
	published := filepath.Join(s.suites, "vc-data-model", "contexts", "credentials")
	packaged := filepath.Join(s.suites, "vc-data-model-2.0-test-suite", "node_modules", "@digitalbazaar")
	var out strings.Builder
	out.WriteString("contexts:\n")
	for _, c := range []struct{ url, file, types string }{
		{"https://www.w3.org/ns/credentials/v2", published + "/v2", ""},
		{"https://www.w3.org/ns/credentials/examples/v2", published + "/examples/v2", `"*"`},
		{"https://www.w3.org/ns/credentials/undefined-terms/v2", published + "/undefined-terms/v2", `"*"`},
		{"https://w3id.org/security/data-integrity/v2", packaged + "/data-integrity-context/contexts/data-integrity-v2.jsonld", "DataIntegrityProof"},
	} {
		data, err := os.ReadFile(c.file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&out, "  - {url: %q, file: %q, sha256: %x, types: [%s]}\n", c.url, c.file, sha256.Sum256(data), c.types)
	}
	return out.String(), nil
}

// issuer is an endpoint of a suite that issues for a did:key.
func (s *subject) issuer(keys string, more map[string]any, tags ...string) map[string]any {
	return endpoint(s.did(keys), s.http+"/credentials/issue", more, tags)
}

// ledgerIssuer is an endpoint that issues for the DID on the ledger.
func (s *subject) ledgerIssuer(tags ...string) map[string]any {
	return endpoint(s.issuerDID, s.http+"/credentials/issue", map[string]any{
		"headers": map[string]any{"Authorization": "Bearer " + token},
		"options": map[string]any{"schema": s.schema, "evidence": "third-party", "endorser": s.issuerDID},
	}, tags)
}

func (s *subject) verifier(more map[string]any, tags ...string) map[string]any {
	return endpoint(s.did(edKeys), s.http+"/credentials/verify", more, tags)
}

func endpoint(id, url string, more map[string]any, tags []string) map[string]any {
	e := map[string]any{"id": id, "endpoint": url, "tags": tags, "options": map[string]any{}, "supports": map[string]any{"vc": []string{"2.0"}}}
	for name, value := range more {
		e[name] = value
	}
	return e
}

// did is the did:key of a key file, method its one verification method.
func (s *subject) did(keys string) string {
	identity, err := client.Load(s.path(keys+".keys"), []byte(passphrase))
	if err != nil {
		panic(err) // this program wrote it
	}
	return "did:key:" + identity.PublicKey()
}

func (s *subject) method(keys string) string {
	did := s.did(keys)
	return did + "#" + strings.TrimPrefix(did, "did:key:")
}

func (s *subject) state() string           { return s.path("network") }
func (s *subject) path(name string) string { return filepath.Join(s.dir, name) }

// killick runs the users' program and returns what it printed.
func (s *subject) killick(ctx context.Context, args ...string) (map[string]string, error) {
	out, err := s.call(ctx, "killick", append(args, "--json", "--gateway", s.grpc, "--passphrase-file", s.path("passphrase"))...)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	if err := json.Unmarshal(out, &fields); err != nil {
		return nil, fmt.Errorf("killick %v: %w: %s", args, err, out)
	}
	texts := map[string]string{}
	for name, value := range fields {
		texts[name] = fmt.Sprint(value)
	}
	return texts, nil
}

// call runs one of the built programs and returns what it printed.
func (s *subject) call(ctx context.Context, program string, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, filepath.Join(s.bin, program), args...)
	var out, errOut bytes.Buffer
	c.Stdout, c.Stderr = &out, &errOut
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s%s", program, strings.Join(args, " "), err, out.Bytes(), errOut.Bytes())
	}
	return out.Bytes(), nil
}

// end stops the gateway.
func (s *subject) end() error {
	if s.gateway == nil {
		return nil
	}
	g := s.gateway
	s.gateway = nil
	if err := g.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return g.Wait()
}

// stop takes everything down.
func (s *subject) stop() error {
	if s.edge != nil {
		s.edge.Close()
		s.refusals.Close()
	}
	err := s.end()
	_, down := s.call(context.Background(), "killick-network", "down", "--dir", s.state())
	return errors.Join(err, down)
}
