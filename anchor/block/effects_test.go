package block_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"
	"testing/fstest"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/block/blocktest"
)

// Summaries of many results are Fabric's: these were made with its
// rwsetutil.RangeQueryResultsHelper (v3.1.1).
func TestSummarise(t *testing.T) {
	tests := []struct {
		degree, results, level, hashes int
		hash                           string // of the hashes, cut
	}{
		{2, 3, 1, 1, "9ada1eb41cad3543"},
		{2, 4, 1, 2, "b6dfa23dc4d97d7c"},
		{2, 6, 1, 2, "74118f96eb53a240"},
		{2, 7, 2, 1, "ca55ff34d6d4073a"},
		{2, 9, 2, 1, "6ec251f12bad41ed"},
		{2, 10, 2, 2, "97aaeba97fd66cde"},
		{2, 27, 3, 1, "5dd8bc1ecdee0f33"},
		{2, 28, 3, 2, "ff66b5e5c8e97816"},
		{2, 100, 4, 2, "9c8682301ca9885a"},
		{3, 50, 3, 1, "297354e4d6d399c6"},
		{50, 51, 1, 1, "af32ba5d87d1d423"},
		{50, 52, 1, 2, "7bcb3514af09746b"},
		{50, 102, 1, 2, "31d283435f591462"},
		{50, 103, 1, 3, "f6788872a7b686a3"},
		{50, 2601, 2, 1, "0e83e95cfb008b7b"},
		{50, 2700, 2, 2, "4675103e835612dc"},
		{50, 9000, 2, 4, "676e529bc4e2dc74"},
	}
	for _, tt := range tests {
		var reads []block.Read
		for i := range tt.results {
			reads = append(reads, block.Read{Key: fmt.Sprintf("key%04d", i), Present: true, Height: block.Height{Block: uint64(i), Tx: uint64(i % 7)}})
		}
		s := block.Summarise(reads, uint32(tt.degree))
		if s == nil {
			t.Fatalf("%d results of degree %d: none", tt.results, tt.degree)
		}
		sum := sha256.Sum256(bytes.Join(s.Hashes, nil))
		if got := fmt.Sprintf("%x", sum[:8]); int(s.Level) != tt.level || len(s.Hashes) != tt.hashes || got != tt.hash {
			t.Errorf("%d results of degree %d: level %d, %d hashes, %s; want %+v", tt.results, tt.degree, s.Level, len(s.Hashes), got, tt)
		}
		if block.Summarise(reads[:min(tt.degree, len(reads))], uint32(tt.degree)) != nil || block.Summarise(reads, 1) != nil {
			t.Errorf("degree %d: a summary of too few results, or of no degree", tt.degree)
		}
	}
}

// Gates in gates; an endorsement counts for one principal.
func TestPolicies(t *testing.T) {
	by := func(i int32) *common.SignaturePolicy {
		return &common.SignaturePolicy{Type: &common.SignaturePolicy_SignedBy{SignedBy: i}}
	}
	gate := func(n int32, rules ...*common.SignaturePolicy) *common.SignaturePolicy {
		return &common.SignaturePolicy{Type: &common.SignaturePolicy_NOutOf_{NOutOf: &common.SignaturePolicy_NOutOf{N: n, Rules: rules}}}
	}
	envelope := &common.SignaturePolicyEnvelope{}
	for _, role := range []*msp.MSPRole{
		{MspIdentifier: "A", Role: msp.MSPRole_PEER}, {MspIdentifier: "B", Role: msp.MSPRole_PEER}, {MspIdentifier: "A", Role: msp.MSPRole_MEMBER},
		{MspIdentifier: "A", Role: msp.MSPRole_ADMIN}, {MspIdentifier: "A", Role: msp.MSPRole_CLIENT}, {MspIdentifier: "A", Role: msp.MSPRole_ORDERER},
	} {
		envelope.Identities = append(envelope.Identities, &msp.MSPPrincipal{Principal: blocktest.Wire(role)})
	}
	as := func(mspID string, role msp.MSPRole_MSPRoleType) block.Endorser {
		return block.Endorser{MSP: mspID, Roles: block.RolesOf(int32(msp.MSPRole_MEMBER), int32(role))}
	}
	peerOf := func(mspID string) block.Endorser { return as(mspID, msp.MSPRole_PEER) }
	client, admin, orderer := as("A", msp.MSPRole_CLIENT), as("A", msp.MSPRole_ADMIN), as("A", msp.MSPRole_ORDERER)
	tests := []struct {
		name   string
		rule   *common.SignaturePolicy
		by     []block.Endorser
		want   bool
		atmost int
	}{
		{"both", gate(2, by(0), by(1)), []block.Endorser{peerOf("B"), peerOf("A")}, true, 2},
		{"one of both", gate(2, by(0), by(1)), []block.Endorser{peerOf("B")}, false, 2},
		{"one is enough", gate(1, by(0), by(1)), []block.Endorser{peerOf("B")}, true, 1},
		{"no peer", gate(1, by(0), by(1)), []block.Endorser{client}, false, 1},
		{"a member", by(2), []block.Endorser{client}, true, 0},
		{"one counts once", gate(2, by(0), by(2)), []block.Endorser{peerOf("A")}, false, 0},
		{"two of one organisation", gate(2, by(0), by(2)), []block.Endorser{peerOf("A"), client}, true, 0},
		{"a gate in a gate", gate(2, by(1), gate(1, by(0), by(2))), []block.Endorser{peerOf("B"), client}, true, 0},
		{"nobody", gate(1, by(0)), nil, false, 1},
		{"every role", gate(3, by(3), by(4), by(5)), []block.Endorser{orderer, admin, client}, true, 0},
		{"no administrator", by(3), []block.Endorser{orderer, client, peerOf("A")}, false, 0},
		{"no client", by(4), []block.Endorser{orderer, admin, peerOf("A")}, false, 0},
		{"no orderer", by(5), []block.Endorser{admin, client, peerOf("A")}, false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			envelope.Rule = tt.rule
			p, err := block.ApplicationPolicy(blocktest.Wire(&peer.ApplicationPolicy{Type: &peer.ApplicationPolicy_SignaturePolicy{SignaturePolicy: envelope}}))
			if err != nil {
				t.Fatal(err)
			}
			if met, err := p.Satisfied(tt.by); err != nil || met != tt.want || p.Organisations() != tt.atmost {
				t.Errorf("%v, %v, %d organisations", err, met, p.Organisations())
			}
		})
	}
	envelope.Rule = gate(1, by(6))
	for _, bad := range []*peer.ApplicationPolicy{
		{Type: &peer.ApplicationPolicy_SignaturePolicy{SignaturePolicy: envelope}},
		{Type: &peer.ApplicationPolicy_ChannelConfigPolicyReference{ChannelConfigPolicyReference: "/Channel"}}, {},
	} {
		if _, err := block.ApplicationPolicy(blocktest.Wire(bad)); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

// Recorded blocks, written as a peer stores them into two files, are read from there, up
// to where a file is torn.
func TestReadFiles(t *testing.T) {
	var files [2][]byte
	for i, name := range []string{"0", "1", "2", "3"} {
		raw, err := os.ReadFile("testdata/raft/" + name + ".block")
		if err == nil {
			files[i/2], err = block.AppendStored(files[i/2], raw)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	read := func(dir fs.FS) (n int, err error) {
		for s, err := range block.ReadFiles(dir) {
			if err != nil {
				return n, err
			}
			if b, err := block.DecodeStored(s.Raw); err != nil || b.Number != uint64(n) {
				t.Fatalf("%s: %v", s.Where, err)
			}
			n++
		}
		return n, nil
	}
	dir := fstest.MapFS{"blockfile_000000": {Data: files[0]}, "blockfile_000001": {Data: files[1]}}
	if n, err := read(dir); n != 4 || err != nil {
		t.Errorf("%d blocks, %v", n, err)
	}
	dir["blockfile_000001"].Data = files[1][:len(files[1])-1]
	var torn *block.TornError
	if n, err := read(dir); n != 3 || !errors.As(err, &torn) {
		t.Errorf("%d blocks, %v", n, err)
	}
	if n, err := read(fstest.MapFS{}); n != 0 || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%d blocks, %v", n, err)
	}
	if _, err := block.AppendStored(nil, []byte("no block")); err == nil {
		t.Error("what is no block is stored")
	}
}
