//go:build e2e

package e2e_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/network/topology"
)

// snapshotPeer makes the peer of the last organisation anew from a snapshot, so that it has
// none of the blocks before. The organisation's anchor keeps its log, is started anew too,
// and goes on: it follows, signs, and proves what is in blocks that only others have. The
// chaincode on that peer is not approved again, so it endorses nothing from here on.
func (n *network) snapshotPeer(t *testing.T) {
	orgs := n.Cluster.Orgs()
	last := len(orgs) - 1
	org, node := orgs[last], orgs[last].Peer()
	p := n.newPerson(t)
	n.create(t, p)
	key := "did/" + p.did[strings.LastIndexByte(p.did, ':')+1:]
	old := n.bundleOf(t, last, key)

	if out, err := n.peer(t, org, "snapshot", "submitrequest", "-c", n.Cluster.Channel, "-b", "0",
		"--peerAddress", node.Address(), "--tlsRootCertFile", filepath.Join(node.TLS, "ca.crt")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var made []string
	until(t, 2*time.Minute, "a snapshot", func() (err error) {
		made, err = filepath.Glob(filepath.Join(node.Data, "snapshots", "completed", n.Cluster.Channel, "*"))
		if err == nil && len(made) == 0 {
			err = errors.New("there is none")
		}
		return err
	})
	snapshot := filepath.Join(t.TempDir(), "snapshot")
	if err := os.CopyFS(snapshot, os.DirFS(made[0])); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{node.Name, org.AnchorName()} {
		if err := n.Cluster.Kill(name); err != nil {
			t.Fatal(err)
		}
	}
	n.joinBySnapshot(t, org, snapshot)
	before := n.height(t)
	if err := n.Cluster.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := n.own[last].Block(t.Context(), old.Block.Number); err == nil || !strings.Contains(err.Error(), "bootstrapped from a snapshot") {
		t.Fatalf("block %d of the new peer: %v", old.Block.Number, err)
	}
	again := n.bundleOf(t, last, key)
	if again.Block != old.Block || again.Note.Size < old.Note.Size {
		t.Errorf("the bundle was of block %+v, is of %+v", old.Block, again.Block)
	}
	n.create(t, n.newPerson(t))
	until(t, 2*time.Minute, "it signs a checkpoint", func() error {
		n.create(t, n.newPerson(t))
		return n.cosigned(t, org.MSPID, before)
	})
	for _, alarm := range n.alarms(t, last) {
		if strings.HasPrefix(alarm, "blocks: ") || strings.Contains(alarm, "fork") {
			t.Error(alarm)
		}
	}
}

// bundleOf waits for the bundle of a key's newest write from an organisation's anchor.
func (n *network) bundleOf(t *testing.T, org int, key string) *log.Bundle {
	t.Helper()
	var b *log.Bundle
	until(t, 3*time.Minute, "a bundle of "+key, func() error {
		r, err := http.Get(n.Cluster.AnchorURL(org) + "/bundle?key=" + url.QueryEscape(key))
		if err != nil {
			return err
		}
		defer r.Body.Close()
		data, err := io.ReadAll(r.Body)
		if err == nil && r.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", r.Status, data)
		}
		if err == nil {
			b, err = log.ParseBundle(data)
		}
		return err
	})
	return b
}

// peer is the peer's program as the command line of an organisation's admin.
func (n *network) peer(t *testing.T, o topology.Org, args ...string) *exec.Cmd {
	t.Helper()
	node := o.Peer()
	c := exec.CommandContext(t.Context(), filepath.Join(n.bin, "peer"), args...)
	c.Env = append(os.Environ(), "FABRIC_CFG_PATH="+node.Config, "FABRIC_LOGGING_SPEC=error", "KILLICK_CCAAS_CLIENT="+node.TLS,
		"CORE_PEER_TLS_ENABLED=true", "CORE_PEER_TLS_SERVERHOSTOVERRIDE="+node.CN, "CORE_PEER_ADDRESS="+node.Address(),
		"CORE_PEER_TLS_ROOTCERT_FILE="+filepath.Join(node.TLS, "ca.crt"), "CORE_PEER_LOCALMSPID="+o.MSPID)
	if args[0] != "node" {
		cert := o.Connection(topology.Admin).Cert
		c.Env = append(c.Env, "CORE_PEER_MSPCONFIGPATH="+filepath.Dir(filepath.Dir(cert)))
	}
	return c
}

// joinBySnapshot gives an organisation's peer, which does not run, a new ledger made of a
// snapshot.
func (n *network) joinBySnapshot(t *testing.T, o topology.Org, snapshot string) {
	t.Helper()
	node := o.Peer()
	if err := os.RemoveAll(node.Data); err != nil {
		t.Fatal(err)
	}
	server := n.peer(t, o, "node", "start")
	server.Env = append(server.Env, "CORE_PEER_MSPCONFIGPATH="+node.MSP)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	until(t, 2*time.Minute, "the peer serves", func() error {
		r, err := http.Get(node.HealthURL())
		if err == nil {
			err = r.Body.Close()
		}
		return err
	})
	until(t, 2*time.Minute, "the peer joins", func() error {
		out, err := n.peer(t, o, "channel", "joinbysnapshot", "--snapshotpath", snapshot).CombinedOutput()
		if err != nil && !strings.Contains(string(out), "already exists") {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	})
	until(t, 2*time.Minute, "the peer has joined", func() error {
		out, err := n.peer(t, o, "channel", "getinfo", "-c", n.Cluster.Channel).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	})
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ended
	if err := os.WriteFile(filepath.Join(node.Data, ".ready"), nil, 0o600); err != nil { // the cluster takes it as its own
		t.Fatal(err)
	}
}
