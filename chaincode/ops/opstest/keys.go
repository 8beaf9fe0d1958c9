package opstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"fmt"
	"math/big"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	secp256k1ecdsa "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops"
)

// Key signs with one of the algorithms; the same name and message always make
// the same signature.
type Key struct {
	Alg       did.Algorithm
	Multikey  string
	Signature func(message []byte) []byte
}

// Commitment is what the member recovery of a document says of the key.
func (k Key) Commitment() string {
	public, err := did.ParseKey(k.Multikey)
	if err != nil {
		panic(err) // it was made above
	}
	return public.Commitment()
}

// NewKey returns the key of the algorithm that a name makes.
func NewKey(name string, alg did.Algorithm) Key {
	seed := Seed(name)
	switch alg {
	case did.ES256:
		private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed)
		if err != nil {
			panic(err) // of one name in 2^32
		}
		point, err := private.PublicKey.Bytes()
		if err != nil {
			panic(err)
		}
		return Key{alg, did.FormatP256Key(compress(point)), func(message []byte) []byte { return signP256(private, message) }}
	case did.ES256K:
		private := secp256k1.PrivKeyFromBytes(seed)
		public := [33]byte(private.PubKey().SerializeCompressed())
		return Key{alg, did.FormatSecp256k1Key(public), func(message []byte) []byte {
			digest := sha256.Sum256(message)
			return secp256k1ecdsa.SignCompact(private, digest[:], true)[1:]
		}}
	}
	private := ed25519.NewKeyFromSeed(seed)
	public := [32]byte(private.Public().(ed25519.PublicKey))
	return Key{did.EdDSA, did.FormatKey(public), func(message []byte) []byte { return ed25519.Sign(private, message) }}
}

// compress returns the short form of a point in its long form.
func compress(point []byte) [33]byte {
	return [33]byte(append([]byte{2 | point[64]&1}, point[1:33]...))
}

func signP256(key *ecdsa.PrivateKey, message []byte) []byte {
	digest := sha256.Sum256(message)
	der, err := key.Sign(nil, digest[:], crypto.SHA256) // without a source of randomness it is that of RFC 6979
	if err != nil {
		panic(err)
	}
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		panic(err)
	}
	out := make([]byte, 64)
	sig.R.FillBytes(out[:32])
	sig.S.FillBytes(out[32:])
	return out
}

// order is n of the curve of an ECDSA algorithm.
func order(alg did.Algorithm) *big.Int {
	if alg == did.ES256K {
		return secp256k1.Params().N
	}
	return elliptic.P256().Params().N
}

// Order returns the 32 bytes of n of the curve of an ECDSA algorithm.
func Order(alg did.Algorithm) []byte { return order(alg).FillBytes(make([]byte, 32)) }

// Malleate returns the other signature of an ECDSA key over the same bytes: with
// the negative of s.
func Malleate(alg did.Algorithm, signature []byte) []byte {
	s := new(big.Int).SetBytes(signature[32:])
	s.Sub(order(alg), s)
	return append(append([]byte{}, signature[:32]...), s.FillBytes(make([]byte, 32))...)
}

// NewUserOf returns a user whose key #k is of the algorithm.
func NewUserOf(name string, alg did.Algorithm) *User { return newUserOn(Network, name, alg) }

func newUserOn(network, name string, alg did.Algorithm) *User {
	u := &User{key: NewKey(name, alg), Auth: NewKey(name+" auth", did.EdDSA), Chain: secp256k1.PrivKeyFromBytes(Seed(name + " chain")), Recovery: NewKey(name+" recovery", alg)}
	if alg == did.EdDSA {
		u.Key = ed25519.NewKeyFromSeed(Seed(name))
	}
	u.Doc = fmt.Appendf(nil, `{"verificationMethod":[{"id":"#k","type":"Multikey","publicKeyMultibase":%q},{"id":"#auth","type":"Multikey","publicKeyMultibase":%q}],`+
		`"authentication":["#auth"],"capabilityInvocation":["#k"],"recovery":%q}`, u.key.Multikey, u.Auth.Multikey, u.Recovery.Commitment())
	var err error
	if u.DID, u.ID, err = ops.NewDID(network, u.Doc); err != nil {
		panic(err)
	}
	return u
}

// Own is the key #k, which may act.
func (u *User) Own() Key { return u.key }

// Alg is the algorithm of the user's key.
func (u *User) Alg() did.Algorithm { return u.key.Alg }

// Sign signs with the key that may act.
func (u *User) Sign(message []byte) ([]byte, error) { return u.key.Signature(message), nil }
