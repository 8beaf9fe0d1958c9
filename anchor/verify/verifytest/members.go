package verifytest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"google.golang.org/protobuf/proto"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func wire(m proto.Message) []byte { return must(proto.Marshal(m)) }

// Member is an organisation with the keys of its authority, of a peer, which orders as
// well, and of a client.
type Member struct {
	MSP          string
	authority    *ecdsa.PrivateKey
	ca           []byte // PEM
	Peer, Client *Identity
	Configured   func(*msp.FabricMSPConfig) // how it changed its part of the next configuration
}

// CA is the certificate of its authority, in PEM.
func (m *Member) CA() []byte { return m.ca }

// Identity is a key with a certificate of its member's authority.
type Identity struct {
	key        crypto.Signer
	cert       []byte // PEM
	Serialized []byte
	Trailing   []byte // behind each signature
	SHA3       bool   // it hashes so what it signs
}

// validFrom is when certificates begin.
var validFrom = time.Unix(1_600_000_000, 0)

func newKey() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

func newMember(number int) *Member {
	m := &Member{MSP: fmt.Sprintf("Org%dMSP", number), authority: newKey()}
	m.ca = m.issue(m.template(), &m.authority.PublicKey)
	m.Peer, m.Client = m.identity("peer"), m.identity("client")
	return m
}

func (m *Member) template() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca." + m.MSP}, NotBefore: validFrom, NotAfter: validFrom.AddDate(30, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

func (m *Member) issue(c *x509.Certificate, key crypto.PublicKey) []byte {
	der := must(x509.CreateCertificate(rand.Reader, c, m.template(), key, m.authority))
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func (m *Member) identity(role string) *Identity { return m.certify(newKey(), role) }

// Another is an identity with these roles.
func (m *Member) Another(roles ...string) *Identity { return m.certify(newKey(), roles...) }

// Revoke is a list of the certificate of an identity, as one says that the member's
// authority is and signs it.
func (m *Member) Revoke(i *Identity, by *Member) []byte {
	block, _ := pem.Decode(i.cert)
	ca, _ := pem.Decode(m.ca)
	cert, issuer := must(x509.ParseCertificate(block.Bytes)), must(x509.ParseCertificate(ca.Bytes))
	issuer.PublicKey = by.authority.Public()
	return must(x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: validFrom, NextUpdate: validFrom.AddDate(30, 0, 0),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: cert.SerialNumber, RevocationTime: validFrom}},
	}, issuer, by.authority))
}

// Ed25519 is another client, with a key of that kind.
func (m *Member) Ed25519() *Identity {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return m.certify(key, "client")
}

func (m *Member) certify(key crypto.Signer, roles ...string) *Identity {
	i := &Identity{key: key}
	i.cert = m.issue(&x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, big.NewInt(1<<62))), Subject: pkix.Name{CommonName: m.MSP, OrganizationalUnit: roles},
		NotBefore: validFrom, NotAfter: validFrom.AddDate(30, 0, 0),
	}, i.key.Public())
	i.Serialized = wire(&msp.SerializedIdentity{Mspid: m.MSP, IdBytes: i.cert})
	return i
}

// sign signs as Fabric does, by ECDSA with a low s.
func (i *Identity) sign(parts ...[]byte) []byte {
	key, ok := i.key.(*ecdsa.PrivateKey)
	if !ok {
		return must(i.key.Sign(rand.Reader, bytes.Join(parts, nil), crypto.Hash(0)))
	}
	h := sha256.New()
	if i.SHA3 {
		h = sha3.New256()
	}
	for _, p := range parts {
		h.Write(p)
	}
	r, s, err := ecdsa.Sign(rand.Reader, key, h.Sum(nil))
	if err != nil {
		panic(err)
	}
	n := key.Params().N
	if s.Cmp(new(big.Int).Rsh(n, 1)) > 0 {
		s.Sub(n, s)
	}
	return append(must(asn1.Marshal(struct{ R, S *big.Int }{r, s})), i.Trailing...)
}

// config is the configuration of a channel of these members, each with an orderer.
func config(members []*Member, definitions *common.Policy, capability string) []byte {
	groups := map[string]*common.ConfigGroup{}
	orderers := &common.Orderers{}
	for i, m := range members {
		own := &msp.FabricMSPConfig{
			Name: m.MSP, RootCerts: [][]byte{m.ca},
			FabricNodeOus: &msp.FabricNodeOUs{
				Enable: true, PeerOuIdentifier: &msp.FabricOUIdentifier{OrganizationalUnitIdentifier: "peer"},
				ClientOuIdentifier: &msp.FabricOUIdentifier{OrganizationalUnitIdentifier: "client"},
			},
		}
		if m.Configured != nil {
			m.Configured(own)
		}
		groups[m.MSP] = &common.ConfigGroup{Values: map[string]*common.ConfigValue{"MSP": {Value: wire(&msp.MSPConfig{Config: wire(own)})}}}
		orderers.ConsenterMapping = append(orderers.ConsenterMapping, &common.Consenter{Id: uint32(i + 1), MspId: m.MSP, Identity: m.Peer.cert})
	}
	capabilities := wire(&common.Capabilities{Capabilities: map[string]*common.Capability{capability: {}}})
	root := &common.ConfigGroup{Values: map[string]*common.ConfigValue{"Capabilities": {Value: capabilities}}, Groups: map[string]*common.ConfigGroup{
		"Application": {Groups: groups, Policies: map[string]*common.ConfigPolicy{
			"LifecycleEndorsement": {Policy: definitions},
		}},
		"Orderer": {Groups: groups, Values: map[string]*common.ConfigValue{
			"ConsensusType": {Value: wire(&orderer.ConsensusType{Type: "BFT"})}, "Orderers": {Value: wire(orderers)},
		}},
	}}
	return wire(&common.Envelope{Signature: []byte("nobody checks it"), Payload: wire(&common.Payload{
		Header: &common.Header{
			ChannelHeader:   wire(&common.ChannelHeader{Type: int32(common.HeaderType_CONFIG), ChannelId: channelName}),
			SignatureHeader: wire(&common.SignatureHeader{Nonce: []byte("nonce")}),
		},
		Data: wire(&common.ConfigEnvelope{Config: &common.Config{ChannelGroup: root}}),
	})})
}

// outOf is the policy that peers of so many members have endorsed.
func outOf(n int32, members []*Member) *common.SignaturePolicyEnvelope {
	gate := &common.SignaturePolicy_NOutOf{N: n}
	e := &common.SignaturePolicyEnvelope{Rule: &common.SignaturePolicy{Type: &common.SignaturePolicy_NOutOf_{NOutOf: gate}}}
	for i, m := range members {
		gate.Rules = append(gate.Rules, &common.SignaturePolicy{Type: &common.SignaturePolicy_SignedBy{SignedBy: int32(i)}})
		role := wire(&msp.MSPRole{MspIdentifier: m.MSP, Role: msp.MSPRole_PEER})
		e.Identities = append(e.Identities, &msp.MSPPrincipal{Principal: role})
	}
	return e
}
