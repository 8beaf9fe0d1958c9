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

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/gateway/client"
)

// documentOf is the DID document of a person.
func documentOf(p *person) client.Subject {
	return client.Subject{Key: "did/" + p.did[strings.LastIndexByte(p.did, ':')+1:]}
}

// proof saves a bundle once its checkpoint is anchored on both chains.
func (n *network) proof(t *testing.T, of client.Subject) (path string, b *log.Bundle) {
	t.Helper()
	var data []byte
	until(t, 3*time.Minute, "a bundle", func() (err error) {
		if data, err = n.Client.Proof(t.Context(), of); err == nil {
			b, err = log.ParseBundle(data)
		}
		return err
	})
	return save(t, "bundle.anchorproof", data), b
}

// save writes a file into a folder of its own.
func save(t *testing.T, name string, data []byte) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// verify has the auditor's program check a bundle under a policy.
func (n *network) verify(t *testing.T, bundle, policy string, more ...string) (exit int, out string) {
	t.Helper()
	args := append([]string{bundle, "--policy", policy, "--evm", n.Cluster.EVM().RPC[0], "--tron", n.Cluster.Tron().RPC[0], "--one-endpoint"}, more...)
	c := exec.CommandContext(t.Context(), filepath.Join(n.bin, "killick-verify"), args...)
	text, err := c.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), string(text)
}

// verified is what the auditor's program prints of a bundle under the pinned policy.
func (n *network) verified(t *testing.T, bundle string, more ...string) string {
	t.Helper()
	_, out := n.verify(t, bundle, n.Cluster.Policy(), more...)
	return out
}

// proven waits for a bundle and has the auditor's program verify it.
func (n *network) proven(t *testing.T, of client.Subject) (bundle string) {
	t.Helper()
	bundle, _ = n.proof(t, of)
	exit, out := n.verify(t, bundle, n.Cluster.Policy())
	if exit != 0 {
		t.Errorf("killick-verify of %+v: exit %d\n%s", of, exit, out)
	}
	t.Logf("%+v\n%s", of, out)
	return bundle
}
