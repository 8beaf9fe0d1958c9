package node_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"

	"github.com/killick-ledger/killick/anchor/tronnode/node"
)

// TestIDCache: with the cache on, DUP does not mean accepted.
func TestIDCache(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	n := start(t, t.TempDir(), func(c *node.Config) { c.IDCache = true; c.Now = func() time.Time { return now } })
	refused := sign(n.transfer(alice, bob, 0), alice)
	n.send(refused, api.Return_CONTRACT_VALIDATE_ERROR)
	n.send(refused, api.Return_DUP_TRANSACTION_ERROR)
	if got := n.known(refused); got != "unknown" {
		t.Errorf("refused, and %s", got)
	}
	// Somebody who broadcasts it first with a broken signature keeps it out.
	stolen := sign(n.transfer(alice, bob, 1), bob)
	n.send(stolen, api.Return_SIGERROR)
	n.send(sign(clone(stolen), alice), api.Return_DUP_TRANSACTION_ERROR)

	lost := n.transfer(alice, bob, 2)
	lost.RawData.Expiration += 23 * 3_600_000
	n.send(sign(lost, alice), api.Return_SUCCESS)
	if err := n.chain.Forget(); err != nil {
		t.Fatal(err)
	}
	n.send(lost, api.Return_DUP_TRANSACTION_ERROR)
	now = now.Add(time.Hour - time.Millisecond)
	n.send(lost, api.Return_DUP_TRANSACTION_ERROR)
	now = now.Add(time.Millisecond)
	n.send(lost, api.Return_SUCCESS)
	n.send(lost, api.Return_DUP_TRANSACTION_ERROR)
	if err := n.chain.Forget(); err != nil {
		t.Fatal(err)
	}
	n.restart() // the cache is in memory
	n.send(lost, api.Return_SUCCESS)
}

// The cache holds a number of ids and no more: the oldest give way.
func TestIDCacheIsBounded(t *testing.T) {
	var c node.IDCache
	id := func(n int) common.Hash { return common.BytesToHash(binary.BigEndian.AppendUint64(nil, uint64(n))) }
	for n := range node.MaxSeen {
		if !c.Add(id(n), 0) {
			t.Fatalf("id %d is not new", n)
		}
	}
	if c.Add(id(node.MaxSeen-1), 0) {
		t.Error("the newest one is new")
	}
	if !c.Add(id(0), 0) {
		t.Error("the oldest one is remembered")
	}
}
