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

	"github.com/killick-ledger/killick/network/topology"
)

// writeSets hands transactions over that one member endorses alone, as it may for its own
// implicit collection, with write sets and ranges that no peer simulates: Fabric's peers as
// released panic when they commit them, and at each start after that. Here all go on,
// agree, and come back.
func (n *network) writeSets(t *testing.T) {
	orgs := n.Cluster.Orgs()
	hostile := len(orgs) - 1
	own := "_implicit_org_" + orgs[hostile].MSPID
	conf := n.Cluster.Client(hostile, topology.Admin)
	client, endorser, c := newSigner(t, conf.MSPID, conf.Cert, conf.Key), n.peers(t)[hostile], connect(t, conf)
	p := n.newPerson(t)
	n.create(t, p)
	made := 0
	forged := func(public *kvrwset.KVRWSet, private *kvrwset.HashedRWSet) (id string, e *common.Envelope) {
		made++
		return n.batch(t, c, client, p.sign(t, note(fmt.Sprint("write sets ", made)), ""), func(f *forge) {
			f.result(func(r *peer.ChaincodeAction) {
				r.Results = encode(t, &rwset.TxReadWriteSet{NsRwset: []*rwset.NsReadWriteSet{
					{Namespace: topology.Chaincode, CollectionHashedRwset: []*rwset.CollectionHashedReadWriteSet{{CollectionName: own, HashedRwset: encode(t, private)}}},
					{Namespace: "_lifecycle", Rwset: encode(t, public)},
				}})
			})
			f.action.Action.Endorsements = []*peer.Endorsement{f.endorse(endorser)}
		})
	}
	key := make([]byte, 32)
	put := &kvrwset.HashedRWSet{HashedWrites: []*kvrwset.KVWriteHash{{KeyHash: key, ValueHash: key}}}
	gone := &kvrwset.HashedRWSet{HashedWrites: []*kvrwset.KVWriteHash{{KeyHash: key, IsDelete: true}}}
	purged := &kvrwset.HashedRWSet{HashedWrites: []*kvrwset.KVWriteHash{{KeyHash: key, IsDelete: true, IsPurge: true}}}
	set := &kvrwset.HashedRWSet{MetadataWrites: []*kvrwset.KVMetadataWriteHash{{KeyHash: key, Entries: []*kvrwset.KVMetadataEntry{{Name: "a"}}}}}
	removed := &kvrwset.HashedRWSet{MetadataWrites: []*kvrwset.KVMetadataWriteHash{{KeyHash: key}}}
	ranged := func(q *kvrwset.RangeQueryInfo) *kvrwset.KVRWSet {
		q.StartKey, q.EndKey, q.ItrExhausted = "namespaces/fields/killick/Sequence", "namespaces/fields/killick/Sequence0", true
		return &kvrwset.KVRWSet{RangeQueriesInfo: []*kvrwset.RangeQueryInfo{q}}
	}
	const valid, phantom = "VALID", "PHANTOM_READ_CONFLICT"
	for _, tt := range []struct {
		name    string
		code    string // of the last
		public  *kvrwset.KVRWSet
		private []*kvrwset.HashedRWSet // one transaction each, in one block
	}{
		{"metadata of what was deleted before", valid, nil, []*kvrwset.HashedRWSet{gone, set}},
		{"metadata removed of what was purged before", valid, nil, []*kvrwset.HashedRWSet{put, purged, removed}},
		{"metadata removed 64 times", valid, nil, []*kvrwset.HashedRWSet{{MetadataWrites: slices.Repeat(removed.MetadataWrites, 64)}}},
		{"deleted 32 times", valid, nil, []*kvrwset.HashedRWSet{{HashedWrites: slices.Repeat(gone.HashedWrites, 32)}}},
		{"a key read in no version", phantom, ranged(&kvrwset.RangeQueryInfo{ReadsInfo: &kvrwset.RangeQueryInfo_RawReads{
			RawReads: &kvrwset.QueryReads{KvReads: []*kvrwset.KVRead{{Key: "namespaces/fields/killick/Sequence"}}},
		}}), []*kvrwset.HashedRWSet{put}},
		{"a summary of degree 1", phantom, ranged(&kvrwset.RangeQueryInfo{ReadsInfo: &kvrwset.RangeQueryInfo_ReadsMerkleHashes{
			ReadsMerkleHashes: &kvrwset.QueryReadsMerkleSummary{MaxDegree: 1, MaxLevel: 1, MaxLevelHashes: [][]byte{key}},
		}}), []*kvrwset.HashedRWSet{put}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			until(t, time.Minute, "one block has all", func() error {
				var ids []string
				var envelopes []*common.Envelope
				for _, private := range tt.private {
					id, e := forged(tt.public, private)
					ids, envelopes = append(ids, id), append(envelopes, e)
				}
				if err := n.broadcast(t, envelopes...); err != nil {
					t.Fatal(err)
				}
				for _, id := range ids {
					n.shows(t, id, tt.code)
				}
				return n.together(t, ids)
			})
		})
	}
	n.create(t, n.newPerson(t))
	n.samePeers(t)
	for _, o := range orgs {
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

// together returns an error unless one of the newest blocks has these transactions, one
// right behind the other.
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
