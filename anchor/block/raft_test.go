package block_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"github.com/killick-ledger/killick/anchor/block"
	"google.golang.org/protobuf/proto"
)

// On a Raft channel one orderer signs, and it is a member of one of the organisations
// that the configuration block names.
func TestRaftSignatures(t *testing.T) {
	signers, ok, err := recorded(t, "raft/0.block").Signers()
	organisations, _ := signers.(block.Organisations)
	if err != nil || !ok || len(organisations) != 3 {
		t.Fatalf("%v, %v, %v", signers, ok, err)
	}
	for _, name := range []string{"raft/1.block", "raft/2.block", "raft/3.block"} {
		if err := signers.Check(recorded(t, name)); err != nil {
			t.Error(err)
		}
	}
	if err := signers.Check(recorded(t, "1.block")); err == nil {
		t.Error("signatures of a BFT channel count")
	}
	raw, err := os.ReadFile("testdata/raft/3.block")
	if err != nil {
		t.Fatal(err)
	}
	creator := func(s *common.MetadataSignature) *msp.SerializedIdentity {
		var h common.SignatureHeader
		var id msp.SerializedIdentity
		if proto.Unmarshal(s.SignatureHeader, &h) != nil || proto.Unmarshal(h.Creator, &id) != nil {
			t.Fatal("signature header")
		}
		return &id
	}
	for _, tt := range []struct {
		name string
		want string // in the error; empty: good
		edit func(b *common.Block, m *common.Metadata)
	}{
		{"as recorded", "", func(*common.Block, *common.Metadata) {}},
		{"validation codes are not signed", "", func(b *common.Block, _ *common.Metadata) { b.Metadata.Metadata[2][1] = 11 }},
		{"a forged one before it", "", func(b *common.Block, m *common.Metadata) {
			m.Signatures = append([]*common.MetadataSignature{forge(t, b, m, "Org1OrdererMSP")}, m.Signatures...)
		}},
		{"another previous block", "does not match", func(b *common.Block, _ *common.Metadata) { b.Header.PreviousHash[0]++ }},
		{"another number", "does not match", func(b *common.Block, _ *common.Metadata) { b.Header.Number++ }},
		{"another value", "does not match", func(_ *common.Block, m *common.Metadata) { m.Value[0]++ }},
		{"none", "no signature", func(_ *common.Block, m *common.Metadata) { m.Signatures = nil }},
		{"as a consenter", "no signature", func(_ *common.Block, m *common.Metadata) {
			m.Signatures[0].IdentifierHeader, m.Signatures[0].SignatureHeader = []byte{8, 1}, nil
		}},
		{"a self-made orderer", "certificate signed by unknown authority", func(b *common.Block, m *common.Metadata) {
			m.Signatures = []*common.MetadataSignature{forge(t, b, m, creator(m.Signatures[0]).Mspid)}
		}},
		{"another organisation", `"Org4OrdererMSP" is no organisation`, func(b *common.Block, m *common.Metadata) {
			m.Signatures = []*common.MetadataSignature{forge(t, b, m, "Org4OrdererMSP")}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b common.Block
			var m common.Metadata
			if proto.Unmarshal(raw, &b) != nil || proto.Unmarshal(b.Metadata.Metadata[0], &m) != nil {
				t.Fatal("testdata/raft/3.block")
			}
			tt.edit(&b, &m)
			b.Metadata.Metadata[0] = marshal(t, &m)
			d, err := block.Decode(marshal(t, &b))
			if err != nil {
				t.Fatal(err)
			}
			err = signers.Check(d)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v; want %q", err, tt.want)
			}
		})
	}
}

// forge signs a block with a key that its own maker certified.
func forge(t *testing.T, b *common.Block, m *common.Metadata, mspID string) *common.MetadataSignature {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "orderer"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	header := marshal(t, &common.SignatureHeader{Creator: marshal(t, &msp.SerializedIdentity{Mspid: mspID, IdBytes: certificate})})
	headerDER, err := asn1.Marshal(struct {
		Number         *big.Int
		Previous, Data []byte
	}{new(big.Int).SetUint64(b.Header.Number), b.Header.PreviousHash, b.Header.DataHash})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(slices.Concat(m.Value, header, headerDER))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	if n := key.Params().N; s.Cmp(new(big.Int).Rsh(n, 1)) > 0 {
		s.Sub(n, s)
	}
	signature, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		t.Fatal(err)
	}
	return &common.MetadataSignature{SignatureHeader: header, Signature: signature}
}

// A transaction that several Raft orderers took stands on the ledger several times,
// once with effect; that one is found.
func TestTransactionThatWasOrderedThreeTimes(t *testing.T) {
	b := recorded(t, "raft/3.block")
	if len(b.Txs) != 3 || b.Txs[0].ID != b.Txs[1].ID || b.Txs[0].ID != b.Txs[2].ID {
		t.Fatalf("%d transactions", len(b.Txs))
	}
	found, ok := b.Find(b.Txs[0].ID)
	if !ok || found.Index != 0 || len(found.Writes) != 1 || len(b.Txs[1].Writes)+len(b.Txs[2].Writes) != 0 {
		t.Errorf("found %+v", found)
	}
	slices.Reverse(b.Txs) // wherever it stands
	if found, ok := b.Find(b.Txs[0].ID); !ok || found.Code != block.CodeValid {
		t.Errorf("found %+v", found)
	}
}
