//go:build e2e

package e2e_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/gateway/client"
)

// audited has everything that this channel went through executed again by an auditor,
// from blocks that one member sends and from the files of another's running peer: invalid
// transactions of all kinds, other chaincodes with policies of their own, private
// contents, ranges, another configuration, an organisation with another program. All
// validation codes, keys, values and commit hashes are what the auditor computes.
func (n *network) audited(t *testing.T) {
	p := n.newPerson(t)
	n.create(t, p)
	bundle := filepath.Join(t.TempDir(), "newest.anchorproof")
	until(t, 3*time.Minute, "a proof of what came last", func() error {
		data, err := n.Client.Proof(t.Context(), client.Subject{Key: "did/" + p.did[strings.LastIndex(p.did, ":")+1:]})
		if err == nil {
			err = os.WriteFile(bundle, data, 0o600)
		}
		return err
	})
	orgs := n.Cluster.Orgs()
	sent := filepath.Join(t.TempDir(), "blocks")
	data, err := exec.CommandContext(t.Context(), filepath.Join(n.bin, "killick-anchor"), "blocks", "--config", orgs[0].AnchorFile()).Output()
	if err == nil {
		err = os.WriteFile(sent, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(n.Cluster.Dir, "data", "*", "ledgersData", "chains", "chains", "*"))
	if err != nil || len(files) != len(orgs) {
		t.Fatalf("folders of block files: %q, %v", files, err)
	}
	for _, blocks := range []string{sent, files[len(files)-1]} {
		out, err := exec.CommandContext(t.Context(), filepath.Join(n.bin, "killick-verify"), bundle, "--policy", n.Cluster.Policy(),
			"--evm", n.Cluster.EVM().RPC[0], "--tron", n.Cluster.Tron().RPC[0], "--one-endpoint", "--blocks", blocks).CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if err != nil || !strings.Contains(string(out), "VERIFIED at depth L3") {
			t.Errorf("%s: %v\n%s", blocks, err, out)
		}
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "re-execution") {
				t.Log(line)
			}
		}
	}
}
