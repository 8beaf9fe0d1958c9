//go:build e2e

package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
	"github.com/killick-ledger/killick/scripts/observe"
)

// result is a result of an operation as a block holds it.
type result struct {
	code  fault.Code
	tx    string
	block uint64
}

// history is what signed operations did in a range of blocks.
type history struct {
	results map[string][]result // by operation id
	other   []string            // keys that they wrote besides results
	answers map[string][]byte   // response of each valid transaction of operations
}

func (n *network) block(t *testing.T, from *fabric.Client, number uint64) *block.Block {
	t.Helper()
	b, err := observe.Block(t.Context(), from, number)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (n *network) height(t *testing.T) uint64 {
	t.Helper()
	h, err := n.own[0].Height(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// settled waits until the first peer has every block that another one has, and
// returns their number: receipts may come from any.
func (n *network) settled(t *testing.T) uint64 {
	t.Helper()
	all := observe.Network{Cluster: n.Cluster, Own: n.own}
	target := all.Furthest(t.Context())
	until(t, 2*time.Minute, "the first peer's blocks", func() error {
		if h := n.height(t); h < target {
			return fmt.Errorf("it has %d of %d", h, target)
		}
		return nil
	})
	return target
}

// history reads the blocks from a number on, up to the present height.
func (n *network) history(t *testing.T, from uint64) history {
	t.Helper()
	h := history{results: map[string][]result{}, answers: map[string][]byte{}}
	height := n.settled(t)
	for number := from; number < height; number++ {
		b := n.block(t, n.own[0], number)
		for _, tx := range b.Txs {
			if observe.OfOperations(tx) {
				h.answers[tx.ID] = tx.Response
			}
		}
		err := observe.Results(b, func(f observe.Found) {
			if f.Read == nil || f.Read.Created != "" {
				h.other = append(h.other, f.Key)
			}
			if f.Read != nil {
				h.results[f.ID] = append(h.results[f.ID], result{f.Result.Code, f.Result.Tx, f.Result.Block})
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// changed appends blocks of the channel to a log, as if a transaction of one were invalid.
func (n *network) changed(t *testing.T, tree *log.Log, size, number uint64) {
	t.Helper()
	var all []*block.Block
	for i := tree.Size(); i < size; i++ {
		b := n.block(t, n.own[0], i)
		if i == number {
			b.Filter = bytes.Clone(b.Filter)
			b.Filter[0], b.Txs[0].Code, b.Txs[0].Writes = 11, 11, nil
		}
		all = append(all, b)
	}
	if err := tree.Append(all...); err != nil {
		t.Fatal(err)
	}
}

func openLog(t *testing.T, dir string) *log.Log {
	t.Helper()
	tree, err := log.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	return tree
}

// noMetadata wants no transaction of Killick's chaincode in the newest blocks to have
// set metadata of a key: one key-level policy would slow every key down for ever.
func (n *network) noMetadata(t *testing.T) {
	t.Helper()
	seen, others := 0, 0
	height := n.height(t)
	for number := height - min(height, 500); number < height; number++ {
		raw, err := n.own[0].Block(t.Context(), number)
		if err != nil {
			t.Fatal(err)
		}
		for _, data := range raw.GetData().GetData() {
			for namespace, metadata := range metadataWrites(t, data) {
				switch {
				case namespace != topology.Chaincode:
					others += metadata
				case metadata > 0:
					t.Errorf("block %d: a transaction of %s sets metadata of %d keys", number, namespace, metadata)
				default:
					seen++
				}
			}
		}
	}
	if seen == 0 || others == 0 {
		t.Errorf("looked at %d transactions of Killick's chaincode and found metadata of %d other keys", seen, others)
	}
	t.Logf("%d transactions of Killick's chaincode set no metadata", seen)
}

// metadataWrites counts the keys whose metadata an envelope sets, by namespace.
func metadataWrites(t *testing.T, data []byte) map[string]int {
	t.Helper()
	var envelope common.Envelope
	var payload common.Payload
	var header common.ChannelHeader
	decode(t, data, &envelope)
	decode(t, envelope.GetPayload(), &payload)
	decode(t, payload.GetHeader().GetChannelHeader(), &header)
	if header.GetType() != int32(common.HeaderType_ENDORSER_TRANSACTION) {
		return nil
	}
	var tx peer.Transaction
	var action peer.ChaincodeActionPayload
	var prp peer.ProposalResponsePayload
	var result peer.ChaincodeAction
	var set rwset.TxReadWriteSet
	decode(t, payload.GetData(), &tx)
	decode(t, tx.GetActions()[0].GetPayload(), &action)
	decode(t, action.GetAction().GetProposalResponsePayload(), &prp)
	decode(t, prp.GetExtension(), &result)
	decode(t, result.GetResults(), &set)
	counts := map[string]int{}
	for _, ns := range set.GetNsRwset() {
		var kv kvrwset.KVRWSet
		decode(t, ns.GetRwset(), &kv)
		counts[ns.GetNamespace()] += len(kv.GetMetadataWrites())
		for _, c := range ns.GetCollectionHashedRwset() {
			var hashed kvrwset.HashedRWSet
			decode(t, c.GetHashedRwset(), &hashed)
			counts[ns.GetNamespace()] += len(hashed.GetMetadataWrites())
		}
	}
	return counts
}

func decode(t *testing.T, data []byte, into proto.Message) {
	t.Helper()
	if err := proto.Unmarshal(data, into); err != nil {
		t.Fatal(errors.Join(fmt.Errorf("decode %T", into), err))
	}
}
