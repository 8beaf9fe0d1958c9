package replay_test

import (
	"context"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/msp"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/block/blocktest"
	"github.com/killick-ledger/killick/anchor/verify/replay"
	"github.com/killick-ledger/killick/anchor/verify/verifytest"
)

// Validation codes of Fabric, which peers gave to transactions like those below.
const (
	badSignature     = 4
	badExtension     = 19
	badResponse      = 21
	invalidWriteSet  = 24
	invalidChaincode = 25
	invalidOther     = 255
)

// What Fabric lets one member do by itself, however odd, accuses nobody.
func TestOneMember(t *testing.T) {
	tests := []struct {
		name string
		odd  func(s *story, m *blocktest.Member)
	}{
		{"a chaincode that nobody defined", func(s *story, m *blocktest.Member) {
			for _, code := range []byte{badSignature, badResponse, invalidChaincode, invalidWriteSet, invalidOther} {
				s.Add([]byte{code}, s.Tx(&verifytest.Proposal{Chaincode: "nowhere", Function: "f"}, m))
			}
		}},
		{"its own collection under the name of Killick's chaincode", func(s *story, m *blocktest.Member) {
			hash := make([]byte, 32)
			p := &verifytest.Proposal{Function: "no such one", Collection: "_implicit_org_" + m.MSP, Private: []*kvrwset.KVWriteHash{{KeyHash: hash, ValueHash: hash}}}
			s.Add([]byte{verifytest.Valid}, s.Tx(p, m))
			again := *p
			again.Collection, again.Private = "_implicit_org_nobody", p.Private
			s.Add([]byte{verifytest.Policy}, s.Tx(verifytest.Another(&again), m))
			s.Add([]byte{verifytest.Valid}, s.Tx(verifytest.Another(p))) // a policy that its own organisation made: nobody
		}},
		{"an id that an invalid one took before", func(s *story, m *blocktest.Member) {
			paid := s.pay(s.alice, s.bob, 1)
			good := s.Tx(paid, s.Members[:2]...)
			before := *paid // with its nonce, and so its id
			before.Extension = []byte{0xff}
			s.Add([]byte{badExtension}, s.Tx(&before, m))
			s.Add([]byte{verifytest.Duplicate}, good)
		}},
		{"a client with an Ed25519 key", func(s *story, m *blocktest.Member) {
			m.Client = m.Ed25519()
			s.honest(s.pay(s.alice, s.bob, 1))
			s.Configure(nil, "V2_0") // which takes none
			s.Add([]byte{badSignature}, s.Tx(s.pay(s.alice, s.bob, 1), s.Members[:2]...))
			m.Client = m.Peer
		}},
		{"a range with a summary and then without", func(s *story, m *blocktest.Member) {
			q := &kvrwset.RangeQueryInfo{StartKey: "a", EndKey: "b", ItrExhausted: true, ReadsInfo: &kvrwset.RangeQueryInfo_ReadsMerkleHashes{
				ReadsMerkleHashes: &kvrwset.QueryReadsMerkleSummary{MaxDegree: 2, MaxLevel: 1, MaxLevelHashes: [][]byte{{1}}},
			}}
			q.ProtoReflect().SetUnknown([]byte{4<<3 | 2, 0}) // raw reads, which stand behind it on the wire
			s.Add([]byte{verifytest.Valid}, s.Tx(&verifytest.Proposal{Chaincode: "other", Ranges: []*kvrwset.RangeQueryInfo{q}}, m))
		}},
		{"hashes that are none", func(s *story, m *blocktest.Member) {
			p := &verifytest.Proposal{Collection: "_implicit_org_" + m.MSP, Private: []*kvrwset.KVWriteHash{
				{KeyHash: []byte("a"), ValueHash: []byte("b")}, {ValueHash: []byte("c")},
			}}
			s.Add([]byte{verifytest.Valid}, s.Tx(p, m))
			p = &verifytest.Proposal{Chaincode: "other", Collection: verifytest.Nameless, Private: p.Private}
			s.Add([]byte{verifytest.Valid}, s.Tx(p, m))
			at := &kvrwset.Version{BlockNum: uint64(len(s.Blocks)) - 1} // where such a write has gone
			s.Add([]byte{verifytest.Valid}, s.Tx(&verifytest.Proposal{Chaincode: "other", Reads: []*kvrwset.KVRead{{Key: "a", Version: at}}}, m))
		}},
		{"a signature with bytes behind it", func(s *story, m *blocktest.Member) {
			m.Client.Trailing = []byte{0}
			s.honest(s.pay(s.alice, s.bob, 1))
		}},
		{"keys written twice", func(s *story, m *blocktest.Member) {
			put := func(key, value string) *kvrwset.KVWrite { return &kvrwset.KVWrite{Key: key, Value: []byte(value)} }
			other := func(reads []*kvrwset.KVRead, writes ...*kvrwset.KVWrite) {
				s.Add([]byte{verifytest.Valid}, s.Tx(&verifytest.Proposal{Chaincode: "other", Reads: reads, Writes: writes}, m))
			}
			other(nil, put("twice", "a"), put("twice", "b"), put("thrice", "a"), put("thrice", "b"), put("thrice", "c"), put("both", "a"), &kvrwset.KVWrite{Key: "both"})
			at := &kvrwset.Version{BlockNum: uint64(len(s.Blocks)) - 1}
			other([]*kvrwset.KVRead{{Key: "twice"}, {Key: "thrice", Version: at}, {Key: "both"}})
		}},
		{"keys that would be put without a value", func(s *story, m *blocktest.Member) {
			// Fabric's peers as released panic; patched ones leave the keys as they are.
			tx := func(p *verifytest.Proposal) []byte {
				p.Chaincode = "other"
				return s.Tx(p, m)
			}
			keys := []string{"gone", "set", "removed", "deleted"}
			var puts []*kvrwset.KVWrite
			for _, key := range keys {
				puts = append(puts, &kvrwset.KVWrite{Key: key, Value: []byte("a")})
			}
			s.Add([]byte{verifytest.Valid}, tx(&verifytest.Proposal{Writes: puts}))
			at := &kvrwset.Version{BlockNum: uint64(len(s.Blocks)) - 1}
			metadata := func(key string, times int, entries ...*kvrwset.KVMetadataEntry) *verifytest.Proposal {
				return &verifytest.Proposal{Metadata: slices.Repeat([]*kvrwset.KVMetadataWrite{{Key: key, Entries: entries}}, times)}
			}
			gone := []*kvrwset.KVWrite{{Key: "gone", IsDelete: true}}
			some := &kvrwset.KVMetadataEntry{Name: "a"}
			s.Add(make([]byte, 6), tx(&verifytest.Proposal{Writes: gone}), tx(metadata("gone", 1, some)), tx(metadata("gone", 1)),
				tx(metadata("set", 128, some)), tx(metadata("removed", 64)),
				tx(&verifytest.Proposal{Writes: slices.Repeat([]*kvrwset.KVWrite{{Key: "deleted", IsDelete: true}}, 32)}))
			reads := []*kvrwset.KVRead{{Key: "gone"}, {Key: "set", Version: at}, {Key: "removed", Version: at}, {Key: "deleted", Version: at}}
			s.Add([]byte{verifytest.Valid}, tx(&verifytest.Proposal{Reads: reads}))
		}},
		{"ranges that no peer reads", func(s *story, m *blocktest.Member) {
			// Fabric's peers as released panic; for patched ones they have changed.
			config := &kvrwset.RangeQueryInfo{StartKey: "C", EndKey: "D", ItrExhausted: true}
			read := &kvrwset.KVRead{Key: "CHANNEL_CONFIG_ENV_BYTES", Version: &kvrwset.Version{}}
			config.ReadsInfo = &kvrwset.RangeQueryInfo_RawReads{RawReads: &kvrwset.QueryReads{KvReads: []*kvrwset.KVRead{read}}}
			p := &verifytest.Proposal{Chaincode: "other", ReadsOf: verifytest.Nameless, Ranges: []*kvrwset.RangeQueryInfo{config}}
			s.Add([]byte{verifytest.Valid}, s.Tx(p, m))
			read.Version = nil
			s.Add([]byte{verifytest.Phantom}, s.Tx(verifytest.Another(p), m))
			summary := &kvrwset.QueryReadsMerkleSummary{MaxDegree: 1, MaxLevel: 1, MaxLevelHashes: [][]byte{{1}, {2}, {3}}}
			config.ReadsInfo = &kvrwset.RangeQueryInfo_ReadsMerkleHashes{ReadsMerkleHashes: summary}
			for range 2 {
				s.Add([]byte{verifytest.Phantom}, s.Tx(verifytest.Another(p), m))
				summary.MaxDegree++
			}
		}},
		{"the configuration read", func(s *story, m *blocktest.Member) {
			// Peers keep it as a key of no namespace (peer.ConfigTxProcessor).
			p := &verifytest.Proposal{Chaincode: "other", ReadsOf: verifytest.Nameless, Reads: []*kvrwset.KVRead{{
				Key: "CHANNEL_CONFIG_ENV_BYTES", Version: &kvrwset.Version{},
			}}}
			s.Add([]byte{verifytest.Valid}, s.Tx(p, m))
		}},
		{"a client of its orderers", func(s *story, m *blocktest.Member) {
			// Their organisation has no peers: it creates transactions, and endorses none.
			own := m.Client
			m.Orderers = blocktest.NewMember("Org1OrdererMSP")
			s.Configure(nil, "V3_0")
			m.Client = m.Orderers.Client
			s.Add([]byte{verifytest.Valid}, s.Tx(&verifytest.Proposal{Chaincode: "other", Writes: []*kvrwset.KVWrite{{Key: "a", Value: []byte("b")}}}, m))
			s.Add([]byte{verifytest.Policy}, s.Tx(s.pay(s.alice, s.bob, 1), m, m.Orderers))
			m.Client = own
		}},
		{"another chaincode without endorsement", func(s *story, m *blocktest.Member) {
			s.Add([]byte{verifytest.Valid}, s.Tx(&verifytest.Proposal{Chaincode: "other", Writes: []*kvrwset.KVWrite{{Key: "a", Value: []byte("b")}}}))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStory(t)
			tt.odd(s, s.Members[0])
			s.honest(s.pay(s.alice, s.bob, 2))
			if r, err := s.run(enough); err != nil || r.Difference != nil {
				t.Errorf("%v, %v", err, r.Difference)
			}
		})
	}
}

// What an organisation says of its own members decides whose signatures count, as Fabric's
// MSP has it.
func TestMembershipConfigured(t *testing.T) {
	definitions := &common.Policy{Type: int32(common.Policy_IMPLICIT_META)}
	tests := []struct {
		name string
		code byte
		set  func(s *story, client, peer *blocktest.Member)
	}{
		{"a client with two roles", badSignature, func(s *story, m, _ *blocktest.Member) { m.Client = m.Another("client", "peer") }},
		{"a client without one", badSignature, func(s *story, m, _ *blocktest.Member) { m.Client = m.Another() }},
		{"an endorser with two roles", verifytest.Policy, func(s *story, _, m *blocktest.Member) { m.Peer = m.Another("peer", "client") }},
		{"no roles", verifytest.Policy, func(s *story, _, m *blocktest.Member) {
			m.Configured = func(c *msp.FabricMSPConfig) { c.FabricNodeOus.Enable = false }
		}},
		{"another hash than it signs with", verifytest.Policy, func(s *story, _, m *blocktest.Member) { m.Peer.SHA3 = true }},
		{"a role of another authority", badSignature, func(s *story, m, other *blocktest.Member) {
			m.Configured = func(c *msp.FabricMSPConfig) {
				c.RootCerts = append(c.RootCerts, other.CA())
				c.FabricNodeOus.ClientOuIdentifier.Certificate = other.CA()
			}
		}},
		{"a unit that is wanted", badSignature, func(s *story, m, _ *blocktest.Member) {
			m.Configured = func(c *msp.FabricMSPConfig) {
				c.OrganizationalUnitIdentifiers = []*msp.FabricOUIdentifier{{OrganizationalUnitIdentifier: "department", Certificate: m.CA()}}
			}
		}},
		{"a unit that is there", verifytest.Valid, func(s *story, m, _ *blocktest.Member) {
			m.Client = m.Another("client", "department")
			m.Configured = func(c *msp.FabricMSPConfig) {
				c.OrganizationalUnitIdentifiers = []*msp.FabricOUIdentifier{{OrganizationalUnitIdentifier: "department", Certificate: m.CA()}}
			}
		}},
		{"a revoked client", badSignature, func(s *story, m, _ *blocktest.Member) {
			m.Configured = func(c *msp.FabricMSPConfig) { c.RevocationList = [][]byte{m.Revoke(m.Client, m)} }
		}},
		{"a revoked client, and a byte behind the list's signature", badSignature, func(s *story, m, _ *blocktest.Member) {
			list := edited(m.Revoke(m.Client, m), func(l *pkix.CertificateList) {
				signature := append(l.SignatureValue.Bytes, 0)
				l.SignatureValue = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
			})
			m.Configured = func(c *msp.FabricMSPConfig) { c.RevocationList = [][]byte{list} }
		}},
		{"a list of nobody", badSignature, func(s *story, m, other *blocktest.Member) {
			list := edited(m.Revoke(other.Client, m), func(l *pkix.CertificateList) { l.TBSCertList.Raw, l.TBSCertList.Extensions = nil, nil })
			m.Configured = func(c *msp.FabricMSPConfig) { c.RevocationList = [][]byte{list} }
		}},
		{"a list of another", verifytest.Valid, func(s *story, m, other *blocktest.Member) {
			m.Configured = func(c *msp.FabricMSPConfig) { c.RevocationList = [][]byte{m.Revoke(m.Client, other)} }
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStory(t)
			s.Signing = 4 // the first and the last may be no members any more
			tt.set(s, s.Members[0], s.Members[3])
			s.Configure(definitions, "V3_0")
			s.Add([]byte{tt.code}, s.Tx(s.pay(s.alice, s.bob, 1), s.Members[1], s.Members[3]))
			if r, err := s.run(enough); err != nil || r.Difference != nil {
				t.Errorf("%v, %v", err, r.Difference)
			}
		})
	}
}

// edited is a revocation list that was changed.
func edited(list []byte, edit func(*pkix.CertificateList)) []byte {
	var l pkix.CertificateList
	blocktest.Must(asn1.Unmarshal(list, &l))
	edit(&l)
	return blocktest.Must(asn1.Marshal(l))
}

// An organisation that hashes otherwise endorses and orders so.
func TestAnotherHash(t *testing.T) {
	s := newStory(t)
	m := s.Members[1]
	m.Configured = func(c *msp.FabricMSPConfig) { c.CryptoConfig = &msp.FabricCryptoConfig{SignatureHashFamily: "SHA3"} }
	s.Configure(&common.Policy{Type: int32(common.Policy_IMPLICIT_META)}, "V3_0")
	m.Peer.SHA3 = true
	s.honest(s.pay(s.alice, s.bob, 1))
	if r, err := s.run(enough); err != nil || r.Difference != nil {
		t.Errorf("%v, %v", err, r.Difference)
	}
	m.Peer.SHA3 = false
	s.honest(s.pay(s.alice, s.bob, 1))
	if r, err := s.run(enough); err != nil || r.Difference == nil || r.Difference.Field != "orderers' signatures" {
		t.Errorf("%v, %v", err, r.Difference)
	}
}

// Definitions are judged by the policy in charge, and by none when it is none of
// signatures.
func TestDefinitionsConfigured(t *testing.T) {
	s := newStory(t)
	s.Configure(&common.Policy{Type: int32(common.Policy_IMPLICIT_META)}, "V3_0")
	define := &verifytest.Proposal{Chaincode: "_lifecycle", Writes: []*kvrwset.KVWrite{{Key: "a", Value: []byte("b")}}}
	s.honest(define)
	if r, err := s.run(enough); err != nil || r.Difference != nil {
		t.Errorf("%v, %v", err, r.Difference)
	}
	s.Add([]byte{verifytest.Valid}, s.Tx(verifytest.Another(define)))
	if r, err := s.run(enough); err != nil || r.Difference == nil {
		t.Errorf("without an endorsement: %v, %v", err, r.Difference)
	}
}

// A policy of definitions that cannot be evaluated here matters once there is a definition.
func TestDefinitionsUnchecked(t *testing.T) {
	s := newStory(t)
	s.Configure(&common.Policy{Type: int32(common.Policy_SIGNATURE), Value: blocktest.Wire(&common.SignaturePolicyEnvelope{
		Rule:       &common.SignaturePolicy{Type: &common.SignaturePolicy_SignedBy{}},
		Identities: []*msp.MSPPrincipal{{PrincipalClassification: msp.MSPPrincipal_IDENTITY}},
	})}, "V3_0")
	s.honest(s.pay(s.alice, s.bob, 1))
	if r, err := s.run(enough); err != nil || r.Difference != nil {
		t.Errorf("%v, %v", err, r.Difference)
	}
	s.honest(&verifytest.Proposal{Chaincode: "_lifecycle", Writes: []*kvrwset.KVWrite{{Key: "a", Value: []byte("b")}}})
	if r, err := s.run(enough); !errors.Is(err, block.ErrUnchecked) || r.Difference != nil {
		t.Errorf("%v, %v", err, r.Difference)
	}
}

// An organisation with anonymous members is in the way of a replay once one of them has
// made a valid transaction.
func TestAnonymousCreator(t *testing.T) {
	s := newStory(t)
	m := s.Members[0]
	m.Anonymous = blocktest.NewMember("IdemixMSP")
	s.Configure(nil, "V3_0")
	s.honest(s.pay(s.alice, s.bob, 1))
	m.Client = m.Anonymous.Client
	s.Add([]byte{badSignature}, s.Tx(s.pay(s.alice, s.bob, 1), s.Members[:2]...))
	if r, err := s.run(enough); err != nil || r.Difference != nil {
		t.Errorf("%v, %v", err, r.Difference)
	}
	s.honest(s.pay(s.alice, s.bob, 1))
	if r, err := s.run(enough); !errors.Is(err, block.ErrUnchecked) || r.Difference != nil {
		t.Errorf("%v, %v", err, r.Difference)
	}
}

// A policy that cannot be evaluated here is no fault of anybody.
func TestPolicyOfAnotherKind(t *testing.T) {
	s := newStory(t)
	s.Add([]byte{verifytest.Valid}, s.Tx(&verifytest.Proposal{Chaincode: "_lifecycle", Writes: []*kvrwset.KVWrite{
		{Key: "namespaces/fields/killick/ValidationInfo", Value: verifytest.Reference("/Channel/Application/Endorsement")},
	}}, s.Members[:3]...))
	s.honest(s.pay(s.alice, s.bob, 1))
	if r, err := s.run(enough); err == nil || !strings.Contains(err.Error(), "/Channel/Application/Endorsement") || r.Difference != nil {
		t.Errorf("%v, %v", err, r.Difference)
	}
}

// A pipe that stays open behind the last block, or within, holds nothing up.
func TestOpenPipe(t *testing.T) {
	s := newStory(t)
	size := uint64(len(s.Blocks))
	for want, end := range map[uint64]error{size: nil, size + 1: context.Canceled} {
		synctest.Test(t, func(t *testing.T) {
			open := make(chan struct{})
			defer close(open)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Hour, cancel)
			source := func(yield func(block.Stored, error) bool) {
				for b, err := range s.stored() {
					if !yield(b, err) {
						return
					}
				}
				<-open
			}
			if _, err := replay.Run(ctx, source, replay.Config{LogID: s.Blocks[0].HeaderHash, Size: want, Limit: enough}); !errors.Is(err, end) {
				t.Errorf("%d of %d blocks: %v", want, size, err)
			}
		})
	}
}

// What cannot be read, and a mistake of this program, end a replay with an error.
func TestUnreadable(t *testing.T) {
	s := newStory(t)
	s.Configure(&common.Policy{Type: int32(common.Policy_SIGNATURE), Value: []byte{0xff}}, "V3_0")
	if r, err := s.run(enough); err == nil || r.Difference != nil {
		t.Errorf("a configuration: %v, %v", err, r.Difference)
	}
	source := func(func(block.Stored, error) bool) { panic("boom") }
	if _, err := replay.Run(t.Context(), source, replay.Config{Size: 1, Limit: enough}); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("a panic: %v", err)
	}
}

// However many blocks there are, few are read ahead when they are large.
func TestBlocksAtWork(t *testing.T) {
	s := newStory(t)
	synctest.Test(t, func(t *testing.T) {
		read, large := 0, make([]byte, 15<<20) // which is no block
		source := func(yield func(block.Stored, error) bool) {
			for b := range s.stored() {
				time.Sleep(3 * time.Second) // then there is progress to tell
				if !yield(b, nil) {
					return
				}
				break
			}
			for read = 1; yield(block.Stored{Raw: large}, nil); read++ {
			}
		}
		ahead := 0
		_, err := replay.Run(t.Context(), source, replay.Config{LogID: s.Blocks[0].HeaderHash, Size: 99, Limit: enough, Progress: func(replay.Report) {
			synctest.Wait()
			ahead = read
		}})
		if err == nil || ahead != 3 {
			t.Errorf("%v; %d blocks were read", err, ahead)
		}
	})
}
