package signer_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/anchor/signer/signertest"
	"github.com/killick-ledger/killick/chaincode/canon"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// remoteSigner is a signer on the loopback.
type remoteSigner struct {
	dir     string // with certificates
	url     string
	address [20]byte
}

func serve(t *testing.T, k *signer.Key) *remoteSigner {
	t.Helper()
	return serveHandler(t, k.Address(), signer.Handler([]*signer.Key{k}))
}

func serveHandler(t *testing.T, address [20]byte, h http.Handler) *remoteSigner {
	t.Helper()
	dir := signertest.Certificates(t)
	settings, err := signer.TLS(filepath.Join(dir, "signer.pem"), filepath.Join(dir, "signer.key"), filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.TLS = settings
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	return &remoteSigner{dir: dir, url: s.URL, address: address}
}

func (r *remoteSigner) path(name string) string { return filepath.Join(r.dir, name) }

// file is a key file that names the signer.
func (r *remoteSigner) file(t *testing.T) string {
	t.Helper()
	text, err := json.Marshal(map[string]string{"remote": r.url, "address": "0x" + canon.Hex(r.address[:]),
		"ca": "ca.pem", "cert": "anchor.pem", "key": "anchor.key"})
	if err != nil {
		t.Fatal(err)
	}
	return write(t, r.path("sender.key"), string(text))
}

func (r *remoteSigner) open(t *testing.T) *signer.Key {
	t.Helper()
	k, err := signer.Open(r.file(t))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestRemoteAnswers(t *testing.T) {
	k := priv("one")
	digest := sha256.Sum256([]byte("what is signed"))
	good := bare(k, digest)
	respond := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
		wrong  bool
	}{
		"as specified":     {respond(200, `{"signature":"`+canon.Hex(good[:])+`"}`), "", false},
		"another member":   {respond(200, `{"signature":"`+canon.Hex(good[:])+`","v":27}`), "unknown field", true},
		"too short":        {respond(200, `{"signature":"00"}`), "128 hexadecimal", true},
		"not JSON":         {respond(200, canon.Hex(good[:])), "no signature of its key", true},
		"of another key":   {respond(200, `{"signature":"`+hexOf(bare(priv("two"), digest))+`"}`), "no signature of its key", true},
		"refused":          {respond(503, "the token is locked"), "503", false},
		"sends elsewhere":  {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/v2", http.StatusTemporaryRedirect) }, "307", false},
		"answers for ever": {respond(200, `{"signature":"`+strings.Repeat("0", 1<<20)), "no signature of its key", true},
		"hangs up":         {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "ask the remote signer", false},
	} {
		t.Run(name, func(t *testing.T) {
			sig, err := serveHandler(t, canon.KeyAddress(k.PubKey()), c.answer).open(t).Sign(t.Context(), digest)
			if c.want == "" {
				if err != nil || sig != canon.SignDigest(k, digest) {
					t.Errorf("%x, %v", sig, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, signer.ErrWrong) != c.wrong || sig != [65]byte{} {
				t.Errorf("%x, %v; want %q, wrong %v", sig, err, c.want, c.wrong)
			}
		})
	}
}

func hexOf(rs [64]byte) string { return canon.Hex(rs[:]) }

// A signer that does not answer is given up when the caller stops waiting.
func TestRemoteHangs(t *testing.T) {
	stop := make(chan struct{})
	k := priv("one")
	r := serveHandler(t, canon.KeyAddress(k.PubKey()), http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	t.Cleanup(func() { close(stop) }) // before the server is closed
	key := r.open(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := key.Sign(ctx, [32]byte{1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// Neither side talks to whom its authority does not know.
func TestRemoteMutualTLS(t *testing.T) {
	signed := 0
	k := priv("one")
	r := serveHandler(t, canon.KeyAddress(k.PubKey()), http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		signed++
		signer.Handler([]*signer.Key{signer.Software(k)}).ServeHTTP(w, req)
	}))
	foreign := &remoteSigner{dir: signertest.Certificates(t)}
	open := func(cert, key, ca string) error {
		text, err := json.Marshal(map[string]string{"remote": r.url, "address": "0x" + canon.Hex(r.address[:]), "ca": ca, "cert": cert, "key": key})
		if err != nil {
			t.Fatal(err)
		}
		opened, err := signer.Open(write(t, r.path("sender.key"), string(text)))
		if err != nil {
			t.Fatal(err)
		}
		_, err = opened.Sign(t.Context(), [32]byte{1})
		return err
	}
	if err := open(foreign.path("anchor.pem"), foreign.path("anchor.key"), r.path("ca.pem")); err == nil || signed > 0 {
		t.Errorf("signed for a client of another authority: %v", err)
	}
	if err := open(r.path("anchor.pem"), r.path("anchor.key"), foreign.path("ca.pem")); err == nil || signed > 0 {
		t.Errorf("asked a signer of another authority: %v", err)
	}
	if err := open(r.path("anchor.pem"), r.path("anchor.key"), r.path("ca.pem")); err != nil || signed != 1 {
		t.Errorf("%d signed: %v", signed, err)
	}
}

func TestHandlerRefuses(t *testing.T) {
	k := signer.Software(priv("one"))
	a := k.Address()
	address := "0x" + canon.Hex(a[:])
	broken := signer.New(a, device(func(context.Context, [32]byte) ([64]byte, error) { return [64]byte{}, errors.New("PIN 1234 is locked") }))
	wrong := signer.New(a, device(func(_ context.Context, d [32]byte) ([64]byte, error) { return bare(priv("two"), d), nil }))
	zeros := strings.Repeat("0", 64)
	for name, c := range map[string]struct {
		key    *signer.Key
		method string
		body   string
		status int
	}{
		"good":           {k, "POST", `{"address":"` + address + `","digest":"` + zeros + `"}`, 200},
		"GET":            {k, "GET", "", 405},
		"no JSON":        {k, "POST", "x", 400},
		"unknown member": {k, "POST", `{"address":"` + address + `","digest":"` + zeros + `","data":"x"}`, 400},
		"two bodies":     {k, "POST", `{"address":"` + address + `","digest":"` + zeros + `"}{}`, 400},
		"short digest":   {k, "POST", `{"address":"` + address + `","digest":"00"}`, 400},
		"unknown key":    {k, "POST", `{"address":"0x` + strings.Repeat("0", 40) + `","digest":"` + zeros + `"}`, 404},
		"too long":       {k, "POST", `{"address":"` + strings.Repeat("x", 1<<16) + `"}`, 400},
		"device away":    {broken, "POST", `{"address":"` + address + `","digest":"` + zeros + `"}`, 503},
		"device wrong":   {wrong, "POST", `{"address":"` + address + `","digest":"` + zeros + `"}`, 503},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			signer.Handler([]*signer.Key{c.key}).ServeHTTP(w, httptest.NewRequest(c.method, "/v1/sign", strings.NewReader(c.body)))
			if w.Code != c.status {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if strings.Contains(w.Body.String(), "1234") {
				t.Errorf("the device's own words go to the client: %s", w.Body)
			}
		})
	}
}
