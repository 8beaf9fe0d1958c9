package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/login/logintest"
	"github.com/killick-ledger/killick/gateway/vc"
)

const alice = "did:killick:main-0011223344556677:alice"

func TestLogin(t *testing.T) {
	for _, alg := range []string{"EdDSA", "ES256", "ES256K"} {
		for _, bound := range []string{"EdDSA", "ES256", "ES256K"} {
			t.Run(alg+" with a proof of "+bound, func(t *testing.T) {
				w := begin(t)
				key := logintest.NewKey(alg)
				kid := w.documents.set(alice, "key-1", key, vc.Authentication)
				c := w.client()
				c.Key = logintest.NewKey(bound)
				a := c.Login(key, kid)
				if a.Status != http.StatusOK || a.Text("token_type") != "DPoP" || a.JSON["expires_in"] != 300.0 || a.Header.Get("Cache-Control") != "no-store" {
					t.Fatalf("login: %d %s", a.Status, a.Body)
				}
				for range 2 { // with a proof for each
					if a := c.Do("GET", "/page", ""); a.Status != http.StatusOK || a.Text("did") != alice || a.Text("method") != kid {
						t.Fatalf("page: %d %s", a.Status, a.Body)
					}
				}
			})
		}
	}
}

// TestAssertionRefused has each thing that can be wrong with a signed challenge.
func TestAssertionRefused(t *testing.T) {
	set := func(name string, value any) logintest.Change {
		return func(_, claims logintest.Claims) { claims[name] = value }
	}
	head := func(name string, value any) logintest.Change {
		return func(header, _ logintest.Claims) { header[name] = value }
	}
	clock := func(name string, by time.Duration) logintest.Change {
		return func(_, claims logintest.Claims) { claims[name] = time.Now().Add(by).Unix() }
	}
	both := func(changes ...logintest.Change) logintest.Change {
		return func(header, claims logintest.Claims) {
			for _, f := range changes {
				f(header, claims)
			}
		}
	}
	without := func(name string) logintest.Change {
		return func(_, claims logintest.Claims) { delete(claims, name) }
	}
	for name, change := range map[string]logintest.Change{
		"aud of another gateway":    set("aud", "https://other.example"),
		"aud with a slash":          set("aud", origin+"/"),
		"aud as a list":             set("aud", []string{origin}),
		"no aud":                    without("aud"),
		"no challenge":              without("nonce"),
		"a challenge of nobody":     set("nonce", "AAAA"),
		"a challenge cut short":     func(_, c logintest.Claims) { c["nonce"] = c["nonce"].(string)[4:] },
		"iat 61 s ago":              clock("iat", -61*time.Second),
		"iat 61 s ahead":            both(clock("iat", 61*time.Second), clock("exp", 100*time.Second)),
		"iat in milliseconds":       func(_, c logintest.Claims) { c["iat"] = time.Now().UnixMilli() },
		"expired":                   both(clock("iat", -30*time.Second), clock("exp", -time.Second)),
		"exp before iat":            both(clock("iat", 30*time.Second), clock("exp", 20*time.Second)),
		"exp in an hour":            clock("exp", time.Hour),
		"no exp":                    without("exp"),
		"no iat":                    without("iat"),
		"iss of another":            set("iss", "did:key:z6Mk"),
		"sub of another":            set("sub", "did:key:z6Mk"),
		"no cnf":                    without("cnf"),
		"cnf of another key":        set("cnf", logintest.Claims{"jkt": logintest.NewKey("ES256").Thumbprint()}),
		"cnf with more":             func(_, c logintest.Claims) { c["cnf"].(logintest.Claims)["x"] = "y" },
		"a claim that is not known": set("scope", "all"),
		"typ of an operation":       head("typ", "killick-op"),
		"no typ":                    func(h, _ logintest.Claims) { delete(h, "typ") },
		"alg none":                  head("alg", "none"),
		"alg HS256":                 head("alg", "HS256"),
		"alg of another type":       head("alg", "ES256"),
		"crit":                      head("crit", []string{"exp"}),
		"kid without a fragment":    head("kid", alice),
		"kid of another DID":        head("kid", "did:killick:main-0011223344556677:bob#key-1"),
		"kid that is not there":     head("kid", alice+"#key-2"),
		"key for assertions only":   head("kid", alice+"#assert"),
		"key of another controller": head("kid", alice+"#lent"),
		"another key's signature":   head("kid", alice+"#other"),
	} {
		t.Run(name, func(t *testing.T) {
			w := begin(t)
			key := logintest.NewKey("EdDSA")
			kid := w.documents.set(alice, "key-1", key, vc.Authentication)
			w.documents.set(alice, "assert", key, vc.AssertionMethod)
			w.documents.set(alice, "other", logintest.NewKey("EdDSA"), vc.Authentication)
			w.documents.set("did:killick:main-0011223344556677:bob", "key-1", key, vc.Authentication)
			lent := w.documents.set(alice, "lent", key, vc.Authentication)
			m := w.documents.methods[lent]
			m.Controller = "did:web:lender.example"
			w.documents.methods[lent] = m
			w.want(w.client().Login(key, kid, change), http.StatusBadRequest, "invalid_grant")
			// The account is not shut by it.
			w.want(w.client().Login(key, kid), http.StatusOK, "")
		})
	}
}

func TestChallengeIsUsedOnce(t *testing.T) {
	w := begin(t)
	c, key := w.client(), logintest.NewKey("EdDSA")
	assertion := c.Assertion(key, key.KeyID())
	form := url.Values{"grant_type": {logintest.BearerGrant}, "assertion": {assertion}}
	w.want(c.Form("/v1/token", form), http.StatusOK, "")
	w.want(c.Form("/v1/token", form), http.StatusBadRequest, "invalid_grant")
	// Another assertion over the same challenge is as bad.
	_, claims := logintest.Decode(assertion)
	again := c.Assertion(key, key.KeyID(), func(_, c logintest.Claims) { c["nonce"] = claims["nonce"] })
	w.want(c.Form("/v1/token", url.Values{"grant_type": {logintest.BearerGrant}, "assertion": {again}}), http.StatusBadRequest, "invalid_grant")
}

// TestChallengeRace: of many that come at once, one logs in.
func TestChallengeRace(t *testing.T) {
	w := begin(t)
	key, first := logintest.NewKey("EdDSA"), w.client()
	form := url.Values{"grant_type": {logintest.BearerGrant}, "assertion": {first.Assertion(key, key.KeyID())}}
	var group sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	for range 16 {
		group.Go(func() {
			c := *first
			if c.Form("/v1/token", form).Status == http.StatusOK {
				mu.Lock()
				taken++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if taken != 1 {
		t.Errorf("%d logins with one challenge", taken)
	}
}

func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t)
		key := logintest.NewKey("EdDSA")
		login := func(c *logintest.Client, wait time.Duration) *logintest.Answer {
			assertion := c.Assertion(key, key.KeyID(), func(_, claims logintest.Claims) {
				claims["iat"] = time.Now().Add(wait).Unix()
				claims["exp"] = time.Now().Add(wait + time.Minute).Unix()
			})
			time.Sleep(wait)
			return c.Form("/v1/token", url.Values{"grant_type": {logintest.BearerGrant}, "assertion": {assertion}})
		}
		c := w.client()
		w.want(login(c, 119*time.Second), http.StatusOK, "")
		w.want(login(c, 121*time.Second), http.StatusBadRequest, "invalid_grant") // the challenge is too old

		c, _ = w.loggedIn()
		time.Sleep(4 * time.Minute)
		w.want(c.Do("GET", "/page", ""), http.StatusOK, "")
		time.Sleep(2 * time.Minute)
		c.Send("POST", "/v1/login", "", "") // a new nonce
		a := c.Do("GET", "/page", "")
		w.want(a, http.StatusUnauthorized, "invalid_token")
		if h := a.Header.Get("WWW-Authenticate"); !strings.HasPrefix(h, `DPoP error="invalid_token"`) || !strings.Contains(h, `algs="EdDSA ES256 ES256K"`) {
			t.Errorf("WWW-Authenticate: %s", h)
		}
	})
}

// TestKeyIsLookedUpAgain: a token is worth as much as the key that logged in is now.
func TestKeyIsLookedUpAgain(t *testing.T) {
	unavailable := fault.New(fault.Unavailable, "no peer answers")
	for name, c := range map[string]struct {
		change func(w *world, kid string, key *logintest.Key)
		status int
		code   string
	}{
		"unchanged": {func(*world, string, *logintest.Key) {}, http.StatusOK, ""},
		"DID deactivated": {func(w *world, kid string, _ *logintest.Key) {
			w.documents.fail(kid, fault.New(fault.DIDDeactivated, "ended"))
		}, http.StatusUnauthorized, "invalid_token"},
		"key removed": {func(w *world, kid string, _ *logintest.Key) {
			w.documents.fail(kid, fault.New(fault.KeyUnknown, "gone"))
		}, http.StatusUnauthorized, "invalid_token"},
		"key replaced": {func(w *world, _ string, _ *logintest.Key) {
			w.documents.set(alice, "key-1", logintest.NewKey("EdDSA"), vc.Authentication)
		}, http.StatusUnauthorized, "invalid_token"},
		"key for other uses":  {func(w *world, _ string, k *logintest.Key) { w.documents.set(alice, "key-1", k, vc.AssertionMethod) }, http.StatusUnauthorized, "invalid_token"},
		"nobody can tell now": {func(w *world, kid string, _ *logintest.Key) { w.documents.fail(kid, unavailable) }, http.StatusServiceUnavailable, "temporarily_unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			w := begin(t)
			key, client := logintest.NewKey("EdDSA"), w.client()
			kid := w.documents.set(alice, "key-1", key, vc.Authentication)
			w.want(client.Login(key, kid), http.StatusOK, "")
			c.change(w, kid, key)
			w.want(client.Do("GET", "/page", ""), c.status, c.code)
			if c.status == http.StatusUnauthorized { // and it cannot log in again
				w.want(w.client().Login(key, kid), http.StatusBadRequest, "invalid_grant")
			}
		})
	}
}

// TestRestart: nothing that one process handed out is taken by another, so nothing that
// it has seen can be shown again.
func TestRestart(t *testing.T) {
	w := begin(t)
	c, key := w.loggedIn()
	assertion := c.Assertion(key, key.KeyID())
	proof := c.Proof("GET", "/page")
	next := begin(t)
	c.Handler = next.handler
	next.want(c.Send("GET", "/page", "", "", "Authorization", "DPoP "+c.Token, "DPoP", proof), http.StatusUnauthorized, "invalid_token")
	next.want(c.Form("/v1/token", url.Values{"grant_type": {logintest.BearerGrant}, "assertion": {assertion}}), http.StatusBadRequest, "use_dpop_nonce")
	c.Token = ""
	next.want(c.Form("/v1/token", url.Values{"grant_type": {logintest.BearerGrant}, "assertion": {assertion}}), http.StatusBadRequest, "invalid_grant")
	next.want(c.Login(key, key.KeyID()), http.StatusOK, "")
	next.want(c.Do("GET", "/page", ""), http.StatusOK, "")
}

func TestTokenRequestRefused(t *testing.T) {
	w := begin(t)
	key := logintest.NewKey("EdDSA")
	for name, c := range map[string]struct {
		contentType, body string
		code              string
	}{
		"no grant_type":       {"application/x-www-form-urlencoded", "assertion=x", "invalid_request"},
		"no assertion":        {"application/x-www-form-urlencoded", "grant_type=" + url.QueryEscape(logintest.BearerGrant), "invalid_request"},
		"an empty assertion":  {"application/x-www-form-urlencoded", "assertion=&grant_type=" + url.QueryEscape(logintest.BearerGrant), "invalid_request"},
		"another grant":       {"application/x-www-form-urlencoded", "grant_type=password", "unsupported_grant_type"},
		"grant_type twice":    {"application/x-www-form-urlencoded", "grant_type=a&grant_type=b", "invalid_request"},
		"JSON":                {"application/json", "{}", "invalid_request"},
		"no content type":     {"", "grant_type=password", "invalid_request"},
		"not UTF-8":           {"application/x-www-form-urlencoded", "grant_type=%ff", "invalid_request"},
		"no form":             {"application/x-www-form-urlencoded", "grant_type=%zz", "invalid_request"},
		"more than the limit": {"application/x-www-form-urlencoded", "grant_type=" + strings.Repeat("a", 70_000), "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			client := w.client()
			client.Send("POST", "/v1/login", "", "")
			a := client.Send("POST", "/v1/token", c.contentType, c.body, "DPoP", client.Proof("POST", "/v1/token"))
			w.want(a, http.StatusBadRequest, c.code)
			if a.Header.Get("WWW-Authenticate") != "" || a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("headers %v", a.Header)
			}
		})
	}
	t.Run("no proof", func(t *testing.T) {
		client := w.client()
		form := url.Values{"grant_type": {logintest.BearerGrant}, "assertion": {client.Assertion(key, key.KeyID())}}
		w.want(client.Send("POST", "/v1/token", "application/x-www-form-urlencoded", form.Encode()), http.StatusBadRequest, "invalid_dpop_proof")
	})
}

func TestMetadata(t *testing.T) {
	w := begin(t)
	a := w.client().Send("GET", "/.well-known/oauth-authorization-server", "", "")
	if a.Status != http.StatusOK || a.Text("issuer") != origin || a.Text("token_endpoint") != origin+"/v1/token" || a.JSON["dpop_signing_alg_values_supported"] == nil {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}
