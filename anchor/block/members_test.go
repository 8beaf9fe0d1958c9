package block_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/block/blocktest"
)

// configured is the first block of a channel of these members.
func configured(all []*blocktest.Member) *block.Block {
	config := blocktest.Config(all, &common.Policy{}, "V3_0")
	return blocktest.Must(block.Decode(blocktest.Wire(blocktest.Block(nil, []byte{0}, nil, config))))
}

// with is a member with another peer.
func with(m *blocktest.Member, p *blocktest.Identity) *blocktest.Member {
	other := *m
	other.Peer = p
	return &other
}

// rewritten is an identity whose certificate was written anew.
func rewritten(i *blocktest.Identity, write func(*pem.Block) []byte) *blocktest.Identity {
	var id msp.SerializedIdentity
	if err := proto.Unmarshal(i.Serialized, &id); err != nil {
		panic(err)
	}
	b, _ := pem.Decode(id.IdBytes)
	id.IdBytes = write(b)
	other := *i
	other.Serialized = blocktest.Wire(&id)
	return &other
}

// However a certificate is written, it is one endorser, as for Fabric.
func TestOneIdentity(t *testing.T) {
	all := blocktest.Members(2)
	m := all[0]
	members := blocktest.Must(configured(all).Members())
	for _, tt := range []struct {
		name string
		by   *blocktest.Identity
		want int
	}{
		{"the same", m.Peer, 1},
		{"another of the organisation", m.Another("peer"), 2},
		{"other armour", rewritten(m.Peer, func(b *pem.Block) []byte {
			return append([]byte("a peer\n"), pem.EncodeToMemory(&pem.Block{Type: "ANYTHING", Headers: map[string]string{"a": "b"}, Bytes: b.Bytes})...)
		}), 1},
		{"the other s", rewritten(m.Peer, func(b *pem.Block) []byte {
			var cert struct {
				Signed, Algorithm asn1.RawValue
				Signature         asn1.BitString
			}
			var rs struct{ R, S *big.Int }
			blocktest.Must(asn1.Unmarshal(b.Bytes, &cert))
			blocktest.Must(asn1.Unmarshal(cert.Signature.Bytes, &rs))
			rs.S.Sub(elliptic.P256().Params().N, rs.S)
			signature := blocktest.Must(asn1.Marshal(rs))
			cert.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
			return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: blocktest.Must(asn1.Marshal(cert))})
		}), 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if bytes.Equal(tt.by.Serialized, m.Peer.Serialized) != (tt.name == "the same") {
				t.Fatal("the case is none")
			}
			c := &blocktest.Call{Chaincode: "any"}
			tx := &block.Tx{Envelope: c.Envelope(m.Client, m, with(m, tt.by))}
			if by, err := members.Endorsements(tx); err != nil || len(by) != tt.want {
				t.Errorf("%d endorsers, %v; want %d", len(by), err, tt.want)
			}
		})
	}
}

// Roles are those that the organisation tells apart; administrators may be named as well.
func TestRoles(t *testing.T) {
	all := blocktest.Members(1)
	m := all[0]
	named := m.Another("client")
	m.Configured = func(c *msp.FabricMSPConfig) {
		c.FabricNodeOus.AdminOuIdentifier = &msp.FabricOUIdentifier{OrganizationalUnitIdentifier: "boss"}
		c.FabricNodeOus.OrdererOuIdentifier = &msp.FabricOUIdentifier{OrganizationalUnitIdentifier: "orderer"}
		rewritten(named, func(b *pem.Block) []byte {
			c.Admins = [][]byte{pem.EncodeToMemory(b)}
			return nil
		})
	}
	const member, admin, client, isPeer, orderer = 0, 1, 2, 3, 4
	members := blocktest.Must(configured(all).Members())
	for _, tt := range []struct {
		name string
		by   *blocktest.Identity
		want block.Roles
		peer bool
	}{
		{"a peer", m.Peer, block.RolesOf(member, isPeer), true},
		{"a client", m.Client, block.RolesOf(member, client), false},
		{"an administrator", m.Another("boss"), block.RolesOf(member, admin), false},
		{"a client that is named an administrator", named, block.RolesOf(member, admin, client), false},
		{"an orderer", m.Another("orderer"), block.RolesOf(member, orderer), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &blocktest.Call{Chaincode: "any"}
			tx := &block.Tx{Type: block.TypeEndorser, Envelope: c.Envelope(m.Client, with(m, tt.by))}
			if by, err := members.Endorsements(tx); err != nil || len(by) != 1 || by[0].Roles != tt.want {
				t.Errorf("%+v, %v; want roles %b", by, err, tt.want)
			}
			if by, err := members.Endorsers(tx); err != nil || (len(by) == 1) != tt.peer {
				t.Errorf("%v, %v among those with peers", by, err)
			}
		})
	}
}

// Peers take no signature of a consenter that its organisation would not take for a member,
// and one certificate makes one consenter; the role does not matter.
func TestConsenters(t *testing.T) {
	for _, tt := range []struct {
		name string
		good bool
		edit func(all []*blocktest.Member)
	}{
		{"as they are", true, func([]*blocktest.Member) {}},
		{"a client", true, func(all []*blocktest.Member) { all[0].Peer = all[0].Client }},
		{"revoked", false, func(all []*blocktest.Member) {
			all[0].Configured = func(c *msp.FabricMSPConfig) { c.RevocationList = [][]byte{all[0].Revoke(all[0].Peer, all[0])} }
		}},
		{"of two roles", false, func(all []*blocktest.Member) { all[0].Peer = all[0].Another("peer", "client") }},
		{"of another authority", false, func(all []*blocktest.Member) { all[0].Peer = all[3].Another("peer") }},
		{"one as two", false, func(all []*blocktest.Member) { all[1] = all[0] }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := blocktest.Members(4)
			tt.edit(all)
			first := configured(all)
			signers, _, err := first.Signers()
			if err != nil {
				t.Fatal(err)
			}
			c := &blocktest.Call{Chaincode: "any"}
			b := blocktest.Block(first, []byte{1}, all[:3], c.Envelope(all[2].Client, all[2]))
			if err := signers.Check(blocktest.Must(block.Decode(blocktest.Wire(b)))); (err == nil) != tt.good {
				t.Errorf("three of four: %v", err)
			}
		})
	}
}

// An organisation with anonymous members is in nobody's way, until one of them creates a
// transaction: that is not checked, and its endorsements are all the same.
func TestAnonymous(t *testing.T) {
	all := blocktest.Members(3)
	all[0].Anonymous = blocktest.NewMember("IdemixMSP")
	members, err := configured(all).Members()
	if err != nil || len(members.Peers) != 3 || members.Enough() != 1 {
		t.Fatalf("%d with peers, %v", len(members.Peers), err)
	}
	tx := func(by *blocktest.Identity, endorsers ...*blocktest.Member) *block.Tx {
		c := &blocktest.Call{Chaincode: "any", Args: [][]byte{nil}}
		b := blocktest.Block(nil, []byte{0}, nil, c.Envelope(by, endorsers...))
		return &blocktest.Must(block.Decode(blocktest.Wire(b))).Txs[0]
	}
	own, theirs := tx(all[1].Client, all[1]), tx(all[0].Anonymous.Client, all[1])
	if err := errors.Join(members.Check(own, 1), members.Proper(own)); err != nil {
		t.Error(err)
	}
	if err := members.Proper(theirs); !errors.Is(err, block.ErrUnchecked) {
		t.Error(err)
	}
	if err := members.Check(theirs, 1); !errors.Is(err, block.ErrUnchecked) {
		t.Error(err)
	}
	if err := members.Check(theirs, 2); err == nil || errors.Is(err, block.ErrUnchecked) {
		t.Errorf("too few endorsements: %v", err)
	}
	if _, err := members.Endorsements(tx(all[1].Client, all[0].Anonymous)); !errors.Is(err, block.ErrUnchecked) {
		t.Errorf("an anonymous endorser: %v", err)
	}
}

// A name that an authority's constraint does not reach is refused, as Fabric does.
func TestNameConstraints(t *testing.T) {
	for _, tt := range []struct {
		name        string
		constrained bool
		common      string
		dns         []string
		good        bool
	}{
		{"no constraint", false, "peer0.elsewhere", nil, true},
		{"a host without its name", true, "peer0.elsewhere", nil, false},
		{"a host with its name", true, "peer0.elsewhere", []string{"peer0.example.org"}, true},
		{"a wildcard", true, "*.elsewhere.", nil, false},
		{"no host", true, "Peer 0", nil, true},
		{"an empty label", true, "peer0..elsewhere", nil, true},
		{"nothing", true, "", nil, true},
		{"a dash before", true, "-peer.elsewhere", nil, true},
		{"a dash within", true, "peer-0.elsewhere", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key := blocktest.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
			from := time.Unix(1_600_000_000, 0)
			ca := &x509.Certificate{
				SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotBefore: from, NotAfter: from.AddDate(9, 0, 0),
				IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
			}
			if tt.constrained {
				ca.PermittedDNSDomains = []string{"example.org"}
			}
			issue := func(c *x509.Certificate) []byte {
				return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: blocktest.Must(x509.CreateCertificate(rand.Reader, c, ca, key.Public(), key))})
			}
			all := blocktest.Members(1)
			all[0].Configured = func(c *msp.FabricMSPConfig) { c.RootCerts, c.FabricNodeOus = [][]byte{issue(ca)}, nil }
			leaf := issue(&x509.Certificate{
				SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: tt.common}, NotBefore: from, NotAfter: from.AddDate(9, 0, 0), DNSNames: tt.dns,
			})
			members := blocktest.Must(configured(all).Members())
			_, _, err := members.Creator(&block.Tx{Creator: blocktest.Wire(&msp.SerializedIdentity{Mspid: all[0].MSP, IdBytes: leaf})})
			if (err == nil) != tt.good {
				t.Error(err)
			}
		})
	}
}

// What is no role can be read and not evaluated.
func TestPolicyUnchecked(t *testing.T) {
	envelope := &common.SignaturePolicyEnvelope{
		Rule:       &common.SignaturePolicy{Type: &common.SignaturePolicy_SignedBy{}},
		Identities: []*msp.MSPPrincipal{{PrincipalClassification: msp.MSPPrincipal_ORGANIZATION_UNIT}},
	}
	p, err := block.ApplicationPolicy(blocktest.Wire(&peer.ApplicationPolicy{Type: &peer.ApplicationPolicy_SignaturePolicy{SignaturePolicy: envelope}}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Satisfied(nil); !errors.Is(err, block.ErrUnchecked) {
		t.Error(err)
	}
}
