// Package blocktest makes the blocks of a channel that never ran: members with keys and
// certificates of their own, its configuration, and transactions and blocks that they sign.
package blocktest

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

// Must is the value, of what only fails when a test is wrong.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Wire is a message as it stands on the wire.
func Wire(m proto.Message) []byte { return Must(proto.Marshal(m)) }

// Member is an organisation with the keys of its authority, of a peer, which orders as
// well, and of a client.
type Member struct {
	MSP          string
	authority    *ecdsa.PrivateKey
	ca           []byte // PEM
	Peer, Client *Identity
	Orderers     *Member                    // an organisation that orders and has no peers, which is its own as well; nil: none
	Anonymous    *Member                    // an organisation of its own whose members are (idemix); nil: none
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

func newKey() *ecdsa.PrivateKey { return Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

// NewMember is an organisation by its MSP's name; the same name gives another every time.
func NewMember(name string) *Member {
	m := &Member{MSP: name, authority: newKey()}
	m.ca = m.issue(m.template(), &m.authority.PublicKey)
	m.Peer, m.Client = m.Another("peer"), m.Another("client")
	return m
}

// Members are so many organisations: Org1MSP, Org2MSP and so on.
func Members(n int) []*Member {
	var all []*Member
	for i := range n {
		all = append(all, NewMember(fmt.Sprintf("Org%dMSP", i+1)))
	}
	return all
}

func (m *Member) template() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca." + m.MSP}, NotBefore: validFrom, NotAfter: validFrom.AddDate(30, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

func (m *Member) issue(c *x509.Certificate, key crypto.PublicKey) []byte {
	der := Must(x509.CreateCertificate(rand.Reader, c, m.template(), key, m.authority))
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// Another is an identity with these roles.
func (m *Member) Another(roles ...string) *Identity { return m.certify(newKey(), roles...) }

// Revoke is a list of the certificate of an identity, as one says that the member's
// authority is and signs it.
func (m *Member) Revoke(i *Identity, by *Member) []byte {
	block, _ := pem.Decode(i.cert)
	ca, _ := pem.Decode(m.ca)
	cert, issuer := Must(x509.ParseCertificate(block.Bytes)), Must(x509.ParseCertificate(ca.Bytes))
	issuer.PublicKey = by.authority.Public()
	return Must(x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
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
		SerialNumber: Must(rand.Int(rand.Reader, big.NewInt(1<<62))), Subject: pkix.Name{CommonName: m.MSP, OrganizationalUnit: roles},
		NotBefore: validFrom, NotAfter: validFrom.AddDate(30, 0, 0),
	}, i.key.Public())
	i.Serialized = Wire(&msp.SerializedIdentity{Mspid: m.MSP, IdBytes: i.cert})
	return i
}

// As is the identity's key with the name and the certificate of another.
func (i *Identity) As(other *Identity) *Identity {
	as := *i
	as.cert, as.Serialized = other.cert, other.Serialized
	return &as
}

// Sign signs as Fabric does, by ECDSA with a low s.
func (i *Identity) Sign(parts ...[]byte) []byte {
	key, ok := i.key.(*ecdsa.PrivateKey)
	if !ok {
		return Must(i.key.Sign(rand.Reader, bytes.Join(parts, nil), crypto.Hash(0)))
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
	return append(Must(asn1.Marshal(struct{ R, S *big.Int }{r, s})), i.Trailing...)
}

// group is its part of a configuration.
func (m *Member) group() *common.ConfigGroup {
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
	return mspGroup(0, own)
}

func mspGroup(kind int32, own proto.Message) *common.ConfigGroup {
	return &common.ConfigGroup{Values: map[string]*common.ConfigValue{"MSP": {Value: Wire(&msp.MSPConfig{Type: kind, Config: Wire(own)})}}}
}

// Config is the transaction with the configuration of a channel of these members, each
// with an orderer: it has a policy for chaincode definitions, and a capability.
func Config(members []*Member, definitions *common.Policy, capability string) []byte {
	groups, ordering := map[string]*common.ConfigGroup{}, map[string]*common.ConfigGroup{}
	orderers := &common.Orderers{}
	for i, m := range members {
		groups[m.MSP] = m.group()
		ordering[m.MSP] = groups[m.MSP]
		if o := m.Orderers; o != nil {
			ordering[o.MSP] = o.group()
		}
		if a := m.Anonymous; a != nil {
			groups[a.MSP] = mspGroup(1, &msp.IdemixMSPConfig{Name: a.MSP})
		}
		orderers.ConsenterMapping = append(orderers.ConsenterMapping, &common.Consenter{Id: uint32(i + 1), MspId: m.MSP, Identity: m.Peer.cert})
	}
	capabilities := Wire(&common.Capabilities{Capabilities: map[string]*common.Capability{capability: {}}})
	root := &common.ConfigGroup{Values: map[string]*common.ConfigValue{"Capabilities": {Value: capabilities}}, Groups: map[string]*common.ConfigGroup{
		"Application": {Groups: groups, Policies: map[string]*common.ConfigPolicy{
			"LifecycleEndorsement": {Policy: definitions},
		}},
		"Orderer": {Groups: ordering, Values: map[string]*common.ConfigValue{
			"ConsensusType": {Value: Wire(&orderer.ConsensusType{Type: "BFT"})}, "Orderers": {Value: Wire(orderers)},
		}},
	}}
	return Wire(&common.Envelope{Signature: []byte("nobody checks it"), Payload: Wire(&common.Payload{
		Header: &common.Header{
			ChannelHeader:   Wire(&common.ChannelHeader{Type: int32(common.HeaderType_CONFIG), ChannelId: channelName}),
			SignatureHeader: Wire(&common.SignatureHeader{Nonce: []byte("nonce")}),
		},
		Data: Wire(&common.ConfigEnvelope{Config: &common.Config{ChannelGroup: root}}),
	})})
}
