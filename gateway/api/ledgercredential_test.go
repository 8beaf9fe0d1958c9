package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/api"
	"github.com/killick-ledger/killick/gateway/certificate"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
	"github.com/killick-ledger/killick/gateway/vc"
)

const publicURL = "https://gateway.example"

// startLedgerIssuer has a gateway that issues for alice, who is accredited, and
// certifies records under the schema that is returned.
func startLedgerIssuer(t *testing.T) (*harness, string) {
	t.Helper()
	alice := submittest.NewIssuer("alice")
	body := &ops.CredentialSchema{Name: "anything", Digest: strings.Repeat("ab", 32)}
	jws, schema := alice.Operation(body, "")
	h := startFor(t, alice, func(*submit.Config) {}, func(c *api.Config) {
		c.Credentials.URL = publicURL
		c.Ledger = ending{c.Ledger, t}
		c.Credentials.Issuers = []certificate.Issuer{{DID: alice.DID, Algorithm: did.EdDSA, Keys: alice, Token: issuerToken, Records: schema}}
	})
	h.must(jws)
	return h, schema
}

// ending is a ledger whose peer may hang: nobody asks it without end.
type ending struct {
	api.Ledger
	t *testing.T
}

func (l ending) Evaluate(ctx context.Context, function string, args ...[]byte) ([]byte, error) {
	if _, ends := ctx.Deadline(); !ends {
		l.t.Errorf("%s is asked for without end", function)
	}
	return l.Ledger.Evaluate(ctx, function, args...)
}

// must submits an operation that is done.
func (h *harness) must(jws string) {
	h.t.Helper()
	if _, err := h.client.Submit(h.t.Context(), jws); err != nil {
		h.t.Fatal(err)
	}
}

// change has alice change the status of a credential.
func (h *harness) change(ref string, body ops.Body) {
	h.t.Helper()
	current, err := h.client.Credential(h.t.Context(), ref)
	if err != nil {
		h.t.Fatal(err)
	}
	jws, _ := h.alice.Operation(body, current.GetHash())
	h.must(jws)
}

func (h *harness) dated(schema string) dict {
	c := plain(h.alice.DID)
	now := time.Now().UTC().Truncate(time.Second)
	c["validFrom"], c["validUntil"] = now.Format(time.RFC3339), now.Add(time.Hour).Format(time.RFC3339)
	return dict{"credential": c, "options": dict{"schema": schema, "evidence": "oracle", "endorser": "did:web:oracle.example"}}
}

// bit reads an entry of a status list as a verifier does.
func (h *harness) bit(secured dict, purpose string) (set bool, tag string) {
	h.t.Helper()
	for _, e := range secured["credentialStatus"].([]any) {
		e := e.(dict)
		if e["statusPurpose"] != purpose {
			continue
		}
		response, err := http.Get(h.url + strings.TrimPrefix(e["statusListCredential"].(string), publicURL))
		if err != nil {
			h.t.Fatal(err)
		}
		status, body, _ := h.read(response)
		if status != 200 || response.Header.Get("Content-Type") != "application/vc" || response.Header.Get("Cache-Control") != "no-cache" {
			h.t.Fatalf("%d %v %s", status, response.Header, body)
		}
		contexts, err := vc.NewContexts()
		if err != nil {
			h.t.Fatal(err)
		}
		v := vc.Verifier{Contexts: contexts, Resolver: person{h.alice}}
		entry, err := canon.ParseObject(marshal(h.t, e))
		if err != nil {
			h.t.Fatal(err)
		}
		parsed, err := vc.ParseListEntry(entry)
		if err != nil {
			h.t.Fatal(err)
		}
		set, err := v.Status(h.t.Context(), parsed, body, h.alice.DID, time.Now())
		if err != nil {
			h.t.Fatal(err)
		}
		return set, response.Header.Get("ETag")
	}
	h.t.Fatalf("no entry for %s", purpose)
	return false, ""
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// CE-2: a credential of an issuer on the ledger is what the ledger holds, and its status
// that of the last block, by the ledger and by the status lists alike.
func TestCredentialOnTheLedger(t *testing.T) {
	t.Parallel()
	h, schema := startLedgerIssuer(t)
	for _, format := range []string{"data-integrity", "vc+jwt"} {
		t.Run(format, func(t *testing.T) {
			h.t = t
			request := h.dated(schema)
			request["options"].(dict)["format"] = format
			status, answer := h.call("/credentials/issue", issuerToken, request)
			ref, _ := answer["reference"].(string)
			if status != http.StatusCreated || ref == "" {
				t.Fatalf("%d %v", status, answer)
			}
			secured := answer["verifiableCredential"].(dict)
			inner := secured
			if format == "vc+jwt" {
				payload, err := canon.UnB64(strings.Split(secured["id"].(string), ".")[1])
				if err != nil {
					t.Fatal(err)
				}
				inner = nil
				if err := json.Unmarshal(payload, &inner); err != nil {
					t.Fatal(err)
				}
			}
			if e := inner["evidence"].([]any)[0].(dict); e["type"] != "LedgerEvidence" || e["evidenceType"] != "oracle" || e["endorser"] != "did:web:oracle.example" {
				t.Errorf("evidence %v", e)
			}
			verify := func() (int, dict) { return h.call("/credentials/verify", "", dict{"verifiableCredential": secured}) }
			expect := func(state string, verified, suspended, revoked bool) {
				t.Helper()
				status, answer := verify()
				if (status == 200) != verified || answer["verified"] != verified {
					t.Errorf("%s: %d %v", state, status, answer)
				}
				if !verified && answer["problemDetails"].([]any)[0].(dict)["code"] != state {
					t.Errorf("%s: %v", state, answer)
				}
				if s, _ := h.bit(inner, "suspension"); s != suspended {
					t.Errorf("%s: the suspension list says %v", state, s)
				}
				if r, _ := h.bit(inner, "revocation"); r != revoked {
					t.Errorf("%s: the revocation list says %v", state, r)
				}
			}
			expect("active", true, false, false)
			_, answer = verify()
			if l := answer["ledger"].(dict); l["reference"] != ref || l["status"] != "active" || l["endorser"] != "did:web:oracle.example" || l["schema"] != schema {
				t.Errorf("%v", l)
			}
			_, before := h.bit(inner, "suspension")
			_, revocation := h.bit(inner, "revocation")
			h.change(ref, &ops.CredentialSuspend{Credential: ref})
			expect("suspended", false, true, false)
			if _, after := h.bit(inner, "suspension"); after == before {
				t.Error("another list has the same tag")
			}
			if _, after := h.bit(inner, "revocation"); after != revocation {
				t.Error("a list that no block changed has another tag")
			}
			h.change(ref, &ops.CredentialReinstate{Credential: ref})
			expect("active", true, false, false)
			h.change(ref, &ops.CredentialRevoke{Credential: ref})
			expect("revoked", false, false, true)
		})
	}
}

// CE-3: what an issuer's key signs and the ledger does not hold, or holds otherwise, is
// no credential of the issuer.
func TestSignedButNotOnTheLedger(t *testing.T) {
	t.Parallel()
	h, schema := startLedgerIssuer(t)
	status, answer := h.call("/credentials/issue", issuerToken, h.dated(schema))
	if status != http.StatusCreated {
		t.Fatalf("%d %v", status, answer)
	}
	issued := answer["verifiableCredential"].(dict)
	contexts, err := vc.NewContexts()
	if err != nil {
		t.Fatal(err)
	}
	signer := &vc.Signer{Method: h.alice.KeyID(), Algorithm: did.EdDSA, Sign: h.alice.Sign}
	for name, tt := range map[string]struct {
		change func(dict)
		code   string
	}{
		"signed again as it is": {func(dict) {}, ""},
		"another subject":       {func(c dict) { c["credentialSubject"] = dict{"id": "did:example:thief"} }, "bad_signature"},
		"no status":             {func(c dict) { delete(c, "credentialStatus") }, "missing_field"},
		"one status":            {func(c dict) { c["credentialStatus"] = c["credentialStatus"].([]any)[:1] }, "missing_field"},
		"an entry without credential": {func(c dict) {
			for _, e := range c["credentialStatus"].([]any) {
				e := e.(dict)
				e["statusListCredential"] = strings.Replace(e["statusListCredential"].(string), "/0/", "/9/", 1)
			}
		}, "not_found"},
		"two places": {func(c dict) {
			e := c["credentialStatus"].([]any)[0].(dict)
			e["statusListCredential"] = strings.Replace(e["statusListCredential"].(string), "/0/", "/9/", 1)
		}, "invalid_value"},
		"another's list": {func(c dict) {
			for _, e := range c["credentialStatus"].([]any) {
				e := e.(dict)
				e["statusListCredential"] = strings.Replace(e["statusListCredential"].(string), h.alice.DID, h.bob.DID, 1)
			}
		}, "invalid_value"},
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			var c dict
			if err := json.Unmarshal(marshal(t, issued), &c); err != nil {
				t.Fatal(err)
			}
			delete(c, "proof")
			tt.change(c)
			secured, err := contexts.Issue(marshal(t, c), signer, vc.ProofOptions{})
			if err != nil {
				t.Fatal(err)
			}
			status, answer := h.call("/credentials/verify", "", dict{"verifiableCredential": json.RawMessage(secured), "options": dict{"checks": []any{"proof"}}})
			if tt.code == "" {
				if status != 200 {
					t.Errorf("%d %v", status, answer)
				}
				return
			}
			if status != 400 || answer["problemDetails"].([]any)[0].(dict)["code"] != tt.code {
				t.Errorf("%d %v, want %s", status, answer, tt.code)
			}
		})
	}
	h.ledger.SetDown(true)
	if status, answer := h.call("/credentials/verify", "", dict{"verifiableCredential": issued}); status != 503 || answer["code"] != "unavailable" {
		t.Errorf("without a ledger: %d %v", status, answer)
	}
}

// What the ledger refuses is not issued.
func TestLedgerIssueRefusals(t *testing.T) {
	t.Parallel()
	h, schema := startLedgerIssuer(t)
	for name, tt := range map[string]struct {
		change func(body, credential, options dict)
		status int
		code   string
	}{
		"no schema":           {func(_, _, o dict) { delete(o, "schema") }, 400, "invalid_value"},
		"unknown schema":      {func(_, _, o dict) { o["schema"] = "00000001-" + strings.Repeat("0", 64) }, 400, "not_found"},
		"unknown evidence":    {func(_, _, o dict) { o["evidence"] = "hearsay" }, 400, "invalid_value"},
		"no endorser":         {func(_, _, o dict) { delete(o, "endorser") }, 400, "invalid_value"},
		"parts of a second":   {func(_, c, _ dict) { c["validFrom"] = "2026-01-01T00:00:00.5Z" }, 400, "invalid_value"},
		"an end before":       {func(_, c, _ dict) { c["validUntil"] = "2001-01-01T00:00:00Z" }, 400, "invalid_value"},
		"a status":            {func(_, c, _ dict) { c["credentialStatus"] = dict{"type": "BitstringStatusListEntry"} }, 400, "unknown_field"},
		"for a DID of others": {func(_, c, _ dict) { c["issuer"] = h.bob.DID }, 400, "not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			body := h.dated(schema)
			tt.change(body, body["credential"].(dict), body["options"].(dict))
			status, answer := h.call("/credentials/issue", issuerToken, body)
			if status != tt.status || answer["code"] != tt.code {
				t.Errorf("%d %v, want %d %s", status, answer, tt.status, tt.code)
			}
		})
	}
	h.ledger.SetDown(true)
	if status, answer := h.call("/credentials/issue", "wrong token, no ledger", h.dated(schema)); status != 401 {
		t.Errorf("%d %v", status, answer)
	}
}

// A credential without times is valid for a year from now, in its own words and the
// ledger's.
func TestLedgerIssueWithoutTimes(t *testing.T) {
	t.Parallel()
	h, schema := startLedgerIssuer(t)
	body := h.dated(schema)
	credential := body["credential"].(dict)
	delete(credential, "validFrom")
	delete(credential, "validUntil")
	status, answer := h.call("/credentials/issue", issuerToken, body)
	if status != 201 {
		t.Fatalf("%d %v", status, answer)
	}
	stated := answer["verifiableCredential"].(dict)
	kept, err := h.client.Credential(t.Context(), answer["reference"].(string))
	if err != nil {
		t.Fatal(err)
	}
	for name, seconds := range map[string]uint64{"validFrom": kept.GetValidFrom(), "validUntil": kept.GetValidUntil()} {
		if at, err := time.Parse(time.RFC3339, stated[name].(string)); err != nil || uint64(at.Unix()) != seconds {
			t.Errorf("%s is %v, %d on the ledger", name, stated[name], seconds)
		}
	}
	if kept.GetValidUntil()-kept.GetValidFrom() != 365*24*3600 {
		t.Errorf("valid from %d to %d", kept.GetValidFrom(), kept.GetValidUntil())
	}
}

// Lists that are not there are refused in the words of the API, and one that has not
// changed is not sent twice.
func TestStatusListRequests(t *testing.T) {
	t.Parallel()
	h, schema := startLedgerIssuer(t)
	for path, code := range map[string]string{
		h.alice.DID + "/0/revocation":  "not_found",
		h.alice.DID + "/0/message":     "invalid_value",
		h.alice.DID + "/00/revocation": "invalid_value",
		h.alice.DID + "/-1/revocation": "invalid_value",
		h.alice.DID + "/0":             "invalid_value",
		"did:key:z6Mk/0/revocation":    "invalid_value",
		"did:killick:other-0011223344556677:" + h.alice.DID[strings.LastIndex(h.alice.DID, ":")+1:] + "/0/revocation": "wrong_network",
	} {
		if _, _, a := h.get("/v1/status-lists/" + path); a.Code != code {
			t.Errorf("%s: %v, want %s", path, a, code)
		}
	}
	if status, answer := h.call("/credentials/issue", issuerToken, h.dated(schema)); status != 201 {
		t.Fatalf("%d %v", status, answer)
	}
	ask := func(method, tag string) *http.Response {
		request, err := http.NewRequest(method, h.url+"/v1/status-lists/"+h.alice.DID+"/0/revocation", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("If-None-Match", tag)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		return response
	}
	first := ask(http.MethodGet, "")
	if again := ask(http.MethodGet, first.Header.Get("ETag")); first.StatusCode != 200 || again.StatusCode != 304 {
		t.Errorf("%d, then %d", first.StatusCode, again.StatusCode)
	}
	if head := ask(http.MethodHead, ""); head.StatusCode != 200 || head.Header.Get("ETag") != first.Header.Get("ETag") {
		t.Errorf("HEAD: %d %v", head.StatusCode, head.Header)
	}
	// Whether it is still the ledger's cannot be said without the ledger.
	h.ledger.SetDown(true)
	if down := ask(http.MethodGet, first.Header.Get("ETag")); down.StatusCode != 503 {
		t.Errorf("without a ledger: %d", down.StatusCode)
	}
}
