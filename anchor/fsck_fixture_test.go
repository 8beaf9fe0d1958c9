package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/network/fabric"
)

// archive is what an organisation has on disk of a network that never ran: block files
// as a peer writes them, made and signed here by four organisations, and the anchor's
// log over them.
type archive struct {
	t       testing.TB
	files   string // of blocks
	cfg     *config
	members []*signatory
	blocks  []*block.Block
	stored  [][]byte // the blocks as they stand in the files
}

// signatory is an organisation's one identity: client, peer and orderer.
type signatory struct {
	msp        string
	key, root  *ecdsa.PrivateKey
	ca         []byte // PEM
	cert       []byte // PEM
	serialized []byte
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func wire(m proto.Message) []byte { return must(proto.Marshal(m)) }

// validFrom is when certificates begin.
var validFrom = time.Unix(1_700_000_000, 0)

func newSignatory(i int) *signatory {
	s := &signatory{
		msp: fmt.Sprintf("Org%dMSP", i+1), key: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		root: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
	}
	s.ca = s.issue(s.authority(), &s.root.PublicKey)
	s.certify("peer")
	return s
}

func (s *signatory) authority() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca." + s.msp}, NotBefore: validFrom, NotAfter: validFrom.AddDate(9, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
}

func (s *signatory) issue(c *x509.Certificate, key *ecdsa.PublicKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: must(x509.CreateCertificate(rand.Reader, c, s.authority(), key, s.root))})
}

// certify gives the identity a certificate with a role.
func (s *signatory) certify(role string) {
	name := pkix.Name{CommonName: s.msp, OrganizationalUnit: []string{role}}
	s.cert = s.issue(&x509.Certificate{SerialNumber: big.NewInt(2), Subject: name, NotBefore: validFrom, NotAfter: validFrom.AddDate(9, 0, 0)}, &s.key.PublicKey)
	s.serialized = wire(&msp.SerializedIdentity{Mspid: s.msp, IdBytes: s.cert})
}

// sign signs as Fabric does, with a low s.
func (s *signatory) sign(parts ...[]byte) []byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	r, v, err := ecdsa.Sign(rand.Reader, s.key, h.Sum(nil))
	if err != nil {
		panic(err)
	}
	n := s.key.Params().N
	if v.Cmp(new(big.Int).Rsh(n, 1)) > 0 {
		v.Sub(n, v)
	}
	return must(asn1.Marshal(struct{ R, S *big.Int }{r, v}))
}

func newArchive(t testing.TB) *archive {
	a := &archive{t: t, files: t.TempDir()}
	for i := range 4 {
		a.members = append(a.members, newSignatory(i))
	}
	a.add([]byte{0}, a.config())
	id := a.blocks[0].HeaderHash
	a.cfg = &config{
		Organisation: "Org1MSP", Dir: t.TempDir(), LogID: canon.Hex(id[:]),
		Fabric: fabric.Config{MSPID: "Org1MSP", Chaincode: "killick", Endorsements: 2},
	}
	return a
}

// config is a configuration transaction: four organisations, each with an orderer.
func (a *archive) config() []byte {
	groups := map[string]*common.ConfigGroup{}
	orderers := &common.Orderers{}
	for i, m := range a.members {
		fabricMSP := wire(&msp.FabricMSPConfig{
			Name: m.msp, RootCerts: [][]byte{m.ca},
			FabricNodeOus: &msp.FabricNodeOUs{
				Enable: true, PeerOuIdentifier: &msp.FabricOUIdentifier{OrganizationalUnitIdentifier: "peer"},
				ClientOuIdentifier: &msp.FabricOUIdentifier{OrganizationalUnitIdentifier: "client"},
			},
		})
		groups[m.msp] = &common.ConfigGroup{Values: map[string]*common.ConfigValue{"MSP": {Value: wire(&msp.MSPConfig{Config: fabricMSP})}}}
		orderers.ConsenterMapping = append(orderers.ConsenterMapping, &common.Consenter{Id: uint32(i + 1), MspId: m.msp, Identity: m.cert})
	}
	root := &common.ConfigGroup{Groups: map[string]*common.ConfigGroup{
		"Application": {Groups: groups},
		"Orderer": {Groups: groups, Values: map[string]*common.ConfigValue{
			"ConsensusType": {Value: wire(&orderer.ConsensusType{Type: "BFT"})}, "Orderers": {Value: wire(orderers)},
		}},
	}}
	return wire(&common.Envelope{Payload: wire(&common.Payload{
		Header: &common.Header{
			ChannelHeader:   wire(&common.ChannelHeader{Type: int32(common.HeaderType_CONFIG), ChannelId: "main"}),
			SignatureHeader: wire(&common.SignatureHeader{Nonce: []byte("nonce")}),
		},
		Data: wire(&common.ConfigEnvelope{Config: &common.Config{ChannelGroup: root}}),
	})})
}

// tx is a transaction with its arguments, created by the first organisation and endorsed
// by the first two.
func (a *archive) tx(args []byte, writes ...*kvrwset.KVWrite) []byte {
	return a.called("killick", args, &rwset.NsReadWriteSet{Namespace: "killick", Rwset: wire(&kvrwset.KVRWSet{Writes: writes})}, a.members[:2]...)
}

// called is a call of a chaincode with what came out of it.
func (a *archive) called(chaincode string, args []byte, set *rwset.NsReadWriteSet, endorsers ...*signatory) []byte {
	nonce := make([]byte, 24)
	_, _ = rand.Read(nonce)
	by := a.members[0]
	id := sha256.Sum256(append(nonce[:24:24], by.serialized...))
	header := &common.Header{
		ChannelHeader:   wire(&common.ChannelHeader{Type: int32(common.HeaderType_ENDORSER_TRANSACTION), ChannelId: "main", TxId: canon.Hex(id[:])}),
		SignatureHeader: wire(&common.SignatureHeader{Creator: by.serialized, Nonce: nonce}),
	}
	proposal := wire(&peer.ChaincodeProposalPayload{Input: wire(&peer.ChaincodeInvocationSpec{ChaincodeSpec: &peer.ChaincodeSpec{
		Input: &peer.ChaincodeInput{Args: [][]byte{[]byte("ops:Batch"), args}},
	}})})
	hash := sha256.Sum256(append(append(append([]byte{}, header.ChannelHeader...), header.SignatureHeader...), proposal...))
	results := wire(&rwset.TxReadWriteSet{NsRwset: []*rwset.NsReadWriteSet{set}})
	response := wire(&peer.ProposalResponsePayload{ProposalHash: hash[:], Extension: wire(&peer.ChaincodeAction{
		Results: results, Response: &peer.Response{Status: 200}, ChaincodeId: &peer.ChaincodeID{Name: chaincode},
	})})
	action := &peer.ChaincodeEndorsedAction{ProposalResponsePayload: response}
	for _, m := range endorsers {
		action.Endorsements = append(action.Endorsements, &peer.Endorsement{Endorser: m.serialized, Signature: m.sign(response, m.serialized)})
	}
	content := wire(&peer.ChaincodeActionPayload{ChaincodeProposalPayload: proposal, Action: action})
	payload := wire(&common.Payload{Header: header, Data: wire(&peer.Transaction{Actions: []*peer.TransactionAction{{Header: header.SignatureHeader, Payload: content}}})})
	return wire(&common.Envelope{Payload: payload, Signature: by.sign(payload)})
}

// add makes the next block, signed by three orderers.
func (a *archive) add(filter []byte, envelopes ...[]byte) {
	number := uint64(len(a.blocks))
	h := sha256.New()
	for _, e := range envelopes {
		h.Write(e)
	}
	var prev []byte
	if number > 0 {
		prev = a.blocks[number-1].HeaderHash[:]
	}
	build := func(signatures []byte) []byte {
		b := protowire.AppendVarint(nil, number)
		b = protowire.AppendBytes(protowire.AppendBytes(b, h.Sum(nil)), prev)
		b = protowire.AppendVarint(b, uint64(len(envelopes)))
		for _, e := range envelopes {
			b = protowire.AppendBytes(b, e)
		}
		commit := sha256.Sum256(fmt.Appendf(nil, "commit %d", number))
		b = protowire.AppendVarint(b, 5)
		for _, slot := range [][]byte{signatures, nil, filter, nil, wire(&common.Metadata{Value: commit[:]})} {
			b = protowire.AppendBytes(b, slot)
		}
		return b
	}
	stored := build(nil)
	if number > 0 {
		unsigned := must(block.DecodeStored(stored))
		value := wire(&common.OrdererBlockMetadata{LastConfig: &common.LastConfig{}})
		m := &common.Metadata{Value: value}
		for i, o := range a.members[:3] {
			id := wire(&common.IdentifierHeader{Identifier: uint32(i + 1)})
			m.Signatures = append(m.Signatures, &common.MetadataSignature{IdentifierHeader: id, Signature: o.sign(value, id, unsigned.Header)})
		}
		stored = build(wire(m))
	}
	a.stored = append(a.stored, stored)
	a.blocks = append(a.blocks, must(block.DecodeStored(stored)))
}

func put(key, value string) *kvrwset.KVWrite { return &kvrwset.KVWrite{Key: key, Value: []byte(value)} }

// grow makes blocks up to a number, with a checkpoint over all before in every fourth.
func (a *archive) grow(to int) {
	for n := len(a.blocks); n < to; n++ {
		writes := []*kvrwset.KVWrite{put(fmt.Sprint("record/", n), "value"), {Key: "gone", IsDelete: true}}
		if n%4 == 0 {
			root := a.root(n)
			writes = append(writes, put(fmt.Sprintf("checkpoint/%016x", n/4), fmt.Sprintf(`{"number":%d,"size":%d,"root":%q}`, n/4, n, root)),
				put(fmt.Sprintf("cosig/%016x/%s/%016x/%016x/Org1MSP", n, root, n, 1), "{}"))
		}
		a.add([]byte{0, 11}, a.tx([]byte("frame"), writes...), a.tx([]byte("late"), put("a", "b")))
	}
}

// root is that of the log over the first blocks.
func (a *archive) root(size int) string {
	l := must(log.Open(a.t.TempDir()))
	defer l.Close() //nolint:errcheck // of a test
	if err := l.Append(a.blocks[:size]...); err != nil {
		a.t.Fatal(err)
	}
	root := must(l.Root(uint64(size)))
	return canon.Hex(root[:])
}

// write writes block files of so many blocks each from a block on, the log over the first
// size blocks, and what was signed last.
func (a *archive) write(from, each, size int) {
	for i := from; i < len(a.stored); i += each {
		var out []byte
		for _, b := range a.stored[i:min(i+each, len(a.stored))] {
			out = protowire.AppendBytes(out, b)
		}
		a.save(filepath.Join(a.files, fmt.Sprintf("blockfile_%06d", (i-from)/each)), out)
	}
	l := must(log.Open(filepath.Join(a.cfg.Dir, "log")))
	for i := 0; i < size; i += maxBatch {
		if err := l.Append(a.blocks[i:min(i+maxBatch, size)]...); err != nil {
			a.t.Fatal(err)
		}
	}
	root := must(l.Root(uint64(size)))
	if err := l.Close(); err != nil {
		a.t.Fatal(err)
	}
	a.save(filepath.Join(a.cfg.Dir, "signed.json"), must(json.Marshal(signedFile{Size: uint64(size), Root: canon.Hex(root[:]), Time: 1})))
}

func (a *archive) save(path string, data []byte) {
	if err := os.WriteFile(path, data, 0o644); err != nil {
		a.t.Fatal(err)
	}
}
