package jose

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/mr-tron/base58"
)

// ParseKey reads a public key of Ed25519, P-256 or secp256k1 as JWK (RFC 7517, 8037,
// 8812). A private key is refused: whoever sent it has given it away.
// Errors: fault.InvalidValue.
func ParseKey(o canon.Object) (*did.PublicKey, error) {
	if _, ok := o.Find("d"); ok {
		return nil, fault.New(fault.InvalidValue, "the JWK holds a private key")
	}
	kty, curve := text(o, "kty"), text(o, "crv")
	x, err := coordinate(o, "x")
	if err != nil {
		return nil, err
	}
	if kty == "OKP" && curve == "Ed25519" {
		return did.ParseKey(did.FormatKey([32]byte(x)))
	}
	y, err := coordinate(o, "y")
	if err != nil {
		return nil, err
	}
	point := append(append([]byte{4}, x...), y...)
	// The parity of y tells which of two points it is; that the point is on the curve
	// is checked with y itself.
	compressed := [33]byte(append([]byte{2 | y[31]&1}, x...))
	switch {
	case kty == "EC" && curve == "P-256":
		if _, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point); err != nil {
			return nil, fault.New(fault.InvalidValue, "the JWK is no point of P-256")
		}
		return did.ParseKey(did.FormatP256Key(compressed))
	case kty == "EC" && curve == "secp256k1":
		if _, err := secp256k1.ParsePubKey(point); err != nil {
			return nil, fault.New(fault.InvalidValue, "the JWK is no point of secp256k1")
		}
		return did.ParseKey(did.FormatSecp256k1Key(compressed))
	}
	return nil, fault.New(fault.InvalidValue, "a JWK of type %.32q and curve %.32q; Ed25519, P-256 and secp256k1 are taken", kty, curve)
}

func coordinate(o canon.Object, name string) ([]byte, error) {
	b, err := canon.UnB64(text(o, name))
	if err != nil || len(b) != 32 {
		return nil, fault.New(fault.InvalidValue, "%s of the JWK is not base64url of 32 bytes", name)
	}
	return b, nil
}

// FormatKey writes a public key as JWK, with the members that its thumbprint has and
// no others.
func FormatKey(key *did.PublicKey) canon.Object {
	if key.Algorithm() == did.EdDSA {
		return canon.Object{}.With("kty", "OKP").With("crv", "Ed25519").With("x", canon.B64(key.Ed25519()))
	}
	multikey, _ := base58.Decode(key.String()[1:]) // the text was made from it
	curve, x, y := "P-256", []byte(nil), []byte(nil)
	if key.Algorithm() == did.ES256K {
		point, _ := secp256k1.ParsePubKey(multikey[2:]) // the key was checked when it was read
		full := point.SerializeUncompressed()
		curve, x, y = "secp256k1", full[1:33], full[33:]
	} else {
		px, py := elliptic.UnmarshalCompressed(elliptic.P256(), multikey[2:])
		x, y = px.FillBytes(make([]byte, 32)), py.FillBytes(make([]byte, 32))
	}
	return canon.Object{}.With("kty", "EC").With("crv", curve).With("x", canon.B64(x)).With("y", canon.B64(y))
}

// Thumbprint is the JWK thumbprint of a public key with SHA-256, in base64url: what
// the member jkt of a confirmation holds.
func Thumbprint(key *did.PublicKey) string {
	sum := sha256.Sum256(FormatKey(key).JCS()) // sorted and without spaces, as RFC 7638 wants it
	return canon.B64(sum[:])
}

func text(o canon.Object, name string) string {
	value, _ := o.Find(name)
	s, _ := value.(string)
	return s
}
