// Package jwe encrypts a record's private content to keys under keyAgreement of DIDs,
// and opens it with one of them. A content is a JWE (RFC 7516) in the form of
// docs/formats/content.md: a fresh key for each content (A256GCM), wrapped for each
// recipient by ECDH-ES+A256KW (RFC 7518 section 4.6) with an ephemeral key of its own,
// on X25519 (RFC 8037) or P-256. What is encrypted is a salt of 32 bytes and the
// content, so who opens it can check the record's commitment.
//
// The package draws randomness and does nothing else to the world. It says nothing of
// who encrypted: that the owner signed the content's digest does.
package jwe

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	josecipher "github.com/go-jose/go-jose/v4/cipher"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/record"
)

// keySize is the length of both the content's key and the keys that wrap it.
const keySize = 32

// ErrNotRecipient says that a content is not encrypted to any of the keys.
var ErrNotRecipient = errors.New("the content is not encrypted to this key")

// ErrCorrupt says that a content is encrypted to the key and does not open: it was
// changed, or encrypted wrongly.
var ErrCorrupt = errors.New("the content does not open: it was changed, or encrypted wrongly")

// Recipient is a public key that is to open a content.
type Recipient struct {
	KeyID string // DID URL
	Key   *ecdh.PublicKey
}

// Encrypt encrypts salt and content to the recipients and returns the bytes that an
// operation names by their SHA-256. Errors: those of record.DecodeContent, which
// say what the ledger would not take.
func Encrypt(salt [record.SaltSize]byte, content []byte, recipients ...Recipient) ([]byte, error) {
	random := make([]byte, keySize+12)
	if _, err := rand.Read(random); err != nil {
		return nil, fmt.Errorf("draw key: %w", err)
	}
	key, iv := random[:keySize], random[keySize:]
	aead, err := gcm(key)
	if err != nil {
		return nil, err
	}
	sealed := aead.Seal(nil, iv, append(salt[:], content...), []byte(record.ContentProtected))
	end := len(sealed) - aead.Overhead()
	c := record.Content{
		Protected: record.ContentProtected, IV: canon.B64(iv), Ciphertext: canon.B64(sealed[:end]), Tag: canon.B64(sealed[end:]),
	}
	for _, r := range recipients {
		wrapped, err := wrap(r, key)
		if err != nil {
			return nil, fmt.Errorf("encrypt to %s: %w", r.KeyID, err)
		}
		c.Recipients = append(c.Recipients, *wrapped)
	}
	data, err := canon.Marshal(c)
	if err != nil {
		return nil, err
	}
	_, err = record.DecodeContent(data)
	return data, err
}

// Open opens a content with the private key of a recipient and returns salt and
// content. Errors: those of record.DecodeContent, ErrNotRecipient, ErrCorrupt.
func Open(data []byte, keyID string, key *ecdh.PrivateKey) (salt [record.SaltSize]byte, content []byte, err error) {
	c, err := record.DecodeContent(data)
	if err != nil {
		return salt, nil, err
	}
	for _, r := range c.Recipients {
		if r.Header.Kid != keyID {
			continue
		}
		contentKey, err := unwrap(r, key)
		if err != nil {
			return salt, nil, err
		}
		plain, err := decrypt(c, contentKey)
		if err != nil {
			return salt, nil, err
		}
		return [record.SaltSize]byte(plain), plain[record.SaltSize:], nil
	}
	return salt, nil, ErrNotRecipient
}

// decrypt needs a content of record.DecodeContent.
func decrypt(c *record.Content, key []byte) ([]byte, error) {
	var parts [3][]byte
	for i, text := range []string{c.IV, c.Ciphertext, c.Tag} {
		var err error
		if parts[i], err = canon.UnB64(text); err != nil {
			return nil, err
		}
	}
	aead, err := gcm(key)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, parts[0], append(parts[1], parts[2]...), []byte(c.Protected))
	if err != nil {
		return nil, ErrCorrupt
	}
	return plain, nil
}

// wrap wraps the content's key for a recipient.
func wrap(to Recipient, contentKey []byte) (*record.Recipient, error) {
	own, err := to.Key.Curve().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("draw ephemeral key: %w", err)
	}
	epk, err := ephemeral(own.PublicKey())
	if err != nil {
		return nil, err
	}
	block, err := agree(own, to.Key)
	if err != nil {
		return nil, err
	}
	wrapped, err := josecipher.KeyWrap(block, contentKey)
	if err != nil {
		return nil, err
	}
	return &record.Recipient{
		Header:       record.RecipientHeader{Alg: record.ContentAlg, Kid: to.KeyID, Epk: *epk},
		EncryptedKey: canon.B64(wrapped),
	}, nil
}

// unwrap returns the content's key. It needs a recipient of record.DecodeContent.
func unwrap(r record.Recipient, key *ecdh.PrivateKey) ([]byte, error) {
	public, err := ephemeralKey(r.Header.Epk)
	if err != nil || public.Curve() != key.Curve() {
		return nil, ErrCorrupt
	}
	block, err := agree(key, public)
	if err != nil {
		return nil, ErrCorrupt
	}
	wrapped, err := canon.UnB64(r.EncryptedKey)
	if err != nil {
		return nil, err
	}
	contentKey, err := josecipher.KeyUnwrap(block, wrapped)
	if err != nil {
		return nil, ErrCorrupt
	}
	return contentKey, nil
}

// agree derives the key that wraps (RFC 7518 section 4.6.2), without apu and apv. A
// point of small order, with which everybody would derive the same, is refused.
func agree(own *ecdh.PrivateKey, other *ecdh.PublicKey) (cipher.Block, error) {
	secret, err := own.ECDH(other)
	if err != nil {
		return nil, err
	}
	alg := append(binary.BigEndian.AppendUint32(nil, uint32(len(record.ContentAlg))), record.ContentAlg...)
	bits := binary.BigEndian.AppendUint32(nil, 8*keySize)
	key := make([]byte, keySize)
	if _, err := josecipher.NewConcatKDF(crypto.SHA256, secret, alg, make([]byte, 4), make([]byte, 4), bits, nil).Read(key); err != nil {
		return nil, err
	}
	return aes.NewCipher(key)
}

// ephemeral returns the JWK form of a public key.
func ephemeral(key *ecdh.PublicKey) (*record.Ephemeral, error) {
	raw := key.Bytes()
	switch key.Curve() {
	case ecdh.X25519():
		return &record.Ephemeral{Kty: "OKP", Crv: "X25519", X: canon.B64(raw)}, nil
	case ecdh.P256():
		return &record.Ephemeral{Kty: "EC", Crv: "P-256", X: canon.B64(raw[1:33]), Y: canon.B64(raw[33:])}, nil
	}
	return nil, errors.New("keys of X25519 and P-256 can be encrypted to")
}

// ephemeralKey reads the JWK form of record.DecodeContent.
func ephemeralKey(e record.Ephemeral) (*ecdh.PublicKey, error) {
	x, err := canon.UnB64(e.X)
	if err != nil {
		return nil, err
	}
	if e.Kty == "OKP" {
		return ecdh.X25519().NewPublicKey(x)
	}
	y, err := canon.UnB64(e.Y)
	if err != nil {
		return nil, err
	}
	return ecdh.P256().NewPublicKey(append(append([]byte{4}, x...), y...))
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
