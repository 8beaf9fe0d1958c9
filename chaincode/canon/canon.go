// Package canon is the only maker of bytes that are hashed or signed: strict
// JSON in, compact or canonical JSON out, fixed-layout binary records, and
// domain-separated digests. Everything here is deterministic and pure. The
// layouts are specified in docs/formats.
package canon

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"

	"github.com/killick-ledger/killick/chaincode/fault"
	"golang.org/x/crypto/sha3"
)

// Sum returns SHA-256 over the concatenation of parts.
func Sum(parts ...[]byte) [32]byte {
	if len(parts) == 1 {
		return sha256.Sum256(parts[0])
	}
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return [32]byte(h.Sum(nil))
}

// Keccak returns Keccak-256 (the hash of Ethereum and Tron, not SHA3-256) over
// the concatenation of parts.
func Keccak(parts ...[]byte) [32]byte {
	h := sha3.NewLegacyKeccak256()
	for _, p := range parts {
		h.Write(p)
	}
	return [32]byte(h.Sum(nil))
}

// Hex returns lower-case hexadecimal.
func Hex(b []byte) string { return hex.EncodeToString(b) }

// UnHex reads lower-case hexadecimal of exactly n bytes.
// Errors: fault.InvalidValue.
func UnHex(s string, n int) ([]byte, error) {
	if len(s) != 2*n {
		return nil, fault.New(fault.InvalidValue, "want %d hexadecimal digits, got %d", 2*n, len(s))
	}
	out := make([]byte, n)
	for i := range out {
		hi, lo := nibble(s[2*i]), nibble(s[2*i+1])
		if hi > 15 || lo > 15 {
			return nil, fault.New(fault.InvalidValue, "want lower-case hexadecimal digits")
		}
		out[i] = hi<<4 | lo
	}
	return out, nil
}

// UnHex32 reads 64 lower-case hexadecimal digits. Errors: fault.InvalidValue.
func UnHex32(s string) ([32]byte, error) {
	b, err := UnHex(s, 32)
	if err != nil {
		return [32]byte{}, err
	}
	return [32]byte(b), nil
}

func nibble(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

var b64 = base64.RawURLEncoding.Strict()

// B64 returns base64url without padding.
func B64(b []byte) string { return b64.EncodeToString(b) }

// UnB64 reads base64url without padding; unused bits must be zero and line
// breaks are refused, so that one value has one spelling.
// Errors: fault.InvalidValue.
func UnB64(s string) ([]byte, error) {
	for i := range len(s) {
		if s[i] == '\n' || s[i] == '\r' {
			return nil, fault.New(fault.InvalidValue, "base64url with a line break")
		}
	}
	b, err := b64.DecodeString(s)
	if err != nil {
		return nil, fault.New(fault.InvalidValue, "want base64url without padding")
	}
	return b, nil
}
