//go:build e2e

package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/vc"
	"gopkg.in/yaml.v3"
)

// certificates has the members accredit the issuer of a gateway that joins late: it reads
// all blocks, issues, verifies, serves status lists, and certifies a record and its
// deletion. (CE-2, CE-4)
func (n *network) certificates(t *testing.T) {
	dir := t.TempDir()
	signer := n.accredited(t, dir)
	body := &ops.CredentialSchema{Name: "record-certificate", Digest: strings.Repeat("ab", 32)}
	schema := n.operate(t, signer, body, "")
	g := n.lateGateway(t, dir, schema)

	now := time.Now().UTC().Truncate(time.Second)
	issued := g.post(t, "/credentials/issue", 201, map[string]any{
		"credential": map[string]any{
			"@context": []string{vc.BaseContext}, "type": []string{"VerifiableCredential"}, "issuer": signer.DID(),
			"validFrom": now.Format(time.RFC3339), "validUntil": now.Add(time.Hour).Format(time.RFC3339), "credentialSubject": map[string]any{"id": "did:example:holder"},
		},
		"options": map[string]any{"schema": schema, "evidence": "third-party", "endorser": "did:web:registry.example"},
	})
	secured, ref := issued["verifiableCredential"].(map[string]any), issued["reference"].(string)
	verify := map[string]any{"verifiableCredential": secured}
	if v := g.post(t, "/credentials/verify", 200, verify); v["ledger"].(map[string]any)["endorser"] != "did:web:registry.example" {
		t.Errorf("verified %v", v)
	}
	presentation := g.post(t, "/presentations/prove", 201, map[string]any{
		"presentation": map[string]any{
			"@context": []string{vc.BaseContext}, "type": []string{"VerifiablePresentation"}, "holder": signer.DID(), "verifiableCredential": []any{secured},
		},
		"options": map[string]any{"challenge": "c", "domain": "d"},
	})
	g.post(t, "/presentations/verify", 200, map[string]any{
		"verifiablePresentation": presentation["verifiablePresentation"], "options": map[string]any{"challenge": "c", "domain": "d"},
	})
	expect := func(suspended, revoked bool) {
		t.Helper()
		if s, r := g.bit(t, secured, "suspension"), g.bit(t, secured, "revocation"); s != suspended || r != revoked {
			t.Errorf("the lists say suspended %v, revoked %v; want %v, %v", s, r, suspended, revoked)
		}
	}
	expect(false, false)
	change := func(body ops.Body) {
		t.Helper()
		// Through the late gateway, whose lists are to know it when the receipt is there.
		v, err := n.Client.Credential(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		jws, _, err := signer.Operation(body, v.GetHash())
		if err != nil {
			t.Fatal(err)
		}
		g.post(t, "/v1/operations", 200, map[string]any{"operation": jws})
	}
	change(&ops.CredentialSuspend{Credential: ref})
	expect(true, false)
	g.post(t, "/credentials/verify", 400, verify)
	change(&ops.CredentialReinstate{Credential: ref})
	expect(false, false)
	change(&ops.CredentialRevoke{Credential: ref})
	expect(false, true)
	g.post(t, "/credentials/verify", 400, verify)

	alice := n.newPerson(t)
	n.create(t, alice)
	item, record := alice.refer(t, note("to be certified"), "")
	g.post(t, "/v1/operations", 200, map[string]any{"operation": item.Compact()})
	certificate := func(status string) {
		t.Helper()
		c := g.post(t, "/v1/records/"+record.String()+"/certificate", 201, nil)["verifiableCredential"]
		subject := c.(map[string]any)["credentialSubject"].(map[string]any)
		if subject["recordStatus"] != status || subject["owner"] != alice.did || subject["transaction"] == "" {
			t.Errorf("certificate %v", subject)
		}
		g.post(t, "/credentials/verify", 200, map[string]any{"verifiableCredential": c})
	}
	certificate("live")
	v, err := n.Client.Record(t.Context(), record.String())
	if err != nil {
		t.Fatal(err)
	}
	g.post(t, "/v1/operations", 200, map[string]any{"operation": alice.sign(t, &ops.RecordDelete{Record: record.String()}, v.GetHash()).Compact()})
	certificate("deleted")
	n.wallets(t, g, signer)
}

// accredited makes the issuer's keys and DID, which three members accredit.
func (n *network) accredited(t *testing.T, dir string) client.Signer {
	t.Helper()
	identity, _, err := client.Generate("EdDSA", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := identity.Save(filepath.Join(dir, "issuer.keys"), []byte("a passphrase")); err != nil {
		t.Fatal(err)
	}
	signer := identity.On(n.name)
	create, err := signer.Create(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Client.Submit(t.Context(), create); err != nil {
		t.Fatal(err)
	}
	until(t, time.Minute, "the ledger has a clock", func() error {
		_, err := n.members[0].Evaluate(t.Context(), "checkpoint:Head")
		return err
	})
	ref := n.proposed(t, 0, "issuer/"+signer.DID(), `{"schemas":["*"]}`)
	n.decides(t, 1, "status     open", "approve", ref)
	n.decides(t, 2, "status     enacted", "approve", ref)
	return signer
}

// operate submits an operation and returns its reference.
func (n *network) operate(t *testing.T, signer client.Signer, body ops.Body, prior string) string {
	t.Helper()
	jws, ref, err := signer.Operation(body, prior)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Client.Submit(t.Context(), jws); err != nil {
		t.Fatal(err)
	}
	return ref
}

// issuingGateway is a second gateway of the first organisation, with an issuer.
type issuingGateway struct{ url, token string }

// lateGateway starts it, with a journal of its own, and waits until it knows the ledger.
func (n *network) lateGateway(t *testing.T, dir, schema string) *issuingGateway {
	t.Helper()
	data, err := os.ReadFile(n.Cluster.Orgs()[0].GatewayFile())
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := yaml.Unmarshal(data, &config); err != nil {
		t.Fatal(err)
	}
	g := &issuingGateway{token: "a token for the test"}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	config["listen_http"], config["listen_grpc"], config["journal"] = "127.0.0.1:0", "127.0.0.1:0", filepath.Join(dir, "late.db")
	config["url"], config["openid"] = lateName, n.offered(t, filepath.Join(dir, "issuer.keys"), schema)
	config["issuers"] = []map[string]string{{
		"keys": filepath.Join(dir, "issuer.keys"), "passphrase_file": write("passphrase", "a passphrase"), "token_file": write("token", g.token), "records": schema,
	}}
	if data, err = yaml.Marshal(config); err != nil {
		t.Fatal(err)
	}
	program := exec.Command(filepath.Join(n.bin, "killick-gateway"), "--config", write("gateway.yaml", string(data)))
	log, err := program.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(log)
	for g.url == "" && lines.Scan() {
		var line struct{ Msg, HTTP string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "gateway serves" {
			g.url = "http://" + line.HTTP
		}
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		_, _ = io.Copy(io.Discard, log) // ends with the program
	}()
	t.Cleanup(func() {
		_ = program.Process.Signal(os.Interrupt)
		<-drained
		if err := program.Wait(); err != nil {
			t.Error(err)
		}
	})
	if g.url == "" {
		t.Fatal("the gateway ended at once")
	}
	until(t, 2*time.Minute, "the late gateway knows the ledger", func() error {
		height := n.height(t)
		response, err := http.Get(g.url + "/healthz")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		var v struct {
			Next uint64 `json:"next_block"`
		}
		if err := json.NewDecoder(response.Body).Decode(&v); err != nil {
			return err
		}
		if v.Next < height {
			return fmt.Errorf("it has %d of %d blocks", v.Next, height)
		}
		return nil
	})
	return g
}

// post sends JSON, or nothing, with the token and reads the answer.
func (g *issuingGateway) post(t *testing.T, path string, status int, body any) map[string]any {
	t.Helper()
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+path, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+g.token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var v map[string]any
	if err := json.NewDecoder(response.Body).Decode(&v); err != nil || response.StatusCode != status {
		t.Fatalf("%s: %d %v %v, want %d", path, response.StatusCode, v, err, status)
	}
	return v
}

// bit reads a credential's entry from the list that the gateway serves.
func (g *issuingGateway) bit(t *testing.T, secured map[string]any, purpose string) bool {
	t.Helper()
	set, err := g.readBit(secured, purpose)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func (g *issuingGateway) readBit(secured map[string]any, purpose string) (bool, error) {
	for _, e := range secured["credentialStatus"].([]any) {
		data, err := json.Marshal(e)
		if err != nil {
			return false, err
		}
		o, err := canon.ParseObject(data)
		if err != nil {
			return false, err
		}
		entry, err := vc.ParseListEntry(o)
		if err != nil {
			return false, err
		}
		if entry.Purpose != vc.StatusPurpose(purpose) {
			continue
		}
		response, err := http.Get(g.url + strings.TrimPrefix(entry.List, lateName))
		if err != nil {
			return false, err
		}
		defer response.Body.Close()
		var list struct {
			CredentialSubject struct{ EncodedList string }
		}
		if err := json.NewDecoder(response.Body).Decode(&list); err != nil {
			return false, err
		}
		bits, err := vc.DecodeBits(list.CredentialSubject.EncodedList)
		if err != nil {
			return false, err
		}
		return bits.Has(entry.Index)
	}
	return false, errors.New("the credential has no entry for " + purpose)
}
