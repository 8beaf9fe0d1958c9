package openid_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/login/logintest"
)

func TestIssueSelective(t *testing.T) {
	for _, alg := range []string{"EdDSA", "ES256", "ES256K"} {
		t.Run(alg, func(t *testing.T) {
			w := begin(t)
			app, wallet, key := w.app(w.key), w.wallet(), logintest.NewKey(alg)
			offer := w.offer(app, `{"credentials":[`+diploma+`],"tx_code":true,"expires_in":600}`)
			w.redeem(wallet, offer)
			a := wallet.Do("POST", "/openid/credential", ask("diploma", proof(key, nonce(wallet))))
			sdJWT := received(t, a)[0]

			header, claims := logintest.Decode(sdJWT)
			if header["typ"] != "dc+sd-jwt" || header["kid"] != w.key.KeyID() || claims["vct"] != vct || claims["iss"] != w.key.DID() {
				t.Errorf("%v %v", header, claims)
			}
			cnf := claims["cnf"].(map[string]any)["jwk"].(map[string]any)
			if cnf["x"] != key.JWK()["x"] || claims["given_name"] != nil || len(disclosures(t, sdJWT)) != 4 {
				t.Errorf("%v", claims)
			}
			if exp := int64(claims["exp"].(float64)); exp < time.Now().Add(59*time.Minute).Unix() || exp > time.Now().Add(61*time.Minute).Unix() {
				t.Errorf("exp %d", exp)
			}
			state := app.Do("GET", "/v1/openid/offers/"+offer.Text("id"), "")
			if state.Text("state") != "issued" {
				t.Errorf("%s", state.Body)
			}
			// What the wallet says of it reaches the app.
			w.want(wallet.Do("POST", "/openid/notification", `{"notification_id":"x","event":"credential_accepted"}`), 400, "invalid_notification_id")
			w.want(wallet.Do("POST", "/openid/notification", `{"notification_id":"`+a.Text("notification_id")+`","event":"lost"}`), 400, "invalid_notification_request")
			w.want(wallet.Do("POST", "/openid/notification", `{"notification_id":"`+a.Text("notification_id")+`","event":"credential_accepted","event_description":"x"}`), 204, "")
			if state := app.Do("GET", "/v1/openid/offers/"+offer.Text("id"), ""); !strings.Contains(state.Body, `"event":"credential_accepted"`) || strings.Contains(state.Body, "Erika") {
				t.Errorf("%s", state.Body)
			}
		})
	}
}

func TestIssueJWT(t *testing.T) {
	w := begin(t)
	key := logintest.NewKey("ES256")
	compact := w.issued(`{"credentials":[{"configuration":"diploma-jwt","claims":{"degree":"MSc"}}]}`, "diploma-jwt", key)
	header, claims := logintest.Decode(compact)
	subject := claims["credentialSubject"].(map[string]any)
	if header["typ"] != "vc+jwt" || subject["id"] != key.DID() || subject["degree"] != "MSc" || claims["issuer"] != w.key.DID() {
		t.Errorf("%v %v", header, claims)
	}
}

// TestBatch: one request, several keys, a credential for each.
func TestBatch(t *testing.T) {
	w := begin(t)
	wallet := w.wallet()
	w.redeem(wallet, w.offer(w.app(w.key), `{"credentials":[`+diploma+`]}`))
	n := nonce(wallet)
	keys := []*logintest.Key{logintest.NewKey("ES256"), logintest.NewKey("EdDSA")}
	all := received(t, wallet.Do("POST", "/openid/credential", ask("diploma", proof(keys[0], n), proof(keys[1], n))))
	for i, sdJWT := range all {
		_, claims := logintest.Decode(sdJWT)
		if claims["cnf"].(map[string]any)["jwk"].(map[string]any)["x"] != keys[i].JWK()["x"] {
			t.Errorf("credential %d is bound to %v", i, claims["cnf"])
		}
	}
	if len(all) != 2 {
		t.Errorf("%d credentials", len(all))
	}
}

// TestBearerToken: a wallet without DPoP.
func TestBearerToken(t *testing.T) {
	w := begin(t)
	wallet := w.wallet()
	offer := w.offer(w.app(w.key), `{"credentials":[`+diploma+`]}`)
	form := url.Values{"grant_type": {preAuth}, "pre-authorized_code": {code(t, offer)}, "client_id": {"wallet"}}
	a := wallet.Send("POST", "/v1/token", "application/x-www-form-urlencoded", form.Encode())
	if a.Status != http.StatusOK || a.Text("token_type") != "Bearer" {
		t.Fatalf("token: %d %s", a.Status, a.Body)
	}
	key := logintest.NewKey("ES256")
	send := func(scheme string) *logintest.Answer {
		return wallet.Send("POST", "/openid/credential", "application/json", ask("diploma", proof(key, nonce(wallet))), "Authorization", scheme+" "+a.Text("access_token"))
	}
	w.want(send("DPoP"), 401, "invalid_token")
	received(t, send("Bearer"))
}

func TestOfferByReference(t *testing.T) {
	w := begin(t)
	app, wallet := w.app(w.key), w.wallet()
	offer := w.offer(app, `{"credentials":[`+diploma+`]}`)
	u, err := url.Parse(offer.Text("uri_by_reference"))
	if err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(u.Query().Get("credential_offer_uri"), origin)
	a := wallet.Send("GET", path, "", "")
	if a.Status != http.StatusOK || !strings.Contains(a.Body, code(t, offer)) || a.Header.Get("Content-Type") != "application/json" || strings.Contains(a.Body, "Erika") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	w.want(wallet.Send("GET", path+"x", "", ""), 404, "invalid_request")
	w.want(app.Do("DELETE", "/v1/openid/offers/"+offer.Text("id"), ""), 204, "")
	w.want(wallet.Send("GET", path, "", ""), 404, "invalid_request")
	w.want(app.Do("GET", "/v1/openid/offers/"+offer.Text("id"), ""), 404, "invalid_request")
}

func TestOfferRefused(t *testing.T) {
	w := begin(t)
	app := w.app(w.key)
	for name, c := range map[string]struct {
		body, code string
		status     int
	}{
		"no credentials":             {`{}`, "invalid_request", 400},
		"an empty list":              {`{"credentials":[]}`, "invalid_request", 400},
		"another configuration":      {`{"credentials":[{"configuration":"x","claims":{"a":1}}]}`, "unknown_credential_configuration", 400},
		"another issuer's":           {`{"credentials":[{"configuration":"badge","claims":{"level":1}}]}`, "insufficient_scope", 403},
		"twice the same":             {`{"credentials":[` + diploma + `,` + diploma + `]}`, "invalid_request", 400},
		"a claim that is not listed": {`{"credentials":[{"configuration":"diploma","claims":{"iss":"x"}}]}`, "invalid_request", 400},
		"a name that SD-JWT keeps":   {`{"credentials":[{"configuration":"diploma","claims":{"degree":{"_sd":[]}}}]}`, "invalid_request", 400},
		"no claims":                  {`{"credentials":[{"configuration":"diploma","claims":{}}]}`, "invalid_request", 400},
		"a member that is not known": {`{"credentials":[` + diploma + `],"subject":"x"}`, "invalid_request", 400},
		"a code of its own":          {`{"credentials":[` + diploma + `],"tx_code":"1234"}`, "invalid_request", 400},
		"for two days":               {`{"credentials":[` + diploma + `],"expires_in":172800}`, "invalid_request", 400},
		"for no time":                {`{"credentials":[` + diploma + `],"expires_in":0}`, "invalid_request", 400},
		"a name twice":               {`{"credentials":[` + diploma + `],"credentials":[]}`, "invalid_request", 400},
		"no JSON":                    {`{`, "invalid_request", 400},
	} {
		t.Run(name, func(t *testing.T) { w.want(app.Do("POST", "/v1/openid/offers", c.body), c.status, c.code) })
	}
	stranger := w.app(logintest.NewKey("EdDSA"))
	w.want(stranger.Do("POST", "/v1/openid/offers", `{"credentials":[`+diploma+`]}`), 403, "insufficient_scope")
	mine := w.offer(app, `{"credentials":[`+diploma+`]}`)
	w.want(stranger.Do("GET", "/v1/openid/offers/"+mine.Text("id"), ""), 404, "invalid_request")
	w.want(stranger.Do("DELETE", "/v1/openid/offers/"+mine.Text("id"), ""), 204, "")
	w.want(app.Do("GET", "/v1/openid/offers/"+mine.Text("id"), ""), 200, "")
	w.want(w.wallet().Send("POST", "/v1/openid/offers", "application/json", `{}`), 401, "invalid_token")
}

func TestCodeRefused(t *testing.T) {
	w := begin(t)
	app := w.app(w.key)
	redeem := func(form url.Values) *logintest.Answer {
		form.Set("grant_type", preAuth)
		return w.wallet().Form("/v1/token", form)
	}
	t.Run("no code", func(t *testing.T) { w.want(redeem(url.Values{}), 400, "invalid_request") })
	t.Run("a code of nobody", func(t *testing.T) {
		w.want(redeem(url.Values{"pre-authorized_code": {"AAAA"}}), 400, "invalid_grant")
	})
	t.Run("used before", func(t *testing.T) {
		offer := w.offer(app, `{"credentials":[`+diploma+`]}`)
		w.want(redeem(url.Values{"pre-authorized_code": {code(t, offer)}}), 200, "")
		w.want(redeem(url.Values{"pre-authorized_code": {code(t, offer)}}), 400, "invalid_grant")
	})
	t.Run("withdrawn", func(t *testing.T) {
		offer := w.offer(app, `{"credentials":[`+diploma+`]}`)
		app.Do("DELETE", "/v1/openid/offers/"+offer.Text("id"), "")
		w.want(redeem(url.Values{"pre-authorized_code": {code(t, offer)}}), 400, "invalid_grant")
	})
	t.Run("a transaction code that is not asked for", func(t *testing.T) {
		offer := w.offer(app, `{"credentials":[`+diploma+`]}`)
		w.want(redeem(url.Values{"pre-authorized_code": {code(t, offer)}, "tx_code": {"1"}}), 400, "invalid_request")
	})
	t.Run("transaction codes", func(t *testing.T) {
		offer := w.offer(app, `{"credentials":[`+diploma+`],"tx_code":true}`)
		c := code(t, offer)
		w.want(redeem(url.Values{"pre-authorized_code": {c}}), 400, "invalid_request")
		for range 4 {
			w.want(redeem(url.Values{"pre-authorized_code": {c}, "tx_code": {"x"}}), 400, "invalid_grant")
		}
		w.want(redeem(url.Values{"pre-authorized_code": {c}, "tx_code": {offer.Text("tx_code")}}), 200, "")
	})
	t.Run("guessing ends the offer", func(t *testing.T) {
		offer := w.offer(app, `{"credentials":[`+diploma+`],"tx_code":true}`)
		for range 5 {
			w.want(redeem(url.Values{"pre-authorized_code": {code(t, offer)}, "tx_code": {"x"}}), 400, "invalid_grant")
		}
		w.want(redeem(url.Values{"pre-authorized_code": {code(t, offer)}, "tx_code": {offer.Text("tx_code")}}), 400, "invalid_grant")
	})
	t.Run("a proof that is bad leaves the code alone", func(t *testing.T) {
		offer := w.offer(app, `{"credentials":[`+diploma+`]}`)
		form := url.Values{"grant_type": {preAuth}, "pre-authorized_code": {code(t, offer)}}
		w.want(w.wallet().Form("/v1/token", form, func(_, c logintest.Claims) { c["htm"] = "GET" }), 400, "invalid_dpop_proof")
		w.want(w.wallet().Form("/v1/token", form), 200, "")
	})
}

func TestOfferExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t)
		offer := w.offer(w.app(w.key), `{"credentials":[`+diploma+`],"expires_in":60}`)
		time.Sleep(61 * time.Second)
		w.want(w.wallet().Form("/v1/token", url.Values{"grant_type": {preAuth}, "pre-authorized_code": {code(t, offer)}}), 400, "invalid_grant")

		// A token is good for five minutes, also when the offer was for less.
		offer = w.offer(w.app(w.key), `{"credentials":[`+diploma+`],"expires_in":60}`)
		wallet := w.wallet()
		w.redeem(wallet, offer)
		time.Sleep(4 * time.Minute)
		received(t, wallet.Do("POST", "/openid/credential", ask("diploma", proof(logintest.NewKey("ES256"), nonce(wallet)))))
	})
}

// TestProofRefused has each thing that can be wrong with a proof of possession.
func TestProofRefused(t *testing.T) {
	w := begin(t)
	app := w.app(w.key)
	set := func(name string, value any) logintest.Change {
		return func(_, claims logintest.Claims) { claims[name] = value }
	}
	head := func(name string, value any) logintest.Change {
		return func(header, _ logintest.Claims) { header[name] = value }
	}
	other := logintest.NewKey("ES256")
	for name, c := range map[string]struct {
		change logintest.Change
		code   string
	}{
		"aud of another issuer": {set("aud", "https://other.example"), "invalid_proof"},
		"aud as a list":         {set("aud", []string{origin}), "invalid_proof"},
		"no nonce":              {func(_, c logintest.Claims) { delete(c, "nonce") }, "invalid_proof"},
		"a nonce of nobody":     {set("nonce", "AAAA"), "invalid_nonce"},
		"a login's challenge":   {func(_, c logintest.Claims) { c["nonce"] = app.Send("POST", "/v1/login", "", "").Text("challenge") }, "invalid_nonce"},
		"no iat":                {func(_, c logintest.Claims) { delete(c, "iat") }, "invalid_proof"},
		"an hour old":           {set("iat", time.Now().Add(-time.Hour).Unix()), "invalid_proof"},
		"an hour ahead":         {set("iat", time.Now().Add(time.Hour).Unix()), "invalid_proof"},
		"typ JWT":               {head("typ", "JWT"), "invalid_proof"},
		"alg none":              {head("alg", "none"), "invalid_proof"},
		"alg HS256":             {head("alg", "HS256"), "invalid_proof"},
		"kid and jwk":           {head("kid", other.KeyID()), "invalid_proof"},
		"x5c":                   {func(h, _ logintest.Claims) { delete(h, "jwk"); h["x5c"] = []string{"AAAA"} }, "invalid_proof"},
		"neither":               {func(h, _ logintest.Claims) { delete(h, "jwk") }, "invalid_proof"},
		"another key's jwk":     {head("jwk", other.JWK()), "invalid_proof"},
		"another key's kid":     {func(h, _ logintest.Claims) { delete(h, "jwk"); h["kid"] = other.KeyID() }, "invalid_proof"},
		"kid of an unknown DID": {func(h, _ logintest.Claims) { delete(h, "jwk"); h["kid"] = "did:example:a#b" }, "invalid_proof"},
		"a private jwk":         {func(h, _ logintest.Claims) { h["jwk"].(logintest.Claims)["d"] = "AAAA" }, "invalid_proof"},
	} {
		t.Run(name, func(t *testing.T) {
			wallet, key := w.wallet(), logintest.NewKey("ES256")
			w.redeem(wallet, w.offer(app, `{"credentials":[`+diploma+`]}`))
			n := nonce(wallet)
			w.want(wallet.Do("POST", "/openid/credential", ask("diploma", proof(key, n, c.change))), 400, c.code)
			// Neither the offer nor the nonce is used up by it.
			received(t, wallet.Do("POST", "/openid/credential", ask("diploma", proof(key, n))))
		})
	}
}

func TestCredentialRequestRefused(t *testing.T) {
	w := begin(t)
	app := w.app(w.key)
	key := logintest.NewKey("ES256")
	nine := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i"}
	for name, c := range map[string]struct {
		body func(n string) string
		code string
	}{
		"no JSON":               {func(string) string { return `{` }, "invalid_credential_request"},
		"a name twice":          {func(string) string { return `{"proofs":{},"proofs":{}}` }, "invalid_credential_request"},
		"no configuration":      {func(n string) string { return `{"proofs":{"jwt":["` + proof(key, n) + `"]}}` }, "invalid_credential_request"},
		"another configuration": {func(n string) string { return ask("x", proof(key, n)) }, "unknown_credential_configuration"},
		"not in the offer":      {func(n string) string { return ask("diploma-jwt", proof(key, n)) }, "unknown_credential_configuration"},
		"an identifier":         {func(n string) string { return `{"credential_identifier":"x"}` }, "unknown_credential_identifier"},
		"no proofs":             {func(string) string { return `{"credential_configuration_id":"diploma"}` }, "invalid_proof"},
		"empty proofs":          {func(string) string { return ask("diploma") }, "invalid_proof"},
		"another proof type":    {func(string) string { return `{"credential_configuration_id":"diploma","proofs":{"di_vp":[{}]}}` }, "invalid_proof"},
		"two proof types": {func(n string) string {
			return `{"credential_configuration_id":"diploma","proofs":{"di_vp":[{}],"jwt":["` + proof(key, n) + `"]}}`
		}, "invalid_proof"},
		"proofs that are none": {func(string) string { return `{"credential_configuration_id":"diploma","proofs":{"jwt":[1]}}` }, "invalid_proof"},
		"nine proofs":          {func(string) string { return ask("diploma", nine...) }, "invalid_proof"},
		"one key twice":        {func(n string) string { return ask("diploma", proof(key, n), proof(key, n)) }, "invalid_proof"},
		"one of two is bad":    {func(n string) string { return ask("diploma", proof(key, n), proof(logintest.NewKey("ES256"), "AAAA")) }, "invalid_nonce"},
		"encrypted answers": {func(n string) string {
			return `{"credential_response_encryption":{},` + ask("diploma", proof(key, n))[1:]
		}, "invalid_encryption_parameters"},
	} {
		t.Run(name, func(t *testing.T) {
			wallet := w.wallet()
			w.redeem(wallet, w.offer(app, `{"credentials":[`+diploma+`]}`))
			a := wallet.Do("POST", "/openid/credential", c.body(nonce(wallet)))
			w.want(a, 400, c.code)
			received(t, wallet.Do("POST", "/openid/credential", ask("diploma", proof(key, nonce(wallet)))))
		})
	}
	t.Run("a member that is not known is ignored", func(t *testing.T) {
		wallet := w.wallet()
		w.redeem(wallet, w.offer(app, `{"credentials":[`+diploma+`]}`))
		received(t, wallet.Do("POST", "/openid/credential", `{"x":1,`+ask("diploma", proof(key, nonce(wallet)))[1:]))
	})
	t.Run("the token of a login", func(t *testing.T) {
		w.want(app.Do("POST", "/openid/credential", ask("diploma", proof(key, nonce(app)))), 401, "invalid_token")
	})
	t.Run("the token of a wallet at the app's door", func(t *testing.T) {
		wallet := w.wallet()
		w.redeem(wallet, w.offer(app, `{"credentials":[`+diploma+`]}`))
		w.want(wallet.Do("POST", "/v1/openid/offers", `{}`), 401, "invalid_token")
	})
}

func TestIssuedOnce(t *testing.T) {
	w := begin(t)
	wallet := w.wallet()
	w.redeem(wallet, w.offer(w.app(w.key), `{"credentials":[`+diploma+`]}`))
	n := nonce(wallet)
	var group sync.WaitGroup
	var mu sync.Mutex
	got := map[int]int{}
	for range 8 {
		group.Go(func() {
			one := *wallet
			a := one.Do("POST", "/openid/credential", ask("diploma", proof(logintest.NewKey("ES256"), n)))
			mu.Lock()
			got[a.Status]++
			mu.Unlock()
		})
	}
	group.Wait()
	if got[200] != 1 || got[400] != 7 {
		t.Errorf("%v", got)
	}
	w.want(wallet.Do("POST", "/openid/credential", ask("diploma", proof(logintest.NewKey("ES256"), nonce(wallet)))), 400, "credential_request_denied")
}

// TestNonceIsUsedOnce: also with another key, and for another offer.
func TestNonceIsUsedOnce(t *testing.T) {
	w := begin(t)
	app := w.app(w.key)
	wallet := w.wallet()
	w.redeem(wallet, w.offer(app, `{"credentials":[`+diploma+`]}`))
	n := nonce(wallet)
	received(t, wallet.Do("POST", "/openid/credential", ask("diploma", proof(logintest.NewKey("ES256"), n))))
	other := w.wallet()
	w.redeem(other, w.offer(app, `{"credentials":[`+diploma+`]}`))
	w.want(other.Do("POST", "/openid/credential", ask("diploma", proof(logintest.NewKey("ES256"), n))), 400, "invalid_nonce")
	received(t, other.Do("POST", "/openid/credential", ask("diploma", proof(logintest.NewKey("ES256"), nonce(other)))))
}

// TestIssuerFails: a wallet may try again, whatever the reason was.
func TestIssuerFails(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
		code   string
	}{
		"refused by the ledger": {fault.New(fault.NotAccredited, "no longer"), 400, "credential_request_denied"},
		"no peer answers":       {fault.New(fault.Unavailable, "no peer answers"), 503, "temporarily_unavailable"},
		"outcome unknown":       {fault.New(fault.Unknown, "not in time"), 503, "temporarily_unavailable"},
		"something else":        {errors.New("disk: secret path"), 500, "server_error"},
	} {
		t.Run(name, func(t *testing.T) {
			w := begin(t)
			wallet, key := w.wallet(), logintest.NewKey("ES256")
			w.redeem(wallet, w.offer(w.app(w.key), `{"credentials":[`+diploma+`]}`))
			w.fail = c.err
			a := wallet.Do("POST", "/openid/credential", ask("diploma", proof(key, nonce(wallet))))
			w.want(a, c.status, c.code)
			if strings.Contains(a.Body, "secret") {
				t.Errorf("%s", a.Body)
			}
			w.fail = nil
			received(t, wallet.Do("POST", "/openid/credential", ask("diploma", proof(key, nonce(wallet)))))
		})
	}
}

func TestIssuerMetadata(t *testing.T) {
	w := begin(t)
	a := w.wallet().Send("GET", "/.well-known/openid-credential-issuer", "", "")
	configurations, _ := a.JSON["credential_configurations_supported"].(map[string]any)
	sd, _ := configurations["diploma"].(map[string]any)
	jwt, _ := configurations["diploma-jwt"].(map[string]any)
	if a.Status != 200 || a.Text("credential_issuer") != origin || a.Text("credential_endpoint") != origin+"/openid/credential" || a.Text("nonce_endpoint") != origin+"/openid/nonce" ||
		sd["format"] != "dc+sd-jwt" || sd["vct"] != vct || jwt["format"] != "vc+jwt" || jwt["credential_definition"] == nil {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	server := w.wallet().Send("GET", "/.well-known/oauth-authorization-server", "", "")
	if server.JSON["pre-authorized_grant_anonymous_access_supported"] != true || !strings.Contains(server.Body, preAuth) || server.Text("issuer") != origin {
		t.Errorf("%s", server.Body)
	}
}
