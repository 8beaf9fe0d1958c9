package client

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	secp256k1ecdsa "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/killick-ledger/killick/chaincode/did"
)

// signingKey signs operations with one algorithm. The signatures of ECDSA are
// those of RFC 6979, so the same bytes always get the same one.
type signingKey struct {
	alg    did.Algorithm
	secret []byte // 32 bytes: the seed of Ed25519, or the scalar of an ECDSA key
	public string // Multikey
	sign   func(message []byte) ([]byte, error)
}

// drawKey draws a key.
func drawKey(alg did.Algorithm) (signingKey, error) {
	if !alg.Known() {
		return signingKey{}, fmt.Errorf("no operation is signed with %.40q; choose one of %s", string(alg), did.Algorithms)
	}
	for {
		secret := make([]byte, 32)
		if _, err := rand.Read(secret); err != nil {
			return signingKey{}, err
		}
		if key, err := newKey(alg, secret); err == nil {
			return key, nil
		} // of 2^32 draws for P-256 one is no scalar
	}
}

// newKey makes a key of its 32 bytes, which must be a scalar for ECDSA.
func newKey(alg did.Algorithm, secret []byte) (signingKey, error) {
	if len(secret) != 32 {
		return signingKey{}, errors.New("a signing key has 32 bytes")
	}
	switch alg {
	case did.EdDSA:
		private := ed25519.NewKeyFromSeed(secret)
		public := did.FormatKey([32]byte(private.Public().(ed25519.PublicKey)))
		return signingKey{alg, secret, public, func(message []byte) ([]byte, error) { return ed25519.Sign(private, message), nil }}, nil
	case did.ES256:
		private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), secret)
		if err != nil {
			return signingKey{}, err
		}
		point, err := private.PublicKey.Bytes()
		if err != nil {
			return signingKey{}, err
		}
		compressed := [33]byte(append([]byte{2 | point[64]&1}, point[1:33]...))
		return signingKey{alg, secret, did.FormatP256Key(compressed), func(message []byte) ([]byte, error) { return signP256(private, message) }}, nil
	case did.ES256K:
		var scalar secp256k1.ModNScalar
		if scalar.SetByteSlice(secret) || scalar.IsZero() {
			return signingKey{}, errors.New("not a scalar of secp256k1")
		}
		private := secp256k1.NewPrivateKey(&scalar)
		public := did.FormatSecp256k1Key([33]byte(private.PubKey().SerializeCompressed()))
		return signingKey{alg, secret, public, func(message []byte) ([]byte, error) {
			digest := sha256.Sum256(message)
			return secp256k1ecdsa.SignCompact(private, digest[:], true)[1:], nil
		}}, nil
	}
	return signingKey{}, fmt.Errorf("no algorithm %s", alg)
}

// signP256 returns r and s, 32 bytes each, as JWS has them.
func signP256(key *ecdsa.PrivateKey, message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	der, err := key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		return nil, err
	}
	out := make([]byte, 64)
	sig.R.FillBytes(out[:32])
	sig.S.FillBytes(out[32:])
	return out, nil
}
