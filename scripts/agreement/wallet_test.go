//go:build agreement

package agreement_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os/exec"
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

// university issues under a did:key, and verifies.
type university struct{ key *logintest.Key }

func (u university) signer() *vc.Signer {
	return &vc.Signer{Method: u.key.KeyID(), Algorithm: did.EdDSA, Sign: func(m []byte) ([]byte, error) { return u.key.Sign(m), nil }}
}

func (u university) IssueJWT(context.Context, canon.Object, *openid.Configuration) (string, error) {
	return "", http.ErrNotSupported
}

func (u university) IssueSelective(_ context.Context, claims canon.Object, paths [][]string, holder *did.PublicKey, _ *openid.Configuration) (string, error) {
	return vc.IssueSelective(claims.JCS(), paths, holder, u.signer())
}

func (u university) Selective(ctx context.Context, compact []byte, expect vc.Expectation) (*vc.Selective, error) {
	return new(vc.Verifier).Selective(ctx, compact, &expect, time.Now())
}

func (u university) Presentation(context.Context, []byte, vc.Expectation) (*vc.Presentation, error) {
	return nil, http.ErrNotSupported
}

// serve has the university's diploma, to be offered and asked for by itself.
func (u university) serve(t *testing.T) *logintest.Client {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	method := new(vc.Verifier).Method
	sessions := login.New(login.Config{URL: server.URL, Method: method, Log: slog.New(slog.DiscardHandler)})
	wallets, err := openid.New(openid.Config{
		URL: server.URL, Login: sessions, Method: method, Issuer: u, Verifier: u, Signer: u.signer(),
		Configurations: []openid.Configuration{{
			ID: "diploma", Issuer: u.key.DID(), Format: openid.FormatSelective, Type: "https://university.example/diploma", Name: "Diploma", Life: time.Hour, Claims: []string{"name", "degree"},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	plain := func(h http.Handler) http.Handler { return h }
	sessions.Register(mux, plain)
	wallets.Register(mux, plain)
	app := &logintest.Client{URL: server.URL, Handler: mux, Key: logintest.NewKey("ES256")}
	if a := app.Login(u.key, u.key.KeyID()); a.Status != http.StatusOK {
		t.Fatalf("login: %d %s", a.Status, a.Body)
	}
	return app
}

// TestWallet: a wallet of others gets a credential and shows it, over every kind of offer
// and request that it knows.
func TestWallet(t *testing.T) {
	for name, c := range map[string]struct {
		offer, txCode string
		prefix        string
		dpop          bool
	}{
		"by reference, with a transaction code and DPoP, to an address": {"uri_by_reference", "true", "redirect_uri", true},
		"by value, with DPoP, to a DID":                                 {"uri", "false", "decentralized_identifier", true},
		"by value, with a bearer token, to a DID":                       {"uri", "false", "decentralized_identifier", false},
	} {
		t.Run(name, func(t *testing.T) {
			u := university{logintest.NewKey("EdDSA")}
			app := u.serve(t)
			offer := app.Do("POST", "/v1/openid/offers", `{"credentials":[{"configuration":"diploma","claims":{"name":"Erika","degree":"MSc"}}],"tx_code":`+c.txCode+`}`)
			request := app.Do("POST", "/v1/openid/requests", `{"dcql_query":{"credentials":[{"id":"d","format":"dc+sd-jwt","meta":{"vct_values":["https://university.example/diploma"]},
				"claims":[{"path":["degree"]}]}]},"issuers":{"d":["`+u.key.DID()+`"]},"client_id_prefix":"`+c.prefix+`"}`)
			with := args{"offer": offer.Text(c.offer), "request": request.Text("uri"), "dpop": c.dpop}
			if code := offer.Text("tx_code"); code != "" {
				with["txCode"] = code
			}
			input, err := json.Marshal(with)
			if err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), "node", "wallet.mjs", string(input)).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if a := app.Do("GET", "/v1/openid/offers/"+offer.Text("id"), ""); !strings.Contains(a.Body, `"state":"issued"`) || !strings.Contains(a.Body, "credential_accepted") {
				t.Errorf("%s", a.Body)
			}
			if a := app.Do("GET", "/v1/openid/requests/"+request.Text("id"), ""); a.Text("state") != "answered" || !strings.Contains(a.Body, `"degree":"MSc"`) {
				t.Errorf("%s", a.Body)
			}
		})
	}
}
