package openid_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/gateway/login/logintest"
	"github.com/killick-ledger/killick/gateway/openid"
)

// certified makes a chain of an authority and a leaf with the key, for a host.
func certified(t *testing.T, key crypto.Signer, host string) tls.Certificate {
	t.Helper()
	root, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	make := func(template, parent *x509.Certificate, public crypto.PublicKey) []byte {
		t.Helper()
		template.NotBefore, template.NotAfter, template.SerialNumber = time.Now().Add(-time.Hour), time.Now().Add(time.Hour), big.NewInt(1)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, public, root)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	authority := &x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true}
	ca := make(authority, authority, root.Public())
	leaf := make(&x509.Certificate{Subject: pkix.Name{CommonName: "gateway"}, DNSNames: []string{host}}, authority, key.Public())
	return tls.Certificate{Certificate: [][]byte{leaf, ca}, PrivateKey: key}
}

// TestCertifiedRequests: a wallet reads the request with the key of the certificate that
// comes with it, and what it presents is for that client_id.
func TestCertifiedRequests(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pair := certified(t, key, "gateway.example")
	certificate, err := openid.NewCertificate(pair, "gateway.example")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(pair.Certificate[0])
	for prefix, client := range map[string]string{"x509_hash": "x509_hash:" + logintest.B64(sum[:]), "x509_san_dns": "x509_san_dns:gateway.example"} {
		t.Run(prefix, func(t *testing.T) {
			w := begin(t, func(c *openid.Config) { c.Certificate = certificate })
			app := w.app(w.partner)
			a := app.Do("POST", "/v1/openid/requests", w.asking(sdQuery, `,"client_id_prefix":"`+prefix+`"`))
			u, err := url.Parse(a.Text("uri"))
			if err != nil || a.Text("client_id") != client {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			compact := w.wallet().Send("GET", strings.TrimPrefix(u.Query().Get("request_uri"), origin), "", "").Body
			header, claims := logintest.Decode(compact)
			chain := header["x5c"].([]any)
			der, err := base64.StdEncoding.DecodeString(chain[0].(string))
			if err != nil || len(chain) != 2 || header["kid"] != nil || claims["client_id"] != client {
				t.Fatalf("%v %v", header, err)
			}
			leaf, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			dot := strings.LastIndexByte(compact, '.')
			signature, err := base64.RawURLEncoding.DecodeString(compact[dot+1:])
			digest := sha256.Sum256([]byte(compact[:dot]))
			if err != nil || len(signature) != 64 ||
				!ecdsa.Verify(leaf.PublicKey.(*ecdsa.PublicKey), digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
				t.Errorf("not the certificate's signature: %v", err)
			}
			holder := logintest.NewKey("ES256")
			sdJWT := w.issued(`{"credentials":[`+diploma+`]}`, "diploma", holder)
			q := question{client: client, nonce: claims["nonce"].(string), state: claims["state"].(string), response: "/openid/response"}
			w.want(w.answer(q, token{"pid": {present(t, sdJWT, holder, q, []string{"degree", "address"})}}), 200, "")
		})
	}
}

func TestCertificateRefused(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other := certified(t, p256, "gateway.example")
	other.PrivateKey = p384
	for name, pair := range map[string]tls.Certificate{
		"none": {}, "another host": certified(t, p256, "other.example"), "P-384": certified(t, p384, "gateway.example"), "Ed25519": certified(t, ed, "gateway.example"),
		"another key": other, "no certificate": {Certificate: [][]byte{{1}}, PrivateKey: p256},
	} {
		if _, err := openid.NewCertificate(pair, "gateway.example"); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
