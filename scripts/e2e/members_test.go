//go:build e2e

package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
)

// membersChange has the fourth organisation leave, and another one of the channel join:
// it is the same organisation to Fabric, and a new one to the ledger, with an anchor that
// has new keys and nothing on its disk.
func (n *network) membersChange(t *testing.T) {
	const last = 3
	org := n.Cluster.Orgs()[last]
	next := n.membership(t)
	next.K, next.Members = 2, next.Members[:last]
	n.handOver(t, 3, next, 0, 1, 2)
	refusedBy(t, n.members[last], fault.NotMember, "checkpoint:Accept", []byte(`{"size":1,"root":"","time":1,"signers":[]}`))
	if out, err := n.killickGovern(last, "propose", "heartbeatSeconds", "62"); err == nil || !strings.Contains(err.Error(), "not_member") {
		t.Errorf("who left proposes: %v\n%s", err, out)
	}
	without := n.newPerson(t)
	n.create(t, without)
	n.hasAlarm(t, last, org.MSPID+" is not in member set 3")

	// A newcomer: a file of its own for the account that pays is all it has.
	if err := n.Cluster.Kill(org.AnchorName()); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{n.key(org, "cosign.key"), n.key(org, "attest.key"), filepath.Join(n.Cluster.Dir, "data", org.AnchorName())} {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Cluster.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	joiner := n.joiner(t, last)
	if founding := n.policy(t).Members[last]; joiner.Cosign == founding.Cosign || joiner.Address == founding.Address {
		t.Fatalf("%+v has the keys of before", joiner)
	}
	n.hasAlarm(t, last, org.MSPID+" is not in member set 3")
	next = n.membership(t)
	next.K, next.Members = 3, append(next.Members, joiner)
	decided := n.handOver(t, 4, next, 0, 1)
	until(t, time.Minute, "the newcomer signs a checkpoint", func() error { return n.cosigned(t, org.MSPID, 0) })
	t.Logf("it signs %.1f s after the decision", time.Since(decided).Seconds())

	with := n.newPerson(t)
	n.create(t, with)
	n.across = map[uint64]*person{3: without, 4: with}
}

// provenAcross has what came under each of the sets of membersChange proved under the
// policy of the founding set. The sets went to the chains while other tests ran.
func (n *network) provenAcross(t *testing.T) {
	for version, p := range n.across {
		bundle, b := n.proof(t, documentOf(p))
		if b.SetVersion < version || len(b.Rotations) != int(b.SetVersion)-1 || len(b.Anchors) != 2 {
			t.Errorf("the bundle of %s: %+v", p.did, b)
		}
		if exit, out := n.verify(t, bundle, n.Cluster.Policy()); exit != 0 {
			t.Errorf("%s under the policy of before: exit %d\n%s", p.did, exit, out)
		}
	}
	for i := range n.Cluster.Orgs() {
		until(t, 2*time.Minute, "no alarms", func() error {
			if alarms := n.alarms(t, i); len(alarms) > 0 {
				return fmt.Errorf("anchor %d: %q", i, alarms)
			}
			return nil
		})
	}
}

// membership is the member set in force as an operator gets it.
func (n *network) membership(t *testing.T) (m govern.Membership) {
	t.Helper()
	if err := json.Unmarshal([]byte(n.decides(t, 0, `"members"`, "members")), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// joiner is an organisation with its coming keys, as its operator prints it for the others.
func (n *network) joiner(t *testing.T, org int) (j govern.Joiner) {
	t.Helper()
	if err := json.Unmarshal(n.anchor(t, "member", "--config", n.Cluster.Orgs()[org].AnchorFile()), &j); err != nil {
		t.Fatal(err)
	}
	return j
}

// handOver has organisations decide on a member set, the first of them proposing it, and
// waits until it is in force. It returns when it was decided.
func (n *network) handOver(t *testing.T, version int, next govern.Membership, by ...int) time.Time {
	t.Helper()
	text, err := canon.Marshal(next)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "members.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	ref := n.proposed(t, by[0], "members", "@"+file)
	for i, org := range by[1:] {
		want := "status     open"
		if i+2 == len(by) {
			want = "status     enacted"
		}
		n.decides(t, org, want, "approve", ref)
	}
	decided := time.Now()
	until(t, time.Minute, "the members hand over", func() error {
		out, err := n.killickGovern(by[0], "show")
		if err == nil && !strings.Contains(out, fmt.Sprintf("of them decide, set %d)", version)) {
			err = errors.New(out)
		}
		return err
	})
	t.Logf("set %d is in force %.1f s after it was decided", version, time.Since(decided).Seconds())
	return decided
}

// cosigned returns an error unless an organisation has signed the newest checkpoint, and that is
// above a size.
func (n *network) cosigned(t *testing.T, msp string, above uint64) error {
	answer, err := n.treasury.Evaluate(t.Context(), "checkpoint:Head")
	if err != nil {
		return err
	}
	var head checkpoint.Checkpoint
	if err := json.Unmarshal(answer, &head); err != nil {
		return err
	}
	if head.Size <= above {
		return fmt.Errorf("no checkpoint above size %d", above)
	}
	point, err := canon.Marshal(checkpoint.Point{Size: head.Size, Root: head.Root, Time: head.Time})
	if err != nil {
		return err
	}
	if answer, err = n.treasury.Evaluate(t.Context(), "checkpoint:Cosignatures", point); err != nil {
		return err
	}
	var by []checkpoint.MemberSignatures
	if err := json.Unmarshal(answer, &by); err != nil {
		return err
	}
	if !slices.ContainsFunc(by, func(s checkpoint.MemberSignatures) bool { return s.MSP == msp }) {
		return fmt.Errorf("%d organisations signed checkpoint %d", len(by), head.Number)
	}
	return nil
}

// hasAlarm waits until an anchor has an alarm with a text.
func (n *network) hasAlarm(t *testing.T, org int, text string) {
	t.Helper()
	until(t, time.Minute, fmt.Sprintf("the alarm %q of anchor %d", text, org), func() error {
		if alarms := n.alarms(t, org); !strings.Contains(strings.Join(alarms, "\n"), text) {
			return fmt.Errorf("%q", alarms)
		}
		return nil
	})
}
