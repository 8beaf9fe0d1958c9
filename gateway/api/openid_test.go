package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/api"
	"github.com/killick-ledger/killick/gateway/certificate"
	"github.com/killick-ledger/killick/gateway/login/logintest"
	"github.com/killick-ledger/killick/gateway/openid"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

const preAuth = "urn:ietf:params:oauth:grant-type:pre-authorized_code"

// door sends what is addressed to the gateway's public URL to the test's server.
type door struct{ h *harness }

func (d door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out, err := http.NewRequestWithContext(r.Context(), r.Method, d.h.url+r.URL.RequestURI(), r.Body)
	if err != nil {
		d.h.t.Fatal(err)
	}
	out.Header = r.Header
	response, err := http.DefaultClient.Do(out)
	if err != nil {
		d.h.t.Fatal(err)
	}
	defer response.Body.Close()
	for name, values := range response.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, response.Body)
}

func (h *harness) visitor() *logintest.Client {
	c := &logintest.Client{URL: publicURL, Handler: door{h}, Key: logintest.NewKey("ES256")}
	c.Send("POST", "/v1/login", "", "")
	return c
}

// assertionOf signs a challenge with a person's key.
func (h *harness) assertionOf(c *logintest.Client, p *submittest.Person) string {
	h.t.Helper()
	challenge := c.Send("POST", "/v1/login", "", "")
	header := canon.Object{}.With("alg", "EdDSA").With("kid", p.KeyID()).With("typ", "killick-login")
	now := float64(time.Now().Unix())
	claims := canon.Object{}.With("iss", p.DID).With("sub", p.DID).With("aud", challenge.Text("audience")).With("nonce", challenge.Text("challenge")).
		With("iat", now).With("exp", now+60).With("cnf", canon.Object{}.With("jkt", c.Key.Thumbprint()))
	input := canon.B64(header.JCS()) + "." + canon.B64(claims.JCS())
	signature, err := p.Sign([]byte(input))
	if err != nil {
		h.t.Fatal(err)
	}
	return input + "." + canon.B64(signature)
}

func (h *harness) tryLogin(p *submittest.Person) (*logintest.Client, *logintest.Answer) {
	h.t.Helper()
	c := h.visitor()
	a := c.Form("/v1/token", url.Values{"grant_type": {logintest.BearerGrant}, "assertion": {h.assertionOf(c, p)}})
	c.Token = a.Text("access_token")
	return c, a
}

func (h *harness) loggedIn(p *submittest.Person) *logintest.Client {
	h.t.Helper()
	c, a := h.tryLogin(p)
	if a.Status != http.StatusOK {
		h.t.Fatalf("login: %d %s", a.Status, a.Body)
	}
	return c
}

// TestLoginOfLedgerDIDs: what the ledger says of a DID decides, at each use of a token.
func TestLoginOfLedgerDIDs(t *testing.T) {
	t.Parallel()
	h, _ := startLedgerIssuer(t)
	c := h.loggedIn(h.bob)
	a := c.Do("GET", "/v1/me", "")
	if a.Status != http.StatusOK || a.Text("did") != h.bob.DID || a.Text("key") != h.bob.KeyID() || a.JSON["waiting"].(map[string]any)["most_operations"] == 0.0 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	// The key is replaced: neither the token nor the old key is good any more.
	carol := submittest.NewPerson("carol")
	h.must(h.bob.Recover(carol))
	if a := c.Do("GET", "/v1/me", ""); a.Status != http.StatusUnauthorized || a.Code() != "invalid_token" {
		t.Errorf("after a recovery: %d %s", a.Status, a.Body)
	}
	if _, a := h.tryLogin(h.bob); a.Status != http.StatusBadRequest || a.Code() != "invalid_grant" {
		t.Errorf("the old key: %d %s", a.Status, a.Body)
	}
	now := h.bob.As(carol)
	c = h.loggedIn(now)
	if a := c.Do("GET", "/v1/me", ""); a.Status != http.StatusOK || a.Text("did") != h.bob.DID {
		t.Errorf("the new key: %d %s", a.Status, a.Body)
	}
	// The DID ends.
	h.must(now.Deactivate())
	if a := c.Do("GET", "/v1/me", ""); a.Status != http.StatusUnauthorized {
		t.Errorf("after its end: %d %s", a.Status, a.Body)
	}
	if _, a := h.tryLogin(now); a.Status != http.StatusBadRequest || a.Code() != "invalid_grant" {
		t.Errorf("an ended DID: %d %s", a.Status, a.Body)
	}
	// A DID that nobody created.
	if _, a := h.tryLogin(submittest.NewPerson("dave")); a.Status != http.StatusBadRequest || a.Code() != "invalid_grant" {
		t.Errorf("an unknown DID: %d %s", a.Status, a.Body)
	}
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	h, _ := startLedgerIssuer(t)
	c := h.visitor()
	a := c.Send("OPTIONS", "/v1/token", "", "", "Origin", "https://wallet.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "dpop")
	if a.Status != http.StatusNoContent || a.Header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(a.Header.Get("Access-Control-Allow-Headers"), "DPoP") {
		t.Errorf("%d %v", a.Status, a.Header)
	}
	if a := c.Send("POST", "/v1/token", "", ""); !strings.Contains(a.Header.Get("Access-Control-Expose-Headers"), "DPoP-Nonce") {
		t.Errorf("%v", a.Header)
	}
	if a := c.Send("GET", "/v1/me?x=y", "", ""); a.Status != http.StatusBadRequest {
		t.Errorf("an unknown parameter: %d %s", a.Status, a.Body)
	}
}

func TestNoLoginWithoutURL(t *testing.T) {
	t.Parallel()
	h := start(t)
	for _, path := range []string{"/v1/login", "/v1/token", "/openid/nonce"} {
		if status, _, _ := h.post(path, strings.NewReader("")); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// startWallets has a gateway that issues for alice to wallets, and that bob may ask for
// presentations. Its log is the buffer.
func startWallets(t *testing.T) (*harness, *bytes.Buffer) {
	t.Helper()
	alice, bob := submittest.NewIssuer("alice"), submittest.NewPerson("bob")
	jws, schema := alice.Operation(&ops.CredentialSchema{Name: "diploma", Digest: strings.Repeat("ab", 32)}, "")
	log := new(bytes.Buffer)
	h := startFor(t, alice, func(*submit.Config) {}, func(c *api.Config) {
		c.Log = slog.New(slog.NewJSONHandler(log, nil))
		c.Credentials.URL = publicURL
		c.Credentials.Issuers = []certificate.Issuer{{DID: alice.DID, Algorithm: did.EdDSA, Keys: alice, Token: issuerToken}}
		c.OpenID.Verifiers = []string{bob.DID}
		for _, format := range []string{openid.FormatSelective, openid.FormatJWT} {
			c.OpenID.Configurations = append(c.OpenID.Configurations, openid.Configuration{
				ID: format[:2], Issuer: alice.DID, Format: format, Type: map[string]string{openid.FormatSelective: "diploma", openid.FormatJWT: "VerifiableCredential"}[format],
				Name: "Diploma", Schema: schema, Evidence: "provider", Endorser: alice.DID, Life: time.Hour, Claims: []string{"given_name", "degree"},
			})
		}
	})
	h.must(jws)
	return h, log
}

// receive gets a credential of a configuration to a key.
func (h *harness) receive(configuration string, key *logintest.Key) string {
	h.t.Helper()
	app, wallet := h.loggedIn(h.alice), h.visitor()
	offer := app.Do("POST", "/v1/openid/offers", `{"credentials":[{"configuration":"`+configuration+`","claims":{"given_name":"Erika","degree":"MSc"}}]}`)
	var object struct {
		Offer struct {
			Grants map[string]struct {
				Code string `json:"pre-authorized_code"`
			}
		} `json:"credential_offer"`
	}
	if err := json.Unmarshal([]byte(offer.Body), &object); err != nil || offer.Status != http.StatusCreated {
		h.t.Fatalf("offer: %d %s", offer.Status, offer.Body)
	}
	token := wallet.Form("/v1/token", url.Values{"grant_type": {preAuth}, "pre-authorized_code": {object.Offer.Grants[preAuth].Code}})
	wallet.Token = token.Text("access_token")
	proof := key.JWS(logintest.Claims{"typ": "openid4vci-proof+jwt", "jwk": key.JWK()},
		logintest.Claims{"aud": publicURL, "iat": time.Now().Unix(), "nonce": wallet.Send("POST", "/openid/nonce", "", "").Text("c_nonce")})
	a := wallet.Do("POST", "/openid/credential", `{"credential_configuration_id":"`+configuration+`","proofs":{"jwt":["`+proof+`"]}}`)
	var got struct{ Credentials []struct{ Credential string } }
	if err := json.Unmarshal([]byte(a.Body), &got); err != nil || a.Status != http.StatusOK {
		h.t.Fatalf("credential: %d %s", a.Status, a.Body)
	}
	return got.Credentials[0].Credential
}

// request makes a request of bob's, and returns its id and what the wallet reads in it.
func (h *harness) request(app *logintest.Client, query string) (id string, request logintest.Claims) {
	h.t.Helper()
	made := app.Do("POST", "/v1/openid/requests", `{"dcql_query":`+query+`,"issuers":{"d":["`+h.alice.DID+`"]}}`)
	u, err := url.Parse(made.Text("uri"))
	if err != nil || made.Status != http.StatusCreated {
		h.t.Fatalf("request: %d %s", made.Status, made.Body)
	}
	object := h.visitor().Send("GET", strings.TrimPrefix(u.Query().Get("request_uri"), publicURL), "", "")
	header, request := logintest.Decode(object.Body)
	if header["kid"] != h.alice.KeyID() || request["client_id"] != "decentralized_identifier:"+h.alice.DID {
		h.t.Fatalf("%v %v", header, request)
	}
	return made.Text("id"), request
}

func (h *harness) present(request logintest.Claims, presentation string) *logintest.Answer {
	return h.visitor().Send("POST", "/openid/response", "application/x-www-form-urlencoded",
		url.Values{"state": {request["state"].(string)}, "vp_token": {`{"d":["` + presentation + `"]}`}}.Encode())
}

// TestWallets: what a wallet gets is on the ledger, a partner app is shown it, and once it
// is suspended or revoked nobody is. Nothing personal is in the ledger or in the log.
func TestWallets(t *testing.T) {
	t.Parallel()
	for configuration, c := range map[string]struct {
		query   string
		present func(credential string, key *logintest.Key, request logintest.Claims) string
	}{
		"dc": {`{"credentials":[{"id":"d","format":"dc+sd-jwt","meta":{"vct_values":["diploma"]},"claims":[{"path":["degree"],"values":["MSc"]}]}]}`,
			func(credential string, key *logintest.Key, request logintest.Claims) string {
				return credential + key.JWS(logintest.Claims{"typ": "kb+jwt"}, logintest.Claims{
					"aud": request["client_id"], "nonce": request["nonce"], "iat": time.Now().Unix(), "sd_hash": logintest.Hash(credential),
				})
			}},
		"vc": {`{"credentials":[{"id":"d","format":"vc+jwt","meta":{"type_values":[["VerifiableCredential"]]},"claims":[{"path":["credentialSubject","degree"],"values":["MSc"]}]}]}`,
			func(credential string, key *logintest.Key, request logintest.Claims) string {
				return key.JWS(logintest.Claims{"typ": "vp+jwt", "kid": key.KeyID()}, logintest.Claims{
					"@context": []string{"https://www.w3.org/ns/credentials/v2"}, "type": []string{"VerifiablePresentation"}, "holder": key.DID(),
					"verifiableCredential": []any{logintest.Claims{"@context": "https://www.w3.org/ns/credentials/v2", "type": "EnvelopedVerifiableCredential", "id": "data:application/vc+jwt," + credential}},
					"aud":                  request["client_id"], "nonce": request["nonce"],
				})
			}},
	} {
		t.Run(configuration, func(t *testing.T) {
			h, log := startWallets(t)
			key := logintest.NewKey("ES256")
			credential := h.receive(configuration, key)
			app := h.loggedIn(h.bob)
			try := func(status int, word string) {
				t.Helper()
				id, request := h.request(app, c.query)
				if a := h.present(request, c.present(credential, key, request)); a.Status != status || !strings.Contains(a.Body, word) {
					t.Errorf("%d %s, want %d with %s", a.Status, a.Body, status, word)
				}
				a := app.Do("GET", "/v1/openid/requests/"+id, "")
				if a.Status != http.StatusOK || strings.Contains(a.Body, "MSc") != (status == 200) {
					t.Errorf("%d %s", a.Status, a.Body)
				}
			}
			try(200, "")

			ref := h.reference()
			h.change(ref, &ops.CredentialSuspend{Credential: ref})
			try(400, "suspended")
			h.change(ref, &ops.CredentialReinstate{Credential: ref})
			try(200, "")
			h.change(ref, &ops.CredentialRevoke{Credential: ref})
			try(400, "revoked")

			// A credential that the issuer's key signed and that is not on the ledger.
			forged := h.forge(credential)
			_, request := h.request(app, c.query)
			if a := h.present(request, c.present(forged, key, request)); a.Status != http.StatusBadRequest {
				t.Errorf("forged: %d %s", a.Status, a.Body)
			}
			for _, personal := range []string{"Erika", "MSc", "given_name"} {
				if strings.Contains(log.String(), personal) || h.holds(personal) {
					t.Errorf("%q is in the log or on the ledger", personal)
				}
			}
		})
	}
}

// reference finds the one credential of the ledger.
func (h *harness) reference() string {
	h.t.Helper()
	var found []string
	for _, e := range h.ledger.State() {
		if ref, ok := strings.CutPrefix(e.Key, "credential/"); ok {
			found = append(found, ref)
		}
	}
	if len(found) != 1 {
		h.t.Fatalf("credentials on the ledger: %v", found)
	}
	return found[0]
}

// holds says that the state or a block has the text.
func (h *harness) holds(text string) bool {
	for _, e := range h.ledger.State() {
		if bytes.Contains(e.Value, []byte(text)) || strings.Contains(e.Key, text) {
			return true
		}
	}
	for _, b := range h.ledger.Chain() {
		for _, tx := range b.Transactions {
			for _, arg := range tx.Args {
				if bytes.Contains(arg, []byte(text)) {
					return true
				}
			}
		}
	}
	return false
}

// forge signs a credential again with one member more, as a thief of alice's key could.
func (h *harness) forge(credential string) string {
	h.t.Helper()
	jwt, rest, selective := strings.Cut(credential, "~")
	header, payload := logintest.Decode(jwt)
	payload["name"] = "another"
	encode := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			h.t.Fatal(err)
		}
		return canon.B64(data)
	}
	input := encode(header) + "." + encode(payload)
	signature, err := h.alice.Sign([]byte(input))
	if err != nil {
		h.t.Fatal(err)
	}
	forged := input + "." + canon.B64(signature)
	if selective {
		forged += "~" + rest
	}
	return forged
}
