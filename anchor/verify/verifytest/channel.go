// Package verifytest is a channel of four members that never ran: its blocks are made
// and signed here with keys of its own, its transactions by the chaincode's rules on the
// state of its own blocks, and hostile members may have it put in what they like.
package verifytest

import (
	"cmp"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer/lifecycle"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/block/blocktest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

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
	Members []*blocktest.Member
	Blocks  []*block.Block
	Raw     [][]byte // the blocks as a peer delivers them
	Files   []byte   // the blocks as a peer stores them
	Signing int      // members whose orderers sign; 0 is 3

	t       testing.TB
	store   *ledger.Memory
	heights map[string]block.Height
	private *ledger.MemoryPrivate
}

// New returns a channel of three blocks: the configuration, the definition of the
// chaincode with a policy of two peers, and the founding of the ledger.
func New(t testing.TB, issuers ...*opstest.User) *Channel {
	t.Helper()
	c := &Channel{World: opstest.New(t, issuers...), t: t, Members: blocktest.Members(4), store: new(ledger.Memory), heights: map[string]block.Height{}, private: &ledger.MemoryPrivate{}}
	c.Configure(&common.Policy{Type: int32(common.Policy_SIGNATURE), Value: blocktest.Wire(outOf(3, c.Members))}, "V3_0")
	info := validation(&peer.ApplicationPolicy{Type: &peer.ApplicationPolicy_SignaturePolicy{SignaturePolicy: outOf(2, c.Members)}})
	define := &Proposal{Chaincode: "_lifecycle", Function: "CommitChaincodeDefinition", Writes: []*kvrwset.KVWrite{
		{Key: "namespaces/fields/killick/ValidationInfo", Value: info},
	}}
	c.Add([]byte{Valid}, c.Tx(define, c.Members[:3]...))
	c.Do("ops:Init", blocktest.Must(canon.Marshal(c.World.Founding(issuers...))))
	return c
}

func validation(policy *peer.ApplicationPolicy) []byte {
	return blocktest.Wire(&lifecycle.StateData{Type: &lifecycle.StateData_Bytes{
		Bytes: blocktest.Wire(&lifecycle.ChaincodeValidationInfo{ValidationPlugin: "vscc", ValidationParameter: blocktest.Wire(policy)}),
	}})
}

// outOf is the policy that peers of so many members have endorsed.
func outOf(n int32, members []*blocktest.Member) *common.SignaturePolicyEnvelope {
	gate := &common.SignaturePolicy_NOutOf{N: n}
	e := &common.SignaturePolicyEnvelope{Rule: &common.SignaturePolicy{Type: &common.SignaturePolicy_NOutOf_{NOutOf: gate}}}
	for i, m := range members {
		gate.Rules = append(gate.Rules, &common.SignaturePolicy{Type: &common.SignaturePolicy_SignedBy{SignedBy: int32(i)}})
		role := blocktest.Wire(&msp.MSPRole{MspIdentifier: m.MSP, Role: msp.MSPRole_PEER})
		e.Identities = append(e.Identities, &msp.MSPPrincipal{Principal: role})
	}
	return e
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
	Ranges    []*kvrwset.RangeQueryInfo
	ReadsOf   string // namespace of both; empty is the chaincode's
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
	return c.Simulate("ops:Batch", blocktest.Must(ops.EncodeFrame(items)))
}

// Do adds a block with one call that honest members agree on.
func (c *Channel) Do(function string, arg []byte) {
	c.t.Helper()
	c.Add([]byte{Valid}, c.Tx(c.Simulate(function, arg), c.Members[:2]...))
}

// Tx is the proposal as a transaction of the first member's client, endorsed by members.
// The same proposal gives the same id.
func (c *Channel) Tx(p *Proposal, endorsers ...*blocktest.Member) []byte {
	p.Chaincode = cmp.Or(p.Chaincode, "killick")
	sets := []*rwset.NsReadWriteSet{}
	public := &kvrwset.KVRWSet{Reads: p.Reads, RangeQueriesInfo: p.Ranges, Writes: p.Writes, MetadataWrites: p.Metadata}
	if p.ReadsOf != "" {
		public.Reads, public.RangeQueriesInfo = nil, nil
		read := &kvrwset.KVRWSet{Reads: p.Reads, RangeQueriesInfo: p.Ranges}
		sets = append(sets, &rwset.NsReadWriteSet{Namespace: strings.TrimPrefix(p.ReadsOf, Nameless), Rwset: blocktest.Wire(read)})
	}
	set := &rwset.NsReadWriteSet{Namespace: p.Chaincode, Rwset: blocktest.Wire(public)}
	if len(p.Private) > 0 {
		set.CollectionHashedRwset = []*rwset.CollectionHashedReadWriteSet{{
			CollectionName: strings.TrimPrefix(cmp.Or(p.Collection, "contents"), Nameless), HashedRwset: blocktest.Wire(&kvrwset.HashedRWSet{HashedWrites: p.Private}),
		}}
	}
	call := &blocktest.Call{
		Nonce: p.nonce, Chaincode: p.Chaincode, Args: [][]byte{[]byte(p.Function), p.Arg}, Claimed: p.Claimed,
		Extension: p.Extension, Payload: p.Payload, Sets: append(sets, set), Answer: p.Answer,
	}
	envelope := call.Envelope(c.Members[0].Client, endorsers...)
	p.nonce = call.Nonce
	return envelope
}

// Configure adds a block with a policy for chaincode definitions and a capability.
func (c *Channel) Configure(definitions *common.Policy, capability string) {
	c.t.Helper()
	c.Add([]byte{Valid}, blocktest.Config(c.Members, definitions, capability))
}

// Add makes the next block with these validation codes, which its valid transactions
// then take effect by. Three orderers sign it.
func (c *Channel) Add(codes []byte, envelopes ...[]byte) {
	c.t.Helper()
	var last *block.Block
	if n := len(c.Blocks); n > 0 {
		last = c.Blocks[n-1]
	}
	c.append(blocktest.Wire(blocktest.Block(last, codes, c.Members[:cmp.Or(c.Signing, 3)], envelopes...)))
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
