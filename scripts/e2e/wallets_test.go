//go:build e2e

package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/login/logintest"
)

// lateName is what the late gateway calls itself.
const lateName = "https://late.gateway.example"

// offered is what the late gateway's issuer offers to wallets.
func (n *network) offered(t *testing.T, keys, schema string) map[string]any {
	t.Helper()
	issuer, _, err := client.LoadPublic(keys, n.name)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"credentials": []map[string]any{{
		"id": "diploma", "issuer": issuer, "format": "dc+sd-jwt", "type": "diploma", "name": "Diploma", "schema": schema, "evidence": "provider", "days": 1,
		"claims": []string{"name", "degree"},
	}}}
}

// RoundTrip sends what is for the late gateway's name to its address.
func (g *issuingGateway) RoundTrip(r *http.Request) (*http.Response, error) {
	target, err := url.Parse(g.url + r.URL.RequestURI())
	if err != nil {
		return nil, err
	}
	out := r.Clone(r.Context())
	out.URL, out.Host, out.RequestURI = target, "", ""
	return http.DefaultTransport.RoundTrip(out)
}

// ServeHTTP does the same for the wallet, which speaks to a handler.
func (g *issuingGateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	response, err := g.RoundTrip(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer response.Body.Close()
	for name, values := range response.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, response.Body)
}

// wallets has a wallet get a credential from the issuer's offer and show it to the
// issuer's app, until the issuer revokes it on the ledger. (OI-1, OI-2)
func (n *network) wallets(t *testing.T, g *issuingGateway, signer client.Signer) {
	session, err := signer.Session(lateName, &http.Client{Transport: g, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	call := func(method, path, body string, into any) {
		t.Helper()
		answer, err := session.Call(t.Context(), method, path, []byte(body))
		if err == nil && into != nil {
			err = json.Unmarshal(answer, into)
		}
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
	}
	var offer struct {
		Offer struct {
			Grants map[string]struct {
				Code string `json:"pre-authorized_code"`
			}
		} `json:"credential_offer"`
	}
	call("POST", "/v1/openid/offers", `{"credentials":[{"configuration":"diploma","claims":{"name":"Erika","degree":"MSc"}}]}`, &offer)
	const grant = "urn:ietf:params:oauth:grant-type:pre-authorized_code"
	wallet, key := &logintest.Client{URL: lateName, Handler: g, Key: logintest.NewKey("ES256")}, logintest.NewKey("ES256")
	nonce := wallet.Send("POST", "/openid/nonce", "", "").Text("c_nonce")
	wallet.Send("POST", "/v1/login", "", "") // a DPoP nonce
	wallet.Token = wallet.Form("/v1/token", url.Values{"grant_type": {grant}, "pre-authorized_code": {offer.Offer.Grants[grant].Code}}).Text("access_token")
	proof := key.JWS(logintest.Claims{"typ": "openid4vci-proof+jwt", "jwk": key.JWK()}, logintest.Claims{"aud": lateName, "iat": time.Now().Unix(), "nonce": nonce})
	a := wallet.Do("POST", "/openid/credential", `{"credential_configuration_id":"diploma","proofs":{"jwt":["`+proof+`"]}}`)
	var got struct{ Credentials []struct{ Credential string } }
	if err := json.Unmarshal([]byte(a.Body), &got); err != nil || a.Status != http.StatusOK {
		t.Fatalf("credential: %d %s", a.Status, a.Body)
	}
	credential := got.Credentials[0].Credential

	show := func() *logintest.Answer {
		t.Helper()
		var request struct{ ID, URI string }
		call("POST", "/v1/openid/requests", `{"dcql_query":{"credentials":[{"id":"d","format":"dc+sd-jwt","meta":{"vct_values":["diploma"]},"claims":[{"path":["degree"]}]}]},
			"issuers":{"d":["`+signer.DID()+`"]}}`, &request)
		u, err := url.Parse(request.URI)
		if err != nil {
			t.Fatal(err)
		}
		_, asked := logintest.Decode(wallet.Send("GET", strings.TrimPrefix(u.Query().Get("request_uri"), lateName), "", "").Body)
		binding := key.JWS(logintest.Claims{"typ": "kb+jwt"}, logintest.Claims{
			"aud": asked["client_id"], "nonce": asked["nonce"], "iat": time.Now().Unix(), "sd_hash": logintest.Hash(credential),
		})
		return wallet.Send("POST", "/openid/response", "application/x-www-form-urlencoded",
			url.Values{"state": {asked["state"].(string)}, "vp_token": {`{"d":["` + credential + binding + `"]}`}}.Encode())
	}
	if a := show(); a.Status != http.StatusOK {
		t.Errorf("shown: %d %s", a.Status, a.Body)
	}
	_, payload := logintest.Decode(credential)
	ref := n.referenceOf(t, g, payload)
	v, err := n.Client.Credential(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	jws, _, err := signer.Operation(&ops.CredentialRevoke{Credential: ref}, v.GetHash())
	if err != nil {
		t.Fatal(err)
	}
	g.post(t, "/v1/operations", 200, map[string]any{"operation": jws})
	if a := show(); a.Status != http.StatusBadRequest || !strings.Contains(a.Body, "revoked") {
		t.Errorf("shown after its end: %d %s", a.Status, a.Body)
	}
}

// referenceOf finds a credential on the ledger by its entry in the status lists.
func (n *network) referenceOf(t *testing.T, g *issuingGateway, payload logintest.Claims) string {
	t.Helper()
	entry := payload["credentialStatus"].([]any)[0].(map[string]any)
	list := strings.Split(strings.TrimPrefix(entry["statusListCredential"].(string), lateName), "/")
	question, err := json.Marshal(map[string]any{"issuer": payload["iss"], "list": json.Number(list[len(list)-2]), "index": json.Number(entry["statusListIndex"].(string))})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := n.own[0].Evaluate(t.Context(), "credential:Entry", question)
	if err != nil {
		t.Fatal(err)
	}
	var v struct{ Reference string }
	if err := json.Unmarshal(answer, &v); err != nil {
		t.Fatal(err)
	}
	return v.Reference
}
