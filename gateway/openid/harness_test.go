package openid_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/gateway/login"
	"github.com/killick-ledger/killick/gateway/login/logintest"
	"github.com/killick-ledger/killick/gateway/openid"
	"github.com/killick-ledger/killick/gateway/vc"
)

const (
	origin     = "https://gateway.example"
	contextURL = "https://university.example/context"
	vct        = "https://university.example/diploma"
	preAuth    = "urn:ietf:params:oauth:grant-type:pre-authorized_code"
)

// world is a service whose issuer has a did:key.
type world struct {
	t        *testing.T
	contexts *vc.Contexts
	key      *logintest.Key // of the issuer
	partner  *logintest.Key // of an app that may ask for presentations
	handler  http.Handler
	fail     error // of the issuer
}

func (w *world) signer(key *logintest.Key) *vc.Signer {
	return &vc.Signer{Method: key.KeyID(), Algorithm: did.Algorithm(key.Alg), Sign: func(m []byte) ([]byte, error) { return key.Sign(m), nil }}
}

func (w *world) IssueJWT(_ context.Context, credential canon.Object, _ *openid.Configuration) (string, error) {
	if w.fail != nil {
		return "", w.fail
	}
	return w.contexts.IssueJWT(credential.JCS(), w.signer(w.key))
}

func (w *world) IssueSelective(_ context.Context, claims canon.Object, paths [][]string, holder *did.PublicKey, _ *openid.Configuration) (string, error) {
	if w.fail != nil {
		return "", w.fail
	}
	return vc.IssueSelective(claims.JCS(), paths, holder, w.signer(w.key))
}

func (w *world) Selective(ctx context.Context, compact []byte, expect vc.Expectation) (*vc.Selective, error) {
	return (&vc.Verifier{Contexts: w.contexts}).Selective(ctx, compact, &expect, time.Now())
}

func (w *world) Presentation(ctx context.Context, secured []byte, expect vc.Expectation) (*vc.Presentation, error) {
	// RFC 8785 stands for RDF: it is all the same to who is only to refuse the suite.
	asRDF := func(doc canon.Object) ([]byte, error) { return doc.JCS(), nil }
	return (&vc.Verifier{Contexts: w.contexts, RDF: asRDF}).Presentation(ctx, secured, expect, time.Now())
}

func begin(t *testing.T, changes ...func(*openid.Config)) *world {
	t.Helper()
	file := []byte(`{"@context":{"DiplomaCredential":"https://university.example/terms#DiplomaCredential"}}`)
	pinned, err := vc.PinContext(contextURL, file, sha256.Sum256(file), "DiplomaCredential")
	if err != nil {
		t.Fatal(err)
	}
	contexts, err := vc.NewContexts(pinned)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, contexts: contexts, key: logintest.NewKey("EdDSA"), partner: logintest.NewKey("ES256")}
	log := slog.New(slog.DiscardHandler)
	method := (&vc.Verifier{}).Method
	sessions := login.New(login.Config{URL: origin, Method: method, Log: log})
	cfg := openid.Config{
		URL: origin, Login: sessions, Method: method, Issuer: w, Verifier: w, Signer: w.signer(w.key), Verifiers: []string{w.partner.DID()},
		Configurations: []openid.Configuration{
			{ID: "diploma", Issuer: w.key.DID(), Format: openid.FormatSelective, Type: vct, Name: "Diploma", Schema: "s", Evidence: "provider", Life: time.Hour, Claims: []string{"given_name", "degree", "address", "year"}},
			{ID: "diploma-jwt", Issuer: w.key.DID(), Format: openid.FormatJWT, Type: "DiplomaCredential", Context: contextURL, Name: "Diploma", Schema: "s", Evidence: "provider", Life: time.Hour, Claims: []string{"given_name", "degree"}},
			{ID: "badge", Issuer: w.partner.DID(), Format: openid.FormatSelective, Type: "badge", Name: "Badge", Schema: "s", Evidence: "provider", Life: time.Hour, Claims: []string{"level"}},
		},
	}
	for _, f := range changes {
		f(&cfg)
	}
	service, err := openid.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	plain := func(h http.Handler) http.Handler { return h }
	sessions.Register(mux, plain)
	service.Register(mux, plain)
	w.handler = mux
	return w
}

// app is a partner app that is logged in with a key.
func (w *world) app(key *logintest.Key) *logintest.Client {
	w.t.Helper()
	c := &logintest.Client{URL: origin, Handler: w.handler, Key: logintest.NewKey("ES256")}
	if a := c.Login(key, key.KeyID()); a.Status != http.StatusOK {
		w.t.Fatalf("login: %d %s", a.Status, a.Body)
	}
	return c
}

// wallet is a wallet that has nothing yet.
func (w *world) wallet() *logintest.Client {
	c := &logintest.Client{URL: origin, Handler: w.handler, Key: logintest.NewKey("ES256")}
	c.Send("POST", "/v1/login", "", "") // a DPoP nonce
	return c
}

func (w *world) want(a *logintest.Answer, status int, code string) {
	w.t.Helper()
	if a.Status != status || a.Code() != code {
		w.t.Errorf("%d %s, want %d %s", a.Status, a.Body, status, code)
	}
}

const diploma = `{"configuration":"diploma","claims":{"given_name":"Erika","degree":"MSc","address":{"city":"Paris"},"year":2026}}`

// offer makes an offer, and returns what the app gets of it.
func (w *world) offer(app *logintest.Client, body string) *logintest.Answer {
	w.t.Helper()
	a := app.Do("POST", "/v1/openid/offers", body)
	if a.Status != http.StatusCreated {
		w.t.Fatalf("offer: %d %s", a.Status, a.Body)
	}
	return a
}

// code is the pre-authorized code that a wallet finds in an offer.
func code(t *testing.T, offer *logintest.Answer) string {
	t.Helper()
	u, err := url.Parse(offer.Text("uri"))
	if err != nil || u.Scheme != "openid-credential-offer" {
		t.Fatalf("%s: %v", offer.Text("uri"), err)
	}
	var object struct {
		Issuer string `json:"credential_issuer"`
		Grants map[string]struct {
			Code string `json:"pre-authorized_code"`
		} `json:"grants"`
	}
	if err := json.Unmarshal([]byte(u.Query().Get("credential_offer")), &object); err != nil || object.Issuer != origin {
		t.Fatalf("%s: %v", u, err)
	}
	return object.Grants[preAuth].Code
}

// redeem gets an access token for an offer.
func (w *world) redeem(wallet *logintest.Client, offer *logintest.Answer) {
	w.t.Helper()
	a := wallet.Form("/v1/token", url.Values{"grant_type": {preAuth}, "pre-authorized_code": {code(w.t, offer)}, "tx_code": {offer.Text("tx_code")}})
	if a.Status != http.StatusOK || a.Text("token_type") != "DPoP" {
		w.t.Fatalf("token: %d %s", a.Status, a.Body)
	}
	wallet.Token = a.Text("access_token")
}

// nonce gets a c_nonce.
func nonce(c *logintest.Client) string {
	return c.Send("POST", "/openid/nonce", "", "").Text("c_nonce")
}

// proof proves possession of a key, which the proof carries.
func proof(key *logintest.Key, nonce string, changes ...logintest.Change) string {
	header := logintest.Claims{"typ": "openid4vci-proof+jwt", "jwk": key.JWK()}
	claims := logintest.Claims{"aud": origin, "iat": time.Now().Unix(), "nonce": nonce}
	for _, f := range changes {
		f(header, claims)
	}
	return key.JWS(header, claims)
}

// ask is a credential request.
func ask(configuration string, proofs ...string) string {
	data, err := json.Marshal(logintest.Claims{"credential_configuration_id": configuration, "proofs": logintest.Claims{"jwt": proofs}})
	if err != nil {
		panic(err)
	}
	return string(data)
}

// received are the credentials in an answer.
func received(t *testing.T, a *logintest.Answer) []string {
	t.Helper()
	var answer struct {
		Credentials []struct{ Credential string }
	}
	if err := json.Unmarshal([]byte(a.Body), &answer); err != nil || a.Status != http.StatusOK {
		t.Fatalf("credentials: %d %s", a.Status, a.Body)
	}
	var out []string
	for _, c := range answer.Credentials {
		out = append(out, c.Credential)
	}
	return out
}

// issued is a credential that a wallet got from an offer of the body.
func (w *world) issued(body, configuration string, key *logintest.Key) string {
	w.t.Helper()
	wallet := w.wallet()
	w.redeem(wallet, w.offer(w.app(w.key), body))
	return received(w.t, wallet.Do("POST", "/openid/credential", ask(configuration, proof(key, nonce(wallet)))))[0]
}

// disclosures are the claims that an SD-JWT discloses, by name, each with its text.
func disclosures(t *testing.T, sdJWT string) map[string]string {
	t.Helper()
	out := map[string]string{}
	parts := strings.Split(sdJWT, "~")
	for _, d := range parts[1 : len(parts)-1] {
		raw, err := canon.UnB64(d)
		var array []any
		if err == nil {
			err = json.Unmarshal(raw, &array)
		}
		if err != nil || len(array) != 3 {
			t.Fatalf("disclosure %s: %v", d, err)
		}
		out[array[1].(string)] = d
	}
	return out
}
