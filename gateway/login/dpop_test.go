package login_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/killick-ledger/killick/gateway/login"
	"github.com/killick-ledger/killick/gateway/login/logintest"
)

// proofChanges are what can be wrong with a DPoP proof (RFC 9449 section 4.3), and what
// is right although it looks otherwise. The page is at GET /page.
func proofChanges() map[string]struct {
	change logintest.Change
	code   string // empty: taken
} {
	type c = struct {
		change logintest.Change
		code   string
	}
	set := func(name string, value any, code string) c {
		return c{func(_, claims logintest.Claims) { claims[name] = value }, code}
	}
	head := func(name string, value any) c {
		return c{func(header, _ logintest.Claims) { header[name] = value }, "invalid_dpop_proof"}
	}
	without := func(name, code string) c {
		return c{func(_, claims logintest.Claims) { delete(claims, name) }, code}
	}
	jwk := func(f func(logintest.Claims)) c {
		return c{func(header, _ logintest.Claims) { f(header["jwk"].(logintest.Claims)) }, "invalid_dpop_proof"}
	}
	at := func(by time.Duration, code string) c {
		return c{func(_, claims logintest.Claims) { claims["iat"] = time.Now().Add(by).Unix() }, code}
	}
	const bad = "invalid_dpop_proof"
	return map[string]c{
		"good":                    {func(_, _ logintest.Claims) {}, ""},
		"no jti":                  without("jti", bad),
		"empty jti":               set("jti", "", bad),
		"jti of a kilobyte":       set("jti", strings.Repeat("j", 1024), bad),
		"jti is a number":         set("jti", 1, bad),
		"no htm":                  without("htm", bad),
		"htm of another method":   set("htm", "POST", bad),
		"htm in small letters":    set("htm", "get", bad),
		"no htu":                  without("htu", bad),
		"htu of another host":     set("htu", "https://other.example/page", bad),
		"htu of another path":     set("htu", origin+"/pages", bad),
		"htu of another scheme":   set("htu", "http://gateway.example/page", bad),
		"htu of another port":     set("htu", origin+":8443/page", bad),
		"htu with a user":         set("htu", "https://user@gateway.example/page", bad),
		"htu is relative":         set("htu", "/page", bad),
		"htu with another case":   set("htu", origin+"/Page", bad),
		"htu with the port":       set("htu", origin+":443/page", ""),
		"htu in capitals":         set("htu", "HTTPS://GATEWAY.Example/page", ""),
		"htu with escapes":        set("htu", origin+"/%70%61ge", ""),
		"htu with dots":           set("htu", origin+"/x/../page", ""),
		"htu with escaped dots":   set("htu", origin+"/x/%2E%2e/page", ""),
		"htu with a query":        set("htu", origin+"/page?x=y#z", ""),
		"no iat":                  without("iat", bad),
		"iat is text":             set("iat", "now", bad),
		"iat 61 s ago":            at(-61*time.Second, bad),
		"iat 62 s ahead":          at(62*time.Second, bad),
		"iat 55 s ago":            at(-55*time.Second, ""),
		"iat 55 s ahead":          at(55*time.Second, ""),
		"no ath":                  without("ath", bad),
		"ath of another token":    set("ath", logintest.Hash("x"), bad),
		"no nonce":                without("nonce", "use_dpop_nonce"),
		"a nonce of nobody":       set("nonce", "AAAA", "use_dpop_nonce"),
		"typ JWT":                 head("typ", "JWT"),
		"no typ":                  {func(h, _ logintest.Claims) { delete(h, "typ") }, bad},
		"alg none":                head("alg", "none"),
		"alg HS256":               head("alg", "HS256"),
		"alg RS256":               head("alg", "RS256"),
		"alg of another key":      head("alg", "EdDSA"),
		"crit":                    head("crit", []string{"x"}),
		"no jwk":                  {func(h, _ logintest.Claims) { delete(h, "jwk") }, bad},
		"jwk of another":          head("jwk", logintest.NewKey("ES256").JWK()),
		"jwk with a private key":  jwk(func(k logintest.Claims) { k["d"] = logintest.B64(make([]byte, 32)) }),
		"jwk symmetric":           head("jwk", logintest.Claims{"kty": "oct", "k": "AAAA"}),
		"jwk off the curve":       jwk(func(k logintest.Claims) { k["y"] = k["x"] }),
		"kid in place of the jwk": {func(h, _ logintest.Claims) { delete(h, "jwk"); h["kid"] = "did:key:z#z" }, bad},
	}
}

func TestProofOfResource(t *testing.T) {
	w := begin(t)
	for name, c := range proofChanges() {
		t.Run(name, func(t *testing.T) {
			client, _ := w.loggedIn()
			a := client.Do("GET", "/page", "", c.change)
			if c.code == "" {
				w.want(a, http.StatusOK, "")
				return
			}
			w.want(a, http.StatusUnauthorized, c.code)
			if h := a.Header.Get("WWW-Authenticate"); !strings.HasPrefix(h, `DPoP error="`+c.code+`"`) {
				t.Errorf("WWW-Authenticate: %s", h)
			}
			if (c.code == "use_dpop_nonce") != (a.Header.Get("DPoP-Nonce") != "") {
				t.Errorf("DPoP-Nonce: %v", a.Header)
			}
			w.want(client.Do("GET", "/page", ""), http.StatusOK, "")
		})
	}
}

func TestProofOfTokenRequest(t *testing.T) {
	w := begin(t)
	for name, c := range proofChanges() {
		if strings.Contains(name, "htu") || strings.Contains(name, "htm") || strings.Contains(name, "ath") || c.code == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			client, key := w.client(), logintest.NewKey("EdDSA")
			form := map[string][]string{"grant_type": {logintest.BearerGrant}, "assertion": {client.Assertion(key, key.KeyID())}}
			w.want(client.Form("/v1/token", form, c.change), http.StatusBadRequest, c.code)
			w.want(client.Form("/v1/token", form), http.StatusOK, "") // the challenge is not used up by it
		})
	}
}

func TestProofIsUsedOnce(t *testing.T) {
	w := begin(t)
	c, _ := w.loggedIn()
	proof := c.Proof("GET", "/page")
	w.want(c.Send("GET", "/page", "", "", "Authorization", "DPoP "+c.Token, "DPoP", proof), http.StatusOK, "")
	w.want(c.Send("GET", "/page", "", "", "Authorization", "DPoP "+c.Token, "DPoP", proof), http.StatusUnauthorized, "invalid_dpop_proof")
	// The id of one client's proof says nothing of another's.
	_, claims := logintest.Decode(proof)
	other, _ := w.loggedIn()
	w.want(other.Do("GET", "/page", "", func(_, o logintest.Claims) { o["jti"] = claims["jti"] }), http.StatusOK, "")
}

// TestProofLater: a proof stays used for as long as its times are good.
func TestProofLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t)
		c, _ := w.loggedIn()
		proof := c.Proof("GET", "/page", func(_, claims logintest.Claims) { claims["iat"] = time.Now().Add(59 * time.Second).Unix() })
		send := func() *logintest.Answer {
			return c.Send("GET", "/page", "", "", "Authorization", "DPoP "+c.Token, "DPoP", proof)
		}
		w.want(send(), http.StatusOK, "")
		for range 12 {
			time.Sleep(10 * time.Second)
			w.want(send(), http.StatusUnauthorized, "invalid_dpop_proof")
		}
	})
}

func TestProofRace(t *testing.T) {
	w := begin(t)
	c, _ := w.loggedIn()
	proof := c.Proof("GET", "/page")
	var group sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	for range 16 {
		group.Go(func() {
			one := *c
			if one.Send("GET", "/page", "", "", "Authorization", "DPoP "+c.Token, "DPoP", proof).Status == http.StatusOK {
				mu.Lock()
				taken++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if taken != 1 {
		t.Errorf("%d requests with one proof", taken)
	}
}

// TestProofsOfStrangers: whoever sends proofs without end keeps nobody out.
func TestProofsOfStrangers(t *testing.T) {
	w := begin(t)
	stranger, err := w.service.Tickets.Read("x", w.service.Tickets.New("x", time.Minute, nil))
	if err != nil {
		t.Fatal(err)
	}
	for i := range login.MaxProofs {
		if err := w.service.Tickets.SpendProof("key", strconv.Itoa(i), stranger); err != nil {
			t.Fatal(err)
		}
	}
	c, _ := w.loggedIn()
	nonce := c.Nonce
	w.want(c.Do("GET", "/page", ""), http.StatusOK, "")
	c.Nonce = nonce
	w.want(c.Do("GET", "/page", ""), http.StatusUnauthorized, "use_dpop_nonce")
	w.want(c.Do("GET", "/page", ""), http.StatusOK, "") // with the nonce of the refusal
}

func TestNonceOfTheClientGrowsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t)
		c := w.client()
		c.Send("POST", "/v1/login", "", "")
		old := c.Nonce
		time.Sleep(5*time.Minute + time.Second)
		key := logintest.NewKey("EdDSA")
		form := map[string][]string{"grant_type": {logintest.BearerGrant}, "assertion": {c.Assertion(key, key.KeyID())}}
		c.Nonce = old
		w.want(c.Form("/v1/token", form), http.StatusBadRequest, "use_dpop_nonce")
		w.want(c.Form("/v1/token", form), http.StatusOK, "") // with the nonce of the refusal
	})
}

func TestAuthorization(t *testing.T) {
	w := begin(t)
	c, _ := w.loggedIn()
	thief := w.client()
	thief.Nonce, thief.Token = c.Nonce, c.Token
	for name, x := range map[string]struct {
		headers []string
		status  int
		code    string
	}{
		"nothing":                {nil, 401, "invalid_token"},
		"another scheme":         {[]string{"Authorization", "Basic QQ=="}, 401, "invalid_request"},
		"no proof":               {[]string{"Authorization", "DPoP " + c.Token}, 401, "invalid_dpop_proof"},
		"as a bearer token":      {[]string{"Authorization", "Bearer " + c.Token}, 401, "invalid_token"},
		"no token":               {[]string{"Authorization", "DPoP", "DPoP", c.Proof("GET", "/page")}, 401, "invalid_token"},
		"token of nobody":        {[]string{"Authorization", "DPoP AAAA", "DPoP", c.Proof("GET", "/page")}, 401, "invalid_token"},
		"a challenge as token":   {[]string{"Authorization", "DPoP " + c.Send("POST", "/v1/login", "", "").Text("challenge"), "DPoP", c.Proof("GET", "/page")}, 401, "invalid_token"},
		"two tokens":             {[]string{"Authorization", "DPoP " + c.Token, "Authorization", "DPoP " + c.Token, "DPoP", c.Proof("GET", "/page")}, 401, "invalid_request"},
		"two proofs":             {[]string{"Authorization", "DPoP " + c.Token, "DPoP", c.Proof("GET", "/page"), "DPoP", c.Proof("GET", "/page")}, 401, "invalid_dpop_proof"},
		"a proof that is no JWS": {[]string{"Authorization", "DPoP " + c.Token, "DPoP", "x"}, 401, "invalid_dpop_proof"},
		"another client's key":   {[]string{"Authorization", "DPoP " + c.Token, "DPoP", thief.Proof("GET", "/page")}, 401, "invalid_dpop_proof"},
		"scheme in capitals":     {[]string{"Authorization", "DPOP " + c.Token, "DPoP", c.Proof("GET", "/page")}, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := c.Send("GET", "/page", "", "", x.headers...)
			w.want(a, x.status, x.code)
			if x.status == http.StatusUnauthorized && a.Header.Get("WWW-Authenticate") == "" {
				t.Error("no WWW-Authenticate")
			}
		})
	}
	// RFC 6750 section 3.1: to a request without any authentication no error is told.
	if h := c.Send("GET", "/page", "", "").Header.Get("WWW-Authenticate"); strings.Contains(h, "error") || !strings.HasPrefix(h, "DPoP algs=") {
		t.Errorf("WWW-Authenticate: %s", h)
	}
}
