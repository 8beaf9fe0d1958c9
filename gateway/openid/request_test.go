package openid_test

import (
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/killick-ledger/killick/gateway/login/logintest"
)

func TestRequestObject(t *testing.T) {
	w := begin(t)
	app := w.app(w.partner)
	a := app.Do("POST", "/v1/openid/requests", w.asking(sdQuery))
	u, _ := url.Parse(a.Text("uri"))
	path := strings.TrimPrefix(u.Query().Get("request_uri"), origin)
	posted := w.wallet().Send("POST", path, "application/x-www-form-urlencoded", url.Values{"wallet_nonce": {"n-1"}, "wallet_metadata": {"{}"}}.Encode())
	if _, claims := logintest.Decode(posted.Body); claims["wallet_nonce"] != "n-1" {
		t.Errorf("%v", claims)
	}
	w.want(w.wallet().Send("POST", path, "application/x-www-form-urlencoded", url.Values{"wallet_nonce": {strings.Repeat("n", 600)}}.Encode()), 400, "invalid_request")
	w.want(w.wallet().Send("GET", path+"x", "", ""), 404, "invalid_request")
	app.Do("DELETE", "/v1/openid/requests/"+a.Text("id"), "")
	w.want(w.wallet().Send("GET", path, "", ""), 404, "invalid_request")
}

func TestRequestExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t)
		key := logintest.NewKey("ES256")
		sdJWT := w.issued(`{"credentials":[`+diploma+`]}`, "diploma", key)
		app := w.app(w.partner)
		q := w.request(app, w.asking(sdQuery, `,"expires_in":60`))
		time.Sleep(61 * time.Second)
		w.want(w.answer(q, token{"pid": {present(t, sdJWT, key, q, []string{"degree", "address"})}}), 400, "invalid_request")

		q = w.request(app, w.asking(sdQuery, `,"expires_in":60`))
		w.want(w.answer(q, token{"pid": {present(t, sdJWT, key, q, []string{"degree", "address"})}}), 200, "")
		time.Sleep(4 * time.Minute) // the answer stays for ten minutes
		w.want(w.app(w.partner).Do("GET", "/v1/openid/requests/"+q.id, ""), 200, "")
		time.Sleep(7 * time.Minute)
		w.want(w.app(w.partner).Do("GET", "/v1/openid/requests/"+q.id, ""), 404, "invalid_request")
	})
}

func TestRequestRefused(t *testing.T) {
	w := begin(t)
	app := w.app(w.partner)
	one := func(member string) string {
		return w.asking(`{"credentials":[{"id":"pid","format":"dc+sd-jwt","meta":{"vct_values":["x"]}` + member + `}]}`)
	}
	for name, body := range map[string]string{
		"no query":                        `{}`,
		"a member that is not known":      w.asking(sdQuery, `,"scope":"x"`),
		"no issuers":                      `{"dcql_query":` + sdQuery + `}`,
		"issuers of another id":           `{"dcql_query":` + sdQuery + `,"issuers":{"x":["*"]}}`,
		"issuers of one id more":          `{"dcql_query":` + sdQuery + `,"issuers":{"pid":["*"],"x":["*"]}}`,
		"no issuer at all":                `{"dcql_query":` + sdQuery + `,"issuers":{"pid":[]}}`,
		"a prefix that is not known":      w.asking(sdQuery, `,"client_id_prefix":"x509_hash"`),
		"a relative redirect_uri":         w.asking(sdQuery, `,"redirect_uri":"/done"`),
		"for an hour":                     w.asking(sdQuery, `,"expires_in":3600`),
		"no credentials":                  `{"dcql_query":{},"issuers":{}}`,
		"query: a member not known":       `{"dcql_query":{"x":1,"credentials":[]},"issuers":{}}`,
		"mso_mdoc":                        w.asking(`{"credentials":[{"id":"pid","format":"mso_mdoc","meta":{"doctype_value":"x"}}]}`),
		"no meta":                         w.asking(`{"credentials":[{"id":"pid","format":"dc+sd-jwt"}]}`),
		"meta of another format":          w.asking(`{"credentials":[{"id":"pid","format":"dc+sd-jwt","meta":{"type_values":[["x"]]}}]}`),
		"an id with a dot":                w.asking(`{"credentials":[{"id":"p.d","format":"dc+sd-jwt","meta":{"vct_values":["x"]}}]}`),
		"an id twice":                     w.asking(`{"credentials":[{"id":"p","format":"dc+sd-jwt","meta":{"vct_values":["x"]}},{"id":"p","format":"dc+sd-jwt","meta":{"vct_values":["x"]}}]}`),
		"without the holder":              one(`,"require_cryptographic_holder_binding":false`),
		"trusted_authorities":             one(`,"trusted_authorities":[{"type":"aki","values":["x"]}]`),
		"multiple is text":                one(`,"multiple":"yes"`),
		"empty claims":                    one(`,"claims":[]`),
		"a claim without a path":          one(`,"claims":[{"id":"a"}]`),
		"an empty path":                   one(`,"claims":[{"path":[]}]`),
		"a path with a negative index":    one(`,"claims":[{"path":["a",-1]}]`),
		"a path with an object":           one(`,"claims":[{"path":[{}]}]`),
		"values with a fraction":          one(`,"claims":[{"path":["a"],"values":[1.5]}]`),
		"values with null":                one(`,"claims":[{"path":["a"],"values":[null]}]`),
		"claim_sets without claims":       one(`,"claim_sets":[["a"]]`),
		"claim_sets of another id":        one(`,"claims":[{"id":"a","path":["a"]}],"claim_sets":[["b"]]`),
		"a claim's id twice":              one(`,"claims":[{"id":"a","path":["a"]},{"id":"a","path":["b"]}]`),
		"credential_sets of another id":   w.asking(`{"credentials":[{"id":"pid","format":"dc+sd-jwt","meta":{"vct_values":["x"]}}],"credential_sets":[{"options":[["x"]]}]}`),
		"credential_sets without options": w.asking(`{"credentials":[{"id":"pid","format":"dc+sd-jwt","meta":{"vct_values":["x"]}}],"credential_sets":[{}]}`),
	} {
		t.Run(name, func(t *testing.T) { w.want(app.Do("POST", "/v1/openid/requests", body), 400, "invalid_request") })
	}
	w.want(w.app(logintest.NewKey("EdDSA")).Do("POST", "/v1/openid/requests", w.asking(sdQuery)), 403, "insufficient_scope")
	w.want(w.wallet().Send("POST", "/v1/openid/requests", "application/json", w.asking(sdQuery)), 401, "invalid_token")
}
