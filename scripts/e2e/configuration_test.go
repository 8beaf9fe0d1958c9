//go:build e2e

package e2e_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/network/topology"
)

// configuration changes the channel's configuration while everything runs: anchors take
// the orderers' signatures by the new one from then on, and an auditor of depth L2 needs
// both configuration blocks.
func (n *network) configuration(t *testing.T) {
	number := n.reconfigure(t)
	p := n.newPerson(t)
	n.create(t, p)
	bundle, b := n.proof(t, documentOf(p))
	if b.Block.Number <= number {
		t.Fatalf("a proof of block %d, the configuration is in block %d", b.Block.Number, number)
	}
	verify := func(config ...uint64) string {
		args := []string{"--block", n.raw(t, b.Block.Number)}
		for _, c := range config {
			args = append(args, "--config", n.raw(t, c))
		}
		return n.verified(t, bundle, args...)
	}
	if out := verify(0, number); !strings.Contains(out, "VERIFIED at depth L2") {
		t.Errorf("with both configuration blocks:\n%s", out)
	}
	if out := verify(0); !strings.Contains(out, fmt.Sprintf("the configuration in charge is in block %d", number)) {
		t.Errorf("with the first configuration block alone:\n%s", out)
	}
}

// raw saves a block as a peer gives it.
func (n *network) raw(t *testing.T, number uint64) (path string) {
	t.Helper()
	b, err := n.own[0].Block(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	return save(t, fmt.Sprint(number, ".block"), encode(t, b))
}

// reconfigure has the first organisation name another anchor peer, which its
// administrator alone may, and returns the number of the block that says so.
func (n *network) reconfigure(t *testing.T) (number uint64) {
	t.Helper()
	org := n.Cluster.Orgs()[0].MSPID
	genesis, err := n.own[0].Block(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	root := channelGroup(t, genesis.GetData().GetData()[0])
	application := root.Groups["Application"]
	own := application.Groups[org]
	peers := &peer.AnchorPeers{}
	decode(t, own.Values["AnchorPeers"].Value, peers)
	peers.AnchorPeers = append(peers.AnchorPeers, &peer.AnchorPeer{Host: "127.0.0.1", Port: 1})
	// What is read and written stands in the groups that hold it, all at their versions.
	group := func(values map[string]*common.ConfigValue) *common.ConfigGroup {
		inner := &common.ConfigGroup{Version: own.Version, Values: values}
		middle := &common.ConfigGroup{Version: application.Version, Groups: map[string]*common.ConfigGroup{org: inner}}
		return &common.ConfigGroup{Version: root.Version, Groups: map[string]*common.ConfigGroup{"Application": middle}}
	}
	admin := n.Cluster.Client(0, topology.Admin)
	update := encode(t, &common.ConfigUpdate{ChannelId: admin.Channel, ReadSet: group(nil), WriteSet: group(map[string]*common.ConfigValue{
		"AnchorPeers": {Version: own.Values["AnchorPeers"].Version + 1, ModPolicy: own.Values["AnchorPeers"].ModPolicy, Value: encode(t, peers)},
	})})
	by := newSigner(t, admin.MSPID, admin.Cert, admin.Key)
	nonce := make([]byte, 24)
	_, _ = rand.Read(nonce)
	header := encode(t, &common.SignatureHeader{Creator: by.identity, Nonce: nonce})
	signature, err := by.sign(append(header[:len(header):len(header)], update...))
	if err != nil {
		t.Fatal(err)
	}
	payload := encode(t, &common.Payload{
		Header: &common.Header{
			ChannelHeader:   encode(t, &common.ChannelHeader{Type: int32(common.HeaderType_CONFIG_UPDATE), ChannelId: admin.Channel}),
			SignatureHeader: header,
		},
		Data: encode(t, &common.ConfigUpdateEnvelope{
			ConfigUpdate: update, Signatures: []*common.ConfigSignature{{SignatureHeader: header, Signature: signature}},
		}),
	})
	if signature, err = by.sign(payload); err != nil {
		t.Fatal(err)
	}
	next := n.height(t)
	if err := n.broadcast(t, &common.Envelope{Payload: payload, Signature: signature}); err != nil {
		t.Fatal(err)
	}
	until(t, time.Minute, "the new configuration", func() error {
		for height := n.height(t); next < height; next++ {
			if b := n.block(t, n.own[0], next); b.Txs[0].Type == block.TypeConfig {
				number = next
				return nil
			}
		}
		return errors.New("no block has it")
	})
	return number
}

// channelGroup is what a configuration transaction makes the channel's configuration.
func channelGroup(t *testing.T, envelope []byte) *common.ConfigGroup {
	t.Helper()
	var e common.Envelope
	var p common.Payload
	var c common.ConfigEnvelope
	decode(t, envelope, &e)
	decode(t, e.Payload, &p)
	decode(t, p.Data, &c)
	return c.GetConfig().GetChannelGroup()
}
