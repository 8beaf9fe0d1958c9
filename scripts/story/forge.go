package story

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
	"google.golang.org/protobuf/proto"
)

// unanchored makes the bundle of the same record in a checkpoint that all
// members sign with their real keys, and that no chain was ever told: what
// colluding members could hand out.
func (w *World) unanchored(ctx context.Context, good []byte) ([]byte, error) {
	bundle, err := log.ParseBundle(good)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(w.Cluster.Policy())
	if err != nil {
		return nil, err
	}
	policy, err := log.ParsePolicy(text)
	if err != nil {
		return nil, err
	}
	peer, err := fabric.Connect(w.Cluster.Client(0, topology.Admin))
	if err != nil {
		return nil, err
	}
	defer peer.Close()
	tree, err := log.Open(w.file("forged-log"))
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	height, err := peer.Height(ctx)
	if err != nil {
		return nil, err
	}
	var of *block.Block
	for n := range height {
		raw, err := peer.Block(ctx, n)
		if err != nil {
			return nil, err
		}
		data, err := proto.Marshal(raw)
		if err != nil {
			return nil, err
		}
		b, err := block.Decode(data)
		if err != nil {
			return nil, err
		}
		if err := tree.Append(b); err != nil {
			return nil, err
		}
		if n == bundle.Block.Number {
			of = b
		}
	}
	// The newest block is in no anchor yet: receipts of anchors come after it.
	c := log.Checkpoint{Network: policy.Network, LogID: policy.LogID(), Size: tree.Size(), Time: uint64(time.Now().Unix())}
	if c.Root, err = tree.Root(c.Size); err != nil {
		return nil, err
	}
	cosignatures, err := w.cosignAll(policy, c)
	if err != nil {
		return nil, err
	}
	note, err := policy.Set().Note(c, cosignatures)
	if err != nil {
		return nil, err
	}
	anchors := bundle.Anchors
	for i := range anchors {
		anchors[i].Size = c.Size
	}
	forged, err := tree.Build(of, int(bundle.Tx.Index), int(bundle.Write.Index), log.Evidence{SetVersion: bundle.SetVersion, Note: note, Anchors: anchors})
	if err != nil {
		return nil, err
	}
	return forged.Marshal()
}

// cosignAll signs with the keys that the members' anchors hold.
func (w *World) cosignAll(p *log.Policy, c log.Checkpoint) ([]log.Cosignature, error) {
	var all []log.Cosignature
	for _, o := range w.Cluster.Orgs() {
		dir := filepath.Join(w.Cluster.Dir, "keys", o.AnchorName())
		note, err := os.ReadFile(filepath.Join(dir, "cosign.key"))
		if err != nil {
			return nil, err
		}
		// PRIVATE+KEY+<name>+<hash>+<base64 of 0x01 and the seed>
		parts := strings.SplitN(strings.TrimSpace(string(note)), "+", 5)
		if len(parts) != 5 {
			return nil, fmt.Errorf("%s is no signer key", dir)
		}
		seed, err := base64.StdEncoding.DecodeString(parts[4])
		if err != nil || len(seed) != 33 {
			return nil, fmt.Errorf("%s is no Ed25519 signer key", dir)
		}
		scalar, err := os.ReadFile(filepath.Join(dir, "attest.key"))
		if err != nil {
			return nil, err
		}
		secret, err := canon.UnHex(strings.TrimSpace(string(scalar)), 32)
		if err != nil {
			return nil, err
		}
		all = append(all, log.Cosignature{
			MSP:       o.MSPID,
			Ed25519:   [64]byte(ed25519.Sign(ed25519.NewKeyFromSeed(seed[1:]), c.CosignedMessage())),
			Secp256k1: canon.SignDigest(secp256k1.PrivKeyFromBytes(secret), p.Set().Digest(c)),
		})
	}
	return all, nil
}
