//go:build e2e

package e2e_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/client"
)

// audited has the ledger of money added up by the command line, from the gateway and from
// the blocks of a peer, and compares a statement with the balance. (IX-5, IX-6)
func (b *bench) audited(t *testing.T, p *person) {
	t.Helper()
	killick := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), filepath.Join(b.bin, "killick"), append([]string{"--gateway", b.Cluster.GatewayAddress()}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("killick %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if out := killick("audit", "ledger"); !strings.Contains(out, "AGREES") {
		t.Errorf("%s", out)
	}
	page, err := b.Client.Statement(t.Context(), &client.GetStatement{Did: p.did, Asset: "usd", PageSize: 1000})
	if err != nil {
		t.Fatal(err)
	}
	balance, received := b.money(t, p)
	totals := page.GetTotals()
	var has, pending, due int // an epoch may end between the two answers
	if _, err := fmt.Sscan(totals.GetBalance(), &has); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(totals.GetPending()+" "+totals.GetDue(), &pending, &due); err != nil {
		t.Fatal(err)
	}
	if has != balance || pending+due != received || page.GetNextPageToken() != "" {
		t.Errorf("the statement ends with %v, the balance is %d and %d", totals, balance, received)
	}
	for _, l := range page.GetLines() {
		if l.GetKind() == "unexplained" {
			t.Errorf("%v", l)
		}
	}
	if out := killick("statement", p.did, "--csv"); strings.Count(out, "\n") != len(page.GetLines())+1 {
		t.Errorf("%s", out)
	}
}

// traced has the auditor's program compute a job again from one file, and refuse the file
// once a link of it is another. (TR-1)
func (b *bench) traced(t *testing.T, job ops.Reference) {
	t.Helper()
	var data []byte
	until(t, 3*time.Minute, "a trail", func() (err error) {
		data, err = b.Client.Proof(t.Context(), client.Subject{Job: job.String()})
		return err
	})
	exit, out := b.verify(t, save(t, "job.anchorproof", data), b.Cluster.Policy())
	if exit != 0 || !strings.Contains(out, "drawn again from the seed") || !strings.Contains(out, "lines follow from job, finding and ballots") {
		t.Errorf("exit %d\n%s", exit, out)
	}
	t.Logf("%d bytes\n%s", len(data), out)
	made, err := log.ParseTrail(data)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range made.Links {
		if !strings.HasPrefix(string(l.Write.Record.Key), "reveal/") {
			continue
		}
		made.Links = append(made.Links[:i:i], made.Links[i+1:]...)
		break
	}
	forged, err := made.Marshal()
	if err != nil || bytes.Equal(forged, data) {
		t.Fatalf("%v", err)
	}
	if exit, out := b.verify(t, save(t, "forged.anchorproof", forged), b.Cluster.Policy()); exit != 2 || !strings.Contains(out, "INVALID: verdict and money") {
		t.Errorf("a ballot less: exit %d\n%s", exit, out)
	}
}
