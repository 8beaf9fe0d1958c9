package block_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/block/blocktest"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

var txID = strings.Repeat("ab", 32)

// results is a read-write set with every kind of write.
func results() []byte {
	h := sha256.Sum256
	key, val := h([]byte("k")), h([]byte("v"))
	none := h(nil)
	public := &kvrwset.KVRWSet{
		Reads: []*kvrwset.KVRead{{Key: "a", Version: &kvrwset.Version{BlockNum: 3, TxNum: 1}}},
		Writes: []*kvrwset.KVWrite{
			{Key: "a", Value: []byte("one")},
			{Key: "b", IsDelete: true},
			{Key: "c", Value: nil},
		},
	}
	private := &kvrwset.HashedRWSet{HashedWrites: []*kvrwset.KVWriteHash{
		{KeyHash: key[:], ValueHash: val[:]},
		{KeyHash: key[:], IsDelete: true},
		{KeyHash: key[:], ValueHash: none[:]},
		{KeyHash: key[:], IsDelete: true, IsPurge: true},
	}}
	return blocktest.Wire(&rwset.TxReadWriteSet{NsRwset: []*rwset.NsReadWriteSet{
		{Namespace: "_lifecycle", Rwset: blocktest.Wire(&kvrwset.KVRWSet{})},
		{Namespace: "killick", Rwset: blocktest.Wire(public), CollectionHashedRwset: []*rwset.CollectionHashedReadWriteSet{
			{CollectionName: "small", HashedRwset: blocktest.Wire(private)},
		}},
	}})
}

func envelope(typ common.HeaderType, data []byte) []byte {
	payload := &common.Payload{
		Header: &common.Header{
			ChannelHeader:   blocktest.Wire(&common.ChannelHeader{Type: int32(typ), ChannelId: "main", TxId: txID}),
			SignatureHeader: blocktest.Wire(&common.SignatureHeader{Creator: []byte("creator"), Nonce: []byte("nonce")}),
		},
		Data: data,
	}
	return blocktest.Wire(&common.Envelope{Payload: blocktest.Wire(payload), Signature: []byte("signature")})
}

func endorsed(results []byte) []byte {
	input := &peer.ChaincodeInvocationSpec{ChaincodeSpec: &peer.ChaincodeSpec{
		Input: &peer.ChaincodeInput{Args: [][]byte{[]byte("ops:Batch"), []byte("frame")}},
	}}
	return proposed(results, blocktest.Wire(&peer.ChaincodeProposalPayload{Input: blocktest.Wire(input)}))
}

func proposed(results, proposal []byte) []byte {
	action := &peer.ChaincodeAction{
		Results:     results,
		Response:    &peer.Response{Status: 200, Payload: []byte("answer")},
		ChaincodeId: &peer.ChaincodeID{Name: "killick"},
	}
	payload := &peer.ChaincodeActionPayload{
		ChaincodeProposalPayload: proposal,
		Action: &peer.ChaincodeEndorsedAction{
			ProposalResponsePayload: blocktest.Wire(&peer.ProposalResponsePayload{Extension: blocktest.Wire(action)}),
		},
	}
	tx := &peer.Transaction{Actions: []*peer.TransactionAction{{Payload: blocktest.Wire(payload)}}}
	return envelope(common.HeaderType_ENDORSER_TRANSACTION, blocktest.Wire(tx))
}

// build makes a block of the envelopes as a peer would store it.
func build(number uint64, filter []byte, envelopes ...[]byte) *common.Block {
	b := blocktest.Block(nil, filter, nil, envelopes...)
	b.Header.Number = number
	b.Metadata.Metadata[0] = blocktest.Wire(&common.Metadata{Value: []byte("value"), Signatures: []*common.MetadataSignature{
		{IdentifierHeader: blocktest.Wire(&common.IdentifierHeader{Identifier: 2}), Signature: []byte("s")},
		{SignatureHeader: blocktest.Wire(&common.SignatureHeader{Creator: []byte("orderer")}), Signature: []byte("r")},
	}})
	b.Metadata.Metadata[4] = blocktest.Wire(&common.Metadata{Value: bytes.Repeat([]byte{7}, 32)})
	if number > 0 {
		b.Header.PreviousHash = bytes.Repeat([]byte{9}, 32)
	}
	return b
}

func TestDecode(t *testing.T) {
	good := endorsed(results())
	raw := blocktest.Wire(build(5, []byte{0, 11, 10}, good, good, []byte("\xffgarbage")))
	b, err := block.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	if b.Number != 5 || len(b.PrevHash) != 32 || !bytes.Equal(b.Filter, []byte{0, 11, 10}) || len(b.CommitHash) != 32 {
		t.Errorf("got %+v", b)
	}
	if got, want := len(b.Header), 76-1; got < want-4 || got > 76 {
		t.Errorf("header of %d bytes", got)
	}
	tx := b.Txs[0]
	if tx.ID != txID || tx.Type != block.TypeEndorser || string(tx.Nonce) != "nonce" || string(tx.Creator) != "creator" ||
		tx.Chaincode != "killick" || string(tx.Response) != "answer" || len(tx.Args) != 2 || string(tx.Args[1]) != "frame" {
		t.Errorf("got %+v", tx)
	}
	key, val := sha256.Sum256([]byte("k")), sha256.Sum256([]byte("v"))
	deleted := func(d block.Delete) block.Write {
		return block.Write{Namespace: "killick", Collection: "small", Private: true, Key: key[:], Delete: d}
	}
	want := []block.Write{
		{Namespace: "killick", Key: []byte("a"), Value: []byte("one"), ValueHash: sha256.Sum256([]byte("one"))},
		{Namespace: "killick", Key: []byte("b"), Delete: block.Remove},
		{Namespace: "killick", Key: []byte("c"), Delete: block.Remove},
		{Namespace: "killick", Collection: "small", Private: true, Key: key[:], Value: val[:], ValueHash: val},
		deleted(block.Remove), deleted(block.Remove), deleted(block.Purge),
	}
	if d := cmp.Diff(want, tx.Writes); d != "" {
		t.Error(d)
	}
	if tx := b.Txs[1]; tx.Writes != nil || tx.Code != 11 || len(tx.Args) != 2 {
		t.Errorf("invalid transaction: %+v", tx)
	}
	if tx := b.Txs[2]; tx.Type != block.TypeUndecodable || tx.ID != "" {
		t.Errorf("undecodable transaction: %+v", tx)
	}
	if tx, ok := b.Find(txID); !ok || tx.Index != 0 {
		t.Errorf("Find: %v %v", tx, ok)
	}
	s := b.Orderers.Signatures
	if len(s) != 2 || !s[0].ByID || s[0].Identifier != 2 || s[1].ByID || string(s[1].Creator) != "orderer" {
		t.Errorf("orderer signatures %+v", s)
	}
}

// Peers hash the proposal and do not read it, so one member can have anything there.
func TestProposalThatIsNoMessage(t *testing.T) {
	for _, proposal := range [][]byte{nil, []byte("\xff"), blocktest.Wire(&peer.ChaincodeProposalPayload{Input: []byte("\xff")})} {
		b, err := block.Decode(blocktest.Wire(build(5, []byte{0}, proposed(results(), proposal))))
		if err != nil || len(b.Txs[0].Args) != 0 || len(b.Txs[0].Writes) != 7 {
			t.Errorf("proposal %q: %+v, %v", proposal, b, err)
		}
	}
}

func TestDecodeGenesis(t *testing.T) {
	config := envelope(common.HeaderType_CONFIG, []byte("config"))
	for _, filter := range [][]byte{nil, {0}} {
		b, err := block.Decode(blocktest.Wire(build(0, filter, config)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Filter, []byte{0}) || b.Txs[0].Type != block.TypeConfig || b.Txs[0].Writes != nil {
			t.Errorf("got %+v", b)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := endorsed(results())
	edit := func(f func(b *common.Block)) []byte {
		b := build(5, []byte{0}, good)
		f(b)
		return blocktest.Wire(b)
	}
	plain := blocktest.Wire(build(5, []byte{0}, good))
	twoActions := envelope(common.HeaderType_ENDORSER_TRANSACTION,
		blocktest.Wire(&peer.Transaction{Actions: []*peer.TransactionAction{{}, {}}}))
	tests := []struct {
		name, want string
		raw        []byte
	}{
		{"empty", "hashes", nil},
		{"truncated", "protobuf", plain[:len(plain)-1]},
		{"unknown field", "unexpected field 9", protowire.AppendVarint(protowire.AppendTag(bytes.Clone(plain), 9, protowire.VarintType), 1)},
		{"repeated header", "unexpected field 1", append(bytes.Clone(plain), 0x0a, 0)},
		{"data hash", "data hash", edit(func(b *common.Block) { b.Header.DataHash[0] ^= 1 })},
		{"short previous hash", "hashes of 31", edit(func(b *common.Block) { b.Header.PreviousHash = b.Header.PreviousHash[1:] })},
		{"no codes", "validation codes", edit(func(b *common.Block) { b.Metadata.Metadata[2] = nil })},
		{"too many codes", "validation codes", edit(func(b *common.Block) { b.Metadata.Metadata[2] = []byte{0, 0} })},
		{"no metadata", "slots", edit(func(b *common.Block) { b.Metadata = nil })},
		{"short commit hash", "commit hash", edit(func(b *common.Block) { b.Metadata.Metadata[4] = []byte{10, 1, 1} })},
		{"no transactions", "no transactions", edit(func(b *common.Block) { b.Data = nil })},
		{"valid garbage", "valid transaction 0", blocktest.Wire(build(5, []byte{0}, []byte("\xff")))},
		{"valid with two actions", "2 actions", blocktest.Wire(build(5, []byte{0}, twoActions))},
		{"valid of another type", "header type 4", blocktest.Wire(build(5, []byte{0}, envelope(4, nil)))},
		{"valid with a broken set", "read-write set", blocktest.Wire(build(5, []byte{0}, endorsed([]byte{0x12, 9})))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := block.Decode(tt.raw)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// An envelope decodes as Fabric's own messages decode it, however it is spelt.
func FuzzEnvelope(f *testing.F) {
	good := endorsed(results())
	f.Add(good)
	f.Add(envelope(common.HeaderType_CONFIG, []byte("config")))
	f.Add([]byte{})
	f.Add(append(bytes.Clone(good), good...))
	header := blocktest.Wire(&common.Payload{Header: &common.Header{ChannelHeader: []byte{0x08, 0x03}}})
	f.Add(blocktest.Wire(&common.Envelope{Payload: append(bytes.Clone(header), header...)}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := block.Decode(blocktest.Wire(build(7, []byte{1}, raw)))
		if err != nil {
			t.Fatalf("an invalid transaction stopped the decoder: %v", err)
		}
		tx := b.Txs[0]
		typ, id := oracle(raw)
		if tx.Type != typ || tx.ID != id {
			t.Errorf("got type %d, id %q; Fabric reads %d, %q", tx.Type, tx.ID, typ, id)
		}
	})
}

// oracle reads type and transaction id with Fabric's generated messages.
func oracle(raw []byte) (typ int32, id string) {
	var e common.Envelope
	var p common.Payload
	var c common.ChannelHeader
	if proto.Unmarshal(raw, &e) != nil || proto.Unmarshal(e.Payload, &p) != nil || p.Header == nil ||
		proto.Unmarshal(p.Header.ChannelHeader, &c) != nil {
		return block.TypeUndecodable, ""
	}
	typ = c.Type
	if typ < 0 || typ > 254 {
		typ = block.TypeUndecodable
	}
	if b, err := hex.DecodeString(c.TxId); err == nil && len(b) == 32 && hex.EncodeToString(b) == c.TxId {
		id = c.TxId
	}
	return typ, id
}

// No block, however malformed, makes the decoder panic.
func FuzzDecode(f *testing.F) {
	good := endorsed(results())
	f.Add(blocktest.Wire(build(5, []byte{0}, good)))
	f.Add(blocktest.Wire(build(0, nil, envelope(common.HeaderType_CONFIG, nil))))
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := block.Decode(raw)
		if err == nil && len(b.Txs) != len(b.Filter) {
			t.Errorf("%d transactions, %d codes", len(b.Txs), len(b.Filter))
		}
		if err != nil {
			return
		}
		b.Members() // none panics
		b.LifecyclePolicy()
		block.ChaincodePolicy(raw)
		for i := range b.Txs {
			block.Members{}.Endorsers(&b.Txs[i])
			block.Members{}.Check(&b.Txs[i], 1)
			block.Members{}.Proper(&b.Txs[i])
			block.Members{}.Endorsements(&b.Txs[i])
			b.Txs[i].NominalID()
			// What is decoded of a valid transaction is the same twice.
			if e, err := b.Txs[i].Effects(); b.Txs[i].Code == 0 && b.Txs[i].Type == block.TypeEndorser {
				writes := 0
				for _, one := range e {
					writes += len(one.Writes)
					for _, p := range one.Private {
						writes += len(p.Writes)
					}
				}
				if err == nil && writes != len(b.Txs[i].Writes) {
					t.Errorf("%d writes, %d among the effects", len(b.Txs[i].Writes), writes)
				}
			}
		}
	})
}
