//go:build e2e

package e2e_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
)

// forger makes transactions that one member endorses alone, as it may for its own implicit
// collection.
type forger struct {
	n                *network
	c                *fabric.Client
	client, endorser signer
	p                *person
	own              string // its collection
	made             int
}

// forgery is a transaction, and what all peers must say of it.
type forgery struct {
	id, code string
	envelope *common.Envelope
}

func (n *network) forger(t *testing.T, org int) *forger {
	conf := n.Cluster.Client(org, topology.Admin)
	f := &forger{n: n, c: connect(t, conf), client: newSigner(t, conf.MSPID, conf.Cert, conf.Key), endorser: n.peers(t)[org],
		p: n.newPerson(t), own: "_implicit_org_" + conf.MSPID}
	n.create(t, f.p)
	return f
}

func (f *forger) tx(t *testing.T, code string, edit func(*forge)) forgery {
	t.Helper()
	f.made++
	id, envelope := f.n.batch(t, f.c, f.client, f.p.sign(t, note(fmt.Sprint("forgery ", f.made)), ""), edit)
	return forgery{id, code, envelope}
}

// set is a transaction with this in its collection, and public effects besides.
func (f *forger) set(t *testing.T, code string, private *kvrwset.HashedRWSet, public ...*rwset.NsReadWriteSet) forgery {
	t.Helper()
	return f.tx(t, code, func(x *forge) { f.put(x, private, public...) })
}

func (f *forger) put(x *forge, private *kvrwset.HashedRWSet, public ...*rwset.NsReadWriteSet) {
	own := &rwset.NsReadWriteSet{Namespace: topology.Chaincode, CollectionHashedRwset: []*rwset.CollectionHashedReadWriteSet{
		{CollectionName: f.own, HashedRwset: encode(x.t, private)},
	}}
	x.result(func(r *peer.ChaincodeAction) {
		r.Results = encode(x.t, &rwset.TxReadWriteSet{NsRwset: append(public, own)})
	})
	x.action.Action.Endorsements = []*peer.Endorsement{x.endorse(f.endorser)}
}

// writeSets hands transactions over that no peer of Fabric makes, and that any member, or
// any client of one, can make: Fabric's peers as released stop at the block that has them,
// and again at each start, or differ from one another. Here all go on, agree, and come
// back.
func (n *network) writeSets(t *testing.T) {
	f := n.forger(t, len(n.Cluster.Orgs())-1)
	const valid, phantom, form, policy = "VALID", "PHANTOM_READ_CONFLICT", "INVALID_ENDORSER_TRANSACTION", "ENDORSEMENT_POLICY_FAILURE"
	key := make([]byte, 32)
	put := &kvrwset.HashedRWSet{HashedWrites: []*kvrwset.KVWriteHash{{KeyHash: key, ValueHash: key}}}
	gone := &kvrwset.HashedRWSet{HashedWrites: []*kvrwset.KVWriteHash{{KeyHash: key, IsDelete: true}}}
	purged := &kvrwset.HashedRWSet{HashedWrites: []*kvrwset.KVWriteHash{{KeyHash: key, IsDelete: true, IsPurge: true}}}
	removed := &kvrwset.HashedRWSet{MetadataWrites: []*kvrwset.KVMetadataWriteHash{{KeyHash: key}}}
	metadata := func(value ...byte) *kvrwset.HashedRWSet {
		return &kvrwset.HashedRWSet{MetadataWrites: []*kvrwset.KVMetadataWriteHash{{KeyHash: key, Entries: []*kvrwset.KVMetadataEntry{
			{Name: peer.MetaDataKeys_VALIDATION_PARAMETER.String(), Value: value},
		}}}}
	}
	ranged := func(q *kvrwset.RangeQueryInfo) *rwset.NsReadWriteSet {
		q.StartKey, q.EndKey, q.ItrExhausted = "namespaces/fields/killick/Sequence", "namespaces/fields/killick/Sequence0", true
		return &rwset.NsReadWriteSet{Namespace: "_lifecycle", Rwset: encode(t, &kvrwset.KVRWSet{RangeQueriesInfo: []*kvrwset.RangeQueryInfo{q}})}
	}
	write := func(namespace string) *rwset.NsReadWriteSet {
		return &rwset.NsReadWriteSet{Namespace: namespace, Rwset: encode(t, &kvrwset.KVRWSet{Writes: []*kvrwset.KVWrite{{Key: "a", Value: key}}})}
	}
	otherProposal := func(x *forge) {
		x.action.ChaincodeProposalPayload = append(x.action.GetChaincodeProposalPayload(), 0x52, 0)
	}
	for _, tt := range []struct {
		name  string
		block func(t *testing.T) []forgery
	}{
		{"metadata of what was deleted before", func(t *testing.T) []forgery {
			return []forgery{f.set(t, valid, gone), f.set(t, valid, metadata())}
		}},
		{"metadata removed of what was purged before", func(t *testing.T) []forgery {
			return []forgery{f.set(t, valid, put), f.set(t, valid, purged), f.set(t, valid, removed)}
		}},
		{"metadata removed 64 times", func(t *testing.T) []forgery {
			return []forgery{f.set(t, valid, &kvrwset.HashedRWSet{MetadataWrites: slices.Repeat(removed.MetadataWrites, 64)})}
		}},
		{"deleted 32 times", func(t *testing.T) []forgery {
			return []forgery{f.set(t, valid, &kvrwset.HashedRWSet{HashedWrites: slices.Repeat(gone.HashedWrites, 32)})}
		}},
		{"a key read in no version", func(t *testing.T) []forgery {
			return []forgery{f.set(t, phantom, put, ranged(&kvrwset.RangeQueryInfo{ReadsInfo: &kvrwset.RangeQueryInfo_RawReads{
				RawReads: &kvrwset.QueryReads{KvReads: []*kvrwset.KVRead{{Key: "namespaces/fields/killick/Sequence"}}},
			}}))}
		}},
		{"a summary of degree 1", func(t *testing.T) []forgery {
			return []forgery{f.set(t, phantom, put, ranged(&kvrwset.RangeQueryInfo{ReadsInfo: &kvrwset.RangeQueryInfo_ReadsMerkleHashes{
				ReadsMerkleHashes: &kvrwset.QueryReadsMerkleSummary{MaxDegree: 1, MaxLevel: 1, MaxLevelHashes: [][]byte{key}},
			}}))}
		}},
		{"an action without content", func(t *testing.T) []forgery {
			return []forgery{f.tx(t, form, func(x *forge) { x.action.Action = nil })}
		}},
		{"no action before another", func(t *testing.T) []forgery {
			return []forgery{f.tx(t, form, func(x *forge) { x.data = []byte{} }), f.set(t, valid, put)}
		}},
		{"no transaction before another", func(t *testing.T) []forgery {
			return []forgery{f.tx(t, form, func(x *forge) { x.data = []byte{0xff} }), f.set(t, valid, put)}
		}},
		{"metadata in a void one before another", func(t *testing.T) []forgery {
			return []forgery{f.tx(t, form, func(x *forge) { f.put(x, metadata()); otherProposal(x) }), f.set(t, valid, put)}
		}},
		{"two namespaces that refuse for different reasons", func(t *testing.T) (all []forgery) {
			for range 8 {
				all = append(all, f.set(t, policy, put, write("_nowhere"), write("_lifecycle")))
			}
			return all
		}},
		{"a key", func(t *testing.T) []forgery { return []forgery{f.set(t, valid, put)} }},
		{"a key's policy that is none", func(t *testing.T) []forgery { return []forgery{f.set(t, valid, metadata(0xff))} }},
		{"a key so guarded", func(t *testing.T) []forgery { return []forgery{f.set(t, policy, put)} }},
	} {
		t.Run(tt.name, func(t *testing.T) { n.takes(t, tt.block) })
	}
	n.create(t, n.newPerson(t))
	n.samePeers(t)
	for _, o := range n.Cluster.Orgs() {
		if err := n.Cluster.Kill(o.Peer().Name); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Cluster.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.chaincodesAnswer(t)
	n.create(t, n.newPerson(t))
	n.samePeers(t)
}

// takes hands transactions over until one block has all of them, one right behind the
// other, and wants their codes from all peers.
func (n *network) takes(t *testing.T, transactions func(*testing.T) []forgery) {
	t.Helper()
	until(t, 2*time.Minute, "one block has all", func() error {
		var ids []string
		var envelopes []*common.Envelope
		all := transactions(t)
		for _, f := range all {
			ids, envelopes = append(ids, f.id), append(envelopes, f.envelope)
		}
		if err := n.broadcast(t, envelopes...); err != nil {
			t.Fatal(err)
		}
		for _, f := range all {
			n.shows(t, f.id, f.code)
		}
		return n.together(t, ids)
	})
}

// together returns an error unless one of the newest blocks has these transactions, in
// this order.
func (n *network) together(t *testing.T, ids []string) error {
	t.Helper()
	height := n.height(t)
	for number := height - min(height, 20); number < height; number++ {
		var found []string
		for _, tx := range n.block(t, n.own[0], number).Txs {
			if slices.Contains(ids, tx.ID) {
				found = append(found, tx.ID)
			}
		}
		if len(found) > 0 && !slices.Equal(found, ids) {
			return fmt.Errorf("block %d has %q of %q", number, found, ids)
		}
		if len(found) > 0 {
			return nil
		}
	}
	return fmt.Errorf("no block has %q", ids)
}
