package login_test

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"testing"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/login"
	"github.com/killick-ledger/killick/gateway/login/logintest"
	"github.com/killick-ledger/killick/gateway/vc"
)

const origin = "https://gateway.example"

// documents are DIDs beside did:key, which tests change. The error of a DID stands
// for the whole document.
type documents struct {
	mu      sync.Mutex
	methods map[string]vc.Method // by DID URL
	errors  map[string]error     // by DID URL
}

func (d *documents) Method(_ context.Context, id string) (*vc.Method, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.errors[id]; err != nil {
		return nil, err
	}
	m, ok := d.methods[id]
	if !ok {
		return nil, fault.New(fault.KeyUnknown, "no such key")
	}
	return &m, nil
}

// set puts a key into a document, for the purposes.
func (d *documents) set(controller, fragment string, key *logintest.Key, purposes ...vc.Purpose) string {
	public, err := did.ParseKey(key.Multikey)
	if err != nil {
		panic(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	id := controller + "#" + fragment
	d.methods[id] = vc.Method{ID: id, Controller: controller, Key: public, Purposes: purposes}
	return id
}

func (d *documents) fail(id string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.errors[id] = err
}

type world struct {
	t         *testing.T
	service   *login.Service
	documents *documents
	handler   http.Handler
}

// begin makes a service with one page that needs a login.
func begin(t *testing.T) *world {
	t.Helper()
	d := &documents{methods: map[string]vc.Method{}, errors: map[string]error{}}
	v := &vc.Verifier{Resolver: d}
	w := &world{t: t, documents: d, service: login.New(login.Config{URL: origin, Method: v.Method, Log: slog.New(slog.DiscardHandler)})}
	mux := http.NewServeMux()
	w.service.Register(mux, func(h http.Handler) http.Handler { return h })
	mux.Handle("/page", w.service.Protect(func(w http.ResponseWriter, _ *http.Request, c *login.Caller) {
		login.Answer(w, http.StatusOK, map[string]string{"did": c.DID, "method": c.Method})
	}))
	w.handler = mux
	return w
}

func (w *world) client() *logintest.Client {
	return &logintest.Client{URL: origin, Handler: w.handler, Key: logintest.NewKey("ES256")}
}

// loggedIn is a client whose did:key is logged in.
func (w *world) loggedIn() (*logintest.Client, *logintest.Key) {
	w.t.Helper()
	c, key := w.client(), logintest.NewKey("EdDSA")
	if a := c.Login(key, key.KeyID()); a.Status != http.StatusOK {
		w.t.Fatalf("login: %d %s", a.Status, a.Body)
	}
	return c, key
}

func (w *world) want(a *logintest.Answer, status int, code string) {
	w.t.Helper()
	if a.Status != status || a.Code() != code {
		w.t.Errorf("%d %s, want %d %s", a.Status, a.Body, status, code)
	}
}
