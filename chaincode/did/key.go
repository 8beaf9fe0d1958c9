package did

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"math/big"
	"slices"
	"strings"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	secp256k1ecdsa "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/mr-tron/base58"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
)

// Algorithm is a signature algorithm by its name in JWS (RFC 7518, 8037, 8812).
type Algorithm string

// The algorithms that sign operations. Each belongs to one type of key.
const (
	EdDSA  Algorithm = "EdDSA"  // Ed25519
	ES256  Algorithm = "ES256"  // ECDSA on P-256 with SHA-256
	ES256K Algorithm = "ES256K" // ECDSA on secp256k1 with SHA-256
)

// Algorithms are all of them, in the order of docs/formats/operation.md.
var Algorithms = []Algorithm{EdDSA, ES256, ES256K}

// Known says that operations may be signed with the algorithm.
func (a Algorithm) Known() bool { return slices.Contains(Algorithms, a) }

// Multicodec prefixes of public keys, as varints.
var (
	ed25519Prefix   = []byte{0xed, 0x01}
	p256Prefix      = []byte{0x80, 0x24}
	secp256k1Prefix = []byte{0xe7, 0x01}
	x25519Prefix    = []byte{0xec, 0x01}
)

// signatureSize is that of all three algorithms; for ECDSA it is r and s.
const signatureSize = 64

// PublicKey is a public key of a document. That of an ECDSA algorithm is a point of
// its curve, and not its neutral element; that of Ed25519 is any 32 bytes, and no
// signature is good for those that are no point. One of X25519 is any 32 bytes; it
// signs nothing, and content can be encrypted to it. It does not change, and may be
// used by several goroutines at once.
type PublicKey struct {
	alg       Algorithm // empty: it signs nothing
	text      string    // Multikey
	ed25519   [32]byte  // of EdDSA; ZIP-215 takes every encoding that has a point
	p256      *ecdsa.PublicKey
	secp256k1 *secp256k1.PublicKey
}

// ParseKey reads the Multikey form of a public key that signs, in its one spelling:
// base58btc of the multicodec prefix and the key, points of P-256 and secp256k1
// compressed. Errors: fault.InvalidValue.
func ParseKey(text string) (*PublicKey, error) {
	k, err := parseText(text)
	if err == nil && k.alg == "" {
		return nil, fault.New(fault.InvalidValue, "publicKeyMultibase is not an Ed25519, P-256 or secp256k1 key")
	}
	return k, err
}

// ParseAgreement reads the Multikey form of a key under keyAgreement. Errors:
// fault.InvalidValue.
func ParseAgreement(text string) (*ecdh.PublicKey, error) {
	k, err := parseText(text)
	if err != nil {
		return nil, err
	}
	key := k.agreement()
	if key == nil {
		return nil, fault.New(fault.InvalidValue, "publicKeyMultibase is not a key of X25519 or P-256")
	}
	return key, nil
}

// parseText reads the Multikey form of any public key that a document may have.
// Errors: fault.InvalidValue.
func parseText(text string) (*PublicKey, error) {
	if len(text) > 64 || !strings.HasPrefix(text, "z") {
		return nil, fault.New(fault.InvalidValue, "publicKeyMultibase must be z and base58btc")
	}
	raw, err := base58.Decode(text[1:])
	if err != nil || len(raw) < 2 || "z"+base58.Encode(raw) != text {
		return nil, fault.New(fault.InvalidValue, "publicKeyMultibase is not in canonical base58btc")
	}
	return parseMultikey(raw)
}

// parseMultikey reads the multicodec prefix and the key. Errors:
// fault.InvalidValue.
func parseMultikey(raw []byte) (*PublicKey, error) {
	if len(raw) < 2 {
		return nil, fault.New(fault.InvalidValue, "a public key of %d bytes", len(raw))
	}
	k := &PublicKey{text: "z" + base58.Encode(raw)}
	ok := false
	var err error
	switch prefix, key := raw[:2], raw[2:]; {
	case slices.Equal(prefix, ed25519Prefix):
		if ok = len(key) == len(k.ed25519); ok {
			k.alg, k.ed25519 = EdDSA, [32]byte(key)
		}
	case slices.Equal(prefix, p256Prefix):
		k.alg = ES256
		k.p256, ok = parseP256(key)
	case slices.Equal(prefix, x25519Prefix):
		ok = len(key) == 32
	case slices.Equal(prefix, secp256k1Prefix) && len(key) == secp256k1.PubKeyBytesLenCompressed:
		k.alg = ES256K
		k.secp256k1, err = secp256k1.ParsePubKey(key)
		ok = err == nil
	}
	if !ok {
		return nil, fault.New(fault.InvalidValue, "publicKeyMultibase is not an Ed25519, P-256, secp256k1 or X25519 key")
	}
	return k, nil
}

// parseP256 reads a compressed point, and refuses what is not on the curve.
func parseP256(compressed []byte) (*ecdsa.PublicKey, bool) {
	x, y := elliptic.UnmarshalCompressed(elliptic.P256(), compressed)
	if x == nil {
		return nil, false
	}
	uncompressed := make([]byte, 65)
	uncompressed[0] = 4
	x.FillBytes(uncompressed[1:33])
	y.FillBytes(uncompressed[33:])
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), uncompressed)
	return key, err == nil
}

// multikey is the binary form: multicodec prefix and key.
func (k *PublicKey) multikey() []byte {
	raw, _ := base58.Decode(k.text[1:]) // the text was made from it
	return raw
}

// agreement returns the key for agreeing on secrets (ECDH), nil when it is not of
// X25519 or P-256.
func (k *PublicKey) agreement() *ecdh.PublicKey {
	raw := k.multikey()
	switch {
	case slices.Equal(raw[:2], x25519Prefix):
		if key, err := ecdh.X25519().NewPublicKey(raw[2:]); err == nil {
			return key
		}
	case k.p256 != nil:
		if key, err := k.p256.ECDH(); err == nil {
			return key
		}
	}
	return nil
}

// Algorithm returns the one algorithm that the key signs with, empty for a key that
// signs nothing.
func (k *PublicKey) Algorithm() Algorithm { return k.alg }

// String returns the Multikey form.
func (k *PublicKey) String() string { return k.text }

// Equal says that two keys are the same key.
func (k *PublicKey) Equal(other *PublicKey) bool { return other != nil && k.text == other.text }

// Ed25519 returns the 32 bytes of a key whose algorithm is EdDSA.
func (k *PublicKey) Ed25519() []byte { return k.ed25519[:] }

// zip215 are the rules of ZIP-215, which batch verification shares: what one
// accepts the other does.
var zip215 = &ed25519.Options{Verify: ed25519.VerifyOptionsZIP_215}

// Verify says whether the 64 bytes are the key's signature over the message.
// For ECDSA they are r and s, each from 1 to below the order; as RFC 7518 and
// 8812 have it, both s and its negative are good.
func (k *PublicKey) Verify(message, signature []byte) bool {
	if len(signature) != signatureSize {
		return false
	}
	switch k.alg {
	case EdDSA:
		return ed25519.VerifyWithOptions(k.ed25519[:], message, signature, zip215)
	case ES256:
		digest := sha256.Sum256(message)
		return ecdsa.Verify(k.p256, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
	case ES256K:
		var r, s secp256k1.ModNScalar
		if r.SetByteSlice(signature[:32]) || s.SetByteSlice(signature[32:]) || r.IsZero() || s.IsZero() {
			return false
		}
		digest := sha256.Sum256(message)
		return secp256k1ecdsa.NewSignature(&r, &s).Verify(digest[:], k.secp256k1)
	}
	return false
}

// PreparedKey is an Ed25519 key with tables for batch verification, 1.5 kB. It
// does not change.
type PreparedKey struct{ expanded *ed25519.ExpandedPublicKey }

// Prepare returns the prepared form of an Ed25519 key, nil for bytes that are no
// point, with which no signature is good. It takes as long as half a signature
// takes to verify in a batch.
func (k *PublicKey) Prepare() *PreparedKey {
	expanded, err := ed25519.NewExpandedPublicKey(k.ed25519[:])
	if err != nil {
		return nil
	}
	return &PreparedKey{expanded}
}

// Batch verifies Ed25519 signatures together, under the rules of Verify.
type Batch struct {
	verifier *ed25519.BatchVerifier
	short    bool // a signature has another length
}

// NewBatch returns an empty batch for n signatures.
func NewBatch(n int) *Batch {
	return &Batch{verifier: ed25519.NewBatchVerifierWithCapacity(n).ForceNoPublicKeyExpansion()}
}

// Add adds a signature. prepared may be nil.
func (b *Batch) Add(k *PublicKey, prepared *PreparedKey, message, signature []byte) {
	switch {
	case len(signature) != signatureSize:
		b.short = true
	case prepared != nil:
		b.verifier.AddExpandedWithOptions(prepared.expanded, message, signature, zip215)
	default:
		b.verifier.AddWithOptions(k.ed25519[:], message, signature, zip215)
	}
}

// Verify says whether all signatures are good. The check is a random linear
// combination: a bad signature passes with a chance of 2^-128.
func (b *Batch) Verify() bool { return !b.short && b.verifier.VerifyBatchOnly(nil) }

// FormatKey returns the Multikey form of an Ed25519 public key.
func FormatKey(key [32]byte) string { return "z" + base58.Encode(KeyBytes(key)) }

// KeyBytes returns the multicodec bytes of an Ed25519 public key; a recovery
// commitment is their SHA-256.
func KeyBytes(key [32]byte) []byte { return append(slices.Clone(ed25519Prefix), key[:]...) }

// FormatX25519Key returns the Multikey form of an X25519 public key.
func FormatX25519Key(key [32]byte) string {
	return "z" + base58.Encode(append(slices.Clone(x25519Prefix), key[:]...))
}

// FormatP256Key returns the Multikey form of a P-256 public key, given as the 33
// bytes of its compressed point.
func FormatP256Key(compressed [33]byte) string {
	return "z" + base58.Encode(append(slices.Clone(p256Prefix), compressed[:]...))
}

// FormatSecp256k1Key returns the Multikey form of a secp256k1 public key, given
// as the 33 bytes of its compressed point.
func FormatSecp256k1Key(compressed [33]byte) string {
	return "z" + base58.Encode(append(slices.Clone(secp256k1Prefix), compressed[:]...))
}
