// Package verifytest is a channel of four members that never ran: its blocks are made
// and signed here with keys of its own, its transactions by the chaincode's rules on the
// state of its own blocks, and hostile members may have it put in what they like.
package verifytest

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer/lifecycle"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

const channelName = "main"

// Codes of transactions.
const (
	Valid     = 0
	Duplicate = 9
	Policy    = 10
	MVCC      = 11
	Phantom   = 12
)

// Channel is the channel and its blocks so far.
type Channel struct {
	World   *opstest.World // signs operations for this network; its own state is another
	Members []*Member
	Blocks  []*block.Block
	Raw     [][]byte // the blocks as a peer delivers them
	Files   []byte   // the blocks as a peer stores them

	t       testing.TB
	store   *ledger.Memory
	heights map[string]block.Height
	private *ledger.MemoryPrivate
}

// New returns a channel of three blocks: the configuration, the definition of the
// chaincode with a policy of two peers, and the founding of the ledger.
func New(t testing.TB, issuers ...*opstest.User) *Channel {
	t.Helper()
	c := &Channel{World: opstest.New(t, issuers...), t: t, store: new(ledger.Memory), heights: map[string]block.Height{}, private: &ledger.MemoryPrivate{}}
	for i := range 4 {
		c.Members = append(c.Members, newMember(i+1))
	}
	c.Configure(&common.Policy{Type: int32(common.Policy_SIGNATURE), Value: wire(outOf(3, c.Members))}, "V3_0")
	info := validation(&peer.ApplicationPolicy{Type: &peer.ApplicationPolicy_SignaturePolicy{SignaturePolicy: outOf(2, c.Members)}})
	define := &Proposal{Chaincode: "_lifecycle", Function: "CommitChaincodeDefinition", Writes: []*kvrwset.KVWrite{
		{Key: "namespaces/fields/killick/ValidationInfo", Value: info},
	}}
	c.Add([]byte{Valid}, c.Tx(define, c.Members[:3]...))
	c.Do("ops:Init", must(canon.Marshal(c.World.Founding(issuers...))))
	return c
}

func validation(policy *peer.ApplicationPolicy) []byte {
	return wire(&lifecycle.StateData{Type: &lifecycle.StateData_Bytes{
		Bytes: wire(&lifecycle.ChaincodeValidationInfo{ValidationPlugin: "vscc", ValidationParameter: wire(policy)}),
	}})
}

// Reference is what state holds of a chaincode whose policy is one of the configuration's.
func Reference(policy string) []byte {
	return validation(&peer.ApplicationPolicy{Type: &peer.ApplicationPolicy_ChannelConfigPolicyReference{ChannelConfigPolicyReference: policy}})
}

// Proposal is a call of a chaincode and what came out of it.
type Proposal struct {
	Chaincode string // empty is Killick's
	Function  string
	Arg       []byte
	Claimed   uint64 // time
	Reads     []*kvrwset.KVRead
	ReadsOf   string // their namespace; empty is the chaincode's
	Ranges    []*kvrwset.RangeQueryInfo
	Writes    []*kvrwset.KVWrite
	Private   []*kvrwset.KVWriteHash
	Metadata  []*kvrwset.KVMetadataWrite
	Answer    []byte

	Collection string // of Private; empty is that of contents
	Extension  []byte // of the header; nil names the chaincode
	Payload    []byte // of the proposal; nil is function and argument
	nonce      []byte
}

// Nameless stands for a collection or a namespace without a name.
const Nameless = "nameless"

// Another is the same proposal once more, under another id.
func Another(p *Proposal) *Proposal {
	other := *p
	other.nonce = nil
	return &other
}

// Simulate runs a function on the state so far, as an honest peer does.
func (c *Channel) Simulate(function string, arg []byte) *Proposal {
	c.t.Helper()
	p := &Proposal{Function: function, Arg: arg, Claimed: c.World.Now}
	tx := ledger.Begin(c.store, p.Claimed, ledger.Caller{MSP: c.Members[0].MSP, Role: "client"}).With(c.private)
	answer, err := ops.New().Invoke(tx, function, [][]byte{arg})
	if err != nil {
		c.t.Fatalf("%s: %v", function, err)
	}
	p.Answer = answer
	for _, e := range tx.Seen() {
		p.Reads = append(p.Reads, c.Read(e.Key))
	}
	for _, e := range tx.Changes() {
		p.Writes = append(p.Writes, &kvrwset.KVWrite{Key: e.Key, Value: e.Value, IsDelete: e.Value == nil})
	}
	for _, e := range tx.PrivateChanges() {
		key, value := sha256.Sum256([]byte(e.Key)), sha256.Sum256(e.Value)
		w := &kvrwset.KVWriteHash{KeyHash: key[:], ValueHash: value[:]}
		if e.Value == nil {
			w.ValueHash, w.IsDelete, w.IsPurge = nil, true, true
		}
		p.Private = append(p.Private, w)
	}
	return p
}

// Read is what a peer notes when it reads a key now.
func (c *Channel) Read(key string) *kvrwset.KVRead {
	r := &kvrwset.KVRead{Key: key}
	if h, ok := c.heights[key]; ok {
		r.Version = &kvrwset.Version{BlockNum: h.Block, TxNum: h.Tx}
	}
	return r
}

// Batch simulates a batch of operations; their contents come with it.
func (c *Channel) Batch(contents [][]byte, items ...ops.Item) *Proposal {
	c.t.Helper()
	c.private.Contents = map[string][]byte{}
	for _, content := range contents {
		c.private.Contents[opstest.Digest(content)] = content
	}
	return c.Simulate("ops:Batch", must(ops.EncodeFrame(items)))
}

// Do adds a block with one call that honest members agree on.
func (c *Channel) Do(function string, arg []byte) {
	c.t.Helper()
	c.Add([]byte{Valid}, c.Tx(c.Simulate(function, arg), c.Members[:2]...))
}

// Tx is the proposal as a transaction of the first member's client, endorsed by members.
// The same proposal gives the same id.
func (c *Channel) Tx(p *Proposal, endorsers ...*Member) []byte {
	if p.nonce == nil {
		p.nonce = make([]byte, 24)
		_, _ = rand.Read(p.nonce) // never fails
	}
	if p.Chaincode == "" {
		p.Chaincode = "killick"
	}
	by := c.Members[0].Client
	id := sha256.Sum256(append(p.nonce[:24:24], by.Serialized...))
	header := &common.Header{
		ChannelHeader: wire(&common.ChannelHeader{
			Type: int32(common.HeaderType_ENDORSER_TRANSACTION), ChannelId: channelName, TxId: canon.Hex(id[:]),
			Timestamp: &timestamppb.Timestamp{Seconds: int64(p.Claimed)},
			Extension: or(p.Extension, wire(&peer.ChaincodeHeaderExtension{ChaincodeId: &peer.ChaincodeID{Name: p.Chaincode}})),
		}),
		SignatureHeader: wire(&common.SignatureHeader{Creator: by.Serialized, Nonce: p.nonce}),
	}
	proposal := or(p.Payload, wire(&peer.ChaincodeProposalPayload{Input: wire(&peer.ChaincodeInvocationSpec{ChaincodeSpec: &peer.ChaincodeSpec{
		Input: &peer.ChaincodeInput{Args: [][]byte{[]byte(p.Function), p.Arg}},
	}})}))
	hash := sha256.Sum256(append(append(append([]byte{}, header.ChannelHeader...), header.SignatureHeader...), proposal...))
	sets := []*rwset.NsReadWriteSet{}
	public := &kvrwset.KVRWSet{Reads: p.Reads, RangeQueriesInfo: p.Ranges, Writes: p.Writes, MetadataWrites: p.Metadata}
	if p.ReadsOf != "" {
		public.Reads = nil
		sets = append(sets, &rwset.NsReadWriteSet{Namespace: strings.TrimPrefix(p.ReadsOf, Nameless), Rwset: wire(&kvrwset.KVRWSet{Reads: p.Reads})})
	}
	set := &rwset.NsReadWriteSet{Namespace: p.Chaincode, Rwset: wire(public)}
	if len(p.Private) > 0 {
		set.CollectionHashedRwset = []*rwset.CollectionHashedReadWriteSet{{
			CollectionName: strings.TrimPrefix(cmp.Or(p.Collection, "contents"), Nameless), HashedRwset: wire(&kvrwset.HashedRWSet{HashedWrites: p.Private}),
		}}
	}
	response := wire(&peer.ProposalResponsePayload{ProposalHash: hash[:], Extension: wire(&peer.ChaincodeAction{
		Results: wire(&rwset.TxReadWriteSet{NsRwset: append(sets, set)}), Response: &peer.Response{Status: 200, Payload: p.Answer},
		ChaincodeId: &peer.ChaincodeID{Name: p.Chaincode, Version: "1"},
	})})
	action := &peer.ChaincodeEndorsedAction{ProposalResponsePayload: response}
	for _, m := range endorsers {
		action.Endorsements = append(action.Endorsements, &peer.Endorsement{Endorser: m.Peer.Serialized, Signature: m.Peer.sign(response, m.Peer.Serialized)})
	}
	content := wire(&peer.ChaincodeActionPayload{ChaincodeProposalPayload: proposal, Action: action})
	payload := wire(&common.Payload{Header: header, Data: wire(&peer.Transaction{Actions: []*peer.TransactionAction{{Header: header.SignatureHeader, Payload: content}}})})
	return wire(&common.Envelope{Payload: payload, Signature: by.sign(payload)})
}

func or(given, usual []byte) []byte {
	if given != nil {
		return given
	}
	return usual
}

// Configure adds a block with a policy for chaincode definitions and a capability.
func (c *Channel) Configure(definitions *common.Policy, capability string) {
	c.t.Helper()
	c.Add([]byte{Valid}, config(c.Members, definitions, capability))
}

// Add makes the next block with these validation codes, which its valid transactions
// then take effect by. Three orderers sign it.
func (c *Channel) Add(codes []byte, envelopes ...[]byte) {
	c.t.Helper()
	number := uint64(len(c.Blocks))
	h := sha256.New()
	for _, e := range envelopes {
		h.Write(e)
	}
	raw := &common.Block{
		Header:   &common.BlockHeader{Number: number, DataHash: h.Sum(nil)},
		Data:     &common.BlockData{Data: envelopes},
		Metadata: &common.BlockMetadata{Metadata: [][]byte{nil, nil, codes, nil, nil}},
	}
	if number > 0 {
		raw.Header.PreviousHash = c.Blocks[number-1].HeaderHash[:]
		unsigned := must(block.Decode(wire(raw)))
		value := wire(&common.OrdererBlockMetadata{LastConfig: &common.LastConfig{}})
		m := &common.Metadata{Value: value}
		for i, o := range c.Members[:3] {
			id := wire(&common.IdentifierHeader{Identifier: uint32(i + 1)})
			m.Signatures = append(m.Signatures, &common.MetadataSignature{IdentifierHeader: id, Signature: o.Peer.sign(value, id, unsigned.Header)})
		}
		raw.Metadata.Metadata[0] = wire(m)
	}
	c.append(wire(raw))
}

func (c *Channel) append(raw []byte) {
	b, err := block.Decode(raw)
	if err != nil {
		c.t.Fatal(err)
	}
	c.Blocks, c.Raw = append(c.Blocks, b), append(c.Raw, raw)
	if c.Files, err = block.AppendStored(c.Files, raw); err != nil {
		c.t.Fatal(err)
	}
	for _, t := range b.Txs {
		for _, w := range t.Writes {
			c.take(block.Height{Block: b.Number, Tx: uint64(t.Index)}, w)
		}
	}
}

// Rewind goes back to the first blocks, for another history after them.
func (c *Channel) Rewind(blocks int) {
	kept := c.Raw[:blocks]
	c.Blocks, c.Raw, c.Files = nil, nil, nil
	c.store, c.heights = new(ledger.Memory), map[string]block.Height{}
	for _, raw := range kept {
		c.append(raw)
	}
}

func (c *Channel) take(at block.Height, w block.Write) {
	key := string(w.Key)
	switch {
	case w.Namespace != "killick" || w.Private:
	case w.Delete == block.Put:
		if err := c.store.Put(key, w.Value); err != nil {
			c.t.Fatal(err)
		}
		c.heights[key] = at
	default:
		_ = c.store.Delete(key) // of a map, which cannot fail
		delete(c.heights, key)
	}
}

// Edit changes the stored bytes of a block, and of no other.
func (c *Channel) Edit(number int, edit func(stored []byte)) {
	rest := c.Files
	for range number {
		_, n := protowire.ConsumeBytes(rest)
		rest = rest[n:]
	}
	stored, _ := protowire.ConsumeBytes(rest)
	edit(stored)
}
