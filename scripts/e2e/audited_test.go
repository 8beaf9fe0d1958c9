//go:build e2e

package e2e_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/network/topology"
)

// audited has everything that this channel went through executed again by an auditor,
// from blocks that one member sends and from the files of another's running peer: invalid
// transactions of all kinds, other chaincodes with policies of their own, private
// contents, ranges, another configuration, an organisation with another program. All
// validation codes, keys, values and commit hashes are what the auditor computes.
func (n *network) audited(t *testing.T) {
	p := n.newPerson(t)
	n.create(t, p)
	bundle, _ := n.proof(t, documentOf(p))
	orgs := n.Cluster.Orgs()
	sent := n.sentBlocks(t)
	files, err := filepath.Glob(filepath.Join(n.Cluster.Dir, "data", "*", "ledgersData", "chains", "chains", "*"))
	if err != nil || len(files) != len(orgs) {
		t.Fatalf("folders of block files: %q, %v", files, err)
	}
	for _, blocks := range []string{sent, files[len(files)-1]} {
		out := n.verified(t, bundle, "--blocks", blocks)
		if !strings.Contains(out, "VERIFIED at depth L3") {
			t.Errorf("%s:\n%s", blocks, out)
		}
		for line := range strings.Lines(out) {
			if strings.Contains(line, "re-execution") {
				t.Log(line)
			}
		}
	}
}

// sentBlocks saves what the first member sends of its peer's blocks.
func (n *network) sentBlocks(t *testing.T) (path string) {
	t.Helper()
	return save(t, "blocks", n.anchor(t, "blocks", "--config", n.Cluster.Orgs()[0].AnchorFile()))
}

// colluding has f + 1 organisations run a chaincode that writes a key which the rules do
// not, and the honest ones commit and sign it, as they must. An auditor finds nothing at
// L1 and L2, and at L3 the block, the transaction and the key.
func (n *network) colluding(t *testing.T) {
	p := n.newPerson(t)
	n.create(t, p)
	n.replaceChaincode(t, n.Cluster.Orgs()[:2]...)
	conf := n.Cluster.Client(0, topology.GatewayUser)
	conf.Peers = conf.Peers[:2]
	liars := connect(t, conf)
	item, ref := p.refer(t, note("deviant-write"), "")
	frame, err := ops.EncodeFrame([]ops.Item{item})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := liars.Execute(t.Context(), "ops:Batch", frame); err != nil {
		t.Fatal(err)
	}
	bundle, b := n.proof(t, client.Subject{Key: "record/" + ref.String()})
	sent := n.sentBlocks(t)
	l2 := []string{"--block", n.raw(t, b.Block.Number), "--config", n.raw(t, 0)}
	if last, ok := n.block(t, n.own[0], b.Block.Number).LastConfig(); ok && last > 0 {
		l2 = append(l2, "--config", n.raw(t, last))
	}
	for _, depth := range []struct {
		args []string
		want string
	}{
		{nil, "VERIFIED at depth L1"},
		{l2, "VERIFIED at depth L2"},
		{[]string{"--blocks", sent}, fmt.Sprintf("block %d: key deviant is was here, want not written", b.Block.Number)},
	} {
		if out := n.verified(t, bundle, depth.args...); !strings.Contains(out, depth.want) {
			t.Errorf("want %q:\n%s", depth.want, out)
		}
	}
}
