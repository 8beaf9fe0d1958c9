package openid_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/killick-ledger/killick/gateway/login/logintest"
	"github.com/killick-ledger/killick/gateway/openid"
)

// question is a request as the wallet sees it.
type question struct {
	id                   string
	client, nonce, state string
	response             string // path
	query                map[string]any
	header, object       logintest.Claims
}

const sdQuery = `{"credentials":[{"id":"pid","format":"dc+sd-jwt","meta":{"vct_values":["` + vct + `"]},"claims":[{"path":["degree"]},{"path":["address","city"],"values":["Paris"]}]}]}`

func (w *world) asking(query string, more ...string) string {
	issuers := map[string][]string{}
	var q struct{ Credentials []struct{ ID string } }
	if err := json.Unmarshal([]byte(query), &q); err != nil {
		w.t.Fatal(err)
	}
	for _, c := range q.Credentials {
		issuers[c.ID] = []string{w.key.DID()}
	}
	data, err := json.Marshal(issuers)
	if err != nil {
		w.t.Fatal(err)
	}
	return `{"dcql_query":` + query + `,"issuers":` + string(data) + strings.Join(more, "") + `}`
}

// request makes a request, and reads it as a wallet does.
func (w *world) request(app *logintest.Client, body string) question {
	w.t.Helper()
	a := app.Do("POST", "/v1/openid/requests", body)
	if a.Status != http.StatusCreated {
		w.t.Fatalf("request: %d %s", a.Status, a.Body)
	}
	q := question{id: a.Text("id"), client: a.Text("client_id")}
	u, err := url.Parse(a.Text("uri"))
	if err != nil || u.Scheme != "openid4vp" || u.Query().Get("client_id") != q.client {
		w.t.Fatalf("%s: %v", a.Text("uri"), err)
	}
	parameters := logintest.Claims{}
	if reference := u.Query().Get("request_uri"); reference != "" {
		answer := w.wallet().Send("GET", strings.TrimPrefix(reference, origin), "", "")
		if answer.Status != http.StatusOK || answer.Header.Get("Content-Type") != "application/oauth-authz-req+jwt" {
			w.t.Fatalf("request object: %d %s", answer.Status, answer.Body)
		}
		q.header, parameters = logintest.Decode(answer.Body)
		q.object = maps.Clone(parameters)
	} else {
		for name, values := range u.Query() {
			parameters[name] = values[0]
			var object map[string]any
			if json.Unmarshal([]byte(values[0]), &object) == nil {
				parameters[name] = object
			}
		}
	}
	if parameters["client_id"] != q.client || parameters["response_type"] != "vp_token" || parameters["response_mode"] != "direct_post" || parameters["client_metadata"] == nil {
		w.t.Fatalf("%v", parameters)
	}
	q.nonce, q.state = parameters["nonce"].(string), parameters["state"].(string)
	q.query = parameters["dcql_query"].(map[string]any)
	q.response = strings.TrimPrefix(parameters["response_uri"].(string), origin)
	return q
}

// present discloses claims of an SD-JWT, and binds it to the question.
func present(t *testing.T, sdJWT string, key *logintest.Key, q question, names []string, changes ...logintest.Change) string {
	t.Helper()
	all := disclosures(t, sdJWT)
	out := sdJWT[:strings.IndexByte(sdJWT, '~')+1]
	for _, name := range names {
		out += all[name] + "~"
	}
	header := logintest.Claims{"typ": "kb+jwt"}
	claims := logintest.Claims{"aud": q.client, "nonce": q.nonce, "iat": time.Now().Unix(), "sd_hash": logintest.Hash(out)}
	for _, f := range changes {
		f(header, claims)
	}
	return out + key.JWS(header, claims)
}

// answer posts a VP Token.
func (w *world) answer(q question, token any) *logintest.Answer {
	data, err := json.Marshal(token)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.wallet().Send("POST", q.response, "application/x-www-form-urlencoded", url.Values{"vp_token": {string(data)}, "state": {q.state}}.Encode())
}

type token = map[string][]any

func TestPresentSelective(t *testing.T) {
	for _, prefix := range []string{"", `,"client_id_prefix":"decentralized_identifier"`, `,"client_id_prefix":"redirect_uri"`} {
		t.Run("prefix "+prefix, func(t *testing.T) {
			w := begin(t)
			key := logintest.NewKey("ES256")
			sdJWT := w.issued(`{"credentials":[`+diploma+`]}`, "diploma", key)
			app := w.app(w.partner)
			q := w.request(app, w.asking(sdQuery, prefix))
			if strings.HasSuffix(prefix, `"redirect_uri"`) {
				if q.client != "redirect_uri:"+origin+"/openid/response" || q.header != nil {
					t.Errorf("%+v", q)
				}
			} else if q.client != "decentralized_identifier:"+w.key.DID() || q.header["typ"] != "oauth-authz-req+jwt" || q.header["kid"] != w.key.KeyID() || q.object["aud"] != "https://self-issued.me/v2" {
				t.Errorf("%+v", q)
			}
			if waiting := app.Do("GET", "/v1/openid/requests/"+q.id, ""); waiting.Text("state") != "waiting" {
				t.Errorf("%s", waiting.Body)
			}
			w.want(w.answer(q, token{"pid": {present(t, sdJWT, key, q, []string{"degree", "address"})}}), 200, "")
			a := app.Do("GET", "/v1/openid/requests/"+q.id, "")
			var got struct {
				State         string
				Presentations map[string][]struct {
					Format, Issuer string
					Types          []string
					HolderKey      string `json:"holder_key"`
					Claims         map[string]any
				}
			}
			if err := json.Unmarshal([]byte(a.Body), &got); err != nil || got.State != "answered" || len(got.Presentations["pid"]) != 1 {
				t.Fatalf("%s: %v", a.Body, err)
			}
			p := got.Presentations["pid"][0]
			if p.Issuer != w.key.DID() || p.Types[0] != vct || p.HolderKey != key.Thumbprint() || p.Claims["degree"] != "MSc" || p.Claims["given_name"] != nil {
				t.Errorf("%+v", p)
			}
			// It is answered once, and nobody else reads it.
			w.want(w.answer(q, token{"pid": {present(t, sdJWT, key, q, []string{"degree", "address"})}}), 400, "invalid_request")
			w.want(w.app(w.key).Do("GET", "/v1/openid/requests/"+q.id, ""), 404, "invalid_request")
			w.want(app.Do("DELETE", "/v1/openid/requests/"+q.id, ""), 204, "")
			w.want(app.Do("GET", "/v1/openid/requests/"+q.id, ""), 404, "invalid_request")
		})
	}
}

// degree is the value of a claim, as a word: identifiers are random letters.
var degree = regexp.MustCompile(`\bMSc\b`)

// TestKeyBindingRefused has each thing that can be wrong with what a wallet presents.
func TestKeyBindingRefused(t *testing.T) {
	w := begin(t)
	key := logintest.NewKey("ES256")
	sdJWT := w.issued(`{"credentials":[`+diploma+`]}`, "diploma", key)
	forger := begin(t) // an issuer whom nobody asked for
	forged := forger.issued(`{"credentials":[`+diploma+`]}`, "diploma", key)
	elsewhere := w.issued(`{"credentials":[{"configuration":"diploma","claims":{"degree":"MSc","address":{"city":"Rome"}}}]}`, "diploma", key)
	app := w.app(w.partner)
	earlier := w.request(app, w.asking(sdQuery))
	set := func(name string, value any) logintest.Change {
		return func(_, claims logintest.Claims) { claims[name] = value }
	}
	all := []string{"degree", "address"}
	for name, make := range map[string]func(t *testing.T, q question) any{
		"aud of another": func(t *testing.T, q question) any {
			return present(t, sdJWT, key, q, all, set("aud", "redirect_uri:https://other.example"))
		},
		"aud without prefix": func(t *testing.T, q question) any { return present(t, sdJWT, key, q, all, set("aud", w.key.DID())) },
		"nonce of another":   func(t *testing.T, q question) any { return present(t, sdJWT, key, q, all, set("nonce", earlier.nonce)) },
		"no nonce": func(t *testing.T, q question) any {
			return present(t, sdJWT, key, q, all, func(_, c logintest.Claims) { delete(c, "nonce") })
		},
		"other disclosures": func(t *testing.T, q question) any {
			return present(t, sdJWT, key, q, all, set("sd_hash", logintest.Hash("x")))
		},
		"an hour old": func(t *testing.T, q question) any {
			return present(t, sdJWT, key, q, all, set("iat", time.Now().Add(-time.Hour).Unix()))
		},
		"an hour ahead": func(t *testing.T, q question) any {
			return present(t, sdJWT, key, q, all, set("iat", time.Now().Add(time.Hour).Unix()))
		},
		"typ JWT": func(t *testing.T, q question) any {
			return present(t, sdJWT, key, q, all, func(h, _ logintest.Claims) { h["typ"] = "JWT" })
		},
		"alg none": func(t *testing.T, q question) any {
			return present(t, sdJWT, key, q, all, func(h, _ logintest.Claims) { h["alg"] = "none" })
		},
		"another key": func(t *testing.T, q question) any { return present(t, sdJWT, logintest.NewKey("ES256"), q, all) },
		"no key binding": func(t *testing.T, q question) any {
			s := present(t, sdJWT, key, q, all)
			return s[:strings.LastIndexByte(s, '~')+1]
		},
		"a claim is missing": func(t *testing.T, q question) any { return present(t, sdJWT, key, q, []string{"degree"}) },
		"another value":      func(t *testing.T, q question) any { return present(t, elsewhere, key, q, all) },
		"another issuer":     func(t *testing.T, q question) any { return present(t, forged, key, q, all) },
		"an object":          func(*testing.T, question) any { return map[string]any{"a": 1} },
		"no SD-JWT":          func(*testing.T, question) any { return "x" },
	} {
		t.Run(name, func(t *testing.T) {
			q := w.request(app, w.asking(sdQuery))
			w.want(w.answer(q, token{"pid": {make(t, q)}}), 400, "invalid_request")
			a := app.Do("GET", "/v1/openid/requests/"+q.id, "")
			if a.Text("state") != "waiting" || a.Text("refused") == "" || degree.MatchString(a.Body) {
				t.Errorf("%s", a.Body)
			}
			// The user can still answer.
			w.want(w.answer(q, token{"pid": {present(t, sdJWT, key, q, all)}}), 200, "")
		})
	}
}

func TestTokenRefused(t *testing.T) {
	w := begin(t)
	key := logintest.NewKey("ES256")
	sdJWT := w.issued(`{"credentials":[`+diploma+`]}`, "diploma", key)
	app := w.app(w.partner)
	post := func(q question, form url.Values) *logintest.Answer {
		return w.wallet().Send("POST", q.response, "application/x-www-form-urlencoded", form.Encode())
	}
	for name, form := range map[string]func(q question, good string) url.Values{
		"no vp_token": func(q question, _ string) url.Values { return url.Values{"state": {q.state}} },
		"no state":    func(_ question, good string) url.Values { return url.Values{"vp_token": {`{"pid":["` + good + `"]}`}} },
		"another state": func(_ question, good string) url.Values {
			return url.Values{"state": {"x"}, "vp_token": {`{"pid":["` + good + `"]}`}}
		},
		"the nonce as state": func(q question, good string) url.Values {
			return url.Values{"state": {q.nonce}, "vp_token": {`{"pid":["` + good + `"]}`}}
		},
		"two tokens": func(q question, good string) url.Values {
			return url.Values{"state": {q.state}, "vp_token": {`{"pid":["` + good + `"]}`, `{}`}}
		},
		"no JSON": func(q question, good string) url.Values { return url.Values{"state": {q.state}, "vp_token": {good}} },
		"a list": func(q question, good string) url.Values {
			return url.Values{"state": {q.state}, "vp_token": {`["` + good + `"]`}}
		},
		"no list inside": func(q question, good string) url.Values {
			return url.Values{"state": {q.state}, "vp_token": {`{"pid":"` + good + `"}`}}
		},
		"an empty list": func(q question, _ string) url.Values {
			return url.Values{"state": {q.state}, "vp_token": {`{"pid":[]}`}}
		},
		"nothing": func(q question, _ string) url.Values { return url.Values{"state": {q.state}, "vp_token": {`{}`}} },
		"twice": func(q question, good string) url.Values {
			return url.Values{"state": {q.state}, "vp_token": {`{"pid":["` + good + `","` + good + `"]}`}}
		},
		"a name twice": func(q question, good string) url.Values {
			return url.Values{"state": {q.state}, "vp_token": {`{"pid":["` + good + `"],"pid":[]}`}}
		},
		"another id": func(q question, good string) url.Values {
			return url.Values{"state": {q.state}, "vp_token": {`{"pid":["` + good + `"],"x":["` + good + `"]}`}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := w.request(app, w.asking(sdQuery))
			w.want(post(q, form(q, present(t, sdJWT, key, q, []string{"degree", "address"}))), 400, "invalid_request")
		})
	}
	t.Run("the wallet declines", func(t *testing.T) {
		q := w.request(app, w.asking(sdQuery))
		w.want(post(q, url.Values{"state": {q.state}, "error": {"access_denied"}, "error_description": {"no"}}), 200, "")
		if a := app.Do("GET", "/v1/openid/requests/"+q.id, ""); a.Text("state") != "declined" || a.Text("declined") != "access_denied" {
			t.Errorf("%s", a.Body)
		}
		// Whoever has seen the request can say so: its user can still answer, and that stands.
		w.want(w.answer(q, token{"pid": {present(t, sdJWT, key, q, []string{"degree", "address"})}}), 200, "")
		w.want(post(q, url.Values{"state": {q.state}, "error": {"access_denied"}}), 400, "invalid_request")
		if a := app.Do("GET", "/v1/openid/requests/"+q.id, ""); a.Text("state") != "answered" || a.Text("declined") != "" {
			t.Errorf("%s", a.Body)
		}
	})
}

func TestRedirect(t *testing.T) {
	w := begin(t)
	key := logintest.NewKey("ES256")
	sdJWT := w.issued(`{"credentials":[`+diploma+`]}`, "diploma", key)
	app := w.app(w.partner)
	q := w.request(app, w.asking(sdQuery, `,"redirect_uri":"https://app.example/done?a=b"`))
	a := w.answer(q, token{"pid": {present(t, sdJWT, key, q, []string{"degree", "address"})}})
	u, err := url.Parse(a.Text("redirect_uri"))
	if err != nil || u.Host != "app.example" || u.Query().Get("a") != "b" || len(u.Query().Get("response_code")) < 22 {
		t.Fatalf("%s: %v", a.Body, err)
	}
	w.want(app.Do("GET", "/v1/openid/requests/"+q.id, ""), 400, "invalid_request")
	w.want(app.Do("GET", "/v1/openid/requests/"+q.id+"?response_code=x", ""), 400, "invalid_request")
	w.want(app.Do("GET", "/v1/openid/requests/"+q.id+"?response_code="+u.Query().Get("response_code"), ""), 200, "")
}

func TestAnswerRace(t *testing.T) {
	w := begin(t)
	key := logintest.NewKey("ES256")
	sdJWT := w.issued(`{"credentials":[`+diploma+`]}`, "diploma", key)
	q := w.request(w.app(w.partner), w.asking(sdQuery))
	vp := token{"pid": {present(t, sdJWT, key, q, []string{"degree", "address"})}}
	var group sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	for range 8 {
		group.Go(func() {
			if w.answer(q, vp).Status == 200 {
				mu.Lock()
				taken++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if taken != 1 {
		t.Errorf("%d answers", taken)
	}
}

// TestShares: requests and answers are bounded, together and for each partner, and requests
// that wait have no room of their own for what wallets send.
func TestShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := openid.NewRequests()
		if got := r.Open("one", 10_000, false); got != 2_500 {
			t.Errorf("%d requests of one partner", got)
		}
		all := 0
		for _, owner := range []string{"a", "b", "c", "d", "e"} {
			all += r.Open(owner, 10_000, true)
		}
		if all != 10_000 {
			t.Errorf("%d requests of five partners", all)
		}
		time.Sleep(time.Minute)
		all = 0
		for i, owner := range []string{"a", "b", "c", "d", "e"} {
			if got := r.Open(owner, 100, true); got != 100 {
				t.Fatalf("%d requests after those have ended", got)
			}
			got := r.Answers(owner, 100, 1<<20)
			if all += got; got > 16 || i == 0 && got < 15 {
				t.Errorf("%d answers of 1 MiB are kept for one partner in 16 MiB", got)
			}
		}
		if all < 60 || all > 63 {
			t.Errorf("%d answers of 1 MiB are kept in 64 MiB", all)
		}
		time.Sleep(time.Minute)
		if got := r.Answers("a", 100, 1); got != 0 {
			t.Errorf("%d answers to what has ended", got)
		}
		r.Open("one", 1, false)
		if owners, bytes := r.Held(); owners != 0 || bytes != 0 {
			t.Errorf("%d owners, %d bytes are accounted for when all has ended", owners, bytes)
		}
	})
}
