//go:build e2e

package e2e_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/network/topology"
)

// newKeys replaces the anchor keys of one organisation while operations arrive, as
// operators do it: no process is stopped, and proofs go on for whoever pinned the member
// set before.
func (n *network) newKeys(t *testing.T) {
	payers := []*person{n.newPerson(t), n.newPerson(t), n.newPerson(t)}
	payee := n.newPerson(t)
	n.create(t, append(slices.Clone(payers), payee)...)
	for _, p := range payers {
		n.fund(t, p, 1_000_000)
	}
	height := n.height(t)
	l := n.beginLoad(t, payers, payee)
	defer l.stop()
	begun := time.Now()
	early := n.first(t, l)
	before := n.policy(t)
	bundle := n.proven(t, client.Subject{Operation: early}) // of the set before, with its policy

	org := n.Cluster.Orgs()[1]
	oldCosign, oldAttest := n.secrets(t, org)
	n.anchor(t, "keys", "--next", "--config", org.AnchorFile())
	joiner := n.joiner(t, 1)
	next := n.membership(t)
	if next.Members[1].MSP != org.MSPID || next.Members[1].Cosign == joiner.Cosign {
		t.Fatalf("members %+v, new %+v", next.Members, joiner)
	}
	next.Members[1] = joiner
	decided := n.handOver(t, 2, next, 0, 1, 2)

	from, _ := l.finished(time.Time{})
	until(t, time.Minute, "operations go on", func() error {
		if now, _ := l.finished(time.Time{}); now < from+20 {
			return fmt.Errorf("%d operations since", now-from)
		}
		return nil
	})
	all := l.drain(t)
	n.exactlyOnce(t, all, height)
	n.proven(t, client.Subject{Operation: all[len(all)-1].ref}) // with the policy of before
	late := filepath.Join(t.TempDir(), "late.anchorproof")
	if out, err := exec.CommandContext(t.Context(), filepath.Join(n.bin, "killick"), "--gateway", n.Cluster.GatewayAddress(),
		"proof", all[len(all)-1].ref, "--out", late).CombinedOutput(); err != nil {
		t.Fatalf("killick proof: %v\n%s", err, out)
	}
	text, err := os.ReadFile(late)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := log.ParseBundle(text); err != nil || b.SetVersion != 2 || len(b.Rotations) != 1 || len(b.Anchors) != 2 {
		t.Errorf("the bundle afterwards: %+v, %v", b, err)
	}
	t.Logf("proved on both chains %.1f s after the decision, %.1f s after the begin", time.Since(decided).Seconds(), time.Since(begun).Seconds())

	after := *before
	after.SetVersion = 2
	after.Members = slices.Clone(before.Members)
	after.Members[1].Cosign, after.Members[1].Address = joiner.Cosign, joiner.Address
	if err := after.Check(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		bundle string
		policy *log.Policy
		exit   int
	}{
		{"before, policy of before", bundle, before, 0},
		{"after, policy of before", late, before, 0},
		{"after, policy of after", late, &after, 0},
		{"before, policy of after", bundle, &after, 3}, // nobody can know older members from newer ones
	} {
		if exit, out := n.judged(t, c.bundle, c.policy); exit != c.exit {
			t.Errorf("%s: exit %d, want %d\n%s", c.name, exit, c.exit, out)
		}
	}
	n.signsNothing(t, &after, oldCosign, oldAttest)
	for i := range n.Cluster.Orgs() {
		if alarms := n.alarms(t, i); len(alarms) > 0 {
			t.Errorf("anchor %d: %q", i, alarms)
		}
	}
	for _, name := range []string{"cosign.key", "attest.key"} {
		if err := os.Rename(n.key(org, name+".next"), n.key(org, name)); err != nil {
			t.Error(err)
		}
	}
}

// signsNothing has the second organisation cosign with its old keys.
func (n *network) signsNothing(t *testing.T, p *log.Policy, cosign ed25519.PrivateKey, attest *secp256k1.PrivateKey) {
	size := n.height(t) + 100
	root := canon.Sum([]byte("any"))
	now := uint64(time.Now().Unix())
	c := log.Checkpoint{Network: p.Network, LogID: p.LogID(), Size: size, Root: root, Time: now}
	signature := canon.SignDigest(attest, p.Set().Digest(c))
	argument, err := canon.Marshal(map[string]any{
		"size": size, "root": canon.Hex(root[:]), "time": now,
		"ed25519": base64.StdEncoding.EncodeToString(ed25519.Sign(cosign, c.CosignedMessage())), "secp256k1": base64.StdEncoding.EncodeToString(signature[:]),
	})
	if err != nil {
		t.Fatal(err)
	}
	refusedBy(t, n.members[1], fault.BadSignature, "checkpoint:Cosign", argument)
}

// first is the first operation of a load that has its receipt.
func (n *network) first(t *testing.T, l *load) (ref string) {
	t.Helper()
	until(t, time.Minute, "a first operation", func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, s := range l.sent {
			if s.receipt.GetState() == "done" {
				ref = s.ref
				return nil
			}
		}
		return errors.New("none has a receipt")
	})
	return ref
}

// policy is what auditors pinned when the consortium was founded.
func (n *network) policy(t *testing.T) *log.Policy {
	t.Helper()
	data, err := os.ReadFile(n.Cluster.Policy())
	if err != nil {
		t.Fatal(err)
	}
	p, err := log.ParsePolicy(data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// judged has the auditor's program check a bundle under a policy.
func (n *network) judged(t *testing.T, bundle string, p *log.Policy) (exit int, out string) {
	t.Helper()
	policy, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return n.verify(t, bundle, save(t, "policy.json", policy))
}

// anchor runs a command of the anchor's program.
func (n *network) anchor(t *testing.T, args ...string) []byte {
	t.Helper()
	c := exec.CommandContext(t.Context(), filepath.Join(n.bin, "killick-anchor"), args...)
	out, err := c.Output()
	if err != nil {
		t.Fatalf("killick-anchor %v: %v", args, err)
	}
	return out
}

// key is a key file of an organisation's anchor.
func (n *network) key(o topology.Org, name string) string {
	return filepath.Join(n.Cluster.Dir, "keys", o.AnchorName(), name)
}

// secrets reads the keys with which an organisation's anchor signs.
func (n *network) secrets(t *testing.T, o topology.Org) (cosign ed25519.PrivateKey, attest *secp256k1.PrivateKey) {
	t.Helper()
	read := func(name string, decode func(string) ([]byte, error)) []byte {
		text, err := os.ReadFile(n.key(o, name))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := decode(strings.TrimSpace(string(text)))
		if err != nil || len(raw) < 32 {
			t.Fatalf("%s: %d bytes, %v", name, len(raw), err)
		}
		return raw[len(raw)-32:]
	}
	cosign = ed25519.NewKeyFromSeed(read("cosign.key", func(text string) ([]byte, error) {
		parts := strings.SplitN(text, "+", 5)
		return base64.StdEncoding.DecodeString(parts[len(parts)-1])
	}))
	attest = secp256k1.PrivKeyFromBytes(read("attest.key", func(text string) ([]byte, error) { return canon.UnHex(text, 32) }))
	return cosign, attest
}

// alarms are those of an anchor.
func (n *network) alarms(t *testing.T, org int) []string {
	t.Helper()
	var status struct {
		Alarms []string `json:"alarms"`
	}
	reply, err := http.Get(n.Cluster.AnchorURL(org) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if err := json.NewDecoder(reply.Body).Decode(&status); err != nil {
		t.Fatal(err)
	}
	return status.Alarms
}
