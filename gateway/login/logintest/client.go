package logintest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"
)

// BearerGrant is the grant type of a login.
const BearerGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// Client speaks to a handler as a client with a DPoP key of its own does.
type Client struct {
	URL     string // origin of the service
	Handler http.Handler
	Key     *Key   // for DPoP
	Nonce   string // the newest DPoP nonce
	Token   string // access token, once it has one
}

// Answer is an answer with its JSON.
type Answer struct {
	Status int
	Header http.Header
	Body   string
	JSON   Claims
}

// Code is the OAuth error of the answer, empty for none.
func (a *Answer) Code() string {
	s, _ := a.JSON["error"].(string)
	return s
}

// Text is a member that is a string.
func (a *Answer) Text(name string) string {
	s, _ := a.JSON[name].(string)
	return s
}

// Change makes a proof or an assertion another one.
type Change func(header, claims Claims)

// Proof makes a DPoP proof for a request.
func (c *Client) Proof(method, path string, changes ...Change) string {
	header := Claims{"typ": "dpop+jwt", "jwk": c.Key.JWK()}
	claims := Claims{"jti": Random(), "htm": method, "htu": c.URL + path, "iat": time.Now().Unix()}
	if c.Nonce != "" {
		claims["nonce"] = c.Nonce
	}
	if c.Token != "" {
		claims["ath"] = Hash(c.Token)
	}
	for _, f := range changes {
		f(header, claims)
	}
	return c.Key.JWS(header, claims)
}

// Send sends a request as it is.
func (c *Client) Send(method, path, contentType, body string, headers ...string) *Answer {
	r := httptest.NewRequest(method, c.URL+path, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.Handler.ServeHTTP(w, r)
	if nonce := w.Header().Get("DPoP-Nonce"); nonce != "" {
		c.Nonce = nonce
	}
	a := &Answer{Status: w.Code, Header: w.Header(), Body: w.Body.String()}
	_ = json.Unmarshal(w.Body.Bytes(), &a.JSON) // an answer may be something else
	return a
}

// Form posts a form, with a DPoP proof that the changes were made to.
func (c *Client) Form(path string, form url.Values, changes ...Change) *Answer {
	return c.Send("POST", path, "application/x-www-form-urlencoded", form.Encode(), "DPoP", c.Proof("POST", path, changes...))
}

// Do sends a request with the access token and a proof. body is JSON, or empty.
func (c *Client) Do(method, path, body string, changes ...Change) *Answer {
	contentType := ""
	if body != "" {
		contentType = "application/json"
	}
	plain, _, _ := strings.Cut(path, "?")
	return c.Send(method, path, contentType, body, "Authorization", "DPoP "+c.Token, "DPoP", c.Proof(method, plain, changes...))
}

// Assertion signs a challenge of the gateway with the key that kid names.
func (c *Client) Assertion(key *Key, kid string, changes ...Change) string {
	challenge := c.Send("POST", "/v1/login", "", "")
	did, _, _ := strings.Cut(kid, "#")
	header := Claims{"typ": "killick-login", "kid": kid}
	now := time.Now().Unix()
	claims := Claims{
		"iss": did, "sub": did, "aud": challenge.Text("audience"), "nonce": challenge.Text("challenge"), "iat": now, "exp": now + 60,
		"cnf": Claims{"jkt": c.Key.Thumbprint()},
	}
	for _, f := range changes {
		f(header, claims)
	}
	return key.JWS(header, claims)
}

// Login logs a key in, and keeps the token.
func (c *Client) Login(key *Key, kid string, changes ...Change) *Answer {
	c.Token = ""
	a := c.Form("/v1/token", url.Values{"grant_type": {BearerGrant}, "assertion": {c.Assertion(key, kid, changes...)}})
	if a.Status == http.StatusOK {
		c.Token = a.Text("access_token")
	}
	return a
}
