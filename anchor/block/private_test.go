package block_test

import (
	"crypto/sha256"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/block/blocktest"
)

// One member alone can have Fabric take hashed writes of any form, into its own collection
// or under a chaincode of its own: they stop no reader of blocks.
func TestOddPrivateWrites(t *testing.T) {
	h := sha256.Sum256([]byte("h"))
	tests := []struct {
		name, collection string
		hashed           *kvrwset.KVWriteHash
		want             block.Write
	}{
		{"no hashes", "own", &kvrwset.KVWriteHash{KeyHash: []byte("key"), ValueHash: []byte("value")},
			block.Write{Collection: "own", Private: true, Key: []byte("key"), Value: []byte("value"), ValueHash: sha256.Sum256([]byte("value"))}},
		{"no key", "own", &kvrwset.KVWriteHash{ValueHash: h[:]},
			block.Write{Collection: "own", Private: true, Value: h[:], ValueHash: h}},
		{"no value", "own", &kvrwset.KVWriteHash{KeyHash: []byte("key"), IsPurge: true},
			block.Write{Collection: "own", Private: true, Key: []byte("key"), Delete: block.Purge}},
		{"a purge that deletes nothing", "own", &kvrwset.KVWriteHash{KeyHash: h[:], ValueHash: h[:], IsPurge: true},
			block.Write{Collection: "own", Private: true, Key: h[:], Value: h[:], ValueHash: h, Purges: true}},
		{"a public key", "", &kvrwset.KVWriteHash{KeyHash: []byte("key"), ValueHash: h[:]},
			block.Write{Key: []byte("key"), Value: h[:], ValueHash: sha256.Sum256(h[:])}},
		{"a public key deleted", "", &kvrwset.KVWriteHash{KeyHash: []byte("key"), IsDelete: true, IsPurge: true},
			block.Write{Key: []byte("key"), Delete: block.Remove}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set := blocktest.Wire(&rwset.TxReadWriteSet{NsRwset: []*rwset.NsReadWriteSet{{
				Namespace: "other", CollectionHashedRwset: []*rwset.CollectionHashedReadWriteSet{{
					CollectionName: tt.collection, HashedRwset: blocktest.Wire(&kvrwset.HashedRWSet{HashedWrites: []*kvrwset.KVWriteHash{tt.hashed}}),
				}},
			}}})
			tt.want.Namespace = "other"
			b, err := block.Decode(blocktest.Wire(build(5, []byte{0}, endorsed(set))))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff([]block.Write{tt.want}, b.Txs[0].Writes); d != "" {
				t.Error(d)
			}
		})
	}
}
