//go:build e2e

package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
)

// govern has the operators of three members stop records and lift the stop, and
// decide on a change for later, which the anchors enact.
func (n *network) govern(t *testing.T) {
	alice := n.newPerson(t)
	n.create(t, alice)
	item := alice.sign(t, note("in an emergency"), "")

	ref := n.proposed(t, 0, "stopped", `["record"]`)
	n.decides(t, 1, "status     open", "approve", ref)
	argument, err := canon.Marshal(govern.Approve{Proposal: ref})
	if err != nil {
		t.Fatal(err)
	}
	refusedBy(t, n.members[2], fault.NotMember, "govern:Approve", argument) // a client, no admin
	if got := n.byGRPC(t, alice.sign(t, note("before the stop"), "").Compact()); got.code != fault.OK.String() {
		t.Errorf("with two approvals: %+v", got)
	}
	n.decides(t, 2, "status     enacted", "approve", ref)
	if got := n.byGRPC(t, item.Compact()); got.code != fault.Stopped.String() {
		t.Errorf("while records are stopped: %+v", got)
	}
	n.create(t, n.newPerson(t)) // another domain
	if _, err := n.Client.Resolve(t.Context(), alice.did); err != nil {
		t.Errorf("a query while records are stopped: %v", err)
	}

	ref = n.proposed(t, 3, "stopped", `[]`)
	n.decides(t, 0, "status     open", "approve", ref)
	n.decides(t, 1, "status     enacted", "approve", ref)
	if got := n.byGRPC(t, item.Compact()); got.code != fault.OK.String() {
		t.Errorf("the same operation after the stop: %+v", got)
	}
	n.decides(t, 0, `2  []`, "history", "stopped")

	ref = n.proposed(t, 0, "heartbeatSeconds", "61", "--at", time.Now().Add(15*time.Second).UTC().Format(time.RFC3339))
	n.decides(t, 1, "status     open", "approve", ref)
	n.decides(t, 2, "status     ", "approve", ref)
	until(t, 2*time.Minute, "anchors enact", func() error {
		out, err := n.killickGovern(0, "show", ref)
		if err == nil && !strings.Contains(out, "status     enacted") {
			err = errors.New(out)
		}
		return err
	})
	n.decides(t, 3, "heartbeatSeconds  61", "show")
}

// killickGovern runs the operators' command as the admin of an organisation.
func (n *network) killickGovern(org int, args ...string) (string, error) {
	file := filepath.Join(n.Cluster.Dir, "consortium.yaml")
	if err := os.WriteFile(file, []byte("channel: "+n.Cluster.Channel+"\n"), 0o600); err != nil {
		return "", err
	}
	args = append([]string{"govern", "--dir", n.Cluster.Dir, "--file", file, "--org", n.Cluster.Orgs()[org].MSPID}, args...)
	out, err := exec.Command(filepath.Join(n.bin, "killick-network"), args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%v: %w\n%s", args, err, out)
	}
	return string(out), nil
}

// decides runs the command, which has to print a text, and returns what it prints.
func (n *network) decides(t *testing.T, org int, want string, args ...string) string {
	t.Helper()
	out, err := n.killickGovern(org, args...)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, want) {
		t.Errorf("%v printed, without %q:\n%s", args, want, out)
	}
	return out
}

// proposed has an organisation propose a value and returns the reference.
func (n *network) proposed(t *testing.T, org int, subject, value string, flags ...string) string {
	t.Helper()
	out := n.decides(t, org, "status     open", append([]string{"propose", subject, value}, flags...)...)
	ref, _, _ := strings.Cut(strings.TrimPrefix(out, "proposal "), "\n")
	return ref
}
