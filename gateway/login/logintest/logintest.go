// Package logintest is a client and a wallet for tests, written apart from the code
// under test: keys of the standard library and of decred's, JSON of encoding/json, and
// JOSE by hand.
package logintest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	k1 "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/mr-tron/base58"
)

// Claims are the members of a JSON object.
type Claims = map[string]any

// Key is a private key for one algorithm.
type Key struct {
	Alg  string
	jwk  Claims
	sign func(message []byte) []byte
	// Multikey is the public key's.
	Multikey string
}

// NewKey draws a key for EdDSA, ES256 or ES256K.
func NewKey(alg string) *Key {
	switch alg {
	case "EdDSA":
		_, private, err := ed25519.GenerateKey(rand.Reader)
		check(err)
		return edKey(private)
	case "ES256":
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		check(err)
		point, err := private.PublicKey.Bytes()
		check(err)
		return &Key{alg, ecKey("P-256", point), func(m []byte) []byte {
			digest := sha256.Sum256(m)
			r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
			check(err)
			return pair(r, s)
		}, multikey(0x1200, compress(point))}
	case "ES256K":
		private, err := secp256k1.GeneratePrivateKey()
		check(err)
		point := private.PubKey().SerializeUncompressed()
		return &Key{alg, ecKey("secp256k1", point), func(m []byte) []byte {
			digest := sha256.Sum256(m)
			signature := k1.Sign(private, digest[:])
			r, s := signature.R(), signature.S()
			x, y := r.Bytes(), s.Bytes()
			return append(x[:], y[:]...)
		}, multikey(0xe7, compress(point))}
	}
	panic("no keys for " + alg)
}

func edKey(private ed25519.PrivateKey) *Key {
	public := private.Public().(ed25519.PublicKey)
	return &Key{"EdDSA", Claims{"kty": "OKP", "crv": "Ed25519", "x": B64(public)}, func(m []byte) []byte { return ed25519.Sign(private, m) }, multikey(0xed, public)}
}

// SeededKey is the key of Ed25519 that a name always makes, and Seed its 32 bytes.
func SeededKey(name string) *Key {
	seed := sha256.Sum256([]byte("logintest " + name))
	return edKey(ed25519.NewKeyFromSeed(seed[:]))
}

// Seed is the seed of SeededKey, in base64url.
func Seed(name string) string {
	seed := sha256.Sum256([]byte("logintest " + name))
	return B64(seed[:])
}

func ecKey(curve string, point []byte) Claims {
	return Claims{"kty": "EC", "crv": curve, "x": B64(point[1:33]), "y": B64(point[33:])}
}

func compress(point []byte) []byte { return append([]byte{2 | point[64]&1}, point[1:33]...) }

func pair(r, s *big.Int) []byte {
	out := make([]byte, 64)
	r.FillBytes(out[:32])
	s.FillBytes(out[32:])
	return out
}

func multikey(code uint64, key []byte) string {
	var prefix []byte
	for ; code >= 0x80; code >>= 7 {
		prefix = append(prefix, byte(code)|0x80)
	}
	return "z" + base58.Encode(append(append(prefix, byte(code)), key...))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// B64 is base64url without padding.
func B64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// DID is the did:key of the key, and KeyID its DID URL.
func (k *Key) DID() string { return "did:key:" + k.Multikey }

// KeyID is the DID URL of the key in the document of its did:key.
func (k *Key) KeyID() string { return k.DID() + "#" + k.Multikey }

// JWK returns the public key.
func (k *Key) JWK() Claims {
	out := Claims{}
	for name, value := range k.jwk {
		out[name] = value
	}
	return out
}

// Sign returns the signature that JWS has for the algorithm.
func (k *Key) Sign(message []byte) []byte { return k.sign(message) }

// Thumbprint is that of the JWK.
func (k *Key) Thumbprint() string {
	text := fmt.Sprintf(`{"crv":"%s","kty":"%s","x":"%s"}`, k.jwk["crv"], k.jwk["kty"], k.jwk["x"])
	if k.jwk["kty"] == "EC" {
		text = fmt.Sprintf(`{"crv":"%s","kty":"EC","x":"%s","y":"%s"}`, k.jwk["crv"], k.jwk["x"], k.jwk["y"])
	}
	sum := sha256.Sum256([]byte(text))
	return B64(sum[:])
}

// JWS signs claims under a header; alg is that of the key unless the header has it.
func (k *Key) JWS(header, claims Claims) string {
	h := Claims{"alg": k.Alg}
	for name, value := range header {
		h[name] = value
	}
	input := B64(encode(h)) + "." + B64(encode(claims))
	return input + "." + B64(k.sign([]byte(input)))
}

func encode(v any) []byte {
	data, err := json.Marshal(v)
	check(err)
	return data
}

// Decode returns header and payload of a JWS, whose signature it does not check.
func Decode(compact string) (header, claims Claims) {
	var parts [2]Claims
	at := 0
	for i := range parts {
		end := at
		for compact[end] != '.' {
			end++
		}
		data, err := base64.RawURLEncoding.DecodeString(compact[at:end])
		check(err)
		check(json.Unmarshal(data, &parts[i]))
		at = end + 1
	}
	return parts[0], parts[1]
}

// Random returns 128 random bits as text.
func Random() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return B64(b)
}

// Hash is base64url of SHA-256.
func Hash(text string) string {
	h := crypto.SHA256.New()
	h.Write([]byte(text))
	return B64(h.Sum(nil))
}
