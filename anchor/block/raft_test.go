package block_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/block/blocktest"
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
			b.Metadata.Metadata[0] = blocktest.Wire(&m)
			d, err := block.Decode(blocktest.Wire(&b))
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

// forge signs a block as an orderer that its own maker certified.
func forge(t *testing.T, b *common.Block, m *common.Metadata, mspID string) *common.MetadataSignature {
	t.Helper()
	d, err := block.Decode(blocktest.Wire(b))
	if err != nil {
		t.Fatal(err)
	}
	orderer := blocktest.NewMember(mspID).Another("orderer")
	header := blocktest.Wire(&common.SignatureHeader{Creator: orderer.Serialized})
	return &common.MetadataSignature{SignatureHeader: header, Signature: orderer.Sign(m.Value, header, d.Header)}
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
