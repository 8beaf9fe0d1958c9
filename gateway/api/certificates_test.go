package api_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// CE-4: the gateway certifies what the ledger says of a record, alive and deleted, and
// nothing else.
func TestRecordCertificate(t *testing.T) {
	t.Parallel()
	h, _ := startLedgerIssuer(t)
	jws, ref := h.bob.Record("a text")
	h.must(jws)
	certify := func(ref, token string, body any) (int, dict) {
		t.Helper()
		return h.call("/v1/records/"+ref+"/certificate", token, body)
	}
	says := func(want string, version float64, operation string) {
		t.Helper()
		status, answer := certify(ref, issuerToken, "")
		if status != http.StatusCreated {
			t.Fatalf("%d %v", status, answer)
		}
		secured := answer["verifiableCredential"].(dict)
		record, err := h.client.Record(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		receipt, err := h.client.Operation(t.Context(), operation)
		if err != nil {
			t.Fatal(err)
		}
		s := secured["credentialSubject"].(dict)
		for name, value := range map[string]any{
			"recordStatus": want, "version": version, "owner": h.bob.DID, "commitment": record.GetCommitment(), "reference": ref, "network": submittest.Network,
			"operation": operation, "transaction": receipt.GetTransaction(), "bundle": publicURL + "/v1/proofs?operation=" + operation,
		} {
			if s[name] != value {
				t.Errorf("%s is %v, want %v", name, s[name], value)
			}
		}
		e := secured["evidence"].([]any)[0].(dict)
		if e["evidenceType"] != "on-chain" || e["endorser"] != h.alice.DID || s["block"] == "" {
			t.Errorf("%v", secured)
		}
		if status, answer := h.call("/credentials/verify", "", dict{"verifiableCredential": secured}); status != 200 {
			t.Errorf("%d %v", status, answer)
		}
	}
	says("live", 1, ref)
	record, err := h.client.Record(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	deletion, gone := h.bob.Operation(&ops.RecordDelete{Record: ref}, record.GetHash())
	h.must(deletion)
	says("deleted", 2, gone)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte(issuerToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "record.vc")
	if a := h.command("credential", "certify", "--url", h.url, "--token-file", filepath.Join(dir, "token"), "--out", out, ref); a.Code != "ok" {
		t.Errorf("command line: %v", a)
	}
	if a := h.command("credential", "verify", out); a.Code != "ok" {
		t.Errorf("command line: %v", a)
	}
	if a := h.command("credential", "certify", "--url", h.url, "--token-file", filepath.Join(dir, "token"), "--out", out+"2", "00000001-"+strings.Repeat("0", 64)); a.Code != "not_found" {
		t.Errorf("command line: %v", a)
	}
	for name, tt := range map[string]struct {
		ref, token string
		body       any
		status     int
	}{
		"no token":         {ref, "", "", 401},
		"no such record":   {"00000001-" + strings.Repeat("0", 64), issuerToken, "", 400},
		"no reference":     {"x", issuerToken, "", 400},
		"a claim of one's": {ref, issuerToken, dict{"credentialSubject": dict{"recordStatus": "live"}}, 400},
		"other evidence":   {ref, issuerToken, dict{"options": dict{"evidence": "oracle"}}, 400},
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			if status, answer := certify(tt.ref, tt.token, tt.body); status != tt.status {
				t.Errorf("%d %v, want %d", status, answer, tt.status)
			}
		})
	}
}

// An SD-JWT of an issuer on the ledger is what the ledger holds, whatever its holder
// discloses.
func TestSelectiveOnTheLedger(t *testing.T) {
	t.Parallel()
	h, schema := startLedgerIssuer(t)
	now := time.Now().Unix()
	request := func() dict {
		return dict{
			"credential": dict{"iss": h.alice.DID, "vct": "https://credentials.example/member", "nbf": now - 1, "exp": now + 3600, "name": "A. Holder", "level": "gold"},
			"options":    dict{"format": "dc+sd-jwt", "schema": schema, "evidence": "provider", "endorser": h.alice.DID, "disclose": []any{"/name", "/level"}},
		}
	}
	status, answer := h.call("/credentials/issue", issuerToken, request())
	compact, _ := answer["verifiableCredential"].(string)
	ref, _ := answer["reference"].(string)
	if status != http.StatusCreated || strings.Count(compact, "~") != 3 || ref == "" {
		t.Fatalf("%d %v", status, answer)
	}
	parts := strings.SplitAfter(compact, "~")
	verify := func(text string) (int, any) {
		status, answer := h.call("/credentials/verify", "", dict{"verifiableCredential": text})
		if status == 200 {
			return status, answer["ledger"].(dict)["reference"]
		}
		problems, _ := answer["problemDetails"].([]any)
		return status, problems[0].(dict)["code"]
	}
	for name, tt := range map[string]struct {
		text   string
		status int
		says   any
	}{
		"everything":              {compact, 200, ref},
		"one claim":               {parts[0] + parts[2], 200, ref},
		"nothing":                 {parts[0], 200, ref},
		"a disclosure of others'": {parts[0] + "WyJhIiwibmFtZSIsIngiXQ~", 400, "bad_signature"},
	} {
		if status, says := verify(tt.text); status != tt.status || says != tt.says {
			t.Errorf("%s: %d %v, want %d %v", name, status, says, tt.status, tt.says)
		}
	}
	h.change(ref, &ops.CredentialRevoke{Credential: ref})
	if status, says := verify(parts[0]); status != 400 || says != "revoked" {
		t.Errorf("revoked: %d %v", status, says)
	}
	for name, change := range map[string]func(credential, options dict){
		"a hidden status": func(_, o dict) { o["disclose"] = []any{"/credentialStatus"} },
		"a hidden vct":    func(_, o dict) { o["disclose"] = []any{"/vct"} },
		"no such claim":   func(_, o dict) { o["disclose"] = []any{"/x"} },
		"no pointer":      func(_, o dict) { o["disclose"] = []any{"name"} },
		"no vct":          func(c, _ dict) { delete(c, "vct") },
		"an end in words": func(c, _ dict) { c["exp"] = "2030-01-01T00:00:00Z" },
		"half a second":   func(c, _ dict) { c["exp"] = 0.5 },
		"a private key": func(_, o dict) {
			o["holder"] = dict{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "d": "x"}
		},
		"for another format": func(_, o dict) { o["format"] = "vc+jwt" },
	} {
		body := request()
		change(body["credential"].(dict), body["options"].(dict))
		if status, answer := h.call("/credentials/issue", issuerToken, body); status != 400 {
			t.Errorf("%s: %d %v", name, status, answer)
		}
	}
}
