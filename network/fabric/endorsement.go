package fabric

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"slices"
	"sync"

	"github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
)

// peerRole is the organisational unit that makes a certificate a peer's.
const peerRole = "peer"

// endorser knows whose endorsements count for an organisation. A peer that signs
// wrongly would otherwise make every transaction invalid that it takes part in.
type endorser struct {
	mspID string
	roots *x509.CertPool

	mu   sync.Mutex
	last []byte            // identity that was accepted last
	cert *x509.Certificate // its certificate
}

func newEndorser(e Endpoint) (*endorser, error) {
	pem, err := os.ReadFile(e.MSPCA)
	if err != nil {
		return nil, fmt.Errorf("fabric: read certificate authority of %s: %w", e.MSPID, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("fabric: %s holds no certificate", e.MSPCA)
	}
	return &endorser{mspID: e.MSPID, roots: roots}, nil
}

// check refuses a response that the other members would not count as this
// organisation's endorsement of its payload.
func (e *endorser) check(r *peer.ProposalResponse) error {
	by := r.GetEndorsement().GetEndorser()
	cert, err := e.certificate(by)
	if err != nil {
		return fmt.Errorf("endorser: %w", err)
	}
	signed := slices.Concat(r.GetPayload(), by)
	signature := r.GetEndorsement().GetSignature()
	switch key := cert.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if !low(signature, key) {
			return errors.New("endorsement: signature is not in its low form")
		}
		err = cert.CheckSignature(x509.ECDSAWithSHA256, signed, signature)
	default:
		err = cert.CheckSignature(x509.PureEd25519, signed, signature)
	}
	if err != nil {
		return fmt.Errorf("endorsement: %w", err)
	}
	return nil
}

// certificate checks an identity: the organisation's name, its authority, a peer's
// role. A peer has one identity, so the last one is remembered.
func (e *endorser) certificate(serialized []byte) (*x509.Certificate, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cert != nil && bytes.Equal(serialized, e.last) {
		return e.cert, nil
	}
	var id msp.SerializedIdentity
	if err := proto.Unmarshal(serialized, &id); err != nil {
		return nil, err
	}
	if id.GetMspid() != e.mspID {
		return nil, fmt.Errorf("it is of %q in place of %s", id.GetMspid(), e.mspID)
	}
	block, _ := pem.Decode(id.GetIdBytes())
	if block == nil {
		return nil, errors.New("it has no certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: e.roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		return nil, err
	}
	if !slices.Contains(cert.Subject.OrganizationalUnit, peerRole) {
		return nil, fmt.Errorf("%s is not a peer", cert.Subject.CommonName)
	}
	e.last, e.cert = bytes.Clone(serialized), cert
	return cert, nil
}

// low reports whether s of an ECDSA signature is at most half the group's order:
// Fabric counts no other.
func low(signature []byte, key *ecdsa.PublicKey) bool {
	var v struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &v); err != nil {
		return false
	}
	return v.S.Cmp(new(big.Int).Rsh(key.Params().N, 1)) <= 0
}
