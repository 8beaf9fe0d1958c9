package openid

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/gateway/jose"
)

// Certificate is an X.509 certificate chain with its key, which signs requests for
// wallets that know the chain's authority.
type Certificate struct {
	chain [][]byte // DER, the leaf first
	key   crypto.Signer
	host  string
}

// NewCertificate checks that a certificate's key is of P-256, and that it is for the
// host that the gateway is reached under.
func NewCertificate(pair tls.Certificate, host string) (*Certificate, error) {
	if len(pair.Certificate) == 0 {
		return nil, errors.New("there is no certificate")
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	public, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	key, signs := pair.PrivateKey.(crypto.Signer)
	if !ok || !signs || public.Curve != elliptic.P256() || !public.Equal(key.Public()) {
		return nil, errors.New("the certificate's key is not of P-256: requests are signed with ES256")
	}
	if err := leaf.VerifyHostname(host); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return &Certificate{pair.Certificate, key, host}, nil
}

// clientID is the certificate's in the words of a prefix.
func (c *Certificate) clientID(prefix string) string {
	if prefix == prefixHash {
		sum := sha256.Sum256(c.chain[0])
		return prefixHash + ":" + canon.B64(sum[:])
	}
	return prefixDNS + ":" + c.host
}

// sign makes a request object with the chain in its header.
func (c *Certificate) sign(payload canon.Object) (string, error) {
	var chain []any
	for _, der := range c.chain {
		chain = append(chain, base64.StdEncoding.EncodeToString(der)) // RFC 7515: not base64url
	}
	header := canon.Object{}.With("alg", "ES256").With("typ", requestType).With("x5c", chain)
	return jose.Sign(header, payload, func(message []byte) ([]byte, error) {
		digest := sha256.Sum256(message)
		der, err := c.key.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil {
			return nil, err
		}
		var pair struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(der, &pair); err != nil {
			return nil, err
		}
		signature := make([]byte, 64)
		pair.R.FillBytes(signature[:32])
		pair.S.FillBytes(signature[32:])
		return signature, nil
	})
}
